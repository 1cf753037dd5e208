/**
 * Words to option occurrences, by the rules of GNU getopt_long(3): clusters, attached and separate values,
 * unambiguous abbreviations of long names, `--`, and either permutation or a stop at the first operand.
 * Pure: nothing is read but the arguments, and values are not looked at.
 */
import { find } from "../sys/lists.ts";
import { clipped, quote, UsageError } from "./failure.ts";
import { suggestion } from "./nearest.ts";

/** One option, as far as the grammar is concerned. */
export interface Declaration {
  readonly key: string;
  readonly short?: string | undefined;
  readonly long: string;
  /** `optional`: only `--long=VALUE`, or attached to the letter; the next word is never taken. */
  readonly argument: "none" | "required" | "optional";
  /** Not known to the original: loses against its names when an abbreviation is resolved. */
  readonly added: boolean;
  /** The rest of the line does not matter (--help); long options only. */
  readonly last?: boolean;
}

/** An option as it was met on the command line. */
export interface Occurrence {
  readonly key: string;
  /** For messages: `-l` or `--long`. */
  readonly shown: string;
  readonly value?: string;
}

export interface Scanned {
  readonly occurrences: readonly Occurrence[];
  readonly operands: readonly string[];
}

export type OperandPlaces =
  /** The first operand ends the options. */
  | "stop"
  /** Operands and options mix freely. */
  | "permute"
  /** Operands only after `--`. */
  | "dashes";

/** The words still to be read: those from `next` on. */
interface Words {
  readonly all: readonly string[];
  next: number;
}

function abbreviated(declarations: readonly Declaration[], name: string): Declaration {
  const exact = find(declarations, ({ long }) => long === name);
  if (exact) return exact;
  const all = declarations.filter(({ long }) => name !== "" && long.startsWith(name));
  const originals = all.filter(({ added }) => !added);
  const candidates = originals.length > 0 ? originals : all;
  const [only] = candidates;
  if (!only) {
    const names = declarations.map(({ long }) => long);
    throw new UsageError(`unknown option ${clipped(`--${name}`)}${suggestion(name, names, "--")}`);
  }
  if (candidates.length > 1) {
    const names = candidates.map(({ long }) => `--${long}`).join(", ");
    throw new UsageError(`option ${clipped(`--${name}`)} is ambiguous: ${names}`);
  }
  return only;
}

function longOption(declarations: readonly Declaration[], body: string, words: Words): Occurrence {
  const equals = body.indexOf("=");
  const { key, long, argument } = abbreviated(declarations, equals < 0 ? body : body.slice(0, equals));
  const shown = `--${long}`;
  if (equals >= 0) {
    if (argument === "none") throw new UsageError(`option ${shown} takes no value`);
    return { key, shown, value: body.slice(equals + 1) };
  }
  if (argument !== "required") return { key, shown };
  const value = words.all[words.next++];
  if (value === undefined) throw new UsageError(`option ${shown} needs a value`);
  return { key, shown, value };
}

function shortOptions(
  letters: ReadonlyMap<string, Declaration>,
  cluster: string,
  words: Words,
  found: Occurrence[],
): void {
  for (let index = 1; index < cluster.length; index++) {
    const letter = cluster.charAt(index);
    const declaration = letters.get(letter);
    if (!declaration) throw new UsageError(`unknown option ${clipped(`-${letter}`)}`);
    const { key, argument } = declaration;
    const shown = `-${letter}`;
    if (argument === "none") {
      found.push({ key, shown });
      continue;
    }
    const attached = index + 1 < cluster.length ? cluster.slice(index + 1) : undefined;
    const value = attached ?? (argument === "required" ? words.all[words.next++] : undefined);
    if (value === undefined && argument === "required") {
      throw new UsageError(`option ${shown} needs a value`);
    }
    found.push(value === undefined ? { key, shown } : { key, shown, value });
    return;
  }
}

/**
 * Reads `words` (without the applet's name).
 * @throws UsageError at the first word that breaks the grammar, unless an option declared `last` came before.
 */
export function scan(
  declarations: readonly Declaration[],
  words: readonly string[],
  places: OperandPlaces,
): Scanned {
  const left: Words = { all: words, next: 0 };
  const occurrences: Occurrence[] = [];
  const operands: string[] = [];
  // Command lines can have thousands of words.
  const letters = new Map<string, Declaration>();
  const endings = new Set<string>();
  for (const declaration of declarations) {
    if (declaration.short !== undefined) letters.set(declaration.short, declaration);
    if (declaration.last) endings.add(declaration.key);
  }
  for (let word = words[left.next++]; word !== undefined; word = words[left.next++]) {
    if (word === "--") return { occurrences, operands: [...operands, ...words.slice(left.next)] };
    if (!word.startsWith("-") || word === "-") {
      if (places === "dashes") throw new UsageError(`unexpected word ${quote(word)}`);
      if (places === "stop") return { occurrences, operands: words.slice(left.next - 1) };
      operands.push(word);
      continue;
    }
    if (!word.startsWith("--")) {
      shortOptions(letters, word, left, occurrences);
      continue;
    }
    const occurrence = longOption(declarations, word.slice(2), left);
    occurrences.push(occurrence);
    if (endings.has(occurrence.key)) return { occurrences, operands };
  }
  return { occurrences, operands };
}
