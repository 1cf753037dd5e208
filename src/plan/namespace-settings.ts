/**
 * What a new namespace begins with, set by a process that is in it (or, for time, whose children will be): see
 * mount_namespaces(7), uts_namespaces(7), time_namespaces(7), ipc_namespaces(7).
 */
import { call, type Step, type Variable, variable } from "../program/steps.ts";
import { IPC_CREAT, IPC_EXCL, MS_REC, O_CLOEXEC, O_WRONLY } from "../sys/constants.ts";
import { EACCES, EINVAL, ERANGE } from "../sys/errno.ts";

/** Changes the propagation (MS_SHARED and its like) of all mounts. */
export function changePropagation(flags: number): Step {
  return call("mount", [0, "/", 0, MS_REC | flags, 0], "/", { label: "change of propagation" });
}

export function setHostname(name: string): Step {
  return call("sethostname", [name, name.length], name);
}

/** The NIS domain name. */
export function setDomainname(name: string): Step {
  return call("setdomainname", [name, name.length], name);
}

/** How far a clock is ahead of the initial one; nanoseconds are 0 to 999999999, also before it. */
export interface TimeOffset {
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

/** Offsets of the clocks that a time namespace has of its own. */
export interface TimeOffsets {
  readonly monotonic?: TimeOffset;
  readonly boottime?: TimeOffset;
}

/**
 * Opens the file that takes the offsets, of the process whose directory `process` is. To be done before it enters
 * a user namespace: the one who opens it must have CAP_SYS_TIME over the time namespace, which its owner has, and
 * afterwards the file may belong to somebody else.
 */
export function openTimeOffsets(process: Variable, into: Variable): Step {
  return call("openat", [process, "timens_offsets", O_WRONLY | O_CLOEXEC], "timens_offsets", { into });
}

/** Writes the offsets of the time namespace for children. It fails once anything has entered that. */
export function writeTimeOffsets(file: Variable, offsets: TimeOffsets): Step[] {
  const lines = Object.entries(offsets).map(
    ([clock, { seconds, nanoseconds }]) => `${clock} ${seconds} ${nanoseconds}\n`,
  );
  const text = lines.join("");
  const what = `timens_offsets ${lines.map((line) => line.trimEnd()).join(", ")}`;
  const hints = {
    [ERANGE]: "the clock would be negative, or go beyond 146 years",
    [EACCES]: "something is in the time namespace already",
  };
  return [call("write", [file, text, text.length], what, { hints })];
}

/** A shared memory segment of System V: shmget(2). */
export interface SharedMemory {
  readonly key: number;
  /** Bytes; the kernel rounds up to pages. */
  readonly size: bigint;
  /** Permission bits. */
  readonly mode: number;
}

/** Creates a segment, which belongs to the process's user; one with this key must not exist. */
export function createSharedMemory({ key, size, mode }: SharedMemory): Step {
  const what = `shared memory 0x${key.toString(16).padStart(8, "0")} of ${size} bytes`;
  const hints = { [EINVAL]: "the size is 0, or beyond kernel.shmmax" };
  return call("shmget", [key, size, IPC_CREAT | IPC_EXCL | mode], what, {
    into: variable("shared memory"),
    hints,
  });
}
