/** The set of applets as a value: what can be asked of it without knowing its files. */
import { variableValue } from "../plan/environment.ts";
import type { Given } from "../sys/given.ts";
import { find } from "../sys/lists.ts";
import { quote, UsageError } from "./failure.ts";
import { suggestion } from "./nearest.ts";
import type { Spec } from "./spec.ts";

/** An applet, as it is once loaded. */
export interface Applet {
  readonly spec: Spec;
  /** `--explain` is understood. */
  readonly explains: boolean;
  /** Runs with the words after the applet's name; the exit status, if the process did not become a program. */
  run(words: readonly string[], given: Given, suite: Suite): Promise<number>;
}

/** What is known of an applet without loading it. */
export interface Entry {
  readonly name: string;
  readonly aliases: readonly string[];
  /** A program that every host has, and that takes other words, has this name: install makes no such link. */
  readonly shadows?: true;
  readonly load: () => Promise<{ readonly default: Applet }>;
}

export interface Suite {
  /** What containers are made with. A link of such a name to the executable runs the applet. */
  readonly applets: readonly Entry[];
  /** What ctrtool says and does about itself: only as `ctrtool NAME`, since install(1) exists already. */
  readonly commands: readonly Entry[];
}

/** What a command line means at this level. */
export interface Choice {
  readonly entry: Entry;
  /** The words after the applet's name. */
  readonly words: readonly string[];
}

/** Words before an applet's name that ask for what is always done: running from a sealed copy. */
export const escapeNames: readonly string[] = ["_ctrtool_escaped", "escape"];

/** `1`: the first word names the applet, whatever the executable is called. Not handed on to any program. */
export const overrideVariable = "CTRTOOL_OVERRIDE_ARGV0_LOOKUP";

/** Names and aliases. */
export function namesOf(entries: readonly Entry[]): string[] {
  return entries.flatMap(({ name, aliases }) => [name, ...aliases]);
}

/** Every name that a link to the executable can have, sorted. */
export function linkNames({ applets }: Suite): string[] {
  return [...namesOf(applets), ...escapeNames].sort();
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The names that install makes links of. */
export function installedNames({ applets }: Suite): string[] {
  return linkNames({ applets: applets.filter(({ shadows }) => !shadows), commands: [] });
}

/** Under a neutral name, the applet's name is the first argument. */
function isNeutral(argv0: string, environment: readonly string[]): boolean {
  const override = variableValue(environment, overrideVariable);
  if (override !== undefined && override !== "0" && override !== "1") {
    throw new UsageError(`${overrideVariable} is ${quote(override)}, not 0 or 1`);
  }
  const name = baseName(argv0);
  return override === "1" || name.startsWith("ctrtool") || name === "exe";
}

function lookUp(word: string, entries: readonly Entry[]): Entry {
  const name = baseName(word);
  const found = find(entries, (entry) => entry.name === name || entry.aliases.includes(name));
  if (found) return found;
  const close = suggestion(name, [...namesOf(entries), ...escapeNames]);
  throw new UsageError(`unknown applet ${quote(word)}${close}`);
}

/**
 * Decides which applet a command line means: by the name it was started under, or under a neutral name by
 * its first word. `escape` before it changes nothing, as programs always run from a sealed copy.
 * @throws UsageError
 */
export function choose(
  { applets, commands }: Suite,
  argv: readonly string[],
  environment: readonly string[],
): Choice {
  const [argv0 = "", ...rest] = argv;
  const neutral = isNeutral(argv0, environment);
  const entries = neutral ? [...applets, ...commands] : applets;
  const [word, ...words] = neutral ? rest : [argv0, ...rest];
  if (word === undefined) throw new UsageError("no applet given; ctrtool --list prints their names");
  const prefix = baseName(word);
  if (!escapeNames.includes(prefix)) return { entry: lookUp(word, entries), words };
  const [escaped, ...after] = words;
  if (escaped === undefined) throw new UsageError(`${prefix} needs the name of an applet`);
  if (escapeNames.includes(baseName(escaped))) throw new UsageError(`${prefix} cannot be given twice`);
  return { entry: lookUp(escaped, entries), words: after };
}
