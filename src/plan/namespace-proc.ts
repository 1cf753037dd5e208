/** A proc of another PID namespace, without being in it: see pid_namespaces(7), setns(2). */

import { call, exit, fail, fork, group, type Step, type Variable, variable, when } from "../program/steps.ts";
import { CLONE_FILES, CLONE_NEWPID, F_DUPFD_CLOEXEC, O_CLOEXEC, SIGCHLD } from "../sys/constants.ts";
import { EINVAL, ENOMEM } from "../sys/errno.ts";
import { type FileSystem, fileSystemOptions, newFileSystem } from "./mounts.ts";
import { closeAll } from "./paths.ts";
import { waitFor } from "./wait.ts";

const childFailure = 1;

/** Whose proc is wanted. */
export interface NamespaceProc {
  readonly fileSystem: FileSystem;
  /** Open on the PID namespace. */
  readonly namespace: Variable;
  /** The file that it was opened as, for messages. */
  readonly file: string;
}

/**
 * A proc of a PID namespace, detached, in `mount`. A file system belongs to the
 * namespace of the process that makes it, and entering one takes effect for children only: so a child enters
 * and its child makes it. All share one table of descriptors, in which the parent has reserved the number. A
 * child that fails says so itself. The caller must be able to wait for children.
 */
export function namespaceProc({ fileSystem, namespace, file: what }: NamespaceProc, mount: Variable): Step {
  const enters = variable("the process that enters");
  const makes = variable("the process that makes proc");
  const made = variable("new mount");
  const status = variable("status");
  const options = fileSystemOptions(fileSystem) ?? [];
  const share = [CLONE_FILES | SIGCHLD, 0, 0, 0, 0];
  const making = [
    newFileSystem(fileSystem, options, made, what),
    call("dup3", [made, mount, O_CLOEXEC], what),
    ...closeAll([made]),
  ];
  return group("a proc of another PID namespace", [
    call("fcntl", [namespace, F_DUPFD_CLOEXEC, 0], what, { into: mount }),
    fork({
      call: "clone",
      args: share,
      what,
      stage: "entering the PID namespace",
      into: enters,
      failure: childFailure,
      child: [
        call("setns", [namespace, CLONE_NEWPID], what, {
          hints: { [EINVAL]: "not a handle of a PID namespace below the present one" },
        }),
        fork({
          call: "clone",
          args: share,
          what,
          stage: "mounting its proc",
          into: makes,
          failure: childFailure,
          child: making,
          hints: { [ENOMEM]: "the first process of the PID namespace has ended" },
        }),
        ...waitFor(makes, what, status),
        exit(status),
      ],
    }),
    ...waitFor(enters, what, status),
    when(status, "==", childFailure, [fail({ step: "proc", what, silent: true })]),
    when(status, "!=", 0, [fail({ step: "proc", what: `${what}: the process that makes it was killed` })]),
  ]);
}
