/**
 * What becomes of each dynamic relocation of Bun's when there is no dynamic linker: it is carried out here, or
 * turned into one that the static linker carries out. Whatever is not known stops the build.
 */
import type { Arch } from "../../src/sys/arch.ts";
import {
  type DynamicSymbol,
  type Elf,
  type Relocation,
  STB_WEAK,
  STT_FUNC,
  STT_NOTYPE,
  STT_OBJECT,
} from "./elf.ts";
import type { Patch, Piece } from "./pieces.ts";

/** A place of Bun's that needs the address of a C library symbol. */
export interface Reference {
  readonly address: number;
  readonly symbol: string;
  readonly addend: number;
  /** Null if nothing defines the symbol. */
  readonly weak: boolean;
}

/** A place of Bun's that is what the C library knows under a name. */
export interface Definition {
  readonly address: number;
  readonly symbol: string;
}

/** Everything that has to be done to Bun's image. */
export interface Resolution {
  readonly patches: readonly Patch[];
  readonly references: readonly Reference[];
  readonly definitions: readonly Definition[];
}

type Kind = "absolute" | "slot" | "copy";

/** Relocation types from the psABI of each architecture. */
const kinds: Readonly<Record<Arch, ReadonlyMap<number, Kind>>> = {
  x86_64: new Map([
    [1, "absolute"], // R_X86_64_64
    [5, "copy"], // R_X86_64_COPY
    [6, "slot"], // R_X86_64_GLOB_DAT
    [7, "slot"], // R_X86_64_JUMP_SLOT
  ]),
  aarch64: new Map([
    [257, "absolute"], // R_AARCH64_ABS64
    [1024, "copy"], // R_AARCH64_COPY
    [1025, "slot"], // R_AARCH64_GLOB_DAT
    [1026, "slot"], // R_AARCH64_JUMP_SLOT
  ]),
};

/** The relocation that puts a symbol's 64-bit address somewhere, in a relocatable object. */
export const absoluteRelocation: Readonly<Record<Arch, number>> = { x86_64: 1, aarch64: 257 };

/** Functions of the C library that Bun gets from scripts/link/shim.c instead, under the name bun_NAME. */
const shimmed: ReadonlySet<string> = new Set([
  "dladdr",
  "dlclose",
  "dlerror",
  "dlopen",
  "dlsym",
  "fopen",
  "fopen64",
  "freeaddrinfo",
  "getaddrinfo",
  "getcwd",
  "getgrnam_r",
  "getpwnam_r",
  "getpwuid_r",
  "getservbyname_r",
  "getservbyport_r",
  "initgroups",
  "open",
  "open64",
  "openat",
  "pthread_getattr_np",
  "syscall",
  "sysconf",
]);

/** Symbols that Bun can do without, and that no static executable has. Other weak ones must be found. */
const absent: ReadonlySet<string> = new Set([
  "ZSTD_trace_compress_begin",
  "ZSTD_trace_compress_end",
  "ZSTD_trace_decompress_begin",
  "ZSTD_trace_decompress_end",
  "_ITM_deregisterTMCloneTable",
  "_ITM_registerTMCloneTable",
  "__gmon_start__",
]);

/** Variables of the C library that Bun has copies of: pointers to what never moves. */
const copiedPointers: ReadonlyMap<string, string> = new Map([
  ["stdin", "_IO_2_1_stdin_"],
  ["stdout", "_IO_2_1_stdout_"],
  ["stderr", "_IO_2_1_stderr_"],
]);

/** The variable that Bun's copy becomes the only instance of, under all its names. */
const environmentNames = ["environ", "__environ", "_environ"];

const linkableTypes: ReadonlySet<number> = new Set([STT_NOTYPE, STT_OBJECT, STT_FUNC]);
const pointerBytes = 8;

/** Goes through all relocations of Bun's. Throws a BuildProblem for one that is not understood. */
export function resolve(elf: Elf, arch: Arch, pieces: readonly Piece[]): Resolution {
  const patches: Patch[] = [];
  const references: Reference[] = [];
  const definitions: Definition[] = [];
  for (const relocation of elf.relocations()) {
    const { address, symbol, addend } = relocation;
    const kind = kinds[arch].get(relocation.type);
    check(elf, relocation, kind, pieces);
    if (kind === "copy") copy(elf, relocation, references, definitions);
    else if (symbol.defined) patches.push({ address, value: symbol.value + addend });
    else references.push(reference(address, symbol, addend));
  }
  return { patches, references, definitions };
}

function check(
  elf: Elf,
  { address, type, symbol, addend }: Relocation,
  kind: Kind | undefined,
  pieces: readonly Piece[],
): void {
  const where = `relocation of ${symbol.name || "nothing"} at 0x${address.toString(16)}`;
  if (kind === undefined) throw elf.problem(`${where}: type ${type} is not known`);
  if (symbol.name === "") throw elf.problem(`${where}: without a symbol`);
  if (!linkableTypes.has(symbol.type)) throw elf.problem(`${where}: symbol type ${symbol.type} is not known`);
  if (kind !== "absolute" && addend !== 0) throw elf.problem(`${where}: an addend of ${addend}`);
  const inside = pieces.some(
    (piece) =>
      piece.writable && address >= piece.address && address + pointerBytes <= piece.address + piece.size,
  );
  if (!inside) throw elf.problem(`${where}: not in writable memory`);
}

function reference(address: number, { name, binding }: DynamicSymbol, addend: number): Reference {
  const symbol = shimmed.has(name) ? `bun_${name}` : name;
  return { address, symbol, addend, weak: binding === STB_WEAK && absent.has(name) };
}

function copy(
  elf: Elf,
  { address, symbol: { name } }: Relocation,
  references: Reference[],
  definitions: Definition[],
): void {
  const target = copiedPointers.get(name);
  if (target !== undefined) references.push({ address, symbol: target, addend: 0, weak: false });
  else if (name === "environ")
    definitions.push(...environmentNames.map((alias) => ({ address, symbol: alias })));
  else throw elf.problem(`copy of the variable ${name}, which is not known`);
}
