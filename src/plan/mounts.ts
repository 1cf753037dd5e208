/**
 * Mount operations as steps, for every applet that mounts. All of them act on descriptors: what a path meant
 * when it was opened is what is mounted, and what is mounted on.
 *
 * New mounts are built detached, with all their flags, and attached last, so that nobody ever sees one that
 * lacks its flags, and a failure leaves nothing: open_tree(2), fsopen(2), mount_setattr(2), move_mount(2).
 *
 * File systems are configured by fsconfig(2), an option at a time, and not by mount(2), whose target is a path.
 * mount(2) could be given `.` after fchdir(2), but that would change what relative paths in source and data
 * (`lowerdir=a:b`) mean; or /proc/self/fd/N, but that needs a /proc. The latter is kept for what fsconfig cannot
 * say (see mount-data.ts). A remount of a superblock is done by mount(2) on `.`: no path is in its data.
 */

import {
  area,
  type Call,
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
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MNT_DETACH,
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_RELATIME,
  MOUNT_ATTR_STRICTATIME,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  MS_BIND,
  MS_DIRSYNC,
  MS_I_VERSION,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_MOVE,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_POSIXACL,
  MS_PRIVATE,
  MS_RDONLY,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
  MS_UNBINDABLE,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  PROC_SUPER_MAGIC,
} from "../sys/constants.ts";
import { EINVAL, EPERM } from "../sys/errno.ts";
import { flatMap, map } from "../sys/lists.ts";
import { mount_attr } from "../sys/structs.ts";
import { readFileSystem } from "./file-facts.ts";
import { type MountOption, mountOptions, optionLimit } from "./mount-data.ts";
import { closeAll, type Entry, insideDirectory, openPath, type Text } from "./paths.ts";

/** What mount(2) does, by its flags; the order in which the kernel looks at them (fs/namespace.c, path_mount). */
export type MountKind = "remount bind" | "remount" | "bind" | "propagation" | "move" | "new";

/** At most one of these can be asked for at a time. */
export const propagations = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
const atimes = MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME;

/** Flags of a mount, and what mount_setattr(2) calls them. */
const attributeOf: readonly (readonly [flag: number, attribute: number])[] = [
  [MS_RDONLY, MOUNT_ATTR_RDONLY],
  [MS_NOSUID, MOUNT_ATTR_NOSUID],
  [MS_NODEV, MOUNT_ATTR_NODEV],
  [MS_NOEXEC, MOUNT_ATTR_NOEXEC],
  [MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW],
];

/** Flags of a superblock, and what fsconfig(2) calls them. */
const superblockOptions: readonly (readonly [flag: number, name: string])[] = [
  [MS_RDONLY, "ro"],
  [MS_SYNCHRONOUS, "sync"],
  [MS_DIRSYNC, "dirsync"],
  [MS_LAZYTIME, "lazytime"],
  [MS_MANDLOCK, "mand"],
];

/** Flags of a superblock that only mount(2) can set. */
const classicFlags = MS_POSIXACL | MS_I_VERSION;

/** The flags that a mount has, as opposed to its superblock: what a bind mount can be given. */
export const mountAttributes = allAttributes();

export function mountKind(flags: number): MountKind {
  if (flags & MS_REMOUNT) return flags & MS_BIND ? "remount bind" : "remount";
  if (flags & MS_BIND) return "bind";
  if (flags & propagations) return "propagation";
  return flags & MS_MOVE ? "move" : "new";
}

/** A change for mount_setattr(2): MOUNT_ATTR_* to set and to clear, and one of MS_SHARED and its like, or 0. */
export interface AttributeChange {
  readonly set: number;
  readonly clear: number;
  readonly propagation: number;
}

/** What `flags` (MS_*) add to the flags that a mount has. */
export function addedAttributes(flags: number): AttributeChange {
  let set = attributesIn(flags);
  let clear = 0;
  if (flags & atimes) {
    // One of three choices, which has to be cleared before it is set.
    set |= atimeIn(flags);
    clear = MOUNT_ATTR__ATIME;
  }
  return { set, clear, propagation: 0 };
}

/** Makes the flags of a mount exactly `flags`, as MS_REMOUNT | MS_BIND does; atime stays if none is asked for. */
export function exactAttributes(flags: number): AttributeChange {
  const { set, clear } = addedAttributes(flags);
  const all = attributesIn(mountAttributes) | (flags & atimes ? MOUNT_ATTR_NODIRATIME : 0);
  return { set, clear: clear | (all & ~set), propagation: 0 };
}

/** The propagation in `flags` as a change of attributes. */
export function propagationChange(flags: number): AttributeChange {
  return { set: 0, clear: 0, propagation: flags & propagations };
}

function allAttributes(): number {
  let all: number = atimes;
  for (const [flag] of attributeOf) all |= flag;
  return all;
}

function attributesIn(flags: number): number {
  let attributes = 0;
  for (const [flag, attribute] of attributeOf) if (flags & flag) attributes |= attribute;
  return attributes;
}

/** With several atime flags, mount(2) lets MS_STRICTATIME win over MS_NOATIME, and that over MS_RELATIME. */
function atimeIn(flags: number): number {
  const directories = flags & MS_NODIRATIME ? MOUNT_ATTR_NODIRATIME : 0;
  if (flags & MS_STRICTATIME) return directories | MOUNT_ATTR_STRICTATIME;
  return directories | (flags & MS_NOATIME ? MOUNT_ATTR_NOATIME : MOUNT_ATTR_RELATIME);
}

// The kernel only reads these, so that programs can share them; made at first use, since packing takes time.
const changes = new Map<string, Uint8Array>();

function packed({ set, clear, propagation }: AttributeChange): Uint8Array {
  const key = `${set} ${clear} ${propagation}`;
  let bytes = changes.get(key);
  if (bytes === undefined) {
    bytes = mount_attr.pack({ attr_set: set, attr_clr: clear, propagation });
    changes.set(key, bytes);
  }
  return bytes;
}

/** Changes the flags of the mount that `mount` is a descriptor of, and with `recursive` of all below it. */
export function setAttributes(
  mount: Variable,
  change: AttributeChange,
  what: Text,
  options: {
    readonly recursive?: boolean;
    readonly accept?: readonly number[];
    readonly into?: Variable;
  } = {},
): Call {
  const { recursive, ...rest } = options;
  const bytes = packed(change);
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  return call("mount_setattr", [mount, "", flags, bytes, bytes.length], what, rest);
}

/**
 * Adds `flags` to the flags of a mount, and with `recursive` of all below it. Where an outer mount namespace has
 * locked when files' access times change (EPERM, see mount_namespaces(7)), that is left as it is.
 */
export function addAttributes(mount: Variable, flags: number, what: Text, recursive: boolean): Step[] {
  const added = addedAttributes(flags);
  if ((flags & atimes) === 0) return [setAttributes(mount, added, what, { recursive })];
  const result = variable("result");
  const others = addedAttributes(flags & ~atimes);
  return [
    setAttributes(mount, added, what, { recursive, accept: [EPERM], into: result }),
    when(result, "==", -EPERM, [setAttributes(mount, others, what, { recursive })]),
  ];
}

/**
 * Makes the flags of a mount exactly `flags`. Where an outer mount namespace has locked flags (EPERM, see
 * mount_namespaces(7)), those that only restrict are left as they are; a locked read-only still fails.
 */
export function setExactAttributes(mount: Variable, flags: number, what: Text): Step[] {
  const result = variable("result");
  const exact = exactAttributes(flags);
  const added = addedAttributes(flags);
  const writable = flags & MS_RDONLY ? 0 : MOUNT_ATTR_RDONLY;
  return [
    setAttributes(mount, exact, what, { accept: [EPERM], into: result }),
    when(result, "==", -EPERM, [setAttributes(mount, { ...added, clear: added.clear | writable }, what)]),
  ];
}

/** What is to be cloned: a path, or what a descriptor is open on. */
export type TreeSource = Entry | Variable;

/** A detached copy of a mount, from the source down, into `into`: a bind mount that is nowhere yet. */
export function cloneTree(
  source: TreeSource,
  into: Variable,
  what: Text,
  options: { readonly recursive?: boolean; readonly accept?: readonly number[] } = {},
): Call {
  const { recursive, ...rest } = options;
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  if ("directory" in source) {
    return call("open_tree", [source.directory, source.name, flags], what, { into, ...rest });
  }
  return call("open_tree", [source, "", flags | AT_EMPTY_PATH], what, { into, ...rest });
}

/** Attaches a detached mount, or moves an attached one, to what `target` is open on or an entry of it. */
export function attach(
  mount: Variable,
  target: Entry | Variable,
  what: Text,
  options: { readonly accept?: readonly number[]; readonly into?: Variable } = {},
): Call {
  const from = MOVE_MOUNT_F_EMPTY_PATH;
  if ("directory" in target) {
    return call("move_mount", [mount, "", target.directory, target.name, from], what, options);
  }
  return call("move_mount", [mount, "", target, "", from | MOVE_MOUNT_T_EMPTY_PATH], what, options);
}

/** A file system to be mounted. */
export interface FileSystem {
  readonly type: string;
  /** A device, or any text that is to stand in /proc/self/mountinfo. One that is no string must be short. */
  readonly source: Text;
  /** As mount(2) takes it: options separated by commas. */
  readonly data: string;
  /** MS_* */
  readonly flags: number;
}

/** The options of a file system for fsconfig(2); undefined if only mount(2) can be told what is asked for. */
export function fileSystemOptions({
  type,
  source,
  data,
  flags,
}: FileSystem): readonly MountOption[] | undefined {
  const sourceFits = typeof source !== "string" || source.length < optionLimit;
  // fsopen(2) takes the part behind the dot for a subtype, and does not tell the file system.
  if (type.includes(".") || flags & classicFlags || !sourceFits) return undefined;
  const given = mountOptions(type, data);
  if (given === undefined) return undefined;
  const set = flatMap(superblockOptions, ([flag, name]) => (flags & flag ? [{ name }] : []));
  return [...set, ...given];
}

/** A new file system as a detached mount in `mount`; `options` is from `fileSystemOptions`. */
export function newFileSystem(
  { type, source, flags }: FileSystem,
  options: readonly MountOption[],
  mount: Variable,
  what: Text,
): Step {
  const context = variable("configuration");
  const configure = (name: string, value: Text | undefined): Call => {
    const command = value === undefined ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
    const label = `fsconfig ${type} ${name}`;
    return call("fsconfig", [context, command, name, value ?? 0, 0], what, { label, ...optionHints });
  };
  return group(`a new ${type}, detached`, [
    call("fsopen", [type, FSOPEN_CLOEXEC], what, { into: context, label: `fsopen ${type}` }),
    configure("source", source),
    ...map(options, ({ name, value }) => configure(name, value)),
    call("fsconfig", [context, FSCONFIG_CMD_CREATE, 0, 0, 0], what, { label: `fsconfig ${type}` }),
    call("fsmount", [context, FSMOUNT_CLOEXEC, addedAttributes(flags).set], what, { into: mount }),
    ...closeAll([context]),
  ]);
}

const optionHints = {
  hints: { [EINVAL]: "the file system has no such option, or it cannot have this value" },
} as const;

/**
 * Mounts a file system by mount(2) on what `target` is open on, through /proc/self/fd, after making sure that
 * /proc is a proc file system and nothing that somebody else has put there.
 */
export function classicMount({ type, source, data, flags }: FileSystem, target: Variable, what: Text): Step {
  const proc = variable("proc");
  const magic = variable("file system");
  const path = area("target", 48);
  return group("mount(2), for what fsconfig(2) cannot be told", [
    openPath("/proc", proc, { symlinks: "refuse" }),
    ...readFileSystem(proc, "/proc", magic),
    when(magic, "!=", PROC_SUPER_MAGIC, [fail({ step: "long or special mount options need /proc", what })]),
    compose(path, ["/proc/self/fd/", target]),
    call("mount", [source, path, type, flags, data], what, { label: `mount ${type}` }),
    ...closeAll([proc]),
  ]);
}

/** Changes flags and options of the superblock, and the flags of the mount, as mount(2) with MS_REMOUNT does. */
export function remountFileSystem(target: Variable, flags: number, data: string, what: Text): Step {
  return group(
    "remount",
    insideDirectory(target, [
      call("mount", [0, ".", 0, flags | MS_REMOUNT, data === "" ? 0 : data], what, { label: "remount" }),
    ]),
  );
}

/** Unmounts what is mounted on an entry of a directory; with UMOUNT_NOFOLLOW a symlink there is not followed. */
export function unmount({ directory, name }: Entry, flags: number, what: Text): Step[] {
  const steps = [call("umount2", [name, flags], what)];
  return directory === AT_FDCWD ? steps : insideDirectory(directory, steps);
}

/** Detaches the mount that `root` is the root directory of, and all below it. */
export function detach(root: Variable, what: Text): Step[] {
  return insideDirectory(root, [call("umount2", [".", MNT_DETACH], what)]);
}
