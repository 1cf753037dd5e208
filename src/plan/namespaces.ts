/** Namespaces: their letters and flags, and entering existing ones. See namespaces(7), setns(2). */

import { call, group, type Step, type Variable, variable, when } from "../program/steps.ts";
import {
  AT_FDCWD,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
} from "../sys/constants.ts";
import { ENOENT } from "../sys/errno.ts";

/** A kind of namespace: its flag for clone(2), unshare(2) and setns(2), and its file below /proc/PID/ns. */
export interface NamespaceKind {
  readonly flag: number;
  readonly file: string;
}

/** By the letters that options use, in the order in which several are entered: the user namespace first. */
export const namespaceKinds = {
  U: { flag: CLONE_NEWUSER, file: "user" },
  C: { flag: CLONE_NEWCGROUP, file: "cgroup" },
  i: { flag: CLONE_NEWIPC, file: "ipc" },
  n: { flag: CLONE_NEWNET, file: "net" },
  u: { flag: CLONE_NEWUTS, file: "uts" },
  T: { flag: CLONE_NEWTIME, file: "time" },
  p: { flag: CLONE_NEWPID, file: "pid" },
  m: { flag: CLONE_NEWNS, file: "mnt" },
} as const satisfies Record<string, NamespaceKind>;

export type NamespaceLetter = keyof typeof namespaceKinds;

/** Namespaces to enter: one or several through a descriptor or a file, or the chosen ones of a process directory. */
export interface Entry {
  readonly kinds: readonly NamespaceLetter[];
  /** Close the descriptor afterwards. */
  readonly close: boolean;
  readonly target:
    | { readonly form: "descriptor"; readonly fd: number }
    | { readonly form: "file"; readonly path: string }
    | { readonly form: "directory"; readonly path: string };
}

/** The flags of some kinds for unshare(2), setns(2), clone3(2); for clone(2) only without time, which has no flag there. */
export function namespaceFlags(letters: readonly NamespaceLetter[]): number {
  let flags = 0;
  for (const letter of letters) flags |= namespaceKinds[letter].flag;
  return flags;
}

/** Enters what an entry names; `text` is the entry as the user wrote it, for messages. */
export function enter(entry: Entry, text: string): Step {
  const flags = namespaceFlags(entry.kinds);
  const { target } = entry;
  switch (target.form) {
    case "descriptor":
      return group(`enter ${text}`, [
        call("setns", [target.fd, flags], text),
        ...(entry.close ? [close(target.fd, text)] : []),
      ]);
    case "file": {
      const file = variable("namespace");
      return group(`enter ${text}`, [
        call("openat", [AT_FDCWD, target.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY], text, {
          into: file,
        }),
        call("setns", [file, flags], text),
        close(file, text),
      ]);
    }
    case "directory":
      return group(`enter ${text}`, enterProcess(target.path, entry.kinds, text));
  }
}

/** All are opened before the first is entered: afterwards the path may lead elsewhere. */
function enterProcess(path: string, letters: readonly NamespaceLetter[], text: string): Step[] {
  const directory = variable("process directory");
  const kinds = (Object.keys(namespaceKinds) as NamespaceLetter[])
    .filter((letter) => letters.includes(letter))
    .map((letter) => ({
      ...namespaceKinds[letter],
      fd: variable(`${namespaceKinds[letter].file} namespace`),
    }));
  return [
    ...openProcessDirectory(path, directory, text),
    ...kinds.map(({ file, fd }) =>
      call("openat", [directory, `ns/${file}`, O_RDONLY | O_CLOEXEC], `${text}: ns/${file}`, { into: fd }),
    ),
    close(directory, text),
    ...kinds.flatMap(({ file, flag, fd }) => [
      call("setns", [fd, flag], `${text}: ns/${file}`),
      close(fd, text),
    ]),
  ];
}

/**
 * The original takes what follows the slash, so that `m/proc/1` is relative to the working directory. That
 * comes first; where there is no such directory, the natural reading as an absolute path is tried.
 */
function openProcessDirectory(path: string, into: Variable, text: string): Step[] {
  const open = (from: string, accept: number[]): Step =>
    call("openat", [AT_FDCWD, from, O_PATH | O_CLOEXEC], text, { into, accept });
  if (path.startsWith("/")) return [open(path, [])];
  return [open(path, [ENOENT]), when(into, "<", 0, [open(`/${path}`, [])])];
}

function close(fd: number | Variable, text: string): Step {
  return call("close", [fd], text);
}
