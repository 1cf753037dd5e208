/** Proc file systems: mounting one, and knowing a real one. */

import {
  area,
  call,
  compose,
  fail,
  group,
  load,
  type Step,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  AT_FDCWD,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  O_CLOEXEC,
  O_PATH,
  O_RDONLY,
  PROC_SUPER_MAGIC,
  RESOLVE_NO_SYMLINKS,
} from "../sys/constants.ts";
import { ENOSYS } from "../sys/errno.ts";
import { open_how, statfs } from "../sys/structs.ts";

const newMountApi = { [ENOSYS]: "needs Linux 5.2" };

/** Mounts a new proc (nosuid, nodev, noexec) on /proc, which must not be reached through a symlink. */
export function mountProc(): Step {
  const configuration = variable("file system");
  const mount = variable("mount");
  const target = variable("target");
  const how = open_how.pack({ flags: O_PATH | O_CLOEXEC, resolve: RESOLVE_NO_SYMLINKS });
  const attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  return group("mount a new proc on /proc", [
    call("openat2", [AT_FDCWD, "/proc", how, how.length], "/proc", { into: target }),
    call("fsopen", ["proc", FSOPEN_CLOEXEC], "proc", { into: configuration, hints: newMountApi }),
    call("fsconfig", [configuration, FSCONFIG_SET_STRING, "source", "proc", 0], "proc"),
    call("fsconfig", [configuration, FSCONFIG_CMD_CREATE, 0, 0, 0], "proc"),
    call("fsmount", [configuration, FSMOUNT_CLOEXEC, attributes], "proc", { into: mount }),
    call("move_mount", [mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH], "/proc"),
    ...[mount, configuration, target].map((fd) => call("close", [fd], "/proc")),
  ]);
}

/** Opens the directory of a process; fails if /proc is no proc file system. The caller owns the descriptor. */
export function openProcess(pid: Variable, into: Variable): Step {
  const path = area("path", 32);
  const facts = area("file system facts", statfs.size);
  const magic = variable("file system");
  return group("open the process's directory", [
    compose(path, ["/proc/", pid, "/"]),
    call("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC], "/proc/PID", { into }),
    call("fstatfs", [into, facts], "/proc"),
    load(magic, facts, statfs.offset("f_type"), 8),
    when(magic, "!=", PROC_SUPER_MAGIC, [fail({ step: "fstatfs", what: "/proc is not a proc file system" })]),
  ]);
}
