/** The option grammar, once for all applets, through a spec made for it. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { UsageError } from "../../src/cli/failure.ts";
import { parse, readRequest } from "../../src/cli/parse.ts";
import { defineSpec } from "../../src/cli/spec.ts";
import { decimal, list, unsigned } from "../../src/cli/values/number.ts";
import { text } from "../../src/cli/values/text.ts";
import { printableLine, random } from "./random.ts";

const spec = defineSpec({
  name: "sample",
  summary: "a spec with one option of each kind",
  usage: "[WORD]...",
  options: {
    all: { short: "a", long: "all", help: "a flag" },
    digit: { short: "0", long: "zero", help: "a flag whose letter is a digit" },
    exec: { long: "exec", help: "a flag whose name begins others" },
    execFile: { long: "exec-file", metavar: "FILE", value: text(), help: "a value" },
    execFd: { long: "exec-fd", metavar: "FD", value: unsigned(9), help: "a number" },
    ids: { long: "ids", metavar: "LIST", value: list(decimal(99)), help: "a value that is a list" },
    level: { short: "l", long: "level", metavar: "N", value: unsigned(99), default: "3", help: "a number" },
    many: { short: "m", long: "many", metavar: "N", value: decimal(99), repeat: true, help: "numbers" },
    mild: { short: "c", long: "clear", metavar: "N", value: decimal(1), bareValue: "1", help: "optional" },
    newer: { long: "exec-new", added: true, help: "not in the original" },
    newest: { long: "umask-new", added: true, help: "not in the original" },
    setting: {
      short: "o",
      long: "option",
      help: "settings",
      settings: {
        umask: { metavar: "MODE", value: unsigned(0o777), help: "a number" },
        note: { metavar: "TEXT", value: text(8), help: "a text" },
      },
    },
  },
  operands: v.array(v.string()),
  stopAtOperand: false,
  usageStatus: 2,
});

const stopping = defineSpec({ ...spec, stopAtOperand: true });
const dashing = defineSpec({ ...spec, operandsAfterDashes: true });
const named = defineSpec({
  ...spec,
  usage: "DIR PROGRAM [ARG]...",
  operands: v.tupleWithRest([text(4), v.string()], v.string()),
});
const inPairs = v.check((words: string[]) => words.length % 2 === 0, "names come in pairs");
const paired = defineSpec({ ...spec, operands: v.pipe(v.array(v.string()), inPairs) });
const counted = defineSpec({ ...spec, usage: "DIR", operands: v.strictTuple([v.string()]) });

/** The occurrences as `key=value`, and the operands after a bar. */
function outcome(target: typeof spec, words: readonly string[], posixlyCorrect = false): string {
  const { sequence, operands } = parse(target, words, { posixlyCorrect });
  const shown = sequence.map(({ key, value }) =>
    value === true
      ? key
      : `${key}=${typeof value === "object" && "name" in value ? `${value.name}:${value.value}` : value}`,
  );
  return [...shown, "|", ...operands].join(" ");
}

function complaint(words: readonly string[], target: Parameters<typeof parse>[0] = spec): string {
  try {
    parse(target, words);
  } catch (problem) {
    if (problem instanceof UsageError) return problem.message;
    throw problem;
  }
  throw new Error(`accepted: ${words.join(" ")}`);
}

describe("what is accepted", () => {
  test.each([
    ["a cluster", "-a0a", "all digit all |"],
    ["a value at the end of a cluster", "-a0l5", "all digit level=5 |"],
    ["the rest of a cluster is the value", "-m5 -al0x10", "many=5 all level=16 |"],
    ["a value in the next word", "-al 7 x", "all level=7 | x"],
    ["a value that looks like an option", "--exec-file --all -a", "execFile=--all all |"],
    ["a value that is two dashes", "--exec-file -- -a", "execFile=-- all |"],
    ["a long value with =", "--level=5", "level=5 |"],
    ["a value with = in it", "--exec-file=a=b", "execFile=a=b |"],
    ["an empty long value", "--exec-file=", "execFile= |"],
    ["an abbreviation", "--le=5 --le 6", "level=5 level=6 |"],
    ["an exact name that begins others", "--exec", "exec |"],
    ["an abbreviation as the original had it", "--exec-fi=x", "execFile=x |"],
    ["an abbreviation of an added name only", "--um", "newest |"],
    ["an exact added name", "--exec-new", "newer |"],
    ["an optional value left out", "--clear 0", "mild=1 | 0"],
    ["an optional value", "--clear=0", "mild=0 |"],
    ["an optional value attached to the letter", "-c0 -c", "mild=0 mild=1 |"],
    ["operands anywhere", "x -a y --zero z", "all digit | x y z"],
    ["the end of options", "-a -- -0 -- x", "all | -0 -- x"],
    ["a lone dash", "-a - -0", "all digit | -"],
    ["an empty word", "-a  -0", "all digit | "],
    ["settings", "-oumask=022 --option NOTE=a=b", "setting=umask:18 setting=note:a=b |"],
  ])("%s: %s", (_name, line, expected) => {
    expect(outcome(spec, line.split(" "))).toBe(expected);
  });

  test("nothing at all", () => expect(outcome(spec, [])).toBe("|"));

  test.each([
    ["stop at the first operand", stopping, false, "-a x -0 -- y", "all | x -0 -- y"],
    ["stop after --", stopping, false, "-a -- -x", "all | -x"],
    ["stop at a lone dash", stopping, false, "- -a", "| - -a"],
    ["POSIXLY_CORRECT", spec, true, "-a x -0", "all | x -0"],
    ["operands after -- only", dashing, false, "-a -- x -0", "all | x -0"],
  ] as const)("%s", (_name, target, posixlyCorrect, line, expected) => {
    expect(outcome(target, line.split(" "), posixlyCorrect)).toBe(expected);
  });

  test("by key: flags, the last value, all values of a repeated option, the last of each setting", () => {
    const words = ["-al1", "-l2", "--ids=1,2", "--ids=3", "-m1", "-m2", "-oumask=7", "-oUmask=8", "-onote=n"];
    expect(parse(spec, words).options).toEqual({
      all: true,
      digit: false,
      exec: false,
      execFile: undefined,
      execFd: undefined,
      ids: [3],
      level: 2,
      many: [1, 2],
      mild: undefined,
      newer: false,
      newest: false,
      setting: { umask: 8, note: "n" },
    });
  });

  test("two parses share nothing", () => {
    expect(parse(spec, ["-m1"]).options.many).toEqual([1]);
    expect(parse(spec, ["-m2", "-oumask=1"]).options.many).toEqual([2]);
    expect(parse(spec, []).options).toMatchObject({ many: [], setting: {} });
  });
});

describe("what is refused", () => {
  test.each([
    ["-z", "unknown option -z"],
    ["-az", "unknown option -z"],
    ["-\x01", "unknown option -\\x01"],
    ["-\xe9", "unknown option -\\xe9"],
    ["--zer0", "unknown option --zer0 (did you mean --zero?)"],
    ["--x\xff\n", "unknown option --x\\xff\\n"],
    ["--=5", "unknown option --"],
    ["--exec-f", "option --exec-f is ambiguous: --exec-file, --exec-fd"],
    ["--exe", "option --exe is ambiguous: --exec, --exec-file, --exec-fd"],
    ["--all=1", "option --all takes no value"],
    ["--level", "option --level needs a value"],
    ["-al", "option -l needs a value"],
    ["-l100", '-l: "100" is out of range (0 to 99)'],
    ["--lev=9x", '--level: "9x" is not a number'],
    ["-l ", '-l: "" is not a number'],
    ["--clear=", '--clear: "" is not a decimal number'],
    ["-o umask", '-o: "umask" is not of the form NAME=VALUE'],
    ["-o umsk=1", '-o: unknown setting "umsk" (did you mean umask?)'],
    ["-o __proto__=1", '-o: unknown setting "__proto__"'],
    ["-o umask=0x1000", '-o umask: "0x1000" is out of range (0 to 511)'],
    ["-o note=123456789", '-o note: "123456789" is longer than 8 bytes'],
  ])("%j", (line, expected) => {
    expect(complaint(line.split(" "))).toBe(expected);
  });

  test.each([
    [[], "DIR is missing"],
    [["d"], "PROGRAM is missing"],
    [["12345", "p"], 'DIR: "12345" is longer than 4 bytes'],
  ])("operands %j", (words, expected) => expect(complaint(words, named)).toBe(expected));

  test("too many operands", () => {
    expect(complaint(["a", "b"], counted)).toBe('unexpected word "b"');
    expect(complaint(["b", "-a"], dashing)).toBe('unexpected word "b"');
    expect(complaint(["a"], paired)).toBe("names come in pairs");
  });

  test("an over-long word is cut", () => {
    const message = complaint([`--${"y".repeat(100_000)}`]);
    expect(message.length).toBeLessThan(120);
    expect(complaint(["-l", "9".repeat(100_000)])).toContain("(100000 bytes)");
  });
});

describe("help and explanations", () => {
  const kind = (words: readonly string[], explains = true) => readRequest(spec, words, {}, explains).kind;

  test("--help wins over what follows and over bad values", () => {
    expect(kind(["-l", "bad", "--help", "--nonsense"])).toBe("help");
    expect(kind(["--hel"])).toBe("help");
    expect(() => kind(["--nonsense", "--help"])).toThrow(UsageError);
  });

  test("--help is an operand behind -- and behind a program", () => {
    expect(kind(["--", "--help"])).toBe("act");
    expect(readRequest(stopping, ["p", "--help"], {}, true).kind).toBe("act");
  });

  test("--explain, where an applet has a plan", () => {
    expect(kind(["--explain", "-a"])).toBe("explain");
    expect(() => kind(["--explain"], false)).toThrow("unknown option --explain");
  });
});

test("whatever the words are: parsed, or refused with one printable line", () => {
  const next = random(20261124);
  const pieces = [
    "-",
    "--",
    "a",
    "l",
    "m",
    "o",
    "0",
    "=",
    "exec",
    "-f",
    "level",
    "umask",
    "\n",
    "\xff",
    "\0",
    "9",
  ];
  for (let round = 0; round < 20_000; round++) {
    const words = Array.from({ length: next(5) }, () =>
      Array.from({ length: next(5) }, () => pieces[next(pieces.length)]).join(""),
    );
    try {
      const { operands, sequence } = parse(spec, words);
      expect(operands.length).toBeLessThanOrEqual(words.length);
      expect(sequence.length).toBeLessThanOrEqual(words.join("").length);
    } catch (problem) {
      if (!(problem instanceof UsageError)) throw problem;
      expect(problem.message).toMatch(printableLine);
    }
  }
});
