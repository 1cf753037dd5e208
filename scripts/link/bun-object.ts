/** Bun's image as a relocatable object: its pieces as sections, its relocations as the linker's. */
import type { Arch } from "../../src/sys/arch.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHF_TLS, SHF_WRITE, SHT_FINI_ARRAY, SHT_INIT_ARRAY } from "./elf.ts";
import { RelocatableObject } from "./object.ts";
import type { Image, Piece } from "./pieces.ts";
import { absoluteRelocation, type Resolution } from "./relocations.ts";
import { tlsContent, tlsZeros } from "./script.ts";

const pointerBytes = 8;
/** The linker script places the pieces; the object says nothing about alignment. */
const anywhere = 1;

/** The object file; `pieces` are the image's, with the resolution's patches made. */
export function bunObject(
  arch: Arch,
  { threadLocal, constructors, destructors }: Image,
  pieces: readonly Piece[],
  { references, definitions }: Resolution,
): Uint8Array {
  const object = new RelocatableObject(arch);
  const sections = pieces.map((piece) => ({ ...piece, section: addPiece(object, piece) }));
  const flags = SHF_ALLOC | SHF_WRITE;
  object.section(tlsContent, flags | SHF_TLS, threadLocal.content, threadLocal.align);
  object.zeros(tlsZeros, flags | SHF_TLS, threadLocal.zeros, anywhere);
  object.section(".init_array", flags, constructors, pointerBytes, SHT_INIT_ARRAY);
  object.section(".fini_array", flags, destructors, pointerBytes, SHT_FINI_ARRAY);
  const place = (address: number) => {
    const found = sections.find((piece) => address >= piece.address && address < piece.address + piece.size);
    if (!found) throw new RangeError(`0x${address.toString(16)} is in no piece`);
    return { section: found.section, offset: address - found.address };
  };
  for (const { address, symbol, addend, weak } of references) {
    const { section, offset } = place(address);
    object.relocate(section, offset, object.undefinedSymbol(symbol, weak), absoluteRelocation[arch], addend);
  }
  for (const { address, symbol } of definitions) {
    const { section, offset } = place(address);
    object.definedSymbol(symbol, section, offset);
  }
  return object.bytes();
}

function addPiece(object: RelocatableObject, { name, size, writable, executable, content }: Piece): number {
  const flags = SHF_ALLOC | (writable ? SHF_WRITE : 0) | (executable ? SHF_EXECINSTR : 0);
  return content
    ? object.section(`.${name}`, flags, content, anywhere)
    : object.zeros(`.${name}`, flags, size, anywhere);
}
