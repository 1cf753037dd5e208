/**
 * What the system's headers say: C files made of names, compiled for an architecture, run (aarch64 under
 * qemu-user) and read back. Each part is a file of its own, since headers of the kernel and of the C library
 * may not meet in one.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Arch, nativeArch } from "../../src/sys/arch.ts";

/** Expressions, under labels of ours, that hold after including some headers. */
export interface Part {
  readonly headers: readonly string[];
  readonly expressions: Readonly<Record<string, string>>;
}

/** The C compiler for an architecture, under the name that Debian gives it, native or not. */
function compiler(arch: Arch): string[] {
  return [`${arch}-linux-gnu-gcc`, "-static", "-w"];
}

/** What has to stand before a foreign program's name. */
function emulator(arch: Arch): string[] {
  return arch === nativeArch() ? [] : [`qemu-${arch}-static`];
}

/** Included before the headers asked for: these two are taken for granted by some of the kernel's. */
const preamble = ["#define _GNU_SOURCE", "#include <stddef.h>", "#include <linux/types.h>"];

/** Values by label, as 64-bit two's complement. Throws with the compiler's words if something is not there. */
export function evaluate(arch: Arch, parts: readonly Part[]): Map<string, bigint> {
  const functions = parts.map((part, index) => {
    const prints = Object.entries(part.expressions).map(
      ([label, expression]) => `printf("%s %lld\\n", "${label}", (long long)(${expression}));`,
    );
    return source(part.headers, [
      "int printf(const char *, ...);",
      `void part${index}(void) {`,
      ...prints,
      "}",
    ]);
  });
  const names = parts.map((_, index) => `part${index}`);
  const main = [
    ...names.map((name) => `void ${name}(void);`),
    "int main() {",
    ...names.map((name) => `${name}();`),
    "}",
  ];
  const values = new Map<string, bigint>();
  for (const line of compileAndRun(arch, [...functions, main.join("\n")])
    .trimEnd()
    .split("\n")) {
    const space = line.lastIndexOf(" ");
    values.set(line.slice(0, space), BigInt.asUintN(64, BigInt(line.slice(space + 1))));
  }
  return values;
}

/** Those of `names` that the headers do not have. */
export function undeclared(arch: Arch, headers: readonly string[], names: readonly string[]): Set<string> {
  const missing = new Set<string>();
  inScratch((directory) => {
    const uses = names.map((name) => `  (void)(${name});`);
    writeTo(directory, ["names.c"], [source(headers, ["void f(void) {", ...uses, "}"])]);
    const { stderr } = run([...compiler(arch), "-fsyntax-only", "names.c"], directory);
    for (const [, name] of stderr.matchAll(/error: [‘'](\w+)[’'] undeclared/g)) if (name) missing.add(name);
  });
  return missing;
}

/** The macros that the headers define, whatever their values. */
export function macros(arch: Arch, headers: readonly string[]): string[] {
  return inScratch((directory) => {
    writeTo(directory, ["headers.c"], [source(headers, [])]);
    const { stdout } = run([...compiler(arch), "-E", "-dM", "headers.c"], directory);
    return [...stdout.matchAll(/^#define (\w+)(?!\()/gm)].flatMap(([, name]) => name ?? []);
  });
}

/** What a program of these C files prints. */
export function compileAndRun(arch: Arch, sources: readonly string[]): string {
  return inScratch((directory) => {
    const files = sources.map((_, index) => `${index}.c`);
    writeTo(directory, files, sources);
    const built = run([...compiler(arch), "-o", "program", ...files], directory);
    if (built.exitCode !== 0) throw new Error(built.stderr);
    const ran = run([...emulator(arch), "./program"], directory);
    if (ran.exitCode !== 0) throw new Error(`the program ended with status ${ran.exitCode}: ${ran.stderr}`);
    return ran.stdout;
  });
}

function source(headers: readonly string[], lines: readonly string[]): string {
  return [...preamble, ...headers.map((header) => `#include <${header}>`), ...lines, ""].join("\n");
}

function inScratch<Result>(action: (directory: string) => Result): Result {
  const directory = mkdtempSync(join(tmpdir(), "ctrtool-headers-"));
  try {
    return action(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function writeTo(directory: string, files: readonly string[], contents: readonly string[]): void {
  files.forEach((file, index) => {
    writeFileSync(join(directory, file), contents[index] ?? "");
  });
}

function run(command: readonly string[], cwd: string): { exitCode: number; stdout: string; stderr: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    cwd,
    env: { ...process.env, LC_ALL: "C" },
  });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}
