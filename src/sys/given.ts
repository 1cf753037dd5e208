/** What this process was given by whoever started it, before the runtime changed any of it for itself. */
import { nativeArch } from "./arch.ts";
import { byteString, bytesOf } from "./bytes.ts";
import {
  F_GETFD,
  FD_CLOEXEC,
  RLIMIT_AS,
  RLIMIT_DATA,
  RLIMIT_FSIZE,
  RLIMIT_NOFILE,
  RLIMIT_STACK,
} from "./constants.ts";
import { addressOf, bytesAt, syscall } from "./libc.ts";
import { syscallNumbers } from "./syscalls.ts";

/** A resource limit, see getrlimit(2). */
export interface Limit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** What execve(2) and its children inherit from here, as far as the runtime changes or hides it. */
export interface Given {
  /** Byte strings: one char a byte. The name it was started under is the first, if there is one. */
  readonly argv: readonly string[];
  /** Byte strings, NAME=VALUE or whatever they were, in their order. */
  readonly environment: readonly string[];
  /** Bit n-1: signal n was ignored. */
  readonly ignoredSignals: bigint;
  /** Bit n-1: signal n was blocked. */
  readonly blockedSignals: bigint;
  /** RLIMIT_NOFILE, which the runtime raises. */
  readonly nofile: Limit;
  /** Limits that were too low for the runtime, and are raised as long as it runs; by resource. */
  readonly raised: readonly (Limit & { readonly resource: number })[];
  readonly umask: number;
  /** Bit n: descriptor n of 0 to 2 was closed, and is now /dev/null or one end of a pipe. */
  readonly filled: number;
  /** `argv` and `environment` as they were, as execve(2) wants them: addresses, or bytes to be passed by theirs. */
  vectors(): { readonly argv: number | Uint8Array; readonly envp: number | Uint8Array };
}

/**
 * The block that scripts/link/entry.c fills before anything else runs, 64 bits a field; strings lie one behind
 * the other. scripts/link/headers.ts makes the C structure of it.
 */
export const givenFields = [
  "argc",
  "argv",
  "argvStrings",
  "argvEnd",
  "envc",
  "envp",
  "environmentStrings",
  "environmentEnd",
  "ignored",
  "blocked",
  "nofileSoft",
  "nofileHard",
  "raised",
  "fileSizeSoft",
  "fileSizeHard",
  "dataSoft",
  "dataHard",
  "stackSoft",
  "stackHard",
  "addressSpaceSoft",
  "addressSpaceHard",
  "umask",
  "filled",
  "stackTop",
] as const;

/** The limits that entry.c raises; their fields begin with "fileSizeSoft", bit n of "raised" is the nth. */
const raisedLimits = [RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_AS];

/** Where the block lies: below Bun's own memory, on a page of its own whatever the page size. */
export const givenAddress = 0x1f0000;

const wordBytes = 8;

/** Reads what was given. In a development run part of it is lost, and made up. */
export function readGiven(): Given {
  return typeof CTRTOOL_STATIC === "undefined" ? reconstruct() : readBlock();
}

/** Whether a descriptor came from our caller: it is open, and not close-on-exec as all that we open. */
export function isGivenDescriptor(fd: number): boolean {
  const flags = syscall(syscallNumbers[nativeArch()].fcntl, fd, F_GETFD);
  return flags >= 0 && (flags & FD_CLOEXEC) === 0;
}

function readBlock(): Given {
  const bytes = bytesAt(givenAddress, givenFields.length * wordBytes);
  const words = new BigUint64Array(bytes.buffer);
  const field = (name: (typeof givenFields)[number]) => words[givenFields.indexOf(name)] ?? 0n;
  const address = (name: (typeof givenFields)[number]) => Number(field(name));
  const [argv, envp] = [address("argv"), address("envp")];
  return {
    argv: stringsBetween(address("argvStrings"), address("argvEnd")),
    environment: stringsBetween(address("environmentStrings"), address("environmentEnd")),
    ignoredSignals: field("ignored"),
    blockedSignals: field("blocked"),
    nofile: { soft: field("nofileSoft"), hard: field("nofileHard") },
    raised: address("raised") === 0 ? [] : limitsBefore(address("raised"), words),
    umask: address("umask"),
    filled: address("filled"),
    vectors: () => ({ argv, envp }),
  };
}

function limitsBefore(raised: number, words: BigUint64Array): Given["raised"] {
  const first = givenFields.indexOf("fileSizeSoft");
  return raisedLimits.flatMap((resource, index) => {
    const at = first + 2 * index;
    return raised & (1 << index) ? [{ resource, soft: words[at] ?? 0n, hard: words[at + 1] ?? 0n }] : [];
  });
}

/** Null-terminated strings that lie one behind the other: one conversion for all. */
function stringsBetween(start: number, end: number): string[] {
  if (start === end) return [];
  const strings = byteString(bytesAt(start, end - start)).split("\0");
  strings.pop();
  return strings;
}

/** For `bun src/main.ts`: the runtime has already had its way with everything but arguments and environment. */
function reconstruct(): Given {
  const argv = ["ctrtool", ...process.argv.slice(2).map(encoded)];
  const environment = Object.entries(process.env).map(([name, value]) => encoded(`${name}=${value ?? ""}`));
  const limit = new BigUint64Array(2);
  syscall(syscallNumbers[nativeArch()].prlimit64, 0, RLIMIT_NOFILE, 0, limit);
  const [soft = 0n, hard = 0n] = limit;
  return {
    argv,
    environment,
    ignoredSignals: 0n,
    blockedSignals: 0n,
    nofile: { soft, hard },
    raised: [],
    umask: process.umask(),
    filled: 0,
    vectors: () => ({ argv: vector(argv), envp: vector(environment) }),
  };
}

function encoded(text: string): string {
  return byteString(new TextEncoder().encode(text));
}

/** A null-terminated vector of addresses, with the strings behind it in the same bytes. */
function vector(strings: readonly string[]): Uint8Array {
  const text = bytesOf(strings.map((string) => `${string}\0`).join(""));
  const tableBytes = (strings.length + 1) * wordBytes;
  const bytes = new Uint8Array(tableBytes + text.length);
  const table = new BigUint64Array(bytes.buffer, 0, strings.length);
  let address = addressOf(bytes) + tableBytes;
  strings.forEach((string, index) => {
    table[index] = BigInt(address);
    address += string.length + 1;
  });
  bytes.set(text, tableBytes);
  return bytes;
}
