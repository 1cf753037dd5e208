import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plan, spec } from "../../src/applets/reset_cgroup.ts";
import { parse } from "../../src/cli/parse.ts";
import { calls } from "../../src/program/explain.ts";
import {
  ctrtool,
  inDirectory,
  mountScript,
  ordinaryGiven,
  usageError,
  withProgram,
} from "../support/ctrtool.ts";

const defaults = ["blkio", "cpu", "devices", "freezer", "memory", "perf_event", "pids", "rdma"];

function planned(...words: string[]): string[] {
  return calls(plan(parse(spec, words), ordinaryGiven).steps);
}

/** The files that a plan opens for each list, in order. */
function opened(...words: string[]): string[] {
  return planned(...words, "true").flatMap((step) => /^openat2\(base, "([^"]*)"/.exec(step)?.[1] ?? []);
}

const at = (names: readonly string[], path = ".") => names.map((name) => `./${name}/${path}/cgroup.procs`);

describe("plan", () => {
  test.each([
    [["-c", "cpu,,memory,"], at(["cpu", "memory"])],
    [["-c", ""], []],
    [["-c", "cpu", "-c", "pids"], at(["pids"])],
    [["-usc", "cpu", "-a", "x,y", "-p", "grp"], at(["cpu", "systemd", "unified", "x", "y"], "grp")],
    [["-c", "cpu/grp", "-p", "/x"], at(["cpu/grp"], "/x")],
    [["-su"], [...at(["."]), ...at([...defaults, "systemd", "unified"])]],
    [
      ["-a", "x"],
      [...at([".", "x"]), ...at([...defaults, "x"])],
    ],
  ])("%j opens", (words, files) => expect(opened(...words)).toEqual(files));

  test("everything is opened before anything is written", () => {
    const steps = planned("-c", "cpu,pids", "true").map((step) => step.slice(0, step.indexOf("(")));
    expect(steps.filter((name) => /^(openat2?|write)$/.test(name))).toEqual([
      "openat",
      "openat2",
      "openat2",
      "write",
      "write",
    ]);
  });

  test("--create makes each directory on the way, and takes it back after a failure", () => {
    const steps = planned("-c", "cpu", "-p", "/a/./b/", "--create", "true");
    expect(steps.filter((step) => /^(mkdirat|unlinkat)/.test(step))).toEqual([
      'mkdirat(./cpu, "a", 0755) -> result (EEXIST is fine)',
      'mkdirat(./cpu/a, "b", 0755) -> result (EEXIST is fine)',
      'unlinkat(./cpu/a, "b", AT_REMOVEDIR) (ENOENT, EBUSY is fine)',
      'unlinkat(./cpu, "a", AT_REMOVEDIR) (ENOENT, EBUSY is fine)',
    ]);
  });

  const long = "x".repeat(4090);
  test.each([
    [["-b", "", "true"], "-b: the path is empty"],
    [["-p", "", "true"], "-p: the path is empty"],
    [["-p", long, "true"], `path "./blkio/${"x".repeat(56)}..." (4111 bytes) is longer than 4095 bytes`],
    [["--create", "-p", "a/../b", "true"], '--create: "a/../b" has .. in it'],
    [["-s"], "PROGRAM is missing"],
    [["-x", "true"], "unknown option -x"],
    [["-a"], "option -a needs a value"],
  ])("refuses %j", (words, message) => expect(usageError(() => planned(...words))).toBe(message));
});

/** A directory `cg` as the original's examples have it: ordinary directories, empty files. */
function inTree<Result>(use: (cwd: string) => Result): Result {
  return inDirectory((cwd) => {
    for (const name of [...defaults, "systemd", "unified", "cpuacct", "x"]) {
      mkdirSync(join(cwd, "cg", name, "grp"), { recursive: true });
      for (const path of [".", "grp"]) writeFileSync(join(cwd, "cg", name, path, "cgroup.procs"), "");
    }
    return use(cwd);
  });
}

function reset(cwd: string, ...words: string[]) {
  return ctrtool(["reset_cgroup", "-b", "cg", ...words, "echo", "hi"], { cwd });
}

function content(cwd: string, name: string, path = "."): string {
  return readFileSync(join(cwd, "cg", name, path, "cgroup.procs"), "utf8");
}

const hi = { status: 0, stdout: "hi\n", stderr: "" };
const failed = (line: string) => ({ status: 125, stdout: "", stderr: `ctrtool reset_cgroup: ${line}\n` });

describe("ordinary directories", () => {
  test("the default list, twice", () =>
    inTree((cwd) => {
      expect(reset(cwd)).toEqual(hi);
      expect(reset(cwd)).toEqual(hi);
      expect(defaults.map((name) => content(cwd, name))).toEqual(defaults.map(() => "0"));
      expect(["systemd", "unified", "x"].map((name) => content(cwd, name))).toEqual(["", "", ""]);
    }));

  test("a path, and further hierarchies", () =>
    inTree((cwd) => {
      const all = [...defaults, "systemd", "unified", "cpuacct", "x"];
      expect(reset(cwd, "-p", "grp", "-s", "-u", "-a", "cpuacct,x", "--")).toEqual(hi);
      expect(all.map((name) => content(cwd, name, "grp"))).toEqual(all.map(() => "0"));
    }));

  test("one that fails to open leaves all as they are", () =>
    inTree((cwd) => {
      expect(reset(cwd, "-c", "cpu,nope,memory")).toEqual(
        failed("openat2: ./nope/./cgroup.procs: ENOENT (No such file or directory)"),
      );
      expect([content(cwd, "cpu"), content(cwd, "memory")]).toEqual(["", ""]);
    }));

  test("--skip-missing", () =>
    inTree((cwd) => {
      expect(reset(cwd, "--skip-missing", "-c", "cpu,nope,memory")).toEqual(hi);
      expect([content(cwd, "cpu"), content(cwd, "memory")]).toEqual(["0", "0"]);
      expect(reset(cwd, "--skip-missing", "-c", "nope,neither")).toEqual(
        failed("openat2: cg: none of the hierarchies exists: ENOENT (No such file or directory)"),
      );
      expect(reset(cwd, "--skip-missing", "-c", "cpu", "-p", "none")).toEqual(
        failed("openat2: ./cpu/none/cgroup.procs: ENOENT (No such file or directory)"),
      );
    }));

  test("an empty list writes nothing", () =>
    inTree((cwd) => {
      expect(reset(cwd, "-c", "")).toEqual(hi);
      expect(content(cwd, "cpu")).toBe("");
    }));

  test("a file that holds something is not overwritten, unless asked for", () =>
    inTree((cwd) => {
      writeFileSync(join(cwd, "cg/pids/cgroup.procs"), "precious");
      expect(reset(cwd)).toEqual(
        failed(
          "fstatfs: ./pids/./cgroup.procs is in no cgroup file system, and not empty (--any-filesystem overwrites it)",
        ),
      );
      expect([content(cwd, "pids"), content(cwd, "cpu")]).toEqual(["precious", ""]);
      expect(reset(cwd, "--any-filesystem")).toEqual(hi);
      expect(content(cwd, "pids")).toBe("0");
    }));

  test.each([
    [
      ["-c", "out"],
      "openat2: ./out/./cgroup.procs: EXDEV (Invalid cross-device link); hint: it leads out of the directory of the hierarchies",
    ],
    [
      ["-c", "cpu", "-p", "../../other"],
      "openat2: ./cpu/../../other/cgroup.procs: EXDEV (Invalid cross-device link); hint: it leads out of the directory of the hierarchies",
    ],
    [
      ["-c", "link"],
      "openat2: ./link/./cgroup.procs: ELOOP (Too many levels of symbolic links); hint: cgroup.procs is a symlink, or there are too many of them",
    ],
    [["-b", "none"], "openat: none: ENOENT (No such file or directory)"],
    [["-b", "cg/cpu/cgroup.procs"], "openat: cg/cpu/cgroup.procs: ENOTDIR (Not a directory)"],
  ])("%j fails", (words, line) =>
    inTree((cwd) => {
      mkdirSync(join(cwd, "other"));
      writeFileSync(join(cwd, "other/cgroup.procs"), "");
      symlinkSync("../other", join(cwd, "cg/out"));
      mkdirSync(join(cwd, "cg/link"));
      symlinkSync("../cpu/cgroup.procs", join(cwd, "cg/link/cgroup.procs"));
      expect(reset(cwd, ...words)).toEqual(failed(line));
      expect(readFileSync(join(cwd, "other/cgroup.procs"), "utf8")).toBe("");
      expect(content(cwd, "cpu")).toBe("");
    }),
  );

  test("symlinks that stay inside are followed", () =>
    inTree((cwd) => {
      symlinkSync("cpu", join(cwd, "cg/alias"));
      expect(reset(cwd, "-c", "alias", "-p", "../memory")).toEqual(hi);
      expect(content(cwd, "memory")).toBe("0");
    }));

  test("--create takes back what it made when something else fails", () =>
    inTree((cwd) => {
      // Ordinary directories come without a cgroup.procs.
      expect(reset(cwd, "--create", "-c", "cpu,memory", "-p", "grp/new/deep")).toEqual(
        failed("openat2: ./cpu/grp/new/deep/cgroup.procs: ENOENT (No such file or directory)"),
      );
      expect(existsSync(join(cwd, "cg/cpu/grp"))).toBe(true);
      expect(existsSync(join(cwd, "cg/cpu/grp/new"))).toBe(false);
    }));

  test.each([
    [["nosuchprogram"], 127, "execve: nosuchprogram: ENOENT (No such file or directory)"],
    [["/etc/passwd"], 126, "execve: /etc/passwd: EACCES (Permission denied)"],
  ])("%j is not executed", (program, status, line) =>
    inTree((cwd) => {
      const words = ["reset_cgroup", "-b", "cg", ...program];
      expect(ctrtool(words, { cwd })).toEqual({
        status,
        stdout: "",
        stderr: `ctrtool reset_cgroup: ${line}\n`,
      });
    }),
  );
});

/** A script in a mount namespace where `two` is the version 2 hierarchy and `one` a version 1 one. */
function withCgroups(text: string) {
  const setup =
    "set -e; mkdir one two; mount -t cgroup2 none two; mount -t cgroup -o none,name=ctrtool-test none one; set +e; ";
  return inDirectory((cwd) => mountScript(setup + text, { cwd }));
}

describe("real hierarchies", () => {
  const remove = "rmdir two/ctrtool-test/a two/ctrtool-test one/ctrtool-test/a one/ctrtool-test";

  test("version 2 is noticed", () => {
    const move =
      "ctrtool reset_cgroup -b two -su --create -p ctrtool-test/a grep ^0: /proc/self/cgroup; sleep 0.1";
    expect(withCgroups(`${move}; ${remove} 2>&-`)).toMatchObject({
      stdout: "0::/ctrtool-test/a\n",
      stderr: "",
    });
  });

  test("named ones, version 1 and 2 together", () => {
    const move =
      "ctrtool reset_cgroup -b . -c two -a one --create -p ctrtool-test/a grep -E '^0:|name=ctrtool' /proc/self/cgroup";
    const { stdout, stderr } = withCgroups(`${move}; sleep 0.1; ${remove}`);
    expect(stdout).toMatch(/^\d+:name=ctrtool-test:\/ctrtool-test\/a\n0::\/ctrtool-test\/a\n$/);
    expect(stderr).toBe("");
  });

  test("a move that the kernel refuses", () => {
    const test = "two/ctrtool-test";
    // Below a threaded cgroup, a new one takes no processes until it is made threaded too.
    const setup = `mkdir ${test} && echo threaded > ${test}/cgroup.type && mkdir ${test}/below`;
    const move = "ctrtool reset_cgroup -b two -p ctrtool-test/below echo no";
    const { status, stdout, stderr } = withCgroups(
      `${setup}; ${move}; r=$?; rmdir ${test}/below ${test}; exit $r`,
    );
    expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
    expect(stderr).toBe(
      'ctrtool reset_cgroup: write "0": ././ctrtool-test/below/cgroup.procs: EOPNOTSUPP (Operation not supported)\n',
    );
  });

  test.each([
    ["openat2", 3],
    ["mkdirat", 2],
    ["write", 1],
    ["write", 2],
  ])("%s failing the %d. time leaves no cgroup behind and executes nothing", (call, nth) => {
    const words = ["-b", ".", "-c", "two", "-a", "one", "--create", "-p", "ctrtool-test", "echo", "no"];
    withProgram(plan(parse(spec, words), ordinaryGiven), (file) => {
      const trace = `strace -o /dev/null -e inject=${call}:error=EIO:when=${nth} ${file}`;
      // The cgroup that the process has reached by the second write goes with it.
      const { status, stdout, stderr } = withCgroups(
        `${trace}; r=$?; sleep 0.1; ls -d */ctrtool-test; rmdir */ctrtool-test; exit $r`,
      );
      expect(status).toBe(125);
      expect(stdout).toBe(call === "write" && nth === 2 ? "two/ctrtool-test\n" : "");
      expect(stderr).toContain("EIO (Input/output error)\n");
    });
  });

  test("an ordinary user may not", () => {
    const move = 'setpriv --reuid=1000 --regid=1000 --clear-groups "$CTRTOOL" reset_cgroup -b two echo no';
    const { status, stdout, stderr } = withCgroups(`chmod 755 .; ${move}`);
    expect({ status, stdout, stderr }).toEqual({
      status: 125,
      stdout: "",
      stderr: "ctrtool reset_cgroup: openat2: ./././cgroup.procs: EACCES (Permission denied)\n",
    });
  });
});
