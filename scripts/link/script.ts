/** The linker script: Bun's pieces where they always were, the C library behind them, see ld(1). */
import type { Arch } from "../../src/sys/arch.ts";
import { givenAddress } from "../../src/sys/given.ts";
import { PF_R, PF_W, PF_X, PT_GNU_RELRO, PT_GNU_STACK, PT_LOAD, PT_TLS } from "./elf.ts";
import type { Piece } from "./pieces.ts";

/** The largest page that the kernels of an architecture use: segments must not share one. */
export const largestPage: Readonly<Record<Arch, number>> = { x86_64: 0x1000, aarch64: 0x10000 };

/** Sections of our object for thread-local storage. */
export const tlsContent = ".bun.tdata";
export const tlsZeros = ".bun.tbss";

/** No thread-local variable of the C library's is aligned to more. */
const tlsAlign = 64;
const ptGnuEhFrame = 0x6474e550;
const [r, rw, rx] = [PF_R, PF_R | PF_W, PF_R | PF_X];

/** `bunTlsSpan` is the size of Bun's thread-local block, up to its alignment. */
export function linkerScript(
  arch: Arch,
  pieces: readonly Piece[],
  entry: number,
  bunTlsSpan: number,
): string {
  const segments = joinSegments(pieces);
  const headers = [
    `headers ${PT_LOAD} FILEHDR PHDRS FLAGS(${r});`,
    `given ${PT_LOAD} FLAGS(${rw});`,
    ...segments.map(({ name, flags }) => `${name} ${PT_LOAD} FLAGS(${flags});`),
    `c_read ${PT_LOAD} FLAGS(${r});`,
    `c_code ${PT_LOAD} FLAGS(${rx});`,
    `c_data ${PT_LOAD} FLAGS(${rw});`,
    `tls ${PT_TLS} FLAGS(${r});`,
    `eh_frame ${ptGnuEhFrame} FLAGS(${r});`,
    `stack ${PT_GNU_STACK} FLAGS(${rw});`,
    `relro ${PT_GNU_RELRO} FLAGS(${r});`,
  ];
  const placed = segments.flatMap(({ name, pieces: parts }) =>
    parts.map((piece) => `.${piece.name} ${hex(piece.address)} : { *(.${piece.name}) } :${name}`),
  );
  const end = Math.max(...pieces.map(({ address, size }) => address + size));
  const page = hex(largestPage[arch]);
  return `ENTRY(_start)
ctrtool_bun_entry = ${hex(entry)};
PHDRS {
  ${headers.join("\n  ")}
}
SECTIONS {
  . = ${hex(givenAddress - largestPage[arch])} + SIZEOF_HEADERS;
  .padding : { LONG(0) } :headers
  .ctrtool.given ${hex(givenAddress)} : { *(.ctrtool.given) LONG(0) } :given
  ${placed.join("\n  ")}
  . = ALIGN(${hex(end)}, ${page});
  .rodata : { *(.rodata .rodata.* .gnu.linkonce.r.*) } :c_read
  .rela.iplt : { ${bounded("__rela_iplt", "*(.rela*)")} } :c_read
  .eh_frame_hdr : { *(.eh_frame_hdr) } :c_read :eh_frame
  .eh_frame : { KEEP(*(.eh_frame)) *(.eh_frame.*) } :c_read
  .gcc_except_table : { *(.gcc_except_table .gcc_except_table.*) } :c_read
  . = ALIGN(${page});
  .init : { KEEP(*(.init)) } :c_code
  .plt : { *(.plt) *(.iplt) } :c_code
  .text : { *(.text .text.* .stub) } :c_code
  .fini : { KEEP(*(.fini)) } :c_code
  __libc_freeres_fn : { *(__libc_freeres_fn) } :c_code
  . = DATA_SEGMENT_ALIGN(${page}, ${page});
  ${arch === "x86_64" ? tlsBunLast(bunTlsSpan) : tlsBunFirst}
  .preinit_array : { ${bounded("__preinit_array", "KEEP(*(.preinit_array))")} } :c_data :relro
  .init_array : { ${bounded("__init_array", "KEEP(*(SORT_BY_INIT_PRIORITY(.init_array.*))) KEEP(*(.init_array))")} } :c_data :relro
  .fini_array : { ${bounded("__fini_array", "KEEP(*(SORT_BY_INIT_PRIORITY(.fini_array.*))) KEEP(*(.fini_array))")} } :c_data :relro
  .data.rel.ro : { *(.data.rel.ro.local*) *(.data.rel.ro .data.rel.ro.*) } :c_data :relro
  __libc_subfreeres : { *(__libc_subfreeres) } :c_data :relro
  __libc_atexit : { *(__libc_atexit) } :c_data :relro
  __libc_IO_vtables : { *(__libc_IO_vtables) } :c_data :relro
  .got : { *(.got) *(.igot) *(.got.plt) *(.igot.plt) } :c_data :relro
  . = DATA_SEGMENT_RELRO_END(0, .);
  .data : { *(.data .data.*) } :c_data
  __libc_freeres_ptrs : { *(__libc_freeres_ptrs) } :c_data
  .bss : { *(.bss .bss.* COMMON) } :c_data
  . = DATA_SEGMENT_END(.);
  _end = .;
  end = .;
  /DISCARD/ : { *(.note.*) *(.comment) *(.stapsdt.base) *(.gnu.build.attributes*) }
}
`;
}

interface LoadSegment {
  readonly name: string;
  readonly flags: number;
  readonly pieces: readonly Piece[];
}

/** Zeros without content end the segment before them, as a file can. Names have no dot: a script's grammar. */
function joinSegments(pieces: readonly Piece[]): LoadSegment[] {
  const segments: { name: string; flags: number; pieces: Piece[] }[] = [];
  for (const piece of pieces) {
    const last = segments.at(-1);
    if (!piece.content && last) last.pieces.push(piece);
    else segments.push({ name: piece.name.replace(".", "_"), flags: flagsOf(piece), pieces: [piece] });
  }
  return segments;
}

function flagsOf({ writable, executable }: Piece): number {
  return r | (writable ? PF_W : 0) | (executable ? PF_X : 0);
}

/**
 * On x86_64 thread-local variables lie below the thread pointer, at offsets from the block's end that Bun's
 * code contains: its part must be the last, and end where the (aligned) block ends.
 */
function tlsBunLast(span: number): string {
  const pad = (tlsAlign - (span % tlsAlign)) % tlsAlign;
  return `.tdata ALIGN(${tlsAlign}) : {
    *(.tdata .tdata.*) *(.tbss .tbss.*) . = ALIGN(${tlsAlign}); . = . + ${pad}; *(${tlsContent})
  } :c_data :tls :relro
  .tbss : { *(${tlsZeros}) } :c_data :tls :relro`;
}

/** On aarch64 they lie above it, so that Bun's part must be the first. */
const tlsBunFirst = `.tdata : { *(${tlsContent}) *(${tlsZeros}) *(.tdata .tdata.*) } :c_data :tls :relro
  .tbss : { *(.tbss .tbss.*) } :c_data :tls :relro`;

function bounded(name: string, content: string): string {
  return `PROVIDE_HIDDEN(${name}_start = .); ${content} PROVIDE_HIDDEN(${name}_end = .);`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
