/**
 * Programs wherever they can run: against the fake kernel, as an executable of either architecture, in place of
 * a process, and in a clone of this one. Each kind of step must do the same in all of them.
 */
import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defaultBase, interpreter, type Kernel } from "../../src/program/interpreter.ts";
import { Lowering } from "../../src/program/lower.ts";
import { type Child, executable, runInClone } from "../../src/program/run.ts";
import { call, exit, type Program, variable } from "../../src/program/steps.ts";
import { type Arch, arches, nativeArch } from "../../src/sys/arch.ts";
import { CLONE_FS, CLONE_NEWUSER, CLONE_NEWUTS } from "../../src/sys/constants.ts";
import { EINTR, EINVAL, EPERM } from "../../src/sys/errno.ts";
import { OperationError } from "../../src/sys/failure.ts";
import { syscall } from "../../src/sys/libc.ts";
import { syscallNumbers } from "../../src/sys/syscalls.ts";
import { type Ended, execute, inDirectory } from "./assembled.ts";
import { FakeKernel } from "./fake-kernel.ts";
import { programOf, type StepCase, stepCases } from "./step-cases.ts";

const numbers = syscallNumbers[nativeArch()];

function interpret(program: Program, kernel: Kernel) {
  const target = interpreter();
  const lowering = new Lowering(target, numbers, program.applet, { form: "line" });
  lowering.process(program.steps, program.failure);
  lowering.finish();
  return target.run({ data: lowering.data.image(defaultBase), numbers, kernel });
}

function interpreted(one: StepCase): Ended {
  const kernel = new FakeKernel(one.files);
  const outcome = interpret(programOf(one, 1), kernel.answer);
  const { output, errors } = kernel;
  return { status: outcome.status ?? kernel.executed, signal: undefined, output, errors };
}

function executed(one: StepCase, arch: Arch): Ended {
  return execute(arch, executable(programOf(one, 1), arch));
}

/** A Bun process that becomes the program. */
function become(one: StepCase): Ended {
  const fixture = join(import.meta.dir, "become.fixture.ts");
  const done = Bun.spawnSync([process.execPath, fixture, one.name], { stdin: "ignore" });
  const [output, errors] = [done.stdout, done.stderr].map((stream) => stream.toString("latin1"));
  return { status: done.exitCode, signal: done.signalCode, output: output ?? "", errors: errors ?? "" };
}

/** Waits for a clone; its status as wait(2) has it. */
function wait({ pid }: Child): number {
  const status = new Int32Array(1);
  expect(syscall(numbers.wait4, pid, status, 0, 0)).toBe(pid);
  return status[0] ?? -1;
}

function expected({ status = 0, output = "", messages = [] }: StepCase): Ended {
  const errors = messages.map((message) => `ctrtool test: ${message}\n`).join("");
  return { status, signal: undefined, output, errors };
}

describe.each([...stepCases])("$name", (one) => {
  test("interpreted", () => expect(interpreted(one)).toEqual(expected(one)));
  test.each([...arches])("as an executable for %s", (arch) =>
    expect(executed(one, arch)).toEqual(expected(one)),
  );
  test("in place of a process", () => expect(become(one)).toEqual(expected(one)));

  test("in a clone, which tells its parent what failed", () => {
    inDirectory((directory) => {
      const file = join(directory, "output");
      const out = openSync(file, "a");
      const child = runInClone(programOf(one, out));
      const status = wait(child);
      closeSync(out);
      expect({ status, output: readFileSync(file, "latin1"), failure: child.failure() }).toEqual({
        status: (one.status ?? 0) << 8,
        output: one.output ?? "",
        failure: one.failure,
      });
      child.release();
    });
  });
});

test("a call is repeated as long as a signal interrupts it, if it says so", () => {
  const value = variable("value");
  const program = (retry: boolean): Program => ({
    applet: "test",
    failure: 70,
    steps: [call("read", [0, 0, 0], "input", { retry, into: value, accept: [EINTR] }), exit(value)],
  });
  const interrupting = (): Kernel => {
    let left = 3;
    return ({ name }) => (name === "read" ? (left-- > 0 ? -EINTR : 7) : 0);
  };
  expect(interpret(program(true), interrupting())).toMatchObject({ status: 7 });
  expect(interpret(program(false), interrupting())).toMatchObject({ status: 256 - EINTR });
});

test("what has become a program is named after its applet, in one thread, and executed from sealed memory", () => {
  const fixture = join(import.meta.dir, "become.fixture.ts");
  const { stdout } = Bun.spawnSync([process.execPath, fixture, "--look"], { stdin: "ignore" });
  const text = stdout.toString();
  expect(text).toStartWith("Name:\ttest\n");
  expect(text).toContain("\nThreads:\t1\n");
  expect(text).toEndWith("\n/memfd:ctrtool (deleted)");
});

describe("a clone", () => {
  const name = (text: string): Program => ({
    applet: "test",
    failure: 70,
    steps: [call("sethostname", [text, text.length], text)],
  });

  test("has the namespaces it was given", () => {
    const before = readFileSync("/proc/sys/kernel/hostname", "latin1");
    const child = runInClone(name("elsewhere"), CLONE_NEWUTS);
    expect(wait(child)).toBe(0);
    expect(child.failure()).toBeUndefined();
    child.release();
    expect(readFileSync("/proc/sys/kernel/hostname", "latin1")).toBe(before);
  });

  test("that cannot be made is an error, and leaves nothing", () => {
    try {
      runInClone(name("never"), CLONE_NEWUSER | CLONE_FS);
      throw new Error("it was made");
    } catch (problem) {
      expect(problem).toBeInstanceOf(OperationError);
      expect(problem).toMatchObject({ step: "clone", what: "test", errno: EINVAL });
    }
    expect(syscall(numbers.wait4, -1, 0, 1, 0)).toBeLessThanOrEqual(0);
  });

  test("tells of a call that fails for want of privileges", () => {
    const program: Program = {
      applet: "test",
      failure: 70,
      steps: [
        call("setresuid", [1000, 1000, 1000], "uid 1000"),
        call("sethostname", ["never", 5], "the host name"),
      ],
    };
    const child = runInClone(program);
    expect(wait(child)).toBe(70 << 8);
    expect(child.failure()).toEqual({ step: "sethostname", what: "the host name", errno: EPERM });
    child.release();
  });

  test("can be made hundreds of times while the collector works", () => {
    const mappings = () => readFileSync("/proc/self/maps", "latin1").split("\n").length;
    const children = Array.from({ length: 50 }, () => runInClone({ applet: "test", failure: 1, steps: [] }));
    for (const child of children) {
      expect(wait(child)).toBe(0);
      child.release();
    }
    const before = mappings();
    for (let round = 0; round < 300; round++) {
      if (round % 50 === 0) Bun.gc(true);
      const child = runInClone({ applet: "test", failure: 1, steps: [exit(round & 255)] });
      expect(wait(child)).toBe((round & 255) << 8);
      child.release();
    }
    expect(mappings()).toBeLessThan(before + 100);
  });
});
