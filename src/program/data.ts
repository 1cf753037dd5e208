/**
 * The data area of a program: variables, areas, strings, vectors, each stored once, and the places in it
 * that hold addresses and so depend on where it is loaded.
 */
import type { Area, Constant, Place, Variable, Words } from "./steps.ts";
import type { Address, Cell, Operand } from "./target.ts";

const firstSize = 16 * 1024;

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
      const offset = this.reserve(text.length + 1, 1);
      this.writeBytes(text, offset);
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

  /** A structure of 64-bit words, each a number or an address. */
  record(items: readonly (number | bigint | Address)[]): Address {
    const offset = this.reserve(8 * items.length, 8);
    items.forEach((item, index) => {
      this.writeWord(offset + 8 * index, item);
    });
    return { kind: "address", offset };
  }

  /** The finished bytes for a data area at address `base`. */
  image(base: number): Uint8Array {
    for (const offset of this.pointers) {
      this.bytes.writeBigUInt64LE(this.bytes.readBigUInt64LE(offset) + BigInt(base), offset);
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
    const offset = this.reserve(bytes.length, 16);
    this.bytes.set(bytes, offset);
    return { kind: "address", offset };
  }

  private area(area: Area): Address {
    const offset = this.reserve(area.size, 16);
    if (area.initial) this.bytes.set(area.initial, offset);
    return { kind: "address", offset };
  }

  private words(words: Words): Address {
    // Operands first: making them may grow the area.
    return this.record(
      words.items.map((item) => {
        const operand = this.operand(item);
        if (typeof operand === "object" && operand.kind === "cell")
          throw new Error("a word cannot be a cell");
        return operand;
      }),
    );
  }

  private place(place: Place): Address {
    const start = place.of.kind === "area" ? this.address(place.of) : this.cellOf(place.of);
    const size = place.of.kind === "area" ? place.of.size : 8;
    if (place.offset < 0 || place.offset > size)
      throw new Error(`no byte ${place.offset} in ${place.of.name}`);
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

  private writeBytes(text: string, offset: number): void {
    for (let index = 0; index < text.length; index++) {
      const byte = text.charCodeAt(index);
      if (byte === 0 || byte > 255) throw new Error(`not a byte string: ${JSON.stringify(text)}`);
      this.bytes[offset + index] = byte;
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
