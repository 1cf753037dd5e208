/** The environment as execve(2) has it: an ordered list of byte strings `NAME=VALUE`, handed on as it came. */

import { filter, find } from "../sys/lists.ts";

/** The value of a variable, of its first entry as getenv(3) has it; undefined if it is not set. */
export function variableValue(environment: readonly string[], name: string): string | undefined {
  const start = `${name}=`;
  return find(environment, (entry) => entry.startsWith(start))?.slice(start.length);
}

/** The environment without any entry of these names. */
export function withoutVariables(
  environment: readonly string[],
  names: readonly string[],
): readonly string[] {
  return filter(environment, (entry) => {
    for (const name of names) if (entry.startsWith(name) && entry[name.length] === "=") return false;
    return true;
  });
}

/** The environment with a variable set, in the place of its first entry, and without further ones. */
export function withVariable(environment: readonly string[], name: string, value: string): readonly string[] {
  const start = `${name}=`;
  const first = environment.findIndex((entry) => entry.startsWith(start));
  const entry = start + value;
  if (first < 0) return [...environment, entry];
  return environment.flatMap((old, index) => {
    if (index === first) return [entry];
    return old.startsWith(start) ? [] : [old];
  });
}
