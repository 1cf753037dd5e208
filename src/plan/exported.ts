/** The environment of a program that is told of descriptors by variables, put together before it runs. */
import type { Area, Step, Variable } from "../program/steps.ts";
import { variableValue, withoutVariables } from "./environment.ts";
import { numberText } from "./text.ts";

/** Variables that were given, and those whose values only the running program knows. */
export class ExportedEnvironment {
  /** What is left of the environment that was given. */
  given: readonly string[];
  private readonly numbers = new Map<string, number | Variable>();
  private readonly texts: { readonly name: string; readonly entry: Area }[] = [];

  constructor(given: readonly string[]) {
    this.given = given;
  }

  /** Sets a variable to a number in decimal. */
  set(name: string, value: number | Variable): void {
    this.remove(name);
    this.numbers.set(name, value);
  }

  /** Sets a variable by an area that holds `NAME=VALUE` by the time it is used. */
  setText(name: string, entry: Area): void {
    this.remove(name);
    this.texts.push({ name, entry });
  }

  remove(name: string): void {
    this.given = withoutVariables(this.given, [name]);
    this.numbers.delete(name);
  }

  /** The number that `set` has given a variable. */
  number(name: string): number | Variable | undefined {
    return this.numbers.get(name);
  }

  /** The vector for execve(2), and the steps that write what is known only at run time. */
  entries(): { readonly entries: (string | Area)[]; readonly steps: Step[] } {
    const numbers = [...this.numbers].map(([name, value]) => numberText(`${name}=`, value));
    return {
      entries: [...this.given, ...numbers.map(({ text }) => text), ...this.texts.map(({ entry }) => entry)],
      steps: numbers.flatMap(({ steps }) => steps),
    };
  }

  /** PATH as it is when a program is looked for. */
  get searchPath(): string | undefined {
    return variableValue(this.given, "PATH");
  }
}
