/** Reads 64-bit little-endian ELF files, strictly: whatever points outside of the file stops the build. See elf(5). */
import { type Arch, arches } from "../../src/sys/arch.ts";
import { BuildProblem } from "./problem.ts";

export const ET_REL = 1;
export const ET_EXEC = 2;
export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_INTERP = 3;
export const PT_TLS = 7;
export const PT_GNU_STACK = 0x6474e551;
export const PT_GNU_RELRO = 0x6474e552;
export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;
export const SHT_PROGBITS = 1;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_RELA = 4;
export const SHT_NOBITS = 8;
export const SHT_INIT_ARRAY = 14;
export const SHT_FINI_ARRAY = 15;
export const SHF_WRITE = 1;
export const SHF_ALLOC = 2;
export const SHF_EXECINSTR = 4;
export const SHF_INFO_LINK = 0x40;
export const SHF_TLS = 0x400;
export const STB_GLOBAL = 1;
export const STB_WEAK = 2;
export const STT_NOTYPE = 0;
export const STT_OBJECT = 1;
export const STT_FUNC = 2;

export const headerBytes = 64;
export const programHeaderBytes = 56;
export const sectionHeaderBytes = 64;
export const symbolBytes = 24;
export const relocationBytes = 24;
export const elfMagic = 0x7f454c46;

/** e_machine of each architecture, from <elf.h>. */
export const machines: Readonly<Record<Arch, number>> = { x86_64: 62, aarch64: 183 };

const DT_NULL = 0;
const DT_PLTRELSZ = 2;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_RELA = 7;
const DT_RELASZ = 8;
const DT_STRSZ = 10;
const DT_JMPREL = 23;

export interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly align: number;
}

export interface Section {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
}

export interface DynamicSymbol {
  readonly name: string;
  readonly binding: number;
  readonly type: number;
  /** False if it has to come from a library. */
  readonly defined: boolean;
  readonly value: number;
}

export interface Relocation {
  readonly address: number;
  readonly type: number;
  readonly symbol: DynamicSymbol;
  readonly addend: number;
}

/** An executable: its headers, and access to what they describe. Every method throws a BuildProblem. */
export class Elf {
  readonly bytes: Uint8Array;
  readonly type: number;
  readonly machine: number;
  readonly entry: number;
  readonly segments: readonly Segment[];
  readonly sections: readonly Section[];
  readonly #file: string;
  readonly #view: DataView;

  /** `file` names it in messages. */
  constructor(bytes: Uint8Array, file: string) {
    this.bytes = bytes;
    this.#file = file;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#need(0, headerBytes, "the header");
    const [classAndOrder, sixtyFourBitsLittleEndian] = [this.#view.getUint16(4), 0x0201];
    if (this.#view.getUint32(0) !== elfMagic || classAndOrder !== sixtyFourBitsLittleEndian)
      throw this.problem("not a 64-bit little-endian ELF file");
    this.type = this.#half(16);
    this.machine = this.#half(18);
    this.entry = this.number(24);
    this.segments = this.#table(this.number(32), this.#half(56), programHeaderBytes, (at) =>
      this.#segment(at),
    );
    this.sections = this.#readSections(this.number(40), this.#half(60), this.#half(62));
  }

  problem(text: string): BuildProblem {
    return new BuildProblem(`${this.#file}: ${text}`);
  }

  /** The 64-bit number at a file offset. */
  number(offset: number): number {
    this.#need(offset, 8, "a number");
    const value = this.#view.getBigUint64(offset, true);
    if (value > Number.MAX_SAFE_INTEGER)
      throw this.problem(`0x${value.toString(16)} at ${offset} is no offset`);
    return Number(value);
  }

  /** The file's bytes from `offset`, not copied. */
  slice(offset: number, size: number): Uint8Array {
    this.#need(offset, size, "content");
    return this.bytes.subarray(offset, offset + size);
  }

  segmentsOf(type: number): Segment[] {
    return this.segments.filter((segment) => segment.type === type);
  }

  /** The only segment of a type. */
  segment(type: number, name: string): Segment {
    const [found, ...others] = this.segmentsOf(type);
    if (!found || others.length > 0)
      throw this.problem(`${others.length + (found ? 1 : 0)} ${name} segments, not 1`);
    return found;
  }

  section(name: string): Section {
    const found = this.sections.find((section) => section.name === name);
    if (!found) throw this.problem(`no section ${name}`);
    return found;
  }

  /** The file offset of what a process sees at `address`. */
  offsetOf(address: number, size: number): number {
    for (const segment of this.segmentsOf(PT_LOAD)) {
      const inside = address - segment.address;
      if (inside >= 0 && inside + size <= segment.fileSize) return segment.offset + inside;
    }
    throw this.problem(`no segment has ${size} bytes at 0x${address.toString(16)}`);
  }

  /** Relocations that a dynamic linker would carry out. */
  relocations(): Relocation[] {
    const dynamic = this.#dynamic();
    const need = (tag: number, name: string) => {
      const value = dynamic.get(tag);
      if (value === undefined) throw this.problem(`no ${name} in the dynamic section`);
      return value;
    };
    const stringsSize = need(DT_STRSZ, "DT_STRSZ");
    const strings = this.slice(this.offsetOf(need(DT_STRTAB, "DT_STRTAB"), stringsSize), stringsSize);
    const symbols = need(DT_SYMTAB, "DT_SYMTAB");
    const table = (start: number, size: number) =>
      this.#table(this.offsetOf(start, size), size / relocationBytes, relocationBytes, (at) =>
        this.#relocation(at, symbols, strings),
      );
    return [
      ...table(need(DT_RELA, "DT_RELA"), need(DT_RELASZ, "DT_RELASZ")),
      ...table(need(DT_JMPREL, "DT_JMPREL"), need(DT_PLTRELSZ, "DT_PLTRELSZ")),
    ];
  }

  #relocation(at: number, symbols: number, strings: Uint8Array): Relocation {
    const index = this.#word(at + 12);
    return {
      address: this.number(at),
      type: this.#word(at + 8),
      symbol: this.#symbol(this.offsetOf(symbols + index * symbolBytes, symbolBytes), strings),
      addend: Number(this.#view.getBigInt64(at + 16, true)),
    };
  }

  #symbol(at: number, strings: Uint8Array): DynamicSymbol {
    const info = this.bytes[at + 4] ?? 0;
    return {
      name: this.#text(strings, this.#word(at)),
      binding: info >> 4,
      type: info & 0xf,
      defined: this.#half(at + 6) !== 0,
      value: this.number(at + 8),
    };
  }

  #dynamic(): ReadonlyMap<number, number> {
    const { offset, fileSize } = this.segment(PT_DYNAMIC, "PT_DYNAMIC");
    const entries = new Map<number, number>();
    for (const [tag, value] of this.#table(offset, fileSize / 16, 16, (at) => [
      this.number(at),
      this.number(at + 8),
    ])) {
      if (tag === undefined || value === undefined || tag === DT_NULL) break;
      if (!entries.has(tag)) entries.set(tag, value);
    }
    return entries;
  }

  #segment(at: number): Segment {
    const segment = {
      type: this.#word(at),
      flags: this.#word(at + 4),
      offset: this.number(at + 8),
      address: this.number(at + 16),
      fileSize: this.number(at + 32),
      memorySize: this.number(at + 40),
      align: this.number(at + 48),
    };
    this.#need(segment.offset, segment.fileSize, "a segment");
    return segment;
  }

  #readSections(start: number, count: number, nameIndex: number): Section[] {
    const at = (index: number) => start + index * sectionHeaderBytes;
    if (count === 0) return [];
    this.#need(at(0), count * sectionHeaderBytes, "the section headers");
    if (nameIndex >= count) throw this.problem("the section headers have no names");
    const names = this.slice(this.number(at(nameIndex) + 24), this.number(at(nameIndex) + 32));
    return this.#table(start, count, sectionHeaderBytes, (offset) => ({
      name: this.#text(names, this.#word(offset)),
      type: this.#word(offset + 4),
      flags: this.number(offset + 8),
      address: this.number(offset + 16),
      offset: this.number(offset + 24),
      size: this.number(offset + 32),
    }));
  }

  #table<T>(start: number, count: number, size: number, read: (offset: number) => T): T[] {
    if (!Number.isInteger(count)) throw this.problem("a table of a broken size");
    this.#need(start, count * size, "a table");
    return Array.from({ length: count }, (_, index) => read(start + index * size));
  }

  #text(strings: Uint8Array, start: number): string {
    const end = strings.indexOf(0, start);
    if (end < 0) throw this.problem("a name without an end");
    return Buffer.from(strings.subarray(start, end)).toString("latin1");
  }

  #half(offset: number): number {
    this.#need(offset, 2, "a number");
    return this.#view.getUint16(offset, true);
  }

  #word(offset: number): number {
    this.#need(offset, 4, "a number");
    return this.#view.getUint32(offset, true);
  }

  #need(offset: number, size: number, what: string): void {
    if (offset < 0 || offset + size > this.bytes.length)
      throw this.problem(
        `truncated: ${what} at ${offset} needs ${size} bytes, the file has ${this.bytes.length}`,
      );
  }
}

/** The architecture's name for e_machine; undefined for any other machine. */
export function archOf(machine: number): Arch | undefined {
  return arches.find((arch) => machines[arch] === machine);
}
