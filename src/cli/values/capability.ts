/** Sets of capabilities: capabilities(7). */
import { capabilityNumbers } from "../../sys/constants.ts";
import { quote, UsageError } from "../failure.ts";
import { suggestion } from "../nearest.ts";
import { readNumber, U64_MAX } from "./number.ts";
import { type Reader, reader } from "./reader.ts";

/** One item's capabilities as bits. */
function readItem(text: string): bigint {
  const name = text.toLowerCase().replace(/^cap_/, "");
  // All 64 bits, and not those of today's kernel: a capability added later is in `all` as well.
  if (name === "all") return U64_MAX;
  const numbers = capabilityNumbers();
  const bit = Object.hasOwn(numbers, name) ? numbers[name] : undefined;
  if (bit !== undefined) return 1n << BigInt(bit);
  const close = suggestion(name, ["all", ...Object.keys(numbers)]);
  throw new UsageError(`${quote(text)} is not a capability${close}`);
}

/**
 * A set as a mask of 64 bits, bit n for capability n. Either a number in C base 0, or items separated by
 * commas that are applied in order: `NAME` or `+NAME` adds, `-NAME` takes away; NAME is a capability in any
 * case, with or without `cap_`, or `all`. A list that begins with `-` starts from all capabilities, any
 * other from none, so `-sys_admin` is all but one. An empty text is the empty set.
 */
export const capabilities: Reader<bigint> = reader((text) => {
  if (text === "") return 0n;
  if (/^[0-9]/.test(text)) return readNumber(text, "c", U64_MAX);
  return text.split(",").reduce(
    (set, item) => {
      const bits = readItem(item.replace(/^[+-]/, ""));
      return item.startsWith("-") ? set & ~bits : set | bits;
    },
    text.startsWith("-") ? U64_MAX : 0n,
  );
});
