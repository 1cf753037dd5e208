/** Changing the root: pivot_root(2). */
import { call, group, type Step } from "../program/steps.ts";
import { MNT_DETACH } from "../sys/constants.ts";

/**
 * Makes `root`, a mount point, the root and the working directory. It is pivoted onto itself, which stacks the
 * old root on top of it; that is detached last, after `meanwhile`: a proc, say, may be mounted in a user
 * namespace only where one is visible already.
 */
export function pivotRoot(root: string, meanwhile: readonly Step[]): Step {
  return group(`make ${root} the root`, [
    call("chdir", [root], root),
    call("pivot_root", [".", "."], root),
    ...meanwhile,
    call("umount2", [".", MNT_DETACH], "the old root"),
    // The working directory was below the old root's mount; from now on it is the root itself.
    call("chdir", ["/"], "/"),
  ]);
}
