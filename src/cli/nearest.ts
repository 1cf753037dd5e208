/** Suggestions for mistyped names. */

/** Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const moved = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(replaced, moved, swapped ? (beforeLast[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The candidate that `text` was probably meant to be: at most a third of its letters away. */
function nearest(text: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  // One letter could be meant to be any other; nothing this long is a typing error, and the work is quadratic.
  if (text.length < 2 || text.length > 64) return best;
  let limit = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const candidate of candidates) {
    const apart = distance(text.toLowerCase(), candidate.toLowerCase());
    if (apart < limit) {
      limit = apart;
      best = candidate;
    }
  }
  return best;
}

/** ` (did you mean X?)` when one of the candidates is close, else nothing. `prefix` is put before X. */
export function suggestion(text: string, candidates: Iterable<string>, prefix = ""): string {
  const found = nearest(text, candidates);
  return found === undefined ? "" : ` (did you mean ${prefix}${found}?)`;
}
