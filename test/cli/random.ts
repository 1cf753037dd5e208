/** Seeded random numbers: a failing case can be repeated. */

/** What every message is: one line of printable ASCII. */
export const printableLine = /^[\x20-\x7e]+$/;

/** A generator (mulberry32) whose result takes a bound and yields a whole number from 0 to below it. */
export function random(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** `length` bytes as a byte string. */
export function randomBytes(next: (bound: number) => number, length: number): string {
  return Array.from({ length }, () => String.fromCharCode(next(256))).join("");
}
