import { describe, expect, test } from "bun:test";
import { plan, spec } from "../../src/applets/chroot_pivot.ts";
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

function planned(...words: string[]): string[] {
  return calls(plan(parse(spec, words), ordinaryGiven).steps);
}

describe("plan", () => {
  test("everything is opened before the root changes", () => {
    const steps = planned("--", "cp", "new", "/new/old").map((step) => step.replace(/\{.*\}/, "how"));
    expect(steps).toEqual([
      'openat(AT_FDCWD, "cp/", O_CLOEXEC|O_PATH) -> CHROOT_DIR',
      "fail if that is the root directory in use",
      'openat2(CHROOT_DIR, "new", how, 24) -> NEW_ROOT',
      'openat2(CHROOT_DIR, "/new/old", how, 24) -> PUT_OLD',
      "fchdir(CHROOT_DIR)",
      'chroot(".")',
      "fchdir(NEW_ROOT)",
      'pivot_root(".", "//new/old")',
    ]);
  });

  test("--detach and --live-root", () => {
    const steps = planned("--detach", "--live-root", "cp", "new");
    expect(steps).not.toContain("fail if that is the root directory in use");
    expect(steps.slice(-3)).toEqual([
      'pivot_root(".", ".")',
      "fchdir(CHROOT_DIR)",
      'umount2(".", MNT_DETACH)',
    ]);
  });

  test.each([
    [[], "CHROOT_DIR is missing"],
    [["cp"], "NEW_ROOT is missing"],
    [["cp", "new"], "PUT_OLD is missing"],
    [["cp", "new", "old", "more"], 'unexpected word "more"'],
    [["", "new", "old"], "CHROOT_DIR: the path is empty"],
    [["--detach", "cp", "new", "old"], "--detach leaves no use for PUT_OLD"],
    [["-x", "cp", "new", "old"], "unknown option -x"],
  ])("refuses %j", (words, message) => expect(usageError(() => planned(...words))).toBe(message));
});

/**
 * A script in a mount namespace of its own and an empty directory, with tmpfs A on `cp`, tmpfs B on
 * `cp/new`, and in each a directory that tells which it is.
 */
function inMounts(text: string) {
  const setup = `set -e; mkdir cp; mount -t tmpfs A cp; mkdir cp/new cp/plain cp/is-a
    mount -t tmpfs B cp/new; mkdir cp/new/old cp/new/is-b; set +e; `;
  return inDirectory((cwd) => mountScript(setup + text, { cwd }));
}

describe("binary", () => {
  test.each([
    ["cp /new /new/old", "cp:\nis-b\nold\n\ncp/old:\nis-a\nnew\nplain\n"],
    ["-- cp new new/old", "cp:\nis-b\nold\n\ncp/old:\nis-a\nnew\nplain\n"],
    ["$PWD/cp ../../new /../new/old/.", "cp:\nis-b\nold\n\ncp/old:\nis-a\nnew\nplain\n"],
  ])("chroot_pivot %s", (words, found) => {
    const { status, stdout, stderr } = inMounts(`ctrtool chroot_pivot ${words} && ls cp cp/old`);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: found, stderr: "" });
  });

  test("the old root can be put on top of the new one", () => {
    const { stdout } = inMounts("(cd cp; ctrtool chroot_pivot . new new); echo $?; ls cp; umount cp; ls cp");
    expect(stdout).toBe("0\nis-a\nnew\nplain\nis-b\nold\n");
  });

  test("--detach leaves nothing of the old mount", () => {
    const count = 'grep -c " $PWD/cp" /proc/self/mountinfo';
    const { stdout } = inMounts(
      `ctrtool chroot_pivot --detach cp new; echo $?; ls cp; ${count}; umount cp; ls cp`,
    );
    expect(stdout).toBe("0\nis-b\nold\n1\n");
  });

  test("the caller's root stays", () => {
    const { stdout } = inMounts(
      'stat -c "%d %i" / > 1; ctrtool chroot_pivot cp new new/old; stat -c "%d %i" / | cmp 1 -; ls -d /proc/self',
    );
    expect(stdout).toBe("/proc/self\n");
  });

  test("an ignored SIGCHLD does not matter", () => {
    expect(inMounts("trap '' CHLD; ctrtool chroot_pivot cp new new/old").status).toBe(0);
  });

  test("symlinks are followed inside, unless that is forbidden", () => {
    const links = "ln -s new cp/link; ln -s /../../new/old cp/absolute;";
    expect(inMounts(`${links} ctrtool chroot_pivot cp link absolute && ls cp/old/is-a`).status).toBe(0);
    const { status, stderr } = inMounts(`${links} ctrtool chroot_pivot --no-symlinks cp new absolute`);
    expect(status).toBe(3);
    expect(stderr).toBe(
      "ctrtool chroot_pivot: openat2: absolute: ELOOP (Too many levels of symbolic links); hint: it has a symlink in it that may not be followed\n",
    );
  });

  const busy =
    "EBUSY (Device or resource busy); hint: NEW_ROOT must be a mount of its own, with PUT_OLD in it or below";
  const invalid =
    "EINVAL (Invalid argument); hint: CHROOT_DIR and NEW_ROOT must be mount points, not shared, with PUT_OLD in NEW_ROOT or below";

  test.each([
    ["nonexistent a b", 2, "openat: nonexistent: ENOENT (No such file or directory)"],
    ["file a b", 2, "openat: file: ENOTDIR (Not a directory)"],
    ["'' a b", 2, "usage: CHROOT_DIR: the path is empty"],
    ["cp new", 2, "usage: PUT_OLD is missing"],
    ["cp plain plain", 3, `pivot_root: new root "plain", old root "plain": ${busy}`],
    ["cp new is-a", 3, `pivot_root: new root "new", old root "is-a": ${busy}`],
    ["cp/new old old", 3, `pivot_root: new root "old", old root "old": ${busy}`],
    ["cp none new", 3, "openat2: none: ENOENT (No such file or directory)"],
    ["cp new none", 3, "openat2: none: ENOENT (No such file or directory)"],
    ["/ / /", 3, 'pivot_root: "/" is the root directory in use: --live-root allows that'],
    [
      "/proc/self/root / /",
      3,
      'pivot_root: "/proc/self/root" is the root directory in use: --live-root allows that',
    ],
    ["--live-root / / /", 3, `pivot_root: new root "/", old root "/": ${busy}`],
    ["cp/plain ../new ../new", 3, "openat2: ../new: ENOENT (No such file or directory)"],
  ])("chroot_pivot %s: %d", (words, status, line) => {
    const after = "r=$?; ls cp; exit $r";
    expect(inMounts(`touch file; ctrtool chroot_pivot ${words}; ${after}`)).toEqual({
      status,
      stdout: "is-a\nnew\nplain\n",
      stderr: `ctrtool chroot_pivot: ${line}\n`,
    });
  });

  test("a directory that is no mount point, and a shared mount", () => {
    const bind = "mkdir dir dir/new; mount -t tmpfs C dir/new; ctrtool chroot_pivot dir new new";
    const { status, stderr } = inMounts(bind);
    expect({ status, stderr }).toEqual({
      status: 3,
      stderr: `ctrtool chroot_pivot: pivot_root: new root "new", old root "new": ${invalid}\n`,
    });
    expect(inMounts("mount --make-shared cp; ctrtool chroot_pivot cp new new/old")).toMatchObject({
      status: 3,
    });
  });

  test("magic links out of the tree are not followed", () => {
    const { status, stderr } = inMounts(
      "mkdir cp/proc; mount -t proc proc cp/proc; ctrtool chroot_pivot cp /proc/self/root/tmp new/old",
    );
    expect(status).toBe(3);
    expect(stderr).toStartWith("ctrtool chroot_pivot: openat2: /proc/self/root/tmp: ELOOP ");
  });

  test.each([
    ["openat", 1, 2],
    ["statx", 1, 1],
    ["openat2", 1, 3],
    ["openat2", 2, 3],
    ["chroot", 1, 2],
    ["fchdir", 1, 2],
    ["fchdir", 2, 3],
    ["pivot_root", 1, 3],
  ])("%s failing the %d. time ends with %d and moves nothing", (call, nth, status) => {
    const program = plan(parse(spec, ["cp", "new", "new/old"]), ordinaryGiven);
    withProgram(program, (file) => {
      const trace = `strace -o /dev/null -e inject=${call}:error=EIO:when=${nth} ${file}`;
      const { stdout, stderr, status: ended } = inMounts(`${trace}; r=$?; ls cp; exit $r`);
      expect({ stdout, ended }).toEqual({ stdout: "is-a\nnew\nplain\n", ended: status });
      expect(stderr).toStartWith(`ctrtool chroot_pivot: ${call}: `);
      expect(stderr).toMatch(/: EIO \(Input\/output error\)\n$/);
    });
  });

  test("an old root that cannot be detached: 4", () => {
    const inject =
      'strace -f -o /dev/null -e inject=umount2:error=EIO "$CTRTOOL" chroot_pivot --detach cp new';
    const { status, stderr } = inMounts(inject);
    expect({ status, stderr }).toEqual({
      status: 4,
      stderr: "ctrtool chroot_pivot: umount2: cp: EIO (Input/output error)\n",
    });
  });

  test("an ordinary user may not; in a user namespace of its own it may", () => {
    const { status, stderr } = ctrtool(["chroot_pivot", "/proc", "sys", "sys"], { ordinary: true });
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: "ctrtool chroot_pivot: chroot: /proc: EPERM (Operation not permitted)\n",
    });
    const text = `mount -t tmpfs A . && cd $PWD && mkdir -p cp/new && mount -t tmpfs A cp && mkdir cp/new && mount -t tmpfs B cp/new &&
      mkdir cp/new/old && "$CTRTOOL" chroot_pivot cp new new/old && ls cp`;
    const { stdout } = inDirectory((cwd) =>
      mountScript(
        `chmod 777 .; setpriv --reuid=1000 --regid=1000 --clear-groups unshare -Urm bash -c '${text}'`,
        { cwd },
      ),
    );
    expect(stdout).toBe("old\n");
  });
});
