/**
 * Cuts the image of a compiled Bun program into pieces that keep their addresses: what refers to what inside of
 * it was decided when Bun was linked.
 */
import { type Elf, PF_W, PF_X, PT_LOAD, PT_TLS, type Segment, SHT_NOBITS } from "./elf.ts";

/** A part of Bun's memory. */
export interface Piece {
  readonly name: string;
  readonly address: number;
  readonly size: number;
  readonly writable: boolean;
  readonly executable: boolean;
  /** What it starts as; zeros if undefined. */
  readonly content: Uint8Array | undefined;
}

/** A 64-bit number to be put into Bun's memory. */
export interface Patch {
  readonly address: number;
  readonly value: number;
}

/** Bun's thread-local storage: where in the block a variable lies is baked into its code. */
export interface ThreadLocal {
  readonly content: Uint8Array;
  /** What follows the content and starts as zeros. */
  readonly zeros: number;
  readonly align: number;
}

export interface Image {
  readonly entry: number;
  readonly pieces: readonly Piece[];
  readonly threadLocal: ThreadLocal;
  readonly constructors: Uint8Array;
  readonly destructors: Uint8Array;
}

/** Sections that only a dynamic linker reads; they come first, and are left out. */
const forDynamicLinker: ReadonlySet<string> = new Set([
  ".interp",
  ".note.ABI-tag",
  ".note.gnu.build-id",
  ".dynsym",
  ".gnu.version",
  ".gnu.version_d",
  ".gnu.version_r",
  ".gnu.hash",
  ".hash",
  ".dynstr",
  ".rela.dyn",
  ".rela.plt",
]);

const page = 4096;

/** Throws a BuildProblem unless `elf` has the segments and sections that Bun 1.4 has. */
export function cut(elf: Elf): Image {
  const [readOnly, text, data, ...others] = elf.segmentsOf(PT_LOAD);
  if (!readOnly || !text || !data || others.length > 0)
    throw elf.problem(`${elf.segmentsOf(PT_LOAD).length} PT_LOAD segments, not 3`);
  if (readOnly.flags & (PF_W | PF_X) || text.flags & PF_W || data.flags & PF_X)
    throw elf.problem("the segments are not read-only data, code and data, in this order");
  const init = elf.section(".init_array");
  const fini = elf.section(".fini_array");
  return {
    entry: elf.entry,
    pieces: [
      withoutLinkerTables(elf, readOnly),
      piece("bun.text", text.address, elf.slice(text.offset, text.fileSize), text.flags),
      ...cutData(elf, data),
    ],
    threadLocal: threadLocal(elf),
    constructors: elf.slice(init.offset, init.size),
    destructors: elf.slice(fini.offset, fini.size),
  };
}

/** Puts numbers into copies of the pieces. */
export function patched(pieces: readonly Piece[], patches: readonly Patch[]): Piece[] {
  return pieces.map((original) => {
    const { address, size, content } = original;
    const inside = patches.filter((patch) => patch.address >= address && patch.address < address + size);
    if (!content || inside.length === 0) return original;
    const copy = new Uint8Array(content);
    const view = new DataView(copy.buffer);
    for (const patch of inside) view.setBigUint64(patch.address - address, BigInt(patch.value), true);
    return { ...original, content: copy };
  });
}

function piece(name: string, address: number, content: Uint8Array, flags: number): Piece {
  const [writable, executable] = [(flags & PF_W) !== 0, (flags & PF_X) !== 0];
  return { name, address, size: content.length, writable, executable, content };
}

function withoutLinkerTables(elf: Elf, { offset, address, fileSize, flags }: Segment): Piece {
  const kept = elf.sections.filter(
    (section) =>
      section.address >= address &&
      section.address < address + fileSize &&
      !forDynamicLinker.has(section.name),
  );
  const start = Math.min(...kept.map((section) => section.address));
  if (!Number.isFinite(start)) throw elf.problem("no read-only data");
  const skipped = start - address;
  return piece("bun.rodata", start, elf.slice(offset + skipped, fileSize - skipped), flags);
}

/**
 * Bun appends the program to its data, and so stores .bss as zeros in the file. It is cut out again, but for
 * its last page: there lie the copies of stdin, stdout and stderr, which must not start as zeros.
 */
function cutData(elf: Elf, { offset, address, fileSize, flags }: Segment): Piece[] {
  const bss = elf.section(".bss");
  const end = address + fileSize;
  const bssEnd = bss.address + bss.size;
  if (bss.type !== SHT_NOBITS || bss.address < address || bssEnd > end)
    throw elf.problem("its .bss is not in the data segment: not made by bun build --compile?");
  const tail = Math.max(bss.address, Math.floor((bssEnd - 1) / page) * page);
  const at = (start: number, stop: number) => elf.slice(offset + start - address, stop - start);
  if (at(bss.address, tail).some((byte) => byte !== 0)) throw elf.problem("its .bss is not empty");
  return [
    piece("bun.data", address, at(address, bss.address), flags),
    {
      name: "bun.bss",
      address: bss.address,
      size: tail - bss.address,
      writable: true,
      executable: false,
      content: undefined,
    },
    piece("bun.program", tail, at(tail, end), flags),
  ];
}

function threadLocal(elf: Elf): ThreadLocal {
  const { offset, fileSize, memorySize, align } = elf.segment(PT_TLS, "PT_TLS");
  const span = Math.ceil(memorySize / align) * align;
  return { content: elf.slice(offset, fileSize), zeros: span - fileSize, align };
}
