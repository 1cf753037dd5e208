/** From a function that reads a text to a schema. */
import * as v from "valibot";
import { UsageError } from "../failure.ts";

/** A schema that takes one argument's text and yields a `T`. */
export type Reader<T> = v.GenericSchema<string, T>;

/** Wraps `read`, which throws a `UsageError` that says what is wrong with the text. */
export function reader<T>(read: (text: string) => T): Reader<T> {
  return v.pipe(
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
}

/** Reads `text` by a schema, for syntaxes made of others. @throws UsageError with the schema's message. */
export function readBy<T>(schema: Reader<T>, text: string): T {
  const result = v.safeParse(schema, text, { abortEarly: true });
  if (result.success) return result.output;
  throw new UsageError(result.issues[0].message);
}
