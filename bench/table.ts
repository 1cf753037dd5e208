/** What is printed: a line for each thing measured, with what was aimed at. */

export interface Row {
  readonly what: string;
  /** In `unit`. */
  readonly value: number;
  readonly unit: "ms" | "calls" | "KB" | "MiB" | "";
  /** Beside the value, for the reader. */
  readonly note?: string;
  /** The value should be at most this. */
  readonly target?: number;
}

/** A titled part of the table; `remarks` say what could not be measured, and why. */
export interface Part {
  readonly title: string;
  readonly rows: readonly Row[];
  readonly remarks?: readonly string[];
}

function shown(value: number, unit: Row["unit"]): string {
  const digits = unit === "calls" || unit === "KB" ? 0 : unit === "ms" ? 2 : 3;
  return `${value.toFixed(digits)}${unit ? ` ${unit}` : ""}`;
}

/** The part as lines, in columns. */
export function format({ title, rows, remarks = [] }: Part): string {
  const lines = rows.map(({ what, value, unit, note = "", target }) => {
    const goal =
      target === undefined ? "" : `${value <= target ? "ok    " : "MISSED"} (at most ${shown(target, unit)})`;
    return `  ${what.padEnd(58)} ${shown(value, unit).padStart(12)}  ${note.padEnd(22)} ${goal}`.trimEnd();
  });
  return [title, ...lines, ...remarks.map((remark) => `  ${remark}`)].join("\n");
}
