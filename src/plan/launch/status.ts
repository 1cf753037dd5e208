/** Events of a launch for the machine that started it: a line of JSON each. Failures are told by the program itself. */
import { area, call, compose, folded, type Step, type Variable, variable } from "../../program/steps.ts";

/** A number in decimal, an event's name, and what JSON needs around them. */
const longest = 96;

/** Writes `{"event":NAME}` or `{"event":NAME,KEY:NUMBER}` to a descriptor. Nobody listening is no failure. */
export function tell(descriptor: number, event: string, key?: string, value?: Variable): Step {
  const text = area(`event ${event}`, longest);
  const length = variable("length");
  const start = `{"event":"${event}"`;
  const parts =
    key !== undefined && value !== undefined ? [`${start},"${key}":`, value, "}\n"] : [`${start}}\n`];
  return folded(`tell descriptor ${descriptor}: ${event}${value === undefined ? "" : ` ${value.name}`}`, [
    compose(text, parts, length),
    call("write", [descriptor, text, length], "the status descriptor", { accept: "any" }),
  ]);
}
