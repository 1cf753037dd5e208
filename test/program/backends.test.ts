/** The back ends against their golden listings, against what programs must do, and against each other. */
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { elfImage, imageBase, imageCodeStart } from "../../src/program/image.ts";
import { defaultBase, interpreter } from "../../src/program/interpreter.ts";
import { type Arch, arches } from "../../src/sys/arch.ts";
import { syscallNumbers } from "../../src/sys/syscalls.ts";
import { assemblers, type Ended, execute } from "./assembled.ts";
import { type Case, cases, Machine } from "./cases.ts";
import { listing } from "./encodings.ts";
import { FakeKernel } from "./fake-kernel.ts";
import { randomProgram } from "./programs.ts";

describe.each([...arches])("%s", (arch) => {
  test("encodings are the golden ones", () => {
    const file = join(import.meta.dir, "golden", `${arch}.txt`);
    const actual = listing(arch);
    // To be read line by line before it is committed: the file is the proof.
    if (process.env.UPDATE_GOLDEN) writeFileSync(file, actual);
    expect(actual).toBe(readFileSync(file, "latin1"));
  });
});

type Unjudged = Omit<Case, "output">;

function assembled(arch: Arch, { build, zeroed }: Unjudged): Ended {
  const assembler = assemblers[arch]("process");
  const machine = new Machine(assembler, syscallNumbers[arch]);
  build(machine);
  const { code, dataStart } = assembler.assemble(imageCodeStart);
  const data = machine.data.image(imageBase + dataStart);
  return execute(arch, elfImage(arch, code, imageCodeStart, data, dataStart, imageCodeStart, zeroed));
}

function interpreted({ build, zeroed = 0, files }: Unjudged): Ended {
  const target = interpreter();
  const numbers = syscallNumbers.x86_64;
  const machine = new Machine(target, numbers);
  build(machine);
  const image = machine.data.image(defaultBase);
  const data = new Uint8Array(image.length + zeroed);
  data.set(image);
  const kernel = new FakeKernel(files);
  const outcome = target.run({ data, numbers, kernel: kernel.answer });
  const { output, errors } = kernel;
  return { status: outcome.status ?? kernel.executed, signal: undefined, output, errors };
}

/** What to expect of a case, with the shown values as the bytes that they are written as. */
function expected({ status = 0, output }: Case): Ended {
  const bytes =
    typeof output === "string" ? output : Buffer.from(BigInt64Array.from(output).buffer).toString("latin1");
  return { status, signal: undefined, output: bytes, errors: "" };
}

describe.each([...cases])("$name", (one) => {
  test("interpreted", () => expect(interpreted(one)).toEqual(expected(one)));
  test("on x86_64", () => expect(assembled("x86_64", one)).toEqual(expected(one)));
  test("on aarch64", () => expect(assembled("aarch64", one)).toEqual(expected(one)));
});

test.each(Array.from({ length: 40 }, (_, index) => index))(
  "random program %d does the same everywhere",
  (seed) => {
    const program = randomProgram(seed, 300);
    const reference = interpreted(program);
    expect(reference.output.length).toBe(200);
    expect(assembled("x86_64", program)).toEqual(reference);
    expect(assembled("aarch64", program)).toEqual(reference);
  },
);

test("aarch64: a backward branch is one instruction as far as that reaches, and around a jump beyond", () => {
  const codeFor = (between: number): Uint32Array => {
    const assembler = assemblers.aarch64("process");
    const label = assembler.label();
    assembler.bind(label);
    for (let index = 0; index < between; index++) assembler.enter();
    assembler.branchFailed(label);
    return new Uint32Array(assembler.assemble(0).code.slice().buffer);
  };
  // The branch is the last instruction, the comparison before it one more to go back over.
  const farthest = 2 ** 20 / 4 - 1;
  expect(codeFor(farthest).at(-1)).toBe(0x54800002); // b.cs -0x100000
  expect([...codeFor(farthest + 1).slice(-2)]).toEqual([0x54000043, 0x17fbfffe]); // b.cc +8; b -0x100008
});

describe.each([...arches])("%s refuses", (arch) => {
  const assembler = () => assemblers[arch]("process");
  test("a number that 64 bits do not hold, or that is not exact", () => {
    expect(() => assembler().fetch(2n ** 64n)).toThrow(RangeError);
    expect(() => assembler().fetch(-(2n ** 63n) - 1n)).toThrow(RangeError);
    expect(() => assembler().compute("add", 2 ** 53)).toThrow(RangeError);
    expect(() => assembler().compute("shl", 0.5)).toThrow(RangeError);
  });
  test("a label that is bound twice, never, or elsewhere", () => {
    const target = assembler();
    const label = target.label();
    target.bind(label);
    expect(() => target.bind(label)).toThrow("twice");
    expect(() => target.jump(label + 1)).toThrow("another target");
    target.jump(target.label());
    expect(() => target.assemble(0)).toThrow("never bound");
  });
  test("a seventh argument", () => {
    expect(() => assembler().syscall(0, [1, 2, 3, 4, 5, 6, 7])).toThrow(RangeError);
  });
});
