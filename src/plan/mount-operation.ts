/** One mount as mount(2) has it, all its kinds told apart by flags, done through descriptors: see mounts.ts. */

import { fail, type Step, set, type Variable, variable, when } from "../program/steps.ts";
import { AT_FDCWD, AT_REMOVEDIR, MNT_DETACH, MS_REC, UMOUNT_NOFOLLOW } from "../sys/constants.ts";
import { EEXIST } from "../sys/errno.ts";
import {
  addAttributes,
  attach,
  classicMount,
  cloneTree,
  fileSystemOptions,
  mountAttributes,
  mountKind,
  newFileSystem,
  propagationChange,
  propagations,
  remountFileSystem,
  setAttributes,
  setExactAttributes,
  unmount,
} from "./mounts.ts";
import { makeDirectory, makeEmptyFile, remove } from "./nodes.ts";
import {
  type Context,
  type Found,
  findEntry,
  findNew,
  note,
  noteNew,
  type Stages,
  type Targeted,
} from "./operations.ts";
import { type Entry, openPath, type Symlinks, type Text } from "./paths.ts";

export interface MountOperation extends Targeted {
  readonly kind: "mount";
  /** Undefined: the text /dev/null, which is not checked. */
  readonly source: Text | undefined;
  readonly sourceSymlinks: Symlinks;
  readonly type: string;
  readonly data: string;
  /** MS_* */
  readonly flags: number;
  /** The flags of a bind mount become exactly these; after a move or a change of propagation, a remount. */
  readonly remount: boolean;
  /** What the target is made as if it does not exist: a directory (0700 less the umask), an empty file (0600). */
  readonly make: "directory" | "file" | undefined;
  /** With `make`: the target must not exist. */
  readonly exclusive: boolean;
}

const directoryMode = 0o700;
const fileMode = 0o600;
const defaultSource = "/dev/null";

/** The steps of a mount. `undo` unmounts a new mount, and removes what was made to mount on. */
export function mountStages(operation: MountOperation, context: Context): Stages {
  const { source, sourceSymlinks, flags, symlinks, make } = operation;
  const what = operation.target.text;
  const kind = mountKind(flags);
  const isPath = kind === "bind" || kind === "move";
  const checked = isPath && source !== undefined && sourceSymlinks === "refuse";
  const isNew = kind === "bind" || kind === "new";
  const found = make === undefined ? findTarget(operation, context) : findOrMake(operation, make, context);
  const nofollow = symlinks === "refuse" ? UMOUNT_NOFOLLOW : 0;
  return {
    check: [...(checked ? [openPath(source, context.source, { symlinks: "refuse" })] : []), ...found.check],
    act: [
      ...found.act,
      ...mountSteps(operation, checked, context),
      ...(isNew ? note(context, context.mounted) : []),
    ],
    descriptors: [
      ...(checked || kind === "move" ? [context.source] : []),
      ...found.descriptors,
      ...(isNew ? [context.mount] : []),
    ],
    undo: [
      when(context.mounted, "!=", 0, unmount(found.entry, MNT_DETACH | nofollow, what)),
      when(context.made, "!=", 0, [remove(found.entry, make === "directory" ? AT_REMOVEDIR : 0, what)]),
    ],
  };
}

type Target = Found & { readonly act: readonly Step[] };

/** Opens a target that must exist. Following symlinks is part of the mount, so that it is no refusal if that fails. */
function findTarget(operation: MountOperation, context: Context): Target {
  const { symlinks } = operation;
  const { target } = context;
  const path = operation.target.text;
  if (symlinks === "refuse" && context.undoes) {
    const { check, entry, descriptors } = findEntry(operation, context);
    const open = openPath(entry.name, target, { from: entry.directory, symlinks, what: path });
    return { check: [...check, open], act: [], entry, descriptors: [...descriptors, target] };
  }
  const open = [openPath(path, target, { symlinks })];
  const [check, act] = symlinks === "refuse" ? [open, []] : [[], open];
  return { check, act, entry: { directory: AT_FDCWD, name: path }, descriptors: [target] };
}

function findOrMake(operation: MountOperation, make: "directory" | "file", context: Context): Target {
  const { exclusive, symlinks } = operation;
  const what = operation.target.text;
  const { target, made } = context;
  const into = variable("result");
  const results = exclusive ? { into } : { into, accept: [EEXIST] };
  const making = (entry: Entry): Step[] => [
    make === "directory"
      ? makeDirectory(entry, directoryMode, what, results)
      : makeEmptyFile(entry, fileMode, what, results),
    ...noteNew(context, made, into),
    openPath(entry.name, target, { from: entry.directory, symlinks, what }),
  ];
  const step = make === "directory" ? "mkdirat" : "mknodat";
  const taken = exclusive ? [fail({ step, what, errno: EEXIST })] : [];
  const found = findNew(operation, context, making, taken);
  return symlinks === "follow" ? { ...found, descriptors: [target] } : found;
}

function mountSteps(operation: MountOperation, checked: boolean, context: Context): Step[] {
  const { source = defaultSource, type, data, flags, remount } = operation;
  const { target, mount } = context;
  const path = operation.target.text;
  switch (mountKind(flags)) {
    case "remount bind":
      return exactSteps(target, flags, path);
    case "remount":
      return [remountFileSystem(target, flags, data, path)];
    case "propagation":
      return [
        setAttributes(target, propagationChange(flags), path, { recursive: isRecursive(flags) }),
        ...(remount ? [remountFileSystem(target, flags, "", path)] : []),
      ];
    case "bind":
      return bindSteps(operation, checked, context);
    case "move":
      return [
        ...(checked ? [] : [openPath(source, context.source, { symlinks: "follow" })]),
        attach(context.source, target, path),
        ...(remount ? [remountFileSystem(context.source, flags, "", path)] : []),
      ];
    case "new": {
      const fileSystem = { type, source, data, flags };
      const options = fileSystemOptions(fileSystem);
      if (options === undefined) return [set(mount, -1), classicMount(fileSystem, target, path)];
      return [newFileSystem(fileSystem, options, mount, path), attach(mount, target, path)];
    }
  }
}

function bindSteps(operation: MountOperation, checked: boolean, context: Context): Step[] {
  const { source = defaultSource, flags, remount } = operation;
  const { target, mount } = context;
  const recursive = isRecursive(flags);
  const what = operation.target.text;
  const from = checked ? context.source : ({ directory: AT_FDCWD, name: source } as const);
  return [
    cloneTree(from, mount, source, { recursive }),
    ...(remount ? exactSteps(mount, flags, what) : addedSteps(mount, flags, what)),
    attach(mount, target, what),
    // Attaching it to a shared mount makes it shared: propagation comes last.
    ...(flags & propagations ? [setAttributes(mount, propagationChange(flags), what, { recursive })] : []),
  ];
}

function isRecursive(flags: number): boolean {
  return (flags & MS_REC) !== 0;
}

function addedSteps(mount: Variable, flags: number, what: Text): Step[] {
  if ((flags & mountAttributes) === 0) return [];
  return addAttributes(mount, flags, what, isRecursive(flags));
}

/** The top mount gets exactly these flags; those below it keep theirs, and get these too. */
function exactSteps(mount: Variable, flags: number, what: Text): Step[] {
  return [
    ...setExactAttributes(mount, flags, what),
    ...(isRecursive(flags) ? addedSteps(mount, flags, what) : []),
  ];
}
