/** How a program has ended is told exactly, whatever the caller ignores or blocks. */
import { describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { binary, build } from "../support/ctrtool.ts";
import { compile, ownDirectory } from "./tools.ts";

build();
const directory = ownDirectory();
const caller = compile("caller", directory);
const end = compile("end", directory);

/** The statuses of commands that one caller starts, one after the other. */
function statuses(settings: readonly string[], commands: readonly (readonly string[])[]): number[] {
  const here = join(directory, "here");
  mkdirSync(here, { recursive: true });
  const words = [caller, ...settings, ...commands.flatMap((command) => [";;", ...command])];
  const done = Bun.spawnSync(words, { cwd: here, stdin: "ignore", env: {} });
  expect(done.exitCode).toBe(0);
  expect(done.stderr.toString()).not.toContain("caller: ");
  return [...done.stdout.toString().matchAll(/^status (\d+)$/gm)].map(([, status]) => Number(status));
}

const everyStatus = Array.from({ length: 256 }, (_, status) => status);

/** Those that end a process by default: not CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH. */
const fatalSignals = Array.from({ length: 64 }, (_, index) => index + 1).filter(
  (signal) => ![17, 18, 19, 20, 21, 22, 23, 28].includes(signal),
);

const callers = {
  "an ordinary caller": [],
  "a caller that ignores SIGCHLD": ["ignore", "17"],
  "a caller that ignores and blocks": ["ignore", "17", "ignore", "13", "ignore", "15", "block-all"],
};

const ways = {
  "launcher -w": ["launcher", "-w"],
  "launcher -w with a script": ["launcher", "-w", "-d", "-x", "true"],
  "launcher -w with namespaces": ["launcher", "-w", "-p", "-m", "-i", "-u", "-n"],
  "launcher -w --fork as the first of a pid namespace": ["launcher", "-w", "-p", "--fork"],
  "launcher in place, with a fork": ["launcher", "-fi", "--fork"],
};

describe.each(Object.entries(callers))("%s", (_, settings) => {
  test("is told every exit status", () => {
    const commands = everyStatus.map((status) => [binary, "launcher", "-w", end, "exit", String(status)]);
    expect(statuses(settings, commands)).toEqual(everyStatus);
  }, 60_000);

  test("is told every signal that ends a program, as 128 + n", () => {
    const commands = fatalSignals.map((signal) => [binary, "launcher", "-w", end, "signal", String(signal)]);
    expect(statuses(settings, commands)).toEqual(fatalSignals.map((signal) => 128 + signal));
  }, 60_000);

  test.each(Object.entries(ways))("%s", (_, words) => {
    const commands = [
      ["exit", "0"],
      ["exit", "1"],
      ["exit", "255"],
      ["signal", "9"],
      ["signal", "11"],
      ["signal", "15"],
    ].map((how) => [binary, ...words, end, ...how]);
    // The first process of a pid namespace is not ended by its own signals, but for KILL from outside.
    const first = words.includes("-p") && !words.includes("--fork");
    const survived = first ? [98, 98, 98] : [137, 139, 143];
    expect(statuses(settings, commands)).toEqual([0, 1, 255, ...survived]);
  });

  test("a command of mount_seq succeeds by its exit status", () => {
    const commands = [0, 1, 255].map((status) => [binary, "mount_seq", "-S", `exit ${status}`, "-e"]);
    expect(statuses(settings, commands)).toEqual([0, 2, 2]);
  });
});
