/** What the link step does not understand stops the build, in one line, instead of failing in a container. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  Elf,
  PT_DYNAMIC,
  PT_LOAD,
  programHeaderBytes,
  relocationBytes,
  sectionHeaderBytes,
} from "../../scripts/link/elf.ts";
import { BuildProblem } from "../../scripts/link/problem.ts";
import { linkStatically } from "../../scripts/link/static.ts";
import { findToolchain } from "../../scripts/link/toolchain.ts";
import { inDirectory, root } from "./built.ts";

const programHeaders = 64;

/** Bun with a program, before it is linked, to be changed by a test. */
class Compiled {
  readonly bytes: Uint8Array;
  readonly elf: Elf;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.elf = new Elf(bytes, "test");
    this.#view = new DataView(bytes.buffer);
  }

  set(offset: number, size: 8 | 16 | 32 | 64, value: number): void {
    if (size === 8) this.#view.setUint8(offset, value);
    else if (size === 16) this.#view.setUint16(offset, value, true);
    else if (size === 32) this.#view.setUint32(offset, value, true);
    else this.#view.setBigUint64(offset, BigInt(value), true);
  }

  /** Where the relocations of functions begin. */
  get relocations(): number {
    return this.elf.section(".rela.plt").offset;
  }

  /** Where the header of the n-th segment of a type is. */
  segmentHeader(type: number, nth = 0): number {
    const indexes = this.elf.segments.flatMap((segment, index) => (segment.type === type ? [index] : []));
    return programHeaders + (indexes[nth] ?? 0) * programHeaderBytes;
  }

  sectionHeader(name: string): number {
    const index = this.elf.sections.findIndex((section) => section.name === name);
    return this.elf.number(40) + index * sectionHeaderBytes;
  }

  rename(symbol: string, to: string): void {
    const { offset, size } = this.elf.section(".dynstr");
    const at = Buffer.from(this.bytes.buffer, offset, size).indexOf(`\0${symbol}\0`);
    this.bytes.set(Buffer.from(to), offset + at + 1);
  }

  /** The file offset of what .bss would be. */
  get bss(): number {
    const { address } = this.elf.section(".bss");
    const [, , data] = this.elf.segmentsOf(PT_LOAD);
    return data ? data.offset + address - data.address : 0;
  }
}

let original: Uint8Array | undefined;

/** A copy of a compiled program, which is made once. */
async function compiled(): Promise<Compiled> {
  original ??= await compile();
  return new Compiled(original.slice());
}

async function compile(): Promise<Uint8Array> {
  const outfile = join(root, "dist/test-link/compiled");
  mkdirSync(join(outfile, ".."), { recursive: true });
  const entry = join(root, "test/link/fixtures/program.ts");
  const target = "bun-linux-x64-baseline";
  const { success } = await Bun.build({ entrypoints: [entry], compile: { target, outfile } });
  if (!success) throw new Error("the fixture does not compile");
  return new Uint8Array(readFileSync(outfile));
}

/** Why `bytes` cannot be linked; empty if they can. */
function refusal(bytes: Uint8Array): string {
  return inDirectory((directory) => {
    try {
      linkStatically(findToolchain("x86_64"), bytes, directory);
      return "";
    } catch (problem) {
      if (!(problem instanceof BuildProblem)) throw problem;
      expect(problem.message).not.toContain("\n");
      return problem.message;
    }
  });
}

const replacements: [string, (bytes: Uint8Array) => Uint8Array, RegExp][] = [
  ["is empty", () => new Uint8Array(), /truncated: the header/],
  ["is cut in the header", (bytes) => bytes.subarray(0, 63), /truncated: the header/],
  ["is cut in the middle", (bytes) => bytes.subarray(0, bytes.length >> 1), /truncated: a segment/],
  ["lacks its last byte", (bytes) => bytes.subarray(0, -1), /truncated: the section headers/],
  ["is a script", () => Buffer.from("#!/bin/sh\n".repeat(10)), /not a 64-bit little-endian ELF file/],
  ["is Bun alone", () => new Uint8Array(readFileSync(process.execPath)), /not made by bun build --compile/],
];

const changes: [string, (program: Compiled) => void, RegExp][] = [
  ["is 32-bit", (program) => program.set(4, 8, 1), /not a 64-bit little-endian ELF file/],
  ["is for another machine", (program) => program.set(18, 16, 183), /made for aarch64, not x86_64/],
  ["is for an unknown machine", (program) => program.set(18, 16, 243), /made for machine 243, not x86_64/],
  ["is position-independent", (program) => program.set(16, 16, 3), /not an executable at fixed addresses/],
  ["has offsets beyond any file", (program) => program.set(32, 64, 2 ** 60), /is no offset/],
  [
    "has a relocation of an unknown type",
    (program) => program.set(program.relocations + 8, 32, 37),
    /relocation of \S+ at 0x[0-9a-f]+: type 37 is not known/,
  ],
  [
    "has a relative relocation",
    (program) => program.set(program.relocations + 8, 32, 8),
    /type 8 is not known/,
  ],
  ["has an addend in a slot", (program) => program.set(program.relocations + 16, 32, 5), /an addend of 5/],
  [
    "relocates its code",
    (program) => program.set(program.relocations, 64, program.elf.entry),
    /not in writable memory/,
  ],
  [
    "relocates without a symbol",
    (program) => program.set(program.relocations + 12, 32, 0),
    /relocation of nothing .* without a symbol/,
  ],
  [
    "relocates with a symbol that is not there",
    (program) => program.set(program.relocations + 12, 32, 0x7fffffff),
    /no segment has 24 bytes/,
  ],
  [
    "copies an unknown variable",
    (program) => program.rename("stdin", "stdxx"),
    /copy of the variable stdxx, which is not known/,
  ],
  [
    "needs a function that libc.a lacks",
    (program) => program.rename("getrusage", "getrusagf"),
    /libc\.a has no getrusagf, which Bun needs/,
  ],
  [
    "needs a weak symbol that is not known to be dispensable",
    (program) => program.rename("__gmon_start__", "__gmon_stxrt__"),
    /libc\.a has no __gmon_stxrt__, which Bun needs/,
  ],
  [
    "lacks a segment",
    (program) => program.set(program.segmentHeader(PT_LOAD), 32, 0),
    /2 PT_LOAD segments, not 3/,
  ],
  [
    "has a segment more",
    (program) => program.set(program.segmentHeader(PT_DYNAMIC), 32, PT_LOAD),
    /4 PT_LOAD segments, not 3/,
  ],
  [
    "has no dynamic section",
    (program) => program.set(program.segmentHeader(PT_DYNAMIC), 32, 0),
    /0 PT_DYNAMIC segments, not 1/,
  ],
  [
    "has writable code",
    (program) => program.set(program.segmentHeader(PT_LOAD, 1) + 4, 32, 7),
    /not read-only data, code and data/,
  ],
  ["has something in .bss", (program) => program.set(program.bss + 100, 8, 1), /its \.bss is not empty/],
  ["names no sections", (program) => program.set(62, 16, 999), /the section headers have no names/],
  [
    "has a section name outside of the table",
    (program) => program.set(program.sectionHeader(".bss"), 32, 0xffffff),
    /a name without an end/,
  ],
];

describe("refuses a compiled program that", () => {
  test.each(replacements)("%s", async (_, replace, said) => {
    expect(refusal(replace((await compiled()).bytes))).toMatch(said);
  });

  test.each(changes)("%s", async (_, change, said) => {
    const program = await compiled();
    change(program);
    expect(refusal(program.bytes)).toMatch(said);
  });
});

/** The low bits of an address or index lead to another one that exists: for those the link may succeed. */
test("any flipped bit in the relocations leads to one line or to a linked program", async () => {
  for (let round = 0; round < relocationBytes; round++) {
    const program = await compiled();
    const at = program.relocations + round * relocationBytes + round;
    program.set(at, 8, (program.bytes[at] ?? 0) ^ (1 << (round % 8)));
    refusal(program.bytes);
  }
}, 60_000);
