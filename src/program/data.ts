/**
 * The data area of a program: variables, areas, strings, vectors, each stored once, and the places in it
 * that hold addresses and so depend on where it is loaded.
 */
import type { Area, Constant, Place, Variable, Words } from "./steps.ts";
import type { Address, Cell, Operand } from "./target.ts";

const firstSize = 32 * 1024;
const wordBase = 2 ** 32;

const noByteString = /[\0\u0100-\uffff]/;

export class DataArea {
  private bytes = Buffer.alloc(firstSize);
  private length = 0;
  private readonly strings = new Map<string, Address>();
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
      // Our own mistake, if it happens: byte strings have neither NULs nor chars above 255.
      if (noByteString.test(text)) throw new Error(`not a byte string: ${JSON.stringify(text)}`);
      const offset = this.reserve(text.length + 1, 1);
      this.bytes.write(text, offset, "latin1");
      address = { kind: "address", offset };
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
    items.forEach((item, index) => {
      this.writeWord(offset + 8 * index, item);
    });
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

  /** The finished bytes for a data area at address `base`. */
  image(base: number): Uint8Array {
    for (const offset of this.pointers) {
      const address = base + this.bytes.readUInt32LE(offset);
      this.bytes.writeUInt32LE(address % wordBase, offset);
      this.bytes.writeUInt32LE(Math.floor(address / wordBase), offset + 4);
    }
    this.pointers.length = 0;
    return this.bytes.subarray(0, this.length);
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
    return this.record(words.items.map((item) => this.word(item)));
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

  private writeWord(offset: number, item: number | bigint | Address): void {
    if (typeof item === "object") {
      this.pointers.push(offset);
      this.bytes.writeUInt32LE(item.offset, offset);
    } else if (typeof item === "number" && item >= 0 && item <= 0xffffffff) {
      this.bytes.writeUInt32LE(item, offset);
    } else {
      this.bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(item)), offset);
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
    const bytes = Buffer.alloc(size);
    this.bytes.copy(bytes);
    this.bytes = bytes;
  }
}
