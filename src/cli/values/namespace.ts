/** Words that name namespaces: the launcher's letters, and its ENTRY language. */

import { variableValue } from "../../plan/environment.ts";
import { type Entry, type NamespaceLetter, namespaceKinds } from "../../plan/namespaces.ts";
import { oneLine } from "../../sys/failure.ts";
import { quote, UsageError } from "../failure.ts";
import { I32_MAX, readNumber } from "./number.ts";
import { type Reader, reader } from "./reader.ts";

/** An entry whose descriptor may still have to be looked up in the environment. */
export interface EntryWord extends Omit<Entry, "target"> {
  readonly target: Entry["target"] | { readonly form: "variable"; readonly name: string };
  /** As it was written. */
  readonly text: string;
}

/** The variable that a target of `-` alone stands for. */
export const pidfdVariable = "CTRTOOL_CONTAINER_LAUNCHER_PID_FD";

/**
 * `FLAGS TARGET` without a separator: letters of namespaces (and `X`: close the descriptor afterwards), then
 * `:FD`, `-VARIABLE`, `=FILE` or `/DIRECTORY`, which goes on to the end of the text.
 */
export const namespaceEntry: Reader<EntryWord> = reader((text) => {
  const [, flags, target] = /^([A-Za-z]*)(.*)$/s.exec(text) ?? [];
  if (flags === undefined || target === undefined || target === "") {
    throw new UsageError(`${quote(text)} has no target (:FD, -VARIABLE, =FILE or /DIRECTORY)`);
  }
  return {
    kinds: readKinds(flags, text),
    close: flags.includes("X"),
    target: readTarget(target, flags, text),
    text,
  };
});

/** The entry that a word stands for, given the environment. @throws UsageError if its variable does not help. */
export function resolveEntry(
  { target, text: _, ...rest }: EntryWord,
  given: { readonly environment: readonly string[] },
): Entry {
  if (target.form !== "variable") return { ...rest, target };
  const value = variableValue(given.environment, target.name);
  if (value === undefined) throw new UsageError(`$${oneLine(target.name)} is not set`);
  return {
    ...rest,
    target: { form: "descriptor", fd: Number(readNumber(value, "decimal", BigInt(I32_MAX))) },
  };
}

function readKinds(flags: string, text: string): NamespaceLetter[] {
  return [...flags]
    .filter((flag) => flag !== "X")
    .map((flag) => {
      if (isLetter(flag)) return flag;
      throw new UsageError(
        `${quote(text)}: ${flag} is no kind of namespace (${Object.keys(namespaceKinds).join("")})`,
      );
    });
}

function isLetter(letter: string): letter is NamespaceLetter {
  return Object.hasOwn(namespaceKinds, letter);
}

function readTarget(target: string, flags: string, text: string): EntryWord["target"] {
  const rest = target.slice(1);
  const byDescriptor = target[0] === ":" || target[0] === "-";
  if (flags.includes("X") && !byDescriptor)
    throw new UsageError(`${quote(text)}: X goes with a descriptor only`);
  switch (target[0]) {
    case ":":
      return { form: "descriptor", fd: Number(readNumber(rest, "decimal", BigInt(I32_MAX))) };
    case "-":
      return { form: "variable", name: rest === "" ? pidfdVariable : rest };
    case "=":
      return { form: "file", path: rest };
    case "/":
      return { form: "directory", path: rest };
    default:
      throw new UsageError(`${quote(text)}: a target begins with :, -, = or /`);
  }
}
