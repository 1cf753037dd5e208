/** A spec and words to typed values. Pure. */
import * as v from "valibot";
import { oneLine } from "../sys/failure.ts";
import { quote, UsageError } from "./failure.ts";
import { type Declaration, type Occurrence, type OperandPlaces, type Scanned, scan } from "./getopt.ts";
import { suggestion } from "./nearest.ts";
import type {
  OperandSchema,
  OptionSpec,
  OptionTable,
  Parsed,
  SettingsOption,
  Spec,
  TextSchema,
} from "./spec.ts";

/** What else decides how words are read. */
export interface ParseContext {
  /** POSIXLY_CORRECT is in the environment: the first operand always ends the options. */
  readonly posixlyCorrect?: boolean;
}

/** What a command line asks for. */
export type Request<O extends OptionTable, S extends OperandSchema> =
  | { readonly kind: "help" }
  | { readonly kind: "act" | "explain"; readonly input: Parsed<O, S> };

/** The options that every applet has. Keys with dashes cannot collide with a spec's. */
const HELP: Declaration = { key: "--help", long: "help", argument: "none", added: true, last: true };
const EXPLAIN: Declaration = { key: "--explain", long: "explain", argument: "none", added: true };

function declare(key: string, option: OptionSpec): Declaration {
  const takesValue = option.settings !== undefined || option.value !== undefined;
  const optional = option.value !== undefined && option.bareValue !== undefined;
  return {
    key,
    short: option.short,
    long: option.long,
    argument: optional ? "optional" : takesValue ? "required" : "none",
    added: option.added === true,
  };
}

/** A value by its schema, or the first complaint. */
function accept(schema: TextSchema, text: string, subject: string): unknown {
  try {
    return schema.read === undefined ? v.parse(schema, text, { abortEarly: true }) : schema.read(text);
  } catch (problem) {
    if (!(problem instanceof UsageError || problem instanceof v.ValiError)) throw problem;
    throw new UsageError(`${subject}: ${oneLine(problem.message)}`);
  }
}

/** One NAME=VALUE. */
function acceptSetting(
  option: SettingsOption,
  text: string,
  shown: string,
): { name: string; value: unknown } {
  const equals = text.indexOf("=");
  if (equals < 0) throw new UsageError(`${shown}: ${quote(text)} is not of the form NAME=VALUE`);
  const given = text.slice(0, equals);
  const names = Object.keys(option.settings);
  const name = names.find((candidate) => candidate.toLowerCase() === given.toLowerCase());
  const setting = name === undefined ? undefined : option.settings[name];
  if (name === undefined || setting === undefined) {
    throw new UsageError(`${shown}: unknown setting ${quote(given)}${suggestion(given, names)}`);
  }
  return { name, value: accept(setting.value, text.slice(equals + 1), `${shown} ${name}`) };
}

/** The operands' names, from `usage`, by position. */
function operandName(usage: string, index: number): string {
  const names = usage.split(" ").map((word) => word.replace(/[[\].]/g, ""));
  return names[index] ?? names.at(-1) ?? "operand";
}

function acceptOperands(spec: Spec, words: readonly string[]): unknown {
  const result = v.safeParse(spec.operands, words, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const key = issue.path?.[0]?.key;
  // A rule about the operands as a whole has its own words.
  if (typeof key !== "number") throw new UsageError(oneLine(issue.message));
  const word = words[key];
  if (word === undefined) throw new UsageError(`${operandName(spec.usage, key)} is missing`);
  if (issue.expected === "never") throw new UsageError(`unexpected word ${quote(word)}`);
  throw new UsageError(`${operandName(spec.usage, key)}: ${oneLine(issue.message)}`);
}

function places(spec: Spec, context: ParseContext): OperandPlaces {
  if (spec.operandsAfterDashes) return "dashes";
  return spec.stopAtOperand || context.posixlyCorrect ? "stop" : "permute";
}

/** What an option is when it is not given. */
function absent(option: OptionSpec): unknown {
  if (option.settings !== undefined) return {};
  if (option.value === undefined) return false;
  return option.repeat ? [] : undefined;
}

/** Takes one occurrence into account: its value for the sequence, and the option's value from now on. */
function take(
  option: OptionSpec,
  { shown, value }: Occurrence,
  before: unknown,
): { one: unknown; all: unknown } {
  if (option.settings !== undefined) {
    const one = acceptSetting(option, value ?? "", shown);
    return { one, all: { ...Object(before), [one.name]: one.value } };
  }
  if (option.value === undefined) return { one: true, all: true };
  const one = accept(option.value, value ?? option.bareValue ?? "", shown);
  // Not by what `before` is alone: the value of an option that does not repeat can be a list as well.
  if (!option.repeat || !Array.isArray(before)) return { one, all: one };
  before.push(one);
  return { one, all: before };
}

function understand<O extends OptionTable, S extends OperandSchema>(
  spec: Spec<O, S>,
  { occurrences, operands }: Scanned,
): Parsed<O, S> {
  const options: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(spec.options)) options[key] = absent(option);
  const sequence: { key: string; value: unknown }[] = [];
  for (const occurrence of occurrences) {
    const { key } = occurrence;
    const option = spec.options[key];
    if (option === undefined) continue;
    const { one, all } = take(option, occurrence, options[key]);
    sequence.push({ key, value: one });
    options[key] = all;
  }
  const parsed: unknown = { options, operands: acceptOperands(spec, operands), sequence };
  // A spec's value types exist for the compiler only: this is where they meet the values.
  return parsed as Parsed<O, S>;
}

function declarations(spec: Spec): Declaration[] {
  const all: Declaration[] = [];
  for (const [key, option] of Object.entries(spec.options)) all.push(declare(key, option));
  return all;
}

/**
 * Reads a command line.
 * @throws UsageError at the first thing that is wrong with it.
 */
export function parse<O extends OptionTable, S extends OperandSchema>(
  spec: Spec<O, S>,
  words: readonly string[],
  context: ParseContext = {},
): Parsed<O, S> {
  return understand(spec, scan(declarations(spec), words, places(spec, context)));
}

/**
 * Reads a command line that may also ask for help, or (`explains`) for an explanation.
 * @throws UsageError as `parse` does, but for mistakes after `--help`.
 */
export function readRequest<O extends OptionTable, S extends OperandSchema>(
  spec: Spec<O, S>,
  words: readonly string[],
  context: ParseContext,
  explains: boolean,
): Request<O, S> {
  const common = explains ? [EXPLAIN, HELP] : [HELP];
  const scanned = scan([...declarations(spec), ...common], words, places(spec, context));
  let kind: "act" | "explain" = "act";
  for (const { key } of scanned.occurrences) {
    if (key === HELP.key) return { kind: "help" };
    if (key === EXPLAIN.key) kind = "explain";
  }
  return { kind, input: understand(spec, scanned) };
}
