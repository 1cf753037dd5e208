/** The shared argument syntaxes: what is read, what is refused and how, and that nothing is read by accident. */
import { describe, expect, test } from "bun:test";
import { UsageError } from "../../src/cli/failure.ts";
import { capabilities } from "../../src/cli/values/capability.ts";
import {
  decimalDescriptor,
  descriptor,
  directoryDescriptor,
  resolveDescriptor,
} from "../../src/cli/values/descriptor.ts";
import { formatIdMap, idMap } from "../../src/cli/values/id-map.ts";
import {
  boolean,
  decimal,
  letters,
  list,
  numberOrName,
  octalMode,
  U64_MAX,
  u64,
  unsigned,
} from "../../src/cli/values/number.ts";
import { type Reader, readBy } from "../../src/cli/values/reader.ts";
import { resourceLimit } from "../../src/cli/values/rlimit.ts";
import { signal, signals } from "../../src/cli/values/signal.ts";
import { path, text, variableName } from "../../src/cli/values/text.ts";
import { capabilityNumbers, rlimitNumbers, signalNumbers } from "../../src/sys/constants.ts";
import { printableLine, random, randomBytes } from "./random.ts";

function complaint(reader: Reader<unknown>, bytes: string): string {
  try {
    readBy(reader, bytes);
  } catch (problem) {
    if (problem instanceof UsageError) return problem.message;
    throw problem;
  }
  throw new Error(`accepted: ${bytes}`);
}

const u8 = unsigned(255);
const presets = numberOrName("preset", { none: 0, all_rw: 0xaaaa_aaaa }, 0xffff_ffff);
const numbers = list(unsigned(0xffff_ffff));
const flags = letters({ a: 1, b: 2 });

const everyReader: readonly (readonly [string, Reader<unknown>])[] = [
  ["unsigned", u8],
  ["u64", u64],
  ["decimal", decimal(99)],
  ["octalMode", octalMode()],
  ["boolean", boolean],
  ["numberOrName", presets],
  ["list", numbers],
  ["letters", flags],
  ["path", path],
  ["text", text()],
  ["variableName", variableName],
  ["signal", signal],
  ["signals", signals],
  ["resourceLimit", resourceLimit],
  ["descriptor", descriptor],
  ["decimalDescriptor", decimalDescriptor],
  ["directoryDescriptor", directoryDescriptor],
  ["idMap", idMap],
  ["capabilities", capabilities],
];

describe("read", () => {
  test.each([
    ["decimal", u8, "255", 255],
    ["hexadecimal", u8, "0xfF", 255],
    ["octal in C notation", u8, "010", 8],
    ["zero", u8, "0", 0],
    ["zeros", u8, "0000", 0],
    ["leading zeros of a hexadecimal number", u8, `0x${"0".repeat(40)}5`, 5],
    ["the largest of 64 bits", u64, "18446744073709551615", U64_MAX],
    ["the same in octal", u64, "01777777777777777777777", U64_MAX],
    ["a leading zero in decimal notation", decimal(99), "010", 10],
    ["eight in decimal notation", decimal(99), "08", 8],
    ["a mode", octalMode(), "0755", 0o755],
    ["a mode without the zero", octalMode(0o777), "22", 0o22],
    ["true", boolean, "YES", true],
    ["a true number", boolean, "0x10", true],
    ["false", boolean, "Off", false],
    ["a false number", boolean, "00", false],
    ["a name", presets, "ALL_rw", 0xaaaa_aaaa],
    ["a number for a name", presets, "0x1b", 0x1b],
    ["a list", numbers, ",,0x10,010,,5,", [16, 8, 5]],
    ["an empty list", numbers, "", []],
    ["letters", flags, "aba", ["a", "b", "a"]],
    ["no letters", flags, "", []],
    ["any bytes as text", text(), "\xff\x01", "\xff\x01"],
    ["the longest path", path, "p".repeat(4095), "p".repeat(4095)],
    ["a signal name", signal, "SigUsr1", 10],
    ["a signal number with SIG", signal, "sig9", 9],
    ["a signal in octal", signal, "012", 10],
    ["poll", signal, "poll", 29],
    ["the first real-time signal", signal, "RTMIN", 34],
    ["one counted upwards", signal, "sigrtmin+3", 37],
    ["one counted downwards", signal, "rtmax-1", 63],
    ["the last", signal, "rtmax", 64],
    ["several signals", signals, "hup,15,sigint", [1, 15, 2]],
    ["both limits", resourceLimit, "NOFILE=10", { resource: 7, soft: 10n, hard: 10n }],
    ["each limit", resourceLimit, "n=0x10:Unlimited", { resource: 7, soft: 16n, hard: U64_MAX }],
    ["the soft limit", resourceLimit, "core=0:", { resource: 4, soft: 0n }],
    ["the hard limit", resourceLimit, "t=:5", { resource: 0, hard: 5n }],
    ["no limit at all", resourceLimit, "t=:", { resource: 0 }],
    ["a descriptor", descriptor, "0x5", { form: "number", fd: 5 }],
    ["a descriptor in octal", descriptor, "010", { form: "number", fd: 8 }],
    ["a descriptor in decimal", decimalDescriptor, "010", { form: "number", fd: 10 }],
    ["one to keep", descriptor, "/A b", { form: "keep", variable: "A b", notation: "c" }],
    ["one to take", decimalDescriptor, ":X", { form: "take", variable: "X", notation: "decimal" }],
    ["the working directory", directoryDescriptor, "cwd", { form: "cwd" }],
    [
      "a map",
      idMap,
      "0.1000.1:1.100000.65536",
      [
        [0, 1000, 1],
        [1, 100000, 65536],
      ].map(range),
    ],
    [
      "a map as the kernel has it",
      idMap,
      "  0 1000 1\n1\t5 6\n",
      [
        [0, 1000, 1],
        [1, 5, 6],
      ].map(range),
    ],
    ["the largest map", idMap, "0.0.4294967295", [[0, 0, 0xffff_ffff]].map(range)],
    ["a mask", capabilities, "0xc85fb", 0xc85fbn],
    ["capabilities by name", capabilities, "chown,CAP_sys_admin", 1n | (1n << 21n)],
    ["all", capabilities, "all", U64_MAX],
    ["all but some", capabilities, "all,-chown,-cap_kill", U64_MAX & ~(1n | (1n << 5n))],
    ["all but one", capabilities, "-chown", U64_MAX & ~1n],
    ["added and taken away", capabilities, "+chown,+kill,-chown", 1n << 5n],
    ["no capabilities", capabilities, "", 0n],
  ] as readonly (readonly [string, Reader<unknown>, string, unknown])[])(
    "%s",
    (_name, reader, bytes, value) => {
      expect(readBy(reader, bytes)).toEqual(value);
    },
  );

  test("`all` signals are those that a program can block", () => {
    const all = readBy(signals, "all");
    expect(all).toHaveLength(60);
    for (const never of [0, 9, 19, 32, 33, 65]) expect(all).not.toContain(never);
  });
});

function range([inside, outside, count]: readonly number[]): unknown {
  return { inside, outside, count };
}

describe("refused", () => {
  test.each([
    ["9x", u8, '"9x" is not a number'],
    ["08", u8, '"08" is not a number (a leading 0 means octal)'],
    ["0x", u8, '"0x" is not a number'],
    ["0b1", u8, '"0b1" is not a number'],
    ["-1", u8, '"-1" is not a number'],
    ["+1", u8, '"+1" is not a number'],
    [" 1", u8, '" 1" is not a number'],
    ["1\n", u8, '"1\\n" is not a number'],
    ["1e1", u8, '"1e1" is not a number'],
    ["\xb2", u8, '"\\xb2" is not a number'],
    ["256", u8, '"256" is out of range (0 to 255)'],
    ["2", unsigned(9, 3), '"2" is out of range (3 to 9)'],
    ["18446744073709551616", u64, '"18446744073709551616" is out of range (0 to 18446744073709551615)'],
    ["0x5", decimal(99), '"0x5" is not a decimal number'],
    ["9", octalMode(), '"9" is not an octal number'],
    ["0x1ff", octalMode(), '"0x1ff" is not an octal number'],
    ["10000", octalMode(), '"10000" is out of range (0 to 7777 octal)'],
    ["y", boolean, '"y" is not a boolean (yes or no)'],
    ["1x", boolean, '"1x" is not a number'],
    ["constructor", boolean, '"constructor" is not a boolean (yes or no)'],
    ["all_wr", presets, '"all_wr" is not a preset (did you mean all_rw?)'],
    ["toString", presets, '"toString" is not a preset'],
    ["1, 2", numbers, '" 2" is not a number'],
    ["5x", numbers, '"5x" is not a number'],
    ["4294967296", numbers, '"4294967296" is out of range (0 to 4294967295)'],
    ["abC", flags, "unknown letter C (known: ab)"],
    ["", path, "the path is empty"],
    ["p".repeat(4096), path, `path "${"p".repeat(64)}..." (4096 bytes) is longer than 4095 bytes`],
    ["A=B", variableName, '"A=B" cannot be the name of an environment variable'],
    ["0", signal, '"0" is out of range (1 to 64)'],
    ["sig65", signal, '"65" is out of range (1 to 64)'],
    ["SIGSIGHUP", signal, '"SIGSIGHUP" is not a signal'],
    ["trem", signal, '"trem" is not a signal (did you mean term?)'],
    ["rtmin-1", signal, '"rtmin-1" is not a signal (rtmin+N and rtmax-N are)'],
    ["rtmin+31", signal, '"rtmin+31" is out of range'],
    ["", signal, '"" is not a signal'],
    ["hup,", signals, '"" is not a signal'],
    ["nofile", resourceLimit, '"nofile" is not of the form NAME=VALUE or NAME=SOFT:HARD'],
    ["nofile=", resourceLimit, "nofile: the limit is missing"],
    ["nofile=1:x", resourceLimit, 'nofile: hard limit "x" is not a number'],
    ["nofile=-1:", resourceLimit, 'nofile: soft limit "-1" is not a number'],
    ["nofiel=1", resourceLimit, '"nofiel" is not a resource (did you mean nofile?)'],
    ["=1", resourceLimit, '"" is not a resource'],
    ["n=10:5", resourceLimit, "n: the soft limit 10 is above the hard limit 5"],
    ["2147483648", descriptor, '"2147483648" is out of range (0 to 2147483647)'],
    ["abc", descriptor, '"abc" is not a descriptor (N, /NAME or :NAME)'],
    ["5x", descriptor, '"5x" is not a number'],
    ["/", descriptor, '"/" names no environment variable'],
    [":A=B", descriptor, '":A=B" names no environment variable'],
    ["0x5", decimalDescriptor, '"0x5" is not a decimal number'],
    ["-100", directoryDescriptor, '"-100" is not a descriptor (N, /NAME or :NAME)'],
    ["", idMap, "the map is empty"],
    ["bogus", idMap, '"bogus" is not a decimal number'],
    ["0.1", idMap, '"0.1" is not INSIDE OUTSIDE COUNT'],
    ["0.1.1.1", idMap, '"0.1.1.1" is not INSIDE OUTSIDE COUNT'],
    ["0.1.1::2.2.2", idMap, '"" is not INSIDE OUTSIDE COUNT'],
    ["0.1.0", idMap, '"0.1.0" maps no ids'],
    ["4294967295.0.1", idMap, '"4294967295.0.1" goes beyond the last id 4294967294'],
    ["0.1.4294967295", idMap, '"0.1.4294967295" goes beyond the last id 4294967294'],
    ["0.10.5:4.20.5", idMap, '"0 10 5" and "4 20 5" overlap inside'],
    ["9.10.5:0.14.5", idMap, '"9 10 5" and "0 14 5" overlap outside'],
    [
      Array.from({ length: 341 }, (_, i) => `${i}.${i}.1`).join(":"),
      idMap,
      "a map has at most 340 lines, not 341",
    ],
    ["sys_amdin", capabilities, '"sys_amdin" is not a capability (did you mean sys_admin?)'],
    ["0x", capabilities, '"0x" is not a number'],
    ["chown,", capabilities, '"" is not a capability'],
  ] as readonly (readonly [string, Reader<unknown>, string])[])("%j", (bytes, reader, message) => {
    expect(complaint(reader, bytes)).toBe(message);
  });

  test("a map that is too long for one write", () => {
    const lines = Array.from({ length: 300 }, (_, i) => `${i}.${4_000_000_000 + i}.1`);
    expect(complaint(idMap, lines.join(":"))).toContain("the kernel takes 4095");
  });
});

describe("round trips", () => {
  const next = random(7);
  const below = (bits: number) =>
    Array.from({ length: bits }, () => next(2)).reduce((n, bit) => n * 2n + BigInt(bit), 0n);

  test("numbers in every notation", () => {
    for (let bits = 1; bits <= 64; bits++) {
      for (let round = 0; round < 20; round++) {
        const n = below(bits);
        for (const form of [`${n}`, `0x${n.toString(16)}`, `0${n.toString(8)}`]) {
          expect(readBy(u64, form)).toBe(n);
        }
      }
    }
  });

  test("every mode", () => {
    const mode = octalMode();
    for (let bits = 0; bits <= 0o7777; bits++) expect(readBy(mode, bits.toString(8))).toBe(bits);
  });

  test("every name of every table, in any case, with and without its prefix", () => {
    for (const [name, number] of Object.entries(signalNumbers())) {
      for (const form of [name, name.toUpperCase(), `SIG${name}`]) expect(readBy(signal, form)).toBe(number);
    }
    for (const [name, number] of Object.entries(capabilityNumbers())) {
      for (const form of [name, `CAP_${name}`, `+${name}`]) {
        expect(readBy(capabilities, form)).toBe(1n << BigInt(number));
      }
    }
    for (const [name, resource] of Object.entries(rlimitNumbers())) {
      expect(readBy(resourceLimit, `${name.toUpperCase()}=1:2`)).toEqual({ resource, soft: 1n, hard: 2n });
    }
  });

  test("every signal number", () => {
    for (let n = 1; n <= 64; n++) expect(readBy(signal, `${n}`)).toBe(n);
    for (let n = 0; n <= 30; n++)
      expect(readBy(signal, `rtmin+${n}`)).toBe(readBy(signal, `rtmax-${30 - n}`));
  });

  test("id maps", () => {
    for (let round = 0; round < 500; round++) {
      let [inside, outside] = [0, 0];
      const ranges = Array.from({ length: 1 + next(100) }, () => {
        const one = { inside: inside + next(9), outside: outside + next(9), count: 1 + next(100_000) };
        inside = one.inside + one.count;
        outside = one.outside + one.count;
        return one;
      });
      expect(readBy(idMap, formatIdMap(ranges))).toEqual(ranges);
      expect(readBy(idMap, formatIdMap(ranges).trim().replace(/ /g, ".").replace(/\n/g, ":"))).toEqual(
        ranges,
      );
    }
  });
});

describe("descriptors from variables", () => {
  const environment = ["X=5", "Y=0x10", "Z=010", "X=6", "EMPTY=", "NEGATIVE=-5", "LARGE=99999999999"];
  const resolve = (spec: string, reader = descriptor) =>
    resolveDescriptor(readBy(reader, spec), { environment });

  test.each([
    ["7", 7],
    ["/X", 5],
    [":Y", 16],
    ["/Z", 8],
  ])("%s", (spec, fd) => expect(resolve(spec)).toBe(fd));

  test("in the notation of the place", () => expect(resolve("/Z", decimalDescriptor)).toBe(10));
  test("the working directory", () => expect(resolveDescriptor({ form: "cwd" }, { environment })).toBe(-100));

  test.each([
    ["/NOPE", "$NOPE is not set"],
    ["/\n", "$\\n is not set"],
    [":EMPTY", '$EMPTY: "" is not a number'],
    [":NEGATIVE", '$NEGATIVE: "-5" is not a number'],
    [":LARGE", '$LARGE: "99999999999" is out of range (0 to 2147483647)'],
  ])("%j is refused", (spec, message) => expect(() => resolve(spec)).toThrow(new UsageError(message)));
});

describe.each(everyReader)("%s, whatever the bytes are", (_name, reader) => {
  test("read or refused with one printable line, never anything else", () => {
    const next = random(42);
    const starts = [
      "",
      "0",
      "0x",
      "sig",
      "rtmin+",
      "nofile=",
      ":",
      "/",
      "+",
      "-",
      "all,",
      "0.1.",
      "9".repeat(30),
    ];
    for (let round = 0; round < 2000; round++) {
      const bytes = `${starts[next(starts.length)]}${randomBytes(next, next(6))}`;
      try {
        readBy(reader, bytes);
      } catch (problem) {
        if (!(problem instanceof UsageError)) throw problem;
        expect(problem.message).toMatch(printableLine);
      }
    }
  });

  test("a hundred thousand bytes are read quickly, and are not quoted in full", () => {
    for (const bytes of ["9", "f", "\xff", ",", "1,", "0.1.1:"].map((unit) =>
      unit.repeat(100_000 / unit.length),
    )) {
      try {
        readBy(reader, bytes);
      } catch (problem) {
        if (!(problem instanceof UsageError)) throw problem;
        expect(problem.message.length).toBeLessThan(400);
      }
    }
  });
});
