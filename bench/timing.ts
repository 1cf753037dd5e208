/** Running commands against each other, and what is made for it: the clock, and a program that does nothing. */
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nativeArch } from "../src/sys/arch.ts";

const root = join(import.meta.dir, "..");

/** A command with its name in the table. */
export interface Contender {
  readonly name: string;
  readonly command: readonly string[];
}

/** What a contender took in each run, in milliseconds. */
export interface Timing {
  readonly name: string;
  readonly runs: readonly number[];
}

export interface Race {
  readonly runs: number;
  readonly contenders: readonly Contender[];
  /** What the clock is started by: `unshare --mount` and the like. */
  readonly inside?: readonly string[];
  /** Run before each command, and not timed. */
  readonly reset?: readonly string[];
}

/** Where everything that is measured lies; readable for everybody. */
export interface Bench {
  readonly directory: string;
  readonly ctrtool: string;
  /** An empty static Bun program, made as ctrtool is. */
  readonly empty: string;
  readonly clock: string;
}

export class BenchProblem extends Error {}

/** Runs a command to its end and returns its standard output. @throws BenchProblem if it fails */
export function output(
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/", ...environment },
    stdin: "ignore",
  });
  if (exitCode !== 0) throw new BenchProblem(`${command.slice(0, 3).join(" ")}: ${stderr.toString().trim()}`);
  return stdout.toString();
}

/** Builds what is measured, calls `use`, and takes everything away again. */
export async function withBench<T>(use: (bench: Bench) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "ctrtool-bench-"));
  try {
    chmodSync(directory, 0o755);
    return await use(prepare(directory));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function prepare(directory: string): Bench {
  const at = (name: string) => join(directory, name);
  const bench = { directory, ctrtool: at("ctrtool"), empty: at("empty"), clock: at("clock") };
  writeFileSync(at("empty.ts"), "");
  build(directory, bench.empty, "--entry", at("empty.ts"));
  build(directory, bench.ctrtool);
  output(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", bench.clock, join(import.meta.dir, "time.c")]);
  return bench;
}

function build(directory: string, to: string, ...options: string[]): void {
  const arch = nativeArch();
  const script = join(root, "scripts", "build-arches.ts");
  output([process.execPath, script, "--arch", arch, "--out", directory, ...options], {
    HOME: process.env.HOME ?? "/",
  });
  copyFileSync(join(directory, `ctrtool-${arch}`), to);
}

/** Runs the contenders in turn; the clock inherits the environment that `output` gives. */
export function race({ clock }: Bench, { runs, contenders, inside = [], reset = [] }: Race): Timing[] {
  const counted = (words: readonly string[]) => [String(words.length), ...words];
  const commands = contenders.flatMap(({ command }) => counted(command));
  const lines = output([...inside, clock, String(runs), ...counted(reset), ...commands])
    .trim()
    .split("\n");
  const rows = lines.map((line) => line.split(" ").map((nanoseconds) => Number(nanoseconds) / 1e6));
  return contenders.map(({ name }, index) => ({ name, runs: rows.map((row) => row[index] ?? Number.NaN) }));
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** How many times longer one takes than another: the median over the runs, so that what slows both does not count. */
export function ratio(one: Timing, other: Timing): number {
  return median(one.runs.map((time, run) => time / (other.runs[run] ?? Number.NaN)));
}
