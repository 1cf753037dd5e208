/** Nothing that steers Bun, JavaScriptCore, mimalloc or the C library reaches them; it all stays for others. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nativeArch } from "../../src/sys/arch.ts";
import { built, inDirectory, report, run } from "./built.ts";

const variables: Readonly<Record<string, string>> = {
  BUN_BE_BUN: "1",
  BUN_OPTIONS: "--preload ./hostile.js",
  BUN_INSPECT: "ws+unix:///tmp/hostile.sock",
  BUN_INSPECT_CONNECT_TO: "ws://127.0.0.1:1",
  BUN_DEBUG_QUIET_LOGS: "0",
  BUN_CONFIG_FILE: "./bunfig.toml",
  BUN_CONFIG_VERBOSE_FETCH: "1",
  BUN_RUNTIME_TRANSPILER_CACHE_PATH: ".",
  BUN_INSTALL: ".",
  BUN_TMPDIR: ".",
  BUN_JSC_dumpOptions: "2",
  BUN_JSC_logGC: "2",
  BUN_BYTECODE_ORDER_OUT: "./order",
  JSC_dumpOptions: "2",
  JSC_useJIT: "0",
  NODE_OPTIONS: "--require ./hostile.js",
  NODE_PATH: "./node_modules",
  NODE_ENV: "hostile",
  NODE_DEBUG: "*",
  NODE_CHANNEL_FD: "0",
  NODE_EXTRA_CA_CERTS: "./hostile.js",
  MIMALLOC_VERBOSE: "9",
  MIMALLOC_SHOW_STATS: "1",
  GLIBC_TUNABLES: "glibc.malloc.check=3:glibc.rtld.optional_static_tls=1",
  LD_PRELOAD: "./hostile.so",
  LD_LIBRARY_PATH: ".",
  LD_DEBUG: "all",
  LD_SHOW_AUXV: "1",
  MALLOC_ARENA_MAX: "1",
  MALLOC_TRACE: "./trace",
  UV_THREADPOOL_SIZE: "1",
  TZ: "./hostile.js",
  LANG: "hostile",
  LOCPATH: ".",
  GCONV_PATH: ".",
  NLSPATH: ".",
  RES_OPTIONS: "debug",
  HOME: ".",
  XDG_CONFIG_HOME: ".",
  TMPDIR: ".",
  FORCE_COLOR: "1",
  TERM: "hostile",
};

/** What a directory can hold that bun reads by itself. */
const files: Readonly<Record<string, string>> = {
  "bunfig.toml": 'preload = ["./hostile.js"]\nsmol = true\n[run]\npreload = ["./hostile.js"]\n',
  ".env": "BUN_BE_BUN=1\nHOSTILE=1\n",
  ".env.local": "HOSTILE=1\n",
  ".env.production": "HOSTILE=1\n",
  "tsconfig.json": '{ "compilerOptions": { "paths": { "*": ["./hostile.js"] } } }',
  "package.json": '{ "name": "hostile", "main": "hostile.js", "imports": { "#*": "./hostile.js" } }',
  "hostile.js": 'require("node:fs").writeFileSync("/dev/stderr", "hostile"); process.exit(99);',
  "node_modules/bun/index.js": "process.exit(99);",
};

function inHostileDirectory<T>(use: (cwd: string) => T): T {
  return inDirectory((cwd) => {
    mkdirSync(join(cwd, "node_modules/bun"), { recursive: true });
    for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content);
    return use(cwd);
  });
}

const program = built(nativeArch());

test("the runtime sees neither arguments nor environment", () => {
  expect(report([program, "runtime"], { env: { ...variables } })).toEqual(
    report([program, "runtime"], { env: {} }),
  );
});

test("variables and files change nothing, all at once", () => {
  inHostileDirectory((cwd) => {
    for (const word of ["hello", "load"]) {
      const plain = run([program, word], { cwd: "/", env: {} });
      expect(run([program, word], { cwd, env: { ...variables } })).toEqual(plain);
    }
  });
});

test.each(Object.keys(variables))("%s changes nothing, alone", (name) => {
  inHostileDirectory((cwd) => {
    const env = { [name]: variables[name] ?? "" };
    expect(run([program, "hello"], { cwd, env })).toEqual({ status: 0, stdout: '"hello"\n', stderr: "" });
  });
});

test("no file of the directory is opened", () => {
  inHostileDirectory((cwd) => {
    const traced = [
      "strace",
      "-f",
      "-qq",
      "-e",
      "trace=%file,socket,connect",
      "-o",
      "trace",
      program,
      "hello",
    ];
    expect(run(traced, { cwd, env: { ...variables, PATH: process.env.PATH ?? "" } }).status).toBe(0);
    const trace = run(["cat", "trace"], { cwd }).stdout;
    const [, ...calls] = trace.trim().split("\n");
    expect(trace).toContain("execve(");
    const names = [...Object.keys(files), "node_modules", "order", "trace", "hostile", cwd];
    expect(
      calls.filter((call) => names.some((name) => call.includes(name) && !call.includes("getcwd"))),
    ).toEqual([]);
    expect(calls.filter((call) => /socket|connect/.test(call))).toEqual([]);
  });
});

test("everything is there for a program that is executed", () => {
  const expected = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  expect(report([program, "exec", program, "environment"], { env: { ...variables } })).toEqual(expected);
});

test.each(["bun", "bunx", "node", "npx", "", "-bun", "/usr/bin/bun"])(
  "started as %p it is the same",
  (argv0) => {
    const command = ["bash", "-c", 'exec -a "$0" "$@"', argv0, program];
    expect(report([...command, "hello"])).toBe("hello");
    expect(report([...command, "argv"])).toEqual([argv0, "argv"]);
    expect(report([...command, "runtime"])).toEqual(report([program, "runtime"]));
  },
);
