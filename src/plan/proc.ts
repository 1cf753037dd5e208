/** Proc file systems: mounting one, and knowing a real one. */

import {
  area,
  call,
  compose,
  fail,
  group,
  type Step,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  AT_FDCWD,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  O_CLOEXEC,
  O_RDONLY,
  PROC_SUPER_MAGIC,
} from "../sys/constants.ts";
import { readFileSystem } from "./file-facts.ts";
import { attach, newFileSystem } from "./mounts.ts";
import { closeAll, openPath } from "./paths.ts";

/** Mounts a new proc (nosuid, nodev, noexec) on /proc, which must not be reached through a symlink. */
export function mountProc(): Step {
  const mount = variable("mount");
  const target = variable("target");
  const proc = { type: "proc", source: "proc", data: "", flags: MS_NOSUID | MS_NODEV | MS_NOEXEC };
  return group("mount a new proc on /proc", [
    openPath("/proc", target, { symlinks: "refuse" }),
    newFileSystem(proc, [], mount, "/proc"),
    attach(mount, target, "/proc"),
    ...closeAll([mount, target]),
  ]);
}

/**
 * Opens the directory of a process, or this one's own, also where /proc is that of an outer PID namespace; fails
 * if /proc is no proc file system. The caller owns the descriptor.
 */
export function openProcess(pid: Variable | "self", into: Variable): Step {
  const path = area("path", 32);
  const magic = variable("file system");
  return group("open the process's directory", [
    compose(path, ["/proc/", pid, "/"]),
    call("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC], pid === "self" ? "/proc/self" : "/proc/PID", {
      into,
    }),
    ...readFileSystem(into, "/proc", magic),
    when(magic, "!=", PROC_SUPER_MAGIC, [fail({ step: "fstatfs", what: "/proc is not a proc file system" })]),
  ]);
}
