/** Wrong usage, as a value; and how what the user typed gets into a message, which is always one line. */
import { oneLine } from "../sys/failure.ts";

/** Unknown option, bad value, missing operand. The message has no prefix; the runner adds it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Texts up to this many bytes are shown in full. */
const SHOWN_BYTES = 64;

/** `text` on one line, cut when it is long. */
export function clipped(text: string): string {
  return text.length <= SHOWN_BYTES ? oneLine(text) : `${oneLine(text.slice(0, SHOWN_BYTES))}...`;
}

/** `text` in double quotes on one line; of a long one the beginning and the size. */
export function quote(text: string): string {
  return text.length <= SHOWN_BYTES ? `"${oneLine(text)}"` : `"${clipped(text)}" (${text.length} bytes)`;
}
