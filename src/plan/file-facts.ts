/** What is known of an open file: its file system, and itself. See fstatfs(2), statx(2). */

import { area, type Call, call, type Load, load, type Value, type Variable } from "../program/steps.ts";
import { AT_EMPTY_PATH } from "../sys/constants.ts";
import { statfs, statx } from "../sys/structs.ts";

/** The magic number of the file system that an open file is on goes to `into`; 0 after a failure that is accepted. */
export function readFileSystem(
  fd: Value,
  what: Call["what"],
  into: Variable,
  accept: NonNullable<Call["accept"]> = [],
): (Call | Load)[] {
  const facts = area("file system facts", statfs.size);
  return [call("fstatfs", [fd, facts], what, { accept }), load(into, facts, statfs.offset("f_type"), 8)];
}

/** The bytes that hold each of the fields. */
const widths = {
  stx_mode: 2,
  stx_ino: 8,
  stx_size: 8,
  stx_mnt_id: 8,
  stx_dev_major: 4,
  stx_dev_minor: 4,
} as const;

type Fact = keyof typeof widths;

/**
 * Fields of struct statx of an open file go to variables; `mask` is what statx(2) is asked for. With a path, of what the path leads to from there.
 */
export function readFacts(
  fd: Value,
  what: Call["what"],
  mask: number,
  into: readonly (readonly [Fact, Variable])[],
  path = "",
): (Call | Load)[] {
  const facts = area("file facts", statx.size);
  return [
    call("statx", [fd, path, path === "" ? AT_EMPTY_PATH : 0, mask, facts], what),
    ...into.map(([fact, variable]) => load(variable, facts, statx.offset(fact), widths[fact])),
  ];
}
