/**
 * What arrays do by methods, as functions of ours. The engine compiles its own methods from source when they are
 * used first: 53 us for map, 65 for flatMap, 20 for filter, 13 for find and for some, 82 for Array.from, together
 * more than a twentieth of a start. These are compiled by the build, and take 2 us each. For what most starts
 * run; elsewhere the methods read better.
 */

/** As Array.prototype.map. */
export function map<T, R>(list: readonly T[], change: (item: T, index: number) => R): R[] {
  const result: R[] = [];
  for (const item of list) result.push(change(item, result.length));
  return result;
}

/** As Array.prototype.flatMap. */
export function flatMap<T, R>(list: readonly T[], change: (item: T) => readonly R[]): R[] {
  const result: R[] = [];
  for (const item of list) for (const part of change(item)) result.push(part);
  return result;
}

/** As Array.prototype.filter. */
export function filter<T>(list: readonly T[], wanted: (item: T) => boolean): T[] {
  const result: T[] = [];
  for (const item of list) if (wanted(item)) result.push(item);
  return result;
}

/** As Array.prototype.findLast. */
export function findLast<T>(list: readonly T[], wanted: (item: T) => boolean): T | undefined {
  let last: T | undefined;
  for (const item of list) if (wanted(item)) last = item;
  return last;
}

/** As Array.prototype.find. */
export function find<T>(list: readonly T[], wanted: (item: T) => boolean): T | undefined {
  for (const item of list) if (wanted(item)) return item;
  return undefined;
}
