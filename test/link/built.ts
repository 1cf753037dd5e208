/** The program of fixtures/program.ts as a static executable of each architecture, built once for its sources. */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Arch, nativeArch } from "../../src/sys/arch.ts";

export const root = join(import.meta.dir, "..", "..");
const cache = join(root, "dist", "test-link");
const sources = ["package.json", "scripts/build-arches.ts", "scripts/link", "src/sys", "test/link/fixtures"];

/** How a process ended. Texts have one char a byte. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The executable's path. */
export function built(arch: Arch): string {
  const directory = join(cache, contentHash());
  const file = join(directory, `ctrtool-${arch}`);
  if (existsSync(file)) return file;
  for (const old of existsSync(cache) ? readdirSync(cache) : []) {
    if (join(cache, old) !== directory) rmSync(join(cache, old), { recursive: true });
  }
  const { status, stderr } = buildArches(
    "--arch",
    arch,
    "--entry",
    join(import.meta.dir, "fixtures/program.ts"),
    "--out",
    directory,
  );
  if (status !== 0) throw new Error(stderr);
  return file;
}

/** The words that start a program of `arch` here: the emulator comes first for a foreign one. */
export function starting(arch: Arch, file = built(arch)): string[] {
  return arch === nativeArch() ? [file] : [`qemu-${arch}-static`, file];
}

export function buildArches(...words: string[]): Ended {
  return run([process.execPath, join(root, "scripts/build-arches.ts"), ...words]);
}

/** A new directory, removed in the end. */
export function inDirectory<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "ctrtool-link-"));
  try {
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The words that start the program in a root with nothing else in it; `directory` is that root. */
export function inEmptyRoot<T>(arch: Arch, use: (start: readonly string[], directory: string) => T): T {
  return inDirectory((directory) => {
    const inside = starting(arch).map((word) => {
      const path = Bun.which(word) ?? word;
      copyFileSync(path, join(directory, basename(path)));
      return `/${basename(path)}`;
    });
    return use(["chroot", directory, ...inside], directory);
  });
}

/** Runs a command to its end, in at most half a minute. */
export function run(
  command: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; argv0?: string } = {},
): Ended {
  const { exitCode, signalCode, stdout, stderr } = Bun.spawnSync([...command], {
    timeout: 30_000,
    ...options,
  });
  if (signalCode) throw new Error(`${command.join(" ")} was ended by ${signalCode}: ${stderr}`);
  return { status: exitCode, stdout: stdout.toString("latin1"), stderr: stderr.toString("latin1") };
}

/** What the program reports. */
export function report(command: readonly string[], options = {}): unknown {
  const { status, stdout, stderr } = run(command, options);
  if (status !== 0) throw new Error(`${command.join(" ")}: ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

function contentHash(): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const source of sources) hashInto(hasher, join(root, source));
  return hasher.digest("hex").slice(0, 16);
}

function hashInto(hasher: Bun.CryptoHasher, path: string): void {
  hasher.update(path);
  if (statSync(path).isFile()) hasher.update(readFileSync(path));
  else for (const name of readdirSync(path).sort()) hashInto(hasher, join(path, name));
}
