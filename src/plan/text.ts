/** Texts with numbers that are known only when the program runs. */
import { type Area, area, compose, type Step, set, type Variable, variable } from "../program/steps.ts";

/** Room for any 64-bit number in decimal, its sign, and a NUL. */
const digits = 24;

/** A text, and the steps that put it together before it is used. */
export interface NumberText {
  readonly text: string | Area;
  readonly steps: readonly Step[];
}

/** `prefix` and a number in decimal: an argument, or a variable `NAME=` of an environment. */
export function numberText(prefix: string, value: number | Variable): NumberText {
  if (typeof value === "number") return { text: `${prefix}${value}`, steps: [] };
  const text = area(`${prefix}${value.name}`, prefix.length + digits);
  return { text, steps: [compose(text, [prefix, value])] };
}

/** What a step acts on, for its messages, and the steps that put it together before. */
export interface Subject {
  readonly what: string | Variable;
  readonly steps: readonly Step[];
}

/** A text for messages with a number in it, which a variable may hold: `descriptor `, 5. */
export function numberSubject(prefix: string, value: number | Variable, suffix = ""): Subject {
  if (typeof value === "number") return { what: `${prefix}${value}${suffix}`, steps: [] };
  const text = area(`${prefix}${value.name}${suffix}`, prefix.length + suffix.length + digits);
  const what = variable(text.name);
  return { what, steps: [compose(text, [prefix, value, suffix]), set(what, text)] };
}
