/**
 * Descriptors that are made in other namespaces, by a child that goes there and sends them back: setns(2),
 * user_namespaces(7), unix(7).
 *
 * What is in a namespace may belong to somebody who wishes us ill. So the child cannot be traced from there
 * (PR_SET_DUMPABLE), shares nothing with this process, and has no descriptors but those that it needs.
 */
import {
  area,
  call,
  compose,
  compute,
  exit,
  fail,
  folded,
  fork,
  group,
  load,
  type Step,
  set,
  type Value,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  AF_UNIX,
  AT_FDCWD,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWUSER,
  F_DUPFD_CLOEXEC,
  NSFS_MAGIC,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDONLY,
  PR_SET_DUMPABLE,
  PR_SET_PDEATHSIG,
  SIGCHLD,
  SIGKILL,
  SOCK_CLOEXEC,
  SOCK_SEQPACKET,
} from "../sys/constants.ts";
import { EINVAL, EPERM } from "../sys/errno.ts";
import { readFileSystem } from "./file-facts.ts";
import { type Descriptor, openOwner, requireKind, requireProcess } from "./handles.ts";
import { type Entry, enter } from "./namespaces.ts";
import { receiveDescriptors, sendDescriptors } from "./receive.ts";
import { waitFor } from "./wait.ts";

/** What says where to go: the file of a namespace, a descriptor of a namespace or a process, or a process. */
export type Handle =
  | { readonly form: "file"; readonly path: string }
  | { readonly form: "descriptor" | "process"; readonly fd: Descriptor };

/** Where descriptors are to be made. At least one of its parts is there. */
export interface Elsewhere {
  readonly kind: "mount" | "network";
  readonly handle?: Handle;
  /** Enter the user namespace that owns the handle's namespace first; with `anonymous`, the handle is one. */
  readonly withOwner: boolean;
  /** A new network namespace; the handle, if there is one, names the user namespace that is to own it. */
  readonly anonymous: boolean;
  /** Entered before all others. */
  readonly entries: readonly { readonly entry: Entry; readonly text: string }[];
}

/** What is done there: the descriptors that the steps leave in `results` are sent back. */
export interface Work {
  readonly steps: readonly Step[];
  readonly results: readonly Variable[];
}

const kindFlags = { mount: CLONE_NEWNS, network: CLONE_NEWNET } as const;
const firstNonStandard = 3;
const highest = 0x7fff_ffff;
const childFailure = 1;
const killed = 128;
const fdBytes = 4;

/**
 * Does `work` elsewhere; its results are descriptors of this process afterwards, close-on-exec, in `into`.
 * `needed` are descriptors of this process that the work uses, in variables, which have other numbers there.
 * The caller must be able to wait for children. `what` says in messages whose work it is.
 */
export function doElsewhere(
  place: Elsewhere,
  work: Work,
  needed: readonly Variable[],
  into: readonly Variable[],
  what: string,
): Step {
  const pair = area("socket pair", 2 * fdBytes);
  const [near, far] = [variable("near end"), variable("far end")];
  const [child, status] = [variable("child"), variable("child status")];
  const handle = openHandle(place.handle, what);
  const kept = [far, ...handle.kept, ...needed];
  const there = [
    ...keepOnly(kept, what),
    ...goThere(place, handle, what),
    // Forgotten with the change of credentials that a user namespace brings.
    endWithParent(what),
    ...work.steps,
    sendDescriptors(far, work.results, what),
  ];
  return group(`${what}: in a child`, [
    ...handle.steps,
    call("socketpair", [AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair], what),
    load(near, pair, 0, fdBytes),
    load(far, pair, fdBytes, fdBytes),
    fork({
      call: "clone",
      args: [SIGCHLD, 0, 0, 0, 0],
      what,
      stage: "the child",
      into: child,
      failure: childFailure,
      child: [
        call("prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0], what),
        endWithParent(what),
        ...place.entries.map(({ entry, text }) => enter(entry, `${what}: ${text}`)),
        ...(entersPid(place) ? inGrandchild(there, what) : there),
      ],
    }),
    call("close", [far], what),
    ...waitFor(child, what, status),
    when(status, "==", childFailure, [fail({ step: "child", what, silent: true })]),
    when(status, ">", killed, childKilled(what, status)),
    receiveDescriptors(near, into, what),
    call("close", [near], what),
    ...handle.close,
  ]);
}

/** Opening a pipe or a device can take forever. */
function endWithParent(what: string): Step {
  return call("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0], what);
}

function childKilled(what: string, status: Variable): Step[] {
  const signal = variable("signal");
  const text = area("child's end", what.length + 64);
  return [
    compute(signal, status, "sub", killed),
    compose(text, [`${what}: killed by signal `, signal]),
    fail({ step: "child", what: text }),
  ];
}

/** Only children of a process that has entered a PID namespace are in it. */
function entersPid({ entries }: Elsewhere): boolean {
  return entries.some(({ entry }) => entry.kinds.includes("p"));
}

function inGrandchild(steps: readonly Step[], what: string): Step[] {
  const [child, status] = [variable("grandchild"), variable("grandchild's status")];
  return [
    fork({
      call: "clone",
      args: [SIGCHLD, 0, 0, 0, 0],
      what,
      stage: "the child in the PID namespace",
      into: child,
      failure: childFailure,
      child: steps,
    }),
    ...waitFor(child, what, status),
    exit(status),
  ];
}

interface Opened {
  readonly steps: readonly Step[];
  /** Undefined without a handle. */
  readonly fd?: Variable;
  /** 1: it is that of a process. */
  readonly isProcess?: Variable;
  readonly kept: readonly Variable[];
  readonly close: readonly Step[];
  readonly name: string;
}

/** A handle, checked to be what it has to be. */
function openHandle(handle: Handle | undefined, what: string): Opened {
  if (handle === undefined) return { steps: [], kept: [], close: [], name: what };
  const fd = variable("namespace");
  const isProcess = variable("it is a process");
  if (handle.form === "file") {
    const name = `${what}: ${handle.path}`;
    return {
      fd,
      isProcess,
      kept: [fd],
      name,
      steps: [
        call("openat", [AT_FDCWD, handle.path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC], name, {
          into: fd,
        }),
        set(isProcess, 0),
        requireKind("namespace", fd, name),
      ],
      close: [call("close", [fd], name)],
    };
  }
  const known = { fd, isProcess, kept: [fd], close: [], name: `${what}: ${shown(handle.fd)}` };
  if (handle.form === "process") {
    return { ...known, steps: [set(fd, handle.fd), requireProcess(fd), set(isProcess, 1)] };
  }
  const magic = variable("file system");
  return {
    ...known,
    steps: [
      set(fd, handle.fd),
      set(isProcess, 0),
      ...readFileSystem(fd, known.name, magic),
      when(magic, "!=", NSFS_MAGIC, [
        requireProcess(fd, "it is neither a namespace nor a process descriptor"),
        set(isProcess, 1),
      ]),
    ],
  };
}

function shown(fd: Descriptor): string {
  return typeof fd === "number" ? `descriptor ${fd}` : fd.name;
}

/** Closes everything but 0 to 2 and these, which get numbers from 3 up in their order. */
function keepOnly(kept: readonly Variable[], what: string): Step[] {
  const lowest = variable("lowest");
  const last = variable("last");
  const closeUpTo = (end: Value): Step =>
    when(lowest, "<=", end, [call("close_range", [lowest, end, 0], what, { accept: "any" })]);
  return [
    folded("close all descriptors but those that are needed", [
      set(lowest, firstNonStandard),
      ...kept.flatMap((fd) => [
        call("fcntl", [fd, F_DUPFD_CLOEXEC, lowest], what, { into: fd }),
        compute(lowest, fd, "add", 1),
      ]),
      set(lowest, firstNonStandard),
      ...kept.flatMap((fd) => [compute(last, fd, "sub", 1), closeUpTo(last), compute(lowest, fd, "add", 1)]),
      closeUpTo(highest),
    ]),
  ];
}

const noPermission = "needs CAP_SYS_ADMIN in the user namespace that owns it";

/** From one's own namespaces to those that are meant. */
function goThere(
  { kind, withOwner, anonymous }: Elsewhere,
  { fd, isProcess, name }: Opened,
  what: string,
): Step[] {
  const unshared = anonymous ? [call("unshare", [CLONE_NEWNET], `${what}: new network namespace`)] : [];
  if (fd === undefined || isProcess === undefined) return unshared;
  const flag = anonymous ? 0 : kindFlags[kind];
  // A process knows its user namespace; that of a namespace has to be asked for, unless it is one.
  const process = setns(fd, (withOwner || anonymous ? CLONE_NEWUSER : 0) | flag, name);
  const owner =
    anonymous && withOwner
      ? [setns(fd, CLONE_NEWUSER, name)]
      : enterOwner(fd, name, anonymous ? "the namespace" : "-U");
  const namespace = [...(withOwner || anonymous ? owner : []), ...(anonymous ? [] : [setns(fd, flag, name)])];
  return [when(isProcess, "!=", 0, [process], namespace), ...unshared];
}

function setns(fd: Variable, flags: number, what: string): Step {
  const user = (flags & CLONE_NEWUSER) !== 0;
  return call("setns", [fd, flags], what, {
    hints: {
      [EPERM]: user ? noPermission : `${noPermission}; -U enters that first`,
      [EINVAL]: user
        ? "no user namespace, or the one that this process is in already"
        : "a namespace of another kind",
    },
  });
}

/** `because` is what has led here, and may not have been wanted. */
function enterOwner(fd: Variable, what: string, because: string): Step[] {
  const owner = variable("owner");
  const name = `${what}: user namespace that owns it`;
  return [
    openOwner(fd, owner, what),
    call("setns", [owner, CLONE_NEWUSER], name, {
      hints: {
        [EPERM]: noPermission,
        [EINVAL]: `this process is in it already: ${because} is not needed`,
      },
    }),
    call("close", [owner], name),
  ];
}
