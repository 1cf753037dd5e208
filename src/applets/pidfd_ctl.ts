/**
 * `pidfd_ctl`: a calculator with three registers for process, socket and namespace descriptors.
 *
 * All options are read before anything is done, so that it is known here which register holds what: to exchange
 * two is a matter of names, and one that is not set is wrong usage. Values live in variables of the program.
 */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { quote, UsageError } from "../cli/failure.ts";
import { suggestion } from "../cli/nearest.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { type DescriptorSpec, descriptor, useDescriptor } from "../cli/values/descriptor.ts";
import { decimal, I32_MAX, letters, readNumber, unsigned } from "../cli/values/number.ts";
import { type Reader, reader } from "../cli/values/reader.ts";
import { signal, signals } from "../cli/values/signal.ts";
import { path, text, variableName } from "../cli/values/text.ts";
import { defaultPath, type Execution, exec } from "../plan/exec.ts";
import { ExportedEnvironment } from "../plan/exported.ts";
import { readFacts } from "../plan/file-facts.ts";
import {
  awaitEnd,
  copyDescriptor,
  type Descriptor,
  openNamespaceOf,
  openNeighbour,
  openOwner,
  openParentNamespace,
  openPid,
  openPidIn,
  openSocketNamespace,
  printNamespace,
  printNumber,
  processNamespaces,
  readOwner,
  readPid,
  requireKind,
  requireProcess,
  sendSignal,
  waitForProcess,
} from "../plan/handles.ts";
import { type Inherited, keepChildStatus, restoreInherited, setAction } from "../plan/inherit.ts";
import { namespaceFlags, namespaceKinds } from "../plan/namespaces.ts";
import { type Birth, type Child, spawn } from "../plan/spawn.ts";
import { numberSubject } from "../plan/text.ts";
import {
  attempt,
  call,
  exit,
  group,
  type Program,
  type Step,
  type Variable,
  variable,
} from "../program/steps.ts";
import { AT_FDCWD, F_SETFD, SIG_IGN, SIGCHLD, SIGKILL, SIGSTOP, STATX_INO } from "../sys/constants.ts";
import type { Given } from "../sys/given.ts";

/** No argument of execve(2) can be longer: MAX_ARG_STRLEN. */
const wordBytes = 131_071;

type ProcessNamespace = keyof typeof processNamespaces;

const processNamespace: Reader<ProcessNamespace> = reader((name) => {
  const isKind = (word: string): word is ProcessNamespace => Object.hasOwn(processNamespaces, word);
  if (isKind(name)) return name;
  throw new UsageError(
    `${quote(name)} is not a kind of namespace${suggestion(name, Object.keys(processNamespaces))}`,
  );
});

const milliseconds: Reader<number | "forever"> = reader((word) =>
  word === "forever" ? word : Number(readNumber(word, "decimal", BigInt(I32_MAX))),
);

export const spec = defineSpec({
  name: "pidfd_ctl",
  summary: "open process and namespace descriptors, and hand them to a program",
  usage: "[PROGRAM [ARG]...]",
  operands: v.array(v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  options: {
    r1: { short: "1", long: "r1", metavar: "FDSPEC", value: descriptor, help: "R1 = a descriptor" },
    r2: { short: "2", long: "r2", metavar: "FDSPEC", value: descriptor, help: "R2 = a descriptor" },
    r3: { long: "r3", metavar: "FDSPEC", value: descriptor, help: "R3 = a descriptor", added: true },
    pid: {
      short: "n",
      long: "pid",
      metavar: "PID",
      value: unsigned(I32_MAX),
      help: "R1 = process descriptor of PID; 0 is this process, and later the program",
    },
    shell: {
      short: "c",
      long: "shell",
      metavar: "COMMAND",
      value: text(wordBytes),
      help: "R1 = process descriptor of a new child that runs /bin/sh -c COMMAND",
    },
    getfd: {
      short: "F",
      long: "getfd",
      metavar: "FD",
      value: decimal(I32_MAX),
      help: "R2 = copy of descriptor FD of process R1",
    },
    socketNamespace: { short: "N", long: "socket-netns", help: "R3 = network namespace of socket R2" },
    owner: { short: "u", long: "owner-userns", help: "R3 = user namespace that owns namespace R2" },
    parent: { short: "p", long: "parent-ns", help: "R3 = parent of PID or user namespace R2" },
    printOwner: { short: "O", long: "print-owner-uid", help: "print the uid that owns user namespace R2" },
    exchange12: { short: "x", long: "exchange-r1-r2", help: "exchange R1 and R2" },
    exchange23: { short: "y", long: "exchange-r2-r3", help: "exchange R2 and R3" },
    export1: {
      short: "e",
      long: "export-r1",
      metavar: "NAME",
      value: variableName,
      help: "hand R1 to the program, its number in variable NAME",
    },
    export2: {
      short: "E",
      long: "export-r2",
      metavar: "NAME",
      value: variableName,
      help: "the same for R2",
    },
    export3: {
      short: "v",
      long: "export-r3",
      metavar: "NAME",
      value: variableName,
      help: "the same for R3",
    },
    exists: { short: "f", long: "exists", metavar: "PATH", value: path, help: "fail unless PATH exists" },
    ignoreChildren: { short: "I", long: "ignore-sigchld", help: "ignore SIGCHLD from here on" },

    arg: {
      long: "arg",
      metavar: "WORD",
      value: text(wordBytes),
      help: "an argument for the next --spawn",
      added: true,
    },
    spawn: {
      long: "spawn",
      metavar: "PROGRAM",
      value: text(wordBytes),
      help: "R1 = process descriptor of a new child that executes PROGRAM",
      added: true,
    },
    childNamespaces: {
      long: "child-ns",
      metavar: "LETTERS",
      value: letters(namespaceKinds),
      help: "later children get new namespaces (C i m n p T U u); an empty text: none",
      added: true,
    },
    childCgroup: {
      long: "child-cgroup",
      metavar: "DIR",
      value: path,
      help: "later children are born in this version 2 cgroup",
      added: true,
    },
    childIgnore: {
      long: "child-ignore",
      metavar: "SIGNALS",
      value: signals,
      help: "later children ignore these signals",
      added: true,
    },
    childDefault: {
      long: "child-default",
      metavar: "SIGNALS",
      value: signals,
      help: "later children have the default action for these signals",
      added: true,
    },
    signal: {
      long: "signal",
      metavar: "SIGNAL",
      value: signal,
      help: "send a signal to process R1",
      added: true,
    },
    poll: {
      long: "poll",
      metavar: "MS",
      value: milliseconds,
      bareValue: "forever",
      help: "wait until process R1 has ended; fail if it runs for MS more milliseconds",
      added: true,
    },
    wait: { long: "wait", help: "wait for child R1 and take its status", added: true },
    exportStatus: {
      long: "export-status",
      metavar: "NAME",
      value: variableName,
      help: "hand the status of the last --wait to the program in variable NAME",
      added: true,
    },
    pidIn: {
      long: "pid-in",
      metavar: "PID",
      value: unsigned(I32_MAX, 1),
      help: "R1 = process descriptor of the process that is PID in PID namespace R2",
      added: true,
    },
    printPid: { long: "print-pid", help: "print the pid of process R1", added: true },
    printPidIn: {
      long: "print-pid-in",
      help: "print the pid that process R1 has in PID namespace R2",
      added: true,
    },
    namespaceOf: {
      long: "namespace",
      metavar: "KIND",
      value: processNamespace,
      help: "R3 = namespace of process R1: net, mnt, user and so on, as in /proc/PID/ns",
      added: true,
    },
    nextMount: { long: "next-mntns", help: "R3 = mount namespace after R2", added: true },
    previousMount: { long: "previous-mntns", help: "R3 = mount namespace before R2", added: true },
    printNamespace: { long: "print-ns", help: "print kind and number of namespace R2", added: true },
    enter: { long: "setns", help: "enter namespace R2", added: true },
    enterProcess: {
      long: "setns-process",
      metavar: "LETTERS",
      value: letters(namespaceKinds),
      help: "enter namespaces of process R1 (C i m n p T U u)",
      added: true,
    },
  },
  details: [
    {
      title: "Registers",
      lines: [
        "R1 is for a process, R2 for what is asked, R3 for the answer. Options act in their order, and may be",
        "repeated. What they open reaches PROGRAM only if it is exported. PROGRAM may be left out after an",
        "option that prints, sends or waits; the status is then that of the last --wait.",
        "If anything fails, children started before are killed.",
      ],
    },
    {
      title: "FDSPEC",
      lines: [
        "N      descriptor N      /NAME  the one in variable NAME",
        ":NAME  the same; it and the variable do not reach PROGRAM",
      ],
    },
  ],
  examples: [
    "pidfd_ctl -n 4711 -F 3 -N -v NS sh -c 'nsenter --net=/proc/self/fd/$NS ip link'",
    "pidfd_ctl -c 'exit 7' --wait",
    "pidfd_ctl -n 4711 --signal term --poll=5000",
  ],
});

type Occurrence = Input<typeof spec>["sequence"][number];
type Key = Occurrence["key"];
type Values = { readonly [K in Key]: Extract<Occurrence, { readonly key: K }>["value"] };
type Register = 1 | 2 | 3;

/** After these there need not be a program. */
const actions: ReadonlySet<Key> = new Set([
  "printOwner",
  "printNamespace",
  "printPid",
  "printPidIn",
  "signal",
  "poll",
  "wait",
  "spawn",
]);

/** What each option does; its place in the line is the machine's present state. */
type Effects = { readonly [K in Key]: (machine: Machine, value: Values[K]) => void };

const effects: Effects = {
  r1: (machine, spec) => machine.use(1, spec),
  r2: (machine, spec) => machine.use(2, spec),
  r3: (machine, spec) => machine.use(3, spec),
  exchange12: (machine) => machine.exchange(1, 2),
  exchange23: (machine) => machine.exchange(2, 3),
  export1: (machine, name) => machine.export(1, name),
  export2: (machine, name) => machine.export(2, name),
  export3: (machine, name) => machine.export(3, name),
  exportStatus: (machine, name) => machine.exportStatus(name),

  exists: (machine, file) => machine.add(readFacts(AT_FDCWD, file, STATX_INO, [], file)),
  ignoreChildren: (machine) => machine.ignoreChildren(),

  pid: (machine, pid) => machine.answer(`R1 = process ${pid}`, 1, (into) => openPid(pid, into)),
  shell: (machine, command) => machine.start("/bin/sh", ["-c", command]),
  arg: (machine, word) => machine.addArgument(word),
  spawn: (machine, file) => machine.startWithArguments(file),
  childNamespaces: (machine, namespaces) => machine.change({ namespaces }),
  childCgroup: (machine, cgroup) => machine.change({ cgroup }),
  childIgnore: (machine, numbers) => machine.change({ ignoredSignals: changeable(numbers) }),
  childDefault: (machine, numbers) => machine.change({ defaultSignals: changeable(numbers) }),

  getfd: (machine, number) => {
    const process = machine.process("-F");
    machine.answer(`R2 = descriptor ${number} of process R1`, 2, (into) =>
      copyDescriptor(process, number, into),
    );
  },
  namespaceOf: (machine, kind) => {
    const process = machine.process("--namespace");
    machine.answer(`R3 = ${kind} namespace of process R1`, 3, (into) => [
      openNamespaceOf(process, kind, into),
    ]);
  },
  signal: (machine, number) => machine.add(sendSignal(machine.process("--signal"), number)),
  poll: (machine, time) =>
    machine.add(awaitEnd(machine.process("--poll"), time === "forever" ? undefined : time)),
  wait: (machine) => machine.wait(),
  printPid: (machine) => {
    const process = machine.process("--print-pid");
    machine.print("the pid of process R1", (into) => readPid(process, undefined, into));
  },
  printPidIn: (machine) => {
    const process = machine.process("--print-pid-in");
    const namespace = machine.namespace("--print-pid-in");
    machine.print("the pid of process R1 in PID namespace R2", (into) => readPid(process, namespace, into));
  },
  enterProcess: (machine, kinds) => {
    const process = machine.process("--setns-process");
    machine.enter("the process on descriptor ", process, namespaceFlags(kinds));
  },

  socketNamespace: (machine) => {
    const socket = machine.get(2, "-N");
    machine.add([requireKind("socket", socket, "-N")]);
    machine.answer("R3 = network namespace of socket R2", 3, (into) => [openSocketNamespace(socket, into)]);
  },
  owner: (machine) => machine.ask("-u", "owner of namespace R2", openOwner),
  parent: (machine) => machine.ask("-p", "parent of namespace R2", openParentNamespace),
  nextMount: (machine) =>
    machine.ask("--next-mntns", "mount namespace after R2", (namespace, into) =>
      openNeighbour(namespace, "next", into),
    ),
  previousMount: (machine) =>
    machine.ask("--previous-mntns", "mount namespace before R2", (namespace, into) =>
      openNeighbour(namespace, "previous", into),
    ),
  pidIn: (machine, pid) => {
    const namespace = machine.namespace("--pid-in");
    machine.answer(`R1 = process ${pid} of PID namespace R2`, 1, (into) => openPidIn(namespace, pid, into));
  },
  printOwner: (machine) => {
    const namespace = machine.namespace("-O");
    machine.print("the owner of user namespace R2", (into) => readOwner(namespace, into));
  },
  printNamespace: (machine) => machine.add(printNamespace(machine.namespace("--print-ns"))),
  enter: (machine) => machine.enter("the namespace on descriptor ", machine.namespace("--setns"), 0),
};

/** Gives each option's value to its own effect. */
function apply<K extends Key>(
  machine: Machine,
  { key, value }: { readonly [P in Key]: { readonly key: P; readonly value: Values[P] } }[K],
): void {
  effects[key](machine, value);
}

/** SIGKILL and SIGSTOP have one action only. */
function changeable(numbers: readonly number[]): readonly number[] {
  const fixed = numbers.find((number) => number === SIGKILL || number === SIGSTOP);
  if (fixed !== undefined) throw new UsageError(`signal ${fixed} cannot be ignored or changed`);
  return numbers;
}

/** The registers while the options are gone through, and what has become of the rest. */
class Machine {
  private readonly registers: Record<Register, Descriptor | undefined> = {
    1: undefined,
    2: undefined,
    3: undefined,
  };
  private readonly environment: ExportedEnvironment;
  private readonly exported: Descriptor[] = [];
  private readonly children: { readonly child: Child; readonly before: Step[] }[] = [];
  private readonly inherited: Inherited;
  private birth: Birth = { namespaces: [], ignoredSignals: [], defaultSignals: [] };
  private args: string[] = [];
  private steps: Step[] = [];
  private childrenIgnored = false;
  private status: Variable | undefined;

  constructor(given: Given) {
    this.environment = new ExportedEnvironment(given.environment);
    this.inherited = given;
  }

  /** What an option does without an answer. */
  add(steps: readonly Step[]): void {
    this.steps.push(...steps);
  }

  /** An option whose answer goes to a register; the title says what that is. */
  answer(title: string, register: Register, steps: (into: Variable) => Step[]): void {
    const into = variable(title.slice(title.indexOf("=") + 2));
    this.steps.push(group(title, steps(into)));
    this.registers[register] = into;
  }

  /** R3 = what namespace R2 leads to. */
  ask(option: string, answer: string, open: (namespace: Descriptor, into: Variable) => Step): void {
    const namespace = this.namespace(option);
    this.answer(`R3 = ${answer}`, 3, (into) => [open(namespace, into)]);
  }

  print(title: string, read: (into: Variable) => Step[]): void {
    const value = variable(title);
    this.steps.push(group(`print ${title}`, [...read(value), ...printNumber(value)]));
  }

  use(register: Register, spec: DescriptorSpec): void {
    const { fd, step } = useDescriptor(spec, this.environment);
    this.steps.push(step);
    this.registers[register] = fd;
  }

  exchange(one: Register, other: Register): void {
    const value = this.registers[one];
    this.registers[one] = this.registers[other];
    this.registers[other] = value;
  }

  /** The number as it is now; a later change of the register does not matter. */
  export(register: Register, name: string): void {
    const value = this.get(register, `exporting as ${quote(name)}`);
    this.environment.set(name, value);
    this.exported.push(value);
  }

  wait(): void {
    const status = variable("status");
    this.steps.push(...waitForProcess(this.process("--wait"), status));
    this.status = status;
  }

  exportStatus(name: string): void {
    if (this.status === undefined) throw new UsageError("--export-status: no --wait before it");
    this.environment.set(name, this.status);
  }

  ignoreChildren(): void {
    this.childrenIgnored = true;
    this.steps.push(setAction(SIGCHLD, SIG_IGN));
  }

  enter(what: string, fd: Descriptor, flags: number): void {
    const subject = numberSubject(what, fd);
    this.steps.push(...subject.steps, call("setns", [fd, flags], subject.what));
  }

  /** Children that are started from now on. */
  change(birth: Partial<Birth>): void {
    this.birth = { ...this.birth, ...birth };
  }

  addArgument(word: string): void {
    this.args.push(word);
  }

  startWithArguments(file: string): void {
    this.start(file, this.args);
    this.args = [];
  }

  /** R1 = a new child. */
  start(file: string, args: readonly string[]): void {
    const { entries, steps } = this.environment.entries();
    const searchPath = this.environment.searchPath ?? defaultPath;
    const child = spawn(
      this.birth,
      { file, argv: [file, ...args], environment: entries, searchPath },
      steps,
      // What it is given does not depend on whether there are other children.
      this.childrenIgnored ? this.handedOn() : this.inherited,
    );
    this.children.push({ child, before: this.steps });
    this.steps = [];
    this.registers[1] = child.pidfd;
  }

  get(register: Register, option: string): Descriptor {
    const value = this.registers[register];
    if (value === undefined) throw new UsageError(`${option}: R${register} is not set`);
    return value;
  }

  /** R1, checked to be a process descriptor. */
  process(option: string): Descriptor {
    const value = this.get(1, option);
    this.steps.push(requireProcess(value));
    return value;
  }

  /** R2, checked to be a namespace. */
  namespace(option: string): Descriptor {
    const value = this.get(2, option);
    this.steps.push(requireKind("namespace", value, option));
    return value;
  }

  /** What is done once the options are: the program, or the end without one. */
  finish(words: readonly string[]): Step[] {
    const [file] = words;
    const last =
      file === undefined
        ? [exit(this.status ?? 0)]
        : [...this.exported.map(inheritable), ...this.becoming({ file, argv: words })];
    if (this.args.length > 0) throw new UsageError("--arg: no --spawn after it");
    return this.children.reduceRight<Step[]>(
      (rest, { child, before }) => [...before, ...child.steps, attempt(rest, child.cleanup, "fail")],
      [...this.steps, ...last],
    );
  }

  /** Whoever has children or waits for one must be told how they end, unless that was not wanted. */
  prepare(): Step[] {
    const waits = this.children.length > 0 || this.status !== undefined;
    return waits ? keepChildStatus(this.inherited) : [];
  }

  private becoming({ file, argv }: Pick<Execution, "file" | "argv">): Step[] {
    const { entries, steps } = this.environment.entries();
    return [
      ...restoreInherited(this.handedOn()),
      ...steps,
      ...exec({ file, argv, environment: entries, searchPath: this.environment.searchPath ?? defaultPath }),
    ];
  }

  /** As given, but for SIGCHLD: a program that gets children has to be able to wait for them. */
  private handedOn(): Inherited {
    const bit = 1n << BigInt(SIGCHLD - 1);
    const { ignoredSignals } = this.inherited;
    if (this.childrenIgnored) return { ...this.inherited, ignoredSignals: ignoredSignals | bit };
    if (this.children.length > 0) return { ...this.inherited, ignoredSignals: ignoredSignals & ~bit };
    return this.inherited;
  }
}

function inheritable(fd: Descriptor): Step {
  return call("fcntl", [fd, F_SETFD, 0], "an exported descriptor");
}

export function plan({ operands, sequence }: Input<typeof spec>, given: Given): Program {
  const machine = new Machine(given);
  for (const option of sequence) apply(machine, option);
  if (operands.length === 0 && !sequence.some(({ key }) => actions.has(key))) {
    throw new UsageError("PROGRAM is missing");
  }
  const rest = machine.finish(operands);
  return { applet: spec.name, failure: 125, steps: [...machine.prepare(), ...rest] };
}

export default applet({ spec, plan });
