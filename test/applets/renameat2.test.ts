import { describe, expect, test } from "bun:test";
import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plan, spec } from "../../src/applets/renameat2.ts";
import { parse } from "../../src/cli/parse.ts";
import { calls } from "../../src/program/explain.ts";
import {
  ctrtool,
  inDirectory,
  ordinaryGiven,
  type RunOptions,
  script,
  usageError,
} from "../support/ctrtool.ts";

const given = { ...ordinaryGiven, environment: ["FIVE=5", "BAD=x", "EMPTY=", "HUGE=99999999999999999999"] };

function planned(...words: string[]): string[] {
  return calls(plan(parse(spec, words), given).steps);
}

describe("plan", () => {
  test.each([
    [["a", "b"], 'renameat(AT_FDCWD, "a", AT_FDCWD, "b") -> error (may fail)'],
    [["-x", "a", "b"], 'renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) -> error (may fail)'],
    [["a", "b", "-w"], 'renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_WHITEOUT) -> error (may fail)'],
    [
      ["-nw", "a", "--", "-b"],
      'renameat2(AT_FDCWD, "a", AT_FDCWD, "-b", RENAME_NOREPLACE|RENAME_WHITEOUT) -> error (may fail)',
    ],
    [
      ["-s", "cwd", "--target-dir=CWD", "a", "b"],
      'renameat(AT_FDCWD, "a", AT_FDCWD, "b") -> error (may fail)',
    ],
  ])("%j", (words, first) => expect(planned(...words)[0]).toBe(first));

  test("descriptors are checked first, whether the names need them or not", () => {
    expect(planned("-s", "0x6", "-d:FIVE", "/a", "b").slice(0, 3)).toEqual([
      "fcntl(6, F_GETFD, 0)",
      "fcntl(5, F_GETFD, 0)",
      'renameat(6, "/a", 5, "b") -> error (may fail)',
    ]);
  });

  test.each([
    ["a", "b", ".", "a", ".", "b"],
    ["/a", "x/y//", "/", "a", "x/", "y//"],
    ["d/../a", "//", "d/../", "a", "//", "."],
  ])(
    "--fsync opens the directories of %s and %s",
    (source, target, parent, name, targetParent, targetName) => {
      const steps = planned("--fsync", source, target);
      expect(steps.slice(0, 3)).toEqual([
        `openat(AT_FDCWD, "${parent}", O_CLOEXEC) -> source directory`,
        `openat(AT_FDCWD, "${targetParent}", O_CLOEXEC) -> target directory`,
        `renameat(source directory, "${name}", target directory, "${targetName}") -> error (may fail)`,
      ]);
      expect(steps.slice(-2)).toEqual(["fsync(target directory)", "fsync(source directory)"]);
    },
  );

  test.each([
    [["-xn", "a", "b"], "-x and -n exclude each other"],
    [["-x", "--whiteout", "a", "b"], "-x and -w exclude each other"],
    [["a"], "TARGET is missing"],
    [["a", "b", "c"], 'unexpected word "c"'],
    [["a", ""], "TARGET: the path is empty"],
    [["-s", "-100", "a", "b"], '-s: "-100" is not a descriptor (N, /NAME or :NAME)'],
    [["-s", "5x", "a", "b"], '-s: "5x" is not a number'],
    [["-s", "2147483648", "a", "b"], '-s: "2147483648" is out of range (0 to 2147483647)'],
    [["-d", "/", "a", "b"], '-d: "/" names no environment variable'],
    [["-d", "/NOPE", "a", "b"], "$NOPE is not set"],
    [["-d", ":BAD", "a", "b"], '$BAD: "x" is not a number'],
    [["-d", ":EMPTY", "a", "b"], '$EMPTY: "" is not a number'],
    [["-d", ":HUGE", "a", "b"], '$HUGE: "99999999999999999999" is out of range (0 to 2147483647)'],
  ])("refuses %j", (words, message) => expect(usageError(() => planned(...words))).toBe(message));
});

/** Files `a` and `b`, with their names as contents, and directories: `dir`, which is empty, and `full`. */
function inTree<Result>(use: (directory: string) => Result): Result {
  return inDirectory((directory) => {
    for (const name of ["a", "b"]) writeFileSync(join(directory, name), name);
    mkdirSync(join(directory, "dir"));
    mkdirSync(join(directory, "full", "more"), { recursive: true });
    return use(directory);
  });
}

function renamed(words: readonly string[], cwd: string, options: RunOptions = {}) {
  return ctrtool(["renameat2", ...words], { ...options, cwd });
}

const done = { status: 0, stdout: "", stderr: "" };

describe("binary", () => {
  test("-x swaps files", () =>
    inTree((cwd) => {
      expect(renamed(["-x", "a", "b"], cwd)).toEqual(done);
      expect(readFileSync(join(cwd, "a"), "utf8")).toBe("b");
      expect(readFileSync(join(cwd, "b"), "utf8")).toBe("a");
    }));

  test("-x swaps a file and a directory, and a file with itself", () =>
    inTree((cwd) => {
      expect(renamed(["a", "dir", "--exchange"], cwd)).toEqual(done);
      expect(lstatSync(join(cwd, "a")).isDirectory()).toBe(true);
      expect(lstatSync(join(cwd, "dir")).isFile()).toBe(true);
      expect(renamed(["-x", "b", "b"], cwd)).toEqual(done);
    }));

  test("-n renames to a name that is free", () =>
    inTree((cwd) => {
      expect(renamed(["-n", "a", "c"], cwd)).toEqual(done);
      expect([existsSync(join(cwd, "a")), existsSync(join(cwd, "c"))]).toEqual([false, true]);
    }));

  test("-w leaves a whiteout, as root", () =>
    inTree((cwd) => {
      expect(renamed(["-w", "a", "c"], cwd)).toEqual(done);
      const { rdev, mode } = lstatSync(join(cwd, "a"));
      expect([rdev, mode]).toEqual([0, 0o20000]);
      expect(readFileSync(join(cwd, "c"), "utf8")).toBe("a");
    }));

  test("-s and -d: descriptors and variables", () =>
    inTree((cwd) => {
      const there = script("FD=5 ctrtool renameat2 -d /FD a x 5<dir", { cwd });
      expect(there).toEqual(done);
      expect(readFileSync(join(cwd, "dir", "x"), "utf8")).toBe("a");
      expect(script("A=5 ctrtool renameat2 -s :A -d 5 x ../a 5<dir", { cwd })).toEqual(done);
      expect(readFileSync(join(cwd, "a"), "utf8")).toBe("a");
    }));

  test("--fsync renames and writes the directories", () =>
    inTree((cwd) => {
      expect(renamed(["--fsync", "a", "dir/c"], cwd)).toEqual(done);
      expect(renamed(["--fsync", "-x", "dir/", `${cwd}/full`], cwd)).toEqual(done);
      expect(readFileSync(join(cwd, "full", "c"), "utf8")).toBe("a");
    }));

  test("bytes that are no UTF-8 stay as they are", () =>
    inTree((cwd) => {
      expect(script("ctrtool renameat2 a $'\\xff\\xfe' && cat $'\\xff\\xfe'", { cwd })).toEqual({
        ...done,
        stdout: "a",
      });
    }));

  const line = (text: string) => `ctrtool renameat2: ${text}\n`;

  test.each([
    [["-n", "a", "b"], 1, 'rename: "a" to "b": EEXIST (File exists); hint: the target exists'],
    [["-n", "a", "a"], 1, 'rename: "a" to "a": EEXIST (File exists); hint: the target exists'],
    [
      ["a", "dir"],
      1,
      'rename: "a" to "dir": EISDIR (Is a directory); hint: the target is a directory, the source is not; a rename does not move into directories',
    ],
    [
      ["dir", "a"],
      1,
      'rename: "dir" to "a": ENOTDIR (Not a directory); hint: only one of them is a directory, or only the target has a slash at its end',
    ],
    [
      ["dir", "full"],
      1,
      'rename: "dir" to "full": ENOTEMPTY (Directory not empty); hint: the target is a directory that is not empty',
    ],
    [
      ["-n", "dir", "dir/x"],
      1,
      'rename: "dir" to "dir/x": EINVAL (Invalid argument); hint: one of the names is below the other, or the file system does not support -n',
    ],
    [["none", "c"], 1, 'rename: source "none": ENOENT (No such file or directory)'],
    [["a", "none/c"], 1, 'rename: target "none/c": ENOENT (No such file or directory)'],
    [["-x", "a", "none"], 1, 'rename: target "none": ENOENT (No such file or directory)'],
    [["a", "b/c"], 1, 'rename: target "b/c": ENOTDIR (Not a directory)'],
    [
      ["--fsync", "a", "none/c"],
      1,
      'openat: directory of target "none/c": ENOENT (No such file or directory)',
    ],
    [
      ["a", "/proc/c"],
      1,
      'rename: "a" to "/proc/c": EXDEV (Invalid cross-device link); hint: they are on different mounts',
    ],
    [["-s", "99", "a", "b"], 2, "fcntl: descriptor 99: EBADF (Bad file descriptor)"],
    [["-x", "-n", "a", "b"], 2, "usage: -x and -n exclude each other"],
    [["-z", "a", "b"], 2, "usage: unknown option -z"],
    [["a", "-s"], 2, "usage: option -s needs a value"],
    [["a"], 2, "usage: TARGET is missing"],
  ])("%j fails and changes nothing", (words, status, text) =>
    inTree((cwd) => {
      expect(renamed(words, cwd)).toEqual({ status, stdout: "", stderr: line(text) });
      const state = ["a", "b"].map((name) => readFileSync(join(cwd, name), "utf8"));
      expect(state).toEqual(["a", "b"]);
      expect([existsSync(join(cwd, "dir")), existsSync(join(cwd, "full", "more"))]).toEqual([true, true]);
    }),
  );

  test("a descriptor that is no directory is the source's fault", () =>
    inTree((cwd) => {
      const { status, stderr } = script("ctrtool renameat2 -s 6 a c 6<b", { cwd });
      expect({ status, stderr }).toEqual({
        status: 1,
        stderr: line('rename: source "a": ENOTDIR (Not a directory)'),
      });
    }));

  test("an ordinary user renames and swaps", () =>
    inTree((cwd) => {
      script("chmod 777 .", { cwd });
      expect(renamed(["a", "c"], cwd, { ordinary: true })).toEqual(done);
      expect(renamed(["-x", "--fsync", "b", "c"], cwd, { ordinary: true })).toEqual(done);
      expect(readFileSync(join(cwd, "c"), "utf8")).toBe("b");
    }));

  test.each([
    ["-x", "ENOSYS", "-x needs Linux 3.15"],
    ["-x", "EINVAL", "one of the names is below the other, or the file system does not support -x"],
    ["-w", "EPERM", "-w needs CAP_MKNOD before Linux 5.8"],
  ])("%s: a kernel that says %s", (flag, error, hint) =>
    inTree((cwd) => {
      const trace = `strace -f -o /dev/null -e inject=renameat2:error=${error} "$CTRTOOL" renameat2 ${flag} a b`;
      const { status, stderr } = script(trace, { cwd });
      expect(status).toBe(1);
      expect(stderr).toEndWith(`; hint: ${hint}\n`);
    }),
  );

  test("a failed fsync is a failure, though the rename is done", () =>
    inTree((cwd) => {
      const trace = 'strace -f -o /dev/null -e inject=fsync:error=EIO "$CTRTOOL" renameat2 --fsync a c';
      const { status, stderr } = script(trace, { cwd });
      expect(status).toBe(1);
      expect(stderr).toBe(line('fsync: directory of target "c": EIO (Input/output error)'));
      expect(existsSync(join(cwd, "c"))).toBe(true);
    }));
});
