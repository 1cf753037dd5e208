/**
 * Every option of every applet with arguments that are missing, empty, no number, negative, too large, too long
 * and no UTF-8. What an option's syntax does not allow is refused with the usage status and one line, and nothing
 * has been mounted, made or executed; with what it allows, nothing crashes.
 */
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { suite } from "../../src/cli/registry.ts";
import type { OptionSpec, Spec } from "../../src/cli/spec.ts";
import { binary, build } from "../support/ctrtool.ts";
import { compile, ownDirectory } from "./tools.ts";

build();
const directory = ownDirectory();
const each = compile("each", directory);
const executed = join(directory, "executed");
const marker = join(directory, "marker");
writeFileSync(marker, `#!/bin/sh\necho >>${executed}\n`);
chmodSync(marker, 0o755);

const loaded = await Promise.all(
  [...suite.applets, ...suite.commands].map(async ({ load }) => (await load()).default),
);
const specs = loaded.map(({ spec, explains }) => ({ spec, explains }));

const hostile: readonly string[] = [
  ...["", "abc", "-1", "-", "0x", "1x", " 1", "+1", "1,", ",", "=", ":", "a=b", "0x1g", "1.5", "1e3", "NaN"],
  ...[
    "2147483648",
    "4294967296",
    "18446744073709551616",
    "9".repeat(40),
    "\xff\xfe",
    "\xc3(",
    "a\nb",
    "\x1b[2J",
  ],
  ...[
    "x".repeat(5000),
    "9".repeat(5000),
    "/".repeat(5000),
    "\xff".repeat(5000),
    "x".repeat(131_000),
    "%s%n",
    "...",
  ],
];

/** Words that every applet refuses. */
const nonsense: readonly (readonly string[])[] = [
  ["--nonsense"],
  ["--nonsense=\xff\n"],
  [`--${"x".repeat(131_000)}`],
  ["--=x"],
  ["-?"],
  ["-\xff"],
  ["-\x1b"],
];

interface Case {
  readonly applet: string;
  readonly usageStatus: number;
  readonly words: readonly string[];
  /** The option's syntax does not allow the value. */
  readonly refused: boolean;
}

/** Words that an applet wants before an option of any kind, where there are such. */
const before: Readonly<Record<string, readonly string[]>> = { mount_seq: ["-m", "target"] };

/** Words after an option: two or three files, or a program and its argument. */
const operands = [marker, "b", "c"];

function accepts(option: OptionSpec, value: string): boolean {
  if (option.settings !== undefined) {
    const equals = value.indexOf("=");
    const name = value.slice(0, equals).toLowerCase();
    const setting = Object.entries(option.settings).find(([key]) => key.toLowerCase() === name)?.[1];
    return (
      equals >= 0 && setting !== undefined && v.safeParse(setting.value, value.slice(equals + 1)).success
    );
  }
  return option.value !== undefined && v.safeParse(option.value, value).success;
}

function valuesFor(option: OptionSpec): readonly string[] {
  if (option.settings === undefined) return hostile;
  const names = Object.keys(option.settings);
  return [
    ...hostile,
    ...names,
    ...names.flatMap((name) => hostile.slice(0, 12).map((value) => `${name}=${value}`)),
  ];
}

function casesOf(spec: Spec): Case[] {
  const { name: applet, usageStatus } = spec;
  const make = (words: readonly string[], refused: boolean): Case => ({
    applet,
    usageStatus,
    words,
    refused,
  });
  const start = before[applet] ?? [];
  return [
    ...nonsense.map((words) => make([...start, ...words, ...operands], true)),
    ...Object.values(spec.options).flatMap((option) => {
      const long = `--${option.long}`;
      const short = option.short === undefined ? undefined : `-${option.short}`;
      if (option.value === undefined && option.settings === undefined) {
        return [make([...start, `${long}=1`, ...operands], true)];
      }
      const optional = option.value !== undefined && option.bareValue !== undefined;
      const missing = optional
        ? []
        : [make([...start, long], true), ...(short ? [make([...start, short], true)] : [])];
      const given = valuesFor(option).map((value) =>
        make([...start, `${long}=${value}`, ...operands], !accepts(option, value)),
      );
      // A letter leads to the same option: a few values show that.
      const attached = short === undefined ? [] : hostile.slice(1, 6);
      const byLetter = attached.map((value) =>
        make([...start, `${short}${value}`, ...operands], !accepts(option, value)),
      );
      return [...missing, ...given, ...byLetter];
    }),
  ];
}

const cases = specs.flatMap(({ spec }) => casesOf(spec));

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Batch {
  readonly results: readonly Ended[];
  /** What is there afterwards, and was not before. */
  readonly left: { readonly mounts: string; readonly files: string; readonly processes: string };
}

/** Runs command lines in namespaces of their own, on an empty tmpfs. */
async function runAll(lines: readonly (readonly string[])[], name: string): Promise<Batch> {
  const here = join(directory, name);
  mkdirSync(here);
  const hexadecimal = (word: string): string => Buffer.from(word, "latin1").toString("hex") || "-";
  const input = join(directory, `${name}.input`);
  writeFileSync(input, lines.map((words) => `${[binary, ...words].map(hexadecimal).join(" ")}\n`).join(""));
  const script = `
    mount -t tmpfs none ${here} && cd ${here} || exit 1
    look() { cat /proc/self/mountinfo >../${name}.mounts.$1; ls -A >../${name}.files.$1; ls -d /proc/[0-9]* >../${name}.processes.$1; }
    look before
    ${each} <${input}
    look after`;
  const command = [
    "unshare",
    "--mount",
    "--pid",
    "--net",
    "--ipc",
    "--uts",
    "--fork",
    "--mount-proc",
    "sh",
    "-c",
  ];
  const child = Bun.spawn([...command, script], {
    env: { PATH: "/bin:/usr/bin" },
    stdin: "ignore",
    stderr: "inherit",
  });
  const output = Buffer.from(await new Response(child.stdout).arrayBuffer());
  expect(await child.exited).toBe(0);
  return { results: parse(output), left: leftOf(name) };
}

function parse(output: Buffer): Ended[] {
  const results: Ended[] = [];
  for (let at = 0; at < output.length; ) {
    const newline = output.indexOf("\n", at);
    const [status = 0, out = 0, err = 0] = output.toString("latin1", at, newline).split(" ").map(Number);
    const middle = newline + 1 + out;
    at = middle + err;
    results.push({
      status,
      stdout: output.toString("latin1", newline + 1, middle),
      stderr: output.toString("latin1", middle, at),
    });
  }
  return results;
}

function leftOf(name: string): Batch["left"] {
  const left = (what: string): string => {
    const [old, now] = ["before", "after"].map((when) =>
      readFileSync(join(directory, `${name}.${what}.${when}`), "latin1").split("\n"),
    );
    // The process that lists the others is among them, under another pid each time.
    const added = (now ?? []).filter((line) => !old?.includes(line));
    return (what === "processes" ? added.slice(1) : added).join("\n");
  };
  return { mounts: left("mounts"), files: left("files"), processes: left("processes") };
}

let batches = 0;

/** The same in two halves at a time. */
async function runInTwo(lines: readonly (readonly string[])[]): Promise<Batch> {
  const half = Math.ceil(lines.length / 2);
  const parts = [lines.slice(0, half), lines.slice(half)];
  const [first, second] = await Promise.all(parts.map((part) => runAll(part, `batch${batches++}`)));
  if (!first || !second) throw new Error("there are two halves");
  return {
    results: [...first.results, ...second.results],
    left: {
      mounts: first.left.mounts + second.left.mounts,
      files: first.left.files + second.left.files,
      processes: first.left.processes + second.left.processes,
    },
  };
}

/** A command line, short enough to be read. */
function shown(words: readonly string[]): string {
  return words
    .map((word) => JSON.stringify(word.length > 60 ? `${word.slice(0, 40)}... ${word.length}` : word))
    .join(" ");
}

/** Longer ones are no messages any more. */
const longestLine = 3500;

function isOneLine(stderr: string, who: string): boolean {
  return stderr.startsWith(who) && /^[\x20-\x7e]+\n$/.test(stderr) && stderr.length <= longestLine;
}

describe(`${cases.length} command lines`, () => {
  test("what is not allowed is refused, and nothing is done", async () => {
    const refused = cases.filter((one) => one.refused);
    expect(refused.length).toBeGreaterThan(1000);
    const { results, left } = await runInTwo(refused.map(({ applet, words }) => [applet, ...words]));
    expect(results.length).toBe(refused.length);
    const problems = refused.flatMap(({ applet, usageStatus, words }, index) => {
      const { status, stdout, stderr } = results[index] ?? { status: -1, stdout: "", stderr: "" };
      const right =
        status === usageStatus && stdout === "" && isOneLine(stderr, `ctrtool ${applet}: usage: `);
      return right
        ? []
        : [`${applet} ${shown(words)}: ${status} ${stdout.slice(0, 200)} ${stderr.slice(0, 300)}`];
    });
    expect(problems).toEqual([]);
    expect(left).toEqual({ mounts: "", files: "", processes: "" });
    expect(existsSync(executed)).toBe(false);
  }, 120_000);

  test("what is allowed crashes nothing, and is explained in printable lines", async () => {
    const allowed = cases.filter((one) => !one.refused);
    expect(allowed.length).toBeGreaterThan(300);
    const explaining = new Set(specs.flatMap(({ spec, explains }) => (explains ? [spec.name] : [])));
    const lines = allowed.map(({ applet, words }) => [applet, ...words]);
    const explained = lines.flatMap(([applet = "", ...words]) =>
      explaining.has(applet) ? [[applet, "--explain", ...words]] : [],
    );
    const acted = await runInTwo(lines);
    const problems = lines.flatMap((line, index) => {
      const { status, stderr } = acted.results[index] ?? { status: -1, stderr: "" };
      const crashed =
        status < 0 || status > 127 || /Bun v|panic|internal error|TypeError|RangeError/.test(stderr);
      const own = stderr.split("\n").filter((text) => text.startsWith("ctrtool "));
      const wrong =
        crashed || own.length > 1 || own.some((text) => !isOneLine(`${text}\n`, `ctrtool ${line[0]}: `));
      return wrong ? [`${shown(line)}: ${status} ${stderr.slice(0, 300)}`] : [];
    });
    expect(problems).toEqual([]);
    const told = await runInTwo(explained);
    const unreadable = explained.flatMap((line, index) => {
      const { status, stdout, stderr } = told.results[index] ?? { status: -1, stdout: "", stderr: "" };
      const right =
        status === 0
          ? stderr === "" && /^[\x20-\x7e\n]+$/.test(stdout)
          : isOneLine(stderr, `ctrtool ${line[0]}: `);
      return right
        ? []
        : [`${shown(line)}: ${status} ${JSON.stringify(stdout.slice(0, 200))} ${stderr.slice(0, 300)}`];
    });
    expect(unreadable).toEqual([]);
    expect(told.left).toEqual({ mounts: "", files: "", processes: "" });
  }, 240_000);
});
