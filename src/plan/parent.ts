/** Who the parent of a process is, and whether it still is. See getppid(2), pidfd_open(2). */

import {
  area,
  call,
  compose,
  fail,
  folded,
  type Step,
  set,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import { PID_FS_MAGIC, STATX_INO } from "../sys/constants.ts";
import { EINVAL, ESRCH } from "../sys/errno.ts";
import { readFacts, readFileSystem } from "./file-facts.ts";

/** The process that the parent has to be. */
export type Parent =
  | { readonly form: "pid"; readonly pid: number }
  /** The process of a pidfd, which no later process of the same number can be mistaken for. */
  | { readonly form: "pidfd"; readonly fd: number }
  /** Any that this pid namespace has no number for. */
  | { readonly form: "outside" };

const textBytes = 128;

/** The parent's pid, 0 if it is outside of the pid namespace, goes to `into`. */
export function readParent(into: Variable): Step {
  return call("getppid", [], "the parent", { into });
}

/** Fails unless the parent, whose pid `readParent` has put into `actual`, is the expected one. */
export function checkParent(expected: Parent, actual: Variable): Step[] {
  switch (expected.form) {
    case "pid":
      return [
        when(actual, "!=", expected.pid, [
          refuse([`${expected.pid} is not the parent, or the parent is gone: now it is `, actual]),
        ]),
      ];
    case "outside":
      return [when(actual, "!=", 0, [refuse(["it is in this pid namespace, as ", actual])])];
    case "pidfd":
      return [folded("compare the parent with the process of the pidfd", checkPidfd(expected.fd, actual))];
  }
}

/** Fails if the parent is not the one that `before` has the pid of any more. */
export function sameParent(before: Variable): Step[] {
  const now = variable("parent now");
  return [readParent(now), when(now, "!=", before, [refuse(["the parent is gone: it was ", before])])];
}

function refuse(parts: readonly (string | Variable)[]): Step {
  const text = area("what is wrong with the parent", textBytes);
  return folded("fail: parent", [compose(text, parts), fail({ step: "parent", what: text })]);
}

/** Since Linux 6.9 each process has an inode of its own in pidfs, which all its pidfds share. */
function checkPidfd(fd: number, actual: Variable): Step[] {
  const what = `descriptor ${fd}`;
  const magic = variable("file system");
  const other = variable("pidfd of the parent");
  const [expectedInode, actualInode] = [variable("expected inode"), variable("inode")];
  const noPidfd = fail({
    step: "parent",
    what: `${what} is no pidfd, or this kernel is older than Linux 6.9`,
  });
  return [
    ...readFileSystem(fd, what, magic),
    when(magic, "!=", PID_FS_MAGIC, [noPidfd]),
    call("pidfd_open", [actual, 0], "the parent", { into: other, accept: [EINVAL, ESRCH] }),
    set(actualInode, 0),
    ...readFacts(fd, what, STATX_INO, [["stx_ino", expectedInode]]),
    when(other, ">=", 0, [
      ...readFacts(other, "the parent", STATX_INO, [["stx_ino", actualInode]]),
      call("close", [other], "the parent"),
    ]),
    when(actualInode, "!=", expectedInode, [
      refuse([`the process of ${what} is not the parent, or is gone: now it is `, actual]),
    ]),
  ];
}
