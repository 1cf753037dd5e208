/** Which applet a command line means, as a pure function over a suite made for it. */
import { describe, expect, test } from "bun:test";
import { UsageError } from "../../src/cli/failure.ts";
import { choose, type Entry, linkNames, type Suite } from "../../src/cli/suite.ts";

function entry(name: string, ...aliases: string[]): Entry {
  return { name, aliases, load: () => Promise.reject(new Error("not for this test")) };
}

const suite: Suite = {
  applets: [entry("launcher", "container-launcher"), entry("renameat2", "simple-renameat2")],
  commands: [entry("help", "--help"), entry("install")],
};

/** `applet: words`, or what was complained about. */
function chosen(argv: readonly string[], environment: readonly string[] = []): string {
  try {
    const { entry, words } = choose(suite, argv, environment);
    return `${entry.name}: ${words.join(" ")}`;
  } catch (problem) {
    if (problem instanceof UsageError) return problem.message;
    throw problem;
  }
}

const override = (value: string) => [`CTRTOOL_OVERRIDE_ARGV0_LOOKUP=${value}`];
const nothing = "no applet given; ctrtool --list prints their names";

describe("by a neutral name, the first word", () => {
  test.each([
    ["ctrtool launcher -w x", "launcher: -w x"],
    ["/usr/bin/ctrtool launcher", "launcher: "],
    ["ctrtool-static launcher", "launcher: "],
    ["ctrtool.old launcher", "launcher: "],
    ["./ctrtool-foo container-launcher -w", "launcher: -w"],
    ["/proc/self/exe launcher -w", "launcher: -w"],
    ["exe launcher", "launcher: "],
    ["ctrtool /x/y/launcher -w", "launcher: -w"],
    ["ctrtool simple-renameat2 a b", "renameat2: a b"],
    ["ctrtool --help launcher", "help: launcher"],
    ["ctrtool install d", "install: d"],
    ["ctrtool", nothing],
    ["ctrtool Launcher", 'unknown applet "Launcher" (did you mean launcher?)'],
    ["ctrtool lanucher", 'unknown applet "lanucher" (did you mean launcher?)'],
    ["ctrtool -w", 'unknown applet "-w"'],
    ["ctrtool \xff\n", 'unknown applet "\\xff\\n"'],
    ["ctrtool ", 'unknown applet ""'],
    ["ctrtool launcher/", 'unknown applet "launcher/"'],
  ])("%j", (line, expected) => expect(chosen(line.split(" "))).toBe(expected));
});

describe("by its own name", () => {
  test.each([
    ["launcher -w /bin/echo", "launcher: -w /bin/echo"],
    ["./container-launcher", "launcher: "],
    ["/a/b/renameat2 a b", "renameat2: a b"],
    ["install d", 'unknown applet "install"'],
    ["--help", 'unknown applet "--help"'],
    ["foo launcher", 'unknown applet "foo"'],
    ["exe2 launcher", 'unknown applet "exe2"'],
    [" launcher", 'unknown applet ""'],
  ])("%j", (line, expected) => expect(chosen(line.split(" "))).toBe(expected));

  test("without any name", () => expect(chosen([])).toBe('unknown applet ""'));
});

describe("escape changes nothing", () => {
  test.each([
    ["ctrtool escape launcher -w", "launcher: -w"],
    ["ctrtool _ctrtool_escaped /x/launcher", "launcher: "],
    ["/bin/escape launcher -w", "launcher: -w"],
    ["ctrtool escape --help", "help: "],
    ["escape", "escape needs the name of an applet"],
    ["ctrtool escape", "escape needs the name of an applet"],
    ["ctrtool escape escape launcher", "escape cannot be given twice"],
    ["escape _ctrtool_escaped launcher", "escape cannot be given twice"],
    ["ctrtool escape nosuch", 'unknown applet "nosuch"'],
  ])("%j", (line, expected) => expect(chosen(line.split(" "))).toBe(expected));
});

describe("the override variable", () => {
  test("1: any name is neutral", () => {
    expect(chosen(["./foo", "launcher", "-w"], override("1"))).toBe("launcher: -w");
    expect(chosen(["launcher", "-w"], override("1"))).toBe('unknown applet "-w"');
    expect(chosen(["launcher"], override("1"))).toBe(nothing);
  });

  test("0: as if unset", () => {
    expect(chosen(["launcher", "-w"], override("0"))).toBe("launcher: -w");
    expect(chosen(["ctrtool", "launcher"], override("0"))).toBe("launcher: ");
  });

  test.each(["", "2", "-1", " 1", "0x1", "yes", "1\n"])("%j is refused", (value) => {
    const message = chosen(["ctrtool", "launcher"], override(value));
    expect(message).toStartWith("CTRTOOL_OVERRIDE_ARGV0_LOOKUP is ");
    expect(message).toEndWith(", not 0 or 1");
  });
});

test("links are made for applets, their aliases and escape, not for commands", () => {
  expect(linkNames(suite)).toEqual([
    "_ctrtool_escaped",
    "container-launcher",
    "escape",
    "launcher",
    "renameat2",
    "simple-renameat2",
  ]);
});
