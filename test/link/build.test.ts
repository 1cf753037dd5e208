/** The build: the same bytes wherever it is made, and one line for whatever is wrong. */
import { describe, expect, test } from "bun:test";
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Arch, arches } from "../../src/sys/arch.ts";
import { buildArches, built, inDirectory, root, run } from "./built.ts";

const fixture = "test/link/fixtures/program.ts";

test.each([...arches])(
  "%s comes out the same, also from a copy elsewhere",
  (arch) => {
    inDirectory((copy) => {
      for (const part of ["package.json", "tsconfig.json", "scripts", "src", "test"])
        cpSync(join(root, part), join(copy, part), { recursive: true });
      symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
      const again = [
        process.execPath,
        "scripts/build-arches.ts",
        "--arch",
        arch,
        "--entry",
        fixture,
        "--out",
        "out",
      ];
      const { status, stderr, stdout } = run(again, { cwd: copy });
      expect([status, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(/ctrtool-\S+ +\d+\.\d MiB\n1 built in \d+\.\d s\n$/);
      const sha = (file: string) => new Bun.CryptoHasher("sha256").update(readFileSync(file)).digest("hex");
      expect(sha(join(copy, `out/ctrtool-${arch}`))).toBe(sha(built(arch)));
    });
  },
  60_000,
);

describe("one line, naming it, for", () => {
  const refused: [string, string[], string][] = [
    ["an architecture", ["--arch", "riscv64"], "--arch is riscv64, not one of x86_64, aarch64"],
    ["an option", ["--fast"], "Unknown option '--fast'"],
    ["an operand", ["x86_64"], "Unexpected argument 'x86_64'"],
    ["an entry that is missing", ["--entry", "no.ts"], "no.ts does not compile"],
  ];
  test.each(refused)("%s", (_, words, said) => {
    const { status, stderr } = buildArches(...words, "--out", "/nonexistent");
    expect(status).toBe(1);
    expect(stderr).toContain(said);
    expect(stderr).toMatch(/^build-arches: .*\n$/);
  });

  const missing: [string, Arch, string, string[]][] = [
    ["the compiler", "x86_64", "x86_64-linux-gnu-gcc is missing: install the Debian package gcc", []],
    [
      "the linker",
      "x86_64",
      "x86_64-linux-gnu-ld is missing: install the Debian package binutils",
      ["x86_64-linux-gnu-gcc"],
    ],
    [
      "a cross compiler",
      "aarch64",
      "aarch64-linux-gnu-gcc is missing: install the Debian package gcc-aarch64-linux-gnu",
      [],
    ],
  ];
  test.each(missing)("%s that is missing", (_, arch, said, present) => {
    inDirectory((directory) => {
      for (const tool of present) symlinkSync(Bun.which(tool) ?? tool, join(directory, tool));
      const build = [
        process.execPath,
        join(root, "scripts/build-arches.ts"),
        "--arch",
        arch,
        "--out",
        directory,
      ];
      const { status, stderr } = run(build, { env: { PATH: directory, HOME: process.env.HOME ?? "/" } });
      expect([status, stderr]).toEqual([1, `build-arches: ${said}\n`]);
    });
  });

  test("a C library that is missing", () => {
    inDirectory((directory) => {
      const script = (name: string, text: string) =>
        writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      script("aarch64-linux-gnu-gcc", 'echo "$1" | sed s/-print-file-name=//');
      script("aarch64-linux-gnu-ld", "exit 1");
      const build = [
        process.execPath,
        join(root, "scripts/build-arches.ts"),
        "--arch",
        "aarch64",
        "--out",
        directory,
      ];
      const env = { PATH: `${directory}:/usr/bin:/bin`, HOME: process.env.HOME ?? "/" };
      const { status, stderr } = run(build, { env });
      expect(status).toBe(1);
      expect(stderr).toBe(
        "build-arches: crti.o is missing: install the Debian package libc6-dev-arm64-cross\n",
      );
    });
  });
});
