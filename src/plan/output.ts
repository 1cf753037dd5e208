/** Printing from a program. */

import { area, at, call, compute, leave, loop, type Step, set, variable, when } from "../program/steps.ts";
import { bytesOf } from "../sys/bytes.ts";

const stdout = 1;

/** Writes a byte string to descriptor 1, in as many pieces as it takes. */
export function writeText(text: string, what: string): Step[] {
  if (text === "") return [];
  const bytes = area("text", bytesOf(text));
  const next = variable("next byte");
  const rest = variable("rest");
  const written = variable("written");
  return [
    set(next, at(bytes)),
    set(rest, bytes.size),
    loop([
      call("write", [stdout, next, rest], what, { into: written, retry: true }),
      compute(next, next, "add", written),
      compute(rest, rest, "sub", written),
      when(rest, "==", 0, [leave]),
    ]),
  ];
}
