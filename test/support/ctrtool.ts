/** Running the built binary: what the tests of the applets share. */
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../../src/cli/failure.ts";
import { executable } from "../../src/program/run.ts";
import type { Program } from "../../src/program/steps.ts";
import { type Arch, nativeArch } from "../../src/sys/arch.ts";
import type { Given } from "../../src/sys/given.ts";

const root = join(import.meta.dir, "..", "..");

/** The binary for this machine. */
export const binary = binaryFor(nativeArch());

function binaryFor(arch: Arch): string {
  return join(root, "dist", `ctrtool-${arch}`);
}

/** How a process ended. */
export interface Ran {
  /** As a shell has it: 128 plus the signal that ended it. */
  readonly status: number;
  /** One character a byte, as below. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** In addition to PATH. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** As user and group 1000, without supplementary groups or capabilities. */
  readonly ordinary?: boolean;
}

function newest(path: string): number {
  const facts = statSync(path);
  if (!facts.isDirectory()) return facts.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isCurrent(file: string): boolean {
  try {
    const sources = ["package.json", "scripts", "src"].map((name) => newest(join(root, name)));
    return statSync(file).mtimeMs >= Math.max(...sources);
  } catch {
    return false;
  }
}

const built = new Set<Arch>();

/** Builds the binary for `arch` if there is none, or an old one; its path. */
export function executableFor(arch: Arch): string {
  const file = binaryFor(arch);
  if (!built.has(arch) && !isCurrent(file)) {
    const command = [process.execPath, join(root, "scripts", "build-arches.ts"), "--arch", arch];
    const { success, stdout, stderr } = Bun.spawnSync(command, { cwd: root });
    if (!success) throw new Error(`the build fails:\n${stdout}${stderr}`);
  }
  built.add(arch);
  return file;
}

/** Builds the binary for this machine if there is none, or an old one. */
export function build(): void {
  executableFor(nativeArch());
}

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGKILL: 9, SIGALRM: 14, SIGTERM: 15 };

/** Runs a command and waits for it. */
export function run(command: readonly string[], options: RunOptions = {}): Ran {
  const user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
  const done = Bun.spawnSync([...(options.ordinary ? user : []), ...command], {
    env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", ...options.env },
    stdin: "ignore",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const signal = done.signalCode === undefined ? undefined : signalNumbers[done.signalCode];
  return {
    status: signal === undefined ? done.exitCode : 128 + signal,
    stdout: done.stdout.toString("latin1"),
    stderr: done.stderr.toString("latin1"),
  };
}

/** Runs ctrtool with these arguments. */
export function ctrtool(words: readonly string[], options: RunOptions = {}): Ran {
  build();
  return run([binary, ...words], options);
}

/** Runs a bash script in which `ctrtool` is the binary, for redirections and the like. */
export function script(text: string, options: RunOptions = {}): Ran {
  build();
  const env = { CTRTOOL: binary, ...options.env };
  return run(["bash", "-c", `ctrtool() { "$CTRTOOL" "$@"; }\n${text}`], { ...options, env });
}

/** Runs a bash script as `script` does, in a mount namespace of its own that nothing gets out of. */
export function mountScript(text: string, options: RunOptions = {}): Ran {
  build();
  const env = { CTRTOOL: binary, ...options.env };
  const command = ["unshare", "--mount", "--propagation=private", "bash", "-c"];
  return run([...command, `ctrtool() { "$CTRTOOL" "$@"; }\n${text}`], { ...options, env });
}

/** Calls `use` with a directory of its own, which everybody may enter, and which is gone afterwards. */
export function inDirectory<Result>(use: (directory: string) => Result): Result {
  const directory = mkdtempSync(join(tmpdir(), "ctrtool-"));
  chmodSync(directory, 0o755);
  try {
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Calls `use` with the path of a program as an executable file: for tracing it without the runtime before it. */
export function withProgram<Result>(program: Program, use: (file: string) => Result): Result {
  return inDirectory((directory) => {
    const file = join(directory, "program");
    writeFileSync(file, executable(program, nativeArch()), { mode: 0o755 });
    return use(file);
  });
}

/** What a process is given if nothing is special about it. */
export const ordinaryGiven: Given = {
  argv: ["ctrtool"],
  environment: ["PATH=/bin"],
  ignoredSignals: 0n,
  blockedSignals: 0n,
  nofile: { soft: 1024n, hard: 4096n },
  raised: [],
  umask: 0o22,
  filled: 0,
  vectors: () => {
    throw new Error("nothing is executed here");
  },
};

/** The message of the UsageError that `act` throws. */
export function usageError(act: () => unknown): string {
  try {
    act();
  } catch (problem) {
    if (problem instanceof UsageError) return problem.message;
    throw problem;
  }
  throw new Error("nothing was refused");
}
