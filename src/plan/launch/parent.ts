/**
 * The launcher's side of a launch, while and after the container's first process prepares itself:
 *
 *     launcher                            child                       script
 *     lock, pipes, clone ---------------> first half (child.ts)
 *     <------- ready: 8 bytes ----------  waits
 *     limits, pid files, id maps
 *     clone, exec ------------------------------------------------->  prepares, exit 0
 *     -------- release: 1 byte -------->  second half, exec
 *     waits for its end of the ready pipe to close, or for the child
 *
 * The ready message is the number of the socket pair's host end in the child (0: none). A release byte of
 * `limitsLeft` asks the child to set its limits itself. After the release, a byte on the ready pipe means
 * that the child has failed; its end closing without one, that the program is executed.
 */

import {
  area,
  at,
  attempt,
  call,
  compose,
  exit,
  fail,
  fork,
  group,
  load,
  type Step,
  set,
  store,
  type Value,
  type Variable,
  variable,
  when,
} from "../../program/steps.ts";
import {
  AT_FDCWD,
  CLONE_INTO_CGROUP,
  CLONE_PIDFD,
  F_SETFD,
  LOCK_EX,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  SIGCHLD,
  SIGKILL,
} from "../../sys/constants.ts";
import { EPERM, EPIPE, ESRCH } from "../../sys/errno.ts";
import type { Given } from "../../sys/given.ts";
import { flatMap } from "../../sys/lists.ts";
import { clone_args } from "../../sys/structs.ts";
import { writeIdMaps } from "../id-maps.ts";
import { keepChildStatus } from "../inherit.ts";
import { setLimits } from "../limits.ts";
import { namespaceFlags } from "../namespaces.ts";
import { openPipe, openSocketPair, type Pipe } from "../pipe.ts";
import { restoreEffective } from "../privileges.ts";
import { openProcess } from "../proc.ts";
import { forwardAndWait, holdSignals } from "../supervise.ts";
import { reap, waitFor } from "../wait.ts";
import { type LaunchChannel, launchChannel } from "./channel.ts";
import { inChild, type Links } from "./child.ts";
import { executedFile, filterFile } from "./files.ts";
import type { Launch } from "./launch.ts";
import { becomeScript, runLaunchScript, type ScriptLinks } from "./script.ts";
import { tell } from "./status.ts";

/** Exit status after a failure of ours. */
export const launchFailure = 125;

const released = 1;
const limitsLeft = 2;
const messageBytes = 8;

/** What the launcher knows while it runs. Descriptors are close-on-exec and handed on by name. */
class Session {
  readonly pid = variable("child");
  readonly pidfd = variable("pidfd");
  readonly process = variable("process directory");
  readonly ready: Pipe = { read: variable("ready.read"), write: variable("ready.write") };
  readonly release: Pipe = { read: variable("release.read"), write: variable("release.write") };
  readonly lock = variable("lock");
  readonly log = variable("log");
  /** The socket pair's host end: its number in the child, and the descriptor here. */
  readonly socketInChild = variable("socket in the child");
  readonly socket = variable("socket");
  readonly releaseWord = variable("release word");
  readonly cgroup = variable("cgroup");
  readonly status = variable("status");
  /** Whether there is a child that is not reaped. */
  readonly childLives = variable("child lives");
}

/** The steps of the whole launch, from the lock to the exit status. */
export function launchSteps(launch: Launch, given: Given): Step[] {
  const session = new Session();
  const executed = executedFile(launch.inside.payload);
  const filter = filterFile(launch.inside.filter);
  const channel = planChannel(launch, session, given);
  const links = { ...childLinks(launch, session, executed.fd, channel), ...filter.links };
  return [
    ...keepChildStatus(given),
    ...(launch.inside.notify === undefined ? [] : [closeOnExec(launch.inside.notify)]),
    ...(launch.status === undefined ? [] : [closeOnExec(launch.status)]),
    ...executed.open,
    ...filter.open,
    ...openCgroup(launch.intoCgroup, session),
    ...(launch.lockFile === undefined ? [] : lock(launch.lockFile, session)),
    ...(launch.logFile === undefined ? [] : [openLog(launch.logFile, session)]),
    openPipe(session.ready, "the ready pipe"),
    openPipe(session.release, "the release pipe"),
    // Last: shells can write to no descriptor beyond 9, and a script may have to write to the release pipe.
    ...(channel?.open ?? []),
    ...asOwner(launch.ownerUid, [cloneChild(launch, session, links, given)]),
    set(session.childLives, 1),
    ...(launch.status === undefined ? [] : [tell(launch.status, "created", "pid", session.pid)]),
    attempt(prepare(launch, session, executed.fd, channel, given), endChild(session), "fail"),
    ...outcome(launch, session, channel),
  ];
}

function planChannel(launch: Launch, session: Session, given: Given): LaunchChannel | undefined {
  if (launch.channel === undefined) return undefined;
  const options = { toScript: launch.script?.replacesLauncher ?? false, ownerUid: launch.ownerUid };
  return launchChannel(launch.channel, options, session.pid, session.status, given);
}

function close(fd: Value, what: string): Step {
  return call("close", [fd], what);
}

function closeOnExec(fd: number): Step {
  return call("fcntl", [fd, F_SETFD, 1], `descriptor ${fd}`);
}

function lock(path: string, { lock }: Session): Step[] {
  const flags = O_RDWR | O_CREAT | O_CLOEXEC;
  return [
    call("openat", [AT_FDCWD, path, flags, 0o600], path, { into: lock }),
    call("flock", [lock, LOCK_EX], path, { retry: true }),
  ];
}

function openLog(path: string, { log }: Session): Step {
  const flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  return call("openat", [AT_FDCWD, path, flags, 0o600], path, { into: log });
}

/** Runs steps with another effective uid, all permitted capabilities effective as before. */
function asOwner(owner: number | undefined, steps: readonly Step[]): Step[] {
  if (owner === undefined) return [...steps];
  const before = variable("effective uid");
  return [
    call("geteuid", [], "the effective uid", { into: before }),
    call("setresuid", [-1, owner, -1], `owner uid ${owner}`),
    restoreEffective(),
    ...steps,
    call("setresuid", [-1, before, -1], "the effective uid"),
  ];
}

function openCgroup(path: string | undefined, { cgroup }: Session): Step[] {
  if (path === undefined) return [];
  return [call("openat", [AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC], path, { into: cgroup })];
}

function cloneChild(launch: Launch, session: Session, links: Links, given: Given): Step {
  const pidfd = needsPidfd(launch) ? CLONE_PIDFD : 0;
  const flags = namespaceFlags(launch.namespaces) | pidfd;
  const tellFailure = call("write", [session.ready.write, "!", 1], "the launcher", { accept: "any" });
  const shared = {
    what: "the first process",
    stage: "the container's first process",
    into: session.pid,
    child: [attempt(inChild(launch.inside, links, given), [tellFailure], "fail")],
    failure: launchFailure,
  };
  const pidfdAt = pidfd ? at(session.pidfd) : 0;
  const { setTid, intoCgroup } = launch;
  if (setTid.length === 0 && intoCgroup === undefined) {
    return fork({ ...shared, call: "clone", args: [flags | SIGCHLD, 0, pidfdAt, 0, 0] });
  }
  const arguments_ = area("clone arguments", clone_args.size);
  const tids = new Uint8Array(new Uint32Array(setTid).buffer);
  const chosen =
    setTid.length === 0
      ? []
      : [
          store(arguments_, clone_args.offset("set_tid"), 8, tids),
          store(arguments_, clone_args.offset("set_tid_size"), 8, setTid.length),
        ];
  const born =
    intoCgroup === undefined ? [] : [store(arguments_, clone_args.offset("cgroup"), 8, session.cgroup)];
  return group("clone with more arguments", [
    store(
      arguments_,
      clone_args.offset("flags"),
      8,
      BigInt(flags) | BigInt(intoCgroup ? CLONE_INTO_CGROUP : 0),
    ),
    store(arguments_, clone_args.offset("pidfd"), 8, pidfdAt),
    store(arguments_, clone_args.offset("exit_signal"), 8, SIGCHLD),
    ...chosen,
    ...born,
    fork({ ...shared, call: "clone3", args: [arguments_, clone_args.size] }),
  ]);
}

function needsPidfd(launch: Launch): boolean {
  return launch.pidfd || launch.socketType !== undefined;
}

function childLinks(
  launch: Launch,
  session: Session,
  executed: number | Variable | undefined,
  channel: LaunchChannel | undefined,
): Links {
  const socket = variable("program's socket");
  const { script, socketType } = launch;
  return {
    closeOthers: [
      close(session.ready.read, "the ready pipe"),
      close(session.release.write, "the release pipe"),
      ...(launch.lockFile === undefined ? [] : [close(session.lock, launch.lockFile)]),
      ...(channel?.leave ?? []),
    ],
    meet: [
      ...(socketType === undefined ? [] : [socketPair(socketType, session.socketInChild, socket)]),
      ...awaitRelease(session, script?.replacesLauncher ?? false),
      ...(socketType === undefined ? [] : [close(session.socketInChild, "the socket pair")]),
      ...(launch.limits.length === 0 || script?.replacesLauncher
        ? []
        : [when(session.releaseWord, "==", limitsLeft, setLimits(0, launch.limits))]),
    ],
    closeBeforeFork: [close(session.ready.write, "the ready pipe")],
    ...(launch.logFile === undefined ? {} : { log: session.log }),
    ...(channel === undefined ? {} : { channel }),
    ...(socketType === undefined ? {} : { socket }),
    ...(executed === undefined ? {} : { executed }),
  };
}

/** Made by the child: a socket belongs to the network namespace of its maker, which must not be the host's. */
function socketPair(type: number, host: Variable, program: Variable): Step {
  return openSocketPair(type, [host, program], "the socket pair");
}

function awaitRelease(session: Session, byScript: boolean): Step[] {
  const message = area("message", messageBytes);
  const bytes = variable("bytes");
  return [
    store(message, 0, 8, session.socketInChild),
    call("write", [session.ready.write, message, messageBytes], "the ready pipe"),
    call("read", [session.release.read, message, 1], "the release pipe", { into: bytes, retry: true }),
    when(bytes, "==", 0, [
      byScript
        ? fail({ step: "release", what: "the script has ended without releasing the program" })
        : // The launcher has said why, or cannot any more.
          exit(launchFailure),
    ]),
    load(session.releaseWord, message, 0, 1),
    close(session.release.read, "the release pipe"),
  ];
}

/** Everything between the clone and the release. */
function prepare(
  launch: Launch,
  session: Session,
  executed: number | Variable | undefined,
  channel: LaunchChannel | undefined,
  given: Given,
): Step[] {
  const { script, socketType } = launch;
  const needsProcess = script !== undefined || launch.denySetgroups || launch.uidMap || launch.gidMap;
  const links = scriptLinks(launch, session, executed, channel);
  return [
    close(session.ready.write, "the ready pipe"),
    close(session.release.read, "the release pipe"),
    ...(needsProcess ? [openProcess(session.pid, session.process)] : []),
    ...awaitReady(session),
    ...(socketType === undefined
      ? []
      : [
          call("pidfd_getfd", [session.pidfd, session.socketInChild, 0], "the socket pair", {
            into: session.socket,
          }),
        ]),
    ...(launch.emptyFile === undefined ? [] : checkEmpty(launch.emptyFile)),
    set(session.releaseWord, released),
    ...setLimits(session.pid, launch.limits, script?.replacesLauncher ? [] : [EPERM], [
      set(session.releaseWord, limitsLeft),
    ]),
    ...flatMap(launch.pidFiles, (path) => writePid(path, session.pid)),
    ...writeIdMaps(session.process, launch),
    ...(channel?.settle ?? []),
    ...(script === undefined
      ? []
      : script.replacesLauncher
        ? becomeScript(launch, script, links, given)
        : runLaunchScript(launch, script, links, given)),
    ...(channel?.prepare ?? []),
    ...(launch.forwardSignals ? [holdSignals()] : []),
    ...release(session),
  ];
}

function scriptLinks(
  launch: Launch,
  session: Session,
  executed: number | Variable | undefined,
  channel: LaunchChannel | undefined,
): ScriptLinks {
  return {
    pid: session.pid,
    process: session.process,
    release: session.release.write,
    ...(launch.socketType === undefined ? {} : { socket: session.socket }),
    ...(launch.pidfd ? { pidfd: session.pidfd } : {}),
    ...(channel && launch.script?.replacesLauncher ? { near: channel.channel.near } : {}),
    ...(launch.lockFile === undefined ? {} : { lock: session.lock }),
    ...(executed === undefined ? {} : { executed }),
  };
}

function awaitReady(session: Session): Step[] {
  const message = area("message", messageBytes);
  const bytes = variable("bytes");
  return [
    call("read", [session.ready.read, message, messageBytes], "the ready pipe", { into: bytes, retry: true }),
    when(bytes, "!=", messageBytes, childHasEnded(session)),
    load(session.socketInChild, message, 0, 8),
  ];
}

/** The child has closed its end of a pipe too early: it has said why, unless it was killed. */
function childHasEnded(session: Session): Step[] {
  const status = variable("status");
  const signal = variable("signal");
  return [
    ...waitFor(session.pid, "the first process", status, signal),
    set(session.childLives, 0),
    when(signal, "!=", 0, [fail({ step: "first process", what: "it was killed before it was released" })]),
    fail({ step: "first process", what: "it has said why it failed", status, silent: true }),
  ];
}

function checkEmpty(path: string): Step[] {
  const file = variable("file");
  const bytes = variable("bytes");
  const buffer = area("byte", 8);
  return [
    // A cgroup that is gone answers ESRCH: there is nobody in it.
    call("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC], path, { into: file, accept: [ESRCH] }),
    when(file, ">=", 0, [
      call("read", [file, buffer, 1], path, { into: bytes, retry: true }),
      when(bytes, "!=", 0, [fail({ step: "emptyfile", what: `${path} is not empty` })]),
      close(file, path),
    ]),
  ];
}

/** Files that exist in every cgroup: where one of these is missing the path is wrong, and is not made. */
const cgroupFiles = new Set(["cgroup.procs", "cgroup.threads", "tasks"]);

function writePid(path: string, pid: Variable): Step[] {
  const file = variable("file");
  const text = area("pid", 24);
  const length = variable("length");
  const create = cgroupFiles.has(path.slice(path.lastIndexOf("/") + 1)) ? 0 : O_CREAT;
  return [
    call("openat", [AT_FDCWD, path, O_WRONLY | O_TRUNC | O_CLOEXEC | create, 0o666], path, { into: file }),
    compose(text, [pid], length),
    call("write", [file, text, length], path),
    close(file, path),
  ];
}

function release(session: Session): Step[] {
  const written = variable("written");
  return [
    call("write", [session.release.write, at(session.releaseWord), 1], "the release pipe", {
      label: "release",
      into: written,
      accept: [EPIPE],
    }),
    when(written, "<", 0, childHasEnded(session)),
    // The program may run by now: nothing after this may end the launch.
    call("close", [session.release.write], "the release pipe", { accept: "any" }),
  ];
}

/** Undoes the clone. The child has executed nothing: it is not released. */
function endChild(session: Session): Step[] {
  return [
    when(session.childLives, "!=", 0, [
      call("kill", [session.pid, SIGKILL], "the first process", { accept: "any" }),
      reap(session.pid, "the first process"),
    ]),
  ];
}

function outcome(launch: Launch, session: Session, channel: LaunchChannel | undefined): Step[] {
  const { status: listener } = launch;
  const { status } = session;
  const bytes = variable("bytes");
  const message = area("message", 8);
  const started = call("read", [session.ready.read, message, 1], "the ready pipe", {
    into: bytes,
    retry: true,
  });
  const running = listener === undefined ? [] : [when(bytes, "==", 0, [tell(listener, "running")])];
  const what = "the first process";
  const wait =
    channel?.run ??
    (launch.forwardSignals
      ? forwardAndWait(session.pid, what, status, !launch.inside.newSession)
      : waitFor(session.pid, what, status));
  if (launch.wait) {
    return [
      // The terminal stays as it is until the program is there to use it.
      ...(listener === undefined && channel === undefined ? [] : [started, ...running]),
      ...wait,
      ...(listener === undefined ? [] : [tell(listener, "exited", "status", status)]),
      exit(status),
    ];
  }
  return [
    started,
    ...running,
    when(bytes, "==", 0, [exit(0)]),
    ...wait,
    // With --fork-daemon it is the second process that has failed.
    when(status, "==", 0, [exit(launchFailure)]),
    exit(status),
  ];
}
