/** What this process was given by whoever started it, before the runtime changed any of it for itself. */
import { nativeArch } from "./arch.ts";
import { F_GETFD, FD_CLOEXEC, RLIMIT_NOFILE } from "./constants.ts";
import { addressOf, bytesAt, isStatic, syscall } from "./libc.ts";
import { rlimit64 } from "./structs.ts";
import { syscallNumbers } from "./syscalls.ts";

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
  /** RLIMIT_NOFILE. */
  readonly nofile: { readonly soft: bigint; readonly hard: bigint };
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
  "umask",
  "filled",
  "stackTop",
] as const;

/** Where the block lies: below Bun's own memory, on a page of its own whatever the page size. */
export const givenAddress = 0x1f0000;

const wordBytes = 8;

/** Reads what was given. In a development run part of it is lost, and made up. */
export function readGiven(): Given {
  return isStatic ? readBlock() : reconstruct();
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
    umask: address("umask"),
    filled: address("filled"),
    vectors: () => ({ argv, envp }),
  };
}

/** Null-terminated strings that lie one behind the other: one conversion for all. */
function stringsBetween(start: number, end: number): string[] {
  if (start === end) return [];
  const { buffer } = bytesAt(start, end - start);
  const strings = Buffer.from(buffer).toString("latin1").split("\0");
  strings.pop();
  return strings;
}

/** For `bun src/main.ts`: the runtime has already had its way with everything but arguments and environment. */
function reconstruct(): Given {
  const argv = ["ctrtool", ...process.argv.slice(2).map(byteString)];
  const environment = Object.entries(process.env).map(([name, value]) =>
    byteString(`${name}=${value ?? ""}`),
  );
  const limit = rlimit64.pack({});
  syscall(syscallNumbers[nativeArch()].prlimit64, 0, RLIMIT_NOFILE, 0, limit);
  const { rlim_cur: soft, rlim_max: hard } = rlimit64.unpack(limit);
  return {
    argv,
    environment,
    ignoredSignals: 0n,
    blockedSignals: 0n,
    nofile: { soft, hard },
    umask: process.umask(),
    filled: 0,
    vectors: () => ({ argv: vector(argv), envp: vector(environment) }),
  };
}

function byteString(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** A null-terminated vector of addresses, with the strings behind it in the same bytes. */
function vector(strings: readonly string[]): Uint8Array {
  const tableBytes = (strings.length + 1) * wordBytes;
  const bytes = Buffer.alloc(tableBytes + strings.reduce((sum, { length }) => sum + length + 1, 0));
  let at = tableBytes;
  strings.forEach((text, index) => {
    bytes.writeBigUInt64LE(BigInt(addressOf(bytes) + at), index * wordBytes);
    at += bytes.write(text, at, "latin1") + 1;
  });
  return bytes;
}
