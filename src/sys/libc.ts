/**
 * The way to the kernel and to memory: one C function, through Bun's foreign function interface, bound at its
 * first use.
 *
 * Bun.FFI is the native half of the module bun:ffi. Importing the module itself costs 0.35 ms, a seventh of a
 * start; what it adds (argument checks, callbacks, a C compiler) is not needed here.
 */

/** A number, or bytes passed by their address. */
export type Argument = number | bigint | NodeJS.TypedArray;

/** How bun:ffi describes a C function. */
interface Signature {
  readonly args: readonly string[];
  readonly returns: string;
}

type Word = number | bigint;
type NativeFunction = (...args: Word[]) => Word;

/** Either is returned, not thrown. */
type Library<Name extends string> = Error | { readonly symbols: Readonly<Record<Name, NativeFunction>> };

interface NativeFfi {
  dlopen<Name extends string>(library: string, symbols: Readonly<Record<Name, Signature>>): Library<Name>;
  linkSymbols<Name extends string>(
    symbols: Readonly<Record<Name, Signature & { readonly ptr: number }>>,
  ): Library<Name>;
  ptr(bytes: NodeJS.TypedArray): number;
  toArrayBuffer(address: number, offset: number, size: number): ArrayBuffer;
  readonly read: { i32(address: number, offset: number): number };
}

declare module "bun" {
  const FFI: NativeFfi;
}

/**
 * Defined, as true, by scripts/build-arches.ts: the static executable, with scripts/link/entry.c in front of
 * Bun and scripts/link/shim.c behind it. Asked for where it is used, so that the bundler drops the other case.
 */
declare global {
  const CTRTOOL_STATIC: true | undefined;
}

const callArguments = 6;
const systemCall: Signature = { args: Array(callArguments + 1).fill("i64"), returns: "i64_fast" };

/**
 * Every C symbol that is bound, for each way to run. Each costs some 20 us of compilation at its first use, so
 * the static executable has one that returns -errno; a development run (`bun src/main.ts`) has to ask libc.
 * scripts/link/headers.ts makes the static executable's symbol table of it.
 */
export const libcSymbols = {
  static: { ctrtool_syscall: systemCall },
  dynamic: { syscall: systemCall, __errno_location: { args: [], returns: "ptr" } },
} as const satisfies Record<string, Readonly<Record<string, Signature>>>;

let bound: NativeFunction | undefined;

/**
 * Makes a system call and returns its result, or -errno. Missing arguments are 0. The caller keeps the bytes
 * that the kernel is to remember; those passed here live until the call returns. See syscall(2).
 */
export function syscall(number: number, ...args: readonly Argument[]): number {
  bound ??= typeof CTRTOOL_STATIC === "undefined" ? bindDynamic() : bindStatic();
  const [a, b, c, d, e, f] = args;
  return Number(bound(number, word(a), word(b), word(c), word(d), word(e), word(f)));
}

/** Where bytes lie in memory. They stay there as long as JavaScript refers to them. */
export function addressOf(bytes: NodeJS.TypedArray): number {
  return Bun.FFI.ptr(bytes);
}

/** The memory at an address, not copied: it has to stay mapped as long as it is used. */
export function bytesAt(address: number, size: number): Uint8Array {
  return new Uint8Array(Bun.FFI.toArrayBuffer(address, 0, size));
}

/**
 * Calls machine code at an address, which follows the C calling convention, with one 64-bit argument; returns
 * its 64-bit result. The memory has to be executable.
 */
export function callCode(address: number, argument: Word): number {
  const code = { ptr: address, args: ["i64"], returns: "i64_fast" };
  return Number(symbolsOf(Bun.FFI.linkSymbols({ code })).code(argument));
}

/** An empty array has no address, and needs none. */
function word(argument: Argument | undefined): Word {
  if (typeof argument === "number" || typeof argument === "bigint") return argument;
  return argument === undefined || argument.byteLength === 0 ? 0 : addressOf(argument);
}

function bindStatic(): NativeFunction {
  return symbolsOf(Bun.FFI.dlopen("libc.so.6", libcSymbols.static)).ctrtool_syscall;
}

/** errno is read at once after a failure, before anything else in this thread can change it. */
function bindDynamic(): NativeFunction {
  const { syscall: call, __errno_location: locate } = symbolsOf(
    Bun.FFI.dlopen("libc.so.6", libcSymbols.dynamic),
  );
  const errno = Number(locate());
  return (...args) => {
    const result = call(...args);
    return result === -1 ? -Bun.FFI.read.i32(errno, 0) : result;
  };
}

function symbolsOf<Name extends string>(library: Library<Name>): Readonly<Record<Name, NativeFunction>> {
  if (library instanceof Error) throw library;
  return library.symbols;
}
