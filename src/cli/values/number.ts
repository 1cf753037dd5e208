/**
 * Numbers. All are strict: every character belongs to the number, and it fits.
 *
 * The one rule for a leading 0: it means octal where the original read C's base 0 (`unsigned`, `u64`, so
 * `010` is 8 and `08` is refused), and nothing where the original read decimal only (`decimal`: `010` is
 * 10, and `0x5`, which was a silent 0 there, is refused).
 */
import { clipped, quote, UsageError } from "../failure.ts";
import { suggestion } from "../nearest.ts";
import { type Reader, readBy, reader } from "./reader.ts";

export const U32_MAX = 0xffff_ffff;
export const I32_MAX = 0x7fff_ffff;
export const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** How digits are read; see the top of this file. */
export type Notation = "c" | "decimal" | "octal";

const forms: Readonly<Record<Notation, RegExp>> = {
  c: /^(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/,
  decimal: /^[0-9]+$/,
  octal: /^[0-7]+$/,
};

const called: Readonly<Record<Notation, string>> = {
  c: "a number",
  decimal: "a decimal number",
  octal: "an octal number",
};

/** More digits than this, without leading zeros, are no 64-bit number in any notation. */
const MOST_DIGITS = 24;

function misread(text: string, notation: Notation): UsageError {
  const why = notation === "c" && /^0[0-9]+$/.test(text) ? " (a leading 0 means octal)" : "";
  return new UsageError(`${quote(text)} is not ${called[notation]}${why}`);
}

/** Reads a whole number from `min` to `max`. @throws UsageError */
export function readNumber(text: string, notation: Notation, max: bigint, min = 0n): bigint {
  if (!forms[notation].test(text)) throw misread(text, notation);
  const octal = notation === "octal" || (notation === "c" && /^0[0-7]/.test(text));
  const [, hex] = /^0[xX](.*)$/.exec(text) ?? [];
  const digits = (hex ?? text).replace(/^0+(?=.)/, "");
  const prefix = hex !== undefined ? "0x" : octal ? "0o" : "";
  const value = digits.length > MOST_DIGITS ? undefined : BigInt(prefix + digits);
  if (value === undefined || value > max || value < min) {
    throw new UsageError(`${quote(text)} is out of range (${min} to ${max})`);
  }
  return value;
}

function small(notation: Notation, max: number, min: number): Reader<number> {
  return reader((text) => Number(readNumber(text, notation, BigInt(max), BigInt(min))));
}

/** C base 0 (`0x` hexadecimal, leading `0` octal, else decimal), from `min` to `max`, both inclusive. */
export function unsigned(max: number, min = 0): Reader<number> {
  return small("c", max, min);
}

/** C base 0, 64 bits. */
export const u64: Reader<bigint> = reader((text) => readNumber(text, "c", U64_MAX));

/** Decimal digits only, from `min` to `max`, both inclusive. */
export function decimal(max: number, min = 0): Reader<number> {
  return small("decimal", max, min);
}

/** File permission bits in octal, up to `max`. */
export function octalMode(max = 0o7777): Reader<number> {
  return reader((text) => {
    if (!forms.octal.test(text) || text.length > MOST_DIGITS) throw misread(text, "octal");
    const mode = Number.parseInt(text, 8);
    if (mode > max) throw new UsageError(`${quote(text)} is out of range (0 to ${max.toString(8)} octal)`);
    return mode;
  });
}

/** A number up to `max` in C base 0, or one of the names of `table` (in lower case there, any case here). */
export function readNumberOrName(
  text: string,
  label: string,
  table: Readonly<Record<string, number>>,
  max: number,
): number {
  if (/^[0-9]/.test(text)) return Number(readNumber(text, "c", BigInt(max)));
  const name = text.toLowerCase();
  const named = Object.hasOwn(table, name) ? table[name] : undefined;
  if (named !== undefined) return named;
  throw new UsageError(`${quote(text)} is not a ${label}${suggestion(name, Object.keys(table))}`);
}

/** See `readNumberOrName`; `label` says what the names are names of. */
export function numberOrName(
  label: string,
  table: Readonly<Record<string, number>>,
  max: number,
): Reader<number> {
  return reader((text) => readNumberOrName(text, label, table, max));
}

const truths: Readonly<Record<string, boolean>> = {
  on: true,
  true: true,
  yes: true,
  off: false,
  false: false,
  no: false,
};

/** `on true yes`, `off false no` in any case, or a number: 0 is false, any other true. */
export const boolean: Reader<boolean> = reader((text) => {
  if (/^[0-9]/.test(text)) return readNumber(text, "c", U64_MAX) !== 0n;
  const word = text.toLowerCase();
  const truth = Object.hasOwn(truths, word) ? truths[word] : undefined;
  if (truth === undefined) throw new UsageError(`${quote(text)} is not a boolean (yes or no)`);
  return truth;
});

/** Items separated by commas; empty ones are skipped, so an empty text is an empty list. */
export function list<T>(item: Reader<T>): Reader<readonly T[]> {
  return reader((text) =>
    text
      .split(",")
      .filter((part) => part !== "")
      .map((part) => readBy(item, part)),
  );
}

/** A text made of the letters that are the keys of `table`: the letters, in order. */
export function letters<L extends string>(table: Readonly<Record<L, unknown>>): Reader<readonly L[]> {
  const known = Object.keys(table).join("");
  const isKnown = (letter: string): letter is L => Object.hasOwn(table, letter);
  return reader((text) =>
    [...text].map((letter) => {
      if (!isKnown(letter)) throw new UsageError(`unknown letter ${clipped(letter)} (known: ${known})`);
      return letter;
    }),
  );
}
