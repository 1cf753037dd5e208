/** What the static link step makes, as a file and as a process. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import {
  Elf,
  PF_W,
  PF_X,
  PT_DYNAMIC,
  PT_GNU_RELRO,
  PT_GNU_STACK,
  PT_INTERP,
  PT_LOAD,
} from "../../scripts/link/elf.ts";
import { arches } from "../../src/sys/arch.ts";
import { built, inDirectory, inEmptyRoot, report, run, starting } from "./built.ts";

const mebibyte = 2 ** 20;

const loadResult = {
  compiled: 1511359616,
  collected: 801,
  worker: [1, 4, 9],
  timers: 3,
  socket: "hello",
  thrown: "SyntaxError",
  big: 61,
  pattern: "a<1>b<2>c<3>",
  float: "6.217676",
};

/** The emulator takes half a second for each start, when nothing else runs. */
setDefaultTimeout(60_000);

describe.each([...arches])("%s", (arch) => {
  const elf = () => new Elf(readFileSync(built(arch)), arch);

  test("is a static executable without symbols", () => {
    expect(elf().segmentsOf(PT_INTERP)).toEqual([]);
    expect(elf().segmentsOf(PT_DYNAMIC)).toEqual([]);
    expect(elf().sections.map(({ name }) => name)).not.toContain(".symtab");
    expect(run(["readelf", "-dW", built(arch)]).stdout).toContain(
      "There is no dynamic section in this file.",
    );
    expect(run(["readelf", "-lW", built(arch)]).stdout).not.toContain("interpreter");
  });

  test("has no memory that is writable and executable, and a part that is read-only once it runs", () => {
    const segments = [...elf().segmentsOf(PT_LOAD), elf().segment(PT_GNU_STACK, "PT_GNU_STACK")];
    expect(segments.filter(({ flags }) => flags & PF_W && flags & PF_X)).toEqual([]);
    expect(elf().segment(PT_GNU_RELRO, "PT_GNU_RELRO").memorySize).toBeGreaterThan(4096);
  });

  test("is at most 3 MiB larger than Bun", () => {
    expect(statSync(built(arch)).size).toBeLessThanOrEqual(statSync(process.execPath).size + 3 * mebibyte);
  });

  test("does all that the runtime does", () => {
    expect(report([...starting(arch), "load"])).toEqual(loadResult);
  });

  test("does the same in an empty root", () => {
    inEmptyRoot(arch, (start) => {
      expect(report([...start, "hello"])).toBe("hello");
      expect(report([...start, "load"])).toEqual(loadResult);
    });
  });

  test("calls machine code", () => {
    expect(report([...starting(arch), "code"])).toBe(42);
  });

  test.each([
    ["is gone", "mkdir gone && cd gone && rmdir ../gone"],
    [
      "has a path that is too long",
      "for n in $(seq 30); do mkdir -p $(printf %0200d 0) && cd $(printf %0200d 0); done",
    ],
  ])("runs in a directory that %s", (_, enter) => {
    inDirectory((cwd) => {
      expect(report(["bash", "-c", `${enter} && exec "$@" hello`, "bash", ...starting(arch)], { cwd })).toBe(
        "hello",
      );
    });
  });
});

/** Bun's are compiled for two kinds of x86_64; ours has to start on the older one. */
test("runs on a processor of 2008", () => {
  const emulated = ["qemu-x86_64-static", "-cpu", "Nehalem", built("x86_64"), "hello"];
  expect(report(emulated)).toBe("hello");
});
