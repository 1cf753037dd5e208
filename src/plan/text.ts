/** Texts with numbers that are known only when the program runs. */
import { type Area, area, compose, type Step, type Variable } from "../program/steps.ts";

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
