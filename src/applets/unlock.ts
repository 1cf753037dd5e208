/**
 * Operations on mounts and files, then the dropping of privileges, then a program: as one list of system calls
 * with nothing in between. A trusted binary loads an untrusted root and gives up its capabilities; no code of that
 * root runs while there are any, and none at all after a failure.
 */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { quote, UsageError } from "../cli/failure.ts";
import {
  isOperationOccurrence,
  type OperationOccurrence,
  operationDetails,
  operationOptions,
  readOperations,
  sequenceSteps,
} from "../cli/operations.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { capabilities } from "../cli/values/capability.ts";
import { descriptor, resolveDescriptor, takenVariables } from "../cli/values/descriptor.ts";
import { list, U32_MAX, unsigned } from "../cli/values/number.ts";
import { filterSource } from "../cli/values/process.ts";
import { type Reader, readBy, reader } from "../cli/values/reader.ts";
import { resourceLimit } from "../cli/values/rlimit.ts";
import { path, variableName } from "../cli/values/text.ts";
import { variableValue, withoutVariables } from "../plan/environment.ts";
import { defaultPath, exec } from "../plan/exec.ts";
import { restoreInherited } from "../plan/inherit.ts";
import { filterFile } from "../plan/launch/files.ts";
import { setLimits } from "../plan/limits.ts";
import { attach } from "../plan/mounts.ts";
import { closeAll, openPath, withoutSlash } from "../plan/paths.ts";
import { changePrivileges, noNewPrivileges, type Privileges } from "../plan/privileges.ts";
import { receiveDescriptors } from "../plan/receive.ts";
import { pivotRoot } from "../plan/root.ts";
import { installFilter } from "../plan/seccomp.ts";
import { numberText } from "../plan/text.ts";
import { call, group, type Program, type Step, type Variable, variable } from "../program/steps.ts";
import { F_SETFD, FD_CLOEXEC, O_RDONLY } from "../sys/constants.ts";
import type { Given } from "../sys/given.ts";

const failure = 125;
const id = unsigned(U32_MAX - 1);

/** `NAME=PATH` */
interface NamedPath {
  readonly name: string;
  readonly path: string;
}

const namedPath: Reader<NamedPath> = reader((word) => {
  const equals = word.indexOf("=");
  if (equals < 1) throw new UsageError(`${quote(word)} is not of the form NAME=PATH`);
  return { name: word.slice(0, equals), path: readBy(path, word.slice(equals + 1)) };
});

const { tolerate: _e, tolerateRefusal: _r, run: _S, ...operations } = operationOptions;

export const spec = defineSpec({
  name: "unlock",
  summary: "load a root, give up privileges and execute a program, with nothing in between",
  usage: "PROGRAM [ARG]...",
  operands: v.tupleWithRest([v.string()], v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  options: {
    ...operations,
    pivotRoot: {
      short: "p",
      long: "pivot-root",
      metavar: "DIR",
      value: path,
      help: "make DIR, a mount point, the root and the working directory; the old root is detached",
    },
    receive: {
      long: "receive",
      metavar: "NAMES",
      value: list(variableName),
      repeat: true,
      help: "receive a message with as many descriptors over the socket, and name them",
    },
    socket: { long: "socket", metavar: "FDSPEC", value: descriptor, help: "the socket to receive from" },
    open: {
      long: "open",
      metavar: "NAME=PATH",
      value: namedPath,
      repeat: true,
      help: "open a file or directory for reading, without following symlinks, and name the descriptor",
    },
    place: {
      long: "place",
      metavar: "NAME=TARGET",
      value: namedPath,
      repeat: true,
      help: "attach the mount that descriptor NAME is at TARGET",
    },
    close: {
      long: "close",
      metavar: "NAME",
      value: variableName,
      repeat: true,
      help: "close a named descriptor",
    },
    export: {
      long: "export",
      metavar: "NAME",
      value: variableName,
      repeat: true,
      help: "the program inherits the descriptor and finds its number in $NAME",
    },

    limits: {
      long: "rlimit",
      metavar: "NAME=LIMIT",
      value: resourceLimit,
      repeat: true,
      help: "set a resource limit: VALUE or SOFT:HARD",
    },
    uid: { long: "uid", metavar: "UID", value: id, help: "change to this uid" },
    gid: { long: "gid", metavar: "GID", value: id, help: "change to this gid" },
    groups: { long: "groups", metavar: "LIST", value: list(id), help: "set the supplementary groups" },
    inheritable: { long: "inheritable", metavar: "CAPS", value: capabilities, help: "the inheritable set" },
    permitted: {
      long: "permitted",
      metavar: "CAPS",
      value: capabilities,
      help: "the permitted and effective sets before the program is executed",
    },
    ambient: { long: "ambient", metavar: "CAPS", value: capabilities, help: "the ambient set" },
    bounding: { long: "bounding", metavar: "CAPS", value: capabilities, help: "the bounding set" },
    caps: {
      long: "caps",
      metavar: "CAPS",
      value: capabilities,
      help: "all five sets at once: what the program has is exactly this",
    },
    securebits: {
      long: "securebits",
      metavar: "BITS",
      value: unsigned(U32_MAX),
      help: "set the securebits",
    },
    noNewPrivs: { long: "no-new-privs", help: "set no_new_privs" },
    seccomp: {
      long: "seccomp",
      metavar: "FILE|FD",
      value: filterSource,
      help: "install this BPF filter last; FILE is opened first of all",
    },
  },
  details: [
    {
      title: "Order",
      lines: [
        "Operations are done in the order given; then limits, ids, capability sets, securebits, no_new_privs and",
        "the filter; then PROGRAM is executed, looked for in the new root. The first failure ends the process.",
        "CAPS is a number, or names separated by commas: sys_admin, cap_chown, all, -NAME.",
      ],
    },
    ...operationDetails,
  ],
  examples: [
    "unlock --receive root --socket :SOCK -D new --place root=new -p new --caps chown,kill /bin/sh",
    "unlock -m new -s /srv/root -Obvo -E -p new --caps '' --uid 1000 --no-new-privs /bin/program",
  ],
});

type Occurrence = Input<typeof spec>["sequence"][number];

/** Descriptors by the names that operations give them. */
class Descriptors {
  private readonly byName = new Map<string, Variable>();
  readonly exported: { readonly name: string; readonly fd: Variable }[] = [];

  define(name: string): Variable {
    if (this.byName.has(name)) throw new UsageError(`the descriptor ${quote(name)} is defined twice`);
    const fd = variable(name);
    this.byName.set(name, fd);
    return fd;
  }

  find(name: string): Variable {
    const fd = this.byName.get(name);
    if (fd === undefined) throw new UsageError(`no descriptor is named ${quote(name)} by then`);
    return fd;
  }

  remove(name: string): Variable {
    const fd = this.find(name);
    this.byName.delete(name);
    return fd;
  }
}

/** The steps of the operations, in order. Those that mount_seq has too are planned together where they are neighbours. */
function operationSteps(
  sequence: readonly Occurrence[],
  socket: number | undefined,
  names: Descriptors,
  given: Given,
): Step[] {
  const steps: Step[] = [];
  let neighbours: OperationOccurrence[] = [];
  const flush = (): void => {
    steps.push(...sequenceSteps(readOperations(neighbours), variable("failed"), given));
    neighbours = [];
  };
  for (const occurrence of sequence) {
    if (isOperationOccurrence(occurrence)) {
      neighbours.push(occurrence);
      continue;
    }
    flush();
    steps.push(...ownOperation(occurrence, socket, names));
  }
  flush();
  return steps;
}

function ownOperation(occurrence: Occurrence, socket: number | undefined, names: Descriptors): Step[] {
  switch (occurrence.key) {
    case "pivotRoot":
      return [pivotRoot(occurrence.value, [])];
    case "receive": {
      if (socket === undefined) throw new UsageError("--receive needs --socket");
      if (occurrence.value.length === 0) throw new UsageError("--receive names no descriptor");
      return [
        receiveDescriptors(
          socket,
          occurrence.value.map((name) => names.define(name)),
          `descriptor ${socket}`,
        ),
      ];
    }
    case "open": {
      const { name, path } = occurrence.value;
      return [openPath(path, names.define(name), { symlinks: "refuse", flags: O_RDONLY })];
    }
    case "place":
      return place(names.find(occurrence.value.name), occurrence.value);
    case "close":
      return [call("close", [names.remove(occurrence.value)], occurrence.value)];
    case "export":
      names.exported.push({ name: occurrence.value, fd: names.find(occurrence.value) });
      return [];
    default:
      // Privileges: they are dropped after all operations, wherever they are named.
      return [];
  }
}

function place(mount: Variable, { name, path: target }: NamedPath): Step[] {
  const at = variable("target");
  return [
    group(`attach ${name} at ${target}`, [
      openPath(withoutSlash(target), at, { symlinks: "refuse" }),
      attach(mount, at, target),
      ...closeAll([at]),
    ]),
  ];
}

function chosenPrivileges({ options }: Input<typeof spec>): Privileges {
  const { uid, gid, groups, securebits, caps } = options;
  const { inheritable = caps, permitted = caps, ambient = caps, bounding = caps } = options;
  const sets = [inheritable, permitted, ambient].some((set) => set !== undefined);
  return {
    keepCapabilities: sets,
    ...(inheritable === undefined ? {} : { inheritable }),
    ...(groups === undefined ? {} : { groups }),
    ...(gid === undefined ? {} : { gid }),
    ...(uid === undefined ? {} : { uid }),
    ...(ambient === undefined ? {} : { ambient, clearAmbient: true }),
    ...(bounding === undefined ? {} : { bounding }),
    ...(securebits === undefined ? {} : { securebits }),
    ...(permitted === undefined ? {} : { permitted }),
  };
}

function changesPrivileges(privileges: Privileges): boolean {
  return Object.keys(privileges).length > 1;
}

export function plan(input: Input<typeof spec>, given: Given): Program {
  const { options, operands, sequence } = input;
  const socket = options.socket === undefined ? undefined : resolveDescriptor(options.socket, given);
  if (socket !== undefined && options.receive.length === 0) throw new UsageError("--socket needs --receive");
  const taken = options.socket === undefined ? [] : takenVariables([options.socket]);
  const names = new Descriptors();
  const filter = filterFile(options.seccomp);
  const steps = operationSteps(sequence, socket, names, given);
  const exported = names.exported.map(({ name, fd }) => ({ fd, ...numberText(`${name}=`, fd) }));
  const environment = withoutVariables(given.environment, [
    ...taken,
    ...names.exported.map(({ name }) => name),
  ]);
  const privileges = chosenPrivileges(input);
  return {
    applet: spec.name,
    failure,
    steps: [
      ...filter.open,
      ...(taken.length > 0 && socket !== undefined && socket > 2
        ? [call("fcntl", [socket, F_SETFD, FD_CLOEXEC], `descriptor ${socket}`)]
        : []),
      ...steps,
      ...exported.flatMap(({ fd, steps }) => [call("fcntl", [fd, F_SETFD, 0], fd.name), ...steps]),
      ...restoreInherited(given),
      ...setLimits(0, options.limits),
      ...(changesPrivileges(privileges) ? changePrivileges(privileges) : []),
      ...(options.noNewPrivs ? [noNewPrivileges()] : []),
      ...(filter.links.filter ? [installFilter(filter.links.filter.fd, filter.links.filter.what)] : []),
      ...exec({
        file: operands[0],
        argv: operands,
        environment: [...environment, ...exported.map(({ text }) => text)],
        searchPath: variableValue(environment, "PATH") ?? defaultPath,
      }),
    ],
  };
}

export default applet({ spec, plan });
