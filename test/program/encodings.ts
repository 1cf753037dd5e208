/** One of everything that can be encoded, for the golden listings. */

import type { Address, Arithmetic, Cell, Operand, Target, Test, Width } from "../../src/program/target.ts";
import type { Arch } from "../../src/sys/arch.ts";
import { assemblers, type Disassembled, disassemble } from "./assembled.ts";

interface Sample {
  readonly name: string;
  readonly emit: (target: Target) => void;
  /** The sample is an entry's prologue, shown whole; otherwise what comes after one. */
  readonly entry?: "process" | "function";
  /** Where `emit` has more than 2 MiB of unrelated code, which is not shown. */
  readonly filler?: "before" | "after";
}

/** Bytes from one sample to the next when they are disassembled. None is longer. */
const slot = 128;

/** What lies between: an instruction that does nothing, so that the disassembler stays in step. */
const nothing: Readonly<Record<Arch, readonly number[]>> = {
  x86_64: [0x90],
  aarch64: [0x1f, 0x20, 0x03, 0xd5],
};

const cell = (offset: number): Cell => ({ kind: "cell", offset });
const address = (offset: number): Address => ({ kind: "address", offset });

function show(operand: Operand): string {
  if (typeof operand === "number") return `${operand}`;
  if (typeof operand === "bigint")
    return `${operand < 0 ? "-" : ""}0x${(operand < 0 ? -operand : operand).toString(16)}`;
  const offset = `0x${operand.offset.toString(16)}`;
  return operand.kind === "cell" ? `[${offset}]` : `&${offset}`;
}

// biome-ignore format: a table
const immediates: readonly Operand[] = [
  0, 1, 127, 128, -1, -128, -129, 0xffff, 0x10000, -0x10000, -0x10001, 0x7fffffff, 0x80000000, 0xffffffff,
  -0x80000000, -0x80000001, 0x100000000, 0x1234_0000_5678, -0x1234_0000_5678, 0xffff_0000_ffff,
  0xfedcba9876543210n, 0x8000000000000000n, 0xffffffffffffffffn, -0x8000000000000000n, -2n,
];
const cells: readonly Cell[] = [0, 8, 120, 128, 248, 256, 0x7ff8, 0x8000, 0x123450, 0x7ffffff8].map(cell);
// biome-ignore format: a table
const addresses: readonly Address[] = [
  0, 1, 127, 128, 0xfff, 0x1000, 0x1001, 0x123456, 0xfff000, 0xffffff, 0x1000000, 0x7fffffff,
].map(address);
// biome-ignore format: a table
const operands: readonly Operand[] = [
  0, 5, -5, 127, 128, -128, 4095, 4096, -4096, 4097, 0xfff000, 0x1000000, 0x7fffffff, -0x80000000,
  0x80000000, 0xffffffffffffffffn, 0x1234567890, cell(0), cell(8), cell(0x123450), address(0),
  address(16), address(0x123456),
];
const counts: readonly Operand[] = [0, 1, 31, 32, 63, 64, -1, 0x1000000000000001n, cell(8), address(3)];
const arithmetic: readonly Arithmetic[] = ["add", "sub", "and", "or"];
const shifts: readonly Arithmetic[] = ["shl", "shr"];
const tests: readonly Test[] = ["==", "!=", "<", "<=", ">", ">="];
const widths: readonly Width[] = [1, 2, 4, 8];
// biome-ignore format: a table
const offsets = [
  0, 1, 8, -1, 127, 128, -128, -129, 255, 256, -256, -257, 4095, 4096, 0x7ff8, 0x8000, -4096, 0x12345678,
];

function fill(target: Target): void {
  for (let index = 0; index < 230_000; index++) target.fetch(0x123456789abcd);
}

function* samples(): Generator<Sample> {
  yield { name: "entry process", entry: "process", emit: () => {} };
  yield { name: "entry function", entry: "function", emit: () => {} };
  yield { name: "entry process, data 2 MiB behind", entry: "process", filler: "after", emit: fill };
  yield { name: "entry function, data 2 MiB behind", entry: "function", filler: "after", emit: fill };
  for (const operand of [...immediates, ...cells, ...addresses]) {
    yield { name: `fetch ${show(operand)}`, emit: (target) => target.fetch(operand) };
  }
  for (const place of cells) yield { name: `keep ${show(place)}`, emit: (target) => target.keep(place) };
  for (const operation of arithmetic) {
    for (const operand of operands) {
      yield { name: `${operation} ${show(operand)}`, emit: (target) => target.compute(operation, operand) };
    }
  }
  for (const operation of shifts) {
    for (const count of counts) {
      yield { name: `${operation} ${show(count)}`, emit: (target) => target.compute(operation, count) };
    }
  }
  for (const width of widths) {
    for (const offset of offsets) {
      yield { name: `load ${width} ${offset}`, emit: (target) => target.load(width, offset) };
    }
    for (const [base, offset] of [
      [cell(8), 0],
      [cell(8), 24],
      [cell(0x8000), -3],
      [cell(8), 0x12345678],
      [address(0), 0],
      [address(16), 8],
      [address(16), -17],
      [address(0x7ff8), 0],
      [address(0x123450), 3],
    ] as const) {
      const name = `store ${width} ${show(base)} ${offset}`;
      yield { name, emit: (target) => target.store(width, base, offset) };
    }
  }
  for (const args of [
    [],
    [0, 0, 0, 0, 0, 0],
    [1, 2, 3, 4, 5, 6],
    [-1, -2, -3, -4, -5, -6],
    [cell(0), cell(8), cell(16), cell(24), cell(32), cell(40)],
    [address(0), address(8), address(16), address(24), address(32), address(40)],
    [0x1234567890, 0x1234567891, 0x1234567892, 0x1234567893, 0x1234567894, 0x1234567895],
    [-100, address(0x123456), cell(0x123450), 0xffffffff],
  ]) {
    yield { name: ["syscall 257", ...args.map(show)].join(" "), emit: (target) => target.syscall(257, args) };
  }
  yield { name: "syscall 0", emit: (target) => target.syscall(0, []) };
  const forward = (go: (target: Target, label: number) => void) => (target: Target) => {
    const label = target.label();
    go(target, label);
    target.fetch(1);
    target.bind(label);
  };
  const backward = (go: (target: Target, label: number) => void) => (target: Target) => {
    const label = target.label();
    target.bind(label);
    target.fetch(1);
    go(target, label);
  };
  const branches: [string, (target: Target, label: number) => void][] = [
    ["jump", (target, label) => target.jump(label)],
    ["gosub", (target, label) => target.gosub(label)],
    ["branchFailed", (target, label) => target.branchFailed(label)],
    ...tests.map((test): [string, (target: Target, label: number) => void] => [
      `branch ${test} 5`,
      (target, label) => target.branch(test, 5, label),
    ]),
  ];
  for (const [name, go] of branches) {
    yield { name: `${name}, forward over fetch 1`, emit: forward(go) };
    yield { name: `${name}, backward over fetch 1`, emit: backward(go) };
  }
  for (const operand of operands) {
    const go = (target: Target, label: number) => target.branch("<", operand, label);
    yield { name: `branch < ${show(operand)}, backward over fetch 1`, emit: backward(go) };
  }
  for (const [name, go] of branches.slice(0, 4)) {
    const far = (target: Target) => {
      const label = target.label();
      go(target, label);
      fill(target);
      target.bind(label);
    };
    yield { name: `${name}, forward over 2 MiB`, filler: "after", emit: far };
    const farBack = (target: Target) => {
      const label = target.label();
      target.bind(label);
      fill(target);
      go(target, label);
    };
    yield { name: `${name}, backward over 2 MiB`, filler: "before", emit: farBack };
  }
  yield { name: "enter", emit: (target) => target.enter() };
  yield { name: "leave", emit: (target) => target.leave() };
  yield { name: "giveBack", emit: (target) => target.giveBack() };
}

/** Every sample and what it is assembled to, as text. */
export function listing(arch: Arch): string {
  const assemble = (emit: (target: Target) => void, entry: "process" | "function" = "process") => {
    const assembler = assemblers[arch](entry);
    emit(assembler);
    return assembler.assemble(0).code;
  };
  const prologue = assemble(() => {}).length;
  const filler = assemble(fill).length - prologue;
  const all = [...samples()];
  const ends: number[] = [];
  const between = nothing[arch];
  const code = Uint8Array.from({ length: all.length * slot }, (_, at) => between[at % between.length] ?? 0);
  for (const [index, { emit, entry, filler: side }] of all.entries()) {
    const whole = assemble(emit, entry);
    const start = (entry ? 0 : prologue) + (side === "before" ? filler : 0);
    const shown = whole.subarray(start, side === "after" ? whole.length - filler : whole.length);
    code.set(shown, index * slot);
    ends.push(index * slot + shown.length);
  }
  const bySlot = new Map<number, Disassembled[]>();
  for (const instruction of disassemble(arch, code)) {
    const index = Math.floor(instruction.address / slot);
    if (instruction.address >= (ends[index] ?? 0)) continue;
    bySlot.set(index, [...(bySlot.get(index) ?? []), instruction]);
  }
  return all
    .map(({ name }, index) => {
      const lines = (bySlot.get(index) ?? []).map(
        ({ encoding, text }) => `    ${encoding.padEnd(32)}${text}`,
      );
      return `${[name, ...lines].join("\n")}\n`;
    })
    .join("");
}
