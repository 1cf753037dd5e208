/**
 * Bind mounts that differ in nothing but their paths, as one operation and a table: a loop over rows is planned
 * and lowered in a fraction of the time of the same steps written out for each.
 */

import type { Each, Variable } from "../program/steps.ts";
import { variable } from "../program/steps.ts";
import type { MountOperation } from "./mount-operation.ts";
import { mountKind } from "./mounts.ts";
import type { Text } from "./paths.ts";

/** Messages show a column's text as it is, so that it has to be printable and not too long. */
const plain = /^[\x20-\x7e]{1,400}$/;

/**
 * Equal for operations that fit into one table; undefined for those that fit into none. `likeness` is equal for
 * operations that are the same but for their paths, and have a source or none.
 */
export function batchKey(operation: MountOperation, likeness: string): string | undefined {
  const { flags, source = "-", make, target } = operation;
  if (mountKind(flags) !== "bind" || !isPlain(source) || !isPlain(target.text)) return undefined;
  return make !== undefined && target.parent === undefined ? `${likeness}.` : likeness;
}

function isPlain(text: Text): boolean {
  return typeof text === "string" && plain.test(text);
}

/** The texts of an operation's row, in the order of the columns. */
function texts({ source, target, make }: MountOperation): string[] {
  const row: string[] = [];
  if (typeof source === "string") row.push(source);
  if (typeof target.text === "string") row.push(target.text);
  if (make === undefined) return row;
  if (typeof target.parent === "string") row.push(target.parent);
  if (typeof target.name === "string") row.push(target.name);
  return row;
}

/** One operation with columns in the place of its texts, and the rows of all: what `Each` takes. */
export function batch(
  first: MountOperation,
  all: readonly MountOperation[],
): Omit<Each, "kind" | "body"> & { readonly operation: MountOperation } {
  const columns: Variable[] = [];
  const column = <T extends Text | undefined>(text: T, name: string): Variable | T => {
    if (text === undefined) return text;
    const made = variable(name);
    columns.push(made);
    return made;
  };
  const source = column(first.source, "source path");
  const text = column(first.target.text, "target path");
  const target =
    first.make === undefined
      ? { ...first.target, text }
      : {
          text,
          parent: column(first.target.parent, "target directory"),
          name: column(first.target.name, "target name"),
        };
  return { operation: { ...first, source, target }, columns, rows: all.map(texts) };
}
