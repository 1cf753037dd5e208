/**
 * What mount_seq does, an operation at a time, as plain data, and the steps of each. In all of them a path is
 * opened once, without following symlinks unless asked to, and what was opened is what is acted on.
 */

import {
  area,
  attempt,
  call,
  compose,
  fail,
  fork,
  type Step,
  set,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  CLONE_VFORK,
  CLONE_VM,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  SIGCHLD,
  UMOUNT_NOFOLLOW,
} from "../sys/constants.ts";
import { EEXIST, ENOENT } from "../sys/errno.ts";
import { oneLine } from "../sys/failure.ts";
import type { Given } from "../sys/given.ts";
import { exec, execution } from "./exec.ts";
import { restoreInherited } from "./inherit.ts";
import { unmount } from "./mounts.ts";
import { makeDirectory, makeFile, makeLink, remove } from "./nodes.ts";
import { closeAll, type Entry, openParent, openPath, type Path, type Symlinks } from "./paths.ts";
import { waitFor } from "./wait.ts";

/** An operation on a path. With symlinks refused, none may be anywhere in the path. */
export interface Targeted {
  readonly target: Path;
  readonly symlinks: Symlinks;
}

export interface DirectoryOperation extends Targeted {
  readonly kind: "directory";
  /** Not subject to the umask; 0700 less the umask without it. */
  readonly mode: number | undefined;
  /** An existing directory is fine, and gets the mode. */
  readonly existing: boolean;
}

export interface FileOperation extends Targeted {
  readonly kind: "file";
  readonly content: string;
  /** Not subject to the umask; 0600 less the umask without it. */
  readonly mode: number | undefined;
  /** An existing file is replaced. */
  readonly existing: boolean;
}

export interface LinkOperation extends Targeted {
  readonly kind: "link";
  readonly content: string;
}

export interface UnmountOperation extends Targeted {
  readonly kind: "unmount";
  /** For umount2(2). */
  readonly flags: number;
}

export interface ChdirOperation extends Targeted {
  readonly kind: "chdir";
}

/** A command for /bin/sh. */
export interface RunOperation {
  readonly kind: "run";
  readonly command: string;
}

export type SimpleOperation =
  | DirectoryOperation
  | FileOperation
  | LinkOperation
  | UnmountOperation
  | ChdirOperation
  | RunOperation;

/** An operation's steps. */
export interface Stages {
  /** Opens paths. A failure here means that a path is not what the operation was meant for. */
  readonly check: readonly Step[];
  readonly act: readonly Step[];
  /** To be closed afterwards. */
  readonly descriptors: readonly Variable[];
  /** Takes back what `act` has done. Needs `descriptors` open, and a context that undoes. */
  readonly undo: readonly Step[];
}

/** Variables of operations. Those that need not be undone can share them. */
export interface Context {
  readonly directory: Variable;
  readonly source: Variable;
  readonly target: Variable;
  readonly mount: Variable;
  readonly file: Variable;
  /** Not 0 once the target has been made, for `undo`. */
  readonly made: Variable;
  /** Not 0 once something has been mounted on it, for `undo`. */
  readonly mounted: Variable;
  readonly undoes: boolean;
}

export function operationContext(undoes: boolean): Context {
  return {
    directory: variable("directory"),
    source: variable("source"),
    target: variable("target"),
    mount: variable("mount"),
    file: variable("file"),
    made: variable("made"),
    mounted: variable("mounted"),
    undoes,
  };
}

const directoryMode = 0o700;

/** The steps of an operation other than a mount. */
export function simpleStages(operation: SimpleOperation, context: Context, given: Given): Stages {
  switch (operation.kind) {
    case "directory":
      return directoryStages(operation, context);
    case "file":
      return fileStages(operation, context);
    case "link":
      return linkStages(operation, context);
    case "unmount":
      return unmountStages(operation, context);
    case "chdir":
      return chdirStages(operation, context);
    case "run":
      return { check: [], act: runSteps(operation, given), descriptors: [], undo: [] };
  }
}

/** Where an operation's target is. */
export interface Found {
  readonly check: readonly Step[];
  readonly entry: Entry;
  readonly descriptors: readonly Variable[];
}

/** The target as an entry of a directory. Where symlinks are followed, the path is left to the calls that use it. */
export function findEntry({ target, symlinks }: Targeted, { directory }: Context): Found {
  if (symlinks === "follow") {
    return { check: [], entry: { directory: AT_FDCWD, name: target.text }, descriptors: [] };
  }
  const { steps, entry } = openParent(target, directory, { symlinks });
  return { check: steps, entry, descriptors: steps.length > 0 ? [directory] : [] };
}

/**
 * The target as an entry that may be missing, with `act` making it then. One that is there is opened as
 * `context.target`, which is negative otherwise; `taken` is done with it. A symlink there fails the check. Where
 * symlinks are followed, `making` is always done.
 */
export function findNew(
  operation: Targeted,
  context: Context,
  making: (entry: Entry) => readonly Step[],
  taken: readonly Step[],
): Found & { readonly act: readonly Step[] } {
  const { check, entry, descriptors } = findEntry(operation, context);
  const { symlinks } = operation;
  const what = operation.target.text;
  if (symlinks === "follow") return { check, entry, descriptors, act: making(entry) };
  const { target } = context;
  const open = openPath(entry.name, target, { from: entry.directory, symlinks, what, accept: [ENOENT] });
  return {
    check: [...check, open],
    entry,
    descriptors: [...descriptors, target],
    act: [when(target, "<", 0, making(entry), taken)],
  };
}

/** Notes what `undo` has to take back. */
export function note(context: Context, done: Variable): readonly Step[] {
  return context.undoes ? [set(done, 1)] : [];
}

/** As `note`, if a call that may have found its work done already has done it itself. */
export function noteNew(context: Context, done: Variable, result: Variable): readonly Step[] {
  return context.undoes ? [when(result, "==", 0, [set(done, 1)])] : [];
}

function directoryStages(operation: DirectoryOperation, context: Context): Stages {
  const { symlinks, mode, existing } = operation;
  const what = operation.target.text;
  const { file, made } = context;
  const into = variable("result");
  const making = (entry: Entry): Step[] => [
    makeDirectory(entry, directoryMode, what, existing ? { into, accept: [EEXIST] } : { into }),
    ...noteNew(context, made, into),
  ];
  const taken = existing ? [] : [fail({ step: "mkdirat", what, errno: EEXIST })];
  const { check, entry, descriptors, act } = findNew(operation, context, making, taken);
  const flags = O_DIRECTORY | (mode === undefined ? O_PATH : O_RDONLY);
  const opening = { from: entry.directory, flags, symlinks, what };
  const opened = existing || mode !== undefined;
  return {
    check,
    act: [
      ...act,
      ...(opened ? [openPath(entry.name, file, opening)] : []),
      ...(mode === undefined ? [] : [call("fchmod", [file, mode], what)]),
    ],
    descriptors: opened ? [...descriptors, file] : descriptors,
    undo: [when(made, "!=", 0, [remove(entry, AT_REMOVEDIR, what)])],
  };
}

function fileStages(operation: FileOperation, context: Context): Stages {
  const { content, mode, symlinks, existing } = operation;
  const what = operation.target.text;
  const making = (entry: Entry): Step[] => [
    ...makeFile(entry, { content, mode, symlinks }, context.file, what),
    ...note(context, context.made),
  ];
  // A new file in its place: what had the name is never opened, whatever it is by now.
  const replacing = (entry: Entry): Step[] => [
    remove(entry, 0, what, { accept: [ENOENT] }),
    ...making(entry),
  ];
  const taken = [fail({ step: "openat2", what, errno: EEXIST })];
  const { check, entry, descriptors, act } = existing
    ? findNew(operation, context, () => [], [])
    : findNew(operation, context, making, taken);
  return {
    check,
    act: existing ? replacing(entry) : act,
    descriptors,
    undo: [when(context.made, "!=", 0, [remove(entry, 0, what)])],
  };
}

function linkStages(operation: LinkOperation, context: Context): Stages {
  const { content } = operation;
  const what = operation.target.text;
  const making = (entry: Entry): Step[] => [makeLink(content, entry, what), ...note(context, context.made)];
  const taken = [fail({ step: "symlinkat", what, errno: EEXIST })];
  const { entry, ...stages } = findNew(operation, context, making, taken);
  return { ...stages, undo: [when(context.made, "!=", 0, [remove(entry, 0, what)])] };
}

/**
 * Neither the check's descriptor nor the working directory may be inside of the mount, and keep it busy: the
 * former is closed before, and the target should be given without a slash behind it.
 */
function unmountStages(operation: UnmountOperation, context: Context): Stages {
  const { symlinks, flags } = operation;
  const what = operation.target.text;
  if (symlinks === "follow") {
    return {
      check: [],
      act: unmount({ directory: AT_FDCWD, name: what }, flags, what),
      descriptors: [],
      undo: [],
    };
  }
  const { target } = context;
  const { check, entry, descriptors } = findEntry(operation, context);
  return {
    check: [...check, openPath(what, target, { symlinks }), ...closeAll([target])],
    act: unmount(entry, flags | UMOUNT_NOFOLLOW, what),
    descriptors,
    undo: [],
  };
}

function chdirStages(operation: ChdirOperation, { target }: Context): Stages {
  const { symlinks } = operation;
  const path = operation.target.text;
  if (symlinks === "follow")
    return { check: [], act: [call("chdir", [path], path)], descriptors: [], undo: [] };
  return {
    check: [openPath(path, target, { symlinks })],
    act: [call("fchdir", [target], path)],
    descriptors: [target],
    undo: [],
  };
}

const shownCommand = 200;
const shell = "/bin/sh";

function runSteps({ command }: RunOperation, given: Given): Step[] {
  const shown = oneLine(command.slice(0, shownCommand));
  const pid = variable("pid");
  const status = variable("status");
  const said = variable("command not executed");
  const what = area("command and status", shown.length + 40);
  const process = [...restoreInherited(given), ...exec(execution([shell, "-c", command], given.environment))];
  return [
    // As vfork(2): the child runs in our memory, so that it can note that it has told of its failure itself.
    set(said, 0),
    fork({
      call: "clone",
      args: [CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0],
      what: shown,
      stage: "the command",
      into: pid,
      child: [attempt(process, [set(said, 1)], "fail")],
      failure: 127,
    }),
    ...waitFor(pid, shown, status),
    when(said, "!=", 0, [fail({ step: "run", what: shown, silent: true })]),
    when(status, "!=", 0, [compose(what, [`${shown}: status `, status]), fail({ step: "run", what })]),
  ];
}
