import type { Label } from "./target.ts";

const firstSize = 1 << 14;
/** Instructions are shorter than this. */
const headroom = 16;

/**
 * Machine code that grows: bytes, labels, and the places that wait for a label's address. What the two
 * assemblers have in common, as their base. Words are little-endian, as on every machine that we assemble for.
 *
 * A program may have tens of thousands of instructions and is assembled once, by JavaScript that nothing
 * has warmed up, where a call costs 50 ns; so an instruction is one or two calls, there are no objects for it,
 * and no BigInt but where one is given.
 */
export class Code {
  /** Bytes emitted so far. */
  length = 0;
  /** Lower half, as a signed 32-bit integer, of what was `split` last. */
  low = 0;
  /** Upper half, as a signed 32-bit integer, of what was `split` last. */
  high = 0;
  private bytes = new Uint8Array(firstSize);
  private view = new DataView(this.bytes.buffer);
  /** Beyond this length there may be no space for an instruction. */
  private full = firstSize - headroom;
  private readonly positions: number[] = [];
  private readonly sites: number[] = [];
  private readonly wanted: Label[] = [];

  /** Appends the low 8 bits of `value`. */
  byte(value: number): void {
    const at = this.length;
    if (at > this.full) this.grow();
    this.bytes[at] = value;
    this.length = at + 1;
  }

  /** Appends the low 8 bits of each. */
  two(first: number, second: number): void {
    const at = this.length;
    if (at > this.full) this.grow();
    this.bytes[at] = first;
    this.bytes[at + 1] = second;
    this.length = at + 2;
  }

  /** Appends the low 8 bits of each. */
  three(first: number, second: number, third: number): void {
    const at = this.length;
    if (at > this.full) this.grow();
    this.bytes[at] = first;
    this.bytes[at + 1] = second;
    this.bytes[at + 2] = third;
    this.length = at + 3;
  }

  /** Appends the low 32 bits of `value`. */
  word(value: number): void {
    const at = this.length;
    if (at > this.full) this.grow();
    this.view.setInt32(at, value, true);
    this.length = at + 4;
  }

  /** Appends a byte and 32 bits. */
  byteWord(first: number, value: number): void {
    const at = this.length;
    if (at > this.full) this.grow();
    this.bytes[at] = first;
    this.view.setInt32(at + 1, value, true);
    this.length = at + 5;
  }

  /** Appends three bytes and 32 bits; throws for a `value` that they do not hold. */
  threeWord(first: number, second: number, third: number, value: number): void {
    if (value !== (value | 0)) throw new RangeError(`${value} exceeds 32 bits`);
    const at = this.length;
    if (at > this.full) this.grow();
    const { bytes } = this;
    bytes[at] = first;
    bytes[at + 1] = second;
    bytes[at + 2] = third;
    this.view.setInt32(at + 3, value, true);
    this.length = at + 7;
  }

  /** Replaces, of the 32 bits at `at`, those that `mask` has set. */
  patch(at: number, value: number, mask = -1): void {
    const others = this.view.getInt32(at, true) & ~mask;
    this.view.setInt32(at, others | (value & mask), true);
  }

  /** A new label, bound nowhere yet. */
  label(): Label {
    return this.positions.push(-1) - 1;
  }

  /** Binds `label` to the next byte. Throws when it was bound before. */
  bind(label: Label): void {
    if (this.position(label) >= 0) throw new Error(`label ${label} is bound twice`);
    this.positions[label] = this.length;
  }

  /** Where `label` is bound, in bytes from the start of the code; -1 when it is not bound yet. */
  position(label: Label): number {
    const position = this.positions[label];
    if (position === undefined) throw new Error(`label ${label} belongs to another target`);
    return position;
  }

  /** Notes that the instruction field at the next byte wants the address of `label`. */
  want(label: Label): void {
    this.position(label);
    this.sites.push(this.length);
    this.wanted.push(label);
  }

  /** Calls `patch` for every noted field with its position and its label's; throws for a label never bound. */
  resolve(patch: (site: number, position: number) => void): void {
    for (let index = 0; index < this.sites.length; index++) {
      const site = this.sites[index] ?? -1;
      const label = this.wanted[index] ?? -1;
      const position = this.position(label);
      if (position < 0) throw new Error(`label ${label} is used but never bound`);
      patch(site, position);
    }
  }

  /** The code; a view, not a copy. */
  finished(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  /** Sets `low` and `high` to the halves of `value` in two's complement; throws when 64 bits do not hold it. */
  split(value: number | bigint): void {
    if (typeof value === "number" && value === (value | 0)) {
      this.low = value;
      this.high = value >> 31;
      return;
    }
    checkImmediate(value);
    if (typeof value === "number") {
      this.low = value | 0;
      this.high = ((value - (value >>> 0)) / 0x1_0000_0000) | 0;
    } else {
      this.low = Number(BigInt.asIntN(32, value));
      this.high = Number(BigInt.asIntN(32, value >> 32n));
    }
  }

  /** Whether what was `split` last is the sign extension of its lower half. */
  get fits32(): boolean {
    return this.high === this.low >> 31;
  }

  private grow(): void {
    const larger = new Uint8Array(this.bytes.length * 2);
    larger.set(this.bytes);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
    this.full = larger.length - headroom;
  }
}

/** Throws for a number that is not an exact integer, and for one that 64 bits do not hold. */
export function checkImmediate(value: number | bigint): void {
  if (typeof value === "number") {
    if (value !== (value | 0) && !Number.isSafeInteger(value))
      throw new RangeError(`${value} is not an exact integer`);
  } else if (value < -(1n << 63n) || value >= 1n << 64n) {
    throw new RangeError(`${value} exceeds 64 bits`);
  }
}

/** Checks a distance in bytes that must fit a signed 32-bit field; returns it. */
export function distance(bytes: number): number {
  if ((bytes | 0) !== bytes) throw new RangeError(`an offset of ${bytes} exceeds 31 bits`);
  return bytes;
}

/** The first multiple of `unit`, a power of two, that is not below `value`. */
export function roundUp(value: number, unit: number): number {
  return value + ((unit - (value % unit)) % unit);
}
