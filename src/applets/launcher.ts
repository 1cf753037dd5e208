/**
 * Starts a process in new or existing namespaces, with a script on the host side that prepares them while it
 * waits. What happens is in src/plan/launch; here are the options, and what they may not be together.
 */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { capabilities } from "../cli/values/capability.ts";
import { formatIdMap, idMap } from "../cli/values/id-map.ts";
import { type EntryWord, namespaceEntry, resolveEntry } from "../cli/values/namespace.ts";
import { decimal, I32_MAX, letters, list, readNumber, U32_MAX, u64, unsigned } from "../cli/values/number.ts";
import { filterSource, propagation } from "../cli/values/process.ts";
import { type Reader, readBy, reader } from "../cli/values/reader.ts";
import { resourceLimit } from "../cli/values/rlimit.ts";
import { path, text } from "../cli/values/text.ts";
import { variableValue } from "../plan/environment.ts";
import { defaultPath } from "../plan/exec.ts";
import { inPlaceSteps } from "../plan/launch/in-place.ts";
import type { ChannelRequest, Inside, LastFork, NamedEntry, Payload, Script } from "../plan/launch/launch.ts";
import { launchFailure, launchSteps } from "../plan/launch/parent.ts";
import { type NamespaceLetter, namespaceKinds } from "../plan/namespaces.ts";
import type { Privileges } from "../plan/privileges.ts";
import { call, fail, group, type Program, type Step, variable, when } from "../program/steps.ts";
import {
  F_GETFD,
  MS_PRIVATE,
  MS_SLAVE,
  PR_GET_NO_NEW_PRIVS,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "../sys/constants.ts";
import type { Given } from "../sys/given.ts";
import { findLast, flatMap, map } from "../sys/lists.ts";

const unchangedId = U32_MAX;
const mostEntries = 64;
const hostnameBytes = 64;
const socketTypes = [undefined, SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET];

const ambient: Reader<bigint | "inheritable"> = reader((word) =>
  word === "inherit" ? "inheritable" : readBy(capabilities, word),
);

/** `-f`: a descriptor, or any word that begins with `i` for "in place". */
const inPlace: Reader<number | "in place"> = reader((word) =>
  word.startsWith("i") ? "in place" : Number(readNumber(word, "c", BigInt(I32_MAX))),
);

const descriptor = decimal(I32_MAX);
const id = unsigned(U32_MAX);

export const spec = defineSpec({
  name: "launcher",
  summary: "start a process in new or existing namespaces",
  usage: "[PROGRAM [ARG]...]",
  operands: v.array(v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  options: {
    cgroup: { short: "C", long: "cgroup", help: "new cgroup namespace, made after the script" },
    ipc: { short: "i", long: "ipc", help: "new IPC namespace" },
    mount: { short: "m", long: "mount", help: "new mount namespace" },
    net: { short: "n", long: "net", help: "new network namespace" },
    pid: { short: "p", long: "pid", help: "new PID namespace" },
    user: { short: "U", long: "user", help: "new user namespace" },
    uts: { short: "u", long: "uts", help: "new UTS namespace" },
    hostname: {
      short: "H",
      long: "hostname",
      metavar: "NAME",
      value: text(hostnameBytes),
      help: "set the host name (with -u)",
    },
    ownerUid: {
      short: "O",
      long: "owner-uid",
      metavar: "UID",
      value: id,
      help: "the new user namespace belongs to this uid",
    },
    setTid: {
      long: "set-tid",
      metavar: "LIST",
      value: list(unsigned(I32_MAX, 1)),
      help: "pids of the new process, innermost namespace first",
    },
    userNamespace: {
      short: "f",
      long: "userns-fd",
      metavar: "FD|i",
      value: inPlace,
      help: "no new process: enter the user namespace on FD, or (i) none",
    },
    nsenter2: {
      long: "nsenter2",
      metavar: "ENTRY",
      value: namespaceEntry,
      repeat: true,
      help: "enter namespaces before the script",
    },
    nsenterPost: {
      long: "nsenter-post",
      metavar: "ENTRY",
      value: namespaceEntry,
      repeat: true,
      help: "enter namespaces after the root is changed",
    },
    oldNsenter: {
      long: "old-nsenter",
      metavar: "ENTRY",
      value: namespaceEntry,
      repeat: true,
      help: "enter namespaces first of all (with -f)",
    },

    uid: { short: "S", long: "uid", metavar: "UID", value: id, default: "0", help: "uid of the program" },
    gid: { short: "G", long: "gid", metavar: "GID", value: id, default: "0", help: "gid of the program" },
    groups: {
      long: "groups",
      metavar: "LIST",
      value: list(id),
      default: "none",
      help: "supplementary groups",
    },
    keepGroups: { short: "g", long: "no-clear-groups", help: "leave the supplementary groups as they are" },
    keepIds: { short: "N", long: "no-set-id", help: "leave uid and gid as they are" },
    inheritable: {
      short: "I",
      long: "inh-caps",
      metavar: "CAPS",
      value: capabilities,
      help: "inheritable capabilities",
    },
    inheritAll: { short: "k", long: "inh-all", help: "all permitted capabilities become inheritable" },
    ambient: {
      short: "a",
      long: "ambient-caps",
      metavar: "CAPS|inherit",
      value: ambient,
      help: "raise these ambient capabilities, or the inheritable ones",
    },
    bounding: {
      short: "b",
      long: "bounding-caps",
      metavar: "CAPS",
      value: capabilities,
      help: "drop all others from the bounding set",
    },
    securebits: { short: "B", long: "securebits", metavar: "BITS", value: id, help: "set the securebits" },
    keepCaps: { short: "q", long: "keepcaps", help: "keep capabilities across the change of uid" },
    clearCaps: {
      long: "clear-caps-before-exec",
      metavar: "0|1",
      value: decimal(U32_MAX),
      bareValue: "1",
      default: "automatic",
      help: "drop what is not inheritable before the program is executed",
    },
    noNewPrivs: { short: "D", long: "no-new-privs", help: "set no_new_privs" },
    setsid: { short: "s", long: "setsid", help: "accepted: a new session is the default" },
    noSetsid: { long: "unsafe-no-setsid", help: "stay in the session" },
    limits: {
      long: "rlimit",
      metavar: "NAME=LIMIT",
      value: resourceLimit,
      repeat: true,
      help: "set a resource limit: VALUE or SOFT:HARD",
    },
    thpDisable: {
      short: "v",
      long: "thp-disable",
      metavar: "0|1",
      value: decimal(I32_MAX),
      help: "disable transparent huge pages",
    },
    timerSlack: {
      short: "Q",
      long: "timerslack",
      metavar: "NS",
      value: u64,
      help: "timer slack in nanoseconds; 0 is the default one",
    },
    clearEnvironment: { short: "V", long: "clearenv", help: "empty environment for the program" },
    dumpable: { long: "unsafe-debug-dumpable", help: "stay dumpable until the program is executed" },
    uidMap: { long: "uid-map", metavar: "MAP", value: idMap, help: "IN.OUT.COUNT[:IN.OUT.COUNT]..." },
    gidMap: { long: "gid-map", metavar: "MAP", value: idMap, help: "the same for groups" },
    denySetgroups: { long: "disable-setgroups", help: "forbid setgroups in the new user namespace" },

    propagation: {
      short: "R",
      long: "propagation",
      metavar: "KIND",
      value: propagation,
      default: "slave with -m",
      help: "shared, slave, private or unchanged",
    },
    root: {
      short: "r",
      long: "pivot-root",
      metavar: "DIR",
      value: path,
      help: "make DIR the root (with -m)",
    },
    mountProc: { short: "t", long: "mount-proc", help: "mount a new proc on /proc" },

    script: {
      short: "x",
      long: "script",
      metavar: "FILE",
      value: text(131071),
      help: "run on the host while the child waits",
    },
    scriptIsShell: { short: "d", long: "script-is-shell", help: "the script is program text" },
    scriptInterpreter: {
      short: "e",
      long: "script-interpreter",
      metavar: "FILE",
      value: path,
      default: "/bin/sh",
      help: "what reads the program text",
    },
    scriptNoFork: { short: "F", long: "script-no-fork", help: "become the script; it releases the child" },
    socketPair: {
      short: "X",
      long: "socketpair",
      metavar: "TYPE",
      value: decimal(3),
      default: "0",
      help: "socket pair between script and program: 1 stream, 2 datagram, 3 seqpacket",
    },
    pidfd: { long: "pidfd", help: "open a pidfd for the script" },
    openNamespaces: {
      long: "open-namespaces",
      metavar: "LETTERS",
      value: letters(namespaceKinds),
      help: "open namespaces of the child for the script",
    },
    pidFiles: {
      short: "P",
      long: "write-pid",
      metavar: "FILE",
      value: path,
      repeat: true,
      help: "write the child's pid to FILE",
    },
    emptyFile: {
      short: "M",
      long: "emptyfile",
      metavar: "FILE",
      value: path,
      help: "fail unless FILE is empty",
    },
    lockFile: {
      short: "K",
      long: "lockfile",
      metavar: "FILE",
      value: path,
      help: "take a lock on FILE first",
    },
    notify: {
      long: "notify-fd",
      metavar: "FD",
      value: decimal(I32_MAX, 3),
      help: "write a byte to FD when all is set up",
    },

    intoCgroup: {
      long: "into-cgroup",
      metavar: "DIR",
      value: path,
      added: true,
      help: "the new process is born in this version 2 cgroup",
    },
    seccomp: {
      long: "seccomp",
      metavar: "FILE|FD",
      value: filterSource,
      added: true,
      help: "install this BPF filter, as late as possible with -D",
    },

    status: {
      long: "status-fd",
      metavar: "FD",
      value: decimal(I32_MAX, 3),
      added: true,
      help: "tell FD what happens, in lines of JSON: created, running, exited, failed",
    },

    wait: { short: "w", long: "wait", help: "wait for the program and return its status" },
    forwardSignals: {
      long: "forward-signals",
      added: true,
      help: "with -w: pass signals on to the program, once each (a terminal's relay does so anyway)",
    },
    fork: { long: "fork", help: "fork once more; the first process waits" },
    forkDaemon: { long: "fork-daemon", help: "fork once more; the first process exits" },
    noExec: { long: "no-exec", help: "set everything up and exit" },
    execFd: { long: "exec-fd", metavar: "FD", value: descriptor, help: "execute the file open on FD" },
    execFile: {
      long: "exec-file",
      metavar: "FILE",
      value: path,
      help: "execute FILE; PROGRAM is only its name",
    },
    execFileHost: {
      long: "exec-file-host",
      metavar: "FILE",
      value: path,
      help: "execute FILE of the host; PROGRAM is only its name",
    },
    execAnonymous: { long: "exec-anon-fd", help: "execute a memfd that the script fills" },
    execNoCloexec: { long: "exec-no-cloexec", help: "leave the executed file open in the program" },
    logFile: {
      short: "L",
      long: "log-file",
      metavar: "FILE",
      value: path,
      help: "the program's output goes to FILE, its input is /dev/null",
    },
    allocTty: { long: "alloc-tty", help: "a terminal of its own for the program, relayed; implies -w" },
    allocPipe: { long: "alloc-pipe", help: "pipes for the program, relayed; implies -w" },
    ttyUid: {
      long: "tty-owner-uid",
      metavar: "UID",
      value: id,
      help: "owner of that terminal, or of the pipes",
    },
    ttyGid: { long: "tty-owner-gid", metavar: "GID", value: id, help: "their group" },
    closeDescriptors: {
      long: "close-fd",
      metavar: "FD",
      value: unsigned(I32_MAX),
      repeat: true,
      help: "close FD in the child",
    },

    unsafe: { short: "E", long: "unsafe", help: "allow combinations that act outside of new namespaces" },
    escape: { long: "escape", help: "accepted: the process always runs from a sealed copy in memory" },
    unsafeNoEscape: { long: "unsafe-no-escape", help: "accepted, for the same reason" },
  },
  examples: [
    "launcher -U -m -p -t -w --uid-map=0.1000.1 --gid-map=0.1000.1 --disable-setgroups -g sh -c 'id; echo $$'",
  ],
});

type Options = Input<typeof spec>["options"];

export function plan({ options, operands, sequence }: Input<typeof spec>, given: Given): Program {
  checkTogether(options);
  const letters = chosenNamespaces(options);
  const clearing = clearsCapabilities(options);
  const inside: Inside = {
    ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
    noNewPrivileges: options.noNewPrivs,
    closeDescriptors: options.closeDescriptors,
    newSession: !options.noSetsid,
    environment: options.clearEnvironment ? [] : given.environment,
    searchPath:
      (options.clearEnvironment ? undefined : variableValue(given.environment, "PATH")) ?? defaultPath,
    ...chosenPropagation(options),
    entriesBefore: map(options.nsenter2, (word) => named(word, given)),
    entriesAfter: map(options.nsenterPost, (word) => named(word, given)),
    newCgroupNamespace: options.cgroup,
    privileges: chosenPrivileges(options, sequence),
    ...(options.thpDisable === undefined ? {} : { thpDisable: options.thpDisable !== 0 }),
    ...(options.timerSlack === undefined ? {} : { timerSlack: options.timerSlack }),
    ...(options.root === undefined ? {} : { root: options.root }),
    mountProc: options.mountProc,
    staysDumpable: options.dumpable,
    clearCapabilities: clearing.on,
    ...(options.seccomp === undefined ? {} : { filter: options.seccomp }),
    ...(options.notify === undefined ? {} : { notify: options.notify }),
    fork: chosenFork(options),
    payload: chosenPayload(options, operands),
  };
  const steps = [
    ...openDescriptors(options),
    ...(clearing.on && clearing.automatic ? [refuseNoNewPrivileges()] : []),
    ...(options.userNamespace === undefined
      ? launchSteps(newProcess(options, letters, inside, sequence, given), given)
      : inPlaceSteps(
          {
            inside,
            namespaces: letters,
            ...(options.userNamespace === "in place" ? {} : { userNamespace: options.userNamespace }),
            entriesFirst: map(options.oldNsenter, (word) => named(word, given)),
          },
          given,
        )),
  ];
  const { status } = options;
  return {
    applet: spec.name,
    failure: launchFailure,
    ...(status === undefined ? {} : { statusDescriptor: status }),
    steps,
  };
}

function newProcess(
  options: Options,
  namespaces: readonly NamespaceLetter[],
  inside: Inside,
  sequence: Input<typeof spec>["sequence"],
  given: Given,
) {
  const script = chosenScript(options);
  const channel = chosenChannel(options, sequence);
  const { ownerUid } = options;
  return {
    inside,
    namespaces,
    setTid: options.setTid ?? [],
    ...(ownerUid === undefined || ownerUid === unchangedId ? {} : { ownerUid }),
    ...(options.uidMap === undefined ? {} : { uidMap: formatIdMap(options.uidMap) }),
    ...(options.gidMap === undefined ? {} : { gidMap: formatIdMap(options.gidMap) }),
    denySetgroups: options.denySetgroups,
    ...(options.intoCgroup === undefined ? {} : { intoCgroup: options.intoCgroup }),
    limits: options.limits,
    ...(options.lockFile === undefined ? {} : { lockFile: options.lockFile }),
    ...(options.logFile === undefined ? {} : { logFile: options.logFile }),
    ...(options.emptyFile === undefined ? {} : { emptyFile: options.emptyFile }),
    pidFiles: options.pidFiles,
    ...chosenSocket(options),
    pidfd: options.pidfd,
    openNamespaces: options.openNamespaces ?? [],
    ...(script === undefined ? {} : { script }),
    scriptEnvironment: given.environment,
    ...(channel === undefined ? {} : { channel }),
    wait: options.wait || options.noExec || channel !== undefined,
    forwardSignals: options.forwardSignals,
    ...(options.status === undefined ? {} : { status: options.status }),
  };
}

function chosenNamespaces(options: Options): NamespaceLetter[] {
  const chosen: [boolean, NamespaceLetter][] = [
    [options.user, "U"],
    [options.ipc, "i"],
    [options.net, "n"],
    [options.uts, "u"],
    [options.pid, "p"],
    [options.mount, "m"],
  ];
  return flatMap(chosen, ([on, letter]) => (on ? [letter] : []));
}

/** What holds with -R, or without: slave in a new mount namespace, otherwise unchanged. */
function propagationOf(options: Options): number | "unchanged" {
  return options.propagation ?? (options.mount ? MS_SLAVE : "unchanged");
}

function chosenPropagation(options: Options): Pick<Inside, "propagation"> {
  const propagation = propagationOf(options);
  return propagation === "unchanged" ? {} : { propagation };
}

/** The later of --alloc-tty and --alloc-pipe counts. */
function chosenChannel(
  { ttyUid, ttyGid }: Options,
  sequence: Input<typeof spec>["sequence"],
): ChannelRequest | undefined {
  const chosen = findLast(sequence, ({ key }) => key === "allocTty" || key === "allocPipe");
  if (chosen === undefined) return undefined;
  return {
    form: chosen.key === "allocTty" ? "terminal" : "pipes",
    ...(ttyUid === undefined || ttyUid === unchangedId ? {} : { uid: ttyUid }),
    ...(ttyGid === undefined || ttyGid === unchangedId ? {} : { gid: ttyGid }),
  };
}

function chosenSocket(options: Options): { socketType?: number } {
  const socketType = socketTypes[options.socketPair ?? 0];
  return socketType === undefined ? {} : { socketType };
}

function chosenFork(options: Options): LastFork {
  if (!options.fork && !options.forkDaemon) return { when: "never" };
  const early = options.userNamespace !== undefined && options.pid && options.mountProc;
  return { when: early ? "early" : "late", first: options.forkDaemon ? "exits" : "waits" };
}

function chosenPrivileges(options: Options, sequence: Input<typeof spec>["sequence"]): Privileges {
  const { uid = 0, gid = 0, ambient, bounding, securebits } = options;
  const inherits = findLast(sequence, ({ key }) => key === "inheritable" || key === "inheritAll");
  const inheritable = inherits?.key === "inheritAll" ? "permitted" : options.inheritable;
  return {
    ...(inheritable === undefined ? {} : { inheritable }),
    ...(options.keepGroups ? {} : { groups: options.groups ?? [] }),
    ...(options.keepIds || uid === unchangedId ? {} : { uid }),
    ...(options.keepIds || gid === unchangedId ? {} : { gid }),
    keepCapabilities: options.keepCaps || inheritable !== undefined,
    ...(ambient === undefined ? {} : { ambient }),
    ...(bounding === undefined ? {} : { bounding }),
    ...(securebits === undefined ? {} : { securebits }),
  };
}

function chosenScript(options: Options): Script | undefined {
  const { script } = options;
  if (script === undefined) return undefined;
  const words: [string, ...string[]] = options.scriptIsShell
    ? [options.scriptInterpreter ?? "/bin/sh", "-c", script, "-"]
    : [script];
  return { words, replacesLauncher: options.scriptNoFork };
}

function chosenPayload(options: Options, words: readonly string[]): Payload {
  if (options.noExec) return { form: "none" };
  const [program, ...args] = words;
  if (program === undefined) throw new UsageError("PROGRAM is missing");
  const inheritable = options.execNoCloexec;
  if (options.execFileHost !== undefined) {
    return { form: "descriptor", source: { hostPath: options.execFileHost }, inheritable, words };
  }
  if (options.execAnonymous) return { form: "descriptor", source: "memfd", inheritable, words };
  if (options.execFd !== undefined)
    return { form: "descriptor", source: { fd: options.execFd }, inheritable, words };
  if (options.execFile !== undefined) return { form: "path", path: options.execFile, words };
  return { form: "search", words: [program, ...args] };
}

function named(word: EntryWord, given: Given): NamedEntry {
  return { text: word.text, entry: resolveEntry(word, given) };
}

/** Whether clear-caps is on, and whether by itself. */
function clearsCapabilities(options: Options): { on: boolean; automatic: boolean } {
  if (options.clearCaps !== undefined) return { on: options.clearCaps !== 0, automatic: false };
  const on =
    options.user ||
    options.bounding !== undefined ||
    typeof options.userNamespace === "number" ||
    options.root !== undefined ||
    options.oldNsenter.length + options.nsenter2.length + options.nsenterPost.length > 0 ||
    options.fork ||
    options.forkDaemon;
  return { on, automatic: true };
}

/** Descriptors that an option names must be open; they are looked at before anything is done. */
function openDescriptors(options: Options): Step[] {
  const { execFd, notify, status, userNamespace, seccomp, closeDescriptors } = options;
  return flatMap([execFd, notify, status, userNamespace, seccomp, ...closeDescriptors], (fd) =>
    typeof fd === "number" ? [call("fcntl", [fd, F_GETFD], `descriptor ${fd}`)] : [],
  );
}

/** Capabilities that are cleared under no_new_privs do not come back at the exec. */
function refuseNoNewPrivileges(): Step {
  const isSet = variable("no_new_privs");
  return group("refuse no_new_privs", [
    call("prctl", [PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0], "no_new_privs", { into: isSet }),
    when(isSet, "!=", 0, [fail({ step: "no_new_privs", what: noNewPrivilegesProblem })]),
  ]);
}

const noNewPrivilegesProblem =
  "the program would lose all capabilities for good: choose --clear-caps-before-exec=0 or =1";

/** Combinations that are refused, as far as the command line alone tells. */
function checkTogether(options: Options): void {
  const { unsafe, mount } = options;
  const propagation = propagationOf(options);
  const clearing = clearsCapabilities(options);
  const refuse = (condition: boolean, reason: string): void => {
    if (condition) throw new UsageError(reason);
  };
  refuse(options.noNewPrivs && clearing.on && clearing.automatic, noNewPrivilegesProblem);
  refuse(options.hostname !== undefined && !options.uts && !unsafe, "--hostname needs --uts (or --unsafe)");
  refuse(options.root !== undefined && !mount && !unsafe, "--pivot-root needs --mount (or --unsafe)");
  refuse(propagation !== "unchanged" && !mount && !unsafe, "--propagation needs --mount (or --unsafe)");
  const own = mount && (propagation === MS_PRIVATE || propagation === MS_SLAVE);
  refuse(options.mountProc && !own && !unsafe, "--mount-proc needs --mount, private or slave (or --unsafe)");
  const old = options.oldNsenter;
  refuse(old.length > 0 && options.userNamespace === undefined && !unsafe, "--old-nsenter needs --userns-fd");
  for (const { kinds } of old) refuse(kinds.includes("p"), "--old-nsenter cannot enter a PID namespace");
  for (const entries of [old, options.nsenter2, options.nsenterPost]) {
    refuse(entries.length > mostEntries, `at most ${mostEntries} entries of a kind`);
  }
  refuse(
    options.execFd !== undefined && options.execFileHost !== undefined,
    "--exec-fd and --exec-file-host exclude each other",
  );
  const scriptOnly = options.scriptIsShell || options.scriptInterpreter !== undefined || options.scriptNoFork;
  refuse(scriptOnly && options.script === undefined, "-d, -e and -F need --script");
  refuse(options.scriptInterpreter !== undefined && !options.scriptIsShell, "--script-interpreter needs -d");
  refuse(
    (options.ttyUid !== undefined || options.ttyGid !== undefined) && !options.allocTty && !options.allocPipe,
    "--tty-owner-uid and --tty-owner-gid need --alloc-tty or --alloc-pipe",
  );
  refuse(options.forwardSignals && !options.wait, "--forward-signals needs --wait");
  refuse(
    new Set(options.closeDescriptors).size < options.closeDescriptors.length,
    "--close-fd twice with one FD",
  );
  if (options.userNamespace !== undefined) refuseInPlace(options);
}

/** What has no effect without a new process. */
function refuseInPlace(options: Options): void {
  const without: [boolean, string][] = [
    [options.wait, "wait"],
    [options.script !== undefined, "script"],
    [options.socketPair !== undefined, "socketpair"],
    [options.pidFiles.length > 0, "write-pid"],
    [options.emptyFile !== undefined, "emptyfile"],
    [options.lockFile !== undefined, "lockfile"],
    [options.logFile !== undefined, "log-file"],
    [options.ownerUid !== undefined, "owner-uid"],
    [options.pidfd, "pidfd"],
    [options.openNamespaces !== undefined, "open-namespaces"],
    [options.limits.length > 0, "rlimit"],
    [options.setTid !== undefined, "set-tid"],
    [options.uidMap !== undefined, "uid-map"],
    [options.gidMap !== undefined, "gid-map"],
    [options.denySetgroups, "disable-setgroups"],
    [options.execAnonymous, "exec-anon-fd"],
    [options.intoCgroup !== undefined, "into-cgroup"],
    [options.status !== undefined, "status-fd"],
    [options.forwardSignals, "forward-signals"],
    [options.allocTty, "alloc-tty"],
    [options.allocPipe, "alloc-pipe"],
  ];
  for (const [given, name] of without) {
    if (given) throw new UsageError(`--${name} has no effect with --userns-fd`);
  }
}

export default applet({ spec, plan });
