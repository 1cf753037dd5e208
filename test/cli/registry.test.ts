/** The registry against the files it stands for, and every spec against the rules that specs follow. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { UsageError } from "../../src/cli/failure.ts";
import { helpText, longForm } from "../../src/cli/help.ts";
import { overview } from "../../src/cli/overview.ts";
import { parse } from "../../src/cli/parse.ts";
import { suite } from "../../src/cli/registry.ts";
import type { Spec } from "../../src/cli/spec.ts";
import { escapeNames, namesOf } from "../../src/cli/suite.ts";
import { printableLine } from "./random.ts";

const entries = [...suite.applets, ...suite.commands];
const loaded = await Promise.all(
  entries.map(async ({ name, load }) => [name, (await load()).default] as const),
);
const folder = new URL("../../src/applets/", import.meta.url);

/** Operands that are missing are refused too, so this says nothing of which of the two it was. */
function expectParsedOrRefused(spec: Spec, option: string, value: string): void {
  try {
    parse(spec, [`--${option}=${value}`]);
  } catch (problem) {
    if (!(problem instanceof UsageError)) throw problem;
    expect(problem.message).toMatch(printableLine);
    expect(problem.message.length).toBeLessThan(1000);
  }
}

test("an entry for each file in src/applets, and a file for each entry", async () => {
  const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
  const names = files.map((file) => file.slice(0, -".ts".length));
  expect(names.sort()).toEqual(entries.map(({ name }) => name).sort());
  for (const { name, load } of entries) {
    const { default: applet } = await import(new URL(`${name}.ts`, folder).pathname);
    expect((await load()).default).toBe(applet);
  }
});

test("every name belongs to one thing", () => {
  const names = [...namesOf(entries), ...escapeNames];
  expect(names).toEqual([...new Set(names)]);
});

describe.each(loaded)("%s", (name, { spec, explains }) => {
  const options = Object.values(spec.options);

  test("goes by the name it is registered under", () => expect(spec.name).toBe(name));

  test("has one option for each letter and long name", () => {
    const letters = options.flatMap(({ short }) => (short === undefined ? [] : [short]));
    expect(letters).toEqual([...new Set(letters)]);
    for (const letter of letters) expect(letter).toMatch(/^[A-Za-z0-9]$/);
    const names = [...options.map(({ long }) => long), "help", ...(explains ? ["explain"] : [])];
    expect(names).toEqual([...new Set(names)]);
    for (const long of names) expect(long).toMatch(/^[a-z][a-z0-9-]+$/);
  });

  test("describes every option, on one line, in its help text", () => {
    const text = helpText(spec, explains);
    expect(text).toMatch(/^[\x20-\x7e\n]+$/);
    expect(text).not.toMatch(/[ ]\n/);
    for (const option of options.filter(({ hidden }) => !hidden)) {
      const left = `  ${option.short === undefined ? "    " : `-${option.short}, `}${longForm(option)}`;
      expect(text.split("\n").some((line) => line === left || line.startsWith(`${left} `))).toBe(true);
      expect(option.help).toMatch(/^[^\n]{3,}([^.\n]|\.{3})$/);
      expect(text).toContain(option.help);
    }
    expect(text).toContain("  --help");
    expect(text.includes("--explain ")).toBe(explains);
  });

  test("reads any value of any option, or refuses it with one printable line", () => {
    const hostile = [
      "",
      "-1",
      "x",
      "0x",
      "9".repeat(30),
      "\xff\n",
      ",",
      "=",
      ":",
      "a=b",
      "all",
      "y".repeat(200_000),
    ];
    for (const option of options.filter(
      ({ value, settings }) => value !== undefined || settings !== undefined,
    )) {
      const prefixes =
        option.settings === undefined ? [""] : Object.keys(option.settings).map((key) => `${key}=`);
      for (const prefix of prefixes)
        for (const value of hostile) expectParsedOrRefused(spec, option.long, prefix + value);
    }
  });

  test("summarises itself in one line", () => expect(spec.summary).toMatch(/^[^\n]{10,90}[^.\n]$/));
});

test("the overview has every applet and command, and its aliases", async () => {
  const text = await overview(suite, "1.2.3");
  expect(text).toStartWith("ctrtool/1.2.3\n");
  for (const [name, { spec }] of loaded) {
    expect(text).toMatch(new RegExp(`^ {2}${name} +${RegExp.escape(spec.summary)}`, "m"));
  }
  for (const alias of suite.applets.flatMap(({ aliases }) => aliases)) expect(text).toContain(alias);
});
