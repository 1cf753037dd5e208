/** Random programs: what one implementation of `Target` makes of them, all must. */
import type { Arithmetic, Cell, Label, Operand, Test, Width } from "../../src/program/target.ts";
import { type Case, type Machine, mostNegative, mostPositive, place } from "./cases.ts";

/** Numbers from 0 to 2^32-1 that a seed determines (xorshift32). */
function generator(seed: number): (below: number) => number {
  let state = (seed * 0x9e3779b1) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const cellCount = 8;
const areaWords = 16;
const operations: readonly Arithmetic[] = ["add", "sub", "and", "or", "shl", "shr"];
const tests: readonly Test[] = ["==", "!=", "<", "<=", ">", ">="];
const widths: readonly Width[] = [1, 2, 4, 8];

/**
 * A program of `length` instructions on a few cells and a small area, which shows all of them in the end.
 * Branches go forward, but for loops with a counter of their own; so every program ends.
 */
export function randomProgram(seed: number, length: number): Omit<Case, "output"> {
  return { name: `random program ${seed}`, build: (machine) => build(machine, generator(seed), length) };
}

function build(machine: Machine, random: (below: number) => number, length: number): void {
  const { target } = machine;
  const pick = <Item>(items: readonly Item[]): Item => {
    const item = items[random(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  const number = (): number | bigint => {
    const wide = (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32));
    return pick([
      random(256) - 128,
      random(10_000) - 5000,
      random(2 ** 32) - 2 ** 31,
      random(2 ** 32) * (random(3) - 1),
      BigInt.asIntN(64, wide),
      pick([0, 1, -1, 63, 64, mostNegative, mostPositive, 0xffff_0000_0000, -4096]),
    ]);
  };
  const cells = Array.from({ length: cellCount }, () => machine.cell(number()));
  const area = machine.data.record(Array.from({ length: areaWords }, number));
  const operand = (): Operand => (random(2) === 0 ? number() : pick(cells));
  const routines = [target.label(), target.label()];
  const waiting: { label: Label; left: number }[] = [];
  const loops: { label: Label; counter: Cell; left: number }[] = [];

  const instruction = (): void => {
    const width = pick(widths);
    const offset = random(areaWords * 8 - width + 1);
    switch (random(9)) {
      case 0:
        target.fetch(operand());
        break;
      case 1:
        target.keep(pick(cells));
        break;
      case 2:
      case 3:
        target.compute(pick(operations), operand());
        break;
      case 4:
        target.fetch(area);
        target.load(width, offset);
        break;
      case 5:
        target.store(width, area, offset);
        break;
      case 6: {
        const label = target.label();
        waiting.push({ label, left: 1 + random(10) });
        if (random(4) === 0) target.branchFailed(label);
        else target.branch(pick(tests), operand(), label);
        break;
      }
      case 7: {
        // Through a pointer that lies outside the area, with an offset that leads back into it.
        const pointer = machine.data.cell();
        const away = random(20_000) - 10_000;
        const value = machine.data.cell();
        target.keep(value);
        target.fetch(area);
        target.compute("add", away);
        target.keep(pointer);
        target.fetch(value);
        target.store(width, pointer, offset - away);
        break;
      }
      default:
        target.gosub(pick(routines));
        break;
    }
  };

  target.fetch(number());
  for (let index = 0; index < length; index++) {
    instruction();
    for (const branch of waiting) if (branch.left-- === 0) target.bind(branch.label);
    if (loops.length === 0 && random(20) === 0) {
      const counter = machine.cell(1 + random(20));
      const label = target.label();
      target.bind(label);
      loops.push({ label, counter, left: 5 + random(10) });
    }
    for (const loop of loops) {
      if (loop.left-- > 0) continue;
      loops.pop();
      target.fetch(loop.counter);
      target.compute("sub", 1);
      target.keep(loop.counter);
      target.branch(">", 0, loop.label);
    }
  }
  for (const { label, left } of waiting) if (left >= 0) target.bind(label);
  for (const { label, counter } of loops) {
    target.fetch(counter);
    target.compute("sub", 1);
    target.keep(counter);
    target.branch(">", 0, label);
  }
  machine.show();
  for (const cell of cells) machine.call("write", 1, place(cell), 8);
  machine.call("write", 1, area, areaWords * 8);
  machine.exit(0);
  for (const [index, routine] of routines.entries()) {
    target.bind(routine);
    target.enter();
    for (let count = 0; count < 5; count++) target.compute(pick(operations), operand());
    if (index > 0) target.gosub(routines[0] ?? routine);
    target.leave();
  }
}
