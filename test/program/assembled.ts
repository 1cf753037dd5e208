/** What the tests of the back ends share: the assemblers by architecture, disassembly, and ways to execute. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aarch64 } from "../../src/program/aarch64.ts";
import type { Assembler, Entry } from "../../src/program/target.ts";
import { x86_64 } from "../../src/program/x86_64.ts";
import { type Arch, nativeArch } from "../../src/sys/arch.ts";

export const assemblers: Readonly<Record<Arch, (entry: Entry) => Assembler>> = { x86_64, aarch64 };

/** Calls `use` with a directory of its own, which is gone afterwards. */
export function inDirectory<Result>(use: (directory: string) => Result): Result {
  const directory = mkdtempSync(join(tmpdir(), "backends-"));
  try {
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Runs a command that must succeed; returns its standard output. */
export function output(command: string[]): string {
  const done = Bun.spawnSync(command);
  if (!done.success) throw new Error(`${command.join(" ")}: ${done.exitCode} ${done.stderr}`);
  return done.stdout.toString("latin1");
}

/** The words that go before a command of this architecture: none, or an emulator of its system calls. */
export function runner(arch: Arch): string[] {
  return arch === nativeArch() ? [] : [`qemu-${arch}-static`];
}

export interface Ended {
  /** Exit status; undefined if a signal ended it. */
  readonly status: number | undefined;
  readonly signal: string | number | undefined;
  /** Standard output, one character a byte. */
  readonly output: string;
  /** Standard error. */
  readonly errors: string;
}

/** Executes an ELF image. */
export function execute(arch: Arch, image: Uint8Array): Ended {
  return inDirectory((directory) => {
    const file = join(directory, "program");
    writeFileSync(file, image);
    chmodSync(file, 0o755);
    const done = Bun.spawnSync([...runner(arch), file], { stdin: "ignore" });
    const [signal, output, errors] = [
      done.signalCode,
      done.stdout.toString("latin1"),
      done.stderr.toString("latin1"),
    ];
    return { status: signal === undefined ? done.exitCode : undefined, signal, output, errors };
  });
}

/** One disassembled instruction. */
export interface Disassembled {
  readonly address: number;
  /** Its bytes as in memory, or for aarch64 its word, in hexadecimal. */
  readonly encoding: string;
  readonly text: string;
}

const objdump: Readonly<Record<Arch, readonly string[]>> = {
  x86_64: ["x86_64-linux-gnu-objdump", "-m", "i386:x86-64", "-M", "intel"],
  aarch64: ["aarch64-linux-gnu-objdump", "-m", "aarch64"],
};

/** Disassembles code; the texts are objdump's without its remarks, and with distances for jump targets. */
export function disassemble(arch: Arch, code: Uint8Array): Disassembled[] {
  const listing = inDirectory((directory) => {
    const file = join(directory, "code");
    writeFileSync(file, code);
    return output([...objdump[arch], "-D", "-b", "binary", "--insn-width=16", file]);
  });
  const instructions: Disassembled[] = [];
  for (const line of listing.split("\n")) {
    const fields = /^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(.*)$/.exec(line);
    if (!fields) continue;
    const [, address = "", encoding = "", text = ""] = fields;
    const at = Number.parseInt(address, 16);
    instructions.push({ address: at, encoding, text: readable(text, at) });
  }
  return instructions;
}

/** Jumps to an absolute address become jumps to a distance, so that they do not depend on where they lie. */
function readable(text: string, at: number): string {
  const plain = text
    .replace(/\s*(\/\/|#\s).*$/, "")
    .replace(/\s+/g, " ")
    .trim();
  return plain.replace(
    /^((?:j\w+|call|b|bl|b\.\w+|adrp x19,) )(0x[0-9a-f]+)$/,
    (_, start: string, target: string) => {
      const distance = BigInt.asIntN(64, BigInt(target)) - BigInt(start.startsWith("adrp") ? at & -4096 : at);
      return `${start}${distance < 0 ? "-" : "+"}0x${(distance < 0 ? -distance : distance).toString(16)}`;
    },
  );
}
