import { expect, test } from "bun:test";
import * as c from "../../src/sys/constants.ts";
import { describeConstant, describeFlags, groupNames } from "../../src/sys/names.ts";

test("flags are named lowest first, and what has no name is kept", () => {
  expect(describeFlags("MS", c.MS_REC | c.MS_BIND)).toBe("MS_BIND|MS_REC");
  expect(describeFlags("MS", c.MS_BIND | c.MS_REC | 0x40000000)).toBe("MS_BIND|MS_REC|0x40000000");
  expect(describeFlags("MNT", c.MNT_DETACH | c.UMOUNT_NOFOLLOW)).toBe("MNT_DETACH|UMOUNT_NOFOLLOW");
});

test("no flag is 0, in every group", () => {
  for (const group of groupNames()) expect(describeFlags(group, 0)).toBe("0");
});

test("every group has members", () => {
  const lone: string[] = [];
  for (const group of groupNames()) {
    const names = new Set<string>();
    for (let number = -200; number < 200; number++) names.add(describeConstant(group, number));
    for (let bit = 0n; bit < 40n; bit++) names.add(describeFlags(group, 1n << bit));
    if (![...names].some((name) => /[A-Z]/.test(name))) lone.push(group);
  }
  // Their numbers are not small; these are asked for one.
  expect(lone).toEqual(["IOCTL", "STATFS"]);
  expect(describeConstant("IOCTL", c.NS_GET_PARENT)).toBe("NS_GET_PARENT");
  expect(describeConstant("STATFS", c.PROC_SUPER_MAGIC)).toBe("PROC_SUPER_MAGIC");
});

test("a name of several bits comes before its parts", () => {
  expect(describeFlags("STATX", c.STATX_BASIC_STATS | c.STATX_MNT_ID)).toBe("STATX_BASIC_STATS|STATX_MNT_ID");
  expect(describeFlags("O", c.O_SYNC)).toBe("O_SYNC");
  expect(describeFlags("O", c.O_DSYNC | c.O_WRONLY)).toBe("O_WRONLY|O_DSYNC");
});

test("flags that differ are those of the architecture asked for", () => {
  const { x86_64, aarch64 } = c.archConstants;
  expect(describeFlags("O", x86_64.O_DIRECTORY | c.O_CLOEXEC, "x86_64")).toBe("O_DIRECTORY|O_CLOEXEC");
  expect(describeFlags("O", aarch64.O_DIRECTORY | c.O_CLOEXEC, "aarch64")).toBe("O_DIRECTORY|O_CLOEXEC");
  expect(describeFlags("O", x86_64.O_DIRECTORY, "aarch64")).toBe("O_DIRECT");
  expect(describeFlags("O", x86_64.O_TMPFILE | c.O_RDWR, "x86_64")).toBe("O_RDWR|O_TMPFILE");
});

test("the low byte of clone flags is a signal", () => {
  expect(describeFlags("CLONE", c.CLONE_NEWUSER | c.SIGCHLD)).toBe("SIGCHLD|CLONE_NEWUSER");
  expect(describeFlags("CLONE", c.CLONE_NEWTIME | c.CLONE_NEWNS)).toBe("CLONE_NEWTIME|CLONE_NEWNS");
  expect(describeFlags("CLONE", BigInt(c.CLONE_INTO_CGROUP) | BigInt(c.CLONE_PIDFD))).toBe(
    "CLONE_PIDFD|CLONE_INTO_CGROUP",
  );
});

test("negative flags are 64 bits wide", () => {
  expect(describeFlags("FD", -1)).toBe("FD_CLOEXEC|0xfffffffffffffffe");
});

test("constants have one name, the usual one where there are two; unknown ones stay numbers", () => {
  expect(describeConstant("SIG", 6)).toBe("SIGABRT");
  expect(describeConstant("SIG", 29)).toBe("SIGIO");
  expect(describeConstant("SIG", 63)).toBe("63");
  expect(describeConstant("SIG_HOW", 0)).toBe("SIG_BLOCK");
  expect(describeConstant("PR", c.PR_SET_NO_NEW_PRIVS)).toBe("PR_SET_NO_NEW_PRIVS");
  expect(describeConstant("PR_CAP_AMBIENT", 2)).toBe("PR_CAP_AMBIENT_RAISE");
  expect(describeConstant("RLIMIT", 0n)).toBe("RLIMIT_CPU");
  expect(describeConstant("DIRFD", -100)).toBe("AT_FDCWD");
  expect(describeConstant("F", 0)).toBe("F_DUPFD");
});

test("an unknown group is a mistake, not a number", () => {
  expect(() => describeFlags("MOUNT", 1)).toThrow(RangeError);
  expect(() => describeConstant("constructor", 1)).toThrow(RangeError);
});
