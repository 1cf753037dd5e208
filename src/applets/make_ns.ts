/**
 * Makes namespaces, not containers: opens each as a descriptor and executes a program of the host, in the caller's
 * own namespaces, that inherits them; or pins them to files. What happens is in src/plan/make-ns; here are the
 * options, and what they may not be together.
 */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { quote, UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { formatIdMap, idMap } from "../cli/values/id-map.ts";
import { namespaceEntry, resolveEntry } from "../cli/values/namespace.ts";
import { propagation } from "../cli/values/process.ts";
import { type Reader, readBy, reader } from "../cli/values/reader.ts";
import { sharedMemory } from "../cli/values/shared-memory.ts";
import { path, text } from "../cli/values/text.ts";
import { timeOffset } from "../cli/values/time-offset.ts";
import type { IdMaps } from "../plan/id-maps.ts";
import { makeFailure } from "../plan/make-ns/helper.ts";
import { makeNamespaces } from "../plan/make-ns/parent.ts";
import {
  handedOn,
  type MadeLetter,
  madeKinds,
  madeVariable,
  type Owner,
  type Pin,
  type Request,
  type Script,
} from "../plan/make-ns/request.ts";
import type { Program } from "../program/steps.ts";
import { MS_SLAVE } from "../sys/constants.ts";
import type { Given } from "../sys/given.ts";

/** __NEW_UTS_LEN in the kernel. */
const nameBytes = 64;
const scriptBytes = 131071;

function isMade(letter: string): letter is MadeLetter {
  return Object.hasOwn(madeKinds, letter);
}

/** `LETTER=FILE`, as in an ENTRY that leads back. */
const pin: Reader<Pin> = reader((word) => {
  const [, letter, file] = /^([A-Za-z])=(.*)$/s.exec(word) ?? [];
  if (letter === undefined || file === undefined || !isMade(letter)) {
    throw new UsageError(
      `${quote(word)} is not LETTER=FILE with a letter of ${Object.keys(madeKinds).join("")}`,
    );
  }
  return { letter, path: readBy(path, file) };
});

export const spec = defineSpec({
  name: "make_ns",
  summary: "make namespaces and hand them to a program as descriptors",
  usage: "[PROGRAM [ARG]...]",
  operands: v.array(v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  options: {
    user: { short: "U", long: "user", help: "new user namespace, which owns the others" },
    mount: { short: "m", long: "mount", help: "new mount namespace" },
    net: { short: "n", long: "net", help: "new network namespace" },
    ipc: { short: "i", long: "ipc", help: "new IPC namespace" },
    uts: { short: "u", long: "uts", help: "new UTS namespace" },
    cgroup: { short: "C", long: "cgroup", help: "new cgroup namespace" },
    time: { short: "T", long: "time", help: "new time namespace" },

    enterUser: {
      long: "enter-user",
      metavar: "ENTRY",
      value: namespaceEntry,
      help: "an existing user namespace owns the others, in place of -U",
    },
    uidMap: {
      long: "uid-map",
      metavar: "MAP",
      value: idMap,
      help: "IN.OUT.COUNT[:IN.OUT.COUNT]... (with -U)",
    },
    gidMap: { long: "gid-map", metavar: "MAP", value: idMap, help: "the same for groups" },
    projidMap: { long: "projid-map", metavar: "MAP", value: idMap, help: "the same for project ids" },
    denySetgroups: { long: "disable-setgroups", help: "forbid setgroups in the new user namespace" },

    propagation: {
      short: "R",
      long: "propagation",
      metavar: "KIND",
      value: propagation,
      default: "slave",
      help: "of all mounts of the new mount namespace: shared, slave, private or unchanged",
    },
    hostname: {
      short: "H",
      long: "hostname",
      metavar: "NAME",
      value: text(nameBytes),
      help: "host name (with -u)",
    },
    domainname: {
      long: "domainname",
      metavar: "NAME",
      value: text(nameBytes),
      help: "NIS domain name (with -u)",
    },
    monotonic: {
      long: "monotonic",
      metavar: "SECONDS",
      value: timeOffset,
      help: "offset of CLOCK_MONOTONIC (with -T), as 86400 or -1.5",
    },
    boottime: {
      long: "boottime",
      metavar: "SECONDS",
      value: timeOffset,
      help: "offset of CLOCK_BOOTTIME (with -T)",
    },
    sharedMemory: {
      long: "shm",
      metavar: "KEY:SIZE[:MODE]",
      value: sharedMemory,
      repeat: true,
      help: "create a System V shared memory segment (with -i); MODE in octal, 600 by default",
    },
    cgroupDirectories: {
      long: "cgroup-dir",
      metavar: "DIR",
      value: path,
      repeat: true,
      help: "be in this cgroup, of version 1 or 2, when the cgroup namespace is made (with -C)",
    },

    script: {
      short: "x",
      long: "script",
      metavar: "FILE",
      value: text(scriptBytes),
      repeat: true,
      help: "run on the host with the namespaces as descriptors",
    },
    scriptInside: {
      short: "y",
      long: "script-inside",
      metavar: "FILE",
      value: text(scriptBytes),
      repeat: true,
      help: "run in the namespaces, with no more rights than there",
    },
    scriptIsShell: { short: "d", long: "script-is-shell", help: "all scripts are program text" },
    scriptInterpreter: {
      short: "e",
      long: "script-interpreter",
      metavar: "FILE",
      value: path,
      default: "/bin/sh",
      help: "what reads the program text",
    },

    pins: {
      long: "pin",
      metavar: "LETTER=FILE",
      value: pin,
      repeat: true,
      help: "bind mount a namespace on FILE, which is made if it is missing",
    },
  },
  details: [
    {
      title: "What PROGRAM and the scripts of --script get",
      lines: [
        ...Object.entries(madeKinds).map(([letter, kind]) => {
          const name = isMade(letter) ? madeVariable(letter) : "";
          return `${letter}  ${name.padEnd(26)}descriptor of the ${kind} namespace`;
        }),
        "Both run in the caller's own namespaces. A script also gets the pid of a process that is in the new ones, as",
        "its last argument; all scripts run in the order in which they are given, before anything is pinned.",
      ],
    },
    {
      title: "ENTRY",
      lines: ["As for nsenter, without letters: :FD (also a pidfd), -VARIABLE, =FILE, //proc/PID."],
    },
  ],
  examples: [
    "make_ns -U -n --uid-map=0.1000.1 --gid-map=0.1000.1 --disable-setgroups server",
    "make_ns -n --pin n=/run/netns/blue -d -x 'ip link set veth1 netns $1'",
    "make_ns -T --boottime=86400 sh -c 'nsenter --time=/proc/self/fd/$CTRTOOL_MAKE_NS_TIME_FD uptime'",
  ],
});

type Options = Input<typeof spec>["options"];

export function plan({ options, operands, sequence }: Input<typeof spec>, given: Given): Program {
  checkTogether(options);
  const { hostname, domainname, monotonic, boottime } = options;
  const [program, ...args] = operands;
  const request: Request = {
    owner: chosenOwner(options, given),
    kinds: chosenKinds(options),
    cgroups: options.cgroupDirectories,
    ...chosenPropagation(options),
    ...(hostname === undefined ? {} : { hostname }),
    ...(domainname === undefined ? {} : { domainname }),
    offsets: {
      ...(monotonic === undefined ? {} : { monotonic }),
      ...(boottime === undefined ? {} : { boottime }),
    },
    segments: options.sharedMemory,
    scripts: sequence.flatMap(({ key, value }) => {
      if (key === "script") return [chosenScript("host", value, options)];
      if (key === "scriptInside") return [chosenScript("inside", value, options)];
      return [];
    }),
    pins: options.pins,
    ...(program === undefined ? {} : { program: [program, ...args] }),
  };
  checkUse(request);
  return { applet: spec.name, failure: makeFailure, steps: makeNamespaces(request, given) };
}

function chosenOwner(options: Options, given: Given): Owner {
  const { enterUser } = options;
  if (options.user) return { form: "new", maps: chosenMaps(options) };
  if (enterUser === undefined) return { form: "caller's" };
  const entry = resolveEntry(enterUser, given);
  return { form: "existing", entry: { ...entry, kinds: entryKinds(entry) }, text: enterUser.text };
}

/** Without a letter, a descriptor or file may only be of a user namespace, and of a process that one is meant. */
function entryKinds({ kinds }: ReturnType<typeof resolveEntry>): ["U"] {
  if (kinds.some((kind) => kind !== "U")) throw new UsageError("--enter-user enters a user namespace only");
  return ["U"];
}

function chosenMaps({ uidMap, gidMap, projidMap, denySetgroups }: Options): IdMaps {
  return {
    ...(uidMap === undefined ? {} : { uidMap: formatIdMap(uidMap) }),
    ...(gidMap === undefined ? {} : { gidMap: formatIdMap(gidMap) }),
    ...(projidMap === undefined ? {} : { projidMap: formatIdMap(projidMap) }),
    denySetgroups,
  };
}

function chosenKinds(options: Options): Request["kinds"] {
  const chosen: [boolean, Request["kinds"][number]][] = [
    [options.mount, "m"],
    [options.net, "n"],
    [options.ipc, "i"],
    [options.uts, "u"],
    [options.cgroup, "C"],
    [options.time, "T"],
  ];
  return chosen.flatMap(([on, letter]) => (on ? [letter] : []));
}

function chosenPropagation({ mount, propagation = MS_SLAVE }: Options): { readonly propagation?: number } {
  return mount && propagation !== "unchanged" ? { propagation } : {};
}

function chosenScript(context: Script["context"], script: string, options: Options): Script {
  const { scriptInterpreter = "/bin/sh" } = options;
  return { context, words: options.scriptIsShell ? [scriptInterpreter, "-c", script, "-"] : [script] };
}

/** Settings of a namespace that is not made, and options that exclude each other. */
function checkTogether(options: Options): void {
  const refuse = (condition: boolean, reason: string): void => {
    if (condition) throw new UsageError(reason);
  };
  refuse(options.user && options.enterUser !== undefined, "--user and --enter-user exclude each other");
  const needing: [unset: boolean, needed: string, given: [boolean, string][]][] = [
    [
      !options.user,
      "user",
      [
        [options.uidMap !== undefined, "uid-map"],
        [options.gidMap !== undefined, "gid-map"],
        [options.projidMap !== undefined, "projid-map"],
        [options.denySetgroups, "disable-setgroups"],
      ],
    ],
    [!options.mount, "mount", [[options.propagation !== undefined, "propagation"]]],
    [
      !options.uts,
      "uts",
      [
        [options.hostname !== undefined, "hostname"],
        [options.domainname !== undefined, "domainname"],
      ],
    ],
    [
      !options.time,
      "time",
      [
        [options.monotonic !== undefined, "monotonic"],
        [options.boottime !== undefined, "boottime"],
      ],
    ],
    [!options.ipc, "ipc", [[options.sharedMemory.length > 0, "shm"]]],
    [!options.cgroup, "cgroup", [[options.cgroupDirectories.length > 0, "cgroup-dir"]]],
  ];
  for (const [unset, needed, given] of needing) {
    for (const [isGiven, name] of given) refuse(unset && isGiven, `--${name} needs --${needed}`);
  }
  const scripts = options.script.length + options.scriptInside.length;
  refuse(options.scriptIsShell && scripts === 0, "--script-is-shell needs --script or --script-inside");
  refuse(options.scriptInterpreter !== undefined && !options.scriptIsShell, "--script-interpreter needs -d");
  const keys = options.sharedMemory.map(({ key }) => key);
  refuse(new Set(keys).size < keys.length, "--shm twice with one key");
}

/** Namespaces that nobody is told of would be gone at once. */
function checkUse(request: Request): void {
  const { owner, kinds, pins, scripts, program } = request;
  if (owner.form !== "new" && kinds.length === 0) throw new UsageError("no namespace to make");
  if (program === undefined && pins.length === 0 && scripts.length === 0) {
    throw new UsageError("PROGRAM is missing, and there is neither --pin nor a script");
  }
  const made = handedOn(request);
  for (const { letter } of pins) {
    if (!made.includes(letter)) throw new UsageError(`--pin: there is no ${madeKinds[letter]} namespace`);
  }
  const files = pins.map((pin) => pin.path);
  if (new Set(files).size < files.length) throw new UsageError("--pin twice with one file");
}

export default applet({ spec, plan });
