/**
 * Giving a program exactly the descriptors it is to have, under the numbers it expects. See dup(2),
 * fcntl(2), close_range(2).
 */

import {
  area,
  call,
  compute,
  folded,
  group,
  leave,
  load,
  loop,
  type Step,
  set,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  AT_FDCWD,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_SETFD,
  O_CLOEXEC,
  O_RDONLY,
  PROC_SUPER_MAGIC,
} from "../sys/constants.ts";
import { EBADF, EINVAL, EMFILE, ENOSYS, EPERM } from "../sys/errno.ts";
import { readFileSystem } from "./file-facts.ts";

/** Descriptor `target` is to become what `source` is now. */
export interface Assignment {
  readonly target: number;
  readonly source: number;
}

/** What is left of the descriptors: standard ones that nobody mentions stay as they are. */
export interface Arrangement {
  /** All at once: a source means what it is before the first of them. Each target once. */
  readonly assignments: readonly Assignment[];
  /** Standard descriptors to close. */
  readonly closed: readonly number[];
  /** The hard limit on open files, which bounds a search that neither close_range(2) nor /proc helps with. */
  readonly limit: number | bigint;
}

/** From the first descriptor to the last, both included. */
type Range = readonly [first: number, last: number];

const firstNonStandard = 3;
const highest = 0x7fff_ffff;
const asciiZero = 48;

// struct linux_dirent64, see getdents64(2).
const recordLengthOffset = 16;
const nameOffset = 19;

const aboveLimit = "the limit on open files is too low for this number";

/**
 * Leaves the assigned targets, none of them close-on-exec, and of 0 to 2 those that are not in `closed`;
 * closes everything else. A source that is not open fails before anything has changed.
 */
export function arrangeDescriptors({ assignments, closed, limit }: Arrangement): Step[] {
  const sources = [...new Set(assignments.map(({ source }) => source))];
  const targets = assignments.map(({ target }) => target);
  const copies = copyOverwritten(assignments, Math.max(firstNonStandard - 1, ...targets) + 1);
  return [
    ...sources.map((source) => call("fcntl", [source, F_GETFD, 0], `descriptor ${source}`)),
    ...copies.steps,
    ...assignments.map((assignment) => assign(assignment, copies.of.get(assignment.source))),
    group("close all other descriptors", closeRanges(rangesWithout(targets, closed), limit)),
  ];
}

/** Sources that are targets too are copied to where no target is, before anything is put on them. */
function copyOverwritten(
  assignments: readonly Assignment[],
  from: number,
): { steps: Step[]; of: ReadonlyMap<number, Variable> } {
  const overwritten = new Set(
    assignments.filter(({ target, source }) => target !== source).map(({ target }) => target),
  );
  const of = new Map<number, Variable>();
  for (const { source } of assignments) {
    if (overwritten.has(source)) of.set(source, variable(`copy of ${source}`));
  }
  const steps = [...of].map(([source, into]) =>
    call("fcntl", [source, F_DUPFD_CLOEXEC, from], `a copy of descriptor ${source}`, {
      into,
      hints: { [EMFILE]: aboveLimit, [EINVAL]: aboveLimit },
    }),
  );
  return { steps, of };
}

function assign({ target, source }: Assignment, copy: Variable | undefined): Step {
  // dup3(2) refuses equal numbers; what is left of its effect is the flag.
  if (target === source && !copy) return call("fcntl", [target, F_SETFD, 0], `descriptor ${target}`);
  return call("dup3", [copy ?? source, target, 0], `descriptor ${source} to ${target}`, {
    hints: { [EBADF]: aboveLimit },
  });
}

/** What lies between the targets, and `closed`. */
function rangesWithout(targets: readonly number[], closed: readonly number[]): Range[] {
  const ranges: Range[] = closed.map((fd) => [fd, fd]);
  let next = firstNonStandard;
  for (const target of targets.filter((fd) => fd >= firstNonStandard).sort((a, b) => a - b)) {
    if (target > next) ranges.push([next, target - 1]);
    next = target + 1;
  }
  if (next <= highest) ranges.push([next, highest]);
  return ranges;
}

/**
 * Closes ranges by close_range(2) (Linux 5.9); where the kernel lacks it, or a filter that does not know it
 * answers EPERM, each descriptor on its own.
 */
function closeRanges(ranges: readonly Range[], limit: number | bigint): Step[] {
  const result = variable("result");
  const missing = variable("close_range is missing");
  return [
    ...ranges.flatMap(([first, last]) => [
      call("close_range", [first, last, 0], `descriptors from ${first}`, {
        into: result,
        accept: [ENOSYS, EPERM],
      }),
      when(result, "<", 0, [set(missing, 1)]),
    ]),
    when(missing, "!=", 0, [closeOneByOne(ranges, limit)]),
  ];
}

/** /proc knows which descriptors are open, whatever the limit was when they were opened. */
function closeOneByOne(ranges: readonly Range[], limit: number | bigint): Step {
  const directory = variable("/proc/self/fd");
  const magic = variable("file system");
  return folded("where that is missing, close each that /proc/self/fd lists, or else all up to the limit", [
    call("openat", [AT_FDCWD, "/proc/self/fd/", O_RDONLY | O_CLOEXEC], "/proc/self/fd", {
      into: directory,
      accept: "any",
    }),
    ...readFileSystem(directory, "/proc/self/fd", magic, "any"),
    when(
      magic,
      "==",
      PROC_SUPER_MAGIC,
      [...closeListed(directory, ranges), call("close", [directory], "/proc/self/fd")],
      ranges.map((range) => closeCounting(range, limit)),
    ),
  ]);
}

function closeListed(directory: Variable, ranges: readonly Range[]): Step[] {
  const entries = area("directory entries", 1024);
  const length = variable("length");
  const entry = variable("entry");
  const end = variable("end");
  const fd = variable("descriptor");
  const recordLength = variable("record length");
  return [
    loop([
      call("getdents64", [directory, entries, entries.size], "/proc/self/fd", { into: length }),
      when(length, "==", 0, [leave]),
      set(entry, entries),
      compute(end, length, "add", entries),
      loop([
        when(entry, ">=", end, [leave]),
        ...readName(entry, fd),
        when(
          fd,
          "!=",
          directory,
          ranges.map((range) => closeWithin(range, fd)),
        ),
        load(recordLength, entry, recordLengthOffset, 2),
        compute(entry, entry, "add", recordLength),
      ]),
    ]),
  ];
}

/** The number that an entry's name is; of `.` and `..` a negative one. */
function readName(entry: Variable, into: Variable): Step[] {
  const cursor = variable("cursor");
  const digit = variable("digit");
  const eightfold = variable("eightfold");
  return [
    set(into, 0),
    compute(cursor, entry, "add", nameOffset),
    loop([
      load(digit, cursor, 0, 1),
      when(digit, "==", 0, [leave]),
      compute(digit, digit, "sub", asciiZero),
      compute(eightfold, into, "shl", 3),
      compute(into, into, "shl", 1),
      compute(into, into, "add", eightfold),
      compute(into, into, "add", digit),
      compute(cursor, cursor, "add", 1),
    ]),
  ];
}

function closeWithin([first, last]: Range, fd: Variable): Step {
  return when(fd, ">=", first, [when(fd, "<=", last, [closeAnyway(fd)])]);
}

function closeCounting([first, last]: Range, limit: number | bigint): Step {
  const fd = variable("descriptor");
  const end = limit > last ? last : Number(limit) - 1;
  return group(`count from ${first} to ${end}`, [
    set(fd, first),
    loop([when(fd, ">", end, [leave]), closeAnyway(fd), compute(fd, fd, "add", 1)]),
  ]);
}

/** close(2) has closed whatever it says. */
function closeAnyway(fd: Variable): Step {
  return call("close", [fd], "a descriptor", { accept: "any" });
}
