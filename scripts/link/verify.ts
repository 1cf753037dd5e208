/** Proves of the linked file what the link step promises, so that a mistake stops the build and not a container. */
import type { Arch } from "../../src/sys/arch.ts";
import {
  type Elf,
  ET_EXEC,
  machines,
  PF_W,
  PF_X,
  PT_DYNAMIC,
  PT_GNU_RELRO,
  PT_GNU_STACK,
  PT_INTERP,
  PT_LOAD,
  PT_TLS,
} from "./elf.ts";
import type { Piece, ThreadLocal } from "./pieces.ts";

const page = 4096;
/** The thread control block on aarch64, right behind which thread-local variables begin. */
const aarch64TcbBytes = 16;

/** Throws a BuildProblem unless `elf` is static and has every piece of Bun's where it was. */
export function verify(elf: Elf, arch: Arch, pieces: readonly Piece[], threadLocal: ThreadLocal): void {
  if (elf.type !== ET_EXEC || elf.machine !== machines[arch]) throw elf.problem(`no executable for ${arch}`);
  if (elf.segmentsOf(PT_INTERP).length > 0) throw elf.problem("it wants a dynamic linker (PT_INTERP)");
  if (elf.segmentsOf(PT_DYNAMIC).length > 0) throw elf.problem("it is dynamically linked (PT_DYNAMIC)");
  checkProtection(elf);
  for (const piece of pieces) checkPiece(elf, piece);
  checkThreadLocal(elf, arch, threadLocal);
}

function checkProtection(elf: Elf): void {
  const loads = elf.segmentsOf(PT_LOAD);
  for (const { address, flags } of [...loads, elf.segment(PT_GNU_STACK, "PT_GNU_STACK")]) {
    const protection = `0x${address.toString(16)} is writable and executable`;
    if (flags & PF_W && flags & PF_X) throw elf.problem(protection);
  }
  const relro = elf.segment(PT_GNU_RELRO, "PT_GNU_RELRO");
  if ((relro.address + relro.memorySize) % page !== 0)
    throw elf.problem("PT_GNU_RELRO ends inside of a page");
}

/** Relocations change words of a writable piece, so only its place is compared. */
function checkPiece(elf: Elf, { name, address, size, writable, content }: Piece): void {
  const load = elf
    .segmentsOf(PT_LOAD)
    .find((segment) => address >= segment.address && address + size <= segment.address + segment.memorySize);
  if (!load || ((load.flags & PF_W) !== 0) !== writable) throw elf.problem(`${name} is not where it was`);
  if (!content) return;
  const linked = elf.slice(elf.offsetOf(address, size), size);
  if (!writable && Buffer.compare(linked, content) !== 0) throw elf.problem(`${name} is not what it was`);
}

/** Offsets from the thread pointer are part of Bun's code: the C library must lay the block out as it expects. */
function checkThreadLocal(elf: Elf, arch: Arch, { content, zeros, align }: ThreadLocal): void {
  const tls = elf.segment(PT_TLS, "PT_TLS");
  const span = content.length + zeros;
  const wrong = (why: string) => elf.problem(`Bun's thread-local storage is not where it was: ${why}`);
  if (tls.address % tls.align !== 0) throw wrong(`PT_TLS begins at 0x${tls.address.toString(16)}`);
  if (arch === "x86_64" && tls.memorySize % tls.align !== 0)
    throw wrong(`PT_TLS has ${tls.memorySize} bytes`);
  if (arch === "aarch64" && roundUp(aarch64TcbBytes, tls.align) !== roundUp(aarch64TcbBytes, align))
    throw wrong(`PT_TLS is aligned to ${tls.align}`);
  const start = tls.offset + (arch === "x86_64" ? tls.memorySize - span : 0);
  const linked = elf.slice(start, content.length);
  if (Buffer.compare(linked, content) !== 0) throw wrong("other content");
}

function roundUp(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}
