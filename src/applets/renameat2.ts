/** `renameat2`: one rename, with the flags and directory descriptors of renameat2(2). */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import {
  type DescriptorSpec,
  directoryDescriptor,
  resolveDescriptor,
  type WorkingDirectory,
} from "../cli/values/descriptor.ts";
import { path } from "../cli/values/text.ts";
import type { Hints } from "../program/hints.ts";
import {
  area,
  call,
  compute,
  fail,
  folded,
  type Program,
  type Step,
  type Value,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  F_GETFD,
  O_CLOEXEC,
  O_RDONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  STATX_TYPE,
} from "../sys/constants.ts";
import { EBUSY, EEXIST, EINVAL, EISDIR, ENOSYS, ENOTDIR, ENOTEMPTY, EPERM, EXDEV } from "../sys/errno.ts";
import type { Given } from "../sys/given.ts";
import { filter, flatMap, map } from "../sys/lists.ts";
import { statx } from "../sys/structs.ts";

export const spec = defineSpec({
  name: "renameat2",
  summary: "rename SOURCE to TARGET in one system call",
  usage: "SOURCE TARGET",
  options: {
    exchange: { short: "x", long: "exchange", help: "swap the two; both must exist" },
    whiteout: {
      short: "w",
      long: "whiteout",
      help: "leave a whiteout of overlay file systems as SOURCE; CAP_MKNOD before Linux 5.8",
    },
    noReplace: { short: "n", long: "no-replace", help: "fail if TARGET exists" },
    sourceDirectory: {
      short: "s",
      long: "source-dir",
      metavar: "FD",
      value: directoryDescriptor,
      help: "where a relative SOURCE starts: N, /NAME or :NAME (the number in a variable), cwd",
      default: "cwd",
    },
    targetDirectory: {
      short: "d",
      long: "target-dir",
      metavar: "FD",
      value: directoryDescriptor,
      help: "the same for TARGET",
      default: "cwd",
    },
    fsync: {
      long: "fsync",
      help: "write both directories to the disk, so that a crash cannot undo it",
      added: true,
    },
  },
  operands: v.strictTuple([path, path]),
  stopAtOperand: false,
  usageStatus: 2,
  examples: [
    "renameat2 -x /srv/www /srv/www.new",
    "renameat2 --exchange --fsync current next",
    "renameat2 -n draft report",
  ],
});

type Options = Input<typeof spec>["options"];

/** One side of the rename: a name, and the directory where it starts if it is relative. */
interface Side {
  readonly role: "source" | "target";
  /** As it was given. */
  readonly name: string;
  readonly directory: Value;
  readonly path: string;
}

/** Only `-x` with one of the others can never work: rename(2). */
function flagsOf({ exchange, whiteout, noReplace }: Options): number {
  if (exchange && whiteout) throw new UsageError("-x and -w exclude each other");
  if (exchange && noReplace) throw new UsageError("-x and -n exclude each other");
  return (
    (exchange ? RENAME_EXCHANGE : 0) | (whiteout ? RENAME_WHITEOUT : 0) | (noReplace ? RENAME_NOREPLACE : 0)
  );
}

/** A descriptor that is not open is wrong usage, also where an absolute name has no use for it. */
function checkOpen(specs: readonly (DescriptorSpec | WorkingDirectory | undefined)[], given: Given): Step[] {
  return flatMap(specs, (directory) => {
    if (directory === undefined || directory.form === "cwd") return [];
    const fd = resolveDescriptor(directory, given);
    return [call("fcntl", [fd, F_GETFD, 0], `descriptor ${fd}`, { status: spec.usageStatus })];
  });
}

/** The directory a name is in, opened, to be used for the rename itself and for what is written afterwards. */
function opened(side: Side, fd: Variable): { side: Side; steps: Step[] } {
  const { directory, parent, name } = split(side);
  const what = `directory of ${side.role} "${side.name}"`;
  const open = call("openat", [directory, parent, O_RDONLY | O_CLOEXEC], what, { into: fd });
  return { side: { ...side, directory: fd, path: name }, steps: [open] };
}

/** Slashes behind the last component stay with it: they say that it must be a directory. */
function split({ directory, path }: Side): { directory: Value; parent: string; name: string } {
  const [, parent = "", name = path] = /^(.*?)([^/]*\/*)$/s.exec(path) ?? [];
  if (name.startsWith("/")) return { directory, parent: name, name: "." };
  return { directory, parent: parent === "" ? "." : parent, name };
}

/**
 * Blames the name that gives the same error on its own, of several the first; otherwise both. A target that
 * does not exist is no error of itself, but if the source does, its directory is what is missing.
 */
function explainFailure(error: Variable, sides: readonly [Side, Side], hints: Hints): Step[] {
  const facts = area("file facts", statx.size);
  const found = variable("found");
  const errno = variable("error number");
  const [source, target] = sides;
  return [
    compute(errno, 0, "sub", error),
    ...flatMap(sides, ({ role, name, directory, path }) => [
      call("statx", [directory, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, facts], `${role} "${name}"`, {
        into: found,
        accept: "any",
      }),
      when(found, "==", error, [fail({ step: "rename", what: `${role} "${name}"`, errno })]),
    ]),
    fail({ step: "rename", what: `"${source.name}" to "${target.name}"`, errno, hints }),
  ];
}

function hintsOf({ exchange, whiteout, noReplace }: Options): Hints {
  const names = filter([exchange && "-x", whiteout && "-w", noReplace && "-n"], (name) => name !== false);
  const below = "one of the names is below the other";
  const used = names.join(" and ");
  return {
    [EEXIST]: "the target exists",
    [ENOTEMPTY]: "the target is a directory that is not empty",
    [EISDIR]: "the target is a directory, the source is not; a rename does not move into directories",
    [ENOTDIR]: "only one of them is a directory, or only the target has a slash at its end",
    [EXDEV]: "they are on different mounts",
    [EBUSY]: "one of them is in use by the system, a mount point for instance",
    [EINVAL]: names.length > 0 ? `${below}, or the file system does not support ${used}` : below,
    [ENOSYS]: `${used} needs Linux 3.15`,
    ...(whiteout ? { [EPERM]: "-w needs CAP_MKNOD before Linux 5.8" } : {}),
  };
}

export function plan({ options, operands: [source, target] }: Input<typeof spec>, given: Given): Program {
  const flags = flagsOf(options);
  const directories = [options.sourceDirectory, options.targetDirectory] as const;
  const [from, to] = map(directories, (directory) =>
    directory ? resolveDescriptor(directory, given) : AT_FDCWD,
  );
  const sides: [Side, Side] = [
    { role: "source", name: source, directory: from ?? AT_FDCWD, path: source },
    { role: "target", name: target, directory: to ?? AT_FDCWD, path: target },
  ];
  return {
    applet: spec.name,
    failure: 1,
    steps: [
      ...checkOpen(directories, given),
      ...(options.fsync ? renameSynced : rename)(sides, flags, options),
    ],
  };
}

function rename(sides: readonly [Side, Side], flags: number, options: Options): Step[] {
  const error = variable("error");
  const [source, target] = sides;
  const names = [source.directory, source.path, target.directory, target.path];
  // Without flags the older call does, which kernels before 3.15 know.
  const [name, args] =
    flags === 0 ? (["renameat", names] as const) : (["renameat2", [...names, flags]] as const);
  return [
    call(name, args, `"${source.name}" to "${target.name}"`, { into: error, accept: "any" }),
    when(error, "<", 0, [
      folded("fail, and say which name is at fault", explainFailure(error, sides, hintsOf(options))),
    ]),
  ];
}

function renameSynced(sides: readonly [Side, Side], flags: number, options: Options): Step[] {
  const fds = [variable("source directory"), variable("target directory")] as const;
  const source = opened(sides[0], fds[0]);
  const target = opened(sides[1], fds[1]);
  return [
    ...source.steps,
    ...target.steps,
    ...rename([source.side, target.side], flags, options),
    // The target's first: in a crash between the two, a file with both names is better than one with none.
    ...map([target, source], ({ side }) =>
      call("fsync", [side.directory], `directory of ${side.role} "${side.name}"`),
    ),
  ];
}

export default applet({ spec, plan });
