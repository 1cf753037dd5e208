/**
 * The executables of both architectures in a root that holds nothing but them and what others have put there to
 * steer them: no /proc, /dev, /etc, standard descriptors closed in every combination. What they print is the same
 * as anywhere else.
 */
import { describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { suite } from "../../src/cli/registry.ts";
import { type Arch, arches, nativeArch } from "../../src/sys/arch.ts";
import { binary, build, executableFor, run } from "../support/ctrtool.ts";
import { compile, inParallel, ownDirectory } from "./tools.ts";

build();
const directory = ownDirectory();
const enter = compile("enter", directory);

/** Each would run hostile.js, turn the executable into another program, or make it print something. */
const variables = {
  ...{ BUN_BE_BUN: "1", BUN_OPTIONS: "--preload ./hostile.js", BUN_CONFIG_FILE: "./bunfig.toml" },
  ...{ BUN_INSPECT: "ws+unix:///inspect", BUN_INSPECT_NOTIFY: "unix:///notify", BUN_INSTALL: "/" },
  ...{ BUN_JSC_dumpOptions: "2", JSC_dumpOptions: "2", BUN_JSC_useJIT: "0", BUN_TMPDIR: "/", TMPDIR: "/" },
  ...{ BUN_RUNTIME_TRANSPILER_CACHE_PATH: "/", BUN_DEBUG: "/debug", BUN_GARBAGE_COLLECTOR_LEVEL: "2" },
  ...{ NODE_OPTIONS: "--require ./hostile.js", NODE_PATH: "/node_modules", NODE_ENV: "production" },
  ...{ NODE_DEBUG: "*", NODE_CHANNEL_FD: "1", MIMALLOC_VERBOSE: "9", MIMALLOC_SHOW_STATS: "1" },
  ...{
    GLIBC_TUNABLES: "glibc.malloc.check=3",
    LD_PRELOAD: "/hostile.so",
    LD_DEBUG: "all",
    LD_SHOW_AUXV: "1",
  },
  ...{ MALLOC_TRACE: "/trace", LANG: "hostile", LC_ALL: "hostile", TZ: "/hostile.js", HOME: "/", PATH: "/" },
  ...{ FORCE_COLOR: "1", COLUMNS: "1", TERM: "hostile", UV_THREADPOOL_SIZE: "0", XDG_CONFIG_HOME: "/" },
};

/** What bun reads by itself, from the directory it is started in. */
const files: Readonly<Record<string, string>> = {
  "bunfig.toml": 'preload = ["./hostile.js"]\n[run]\npreload = ["./hostile.js"]\n',
  ".bunfig.toml": 'preload = ["./hostile.js"]\n',
  ".env": "BUN_BE_BUN=1\nCTRTOOL_OVERRIDE_ARGV0_LOOKUP=0\n",
  ".env.production": "BUN_BE_BUN=1\n",
  ".npmrc": "registry=http://127.0.0.1:1/\n",
  "tsconfig.json":
    '{ "compilerOptions": { "paths": { "*": ["./hostile.js"] }, "jsxImportSource": "hostile" } }',
  "jsconfig.json": '{ "extends": "./hostile.json" }',
  "package.json": '{ "main": "hostile.js", "imports": { "#*": "./hostile.js" }, "scripts": { "list": "x" } }',
  "bun.lock": "{}",
  "hostile.js": 'require("node:fs").writeFileSync("/executed", ""); console.log("hostile");',
  "node_modules/valibot/index.js": 'require("node:fs").writeFileSync("/executed", "");',
  "node_modules/bun/index.js": 'require("node:fs").writeFileSync("/executed", "");',
};

const entries = [...suite.applets, ...suite.commands];
const helps = entries.map(({ name }) => [name.startsWith("-") ? "help" : name, "--help"]);
const commandLines = [["--version"], ["--list"], ["--help"], ["help"], ["list"], ["version"], ...helps];

interface Root {
  readonly path: string;
  /** The words that start the executable in it. */
  readonly start: readonly string[];
}

let roots = 0;

function makeRoot(arch: Arch): Root {
  const path = join(directory, `${arch}.${roots++}`);
  for (const name of ["", "node_modules/valibot", "node_modules/bun"]) {
    mkdirSync(join(path, name), { recursive: true });
  }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  const emulator = Bun.which(`qemu-${arch}-static`);
  const copied = [...(arch === nativeArch() || emulator === null ? [] : [emulator]), executableFor(arch)];
  for (const file of copied) copyFileSync(file, join(path, basename(file)));
  return { path, start: copied.map((file) => `/${basename(file)}`) };
}

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The words that run a command line in a root, with the hostile variables; `closed`: bit n is descriptor n. */
function entering({ path, start }: Root, words: readonly string[], closed = 0): string[] {
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return [enter, path, String(closed), ...settings, "--", ...start, ...words];
}

async function runIn(root: Root, words: readonly string[], closed = 0): Promise<Ended> {
  const command = entering(root, words, closed);
  const child = Bun.spawn(command, { stdin: "ignore", stderr: "pipe", timeout: 30_000 });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { status: await child.exited, stdout, stderr };
}

/** What a command line prints elsewhere, without any of this. */
function elsewhere(words: readonly string[]): Ended {
  return run([binary, ...words], { cwd: "/usr" });
}

describe.each([...arches])("%s", (arch) => {
  const root = makeRoot(arch);
  const before = readdirSync(root.path).sort();

  test("prints in an empty root what it prints elsewhere", async () => {
    const seen = await inParallel(commandLines, (words) => runIn(root, words));
    const expected = commandLines.map(elsewhere);
    for (const { status, stdout } of expected) {
      expect(status).toBe(0);
      expect(stdout.length).toBeGreaterThan(5);
    }
    expect(seen).toEqual(expected);
  }, 120_000);

  test("with standard descriptors closed, in every combination", async () => {
    const combinations = [0, 1, 2, 3, 4, 5, 6, 7];
    const version = elsewhere(["--version"]);
    const seen = await inParallel(combinations, (closed) => runIn(root, ["--version"], closed));
    expect(seen).toEqual(combinations.map((closed) => (closed & 2 ? { ...version, stdout: "" } : version)));
  }, 60_000);

  test("tells of wrong usage, if there is a descriptor to tell it to", async () => {
    const combinations = arch === nativeArch() ? [0, 1, 2, 3, 4, 5, 6, 7] : [0, 7];
    const wrong = ["set_fds", "--nonsense"];
    const refused = elsewhere(wrong);
    expect(refused.stderr).toMatch(/^ctrtool set_fds: usage: [^\n]+\n$/);
    const failures = await inParallel(combinations, (closed) => runIn(root, wrong, closed));
    expect(failures).toEqual(
      combinations.map((closed) => (closed & 4 ? { ...refused, stderr: "" } : refused)),
    );
  }, 120_000);

  test("executes and makes nothing of what lies there", () => {
    expect(existsSync(join(root.path, "executed"))).toBe(false);
    expect(readdirSync(root.path).sort()).toEqual(before);
  });
});

test("executes a program in place of itself, with standard descriptors closed", async () => {
  const root = makeRoot(nativeArch());
  const words = ["set_fds", ...root.start, "--version"];
  for (const closed of [0, 1, 4, 5])
    expect(await runIn(root, words, closed)).toEqual(elsewhere(["--version"]));
});

test("opens nothing where /proc and /sys should be: what lies there can be a FIFO", async () => {
  const root = makeRoot(nativeArch());
  const names = ["proc/self/cgroup", "proc/self/maps", "proc/self/statm", "proc/stat", "proc/meminfo"];
  names.push("proc/sys/vm/overcommit_memory", "proc/sys/vm/mmap_min_addr", "sys/devices/system/cpu/online");
  names.push("sys/kernel/mm/transparent_hugepage/enabled", "sys/devices/system/node/node1/meminfo");
  for (const name of names) {
    const file = join(root.path, name);
    mkdirSync(dirname(file), { recursive: true });
    expect(run(["mkfifo", file]).status).toBe(0);
  }
  expect(await runIn(root, ["--version"])).toEqual(elsewhere(["--version"]));
  expect(await runIn(root, ["set_fds", ...root.start, "--list"])).toEqual(elsewhere(["--list"]));
}, 30_000);

test("opens no file at all", () => {
  const root = makeRoot(nativeArch());
  const trace = join(directory, "trace");
  for (const words of [["--version"], ["launcher", "--help"], ["set_fds", "--explain", "x"]]) {
    const options = ["-f", "-qq", "-e", "trace=%file,%network,execve", "-o", trace];
    const { status } = run(["strace", ...options, ...entering(root, words)]);
    expect(status).toBe(0);
    const lines = readFileSync(trace, "latin1").trim().split("\n");
    const started = lines.findIndex((line) => line.includes(`execve("/${basename(binary)}"`));
    expect(started).toBeGreaterThan(0);
    const harmless =
      / (getcwd|exit_group)\(| readlink\("\/proc\/self\/exe"| access\("\/sys\/devices\/system\/node\//;
    expect(lines.slice(started + 1).filter((line) => !harmless.test(line))).toEqual([]);
  }
});
