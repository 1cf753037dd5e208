/**
 * The target without a machine: it keeps the instructions and executes them against a kernel that is a
 * function. For tests without privileges, and the reference that the assemblers are compared with. Where a
 * real machine would go astray (an address outside, a routine left that was never entered, an accumulator
 * that holds nothing yet), this one throws.
 */
import { checkImmediate } from "./code.ts";
import type { Address, Arithmetic, Cell, Entry, Label, Operand, Target, Test, Width } from "./target.ts";

/** Where the data area lies unless `run` is told otherwise. */
export const defaultBase = 0x10000;

/** How many instructions a run, all its children included, may take unless told otherwise. */
const defaultSteps = 1_000_000;

/** Bytes after which a text is not looked at further. */
const longestText = 4096;

interface Region {
  readonly start: bigint;
  readonly bytes: Uint8Array;
  readonly shared: boolean;
}

/** What the program can reach: the data area and what the fake kernel adds. */
export class Memory {
  readonly #regions: Region[] = [];

  /** Makes `bytes` reachable at `address`. A shared region is the same one in forked children. */
  map(address: number | bigint, bytes: Uint8Array, shared = false): void {
    this.#regions.push({ start: BigInt(address), bytes, shared });
  }

  /** The `length` bytes at `address`, not a copy. Throws when they are not within one region. */
  bytes(address: number | bigint, length: number): Uint8Array {
    const region = this.#regionAt(address);
    const start = Number(BigInt(address) - (region?.start ?? 0n));
    if (region === undefined || start + length > region.bytes.length) {
      throw new RangeError(`no ${length} bytes at 0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`);
    }
    return region.bytes.subarray(start, start + length);
  }

  /** The text at `address` up to its NUL, one character a byte; undefined if there is none. */
  text(address: number | bigint): string | undefined {
    const region = this.#regionAt(address);
    if (region === undefined) return undefined;
    const start = Number(BigInt(address) - region.start);
    const end = region.bytes.subarray(start, start + longestText).indexOf(0);
    return end < 0 ? undefined : String.fromCharCode(...region.bytes.subarray(start, start + end));
  }

  /** The integer of `width` bytes at `address`, zero-extended. */
  read(width: Width, address: number | bigint): bigint {
    return this.bytes(address, width).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  /** Replaces the integer at `address` by the low `width` bytes of `value`. */
  write(width: Width, address: number | bigint, value: number | bigint): void {
    const bytes = this.bytes(address, width);
    for (let index = 0; index < width; index++) {
      bytes[index] = Number((BigInt(value) >> BigInt(8 * index)) & 0xffn);
    }
  }

  /** What a forked child sees. */
  fork(): Memory {
    const copy = new Memory();
    for (const { start, bytes, shared } of this.#regions)
      copy.map(start, shared ? bytes : new Uint8Array(bytes), shared);
    return copy;
  }

  #regionAt(address: number | bigint): Region | undefined {
    const wanted = BigInt(address);
    return this.#regions.find(({ start, bytes }) => wanted >= start && wanted < start + BigInt(bytes.length));
  }
}

/** A system call as the fake kernel sees it and as the trace keeps it. */
export interface TracedCall {
  /** 0 for the process that began, otherwise the pid that the fake kernel gave. */
  readonly pid: number;
  readonly number: number;
  /** Its name, if `run` was given the numbers. */
  readonly name: string | undefined;
  /** Signed 64-bit values. */
  readonly args: readonly bigint[];
  /** For each argument the text it points to at the time of the call; undefined where it points to none. */
  readonly texts: readonly (string | undefined)[];
}

/**
 * What the fake kernel answers: a result; a fork, whose child runs to its end on a copy of the memory
 * before the parent goes on with `pid`; or the end of the program, as a successful execve makes it.
 */
export type KernelAnswer =
  | number
  | bigint
  | { readonly fork: true; readonly pid: number }
  | { readonly end: true };

export type Kernel = (call: TracedCall, memory: Memory) => KernelAnswer;

export interface RunOptions {
  /** Initial content of the data area, with the zeros at its end if it has any. Not changed. */
  readonly data: Uint8Array;
  /** Where the data area lies; `defaultBase` if not given. */
  readonly base?: number;
  /** Further memory, by address. Is shared with children, and changed. */
  readonly shared?: ReadonlyMap<number, Uint8Array>;
  /** Numbers by name, for the names in the trace and to know `exit` and `exit_group`, which end the process. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Decides the result of every call. It sees `exit` and `exit_group`, too, but has no say in them. */
  readonly kernel: Kernel;
  /** The argument, for the entry `function`. */
  readonly argument?: bigint;
  readonly steps?: number;
}

/** How one process ended, and what it did. */
export interface Outcome {
  readonly pid: number;
  /** `executed` is a call that the fake kernel answered with `end`, `returned` is `giveBack`. */
  readonly end: "exited" | "executed" | "returned";
  /** The status of `exited`, as wait(2) shows it: 0 to 255. */
  readonly status: number | undefined;
  /** What `returned` gave back: a signed 64-bit value. */
  readonly value: bigint | undefined;
  /** The calls of this process, in order. Its children's are in theirs. */
  readonly calls: readonly TracedCall[];
  readonly memory: Memory;
  /** In the order of their forks. */
  readonly children: readonly Outcome[];
}

interface Run {
  readonly options: RunOptions;
  readonly names: ReadonlyMap<number, string>;
  steps: number;
}

/** One process of a run. */
class Process {
  next = 0;
  /** Where the routine just called is to return to, between `gosub` and `enter`. */
  link: number | undefined;
  stack: number[] = [];
  end: Outcome["end"] | undefined;
  status: number | undefined;
  readonly calls: TracedCall[] = [];
  readonly children: Outcome[] = [];
  readonly pid: number;
  readonly base: bigint;
  readonly memory: Memory;
  #accumulator: bigint | undefined;

  constructor(pid: number, base: bigint, memory: Memory, accumulator: bigint | undefined) {
    this.pid = pid;
    this.base = base;
    this.memory = memory;
    this.#accumulator = accumulator;
  }

  get accumulator(): bigint {
    if (this.#accumulator === undefined) throw new Error("the accumulator holds nothing yet");
    return this.#accumulator;
  }

  set accumulator(value: bigint) {
    this.#accumulator = BigInt.asIntN(64, value);
  }

  address(place: Cell | Address): bigint {
    return this.base + BigInt(place.offset);
  }

  value(operand: Operand): bigint {
    if (typeof operand !== "object") return BigInt.asIntN(64, BigInt(operand));
    const address = this.address(operand);
    return operand.kind === "address" ? address : BigInt.asIntN(64, this.memory.read(8, address));
  }

  outcome(): Outcome {
    const { pid, end, status, calls, memory, children } = this;
    if (end === undefined) throw new Error("the process has not ended");
    const value = end === "returned" ? this.accumulator : undefined;
    return { pid, end, status, value, calls, memory, children };
  }

  fork(pid: number): Process {
    const child = new Process(pid, this.base, this.memory.fork(), 0n);
    child.next = this.next;
    child.stack = [...this.stack];
    return child;
  }
}

type Instruction = (process: Process, run: Run) => void;

const OPERATION: Readonly<Record<Arithmetic, (left: bigint, right: bigint) => bigint>> = {
  add: (left, right) => left + right,
  sub: (left, right) => left - right,
  and: (left, right) => left & right,
  or: (left, right) => left | right,
  shl: (left, right) => left << (right & 63n),
  shr: (left, right) => BigInt.asUintN(64, left) >> (right & 63n),
};

const HOLDS: Readonly<Record<Test, (left: bigint, right: bigint) => boolean>> = {
  "==": (left, right) => left === right,
  "!=": (left, right) => left !== right,
  "<": (left, right) => left < right,
  "<=": (left, right) => left <= right,
  ">": (left, right) => left > right,
  ">=": (left, right) => left >= right,
};

/** A target that executes instead of assembling. */
export class Interpreter implements Target {
  readonly #entry: Entry;
  readonly #instructions: Instruction[] = [];
  /** Index of the instruction that a label is bound to, by label; -1 for none. */
  readonly #positions: number[] = [];
  /** Those instructions that are `enter`. */
  readonly #entries = new Set<Instruction>();

  constructor(entry: Entry) {
    this.#entry = entry;
  }

  label(): Label {
    return this.#positions.push(-1) - 1;
  }

  bind(label: Label): void {
    if (this.#positions[label] !== -1) throw new Error(`label ${label} is bound twice or not of this target`);
    this.#positions[label] = this.#instructions.length;
  }

  jump(label: Label): void {
    this.#add((process) => this.#goTo(process, label));
  }

  fetch(operand: Operand): void {
    check([operand]);
    this.#add((process) => {
      process.accumulator = process.value(operand);
    });
  }

  keep(cell: Cell): void {
    check([cell]);
    this.#add((process) => process.memory.write(8, process.address(cell), process.accumulator));
  }

  compute(operation: Arithmetic, operand: Operand): void {
    check([operand]);
    this.#add((process) => {
      process.accumulator = OPERATION[operation](process.accumulator, process.value(operand));
    });
  }

  load(width: Width, offset: number): void {
    this.#add((process) => {
      process.accumulator = process.memory.read(width, process.accumulator + BigInt(offset));
    });
  }

  store(width: Width, base: Cell | Address, offset: number): void {
    check([base]);
    this.#add((process) => {
      process.memory.write(width, process.value(base) + BigInt(offset), process.accumulator);
    });
  }

  syscall(number: number, args: readonly Operand[]): void {
    if (args.length > 6) throw new RangeError(`system call with ${args.length} arguments`);
    check(args);
    const operands = [...args];
    this.#add((process, run) => this.#call(process, run, number, operands));
  }

  branchFailed(label: Label): void {
    this.#add((process) => {
      if (process.accumulator >= -4095n && process.accumulator < 0n) this.#goTo(process, label);
    });
  }

  branch(test: Test, operand: Operand, label: Label): void {
    check([operand]);
    this.#add((process) => {
      if (HOLDS[test](process.accumulator, process.value(operand))) this.#goTo(process, label);
    });
  }

  gosub(label: Label): void {
    this.#add((process) => {
      process.link = process.next;
      this.#goTo(process, label);
    });
  }

  enter(): void {
    const instruction: Instruction = (process) => {
      if (process.link === undefined) throw new Error("a routine is entered without gosub");
      process.stack.push(process.link);
      process.link = undefined;
    };
    this.#entries.add(instruction);
    this.#add(instruction);
  }

  leave(): void {
    this.#add((process) => {
      const to = process.stack.pop();
      if (to === undefined) throw new Error("leave outside a routine");
      process.next = to;
    });
  }

  giveBack(): void {
    this.#add((process) => {
      if (this.#entry !== "function") throw new Error("giveBack in a process");
      if (process.stack.length > 0) throw new Error("giveBack inside a routine");
      process.end = "returned";
    });
  }

  /** Executes what was built until it ends, with all its children. Throws for what a machine could not do. */
  run(options: RunOptions): Outcome {
    const base = options.base ?? defaultBase;
    const memory = new Memory();
    // Not by slice(), which makes no copy of a Buffer.
    memory.map(base, new Uint8Array(options.data));
    for (const [address, bytes] of options.shared ?? []) memory.map(address, bytes, true);
    const names = new Map(Object.entries(options.numbers).map(([name, number]) => [number, name]));
    const argument = this.#entry === "function" ? BigInt.asIntN(64, options.argument ?? 0n) : undefined;
    const process = new Process(0, BigInt(base), memory, argument);
    this.#execute(process, { options, names, steps: options.steps ?? defaultSteps });
    return process.outcome();
  }

  #execute(process: Process, run: Run): void {
    while (process.end === undefined) {
      const instruction = this.#instructions[process.next];
      if (instruction === undefined) throw new Error("the code was run beyond its end");
      if (run.steps-- === 0) throw new Error("the run takes too many steps");
      if (process.link !== undefined && !this.#entries.has(instruction)) {
        throw new Error("a routine does not begin with enter");
      }
      process.next++;
      instruction(process, run);
    }
  }

  #call(process: Process, run: Run, number: number, operands: readonly Operand[]): void {
    const name = run.names.get(number);
    const args = operands.map((operand) => process.value(operand));
    const texts = args.map((arg) => process.memory.text(arg));
    const call: TracedCall = { pid: process.pid, number, name, args, texts };
    process.calls.push(call);
    const answer = run.options.kernel(call, process.memory);
    if (name === "exit" || name === "exit_group") {
      process.end = "exited";
      process.status = Number((args[0] ?? 0n) & 0xffn);
    } else if (typeof answer !== "object") {
      process.accumulator = BigInt(answer);
    } else if ("end" in answer) {
      process.end = "executed";
    } else {
      const child = process.fork(answer.pid);
      this.#execute(child, run);
      process.children.push(child.outcome());
      process.accumulator = BigInt(answer.pid);
    }
  }

  #goTo(process: Process, label: Label): void {
    const position = this.#positions[label];
    if (position === undefined || position < 0) throw new Error(`label ${label} is used but never bound`);
    process.next = position;
  }

  #add(instruction: Instruction): void {
    this.#instructions.push(instruction);
  }
}

/** Refuses numbers that no register holds, as the assemblers do, and cells that are not aligned. */
function check(operands: readonly Operand[]): void {
  for (const operand of operands) {
    if (typeof operand !== "object") checkImmediate(operand);
    else if (operand.kind === "cell" && operand.offset % 8 !== 0) {
      throw new RangeError(`a cell at ${operand.offset} is not aligned`);
    }
  }
}

/** An interpreter: build a program on it like on an assembler, then `run` it. */
export function interpreter(entry: Entry = "process"): Interpreter {
  return new Interpreter(entry);
}
