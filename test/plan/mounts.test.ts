import { describe, expect, test } from "bun:test";
import { type MountOption, mountOptions } from "../../src/plan/mount-data.ts";
import {
  type AttributeChange,
  addedAttributes,
  exactAttributes,
  type FileSystem,
  fileSystemOptions,
  mountKind,
  newFileSystem,
  propagationChange,
  setExactAttributes,
  unmount,
} from "../../src/plan/mounts.ts";
import { makeFile } from "../../src/plan/nodes.ts";
import { openParent, openPath, splitPath, withoutSlash } from "../../src/plan/paths.ts";
import { calls } from "../../src/program/explain.ts";
import { variable } from "../../src/program/steps.ts";
import {
  AT_FDCWD,
  MNT_DETACH,
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_BIND,
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_MOVE,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_POSIXACL,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SILENT,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
} from "../../src/sys/constants.ts";

describe("mountKind looks at flags in the kernel's order", () => {
  test.each([
    [0, "new"],
    [MS_RDONLY | MS_NOSUID | MS_REC | MS_SILENT, "new"],
    [MS_MOVE | MS_REC, "move"],
    [MS_PRIVATE | MS_MOVE, "propagation"],
    [MS_SLAVE | MS_REC, "propagation"],
    [MS_BIND | MS_PRIVATE | MS_MOVE, "bind"],
    [MS_REMOUNT | MS_BIND | MS_PRIVATE, "remount bind"],
    [MS_REMOUNT | MS_PRIVATE | MS_MOVE, "remount"],
  ])("%p: %s", (flags, kind) => expect<string>(mountKind(flags)).toBe(kind));
});

const restrictions =
  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;

describe("attributes of mount_setattr", () => {
  const change = (set: number, clear: number): AttributeChange => ({ set, clear, propagation: 0 });
  test.each([
    [0, change(0, 0), change(0, restrictions)],
    [MS_RDONLY, change(MOUNT_ATTR_RDONLY, 0), change(MOUNT_ATTR_RDONLY, restrictions & ~MOUNT_ATTR_RDONLY)],
    [
      MS_NOSUID | MS_NODEV | MS_NOSYMFOLLOW,
      change(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSYMFOLLOW, 0),
      change(
        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSYMFOLLOW,
        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC,
      ),
    ],
    [
      MS_RELATIME,
      change(0, MOUNT_ATTR__ATIME),
      change(0, restrictions | MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME),
    ],
    [
      MS_NOATIME | MS_RELATIME,
      change(MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
      change(MOUNT_ATTR_NOATIME, restrictions | MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME),
    ],
    [
      MS_NOATIME | MS_STRICTATIME,
      change(MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
      change(MOUNT_ATTR_STRICTATIME, restrictions | MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME),
    ],
    [
      MS_NODIRATIME,
      change(MOUNT_ATTR_NODIRATIME, MOUNT_ATTR__ATIME),
      change(MOUNT_ATTR_NODIRATIME, restrictions | MOUNT_ATTR__ATIME),
    ],
    [MS_BIND | MS_REC | MS_SYNCHRONOUS, change(0, 0), change(0, restrictions)],
  ])("%p", (flags, added, exact) => {
    expect(addedAttributes(flags)).toEqual(added);
    expect(exactAttributes(flags)).toEqual(exact);
  });

  test("propagation", () => {
    expect(propagationChange(MS_SLAVE | MS_REC)).toEqual({ set: 0, clear: 0, propagation: MS_SLAVE });
  });

  test("flags that cannot be taken away are left, but for read-only", () => {
    const lines = calls(setExactAttributes(variable("mount"), MS_NOSUID, "d"));
    expect(lines[0]).toContain(
      "{set MOUNT_ATTR_NOSUID, clear MOUNT_ATTR_RDONLY|MOUNT_ATTR_NODEV|MOUNT_ATTR_NOEXEC|MOUNT_ATTR_NOSYMFOLLOW}",
    );
    expect(lines[1]).toBe("when result == -1:");
    expect(lines[2]).toContain("{set MOUNT_ATTR_NOSUID, clear MOUNT_ATTR_RDONLY}");
  });
});

function options(...items: string[]): MountOption[] {
  return items.map((item) => {
    const [, name = item, value] = /^([^=]*)=(.*)$/s.exec(item) ?? [];
    return value === undefined ? { name } : { name, value };
  });
}

describe("mount data as options", () => {
  test.each([
    ["tmpfs", "", []],
    ["tmpfs", "mode=0700,size=1M", ["mode=0700", "size=1M"]],
    ["devpts", "newinstance,mode=0600", ["newinstance", "mode=0600"]],
    ["ext4", ",,ro,,=x,data=", ["ro", "data="]],
    ["ext4", "a=b=c", ["a=b=c"]],
    ["tmpfs", "mpol=bind:0,2,5-7,size=1M", ["mpol=bind:0,2,5-7", "size=1M"]],
    ["ext4", "x=1,2y", ["x=1", "2y"]],
    [
      "overlay",
      "lowerdir=/a\\,b:/c,upperdir=/u\\\\,workdir=/w",
      ["lowerdir=/a\\,b:/c", "upperdir=/u\\\\", "workdir=/w"],
    ],
    ["tmpfs", "lowerdir=a\\,b", ["lowerdir=a\\", "b"]],
    ["tmpfs", 'context="u:r:t:s0:c1,c2",mode=0755', ["context=u:r:t:s0:c1,c2", "mode=0755"]],
    ["fuse", 'fsname="x"', ['fsname="x"']],
    ["overlay", `lowerdir=${"x".repeat(255)}`, [`lowerdir=${"x".repeat(255)}`]],
  ])("%s: %j", (type, data, expected) => expect(mountOptions(type, data)).toEqual(options(...expected)));

  test.each([
    ["overlay", `lowerdir=${"x".repeat(256)}`],
    ["tmpfs", "x".repeat(256)],
    ["cifs", "user=x"],
  ])("%s: %.30s is for mount(2)", (type, data) => expect(mountOptions(type, data)).toBeUndefined());

  const tmpfs: FileSystem = { type: "tmpfs", source: "none", data: "mode=0755", flags: 0 };
  test("flags of the superblock come first", () => {
    const flags = MS_RDONLY | MS_SYNCHRONOUS | MS_DIRSYNC | MS_LAZYTIME | MS_MANDLOCK | MS_NOSUID | MS_SILENT;
    expect(fileSystemOptions({ ...tmpfs, flags })).toEqual(
      options("ro", "sync", "dirsync", "lazytime", "mand", "mode=0755"),
    );
  });

  test.each([
    [{ ...tmpfs, type: "fuse.sshfs" }],
    [{ ...tmpfs, flags: MS_POSIXACL }],
    [{ ...tmpfs, source: "x".repeat(256) }],
  ])("%j is for mount(2)", (fileSystem) => expect(fileSystemOptions(fileSystem)).toBeUndefined());

  test("a file system is made detached, with its flags", () => {
    const flags = MS_RDONLY | MS_NODEV;
    const lines = calls([newFileSystem({ ...tmpfs, flags }, options("ro", "a=b"), variable("mount"), "d")]);
    expect(lines).toEqual([
      "a new tmpfs, detached:",
      'fsopen("tmpfs", FSOPEN_CLOEXEC) -> configuration',
      'fsconfig(configuration, FSCONFIG_SET_STRING, "source", "none", 0)',
      'fsconfig(configuration, FSCONFIG_SET_FLAG, "ro", 0, 0)',
      'fsconfig(configuration, FSCONFIG_SET_STRING, "a", "b", 0)',
      "fsconfig(configuration, FSCONFIG_CMD_CREATE, 0, 0, 0)",
      "fsmount(configuration, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY|MOUNT_ATTR_NODEV) -> mount",
      "close(configuration) (may fail)",
    ]);
  });
});

describe("paths", () => {
  test.each([
    ["a", undefined, "a"],
    ["/a", undefined, "/a"],
    ["//a", undefined, "//a"],
    ["a/b", "a", "b"],
    ["/a/b", "/a", "b"],
    ["../b", "..", "b"],
    ["a//b", "a/", "b"],
    ["a/", "a/", "."],
    ["a/.", "a/.", "."],
    ["a/..", "a/..", "."],
    ["/", "/", "."],
    [".", undefined, "."],
    ["..", undefined, ".."],
  ])("splits %s", (text, parent, name) => expect(splitPath(text)).toEqual({ text, parent, name }));

  test.each([
    ["d/", "d"],
    ["d//./", "d"],
    ["d/.", "d"],
    ["/", "/"],
    ["//", "//"],
    ["d/..", "d/.."],
    ["./", "."],
    ["d.", "d."],
    ["d/.x", "d/.x"],
  ])("%s without its slash is %s", (path, expected) => expect(withoutSlash(path)).toBe(expected));

  test("the request is one object for all that ask for the same", () => {
    const [one, other] = [
      openPath("a", variable("x"), { symlinks: "refuse" }),
      openPath("b", variable("y"), { symlinks: "refuse" }),
    ];
    expect(one.args[2]).toBe(other.args[2]);
    expect(openPath("b", variable("y"), { symlinks: "follow" }).args[2]).not.toBe(other.args[2]);
  });

  test("a directory is only opened if there is one on the way", () => {
    const directory = variable("directory");
    expect(openParent(splitPath("x"), directory, { symlinks: "refuse" })).toEqual({
      steps: [],
      entry: { directory: AT_FDCWD, name: "x" },
    });
    const { steps, entry } = openParent(splitPath("a/x"), directory, { symlinks: "refuse" });
    expect(steps.length).toBe(1);
    expect(entry).toEqual({ directory, name: "x" });
  });

  test("umount2 is called in the directory of the mount, and the working directory put back", () => {
    expect(calls(unmount({ directory: AT_FDCWD, name: "x" }, MNT_DETACH, "x"))).toEqual([
      'umount2("x", MNT_DETACH)',
    ]);
    const lines = calls(unmount({ directory: variable("directory"), name: "x" }, 0, "a/x")).slice(1);
    expect(lines).toEqual([
      "fchdir(directory)",
      'umount2("x", 0)',
      "after a failure of these, fail, first:",
      "fchdir(working directory)",
      "close(working directory) (may fail)",
      "fchdir(working directory)",
      "close(working directory) (may fail)",
    ]);
  });

  test("a file's mode is set behind its content, and a failure removes it", () => {
    const lines = calls(
      makeFile(
        { directory: AT_FDCWD, name: "x" },
        { content: "abc", mode: 0o644, symlinks: "refuse" },
        variable("file"),
        "x",
      ),
    );
    const order = ["write(file", "fchmod(file, 0644)", 'unlinkat(AT_FDCWD, "x"'].map((start) =>
      lines.findIndex((line) => line.startsWith(start)),
    );
    expect(order).not.toContain(-1);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });
});
