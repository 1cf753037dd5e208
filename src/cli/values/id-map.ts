/** Maps between the ids of a user namespace and those outside: user_namespaces(7). */
import { quote, UsageError } from "../failure.ts";
import { readNumber, U32_MAX } from "./number.ts";
import { type Reader, reader } from "./reader.ts";

/** `count` ids from `inside` on are those from `outside` on. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** UID_GID_MAP_MAX_EXTENTS in the kernel, since Linux 4.15. */
const MOST_LINES = 340;
/** The kernel takes a map in one write of less than a page. */
const MOST_BYTES = 4095;

function readRange(line: string): IdRange {
  const words = line.split(/[ \t.]+/).filter((word) => word !== "");
  const [inside, outside, count] = words.map((word) => Number(readNumber(word, "decimal", BigInt(U32_MAX))));
  if (inside === undefined || outside === undefined || count === undefined || words.length > 3) {
    throw new UsageError(`${quote(line)} is not INSIDE OUTSIDE COUNT`);
  }
  if (count === 0) throw new UsageError(`${quote(line)} maps no ids`);
  // The last of all 32-bit numbers is no id: it means "unchanged" in setuid(2) and its like.
  if (inside + count > U32_MAX || outside + count > U32_MAX) {
    throw new UsageError(`${quote(line)} goes beyond the last id ${U32_MAX - 1}`);
  }
  return { inside, outside, count };
}

function show({ inside, outside, count }: IdRange): string {
  return `${inside} ${outside} ${count}`;
}

function refuseOverlaps(ranges: readonly IdRange[], side: "inside" | "outside"): void {
  const sorted = [...ranges].sort((a, b) => a[side] - b[side]);
  for (const [index, range] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next !== undefined && range[side] + range.count > next[side]) {
      throw new UsageError(`${quote(show(range))} and ${quote(show(next))} overlap ${side}`);
    }
  }
}

/** The text that the kernel takes. */
export function formatIdMap(ranges: readonly IdRange[]): string {
  return ranges.map((range) => `${show(range)}\n`).join("");
}

/**
 * `INSIDE.OUTSIDE.COUNT`, several separated by `:`; blanks and newlines do as well. Numbers are decimal.
 * What the kernel would refuse as a whole is refused here with its reason.
 */
export const idMap: Reader<readonly IdRange[]> = reader((text) => {
  const lines = text.replace(/[:\n]$/, "").split(/[:\n]/);
  if (lines.length > MOST_LINES)
    throw new UsageError(`a map has at most ${MOST_LINES} lines, not ${lines.length}`);
  if (text.trim() === "") throw new UsageError("the map is empty");
  const ranges = lines.map(readRange);
  refuseOverlaps(ranges, "inside");
  refuseOverlaps(ranges, "outside");
  const bytes = formatIdMap(ranges).length;
  if (bytes > MOST_BYTES)
    throw new UsageError(`the map is ${bytes} bytes long, the kernel takes ${MOST_BYTES}`);
  return ranges;
});
