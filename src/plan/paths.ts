/**
 * Opening paths once, so that what was checked is what is used: see openat2(2), path_resolution(7). Everything
 * here makes steps; the descriptors they open are close-on-exec and belong to the list of steps.
 */

import {
  attempt,
  type Call,
  call,
  type Step,
  type Value,
  type Variable,
  variable,
} from "../program/steps.ts";
import { AT_FDCWD, O_CLOEXEC, O_PATH, RESOLVE_NO_SYMLINKS } from "../sys/constants.ts";
import { open_how } from "../sys/structs.ts";

/** Whether a symlink anywhere in a path, the last component included, makes opening it fail with ELOOP. */
export type Symlinks = "refuse" | "follow";

/** Where a relative path begins: a descriptor of a directory, or the working directory (AT_FDCWD). */
export type Start = Variable | typeof AT_FDCWD;

/** A byte string, or a variable that holds the address of one: the column of a table (see `Each`). */
export type Text = string | Variable;

/** A name in a directory: what the calls that make or remove something take, without a path to be redirected. */
export interface Entry {
  readonly directory: Start;
  readonly name: Text;
}

export interface OpenOptions {
  readonly symlinks: Symlinks;
  /** AT_FDCWD by default. */
  readonly from?: Start;
  /** open(2) flags besides O_CLOEXEC; O_PATH by default. */
  readonly flags?: number;
  /** Mode of a file made by O_CREAT, less the umask. */
  readonly mode?: number;
  /** For messages; the path by default. */
  readonly what?: Text;
  readonly accept?: readonly number[];
}

// The kernel only reads these, so that programs can share them; made at first use, since packing takes time.
const requests = new Map<string, Uint8Array>();

function request(flags: number, mode: number, symlinks: Symlinks): Uint8Array {
  const key = `${flags} ${mode} ${symlinks}`;
  let how = requests.get(key);
  if (how === undefined) {
    const resolve = symlinks === "refuse" ? RESOLVE_NO_SYMLINKS : 0;
    how = open_how.pack({ flags: flags | O_CLOEXEC, mode, resolve });
    requests.set(key, how);
  }
  return how;
}

/** Opens a path, which must exist. */
export function openPath(path: Text, into: Variable, options: OpenOptions): Call {
  const { symlinks, from = AT_FDCWD, flags = O_PATH, mode = 0, what = path, accept } = options;
  const how = request(flags, mode, symlinks);
  return call("openat2", [from, path, how, how.length], what, accept ? { into, accept } : { into });
}

/** A path, and the same as a directory and a name in it. */
export interface Path {
  readonly text: Text;
  /** Undefined if there is nothing on the way to the name that could be a symlink. */
  readonly parent: Text | undefined;
  /** Never a path that leads through a directory other than the working directory or the root. */
  readonly name: Text;
}

/**
 * Splits at the last slash. A path that ends in a slash, `.` or `..` names what it leads to, as for the kernel:
 * the parent is the whole path then, and the name is `.`.
 */
export function splitPath(text: string): Path {
  const slash = text.lastIndexOf("/");
  if (slash < 0) return { text, parent: undefined, name: text };
  const name = text.slice(slash + 1);
  if (name === "" || name === "." || name === "..") return { text, parent: text, name: "." };
  const parent = text.slice(0, slash);
  return /[^/]/.test(parent) ? { text, parent, name } : { text, parent: undefined, name: text };
}

/** A path without what only says that it is a directory: `d/` and `d/.` become `d`. */
export function withoutSlash(path: string): string {
  return path.replace(/(?<=[^/])(?:\/+\.?)+$/, "");
}

/** Opens the directory of a path's last component into `directory`, if that takes anything at all. */
export function openParent(
  { text, parent, name }: Path,
  directory: Variable,
  options: OpenOptions,
): { readonly steps: readonly Call[]; readonly entry: Entry } {
  if (parent === undefined) return { steps: [], entry: { directory: options.from ?? AT_FDCWD, name } };
  const open = openPath(parent, directory, { ...options, what: text });
  return { steps: [open], entry: { directory, name } };
}

/** Closes descriptors, also those whose opening failed (a variable that holds a negative number). */
export function closeAll(descriptors: readonly Value[]): Call[] {
  return descriptors.map((fd) => call("close", [fd], "a descriptor of ours", { accept: "any" }));
}

/**
 * Does steps with a directory as the working directory, for calls that know no descriptors, and goes back. The
 * old working directory is kept by a descriptor; no path is needed, so that it works without /proc.
 */
export function insideDirectory(directory: Variable, steps: readonly Step[]): Step[] {
  const here = variable("working directory");
  const back = [call("fchdir", [here], "the working directory"), ...closeAll([here])];
  return [
    openPath(".", here, { symlinks: "follow", what: "the working directory" }),
    attempt([call("fchdir", [directory], "the target's directory"), ...steps], back, "fail"),
    ...back,
  ];
}
