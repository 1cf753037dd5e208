/** Small programs with what they must do, written once for all implementations of `Target`. */
import { DataArea } from "../../src/program/data.ts";
import type { Address, Arithmetic, Cell, Operand, Target, Test, Width } from "../../src/program/target.ts";
import type { SyscallName } from "../../src/sys/syscalls.ts";
import type { FakeFile } from "./fake-kernel.ts";

export type Numbers = Readonly<Record<SyscallName, number>>;

export interface Case {
  readonly name: string;
  readonly build: (machine: Machine) => void;
  /** Exit status; 0 if not given. */
  readonly status?: number;
  /** What it writes to standard output: text, or the 64-bit values given to `Machine.show`. */
  readonly output: string | readonly bigint[];
  /** Zeros after the data, in bytes. */
  readonly zeroed?: number;
  /** Files that the program executes, for the fake kernel. */
  readonly files?: Readonly<Record<string, FakeFile>>;
}

const SIGCHLD = 17;
export const mostNegative = -(2n ** 63n);
export const mostPositive = 2n ** 63n - 1n;

/** A target with a data area, and what almost every case needs. */
export class Machine {
  readonly data = new DataArea();
  readonly target: Target;
  readonly numbers: Numbers;
  readonly #shown: Cell;

  constructor(target: Target, numbers: Numbers) {
    this.target = target;
    this.numbers = numbers;
    this.#shown = this.data.cell();
  }

  call(name: SyscallName, ...args: Operand[]): void {
    this.target.syscall(this.numbers[name], args);
  }

  /** Writes the accumulator's eight bytes to standard output. */
  show(): void {
    this.target.keep(this.#shown);
    this.call("write", 1, place(this.#shown), 8);
  }

  print(text: string): void {
    this.call("write", 1, this.data.string(text), text.length);
  }

  exit(status: Operand): void {
    this.call("exit_group", status);
  }

  /** A new cell that holds `value`. */
  cell(value: number | bigint): Cell {
    return { kind: "cell", offset: this.data.record([value]).offset };
  }

  /** As fork(2), with the stack that there is. */
  fork(): void {
    this.call("clone", SIGCHLD, 0, 0, 0, 0);
  }

  /** Waits for any child and shows its exit status. */
  showStatus(): void {
    const status = this.data.cell();
    this.call("wait4", -1, place(status), 0, 0);
    this.target.fetch(status);
    this.target.compute("shr", 8);
    this.target.compute("and", 255);
    this.show();
  }
}

/** The address of a cell. */
export function place(cell: Cell): Address {
  return { kind: "address", offset: cell.offset };
}

/** Every operation with every pair of these, the right one as an immediate and from a cell. */
const numbers = [
  0n,
  1n,
  -1n,
  63n,
  64n,
  65n,
  4095n,
  4096n,
  0x7fffffffn,
  0x80000000n,
  -0x80000001n,
  mostNegative,
  mostPositive,
];

const operations: Readonly<Record<Arithmetic, (left: bigint, right: bigint) => bigint>> = {
  add: (left, right) => left + right,
  sub: (left, right) => left - right,
  and: (left, right) => left & right,
  or: (left, right) => left | right,
  shl: (left, right) => left * 2n ** (BigInt.asUintN(64, right) % 64n),
  shr: (left, right) => BigInt.asUintN(64, left) / 2n ** (BigInt.asUintN(64, right) % 64n),
};

const comparisons: Readonly<Record<Test, (left: bigint, right: bigint) => boolean>> = {
  "==": (left, right) => left === right,
  "!=": (left, right) => left !== right,
  "<": (left, right) => left < right,
  "<=": (left, right) => left <= right,
  ">": (left, right) => left > right,
  ">=": (left, right) => left >= right,
};

const pairs = numbers.flatMap((left) => numbers.map((right) => [left, right] as const));

function arithmetic(operation: Arithmetic): Case {
  return {
    name: `${operation}, with immediates and cells`,
    output: pairs.flatMap(([left, right]) => {
      const value = BigInt.asIntN(64, operations[operation](left, right));
      return [value, value];
    }),
    build(machine) {
      for (const [left, right] of pairs) {
        for (const operand of [right, machine.cell(right)]) {
          machine.target.fetch(left);
          machine.target.compute(operation, operand);
          machine.show();
        }
      }
      machine.exit(0);
    },
  };
}

function comparison(test: Test): Case {
  return {
    name: `branch ${test}, forward and backward, with immediates and cells`,
    output: pairs.flatMap(([left, right]) => {
      const holds = comparisons[test](left, right) ? 1n : 0n;
      return [holds, holds, holds];
    }),
    build(machine) {
      const { target } = machine;
      const result = machine.cell(0);
      const outcome = (go: () => void) => {
        target.fetch(0);
        target.keep(result);
        go();
        target.fetch(result);
        machine.show();
      };
      const set = () => {
        target.fetch(1);
        target.keep(result);
      };
      for (const [left, right] of pairs) {
        for (const operand of [right, machine.cell(right)]) {
          outcome(() => {
            const yes = target.label();
            const end = target.label();
            target.fetch(left);
            target.branch(test, operand, yes);
            target.jump(end);
            target.bind(yes);
            set();
            target.bind(end);
          });
        }
        outcome(() => {
          const yes = target.label();
          const start = target.label();
          const end = target.label();
          target.jump(start);
          target.bind(yes);
          set();
          target.jump(end);
          target.bind(start);
          target.fetch(left);
          target.branch(test, right, yes);
          target.bind(end);
        });
      }
      machine.exit(0);
    },
  };
}

const pattern = 0xfedc_ba98_7654_3210n;
const farAway = 64 << 20;
const memoryOffsets = [
  0,
  1,
  8,
  -1,
  -8,
  127,
  128,
  -128,
  255,
  256,
  -256,
  -257,
  4095,
  4096,
  32760,
  32768,
  -40000,
  farAway,
];

function memory(width: Width): Case {
  const mask = 2n ** BigInt(8 * width) - 1n;
  const expected = pattern & mask;
  return {
    name: `loads and stores of ${width} bytes, near and far`,
    zeroed: farAway + 200_000,
    output: memoryOffsets.flatMap(() =>
      [BigInt.asIntN(64, pattern), expected, expected, 0n, 0n].map((v) => BigInt.asIntN(64, v)),
    ),
    build(machine) {
      const { target } = machine;
      const middle: Address = { kind: "address", offset: 100_000 };
      const pointer = machine.data.cell();
      for (const offset of memoryOffsets) {
        const load = (bytes: Width, at: number) => {
          target.fetch(middle);
          target.load(bytes, at);
          machine.show();
        };
        const clear = () => {
          target.fetch(0);
          target.store(8, middle, offset);
        };
        target.fetch(pattern);
        target.store(width, middle, offset);
        machine.show();
        load(8, offset);
        clear();
        target.fetch(middle);
        target.keep(pointer);
        target.fetch(pattern);
        target.store(width, pointer, offset);
        load(width, offset);
        load(1, offset + width);
        load(1, offset - 1);
        clear();
      }
      machine.exit(0);
    },
  };
}

export const cases: readonly Case[] = [
  ...(["add", "sub", "and", "or", "shl", "shr"] as const).map(arithmetic),
  ...(["==", "!=", "<", "<=", ">", ">="] as const).map(comparison),
  ...([1, 2, 4, 8] as const).map(memory),
  {
    name: "cells and addresses, near and far, keep their values",
    zeroed: farAway + 65536,
    output: [1n, 2n, 3n, 4n, 5n, 6n, 7n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 7n],
    build(machine) {
      const { target } = machine;
      const offsets = [2048, 4096, 32760, 32768, 1 << 20, 1 << 24, farAway];
      for (const [index, offset] of offsets.entries()) {
        target.fetch(index + 1);
        target.keep({ kind: "cell", offset });
      }
      for (const offset of offsets) {
        target.fetch({ kind: "cell", offset });
        machine.show();
      }
      for (const offset of offsets) {
        target.fetch({ kind: "address", offset: offset + 3 });
        target.load(8, -3);
        machine.show();
      }
      // The last one again, as an argument: an address that the kernel follows.
      machine.call("write", 1, { kind: "address", offset: farAway }, 8);
      machine.exit(0);
    },
  },
  {
    name: "the difference of two addresses",
    output: [0x123456n, -5n],
    zeroed: 4096,
    build(machine) {
      const { target } = machine;
      target.fetch({ kind: "address", offset: 0x123456 });
      target.compute("sub", { kind: "address", offset: 0 });
      machine.show();
      target.fetch({ kind: "address", offset: 11 });
      target.compute("sub", { kind: "address", offset: 16 });
      machine.show();
      machine.exit(0);
    },
  },
  {
    name: "branchFailed takes -1 and -4095, and nothing else",
    output: [1n, 1n, 1n, 0n, 0n, 0n, 0n, 0n, 0n],
    build(machine) {
      const { target } = machine;
      for (const value of [-1, -2, -4095, -4096, 0, 1, 4095, mostNegative, mostPositive]) {
        const failed = target.label();
        const end = target.label();
        target.fetch(value);
        target.branchFailed(failed);
        target.fetch(0);
        target.jump(end);
        target.bind(failed);
        target.fetch(1);
        target.bind(end);
        machine.show();
      }
      machine.exit(0);
    },
  },
  {
    name: "a failing system call: its error is the accumulator",
    output: [-9n, -38n],
    build(machine) {
      machine.call("write", -1, machine.data.string("x"), 1);
      machine.show();
      machine.target.syscall(100_000, [1, 2, 3, 4, 5, 6]);
      machine.show();
      machine.exit(0);
    },
  },
  {
    name: "a loop that counts, and its sum",
    output: [500_500n],
    build(machine) {
      const { target } = machine;
      const count = machine.cell(1000);
      const sum = machine.cell(0);
      const again = target.label();
      target.bind(again);
      target.fetch(sum);
      target.compute("add", count);
      target.keep(sum);
      target.fetch(count);
      target.compute("sub", 1);
      target.keep(count);
      target.branch(">", 0, again);
      target.fetch(sum);
      machine.show();
      machine.exit(0);
    },
  },
  {
    name: "nested and recursive routines",
    output: [41n, 3_628_800n],
    build(machine) {
      const { target } = machine;
      const inner = target.label();
      const outer = target.label();
      const sum = target.label();
      const again = target.label();
      const base = target.label();
      const total = machine.cell(1);
      const left = machine.cell(10);
      const times = machine.cell(0);
      target.fetch(20);
      target.gosub(outer);
      machine.show();
      target.gosub(sum);
      target.fetch(total);
      machine.show();
      machine.exit(0);
      target.bind(inner);
      target.enter();
      target.compute("shl", 1);
      target.leave();
      target.bind(outer);
      target.enter();
      target.gosub(inner);
      target.compute("add", 1);
      target.leave();
      // total <- total * left, by adding; then itself for left - 1.
      const product = machine.cell(0);
      target.bind(sum);
      target.enter();
      target.fetch(left);
      target.branch("<=", 1, base);
      target.keep(times);
      target.fetch(0);
      target.keep(product);
      target.bind(again);
      target.fetch(product);
      target.compute("add", total);
      target.keep(product);
      target.fetch(times);
      target.compute("sub", 1);
      target.keep(times);
      target.branch("!=", 0, again);
      target.fetch(product);
      target.keep(total);
      target.fetch(left);
      target.compute("sub", 1);
      target.keep(left);
      target.gosub(sum);
      target.bind(base);
      target.leave();
    },
  },
  {
    name: "jumps, calls and branches over more than 2 MiB of code, both ways",
    output: "out, there, back, called, failed, end\n",
    build(machine) {
      const { target } = machine;
      const there = target.label();
      const back = target.label();
      const routine = target.label();
      const failed = target.label();
      const returned = target.label();
      machine.print("out, ");
      target.fetch(7);
      target.branch("==", 7, there);
      machine.exit(1);
      target.bind(back);
      machine.print("back, ");
      target.gosub(routine);
      target.fetch(-4095);
      target.branchFailed(failed);
      machine.exit(2);
      target.bind(returned);
      machine.print("end\n");
      machine.exit(0);
      for (let index = 0; index < 230_000; index++) target.fetch(0x123456789abcd);
      target.bind(there);
      machine.print("there, ");
      target.fetch(1);
      target.branch("<", 2, back);
      machine.exit(3);
      target.bind(routine);
      target.enter();
      machine.print("called, ");
      target.leave();
      target.bind(failed);
      machine.print("failed, ");
      target.jump(returned);
    },
  },
  {
    name: "a fork inside a routine: both sides return from it",
    output: [5n, 1n, 7n],
    build(machine) {
      const { target } = machine;
      const routine = target.label();
      const child = target.label();
      const value = machine.cell(1);
      target.gosub(routine);
      target.branch("==", 0, child);
      machine.showStatus();
      target.fetch(value);
      machine.show();
      target.fetch(7);
      machine.show();
      machine.exit(0);
      target.bind(child);
      // The child's memory is a copy.
      target.fetch(5);
      target.keep(value);
      machine.exit(value);
      target.bind(routine);
      target.enter();
      machine.fork();
      target.leave();
    },
  },
  {
    name: "a child that writes to a pipe",
    output: "through the pipe\n",
    build(machine) {
      const { target } = machine;
      const ends = place(machine.data.cell());
      const readEnd = machine.data.cell();
      const writeEnd = machine.data.cell();
      const buffer = machine.data.record([0, 0, 0, 0]);
      const length = machine.data.cell();
      const child = target.label();
      machine.call("pipe2", ends, 0);
      for (const [end, offset] of [
        [readEnd, 0],
        [writeEnd, 4],
      ] as const) {
        target.fetch(ends);
        target.load(4, offset);
        target.keep(end);
      }
      machine.fork();
      target.branch("==", 0, child);
      machine.call("close", writeEnd);
      machine.call("read", readEnd, buffer, 32);
      target.keep(length);
      machine.call("write", 1, buffer, length);
      machine.exit(0);
      target.bind(child);
      machine.call("write", writeEnd, machine.data.string("through the pipe\n"), 17);
      machine.exit(0);
    },
  },
  {
    name: "execve replaces the program",
    status: 9,
    output: "before\nexecuted\n",
    files: { "/bin/sh": { output: "executed\n", status: 9 } },
    build(machine) {
      const { target, data } = machine;
      machine.print("before\n");
      const argv = data.record([
        data.string("sh"),
        data.string("-c"),
        data.string("echo executed; exit 9"),
        0,
      ]);
      machine.call("execve", data.string("/bin/sh"), argv, data.record([0]));
      machine.show();
      target.fetch(0);
      machine.exit(1);
    },
  },
  {
    name: "execve in a child, after one that fails",
    output: [-2n, 9n],
    files: { "/bin/sh": { output: "", status: 9 } },
    build(machine) {
      const { target, data } = machine;
      const child = target.label();
      machine.fork();
      target.branch("==", 0, child);
      machine.showStatus();
      machine.exit(0);
      target.bind(child);
      const argv = data.record([data.string("sh"), data.string("-c"), data.string("exit 9"), 0]);
      machine.call("execve", data.string("/nonexistent/program"), argv, 0);
      machine.show();
      machine.call("execve", data.string("/bin/sh"), argv, data.record([0]));
      machine.exit(1);
    },
  },
  ...[0, 1, 255, 256, -1].map(
    (status): Case => ({
      name: `exit status ${status}, from an immediate`,
      status: status & 255,
      output: "",
      build: (machine) => machine.exit(status),
    }),
  ),
  {
    name: "exit, with a status from a cell",
    status: 77,
    output: "",
    build: (machine) => machine.call("exit", machine.cell(77)),
  },
];
