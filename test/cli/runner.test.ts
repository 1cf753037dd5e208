/** What a run looks like from outside: streams and exit statuses. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "../../src/cli/registry.ts";
import { installedNames, linkNames } from "../../src/cli/suite.ts";

const bun = process.execPath;
const fixture = join(import.meta.dir, "main.fixture.ts");

function run(words: readonly string[], options: { env?: Record<string, string>; stdout?: number } = {}) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([bun, fixture, ...words], {
    env: { PATH: "/usr/bin:/bin", ...options.env },
    stdout: options.stdout ?? "pipe",
  });
  const text = stdout instanceof Uint8Array ? stdout.toString("latin1") : "";
  return { status: exitCode, stdout: text, stderr: stderr.toString("latin1") };
}

describe("failures are one line and a status", () => {
  test.each([
    [["--fail=usage"], 125, "ctrtool sample: usage: the plan says no\n"],
    [["--fail=operation"], 125, "ctrtool sample: open: /a\\n/b: ENOENT (No such file or directory)\n"],
    [["--fail=bug"], 125, "ctrtool sample: internal error: a bug\\nof two lines\n"],
    [["--fail=odd"], 125, "ctrtool sample: internal error: no error at all\n"],
    [["--size=10"], 125, 'ctrtool sample: usage: --size: "10" is out of range (0 to 9)\n'],
    [["--sise=1"], 125, "ctrtool sample: usage: unknown option --sise (did you mean --size?)\n"],
  ])("sample %j", (words, status, stderr) => {
    expect(run(["sample", ...words])).toEqual({ status, stdout: "", stderr });
  });

  test.each([
    [["ctrtool"], "ctrtool: usage: no applet given; ctrtool --list prints their names\n"],
    [["ctrtool", "lsit"], 'ctrtool: usage: unknown applet "lsit" (did you mean list?)\n'],
    [["list", "x"], 'ctrtool: usage: unknown applet "list"\n'],
    [["ctrtool", "list", "x"], 'ctrtool list: usage: unexpected word "x"\n'],
    [["ctrtool", "help", "list", "y"], 'ctrtool help: usage: unexpected word "y"\n'],
    [["ctrtool", "help", "nosuch"], 'ctrtool help: usage: unknown applet "nosuch"\n'],
    [["ctrtool", "list", "--explain"], "ctrtool list: usage: unknown option --explain\n"],
  ])("%j", (words, stderr) => expect(run(words)).toEqual({ status: 2, stdout: "", stderr }));
});

describe("texts", () => {
  test("--explain prints the steps and takes none", () => {
    const { status, stdout, stderr } = run(["sample", "--explain", "--size=3", "word"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("mkdirat");
    expect(readdirSync(".")).not.toContain("d");
  });

  test("--help in every spelling", () => {
    const { stdout } = run(["ctrtool", "help", "list"]);
    expect(stdout).toStartWith("Usage: ctrtool list");
    for (const words of [
      ["list", "--help"],
      ["--help", "list"],
      ["escape", "help", "list"],
    ]) {
      expect(run(["ctrtool", ...words])).toEqual({ status: 0, stdout, stderr: "" });
    }
    expect(run(["ctrtool", "--help"]).stdout).toBe(run(["ctrtool", "help"]).stdout);
  });

  test("--list is every name a link can have", () => {
    const names = linkNames(suite).map((name) => `${name}\n`);
    expect(run(["ctrtool", "--list"]).stdout).toBe(names.join(""));
    const long = run(["ctrtool", "list", "--long"]).stdout.split("\n");
    expect(long.slice(0, -1).map((line) => `${line.split(" ")[0]}\n`)).toEqual(names);
  });

  test("--version", () => expect(run(["ctrtool", "--version"]).stdout).toMatch(/^ctrtool \d+\.\d+\.\d+\n$/));

  test("POSIXLY_CORRECT ends the options at the first operand", () => {
    expect(run(["ctrtool", "help", "list", "--help"]).status).toBe(2);
    const words = ["ctrtool", "install", "/nonexistent", "--help"];
    expect(run(words).status).toBe(0);
    expect(run(words, { env: { POSIXLY_CORRECT: "" } }).status).toBe(2);
  });
});

describe("stdout", () => {
  const full = openSync("/dev/full", "w");
  afterAll(() => closeSync(full));

  test("that cannot be written is a failure", () => {
    const line = "ctrtool list: write: stdout: ENOSPC (No space left on device)\n";
    expect(run(["ctrtool", "--list"], { stdout: full })).toMatchObject({ status: 1, stderr: line });
  });

  test("that nobody wanted is none", () => {
    const outcome = run(["--filled-stdout", "ctrtool", "--list"], { stdout: full });
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
  });

  test("that is full and does not block is waited for", () => {
    // The reader sleeps until the pipe (one page) is full, which the writer has made non-blocking.
    const script = `import fcntl, os, subprocess, sys, time
r, w = os.pipe()
fcntl.fcntl(w, 1031, 4096)
fcntl.fcntl(w, fcntl.F_SETFL, os.O_NONBLOCK)
os.write(w, b"." * 4000)
p = subprocess.Popen(sys.argv[1:], stdout=w)
os.close(w)
time.sleep(0.3)
data = b""
while chunk := os.read(r, 65536): data += chunk
print(p.wait(), len(data) - 4000)`;
    const { stdout } = Bun.spawnSync(["python3", "-c", script, bun, fixture, "ctrtool", "--help"]);
    expect(stdout.toString().trim()).toBe(`0 ${run(["ctrtool", "--help"]).stdout.length}`);
  });
});

describe("completion bash", () => {
  const script = run(["ctrtool", "completion", "bash"]).stdout;

  /** What bash would offer for the last of `words`. */
  function offered(...words: readonly string[]): string[] {
    const line = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ctrtool 2>/dev/null; echo "\${COMPREPLY[@]}"`;
    const { stdout } = Bun.spawnSync(["bash", "-c", line, "bash", ...words]);
    return stdout.toString().trim().split(" ");
  }

  test("applets and commands, then options", () => {
    expect(offered("ctrtool", "ins")).toEqual(["install"]);
    expect(offered("ctrtool", "")).toEqual(expect.arrayContaining(["list", "help", "escape"]));
    expect(offered("ctrtool", "install", "--f")).toEqual(["--force"]);
    expect(offered("ctrtool", "install", "-")).toEqual(["-f", "--force", "-s", "--symbolic", "--help"]);
    expect(offered("ctrtool", "escape", "list", "--l")).toEqual(["--long"]);
    expect(offered("ctrtool", "install", "x")).toEqual([""]);
  });

  test("another shell is refused", () => {
    const stderr = "ctrtool completion: usage: SHELL: only bash is known\n";
    expect(run(["ctrtool", "completion", "zsh"])).toEqual({ status: 2, stdout: "", stderr });
  });
});

describe("install", () => {
  let folder = "";
  let binary = "";
  const names = installedNames(suite);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "ctrtool-install-"));
    binary = join(folder, "built");
    const built = Bun.spawnSync([bun, "build", "--compile", fixture, "--outfile", binary]);
    expect(built.exitCode).toBe(0);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function install(...words: readonly string[]) {
    const { exitCode, stderr } = Bun.spawnSync([binary, "ctrtool", "install", ...words]);
    return { status: exitCode, stderr: stderr.toString("latin1") };
  }

  function emptyFolder(): string {
    return mkdtempSync(join(folder, "d\xe9 "));
  }

  test("hard links for every name", () => {
    const target = emptyFolder();
    expect(install(target)).toEqual({ status: 0, stderr: "" });
    expect(readdirSync(target).sort()).toEqual(names);
    for (const name of names) expect(statSync(join(target, name)).ino).toBe(statSync(binary).ino);
  });

  test("symbolic links", () => {
    const target = emptyFolder();
    expect(install("-s", target)).toEqual({ status: 0, stderr: "" });
    for (const name of names) expect(readlinkSync(join(target, name))).toBe(binary);
  });

  test("existing files stay, and nothing is made beside them, unless forced", () => {
    const target = emptyFolder();
    writeFileSync(join(target, "escape"), "mine");
    const { status, stderr } = install(target);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^ctrtool install: linkat: [^\n]*\/escape: EEXIST \(File exists\)\n$/);
    expect(readdirSync(target)).toEqual(["escape"]);
    expect(readFileSync(join(target, "escape"), "utf8")).toBe("mine");
    for (const words of [["--force"], ["--force"], ["--force", "--symbolic"]]) {
      expect(install(...words, target)).toEqual({ status: 0, stderr: "" });
      expect(readdirSync(target).sort()).toEqual(names);
    }
  });

  test("what was made is taken away when it cannot be finished", () => {
    const target = emptyFolder();
    const last = names.at(-1) ?? "";
    Bun.spawnSync(["mkdir", "-p", join(target, last, "inside")]);
    const { status, stderr } = install("--force", target);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^ctrtool install: renameat2: [^\n]*: (EISDIR|EEXIST|ENOTEMPTY) [^\n]*\n$/);
    expect(readdirSync(target)).toEqual([last]);
  });

  test("a folder that is none", () => {
    expect(install(join(folder, "nosuch")).stderr).toMatch(
      /^ctrtool install: linkat: [^\n]*: ENOENT [^\n]*\n$/,
    );
    expect(install(binary).stderr).toMatch(/^ctrtool install: faccessat2: [^\n]*: ENOTDIR [^\n]*\n$/);
    expect(install("")).toEqual({ status: 2, stderr: "ctrtool install: usage: DIR: the path is empty\n" });
  });
});
