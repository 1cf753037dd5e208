/** That the interpreter notices what would lead a machine astray, and shows what a test wants to see. */
import { expect, test } from "bun:test";
import { defaultBase, interpreter, Memory, type RunOptions } from "../../src/program/interpreter.ts";
import type { Cell, Target } from "../../src/program/target.ts";

const numbers = { write: 1, clone: 56, exit: 60, exit_group: 231 };
const cell: Cell = { kind: "cell", offset: 0 };

function run(build: (target: Target) => void, options: Partial<RunOptions> = {}) {
  const target = interpreter();
  build(target);
  return target.run({ data: new Uint8Array(64), numbers, kernel: () => 0, ...options });
}

function exit(target: Target): void {
  target.syscall(numbers.exit_group, [0]);
}

test.each([
  ["code that runs beyond its end", "beyond its end", (target) => target.fetch(1)],
  ["an accumulator that holds nothing yet", "holds nothing", (target) => target.keep(cell)],
  [
    "a cell outside the data area",
    "no 8 bytes at 0x10040",
    (target) => target.fetch({ kind: "cell", offset: 64 }),
  ],
  [
    "a store across the end",
    "no 8 bytes at 0x1003f",
    (target) => {
      target.fetch(1);
      target.store(8, { kind: "address", offset: 63 }, 0);
    },
  ],
  [
    "a load through a null pointer",
    "no 1 bytes at 0x0",
    (target) => {
      target.fetch(0);
      target.load(1, 0);
    },
  ],
  [
    "a routine that does not begin with enter",
    "does not begin with enter",
    (target) => {
      const label = target.label();
      target.gosub(label);
      target.bind(label);
      exit(target);
    },
  ],
  ["code that runs into a routine", "without gosub", (target) => target.enter()],
  ["leave outside a routine", "outside a routine", (target) => target.leave()],
  ["giveBack in a process", "in a process", (target) => target.giveBack()],
  [
    "a loop without end",
    "too many steps",
    (target) => {
      const label = target.label();
      target.bind(label);
      target.jump(label);
    },
  ],
  ["a label that is never bound", "never bound", (target) => target.jump(target.label())],
  ["a label of no use", "not of this target", (target) => target.bind(7)],
  ["a number of more than 64 bits", "exceeds 64 bits", (target) => target.fetch(2n ** 64n)],
  ["a number that is not exact", "not an exact integer", (target) => target.fetch(2 ** 60)],
  ["a cell that is not aligned", "not aligned", (target) => target.fetch({ kind: "cell", offset: 4 })],
  ["a seventh argument", "7 arguments", (target) => target.syscall(1, [1, 2, 3, 4, 5, 6, 7])],
] as [string, string, (target: Target) => void][])("throws for %s", (_, message, build) => {
  expect(() => run(build)).toThrow(message);
});

test("throws for giveBack inside a routine", () => {
  const target = interpreter("function");
  const label = target.label();
  target.gosub(label);
  target.bind(label);
  target.enter();
  target.giveBack();
  expect(() => target.run({ data: new Uint8Array(8), numbers, kernel: () => 0 })).toThrow("inside a routine");
});

test("keeps each process's calls, with arguments, names, and texts as they were at the time", () => {
  const text = { kind: "address", offset: 8 } as const;
  const outcome = run(
    (target) => {
      const child = target.label();
      target.syscall(numbers.clone, []);
      target.branch("==", 0, child);
      target.syscall(numbers.write, [2, text, -1]);
      target.fetch(0x4a);
      target.store(1, text, 0);
      target.syscall(999, [text]);
      exit(target);
      target.bind(child);
      target.fetch(0x79);
      target.store(1, text, 0);
      target.syscall(numbers.exit, [text]);
    },
    {
      data: new Uint8Array(Buffer.from("12345678hello\0")),
      kernel: ({ name }) => (name === "clone" ? { fork: true, pid: 42 } : -38),
    },
  );
  const address = BigInt(defaultBase + 8);
  expect(outcome.calls).toEqual([
    { pid: 0, number: 56, name: "clone", args: [], texts: [] },
    { pid: 0, number: 1, name: "write", args: [2n, address, -1n], texts: [undefined, "hello", undefined] },
    { pid: 0, number: 999, name: undefined, args: [address], texts: ["Jello"] },
    { pid: 0, number: 231, name: "exit_group", args: [0n], texts: [undefined] },
  ]);
  expect(outcome.memory.text(address)).toBe("Jello");
  const [child] = outcome.children;
  expect(child?.calls).toEqual([{ pid: 42, number: 60, name: "exit", args: [address], texts: ["yello"] }]);
  expect(child).toMatchObject({ pid: 42, end: "exited", status: 8, children: [] });
  expect(child?.memory.text(address)).toBe("yello");
});

test("an answer of `end` is the program's end", () => {
  const outcome = run((target) => target.syscall(numbers.write, []), { kernel: () => ({ end: true }) });
  expect(outcome).toMatchObject({ end: "executed", status: undefined, value: undefined });
});

test("shared memory is one for parent and child, and changed", () => {
  const shared = new Uint8Array(8);
  run(
    (target) => {
      const end = target.label();
      target.fetch(0x7000_0000);
      target.keep(cell);
      target.syscall(numbers.clone, []);
      target.branch("!=", 0, end);
      target.fetch(0x1234);
      target.store(2, cell, 0);
      exit(target);
      target.bind(end);
      target.fetch(cell);
      target.load(1, 1);
      target.store(1, cell, 7);
      exit(target);
    },
    { shared: new Map([[0x7000_0000, shared]]), kernel: () => ({ fork: true, pid: 2 }) },
  );
  expect([...shared]).toEqual([0x34, 0x12, 0, 0, 0, 0, 0, 0x12]);
});

test("memory reads and writes little-endian integers of each width", () => {
  const memory = new Memory();
  memory.map(0x100, new Uint8Array(16));
  memory.write(8, 0x100, -2n);
  memory.write(4, 0x108, 0x1_2345_6789);
  expect([1, 2, 4, 8].map((width) => memory.read(width as 1 | 2 | 4 | 8, 0x100))).toEqual([
    0xfen,
    0xfffen,
    0xfffffffen,
    0xfffffffffffffffen,
  ]);
  expect(memory.read(8, 0x108)).toBe(0x23456789n);
  expect(memory.text(0x200)).toBeUndefined();
});
