/**
 * The container's first process: what it does from its birth to the program. All of it runs in the new
 * namespaces; from the moment it waits to be released, the order of the steps is the original's.
 */

import {
  type Area,
  call,
  exit,
  type Step,
  type Value,
  type Variable,
  variable,
  vector,
  when,
} from "../../program/steps.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_NEWCGROUP,
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  F_SETFD,
  FD_CLOEXEC,
  O_CLOEXEC,
  O_RDWR,
  PR_SET_DUMPABLE,
  PR_SET_THP_DISABLE,
  PR_SET_TIMERSLACK,
  SEEK_SET,
  SIGCHLD,
} from "../../sys/constants.ts";
import { EPERM } from "../../sys/errno.ts";
import type { Given } from "../../sys/given.ts";
import { flatMap, map } from "../../sys/lists.ts";
import { installEnds } from "../channel.ts";
import { withoutVariables } from "../environment.ts";
import { exec, notExecuted } from "../exec.ts";
import { keepChildStatus, restoreChildStatus, restoreInherited } from "../inherit.ts";
import { changePropagation, setHostname } from "../namespace-settings.ts";
import { enter } from "../namespaces.ts";
import { changePrivileges, clearCapabilities, noNewPrivileges } from "../privileges.ts";
import { mountProc } from "../proc.ts";
import { pivotRoot } from "../root.ts";
import { installFilter } from "../seccomp.ts";
import { numberText } from "../text.ts";
import { waitForLast } from "../wait.ts";
import type { LaunchChannel } from "./channel.ts";
import { type Inside, launcherVariables } from "./launch.ts";

/** Descriptors that the child has from the launcher, and how the two wait for each other. */
export interface Links {
  /** Close what only the launcher needs; runs first. */
  readonly closeOthers: readonly Step[];
  /** Tell the launcher that the first half is done and wait for its word. */
  readonly meet: readonly Step[];
  /** Close-on-exec descriptors to write to and close before a second fork, so that the launcher sees its end. */
  readonly closeBeforeFork: readonly Step[];
  /** The log file, if there is one. */
  readonly log?: Variable;
  /** Terminal or pipes for the program. */
  readonly channel?: LaunchChannel;
  /** The program's end of a socket pair. */
  readonly socket?: Variable;
  /** The seccomp filter to install. */
  readonly filter?: { readonly fd: number | Variable; readonly what: string };
  /** The file to execute, if it is executed by descriptor. */
  readonly executed?: number | Variable;
}

/** The steps of the first process. */
export function inChild(inside: Inside, links: Links, given: Given): Step[] {
  const environment = programEnvironment(inside, links);
  const nothing = variable("/dev/null");
  // A log takes the place of the program's output, terminal or not.
  const ends =
    links.channel && !links.log ? installEnds(links.channel.channel.far) : { install: [], undo: [] };
  const filter = links.filter === undefined ? [] : [installFilter(links.filter.fd, links.filter.what)];
  const steps: Step[] = [
    ...(inside.hostname === undefined ? [] : [setHostname(inside.hostname)]),
    ...links.closeOthers,
    ...restoreInherited(given),
    ...(inside.noNewPrivileges ? [noNewPrivileges()] : []),
    ...map(inside.closeDescriptors, (fd) => call("close", [fd], `descriptor ${fd}`)),
    // A process group leader cannot make a session, and needs none of its own.
    ...(inside.newSession ? [call("setsid", [], "a new session", { accept: [EPERM] })] : []),
    ...(inside.propagation === undefined ? [] : [changePropagation(inside.propagation)]),
    ...(links.log
      ? [call("openat", [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC], "/dev/null", { into: nothing })]
      : []),
    ...map(inside.entriesBefore, ({ entry, text }) => enter(entry, text)),
    ...links.meet,
    ...(inside.fork.when === "early" ? lastFork(inside, links, given) : []),
    ...(inside.newCgroupNamespace ? [call("unshare", [CLONE_NEWCGROUP], "a new cgroup namespace")] : []),
    ...sealExecuted(inside, links),
    ...changePrivileges(inside.privileges),
    ...processAttributes(inside),
    ...(links.log ? [onto(nothing, 0)] : []),
    ...changeRoot(inside),
    ...map(inside.entriesAfter, ({ entry, text }) => enter(entry, text)),
    ...(links.channel && inside.newSession ? links.channel.acquire : []),
    ...(inside.staysDumpable ? [] : [notDumpable()]),
    ...(inside.noNewPrivileges ? [] : filter),
    ...(inside.clearCapabilities ? [clearCapabilities()] : []),
    ...(links.log ? [onto(links.log, 1), onto(links.log, 2)] : []),
    ...notify(inside.notify),
  ];
  return [
    ...steps,
    ...(inside.fork.when === "late" ? lastFork(inside, links, given) : []),
    ...environment.steps,
    ...ends.install,
    // As late as possible, so that the filter need not allow what we do; without no_new_privs it takes a capability.
    ...(inside.noNewPrivileges ? filter : []),
    ...execute(inside, links, environment.entries, ends.undo),
  ];
}

function onto(fd: Variable, target: number): Step {
  return call("dup3", [fd, target, 0], `descriptor ${target}`);
}

function notDumpable(): Step {
  return call("prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0], "dumpable");
}

/** A memfd that the script has filled must not change while it is executed. */
function sealExecuted(inside: Inside, links: Links): Step[] {
  const { payload } = inside;
  if (payload.form !== "descriptor" || links.executed === undefined) return [];
  const fd = links.executed;
  const seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  return [
    ...(payload.source === "memfd"
      ? [
          call("fcntl", [fd, F_ADD_SEALS, seals], "the file to execute", { label: "F_ADD_SEALS" }),
          call("lseek", [fd, 0, SEEK_SET], "the file to execute"),
        ]
      : []),
    call("fcntl", [fd, F_SETFD, payload.inheritable ? 0 : FD_CLOEXEC], "the file to execute"),
  ];
}

function processAttributes(inside: Inside): Step[] {
  const { thpDisable, timerSlack } = inside;
  return [
    ...(thpDisable === undefined
      ? []
      : [call("prctl", [PR_SET_THP_DISABLE, thpDisable ? 1 : 0, 0, 0, 0], "transparent huge pages")]),
    ...(timerSlack === undefined
      ? []
      : [call("prctl", [PR_SET_TIMERSLACK, timerSlack, 0, 0, 0], "the timer slack")]),
  ];
}

function changeRoot(inside: Inside): Step[] {
  const { root } = inside;
  const proc = inside.mountProc ? [mountProc()] : [];
  if (root === undefined) return proc;
  return [...(inside.staysDumpable ? [] : [notDumpable()]), pivotRoot(root, proc)];
}

function notify(fd: number | undefined): Step[] {
  if (fd === undefined) return [];
  const what = `descriptor ${fd}`;
  return [call("write", [fd, ":", 1], what, { label: "write notify_fd" }), call("close", [fd], what)];
}

/** `--fork`: this process waits for the one that goes on, and reaps what else becomes its child. */
function lastFork(inside: Inside, links: Links, given: Given): Step[] {
  const { fork } = inside;
  if (fork.when === "never") return [];
  const pid = variable("pid");
  const status = variable("status");
  const rest = variable("rest");
  return [
    ...keepChildStatus(given),
    call("clone", [SIGCHLD, 0, 0, 0, 0], "one more process", { into: pid }),
    when(pid, "!=", 0, [
      ...links.closeBeforeFork,
      ...(fork.when === "early" && inside.clearCapabilities ? [clearCapabilities()] : []),
      ...(fork.first === "exits" ? [exit(0)] : [...waitForLast(pid, rest, status), exit(status)]),
    ]),
    ...restoreChildStatus(given),
  ];
}

interface Environment {
  readonly steps: readonly Step[];
  readonly entries: readonly (string | Area)[];
}

/** The program's environment; entries with a number that only this run knows are composed. */
function programEnvironment(inside: Inside, links: Links): Environment {
  const { payload } = inside;
  const tellsExecuted = payload.form === "descriptor" && payload.inheritable && links.executed !== undefined;
  const numbers = [
    ...(links.socket ? [numberText(`${launcherVariables.socket}=`, links.socket)] : []),
    ...(tellsExecuted ? [numberText(`${launcherVariables.executed}=`, links.executed)] : []),
  ];
  return {
    entries: [
      ...withoutVariables(inside.environment, Object.values(launcherVariables)),
      ...map(numbers, ({ text }) => text),
    ],
    steps: [
      ...(links.socket ? [call("fcntl", [links.socket, F_SETFD, 0], "the socket pair")] : []),
      ...flatMap(numbers, ({ steps }) => steps),
    ],
  };
}

function execute(
  inside: Inside,
  links: Links,
  environment: readonly (string | Area)[],
  beforeFailure: readonly Step[],
): Step[] {
  const { payload, searchPath } = inside;
  switch (payload.form) {
    case "none":
      return [exit(0)];
    case "search":
      return exec({ file: payload.words[0], argv: payload.words, environment, searchPath, beforeFailure });
    case "path":
      return executeWith(
        "execve",
        payload.path,
        [payload.path, vector(payload.words), vector(environment)],
        beforeFailure,
      );
    case "descriptor":
      return executeWith(
        "execveat",
        payload.words[0] ?? "",
        [links.executed ?? 0, "", vector(payload.words), vector(environment), AT_EMPTY_PATH],
        beforeFailure,
      );
  }
}

function executeWith(
  name: "execve" | "execveat",
  what: string,
  args: readonly Value[],
  beforeFailure: readonly Step[],
): Step[] {
  const error = variable("error");
  return [
    call(name, args, what, { into: error, accept: "any" }),
    ...beforeFailure,
    ...notExecuted(name, what, error),
  ];
}
