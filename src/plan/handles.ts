/**
 * What can be asked of descriptors that stand for a process, a namespace or a socket: see pidfd_open(2),
 * ioctl_ns(2), and SIOCGSKNS in <linux/sockios.h>. Every descriptor made here is close-on-exec and belongs to
 * the variable that takes it.
 */
import {
  area,
  call,
  compose,
  compute,
  fail,
  folded,
  group,
  load,
  type Step,
  store,
  type Value,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  CLD_EXITED,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  NS_GET_NSTYPE,
  NS_GET_OWNER_UID,
  NS_GET_PARENT,
  NS_GET_TGID_FROM_PIDNS,
  NS_GET_TGID_IN_PIDNS,
  NS_GET_USERNS,
  NS_MNT_GET_NEXT,
  NS_MNT_GET_PREV,
  NSFS_MAGIC,
  P_PIDFD,
  PIDFD_GET_CGROUP_NAMESPACE,
  PIDFD_GET_INFO,
  PIDFD_GET_IPC_NAMESPACE,
  PIDFD_GET_MNT_NAMESPACE,
  PIDFD_GET_NET_NAMESPACE,
  PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE,
  PIDFD_GET_PID_NAMESPACE,
  PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE,
  PIDFD_GET_TIME_NAMESPACE,
  PIDFD_GET_USER_NAMESPACE,
  PIDFD_GET_UTS_NAMESPACE,
  PIDFD_INFO_PID,
  POLLIN,
  SIOCGSKNS,
  SOCKFS_MAGIC,
  STATX_INO,
  WEXITED,
  WNOHANG,
  WNOWAIT,
} from "../sys/constants.ts";
import { EBADF, ECHILD, EINVAL, ENOENT, ENOTTY, EPERM, ESRCH, ETIMEDOUT } from "../sys/errno.ts";
import { pollfd, siginfo, timespec } from "../sys/structs.ts";
import { readFacts, readFileSystem } from "./file-facts.ts";
import { numberSubject } from "./text.ts";

/** A descriptor: a number that was given, or one that the running program has made. */
export type Descriptor = number | Variable;

const nsfsAndSockfs = {
  namespace: { magic: NSFS_MAGIC, problem: " is no namespace" },
  socket: { magic: SOCKFS_MAGIC, problem: " is no socket" },
} as const;

const pidfdInfoBytes = 64;
const mountNamespaceInfoBytes = 16;
const signalBase = 128;
const millisecondsInSecond = 1000;
const nanosecondsInMillisecond = 1_000_000;

/** The namespaces that a process has, by the names of /proc/PID/ns, and the requests for them. */
export const processNamespaces = {
  cgroup: PIDFD_GET_CGROUP_NAMESPACE,
  ipc: PIDFD_GET_IPC_NAMESPACE,
  mnt: PIDFD_GET_MNT_NAMESPACE,
  net: PIDFD_GET_NET_NAMESPACE,
  pid: PIDFD_GET_PID_NAMESPACE,
  pid_for_children: PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE,
  time: PIDFD_GET_TIME_NAMESPACE,
  time_for_children: PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE,
  user: PIDFD_GET_USER_NAMESPACE,
  uts: PIDFD_GET_UTS_NAMESPACE,
} as const;

/** The kinds of namespaces under the names that /proc/PID/ns shows. */
const kindNames = [
  ["cgroup", CLONE_NEWCGROUP],
  ["ipc", CLONE_NEWIPC],
  ["mnt", CLONE_NEWNS],
  ["net", CLONE_NEWNET],
  ["pid", CLONE_NEWPID],
  ["time", CLONE_NEWTIME],
  ["user", CLONE_NEWUSER],
  ["uts", CLONE_NEWUTS],
] as const;

/** Fails unless a descriptor is of this kind; `step` is who asks. */
export function requireKind(kind: keyof typeof nsfsAndSockfs, fd: Descriptor, step: string): Step {
  const { magic, problem } = nsfsAndSockfs[kind];
  const subject = numberSubject("descriptor ", fd);
  const wrong = numberSubject("descriptor ", fd, problem);
  const found = variable("file system");
  return folded(`fail unless it is a ${kind}`, [
    ...subject.steps,
    ...readFileSystem(fd, subject.what, found),
    when(found, "!=", magic, [...wrong.steps, fail({ step, what: wrong.what })]),
  ]);
}

/**
 * Fails unless a descriptor stands for a process, with `otherwise` as a hint. waitid(2) alone tells without a permission or an effect: to
 * it, a process that is no child is an error of its own.
 */
export function requireProcess(fd: Descriptor, otherwise = "it is not open, or no process descriptor"): Step {
  const subject = numberSubject("descriptor ", fd);
  return folded("fail unless it is a process descriptor", [
    ...subject.steps,
    call("waitid", [P_PIDFD, fd, 0, WEXITED | WNOHANG | WNOWAIT, 0], subject.what, {
      label: "pidfd",
      accept: [ECHILD],
      hints: { [EBADF]: otherwise },
    }),
  ]);
}

/** A descriptor of a process, 0 standing for this one. */
export function openPid(pid: number, into: Variable): Step[] {
  if (pid !== 0) return [call("pidfd_open", [pid, 0], `process ${pid}`, { into })];
  const own = variable("own pid");
  return [
    call("getpid", [], "this process", { into: own }),
    call("pidfd_open", [own, 0], "this process", { into }),
  ];
}

/** A descriptor of the process that has a pid in a PID namespace. */
export function openPidIn(namespace: Descriptor, pid: number, into: Variable): Step[] {
  const what = `process ${pid} of the PID namespace`;
  const [here, again] = [variable("pid here"), variable("pid here, later")];
  const hints = {
    [ENOTTY]: "needs Linux 6.11, and a PID namespace",
    [EINVAL]: "needs a PID namespace",
    [ESRCH]: "no process there has this pid, or it is not visible from here",
  };
  const ask = (answer: Variable): Step =>
    call("ioctl", [namespace, NS_GET_TGID_FROM_PIDNS, pid], what, { into: answer, hints });
  return [
    ask(here),
    call("pidfd_open", [here, 0], what, { into }),
    // Its pid here may have been another's when it was opened.
    ask(again),
    when(again, "!=", here, [fail({ step: "pidfd_open", what, errno: ESRCH })]),
  ];
}

/** A copy of the descriptor `number` of a process: pidfd_getfd(2). */
export function copyDescriptor(pidfd: Descriptor, number: number, into: Variable): Step[] {
  const subject = numberSubject(`descriptor ${number} of the process on `, pidfd);
  return [
    ...subject.steps,
    call("pidfd_getfd", [pidfd, number, 0], subject.what, {
      into,
      hints: { [EPERM]: "needs the permission to trace the process" },
    }),
  ];
}

/** A namespace of a process, by one of `processNamespaces`. */
export function openNamespaceOf(
  pidfd: Descriptor,
  name: keyof typeof processNamespaces,
  into: Variable,
): Step {
  return call("ioctl", [pidfd, processNamespaces[name], 0], `${name} namespace`, {
    into,
    hints: { [ENOTTY]: "needs Linux 6.11", [EINVAL]: "needs Linux 6.11" },
  });
}

/** Sends a signal: pidfd_send_signal(2). */
export function sendSignal(pidfd: Descriptor, signal: number): Step[] {
  const subject = numberSubject(`signal ${signal} to the process on descriptor `, pidfd);
  return [...subject.steps, call("pidfd_send_signal", [pidfd, signal, 0, 0], subject.what)];
}

/** Waits for a child; its status, as shells write it, goes to `status`. */
export function waitForProcess(pidfd: Descriptor, status: Variable): Step[] {
  const subject = numberSubject("the process on descriptor ", pidfd);
  const info = area("child status", siginfo.size);
  const code = variable("how it ended");
  return [
    ...subject.steps,
    folded(`${status.name} = status of the child, waited for (128 + n after signal n)`, [
      call("waitid", [P_PIDFD, pidfd, info, WEXITED, 0], subject.what, {
        retry: true,
        hints: { [ECHILD]: "not a child of this process; --poll waits for any" },
      }),
      load(status, info, siginfo.offset("si_status"), 4),
      load(code, info, siginfo.offset("si_code"), 4),
      when(code, "!=", CLD_EXITED, [compute(status, status, "add", signalBase)]),
    ]),
  ];
}

/** Waits until a process, whose ever it is, has ended; for `milliseconds` at most if that is given. */
export function awaitEnd(pidfd: Descriptor, milliseconds: number | undefined): Step[] {
  const subject = numberSubject("the process on descriptor ", pidfd, " still runs");
  const polled = area("polled descriptor", pollfd.pack({ events: POLLIN }));
  const ready = variable("ready");
  // The kernel counts the time left down in it, so that an interrupted call goes on where it was.
  const limit = milliseconds === undefined ? 0 : area("time left", timeOf(milliseconds));
  return [
    store(polled, pollfd.offset("fd"), 4, pidfd),
    call("ppoll", [polled, 1, limit, 0, 0], "the process", { into: ready, retry: true }),
    when(ready, "==", 0, [...subject.steps, fail({ step: "poll", what: subject.what, errno: ETIMEDOUT })]),
  ];
}

function timeOf(milliseconds: number): Uint8Array {
  return timespec.pack({
    tv_sec: Math.floor(milliseconds / millisecondsInSecond),
    tv_nsec: (milliseconds % millisecondsInSecond) * nanosecondsInMillisecond,
  });
}

/** The network namespace of a socket. */
export function openSocketNamespace(socket: Descriptor, into: Variable, what = "the socket"): Step {
  return call("ioctl", [socket, SIOCGSKNS, 0], what, {
    into,
    label: "SIOCGSKNS",
    hints: { [EPERM]: "needs CAP_NET_ADMIN in the user namespace that owns the network namespace" },
  });
}

/** The user namespace that owns a namespace; of a user namespace the parent. */
export function openOwner(namespace: Descriptor, into: Variable, what = "the namespace"): Step {
  return call("ioctl", [namespace, NS_GET_USERNS, 0], what, {
    into,
    label: "NS_GET_USERNS",
    hints: outOfSight,
  });
}

/** The parent of a PID or user namespace. */
export function openParentNamespace(namespace: Descriptor, into: Variable): Step {
  return call("ioctl", [namespace, NS_GET_PARENT, 0], "the namespace", {
    into,
    label: "NS_GET_PARENT",
    hints: { ...outOfSight, [EINVAL]: "only PID and user namespaces have parents" },
  });
}

const outOfSight = { [EPERM]: "that one is outside of what this process may see" };

/** The mount namespace next to one, in the order of their ids. */
export function openNeighbour(namespace: Descriptor, direction: "next" | "previous", into: Variable): Step {
  const request = direction === "next" ? NS_MNT_GET_NEXT : NS_MNT_GET_PREV;
  const info = area("mount namespace facts", mountNamespaceInfoBytes);
  return call("ioctl", [namespace, request, info], `${direction} mount namespace`, {
    into,
    hints: {
      [ENOTTY]: "needs Linux 6.12",
      [EINVAL]: "not a mount namespace",
      [ENOENT]: "there is none that this process may see",
    },
  });
}

/** The uid that owns a user namespace. */
export function readOwner(namespace: Descriptor, into: Variable): Step[] {
  const answer = area("owner", 8);
  return [
    call("ioctl", [namespace, NS_GET_OWNER_UID, answer], "the namespace", {
      label: "NS_GET_OWNER_UID",
      hints: { [EINVAL]: "only user namespaces are owned by a uid" },
    }),
    load(into, answer, 0, 4),
  ];
}

/** The pid of a process, as this process sees it; with a PID namespace, as that one does. */
export function readPid(pidfd: Descriptor, namespace: Descriptor | undefined, into: Variable): Step[] {
  const facts = area("process facts", pidfdInfoBytes);
  const ask = namespace === undefined ? [] : [askPidIn(namespace, into)];
  return [
    store(facts, 0, 8, PIDFD_INFO_PID),
    call("ioctl", [pidfd, PIDFD_GET_INFO, facts], "the process", {
      label: "PIDFD_GET_INFO",
      hints: { [ENOTTY]: "needs Linux 6.13", [ESRCH]: "the process is gone" },
    }),
    // struct pidfd_info: mask, cgroupid, pid, tgid
    load(into, facts, 20, 4),
    when(into, "==", 0, [fail({ step: "PIDFD_GET_INFO", what: "it has no pid here", errno: ESRCH })]),
    ...ask,
  ];
}

function askPidIn(namespace: Descriptor, pid: Variable): Step {
  return call("ioctl", [namespace, NS_GET_TGID_IN_PIDNS, pid], "pid in the PID namespace", {
    into: pid,
    hints: {
      [ENOTTY]: "needs Linux 6.11, and a PID namespace",
      [EINVAL]: "needs a PID namespace",
      [ESRCH]: "it is not visible there",
    },
  });
}

/** Prints a number and a newline. */
export function printNumber(value: Variable): Step[] {
  const line = area("line", 32);
  const length = variable("length");
  return [compose(line, [value, "\n"], length), print(line, length)];
}

/** Prints what a namespace is called by readlink(1) of /proc/PID/ns: `net:[4026531840]`. */
export function printNamespace(namespace: Descriptor): Step[] {
  const line = area("line", 64);
  const length = variable("length");
  const inode = variable("inode");
  const kind = variable("kind");
  return [
    call("ioctl", [namespace, NS_GET_NSTYPE, 0], "the namespace", { into: kind, label: "NS_GET_NSTYPE" }),
    ...readFacts(namespace, "the namespace", STATX_INO, [["stx_ino", inode]]),
    folded("compose its name", [
      compose(line, ["?:[", inode, "]\n"], length),
      ...kindNames.map(([name, flag]) =>
        when(kind, "==", flag, [compose(line, [`${name}:[`, inode, "]\n"], length)]),
      ),
    ]),
    print(line, length),
  ];
}

/** A line is short enough to be written as a whole. */
function print(line: ReturnType<typeof area>, length: Value): Step {
  return group("print it", [call("write", [1, line, length], "stdout", { retry: true })]);
}
