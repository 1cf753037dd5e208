/**
 * `ppid_check`: sets up signals, the parent-death signal and other attributes that an exec keeps, and
 * executes a program. The parent is verified once the signal is armed: an end before that is noticed by the
 * check, a later one triggers the signal.
 */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { quote, UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { descriptor, resolveDescriptor, takenVariables } from "../cli/values/descriptor.ts";
import { I32_MAX, U32_MAX, unsigned } from "../cli/values/number.ts";
import { type Reader, readBy, reader } from "../cli/values/reader.ts";
import { signal, signals } from "../cli/values/signal.ts";
import { variableName } from "../cli/values/text.ts";
import { withoutVariables } from "../plan/environment.ts";
import { exec, execution } from "../plan/exec.ts";
import { keepChildStatus, restoreInherited, setAction } from "../plan/inherit.ts";
import { checkParent, type Parent, readParent, sameParent } from "../plan/parent.ts";
import { noNewPrivileges } from "../plan/privileges.ts";
import { numberText } from "../plan/text.ts";
import { waitFor } from "../plan/wait.ts";
import {
  attempt,
  call,
  exit,
  fork,
  group,
  type Program,
  type Step,
  type Variable,
  variable,
} from "../program/steps.ts";
import {
  ITIMER_REAL,
  PR_SET_CHILD_SUBREAPER,
  PR_SET_PDEATHSIG,
  SIG_DFL,
  SIGCHLD,
  SIGKILL,
  SIGSTOP,
} from "../sys/constants.ts";
import { EPERM } from "../sys/errno.ts";
import type { Given } from "../sys/given.ts";
import { itimerval } from "../sys/structs.ts";

/** What the original takes, so that scripts find the same limit. */
const prefixBytes = 249;

const STDERR = 2;
const everySignal = 0xffff_ffff_ffff_ffffn;
/** SIGKILL and SIGSTOP, as a set. */
const fixedSignals = (1n << BigInt(SIGKILL - 1)) | (1n << BigInt(SIGSTOP - 1));
const leaderHint = { [EPERM]: "this process leads its process group: --fork makes one that does not" };

const changeableSignals: Reader<readonly number[]> = reader((text) => {
  const list = readBy(signals, text);
  if (list.includes(SIGKILL)) throw new UsageError("SIGKILL cannot be blocked or ignored");
  if (list.includes(SIGSTOP)) throw new UsageError("SIGSTOP cannot be blocked or ignored");
  return list;
});

const parentPid: Reader<number> = reader((text) => {
  const pid = readBy(unsigned(I32_MAX), text);
  if (pid === 0) throw new UsageError("0 is any parent outside of the pid namespace: --parent-outside");
  return pid;
});

const prefix: Reader<string> = reader((text) => {
  if (text.length > prefixBytes) throw new UsageError(`${quote(text)} is longer than ${prefixBytes} bytes`);
  return text === "" ? text : readBy(variableName, text);
});

export const spec = defineSpec({
  name: "ppid_check",
  summary: "set up signals, parent-death signal and the like, then execute PROGRAM",
  usage: "PROGRAM [ARG]...",
  options: {
    block: {
      short: "b",
      long: "block",
      metavar: "SIGNALS",
      value: changeableSignals,
      repeat: true,
      help: "block these signals",
    },
    unblock: {
      short: "u",
      long: "unblock",
      metavar: "SIGNALS",
      value: changeableSignals,
      repeat: true,
      help: "unblock them",
    },
    ignore: {
      short: "i",
      long: "ignore",
      metavar: "SIGNALS",
      value: changeableSignals,
      repeat: true,
      help: "ignore them",
    },
    default: {
      short: "D",
      long: "default",
      metavar: "SIGNALS",
      value: changeableSignals,
      repeat: true,
      help: "give them their default action",
    },
    subreaper: { short: "r", long: "child-subreaper", help: "adopt the orphans among all descendants" },
    deathSignal: {
      short: "d",
      long: "parent-death-signal",
      metavar: "SIGNAL",
      value: signal,
      help: "get this signal when the parent ends",
      default: "none",
    },
    parent: {
      short: "p",
      long: "parent",
      metavar: "PID",
      value: parentPid,
      help: "fail unless this is the parent",
      default: "not checked; with -d, the parent at the start",
    },
    parentPidfd: {
      long: "parent-pidfd",
      metavar: "FD",
      value: descriptor,
      help: "fail unless the parent is the process of this pidfd (N, /NAME or :NAME): Linux 6.9",
      default: "not checked",
      added: true,
    },
    parentOutside: {
      long: "parent-outside",
      help: "fail unless the parent is outside of the pid namespace",
      added: true,
    },
    noNewPrivileges: { short: "n", long: "no-new-privs", help: "set no_new_privs" },
    alarm: {
      short: "a",
      long: "alarm",
      metavar: "SECONDS",
      value: unsigned(U32_MAX),
      help: "get SIGALRM after this time; 0 cancels one that is pending",
      default: "as it is",
    },
    session: { short: "s", long: "setsid", help: "become the leader of a new session" },
    fork: {
      long: "fork",
      help: "execute PROGRAM in a child process and wait for it, so that -s works for a group leader",
      added: true,
    },
    variables: {
      short: "e",
      long: "env",
      metavar: "PREFIX",
      value: prefix,
      help: "set PREFIX_PID and PREFIX_PPID to the pids of PROGRAM and its parent",
    },
  },
  operands: v.tupleWithRest([v.string()], v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  details: [
    {
      title: "Signals",
      lines: [
        "SIGNALS are one or several, separated by commas: hup, SIGHUP, 1, rtmin+3; or all. Where one option",
        "says all and its opposite names some, the named ones are exempt.",
      ],
    },
  ],
  examples: [
    "ppid_check -d term -p $$ helper",
    "ppid_check --block all --unblock term,int --setsid --fork server",
    "ppid_check --default all --unblock all PROGRAM",
  ],
});

type Options = Input<typeof spec>["options"];

/** A set of signals: bit n-1 is signal n. */
type Signals = bigint;

function setOf(lists: readonly (readonly number[])[]): Signals {
  return lists.flat().reduce((set, number) => set | (1n << BigInt(number - 1)), 0n);
}

function numbersOf(set: Signals): number[] {
  return Array.from({ length: 64 }, (_, index) => index + 1).filter((n) => (set >> BigInt(n - 1)) & 1n);
}

/**
 * What two opposite options ask for, of which the second undoes the first. One that covers all signals gives
 * way to what the other names; a signal that both name is a contradiction.
 */
function opposites(options: Options, doing: "block" | "ignore", undoing: "unblock" | "default") {
  const all = setOf([readBy(signals, "all")]);
  const [done, undone] = [setOf(options[doing]), setOf(options[undoing])];
  const [doneIsAll, undoneIsAll] = [(done & all) === all, (undone & all) === all];
  const [both] = numbersOf(done & undone);
  if (both !== undefined && doneIsAll === undoneIsAll) {
    throw new UsageError(`--${doing} and --${undoing} both have signal ${both}`);
  }
  // Undoing all leaves nothing, not even of the C library's own signals.
  if (undoneIsAll) return { done, undone: everySignal & ~done };
  return { done: done & ~undone, undone };
}

/** Signal actions and mask as PROGRAM is to find them. */
function setSignals(options: Options, given: Given): Step[] {
  const { done: block, undone: unblock } = opposites(options, "block", "unblock");
  const { done: ignore, undone: reset } = opposites(options, "ignore", "default");
  return [
    ...numbersOf(reset & ~fixedSignals).map((number) => setAction(number, SIG_DFL)),
    ...restoreInherited({
      nofile: given.nofile,
      raised: given.raised,
      ignoredSignals: (given.ignoredSignals & ~reset) | ignore,
      blockedSignals: (given.blockedSignals & ~unblock) | block,
    }),
  ];
}

function expectedParent({ parent, parentPidfd, parentOutside }: Options, given: Given): Parent | undefined {
  const count = [parent !== undefined, parentPidfd !== undefined, parentOutside].filter(Boolean).length;
  if (count > 1) throw new UsageError("-p, --parent-pidfd and --parent-outside exclude each other");
  if (parent !== undefined) return { form: "pid", pid: parent };
  if (parentPidfd !== undefined) return { form: "pidfd", fd: resolveDescriptor(parentPidfd, given) };
  return parentOutside ? { form: "outside" } : undefined;
}

/** A parent that has to be another fails at once: nothing needs to have been changed for that. */
function checkNow(options: Options, given: Given, parent: Variable): Step[] {
  const expected = expectedParent(options, given);
  if (!expected) return options.deathSignal === undefined ? [] : [readParent(parent)];
  const used = expected.form === "pidfd" && options.parentPidfd?.form === "take" && expected.fd > STDERR;
  return [
    readParent(parent),
    ...checkParent(expected, parent),
    ...(used ? [call("close", [expected.fd], `descriptor ${expected.fd}`)] : []),
  ];
}

/** From here on the end of the parent cannot go unnoticed. */
function watchParent(signalNumber: number, parent: Variable): Step {
  return group("get a signal when the parent ends", [
    call("prctl", [PR_SET_PDEATHSIG, signalNumber, 0, 0, 0], "the parent-death signal"),
    ...sameParent(parent),
  ]);
}

/** alarm(2), which aarch64 does not have. */
function alarm(seconds: number): Step {
  const timer = itimerval.pack({ "it_value.tv_sec": seconds });
  return call("setitimer", [ITIMER_REAL, timer, 0], "the alarm");
}

/** Everything that PROGRAM is to find, in the process that executes it; `parent` has its parent's pid. */
function prepare(options: Options, given: Given, parent: Variable): Step[] {
  const { subreaper, deathSignal, alarm: seconds, session } = options;
  return [
    ...setSignals(options, given),
    ...(subreaper ? [call("prctl", [PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0], "the child subreaper")] : []),
    ...(deathSignal === undefined ? [] : [watchParent(deathSignal, parent)]),
    ...(options.noNewPrivileges ? [noNewPrivileges()] : []),
    ...(seconds === undefined ? [] : [alarm(seconds)]),
    ...(session ? [call("setsid", [], "a new session", { hints: leaderHint })] : []),
  ];
}

function execute({ options, operands }: Input<typeof spec>, given: Given): Step[] {
  const taken = takenVariables(options.parentPidfd ? [options.parentPidfd] : []);
  const environment = withoutVariables(given.environment, taken);
  if (options.variables === undefined) return exec(execution(operands, environment));
  const names = [`${options.variables}_PID`, `${options.variables}_PPID`] as const;
  const [pid, ppid] = [variable("pid"), variable("parent")];
  const texts = [numberText(`${names[0]}=`, pid), numberText(`${names[1]}=`, ppid)];
  return [
    call("getpid", [], "this process", { into: pid }),
    readParent(ppid),
    ...texts.flatMap(({ steps }) => steps),
    ...exec({
      ...execution(operands, environment),
      environment: [...withoutVariables(environment, names), ...texts.map(({ text }) => text)],
    }),
  ];
}

/**
 * With --fork. This process ends with its parent if the child is to notice that: by SIGKILL, which nothing
 * can hold up, and the child then gets the signal that was asked for.
 */
function inChild(input: Input<typeof spec>, given: Given, parent: Variable): Step[] {
  const { options } = input;
  const [self, child, status] = [variable("pid"), variable("child"), variable("status")];
  return [
    ...checkNow(options, given, parent),
    ...(options.deathSignal === undefined ? [] : [watchParent(SIGKILL, parent)]),
    ...keepChildStatus(given),
    call("getpid", [], "this process", { into: self }),
    fork({
      call: "clone",
      args: [SIGCHLD, 0, 0, 0, 0],
      what: "a child process",
      stage: "which executes PROGRAM",
      into: child,
      child: [...prepare(options, given, self), ...execute(input, given)],
      failure: spec.usageStatus,
    }),
    // Nobody would know of the child any more.
    attempt(
      waitFor(child, "the child process", status),
      [call("kill", [child, SIGKILL], "the child")],
      "fail",
    ),
    exit(status),
  ];
}

export function plan(input: Input<typeof spec>, given: Given): Program {
  const { options } = input;
  if (options.fork && !options.session) throw new UsageError("--fork needs -s");
  const parent = variable("parent");
  const steps = options.fork
    ? inChild(input, given, parent)
    : [...checkNow(options, given, parent), ...prepare(options, given, parent), ...execute(input, given)];
  return { applet: spec.name, failure: spec.usageStatus, steps };
}

export default applet({ spec, plan });
