/** Offsets of clocks: time_namespaces(7). */
import type { TimeOffset } from "../../plan/namespace-settings.ts";
import { quote, UsageError } from "../failure.ts";
import { type Reader, reader } from "./reader.ts";

const second = 1_000_000_000n;
/** KTIME_SEC_MAX in the kernel: what 63 bits of nanoseconds hold. */
const mostSeconds = 9_223_372_036n;

/** Seconds in decimal, with a sign or none, and up to nine digits after a point: `86400`, `-1.5`. */
export const timeOffset: Reader<TimeOffset> = reader((text) => {
  const [, sign, whole, fraction = ""] = /^([+-]?)([0-9]{1,20})(?:\.([0-9]{1,9}))?$/.exec(text) ?? [];
  if (whole === undefined) throw new UsageError(`${quote(text)} is not a number of seconds`);
  if (BigInt(whole) > mostSeconds) {
    throw new UsageError(`${quote(text)} is out of range (-${mostSeconds} to ${mostSeconds})`);
  }
  const size = BigInt(whole) * second + BigInt(fraction.padEnd(9, "0"));
  const total = sign === "-" ? -size : size;
  const nanoseconds = ((total % second) + second) % second;
  return { seconds: (total - nanoseconds) / second, nanoseconds: Number(nanoseconds) };
});
