/** Writes relocatable ELF objects: what a linker takes. See elf(5). */
import type { Arch } from "../../src/sys/arch.ts";
import {
  ET_REL,
  elfMagic,
  headerBytes,
  machines,
  relocationBytes,
  SHF_INFO_LINK,
  SHT_NOBITS,
  SHT_PROGBITS,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
  STB_GLOBAL,
  STB_WEAK,
  sectionHeaderBytes,
  symbolBytes,
} from "./elf.ts";

const fileAlign = 16;
const noSection = 0;

interface OutputSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly size: number;
  readonly content: Uint8Array;
  readonly align: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

const plain = { flags: 0, align: 1, link: 0, info: 0, entrySize: 0 };

/** An object under construction. Sections and symbols are referred to by the numbers that adding them returns. */
export class RelocatableObject {
  readonly #arch: Arch;
  readonly #sections: OutputSection[] = [];
  readonly #strings = new Strings();
  readonly #symbols: Uint8Array[] = [new Uint8Array(symbolBytes)];
  readonly #undefined = new Map<string, number>();
  readonly #relocations = new Map<number, Uint8Array[]>();

  constructor(arch: Arch) {
    this.#arch = arch;
  }

  section(name: string, flags: number, content: Uint8Array, align: number, type = SHT_PROGBITS): number {
    return this.#add({ ...plain, name, type, flags, content, size: content.length, align });
  }

  /** A section of zeros, which take no room in the file. */
  zeros(name: string, flags: number, size: number, align: number): number {
    return this.#add({ ...plain, name, type: SHT_NOBITS, flags, content: new Uint8Array(), size, align });
  }

  /** A symbol that another object or library has to define, or may if it is weak. */
  undefinedSymbol(name: string, weak: boolean): number {
    const known = this.#undefined.get(name);
    if (known !== undefined) return known;
    const index = this.#symbol(name, weak ? STB_WEAK : STB_GLOBAL, noSection, 0);
    this.#undefined.set(name, index);
    return index;
  }

  definedSymbol(name: string, section: number, offset: number): void {
    this.#symbol(name, STB_GLOBAL, section, offset);
  }

  /** Has the linker put the symbol's address plus `addend` there; `type` is the architecture's. */
  relocate(section: number, offset: number, symbol: number, type: number, addend: number): void {
    const bytes = new Uint8Array(relocationBytes);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(offset), true);
    view.setUint32(8, type, true);
    view.setUint32(12, symbol, true);
    view.setBigInt64(16, BigInt(addend), true);
    const list = this.#relocations.get(section) ?? [];
    list.push(bytes);
    this.#relocations.set(section, list);
  }

  /** The file. */
  bytes(): Uint8Array {
    const sections = [...this.#sections];
    const symbolTable = sections.length + this.#relocations.size + 1;
    for (const [section, list] of this.#relocations) {
      sections.push(
        table(`.rela.${section}`, SHT_RELA, list, relocationBytes, symbolTable, section, SHF_INFO_LINK),
      );
    }
    sections.push(table(".symtab", SHT_SYMTAB, this.#symbols, symbolBytes, symbolTable + 1, 1));
    sections.push(strings(".strtab", this.#strings));
    sections.push({
      ...plain,
      name: ".note.GNU-stack",
      type: SHT_PROGBITS,
      content: new Uint8Array(),
      size: 0,
    });
    const names = new Strings();
    const nameOffsets = [...sections.map(({ name }) => name), ".shstrtab"].map((name) => names.add(name));
    sections.push(strings(".shstrtab", names));
    return assemble(this.#arch, sections, nameOffsets);
  }

  #add(section: OutputSection): number {
    return this.#sections.push(section);
  }

  #symbol(name: string, binding: number, section: number, value: number): number {
    const bytes = new Uint8Array(symbolBytes);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, this.#strings.add(name), true);
    view.setUint8(4, binding << 4);
    view.setUint16(6, section, true);
    view.setBigUint64(8, BigInt(value), true);
    return this.#symbols.push(bytes) - 1;
  }
}

/** A string table. */
class Strings {
  #text = "\0";

  add(text: string): number {
    const offset = this.#text.length;
    this.#text += `${text}\0`;
    return offset;
  }

  bytes(): Uint8Array {
    return Buffer.from(this.#text, "latin1");
  }
}

function strings(name: string, table: Strings): OutputSection {
  const content = table.bytes();
  return { ...plain, name, type: SHT_STRTAB, content, size: content.length };
}

function table(
  name: string,
  type: number,
  entries: readonly Uint8Array[],
  entrySize: number,
  link: number,
  info: number,
  flags = 0,
): OutputSection {
  const content = Buffer.concat(entries);
  return { name, type, flags, content, size: content.length, align: 8, link, info, entrySize };
}

function assemble(
  arch: Arch,
  sections: readonly OutputSection[],
  nameOffsets: readonly number[],
): Uint8Array {
  const offsets: number[] = [];
  let end = headerBytes;
  for (const { content } of sections) {
    offsets.push(align(end));
    end = align(end) + content.length;
  }
  const headersAt = align(end);
  const count = sections.length + 1;
  const bytes = new Uint8Array(headersAt + count * sectionHeaderBytes);
  const view = new DataView(bytes.buffer);
  writeHeader(view, arch, headersAt, count);
  sections.forEach((section, index) => {
    const offset = offsets[index] ?? 0;
    bytes.set(section.content, offset);
    const at = headersAt + (index + 1) * sectionHeaderBytes;
    writeSectionHeader(view, at, section, nameOffsets[index] ?? 0, offset);
  });
  return bytes;
}

function writeHeader(view: DataView, arch: Arch, sectionHeaders: number, count: number): void {
  view.setUint32(0, elfMagic);
  view.setUint32(4, 0x02010100); // 64-bit, little-endian, version 1, System V
  view.setUint16(16, ET_REL, true);
  view.setUint16(18, machines[arch], true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, BigInt(sectionHeaders), true);
  view.setUint16(52, headerBytes, true);
  view.setUint16(58, sectionHeaderBytes, true);
  view.setUint16(60, count, true);
  view.setUint16(62, count - 1, true);
}

function writeSectionHeader(
  view: DataView,
  at: number,
  section: OutputSection,
  name: number,
  offset: number,
): void {
  view.setUint32(at, name, true);
  view.setUint32(at + 4, section.type, true);
  const numbers = [section.flags, 0, offset, section.size];
  numbers.forEach((value, index) => {
    view.setBigUint64(at + 8 + index * 8, BigInt(value), true);
  });
  view.setUint32(at + 40, section.link, true);
  view.setUint32(at + 44, section.info, true);
  view.setBigUint64(at + 48, BigInt(section.align), true);
  view.setBigUint64(at + 56, BigInt(section.entrySize), true);
}

function align(offset: number): number {
  return Math.ceil(offset / fileAlign) * fileAlign;
}
