/** How assembled code is entered: as a function by C conventions, and as a process from its ELF image. */
import { CFunction, dlopen, type Pointer, toArrayBuffer } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { elfImage, imageBase, imageCodeStart } from "../../src/program/image.ts";
import { interpreter } from "../../src/program/interpreter.ts";
import type { Target } from "../../src/program/target.ts";
import { type Arch, arches, nativeArch } from "../../src/sys/arch.ts";
import { syscallNumbers } from "../../src/sys/syscalls.ts";
import { assemblers, execute, inDirectory, output, runner } from "./assembled.ts";
import { Machine, place } from "./cases.ts";
import { FakeKernel } from "./fake-kernel.ts";

/** A function of everything: its argument, a routine, a clone whose child ends with 3. (x + 5) * 2 + 3. */
function sample(target: Target, arch: Arch): Machine {
  const machine = new Machine(target, syscallNumbers[arch]);
  const { data } = machine;
  const value = data.cell();
  const status = data.cell();
  const routine = target.label();
  const child = target.label();
  target.compute("add", 5);
  target.gosub(routine);
  target.keep(value);
  machine.fork();
  target.branch("==", 0, child);
  machine.call("wait4", -1, place(status), 0, 0);
  target.fetch(status);
  target.compute("shr", 8);
  target.compute("add", value);
  target.giveBack();
  target.bind(child);
  machine.exit(3);
  target.bind(routine);
  target.enter();
  target.compute("shl", 1);
  target.leave();
  return machine;
}

/** Code and data in one piece, as they are to lie in memory. */
function assembledSample(arch: Arch): { bytes: Uint8Array; dataStart: number } {
  const assembler = assemblers[arch]("function");
  const machine = sample(assembler, arch);
  const { code, dataStart } = assembler.assemble(0);
  const data = machine.data.image(0);
  const bytes = new Uint8Array(dataStart + data.length);
  bytes.set(code);
  bytes.set(data, dataStart);
  return { bytes, dataStart };
}

const compiler: Readonly<Record<Arch, string>> = {
  x86_64: "x86_64-linux-gnu-gcc",
  aarch64: "aarch64-linux-gnu-gcc",
};

describe.each([...arches])("a function on %s", (arch) => {
  test("takes its argument, gives its result, and preserves what a function must", () => {
    inDirectory((directory) => {
      const caller = join(directory, "call");
      const image = join(directory, "image");
      output([compiler[arch], "-static", "-O1", "-o", caller, join(import.meta.dir, "call.c")]);
      const { bytes, dataStart } = assembledSample(arch);
      writeFileSync(image, bytes);
      for (const [argument, result] of [
        ["100", 213n],
        ["-6", 1n],
        ["0x1234567890", 0x1234567890n * 2n + 13n],
      ] as const) {
        const lines = output([...runner(arch), caller, image, `${dataStart}`, argument])
          .trim()
          .split("\n");
        const count = arch === "x86_64" ? 6 : 11;
        const untouched = Array.from({ length: count }, (_, index) => `${index + 1}`);
        expect(lines).toEqual([`${result}`, ...untouched]);
      }
    });
  });
});

test("a function in this very process, through bun:ffi", () => {
  const PROT_READ = 1;
  const PROT_WRITE = 2;
  const PROT_EXEC = 4;
  const MAP_PRIVATE = 2;
  const MAP_ANONYMOUS = 0x20;
  const { symbols: libc, close } = dlopen("libc.so.6", {
    mmap: { args: ["u64", "u64", "i32", "i32", "i32", "i64"], returns: "ptr" },
    mprotect: { args: ["ptr", "u64", "i32"], returns: "i32" },
    munmap: { args: ["ptr", "u64"], returns: "i32" },
  });
  const { bytes, dataStart } = assembledSample(nativeArch());
  const page = libc.mmap(0, bytes.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page === null) throw new Error("mmap failed");
  new Uint8Array(toArrayBuffer(page, 0, bytes.length)).set(bytes);
  expect(libc.mprotect(page, dataStart, PROT_READ | PROT_EXEC)).toBe(0);
  const call = CFunction({ ptr: page as Pointer, args: ["i64"], returns: "i64" });
  expect(call(100n)).toBe(213n);
  expect(call(-6n)).toBe(1n);
  call.close();
  expect(libc.munmap(page, bytes.length)).toBe(0);
  close();
});

test("a function, interpreted", () => {
  const target = interpreter("function");
  const numbers = syscallNumbers.x86_64;
  const data = sample(target, "x86_64").data.image(0);
  const outcome = target.run({ data, numbers, kernel: new FakeKernel().answer, argument: 100n });
  expect(outcome).toMatchObject({ end: "returned", value: 213n, status: undefined });
  expect(outcome.children).toMatchObject([{ pid: 100, end: "exited", status: 3 }]);
});

/** An image whose program prints /proc/self/maps. */
function mapsPrinter(arch: Arch): Uint8Array {
  const assembler = assemblers[arch]("process");
  const machine = new Machine(assembler, syscallNumbers[arch]);
  const { data } = machine;
  const file = data.cell();
  const length = data.cell();
  const buffer = data.record(Array.from({ length: 512 }, () => 0));
  const again = assembler.label();
  const end = assembler.label();
  machine.call("openat", -100, data.string("/proc/self/maps"), 0, 0);
  assembler.keep(file);
  assembler.bind(again);
  machine.call("read", file, buffer, 4096);
  assembler.keep(length);
  assembler.branch("<=", 0, end);
  machine.call("write", 1, buffer, length);
  assembler.jump(again);
  assembler.bind(end);
  machine.exit(0);
  const { code, dataStart } = assembler.assemble(imageCodeStart);
  const bytes = data.image(imageBase + dataStart);
  return elfImage(arch, code, imageCodeStart, bytes, dataStart, imageCodeStart, 100_000);
}

/** Code that writes its exit status to memory `away` bytes from the data area before it exits with 0. */
function writer(arch: Arch, away: number, entry: "code" | "data"): Uint8Array {
  const assembler = assemblers[arch]("process");
  const machine = new Machine(assembler, syscallNumbers[arch]);
  assembler.fetch(0);
  assembler.store(1, { kind: "address", offset: 0 }, away);
  machine.exit(0);
  const { code, dataStart } = assembler.assemble(imageCodeStart);
  // The data area holds a copy of the code, so that it would run if it could be executed.
  const data = code.slice();
  return elfImage(arch, code, imageCodeStart, data, dataStart, entry === "code" ? imageCodeStart : dataStart);
}

describe.each([...arches])("an image for %s", (arch) => {
  const page = assemblers[arch]("process").page;

  test("is a static executable, as file and readelf see it", () => {
    inDirectory((directory) => {
      const file = join(directory, "image");
      writeFileSync(file, mapsPrinter(arch));
      expect(output(["file", "--brief", file])).toMatch(/^ELF 64-bit LSB executable.*statically linked/);
      const read = Bun.spawnSync(["readelf", "--wide", "--headers", file]);
      expect(read.stderr.toString()).toBe("");
      const segments = [...read.stdout.toString().matchAll(/^ {2}(LOAD|GNU_STACK|INTERP|DYNAMIC) .*/gm)].map(
        ([line]) => {
          const [type, offset, address, , inFile, inMemory, ...rest] = line.trim().split(/\s+/);
          return {
            type,
            flags: rest.slice(0, -1).join(""),
            align: Number(rest.at(-1)),
            offset: Number(offset),
            address: Number(address),
            zeros: Number(inMemory) - Number(inFile),
          };
        },
      );
      expect(segments).toEqual([
        { type: "LOAD", flags: "RE", align: page, offset: 0, address: imageBase, zeros: 0 },
        { type: "LOAD", flags: "RW", align: page, offset: page, address: imageBase + page, zeros: 100_000 },
        { type: "GNU_STACK", flags: "RW", align: 16, offset: 0, address: 0, zeros: 0 },
      ]);
    });
  });

  test("is mapped with nothing both writable and executable", () => {
    const { status, output: maps } = execute(arch, mapsPrinter(arch));
    expect(status).toBe(0);
    const mapped = maps.matchAll(/^([0-9a-f]+)-[0-9a-f]+ (....)/gm);
    const rights = new Map([...mapped].map(([, start = "", flags]) => [Number.parseInt(start, 16), flags]));
    expect(rights.get(imageBase)).toBe("r-xp");
    expect(rights.get(imageBase + page)).toBe("rw-p");
    expect(maps).toContain("[stack]");
    expect([...rights.values()].filter((flags) => flags?.includes("w") && flags.includes("x"))).toEqual([]);
  });

  test("may write its data, but not its code, and not execute its data", () => {
    expect(execute(arch, writer(arch, 0, "code"))).toMatchObject({ status: 0, signal: undefined });
    expect(execute(arch, writer(arch, imageCodeStart - page, "code"))).toMatchObject({ signal: "SIGSEGV" });
    expect(execute(arch, writer(arch, 0, "data"))).toMatchObject({ signal: "SIGSEGV" });
  });

  test("runs without any data", () => {
    const assembler = assemblers[arch]("process");
    new Machine(assembler, syscallNumbers[arch]).exit(5);
    const { code, dataStart } = assembler.assemble(imageCodeStart);
    const image = elfImage(arch, code, imageCodeStart, new Uint8Array(0), dataStart, imageCodeStart);
    expect(execute(arch, image)).toMatchObject({ status: 5, signal: undefined });
  });

  test("is refused when its parts overlap or are not aligned", () => {
    const bytes = new Uint8Array(64);
    expect(() => elfImage(arch, bytes, 0, bytes, page, 0)).toThrow(RangeError);
    expect(() => elfImage(arch, bytes, page, bytes, page, page)).toThrow(RangeError);
    expect(() => elfImage(arch, bytes, imageCodeStart, bytes, page + 16, imageCodeStart)).toThrow(RangeError);
  });
});
