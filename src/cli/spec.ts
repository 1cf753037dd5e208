/**
 * How an applet describes its command line. Parsing, help, completion and `--list` are all derived from it.
 */
import type * as v from "valibot";

/** A schema that takes one argument's text; `read` is the same without valibot, see values/reader.ts. */
export type TextSchema = v.GenericSchema<string, unknown> & { readonly read?: (text: string) => unknown };

interface OptionBase {
  /** One letter. */
  readonly short?: string;
  /** The long name, without dashes. Every option has one. */
  readonly long: string;
  /** One line, lower case, without a full stop. */
  readonly help: string;
  /** The original does not have it: its name does not make an abbreviation ambiguous that worked there. */
  readonly added?: true;
  /** Understood, but not in the help text. */
  readonly hidden?: true;
}

/** An option without a value. */
export interface FlagOption extends OptionBase {
  readonly value?: undefined;
  readonly settings?: undefined;
}

/** An option with a value. The last one counts, unless it repeats. */
export interface ValueOption extends OptionBase {
  /** The value's name in the help text. */
  readonly metavar: string;
  readonly value: TextSchema;
  /** May be given several times; the values are collected in order. */
  readonly repeat?: true;
  /** The value is given only as `--long=VALUE` (`-lVALUE`); left out, it is this text. */
  readonly bareValue?: string;
  /** What holds when the option is not given, for the help text. */
  readonly default?: string;
  readonly settings?: undefined;
}

/** One name that `-o NAME=VALUE` can set. */
export interface Setting {
  readonly metavar: string;
  readonly value: TextSchema;
  readonly help: string;
  readonly default?: string;
}

/** An option of the form NAME=VALUE, with names matched without regard to case. The last of a name counts. */
export interface SettingsOption extends OptionBase {
  readonly settings: Readonly<Record<string, Setting>>;
  readonly value?: undefined;
}

export type OptionSpec = FlagOption | ValueOption | SettingsOption;
export type OptionTable = Readonly<Record<string, OptionSpec>>;
export type OperandSchema = v.GenericSchema<unknown, unknown>;

/** A titled paragraph or table of the help text, printed as it is. */
export interface Details {
  readonly title: string;
  readonly lines: readonly string[];
}

export interface Spec<O extends OptionTable = OptionTable, S extends OperandSchema = OperandSchema> {
  /** The applet's main name; aliases are the registry's business. */
  readonly name: string;
  /** One line, lower case, without a full stop. */
  readonly summary: string;
  /** The operands: `DIR PROGRAM [ARG]...`. The words name the operands in messages, by position. */
  readonly usage: string;
  readonly options: O;
  /** Takes the operands as `string[]`. */
  readonly operands: S;
  /** `false`: options may follow operands, as GNU programs allow unless POSIXLY_CORRECT is set. */
  readonly stopAtOperand: boolean;
  /** Operands are accepted only after `--`. */
  readonly operandsAfterDashes?: true;
  /** 125 for applets that execute a program, 2 for others, 1 for mount_seq. */
  readonly usageStatus: 125 | 2 | 1;
  /** When JavaScript itself fails to do something; 125 or 1 by default, after `usageStatus`. */
  readonly failureStatus?: number;
  /** Exit statuses beyond those that `usageStatus` implies, for the help text. */
  readonly statuses?: Readonly<Record<string, string>>;
  readonly details?: readonly Details[];
  /** Command lines worth copying, without `ctrtool`. */
  readonly examples?: readonly string[];
}

/** What one occurrence of an option yields. */
export type ValueOf<O extends OptionSpec> = O extends { readonly settings: infer T }
  ? SettingOf<T>
  : O extends { readonly value: infer S extends TextSchema }
    ? v.InferOutput<S>
    : true;

type SettingOf<T> = {
  [N in keyof T & string]: T[N] extends { readonly value: infer S extends TextSchema }
    ? { readonly name: N; readonly value: v.InferOutput<S> }
    : never;
}[keyof T & string];

type SettingsOf<T> = {
  readonly [N in keyof T]: T[N] extends { readonly value: infer S extends TextSchema }
    ? v.InferOutput<S> | undefined
    : never;
};

type OptionValue<O extends OptionSpec> = O extends { readonly settings: infer T extends object }
  ? SettingsOf<T>
  : O extends { readonly value: TextSchema }
    ? O extends { readonly repeat: true }
      ? readonly ValueOf<O>[]
      : ValueOf<O> | undefined
    : boolean;

/** A parsed command line. */
export interface Parsed<O extends OptionTable, S extends OperandSchema> {
  /** Flags as booleans, repeatable options as arrays, settings as one record, the rest `undefined` if not given. */
  readonly options: { readonly [K in keyof O]: OptionValue<O[K]> };
  readonly operands: v.InferOutput<S>;
  /** Every occurrence, in the order of the command line. */
  readonly sequence: readonly {
    [K in keyof O]: { readonly key: K; readonly value: ValueOf<O[K]> };
  }[keyof O][];
}

/** What the plan of an applet with this spec receives. */
export type Input<T> = T extends Spec<infer O, infer S> ? Parsed<O, S> : never;

/** Gives a spec its precise type. */
export function defineSpec<const O extends OptionTable, const S extends OperandSchema>(
  spec: Spec<O, S>,
): Spec<O, S> {
  return spec;
}
