/** Texts with the escapes of C string literals. */
import { clipped, UsageError } from "../failure.ts";
import { type Reader, reader } from "./reader.ts";

const simple: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  e: "\x1b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
  "?": "?",
};

/** A backslash, and what it makes special; the last alternative is everything that is no escape. */
const escapes = /\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|([\s\S]?))/g;

function character(whole: string, octal?: string, hex?: string, letter?: string): string {
  if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
  const code = octal === undefined ? undefined : Number.parseInt(octal, 8);
  const byte =
    code === undefined ? simple[letter ?? ""] : code > 0xff ? undefined : String.fromCharCode(code);
  if (byte === undefined) throw new UsageError(`${clipped(whole)} is no escape of C`);
  return byte;
}

/**
 * `\n`, `\t` and the other letters of C (and `\e`), `\\`, quotes, up to three octal digits, `\x` and up to two
 * hexadecimal ones: each one byte, NUL included. Any other use of a backslash is refused.
 */
export function readEscapes(text: string): string {
  return text.replace(escapes, character);
}

/** See `readEscapes`. */
export const escaped: Reader<string> = reader(readEscapes);
