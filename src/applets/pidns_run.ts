/**
 * Runs a command as the first process of a new PID and mount namespace: a light launcher, which enters other
 * namespaces but makes none. Once the root is foreign, nothing of it is opened but /proc, without following
 * symlinks, and nothing is loaded from it but the command.
 */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { capabilities } from "../cli/values/capability.ts";
import { namespaceEntry, resolveEntry } from "../cli/values/namespace.ts";
import { list, U32_MAX, unsigned } from "../cli/values/number.ts";
import { filterSource, propagation } from "../cli/values/process.ts";
import { path } from "../cli/values/text.ts";
import { variableValue } from "../plan/environment.ts";
import { defaultPath } from "../plan/exec.ts";
import { keepChildStatus } from "../plan/inherit.ts";
import { inChild } from "../plan/launch/child.ts";
import { filterFile } from "../plan/launch/files.ts";
import { enter, namespaceFlags } from "../plan/namespaces.ts";
import { openPipe, type Pipe } from "../plan/pipe.ts";
import { forwardAndWait, holdSignals } from "../plan/supervise.ts";
import { waitFor } from "../plan/wait.ts";
import {
  area,
  attempt,
  call,
  exit,
  fork,
  type Program,
  type Step,
  variable,
  when,
} from "../program/steps.ts";
import { MS_SLAVE, SIGCHLD } from "../sys/constants.ts";
import type { Given } from "../sys/given.ts";

const failure = 125;
const id = unsigned(U32_MAX - 1);

const spec = defineSpec({
  name: "pidns_run",
  summary: "run a command as the first process of a new PID and mount namespace",
  usage: "PROGRAM [ARG]...",
  options: {
    enter: {
      short: "e",
      long: "enter",
      metavar: "ENTRY",
      value: namespaceEntry,
      repeat: true,
      help: "enter existing namespaces first, as nsenter does",
    },
    root: {
      short: "r",
      long: "pivot-root",
      metavar: "DIR",
      value: path,
      help: "make DIR, a mount point, the root",
    },
    mountProc: { short: "t", long: "mount-proc", help: "mount a new proc on /proc" },
    propagation: {
      short: "R",
      long: "propagation",
      metavar: "KIND",
      value: propagation,
      default: "slave",
      help: "of all mounts: shared, slave, private or unchanged",
    },
    daemon: { short: "d", long: "daemon", help: "return as soon as the command runs" },
    setsid: { short: "s", long: "setsid", help: "start the command in a session of its own" },
    uid: { short: "S", long: "uid", metavar: "UID", value: id, help: "change to this uid" },
    gid: { short: "G", long: "gid", metavar: "GID", value: id, help: "change to this gid" },
    groups: { long: "groups", metavar: "LIST", value: list(id), help: "set the supplementary groups" },
    bounding: {
      short: "b",
      long: "bounding-caps",
      metavar: "CAPS",
      value: capabilities,
      help: "drop all others from the bounding set, and what is not inheritable",
    },
    noNewPrivs: { short: "D", long: "no-new-privs", help: "set no_new_privs" },
    seccomp: { long: "seccomp", metavar: "FILE|FD", value: filterSource, help: "install this BPF filter" },
  },
  operands: v.tupleWithRest([v.string()], v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  details: [
    {
      title: "Signals",
      lines: [
        "While it waits, each signal but those of job control is passed on to the command, which ignores what it",
        "has no handler for: it is the first process of its namespace. Its status is returned, 128 + n for signal n.",
      ],
    },
  ],
  examples: ["pidns_run -t ps ax", "pidns_run -e U//proc/4711 -r /srv/root -t /bin/sh"],
});

function inside({ options, operands }: Input<typeof spec>, given: Given) {
  const { uid, gid, groups, bounding, root, seccomp, propagation: chosen = MS_SLAVE } = options;
  return {
    noNewPrivileges: options.noNewPrivs,
    closeDescriptors: [],
    newSession: options.setsid || options.daemon,
    environment: given.environment,
    searchPath: variableValue(given.environment, "PATH") ?? defaultPath,
    ...(chosen === "unchanged" ? {} : { propagation: chosen }),
    entriesBefore: [],
    entriesAfter: [],
    newCgroupNamespace: false,
    privileges: {
      keepCapabilities: false,
      ...(groups === undefined ? {} : { groups }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(bounding === undefined ? {} : { bounding }),
    },
    ...(root === undefined ? {} : { root }),
    mountProc: options.mountProc,
    staysDumpable: false,
    clearCapabilities: bounding !== undefined,
    ...(seccomp === undefined ? {} : { filter: seccomp }),
    fork: { when: "never" },
    payload: { form: "search", words: operands },
  } as const;
}

/** Waits for the end of the start: the child closes its end when it executes, or writes to it when it cannot. */
function untilStarted(started: Pipe, pid: ReturnType<typeof variable>): Step[] {
  const bytes = variable("bytes");
  const status = variable("status");
  return [
    call("read", [started.read, area("message", 8), 1], "the start", { into: bytes, retry: true }),
    when(bytes, "!=", 0, [...waitFor(pid, "the command", status), exit(status)]),
    exit(0),
  ];
}

export function plan(input: Input<typeof spec>, given: Given): Program {
  const { options } = input;
  if (options.noNewPrivs && options.bounding !== undefined) {
    throw new UsageError(
      "--no-new-privs and --bounding-caps: the command would lose all capabilities for good",
    );
  }
  const started: Pipe = { read: variable("start.read"), write: variable("start.write") };
  const filter = filterFile(options.seccomp);
  const pid = variable("the command");
  const status = variable("status");
  const links = {
    closeOthers: [call("close", [started.read], "the start")],
    meet: [],
    closeBeforeFork: [],
    ...filter.links,
  };
  const tell = call("write", [started.write, "!", 1], "the start", { accept: "any" });
  return {
    applet: spec.name,
    failure,
    steps: [
      ...keepChildStatus(given),
      ...filter.open,
      ...options.enter.map((word) => enter(resolveEntry(word, given), word.text)),
      openPipe(started, "the start"),
      ...(options.daemon ? [] : [holdSignals()]),
      fork({
        call: "clone",
        args: [namespaceFlags(["p", "m"]) | SIGCHLD, 0, 0, 0, 0],
        what: "the first process",
        stage: "the first process",
        into: pid,
        failure,
        child: [attempt(inChild(inside(input, given), links, given), [tell], "fail")],
      }),
      call("close", [started.write], "the start"),
      ...(options.daemon
        ? untilStarted(started, pid)
        : [...forwardAndWait(pid, "the command", status, !options.setsid), exit(status)]),
    ],
  };
}

export default applet({ spec, plan });
