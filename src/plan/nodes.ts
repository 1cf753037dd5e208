/**
 * Making directories, links and files as entries of directories that are open, so that no path can be redirected
 * in between: mkdirat(2), symlinkat(2), mknodat(2), open(2).
 */

import {
  attempt,
  type Call,
  call,
  compute,
  leave,
  loop,
  type Step,
  set,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import { O_CREAT, O_EXCL, O_WRONLY, S_IFREG } from "../sys/constants.ts";
import { closeAll, type Entry, openPath, type Symlinks, type Text } from "./paths.ts";

type Results = { readonly accept?: readonly number[]; readonly into?: Variable };

/** Makes a directory; the mode is subject to the umask. */
export function makeDirectory({ directory, name }: Entry, mode: number, what: Text, results?: Results): Call {
  return call("mkdirat", [directory, name, mode], what, results);
}

/** Makes an empty regular file without opening it; the mode is subject to the umask. */
export function makeEmptyFile({ directory, name }: Entry, mode: number, what: Text, results?: Results): Call {
  return call("mknodat", [directory, name, S_IFREG | mode, 0], what, results);
}

export function makeLink(content: Text, { directory, name }: Entry, what: Text): Call {
  return call("symlinkat", [content, directory, name], what);
}

export function remove({ directory, name }: Entry, flags: number, what: Text, results?: Results): Call {
  return call("unlinkat", [directory, name, flags], what, results);
}

/** A regular file to be made. */
export interface NewFile {
  readonly content: string;
  /** Not subject to the umask; without it the mode is 0600 less the umask. */
  readonly mode: number | undefined;
  /** Whether symlinks on the way are followed; one in the place of the file never is. */
  readonly symlinks: Symlinks;
}

/**
 * Makes a file, which must not exist yet. It has its mode when its content is complete, and is 0600 less the
 * umask until then. A failure leaves no file.
 */
export function makeFile(
  entry: Entry,
  { content, mode, symlinks }: NewFile,
  file: Variable,
  what: Text,
): Step[] {
  const { directory: from, name } = entry;
  const flags = O_WRONLY | O_CREAT | O_EXCL;
  const change = mode === undefined ? [] : [call("fchmod", [file, mode], what)];
  return [
    openPath(name, file, { from, flags, mode: 0o600, symlinks, what }),
    attempt([...writeAll(file, content, what), ...change], [remove(entry, 0, what)], "fail"),
    ...closeAll([file]),
  ];
}

/** Writes all of `content` to a file. */
function writeAll(file: Variable, content: string, what: Text): Step[] {
  if (content === "") return [];
  // Not as a text: those end at their first NUL.
  const bytes = Buffer.from(content, "latin1");
  const from = variable("position");
  const left = variable("bytes left");
  const written = variable("bytes written");
  return [
    set(from, bytes),
    set(left, bytes.length),
    loop([
      call("write", [file, from, left], what, { into: written, retry: true }),
      compute(from, from, "add", written),
      compute(left, left, "sub", written),
      when(left, "<=", 0, [leave]),
    ]),
  ];
}
