import type { Arch } from "../sys/arch.ts";
import { roundUp } from "./code.ts";

// Field names and values are from elf(5).
const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const PHDR_COUNT = 3;
const ET_EXEC = 2;
const EV_CURRENT = 1;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;
/** e_machine, and the largest page of the architecture's kernels, to which segments are aligned. */
const MACHINE: Readonly<Record<Arch, { readonly e_machine: number; readonly page: number }>> = {
  x86_64: { e_machine: 62, page: 4096 },
  aarch64: { e_machine: 183, page: 65536 },
};

/** Where the image's first byte is mapped. */
export const imageBase = 0x400000;

/** The `codeStart` to assemble for: the first 16-byte boundary behind the headers. */
export const imageCodeStart = roundUp(EHDR_SIZE + PHDR_COUNT * PHDR_SIZE, 16);

/**
 * The smallest static executable that runs `code`: a read-only and executable segment with headers and
 * code, a writable one with `data` and after it `zeroed` bytes of zeros that the file does not hold, and no
 * right to execute the stack. No sections, no interpreter. See elf(5), and fs/binfmt_elf.c for its reader.
 *
 * All positions are in bytes from the image's start; `codeStart` and `dataStart` are what the assembler was
 * given and what it returned, `entryOffset` is where the first instruction lies.
 */
export function elfImage(
  arch: Arch,
  code: Uint8Array,
  codeStart: number,
  data: Uint8Array,
  dataStart: number,
  entryOffset: number,
  zeroed = 0,
): Uint8Array {
  const { e_machine, page } = MACHINE[arch];
  const codeEnd = codeStart + code.length;
  if (codeStart < imageCodeStart || dataStart < codeEnd || dataStart % page !== 0) {
    throw new RangeError(`code from ${codeStart} to ${codeEnd} does not fit before data at ${dataStart}`);
  }
  const image = new Uint8Array(dataStart + data.length);
  const view = new DataView(image.buffer);

  image.set([0x7f, 0x45, 0x4c, 0x46, 2 /* 64-bit */, 1 /* little-endian */, EV_CURRENT]);
  view.setUint16(16, ET_EXEC, true);
  view.setUint16(18, e_machine, true);
  view.setUint32(20, EV_CURRENT, true);
  view.setUint32(24, imageBase + entryOffset, true); // e_entry
  view.setUint32(32, EHDR_SIZE, true); // e_phoff
  view.setUint16(52, EHDR_SIZE, true);
  view.setUint16(54, PHDR_SIZE, true);
  view.setUint16(56, PHDR_COUNT, true);

  let header = EHDR_SIZE;
  const segment = (
    type: number,
    flags: number,
    start: number,
    inFile: number,
    inMemory: number,
    align: number,
  ) => {
    const address = type === PT_LOAD ? imageBase + start : 0;
    view.setUint32(header, type, true);
    view.setUint32(header + 4, flags, true);
    view.setUint32(header + 8, start, true); // p_offset
    view.setUint32(header + 16, address, true); // p_vaddr
    view.setUint32(header + 24, address, true); // p_paddr
    view.setUint32(header + 32, inFile, true); // p_filesz
    view.setUint32(header + 40, inMemory, true); // p_memsz
    view.setUint32(header + 48, align, true);
    header += PHDR_SIZE;
  };
  segment(PT_LOAD, PF_R | PF_X, 0, codeEnd, codeEnd, page);
  segment(PT_LOAD, PF_R | PF_W, dataStart, data.length, data.length + zeroed, page);
  segment(PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 16);

  image.set(code, codeStart);
  image.set(data, dataStart);
  return image;
}
