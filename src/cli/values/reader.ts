/** From a function that reads a text to a schema. */
import * as v from "valibot";
import { UsageError } from "../failure.ts";

/** A schema that takes one argument's text and yields a `T`. */
export type Reader<T> = v.GenericSchema<string, T> & {
  /** The function behind the schema: command lines can have thousands of values. @throws UsageError */
  readonly read: (text: string) => T;
};

/** Wraps `read`, which throws a `UsageError` that says what is wrong with the text. */
export function reader<T>(read: (text: string) => T): Reader<T> {
  const schema = v.pipe(
    v.string(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      try {
        return read(dataset.value);
      } catch (problem) {
        if (!(problem instanceof UsageError)) throw problem;
        addIssue({ message: problem.message });
        return NEVER;
      }
    }),
  );
  return Object.assign(schema, { read });
}

/** Reads `text` by a schema, for syntaxes made of others. @throws UsageError with the schema's message. */
export function readBy<T>(schema: Reader<T>, text: string): T {
  return schema.read(text);
}
