/**
 * `chroot_pivot`: pivot_root(2) as seen from inside a directory.
 *
 * The process is its program by now, and does nothing else: it enters the directory itself, and no child's
 * status can be lost.
 */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { path } from "../cli/values/text.ts";
import { readFacts } from "../plan/file-facts.ts";
import {
  call,
  fail,
  folded,
  type Program,
  type Step,
  set,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  AT_FDCWD,
  MNT_DETACH,
  O_CLOEXEC,
  O_PATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  STATX_INO,
  STATX_MNT_ID,
} from "../sys/constants.ts";
import { EBUSY, EINVAL, ELOOP, ENOSYS, EPERM } from "../sys/errno.ts";
import type { Given } from "../sys/given.ts";
import { open_how } from "../sys/structs.ts";

const notEntered = 2;
const notPivoted = 3;
const otherFailure = 4;

export const spec = defineSpec({
  name: "chroot_pivot",
  summary: "put the mount NEW_ROOT in the place of the mount CHROOT_DIR, which moves to PUT_OLD",
  usage: "CHROOT_DIR NEW_ROOT [PUT_OLD]",
  options: {
    detach: {
      long: "detach",
      help: "detach the mount CHROOT_DIR, as with umount -l; PUT_OLD is left out",
      added: true,
    },
    noSymlinks: {
      long: "no-symlinks",
      help: "fail if NEW_ROOT or PUT_OLD has a symlink in it (without: it leads nowhere outside)",
      added: true,
    },
    liveRoot: {
      long: "live-root",
      help: "allow CHROOT_DIR to be the root directory of the caller",
      added: true,
    },
  },
  operands: v.strictTuple([path, path, v.optional(path)]),
  stopAtOperand: true,
  usageStatus: 2,
  statuses: {
    "1": "ctrtool itself failed; nothing was done",
    "2": "wrong usage, or CHROOT_DIR could not be entered",
    "3": "pivot_root was not possible",
    "4": "CHROOT_DIR was not detached, but the rest is done",
  },
  details: [
    {
      title: "Paths",
      lines: [
        "CHROOT_DIR is seen from outside. NEW_ROOT and PUT_OLD are seen from inside CHROOT_DIR: /new is",
        "CHROOT_DIR/new, and so is new. CHROOT_DIR and NEW_ROOT must be mount points and not shared.",
      ],
    },
  ],
  examples: ["chroot_pivot /mnt/root /new /new/old", "chroot_pivot --detach /mnt/root /new"],
});

const pivotHints = {
  [EBUSY]: "NEW_ROOT must be a mount of its own, with PUT_OLD in it or below",
  [EINVAL]: "CHROOT_DIR and NEW_ROOT must be mount points, not shared, with PUT_OLD in NEW_ROOT or below",
  [EPERM]: "needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace",
};

/** What an inode is known by: its file system, its number, and the mount it is seen through. */
const identity = ["stx_dev_major", "stx_dev_minor", "stx_ino", "stx_mnt_id"] as const;

/** Fails if the directory is the caller's root. Kernels before 5.8 do not tell mounts apart: both are 0. */
function refuseLiveRoot(directory: Variable, name: string): Step {
  const mask = STATX_INO | STATX_MNT_ID;
  const pairs = identity.map((field) => {
    return { field, root: variable(`${field} of /`), other: variable(`${field} of CHROOT_DIR`) };
  });
  const different = variable("different");
  const what = `"${name}" is the root directory in use: --live-root allows that`;
  return folded("fail if that is the root directory in use", [
    ...readFacts(
      AT_FDCWD,
      "/",
      mask,
      pairs.map(({ field, root }) => [field, root] as const),
      "/",
    ),
    ...readFacts(
      directory,
      name,
      mask,
      pairs.map(({ field, other }) => [field, other] as const),
    ),
    set(different, 0),
    ...pairs.map(({ root, other }) => when(root, "!=", other, [set(different, 1)])),
    when(different, "==", 0, [fail({ step: "pivot_root", what, status: notPivoted })]),
  ]);
}

/** Opens a directory as seen from inside another one; neither symlinks nor `..` lead out of it. */
function openInside(root: Variable, path: string, resolve: number, into: Variable): Step {
  const how = open_how.pack({ flags: O_PATH | O_CLOEXEC, resolve: RESOLVE_IN_ROOT | resolve });
  return call("openat2", [root, path, how, how.length], path, {
    into,
    status: notPivoted,
    hints: { [ELOOP]: "it has a symlink in it that may not be followed", [ENOSYS]: "needs Linux 5.6" },
  });
}

export function plan(
  { options, operands: [chrootDir, newRoot, putOld] }: Input<typeof spec>,
  _given: Given,
): Program {
  if (putOld === undefined && !options.detach) throw new UsageError("PUT_OLD is missing");
  if (putOld !== undefined && options.detach) throw new UsageError("--detach leaves no use for PUT_OLD");
  const root = variable("CHROOT_DIR");
  const inner = variable("NEW_ROOT");
  const resolve = RESOLVE_NO_MAGICLINKS | (options.noSymlinks ? RESOLVE_NO_SYMLINKS : 0);
  // The slash says that it must be a directory.
  const open = [AT_FDCWD, `${chrootDir}/`, O_PATH | O_CLOEXEC] as const;
  return {
    applet: spec.name,
    failure: 1,
    steps: [
      call("openat", open, chrootDir, { into: root, status: notEntered }),
      ...(options.liveRoot ? [] : [refuseLiveRoot(root, chrootDir)]),
      openInside(root, newRoot, resolve, inner),
      ...(putOld === undefined ? [] : [openInside(root, putOld, resolve, variable("PUT_OLD"))]),
      call("fchdir", [root], chrootDir, { status: notEntered }),
      call("chroot", ["."], chrootDir, { status: notEntered }),
      call("fchdir", [inner], newRoot, { status: notPivoted }),
      ...(putOld === undefined ? pivotAway(root, chrootDir, newRoot) : [pivot(newRoot, putOld)]),
    ],
  };
}

/**
 * The new root is what was opened. PUT_OLD can only be a path: it was looked at, the root that it is looked
 * up in is CHROOT_DIR, and the kernel makes sure that it is below the new root.
 */
function pivot(newRoot: string, putOld: string): Step {
  return call("pivot_root", [".", `/${putOld}`], `new root "${newRoot}", old root "${putOld}"`, {
    status: notPivoted,
    hints: pivotHints,
  });
}

/** With the same directory for both, the old root lies on top of the new one; its descriptor still leads to it. */
function pivotAway(root: Variable, chrootDir: string, newRoot: string): Step[] {
  return [
    call("pivot_root", [".", "."], `new root "${newRoot}"`, { status: notPivoted, hints: pivotHints }),
    call("fchdir", [root], chrootDir, { status: otherFailure }),
    call("umount2", [".", MNT_DETACH], chrootDir, { status: otherFailure }),
  ];
}

export default applet({ spec, plan });
