/**
 * The data area of a program: variables, areas, strings, vectors, each stored once, and the places in it
 * that hold addresses and so depend on where it is loaded.
 */
import { bytesOf } from "../sys/bytes.ts";
import { map } from "../sys/lists.ts";
import { checkImmediate } from "./code.ts";
import type { Area, Constant, Place, Variable, Words } from "./steps.ts";
import type { Address, Cell, Operand } from "./target.ts";

const firstSize = 32 * 1024;
const wordBase = 2 ** 32;

/** Bytes for strings that are set aside at a time, and become bytes in one go. */
const poolBytes = 1024;

/** Strings that lie one behind the other, each with its NUL. */
interface Pool {
  readonly offset: number;
  readonly size: number;
  text: string;
}

export class DataArea {
  private bytes = new Uint8Array(firstSize);
  private view = new DataView(this.bytes.buffer);
  private length = 0;
  private readonly strings = new Map<string, Address>();
  private readonly pools: Pool[] = [];
  private pool: Pool = { offset: 0, size: 0, text: "" };
  private readonly objects = new Map<object, Address>();
  private readonly cells = new Map<Variable, Cell>();
  private readonly pointers: number[] = [];

  /** Bytes so far. */
  get size(): number {
    return this.length;
  }

  /** A zeroed 64-bit cell of its own. */
  cell(): Cell {
    return { kind: "cell", offset: this.reserve(8, 8) };
  }

  /** The cell of a variable, made at its first use. */
  cellOf(variable: Variable): Cell {
    let cell = this.cells.get(variable);
    if (!cell) {
      cell = this.cell();
      this.cells.set(variable, cell);
    }
    return cell;
  }

  /** Where a string and its NUL lie. A char above 255 is a mistake of ours: byte strings have none. */
  string(text: string): Address {
    let address = this.strings.get(text);
    if (!address) {
      // Our own mistake, if it happens: byte strings that a program uses have no NULs.
      if (text.includes("\0")) throw new Error(`a NUL in ${JSON.stringify(text)}`);
      address = { kind: "address", offset: this.pooled(text) };
      this.strings.set(text, address);
    }
    return address;
  }

  /** What an instruction takes for a constant. */
  operand(constant: Constant): Operand {
    if (typeof constant === "number" || typeof constant === "bigint") return constant;
    return this.address(constant);
  }

  /** Where the thing that a constant stands for lies. */
  address(constant: string | Uint8Array | Area | Place | Words): Address {
    if (typeof constant === "string") return this.string(constant);
    if (constant instanceof Uint8Array) return this.once(constant, () => this.copy(constant));
    switch (constant.kind) {
      case "area":
        return this.once(constant, () => this.area(constant));
      case "words":
        return this.once(constant, () => this.words(constant));
      case "place":
        return this.place(constant);
    }
  }

  /** `size` zero bytes. */
  zeros(size: number): Address {
    return { kind: "address", offset: this.reserve(size, 16) };
  }

  /** A structure of 64-bit words, each a number or an address. */
  record(items: readonly (number | bigint | Address)[]): Address {
    const offset = this.reserve(8 * items.length, 8);
    let at = offset;
    for (const item of items) {
      this.writeWord(at, item);
      at += 8;
    }
    return { kind: "address", offset };
  }

  /** Rows of `columns` words each, one after the other. */
  table(rows: readonly (readonly Constant[])[], columns: number): Address {
    // Operands first: making them may grow the area.
    const items: (number | bigint | Address)[] = [];
    for (const row of rows) {
      if (row.length !== columns) throw new Error(`a row of ${row.length} values for ${columns} columns`);
      for (const constant of row) items.push(this.word(constant));
    }
    return this.record(items);
  }

  /** The finished bytes for a data area at address `base`. Throws a DOMException for a char above 255. */
  image(base: number): Uint8Array {
    const { bytes, view } = this;
    for (const { offset, text } of this.pools) bytes.set(bytesOf(text), offset);
    for (const offset of this.pointers) {
      const address = base + view.getUint32(offset, true);
      view.setUint32(offset, address, true);
      view.setUint32(offset + 4, (address - (address >>> 0)) / wordBase, true);
    }
    this.pointers.length = 0;
    return bytes.subarray(0, this.length);
  }

  private once(key: object, make: () => Address): Address {
    let address = this.objects.get(key);
    if (!address) {
      address = make();
      this.objects.set(key, address);
    }
    return address;
  }

  private copy(bytes: Uint8Array): Address {
    const address = this.zeros(bytes.length);
    this.bytes.set(bytes, address.offset);
    return address;
  }

  private area(area: Area): Address {
    const address = this.zeros(area.size);
    if (area.initial) this.bytes.set(area.initial, address.offset);
    return address;
  }

  private words(words: Words): Address {
    // Operands first: making them may grow the area.
    return this.record(map(words.items, (item) => this.word(item)));
  }

  private word(constant: Constant): number | bigint | Address {
    const operand = this.operand(constant);
    if (typeof operand === "object" && operand.kind === "cell") throw new Error("a word cannot be a cell");
    return operand;
  }

  private place(place: Place): Address {
    const { of } = place;
    const start = of.kind === "variable" ? this.cellOf(of) : this.address(of);
    const size = of.kind === "variable" ? 8 : of.kind === "area" ? of.size : 8 * of.items.length;
    if (place.offset < 0 || place.offset > size)
      throw new Error(`no byte ${place.offset} in this ${of.kind}`);
    return { kind: "address", offset: start.offset + place.offset };
  }

  /** Space for a string and its NUL; what it says is written with the rest of its pool. */
  private pooled(text: string): number {
    let { pool } = this;
    const size = text.length + 1;
    if (pool.text.length + size > pool.size) {
      const larger = Math.max(size, poolBytes);
      pool = { offset: this.reserve(larger, 1), size: larger, text: "" };
      this.pools.push(pool);
      // One string that fills its pool must not end the use of another that has space left.
      if (size < larger) this.pool = pool;
    }
    const offset = pool.offset + pool.text.length;
    pool.text += `${text}\0`;
    return offset;
  }

  /** `offset` has never been written to. */
  private writeWord(offset: number, item: number | bigint | Address): void {
    const { view } = this;
    if (typeof item === "object") {
      this.pointers.push(offset);
      view.setUint32(offset, item.offset, true);
      return;
    }
    if (item === 0) return;
    checkImmediate(item);
    if (typeof item === "number") {
      view.setUint32(offset, item, true);
      view.setInt32(offset + 4, (item - (item >>> 0)) / wordBase, true);
    } else {
      view.setBigUint64(offset, item, true);
    }
  }

  private reserve(size: number, align: number): number {
    const offset = (this.length + align - 1) & -align;
    this.length = offset + size;
    if (this.length > this.bytes.length) this.grow();
    return offset;
  }

  private grow(): void {
    let size = this.bytes.length * 2;
    while (size < this.length) size *= 2;
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }
}
