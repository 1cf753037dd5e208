import { Code, roundUp } from "./code.ts";
import type { Address, Arithmetic, Assembler, Cell, Entry, Label, Operand, Test, Width } from "./target.ts";

// The encodings are from the Arm Architecture Reference Manual for A-profile, part C; the registers of a
// system call (x8, x0 to x5) are from syscall(2). The kernel changes none but x0.
const X0 = 0; // the accumulator
const X8 = 8; // the system call's number
const X16 = 16; // scratch: a pointer
const X17 = 17; // scratch: a constant, or the right operand
const X19 = 19; // the start of the data area
const ZERO = 31;

/** A call or jump reaches this far in bytes, either way; a conditional one a 128th of it. */
const REACH = 1 << 27;
const CONDITIONAL_REACH = 1 << 20;

/** Registers x0 <- x0, x17: opcode of each operation. CMP and CMN write to the zero register. */
const ADD = 0x8b000000;
const SUB = 0xcb000000;
const AND = 0x8a000000;
const OR = 0xaa000000;
const SHL = 0x9ac02000;
const SHR = 0x9ac02400;
const CMP = 0xeb000000;
const OPERATION = { add: ADD, sub: SUB, and: AND, or: OR, shl: SHL, shr: SHR } as const;

/** Bit that tells an addition from a subtraction, with and without flags. */
const SUBTRACT = 0x40000000;
/** From an addition or subtraction of a register to that of a 12-bit immediate. */
const IMMEDIATE = 0x1a000000;
/** The 12-bit immediate counts in units of 4096. */
const SHIFTED = 1 << 22;
const ADD_IMMEDIATE = ADD ^ IMMEDIATE;

/** Condition fields; the lowest bit inverts. */
const CONDITION: Readonly<Record<Test, number>> = { "==": 0, "!=": 1, ">=": 10, "<": 11, ">": 12, "<=": 13 };
const UNSIGNED_ABOVE_OR_EQUAL = 2;

/** Logarithm of a width, the size field of loads and stores. */
const SIZE: Readonly<Record<Width, number>> = { 1: 0, 2: 1, 4: 2, 8: 3 };
const STORE = 0;
const LOAD = 1 << 22;

class Aarch64 extends Code implements Assembler {
  /** Kernels with pages of 64 KiB exist, and map nothing smaller. */
  readonly page = 65536;
  /** Where the instruction lies that finds the data area. */
  private readonly findData: number;

  constructor(entry: Entry) {
    super();
    if (entry === "function") this.word(0xa9bf7bf3); // stp x19, x30, [sp, #-16]!
    this.findData = this.length;
    this.word(0);
  }

  jump(label: Label): void {
    this.far(0x14000000, label); // b
  }

  fetch(operand: Operand): void {
    this.move(X0, operand);
  }

  keep(cell: Cell): void {
    this.transfer(STORE, 8, X0, X19, cell.offset);
  }

  compute(operation: Arithmetic, operand: Operand): void {
    if ((operation === "shl" || operation === "shr") && typeof operand !== "object") {
      this.split(operand);
      const count = this.low & 63;
      const fields =
        operation === "shl" ? (((64 - count) & 63) << 16) | ((63 - count) << 10) : (count << 16) | (63 << 10);
      this.word(0xd3400000 | fields | (X0 << 5) | X0); // ubfm, which is lsl and lsr
    } else {
      this.combine(OPERATION[operation], operand, X0);
    }
  }

  load(width: Width, offset: number): void {
    this.transfer(LOAD, width, X0, X0, offset);
  }

  store(width: Width, base: Cell | Address, offset: number): void {
    if (base.kind === "address") {
      this.transfer(STORE, width, X0, X19, base.offset + offset);
    } else {
      this.move(X16, base);
      this.transfer(STORE, width, X0, X16, offset);
    }
  }

  syscall(number: number, args: readonly Operand[]): void {
    if (args.length > 6) throw new RangeError(`system call with ${args.length} arguments`);
    let register = X0;
    for (const arg of args) this.move(register++, arg);
    this.move(X8, number);
    this.word(0xd4000001); // svc #0
  }

  branchFailed(label: Label): void {
    this.combine(CMP, -4095, ZERO);
    this.farIf(UNSIGNED_ABOVE_OR_EQUAL, label); // all errors, and nothing else, are at the top
  }

  branch(test: Test, operand: Operand, label: Label): void {
    this.combine(CMP, operand, ZERO);
    this.farIf(CONDITION[test], label);
  }

  gosub(label: Label): void {
    this.far(0x94000000, label); // bl
  }

  enter(): void {
    this.word(0xf81f0ffe); // str x30, [sp, #-16]!
  }

  leave(): void {
    this.word(0xf84107fe); // ldr x30, [sp], #16
    this.word(0xd65f03c0); // ret
  }

  giveBack(): void {
    this.word(0xa8c17bf3); // ldp x19, x30, [sp], #16
    this.word(0xd65f03c0); // ret
  }

  assemble(codeStart: number): { readonly code: Uint8Array; readonly dataStart: number } {
    const dataStart = roundUp(codeStart + this.length, this.page);
    // adrp counts in pages of 4 KiB whatever the kernel's are, and the data area starts on one.
    const pages = (dataStart >> 12) - ((codeStart + this.findData) >> 12);
    this.patch(this.findData, 0x90000000 | ((pages & 3) << 29) | ((pages >> 2) << 5) | X19);
    this.resolve((site, position) => {
      const bytes = position - site;
      if (bytes < -REACH || bytes >= REACH) throw new RangeError(`a jump over ${bytes} bytes is too far`);
      this.patch(site, bytes >> 2, 0x3ffffff);
    });
    return { code: this.finished(), dataStart };
  }

  /** register <- operand. */
  private move(register: number, operand: Operand): void {
    if (typeof operand !== "object") this.constant(register, operand);
    else if (operand.kind === "cell") this.transfer(LOAD, 8, register, X19, operand.offset);
    else this.addressOf(register, operand.offset);
  }

  /** register <- value, 16 bits an instruction, without those that the first one sets already. */
  private constant(register: number, value: number | bigint): void {
    this.split(value);
    const { low, high } = this;
    let zeros = 0;
    let ones = 0;
    for (let part = 0; part < 4; part++) {
      const bits = ((part < 2 ? low : high) >>> ((part & 1) << 4)) & 0xffff;
      if (bits === 0) zeros++;
      else if (bits === 0xffff) ones++;
    }
    const background = ones > zeros ? 0xffff : 0;
    let started = false;
    for (let part = 0; part < 4; part++) {
      const bits = ((part < 2 ? low : high) >>> ((part & 1) << 4)) & 0xffff;
      if (bits === background) continue;
      const fields = (part << 21) | register;
      if (started)
        this.word(0xf2800000 | fields | (bits << 5)); // movk
      else if (background === 0)
        this.word(0xd2800000 | fields | (bits << 5)); // movz
      else this.word(0x92800000 | fields | ((bits ^ 0xffff) << 5)); // movn
      started = true;
    }
    if (!started) this.word((background === 0 ? 0xd2800000 : 0x92800000) | register);
  }

  /** register <- address of the byte at `offset` in the data area. */
  private addressOf(register: number, offset: number): void {
    const upper = offset >>> 12;
    const lower = offset & 0xfff;
    if (offset < 0 || offset >= 1 << 24) {
      this.constant(register, offset);
      this.word(ADD | (register << 16) | (X19 << 5) | register);
      return;
    }
    if (upper) this.word(ADD_IMMEDIATE | SHIFTED | (upper << 10) | (X19 << 5) | register);
    if (lower || !upper)
      this.word(ADD_IMMEDIATE | (lower << 10) | ((upper ? register : X19) << 5) | register);
  }

  /** target <- x0 operation operand. */
  private combine(operation: number, operand: Operand, target: number): void {
    if (typeof operand !== "object" && (operation === ADD || operation === SUB || operation === CMP)) {
      this.split(operand);
      const { low } = this;
      const size = low < 0 ? -low : low;
      const shifted = size > 0xfff;
      if (this.fits32 && size < 1 << 24 && (!shifted || (size & 0xfff) === 0)) {
        const opcode = (low < 0 ? operation ^ SUBTRACT : operation) ^ IMMEDIATE;
        const amount = shifted ? SHIFTED | ((size >> 12) << 10) : size << 10;
        this.word(opcode | amount | (X0 << 5) | target);
        return;
      }
    }
    this.move(X17, operand);
    this.word(operation | (X17 << 16) | (X0 << 5) | target);
  }

  /** Loads or stores `width` bytes between a register and memory at base + offset. */
  private transfer(direction: number, width: Width, register: number, base: number, offset: number): void {
    const size = SIZE[width];
    const fields = (size << 30) | direction | (base << 5) | register;
    const scaled = offset / width;
    if (scaled >= 0 && scaled < 4096 && Number.isInteger(scaled)) {
      this.word(0x39000000 | fields | (scaled << 10));
    } else if (offset >= -256 && offset < 256) {
      this.word(0x38000000 | fields | ((offset & 0x1ff) << 12));
    } else {
      this.constant(X17, offset);
      this.word(0x38206800 | fields | (X17 << 16));
    }
  }

  /** A jump or call whose distance is filled in later. */
  private far(opcode: number, label: Label): void {
    this.want(label);
    this.word(opcode);
  }

  /** A conditional branch: one instruction where the label is known to be near, else around a jump. */
  private farIf(condition: number, label: Label): void {
    const position = this.position(label);
    const bytes = position - this.length;
    if (position >= 0 && bytes >= -CONDITIONAL_REACH) {
      this.word(0x54000000 | (((bytes >> 2) & 0x7ffff) << 5) | condition);
    } else {
      this.word(0x54000000 | (2 << 5) | (condition ^ 1));
      this.jump(label);
    }
  }
}

/** An assembler for aarch64 Linux. */
export function aarch64(entry: Entry): Assembler {
  return new Aarch64(entry);
}
