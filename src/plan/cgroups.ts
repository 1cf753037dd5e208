/** Moving a process to other cgroups, of one or several hierarchies. See cgroups(7). */

import {
  attempt,
  call,
  compute,
  fail,
  folded,
  type Step,
  set,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import { nativeArch } from "../sys/arch.ts";
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  archConstants,
  CGROUP_SUPER_MAGIC,
  CGROUP2_SUPER_MAGIC,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_PATH,
  O_TRUNC,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  S_IFMT,
  S_IFREG,
  STATX_SIZE,
  STATX_TYPE,
} from "../sys/constants.ts";
import { EBUSY, EEXIST, ELOOP, ENOENT, ENOSYS, EXDEV } from "../sys/errno.ts";
import { open_how } from "../sys/structs.ts";
import { readFacts, readFileSystem } from "./file-facts.ts";

/** Which cgroups a process moves to. */
export interface Destination {
  /** The directory that has the hierarchies. */
  readonly base: string;
  /** Directories below `base`; of each, one cgroup. */
  readonly hierarchies: readonly string[];
  /** If `base` is a version 2 hierarchy itself, these in place of `hierarchies`. */
  readonly unified?: readonly string[];
  /** The cgroup below each hierarchy. */
  readonly path: string;
  /** A hierarchy that does not exist is left out; that none exists is a failure. */
  readonly skipMissing: boolean;
  /** Make the cgroups that do not exist. */
  readonly create: boolean;
  /** Write to what is no cgroup file system, and destroy what the files there hold. */
  readonly anyFileSystem: boolean;
}

/** One hierarchy's cgroup on the way: how its file is opened, written, and what to take back if that fails. */
interface Move {
  readonly open: readonly Step[];
  readonly write: Step;
  readonly undo: readonly Step[];
}

const file = "cgroup.procs";
/** Stands for the process that writes it. */
const writer = "0";
const directoryFlags = O_PATH | O_CLOEXEC;
const newCgroupMode = 0o755;

/** Moves the process to the cgroup of any version whose directory this is; fails if it is none. */
export function joinCgroup(directory: string): Step[] {
  const procs = variable("cgroup");
  const magic = variable("file system");
  const path = `${directory}/${file}`;
  const known = [CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC];
  const refuse = fail({ step: "fstatfs", what: `${path} is in no cgroup file system` });
  return [
    call("openat", [AT_FDCWD, path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC], path, { into: procs }),
    ...readFileSystem(procs, path, magic),
    ...known.reduceRight<Step[]>((otherwise, one) => [when(magic, "!=", one, otherwise)], [refuse]),
    call("write", [procs, writer, writer.length], path, { label: `write "${writer}"` }),
    call("close", [procs], path),
  ];
}

/** The path of the file of a hierarchy's cgroup, from `base`. */
export function processFile(hierarchy: string, path: string): string {
  return `./${hierarchy}/${path}/${file}`;
}

/**
 * Moves the process. All files are opened and checked before the first is written, so that what can be
 * known to fail does so before anything has changed; nothing is reached that is not below `base`.
 */
export function enterCgroups(to: Destination): Step[] {
  const base = variable("base");
  const listed = moveAll(base, to.hierarchies, to);
  return [
    // The slash says that it must be a directory.
    call("openat", [AT_FDCWD, `${to.base}/`, directoryFlags], to.base, { into: base }),
    ...(to.unified === undefined ? listed : moveUnified(base, to.unified, to, listed)),
  ];
}

function moveUnified(base: Variable, unified: readonly string[], to: Destination, listed: Step[]): Step[] {
  const magic = variable("file system");
  return [
    ...readFileSystem(base, to.base, magic),
    when(magic, "==", CGROUP2_SUPER_MAGIC, moveAll(base, unified, to), listed),
  ];
}

function moveAll(base: Variable, hierarchies: readonly string[], to: Destination): Step[] {
  const found = variable("hierarchies found");
  const moves = hierarchies.map((hierarchy) => move(base, hierarchy, to, found));
  const none = fail({ step: "openat2", what: `${to.base}: none of the hierarchies exists`, errno: ENOENT });
  const nothing = to.skipMissing && moves.length > 0 ? [when(found, "==", 0, [none])] : [];
  const steps = [...moves.flatMap(({ open }) => open), ...nothing, ...moves.map(({ write }) => write)];
  const undo = moves.flatMap((move) => move.undo).reverse();
  return undo.length === 0 ? steps : [attempt(steps, undo, "fail")];
}

function move(base: Variable, hierarchy: string, to: Destination, found: Variable): Move {
  const what = processFile(hierarchy, to.path);
  const procs = variable(what);
  const root = variable(`./${hierarchy}`);
  const made = to.create ? createCgroups(root, hierarchy, to.path) : undefined;
  const open = [
    ...(made?.steps ?? []),
    made ? openFile(made.last, file, what, procs, to) : openFile(base, what, what, procs, to),
    ...(to.anyFileSystem ? [] : [requireCgroup(procs, what)]),
  ];
  const write = call("write", [procs, writer, writer.length], what, { label: `write "${writer}"` });
  if (!to.create && !to.skipMissing) return { open, write, undo: [] };
  const openRoot = openBeneath(
    base,
    `./${hierarchy}`,
    directoryFlags,
    `./${hierarchy}`,
    root,
    to.skipMissing ? [ENOENT] : [],
  );
  if (!to.skipMissing) return { open: [openRoot, ...open], write, undo: made?.undo ?? [] };
  return {
    open: [openRoot, when(root, ">=", 0, [set(found, 1), ...open])],
    write: when(root, ">=", 0, [write]),
    undo: made?.undo ?? [],
  };
}

function openFile(from: Variable, path: string, what: string, into: Variable, to: Destination): Step {
  const { O_NOFOLLOW } = archConstants[nativeArch()];
  const flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  return openBeneath(from, path, to.anyFileSystem ? flags | O_TRUNC : flags, what, into, []);
}

function openBeneath(
  from: Variable,
  path: string,
  flags: number,
  what: string,
  into: Variable,
  accept: readonly number[],
): Step {
  const how = open_how.pack({ flags, resolve: RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS });
  return call("openat2", [from, path, how, how.length], what, {
    into,
    accept,
    hints: {
      [ENOSYS]: "needs Linux 5.6",
      [EXDEV]: "it leads out of the directory of the hierarchies",
      [ELOOP]: `${file} is a symlink, or there are too many of them`,
    },
  });
}

/** Makes the directories of a path that do not exist. The last one's descriptor is the cgroup's. */
function createCgroups(
  root: Variable,
  hierarchy: string,
  path: string,
): { steps: Step[]; undo: Step[]; last: Variable } {
  const steps: Step[] = [];
  const undo: Step[] = [];
  let parent = root;
  let what = `./${hierarchy}`;
  for (const name of path.split("/").filter((part) => part !== "" && part !== ".")) {
    what = `${what}/${name}`;
    const [directory, result, created] = [variable(what), variable("result"), variable(`made ${what}`)];
    steps.push(
      call("mkdirat", [parent, name, newCgroupMode], what, { into: result, accept: [EEXIST] }),
      when(result, "==", 0, [set(created, 1)]),
      openBeneath(parent, name, directoryFlags, what, directory, []),
    );
    const remove = call("unlinkat", [parent, name, AT_REMOVEDIR], what, { accept: [ENOENT, EBUSY] });
    undo.push(when(created, "!=", 0, [remove]));
    parent = directory;
  }
  return { steps, undo, last: parent };
}

/**
 * An ordinary file is written to only if that destroys nothing, which allows trying things out in ordinary
 * directories: it must be empty or hold no more than what is about to be written.
 */
function requireCgroup(procs: Variable, what: string): Step {
  const [magic, type, size] = [variable("file system"), variable("type"), variable("size")];
  const refuse = fail({
    step: "fstatfs",
    what: `${what} is in no cgroup file system, and not empty (--any-filesystem overwrites it)`,
  });
  return folded(`see that ${what} is one of a cgroup`, [
    ...readFileSystem(procs, what, magic),
    when(magic, "!=", CGROUP2_SUPER_MAGIC, [
      when(magic, "!=", CGROUP_SUPER_MAGIC, [
        ...readFacts(procs, what, STATX_TYPE | STATX_SIZE, [
          ["stx_mode", type],
          ["stx_size", size],
        ]),
        compute(type, type, "and", S_IFMT),
        when(type, "!=", S_IFREG, [refuse]),
        when(size, ">", writer.length, [refuse]),
      ]),
    ]),
  ]);
}
