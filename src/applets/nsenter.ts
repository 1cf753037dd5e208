/** Executes a program in existing namespaces, named in the launcher's ENTRY language: setns(2). */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { namespaceEntry, resolveEntry } from "../cli/values/namespace.ts";
import { list, U32_MAX, unsigned } from "../cli/values/number.ts";
import { path } from "../cli/values/text.ts";
import { exec, execution } from "../plan/exec.ts";
import { keepChildStatus, restoreChildStatus, restoreInherited } from "../plan/inherit.ts";
import { enter } from "../plan/namespaces.ts";
import { changePrivileges, noNewPrivileges } from "../plan/privileges.ts";
import { waitFor } from "../plan/wait.ts";
import { call, exit, type Program, type Step, variable, when } from "../program/steps.ts";
import { SIGCHLD } from "../sys/constants.ts";
import type { Given } from "../sys/given.ts";

const id = unsigned(U32_MAX - 1);

const spec = defineSpec({
  name: "nsenter",
  summary: "execute a program in existing namespaces",
  usage: "PROGRAM [ARG]...",
  options: {
    enter: {
      short: "e",
      long: "enter",
      metavar: "ENTRY",
      value: namespaceEntry,
      repeat: true,
      help: "enter these namespaces; several in their order",
    },
    fork: { short: "f", long: "fork", help: "execute in a child and wait; so it is after a PID namespace" },
    noFork: { short: "F", long: "no-fork", help: "execute in this process, also after a PID namespace" },
    uid: { short: "S", long: "uid", metavar: "UID", value: id, help: "change to this uid" },
    gid: { short: "G", long: "gid", metavar: "GID", value: id, help: "change to this gid" },
    groups: { long: "groups", metavar: "LIST", value: list(id), help: "set the supplementary groups" },
    chdir: { short: "C", long: "chdir", metavar: "DIR", value: path, help: "start in DIR, as found there" },
    noNewPrivs: { short: "D", long: "no-new-privs", help: "set no_new_privs" },
  },
  operands: v.tupleWithRest([v.string()], v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  details: [
    {
      title: "ENTRY",
      lines: [
        "Letters of namespaces (C cgroup, i ipc, m mount, n net, p pid, T time, U user, u uts), then one of",
        "  :FD         an open descriptor, of a namespace (one letter or none) or a pidfd (any letters)",
        "  -VARIABLE   the descriptor whose number is in a variable; X among the letters closes it afterwards",
        "  =FILE       a namespace's file",
        "  //proc/PID  the chosen namespaces of a process",
      ],
    },
  ],
  examples: [
    "nsenter -e Um//proc/4711 sh",
    "nsenter -e n=/run/netns/blue ip address",
    "nsenter -e mnp:7 ps 7<...",
  ],
});

/** A PID namespace is entered only by children. */
function forks({ options }: Input<typeof spec>): boolean {
  if (options.noFork) return false;
  return options.fork || options.enter.some(({ kinds }) => kinds.includes("p"));
}

function childAndWait(given: Given): Step[] {
  const pid = variable("child");
  const status = variable("status");
  return [
    ...keepChildStatus(given),
    call("clone", [SIGCHLD, 0, 0, 0, 0], "the child", { into: pid }),
    when(pid, "!=", 0, [...waitFor(pid, "the child", status), exit(status)]),
    ...restoreChildStatus(given),
  ];
}

export function plan(input: Input<typeof spec>, given: Given): Program {
  const { options, operands } = input;
  const { uid, gid, groups, chdir } = options;
  if (options.enter.length === 0) throw new UsageError("no --enter: nothing to enter");
  if (options.fork && options.noFork) throw new UsageError("--fork and --no-fork exclude each other");
  const changesIds = uid !== undefined || gid !== undefined || groups !== undefined;
  return {
    applet: spec.name,
    failure: 125,
    steps: [
      ...options.enter.map((word) => enter(resolveEntry(word, given), word.text)),
      ...(forks(input) ? childAndWait(given) : []),
      ...(chdir === undefined ? [] : [call("chdir", [chdir], chdir)]),
      ...restoreInherited(given),
      ...(changesIds
        ? changePrivileges({
            keepCapabilities: false,
            ...(uid === undefined ? {} : { uid }),
            ...(gid === undefined ? {} : { gid }),
            ...(groups === undefined ? {} : { groups }),
          })
        : []),
      ...(options.noNewPrivs ? [noNewPrivileges()] : []),
      ...exec(execution(operands, given.environment)),
    ],
  };
}

export default applet({ spec, plan });
