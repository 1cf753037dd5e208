/**
 * Builds the executables: bundles and compiles the program with Bun, then links the result statically.
 *
 *     bun scripts/build-arches.ts [--arch x86_64|aarch64]... [--entry FILE] [--out DIR]
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Arch, arches } from "../src/sys/arch.ts";
import { inlineNumbers } from "./inline-numbers.ts";
import { BuildProblem } from "./link/problem.ts";
import { linkStatically } from "./link/static.ts";
import { findToolchain } from "./link/toolchain.ts";

/** The program's name; also the name that the executable carries inside of it. */
const name = "ctrtool";

/** Bun for any processor of the architecture. Its file is the same as the one for newer ones, in version 1.4.5. */
const targets: Readonly<Record<Arch, Bun.Build.CompileTarget>> = {
  x86_64: "bun-linux-x64-baseline",
  aarch64: "bun-linux-arm64",
};

/**
 * How many times more often than usual code has to run before it is compiled for the machine: never, in the few
 * milliseconds of a start. It takes `launcher` from 10 to 7 ms.
 */
const interpretedLonger = 100;

interface Request {
  readonly arches: readonly Arch[];
  readonly entry: string;
  readonly out: string;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));

async function main(words: string[]): Promise<number> {
  const started = performance.now();
  try {
    const request = parse(words);
    for (const arch of request.arches) await build(arch, request);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${request.arches.length} built in ${seconds} s`);
    return 0;
  } catch (problem) {
    if (!(problem instanceof BuildProblem)) throw problem;
    console.error(`build-arches: ${problem.message}`);
    return 1;
  }
}

function parse(words: string[]): Request {
  const root = resolve(import.meta.dirname, "..");
  const options = {
    arch: { type: "string", multiple: true },
    entry: { type: "string" },
    out: { type: "string" },
  } as const;
  const { values } = parseOptions(() => parseArgs({ args: words, options }));
  return {
    arches: values.arch ? values.arch.map(toArch) : arches,
    entry: resolve(values.entry ?? join(root, "src/main.ts")),
    out: resolve(values.out ?? join(root, "dist")),
  };
}

function parseOptions<T>(read: () => T): T {
  try {
    return read();
  } catch (problem) {
    throw problem instanceof TypeError ? new BuildProblem(problem.message) : problem;
  }
}

function toArch(word: string): Arch {
  const found = arches.find((arch) => arch === word);
  if (!found) throw new BuildProblem(`--arch is ${word}, not one of ${arches.join(", ")}`);
  return found;
}

async function build(arch: Arch, { entry, out }: Request): Promise<void> {
  const tools = findToolchain(arch);
  const directory = mkdtempSync(join(tmpdir(), `${name}-build-`));
  try {
    const compiled = await compile(arch, entry, directory);
    const { executable, warnings } = linkStatically(tools, compiled, join(directory, "link"));
    for (const warning of warnings) console.error(warning);
    const file = join(out, `${name}-${arch}`);
    install(executable, file);
    console.log(`${file}  ${(executable.length / 2 ** 20).toFixed(1)} MiB`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * One file with Bun and the bundled program in it. No file of the directory it is run in, and no variable, may
 * change what it does: everything that Bun would load by itself is off.
 *
 * Bytecode, because parsing is most of a start: `ctrtool --version` (a bundle of 200 KB) takes 4.2 ms with and
 * 13 ms without it, an empty program 3. Split, because what a module declares is made when it is loaded, used or
 * not: with the applets in chunks of their own it is 3.4 ms. Same input, same bytes.
 */
async function compile(arch: Arch, entry: string, directory: string): Promise<Uint8Array> {
  const outfile = join(directory, name);
  const result = await Bun.build({
    entrypoints: [entry],
    target: "bun",
    plugins: [inlineNumbers],
    minify: true,
    format: "esm",
    splitting: true,
    bytecode: true,
    define: { CTRTOOL_STATIC: "true" },
    throw: false,
    compile: {
      target: targets[arch],
      outfile,
      jitPolicy: interpretedLonger,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
  });
  if (!result.success) throw new BuildProblem(`${entry} does not compile: ${result.logs.join("; ")}`);
  return readFileSync(outfile);
}

/** A process that runs the old file keeps it, and none ever sees half of the new one. */
function install(executable: Uint8Array, file: string): void {
  mkdirSync(join(file, ".."), { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, executable);
  chmodSync(unfinished, 0o755);
  renameSync(unfinished, file);
}
