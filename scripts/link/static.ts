/**
 * The static link step: from the dynamically linked executable that `bun build --compile` makes to one that
 * needs no file but itself. Bun's code is not changed; what it wants from a dynamic linker and from the C
 * library, it gets at link time.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Arch } from "../../src/sys/arch.ts";
import { bunObject } from "./bun-object.ts";
import { archOf, Elf, ET_EXEC } from "./elf.ts";
import { givenHeader, symbolsHeader } from "./headers.ts";
import { cut, patched } from "./pieces.ts";
import { resolve } from "./relocations.ts";
import { largestPage, linkerScript } from "./script.ts";
import { run, type Toolchain } from "./toolchain.ts";
import { verify } from "./verify.ts";

const entryFlags = [
  "-ffreestanding",
  "-fno-builtin",
  "-fno-stack-protector",
  "-fno-tree-loop-distribute-patterns",
];
const commonFlags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-fno-pie", "-fno-asynchronous-unwind-tables"];

/**
 * Links, checks and returns the static executable, and the warnings of compiler and linker. `compiled` is what
 * `bun build --compile` made; intermediate files go to `directory`. Throws a BuildProblem.
 */
export function linkStatically(
  tools: Toolchain,
  compiled: Uint8Array,
  directory: string,
): { executable: Uint8Array; warnings: readonly string[] } {
  const { arch } = tools;
  const elf = new Elf(compiled, "the compiled program");
  checkKind(elf, arch);
  const image = cut(elf);
  const { content, zeros } = image.threadLocal;
  const resolution = resolve(elf, arch, image.pieces);
  const pieces = patched(image.pieces, resolution.patches);
  const write = (name: string, what: string | Uint8Array) => writeFileSync(join(directory, name), what);
  mkdirSync(directory, { recursive: true });
  write("bun.o", bunObject(arch, image, pieces, resolution));
  write("script.ld", linkerScript(arch, pieces, image.entry, content.length + zeros));
  write("given.h", givenHeader());
  write("symbols.h", symbolsHeader());
  const said = [
    compile(tools, directory, "entry", [...entryFlags, "-mgeneral-regs-only"]),
    checkEntry(tools, directory),
    compile(tools, directory, "shim", []),
    link(tools, directory),
  ];
  const executable = readFileSync(join(directory, "ctrtool"));
  verify(new Elf(executable, "the linked program"), arch, pieces, image.threadLocal);
  return {
    executable,
    warnings: said
      .join("")
      .split("\n")
      .filter((line) => line !== ""),
  };
}

function checkKind(elf: Elf, arch: Arch): void {
  const machine = archOf(elf.machine);
  if (machine !== arch) throw elf.problem(`made for ${machine ?? `machine ${elf.machine}`}, not ${arch}`);
  if (elf.type !== ET_EXEC) throw elf.problem("not an executable at fixed addresses (ET_EXEC)");
}

function compile({ compiler }: Toolchain, directory: string, name: string, flags: readonly string[]): string {
  const source = join(import.meta.dirname, `${name}.c`);
  const failed = (said: string) => `${name}.c does not compile: ${firstError(said)}`;
  return run(directory, failed, compiler, ...commonFlags, ...flags, "-I.", "-c", source, "-o", `${name}.o`);
}

/** The entry code must get by on its own: it runs before the C library can. */
function checkEntry({ linker }: Toolchain, directory: string): string {
  const failed = (said: string) => `entry.c needs ${missingSymbols(said).join(", ") || firstError(said)}`;
  const alone = ["--defsym=ctrtool_bun_entry=0", "-o", "entry-alone", "entry.o"];
  return run(directory, failed, linker, ...alone);
}

function link({ arch, linker, startFile, libraries, endFile }: Toolchain, directory: string): string {
  const page = largestPage[arch];
  return run(
    directory,
    linkProblem,
    linker,
    ...["-static", "-nostdlib", "--strip-all", "--build-id=none", "--eh-frame-hdr", "--orphan-handling=warn"],
    ...["-zrelro", `-zmax-page-size=${page}`, `-zcommon-page-size=${page}`, "-znoexecstack"],
    ...["-T", "script.ld", "-o", "ctrtool"],
    ...[startFile, "bun.o", "entry.o", "shim.o", "--start-group", ...libraries, "--end-group", endFile],
  );
}

function linkProblem(said: string): string {
  const missing = missingSymbols(said);
  return missing.length > 0
    ? `libc.a has no ${missing.join(", ")}, which Bun needs`
    : `linking failed: ${firstError(said)}`;
}

function missingSymbols(said: string): string[] {
  const names = [...said.matchAll(/undefined reference to `(.+?)'/g)].map(([, name = ""]) => name);
  return [...new Set(names)];
}

function firstError(said: string): string {
  return said.split("\n").find((line) => /error|cannot|failed/.test(line)) ?? said.split("\n")[0] ?? "";
}
