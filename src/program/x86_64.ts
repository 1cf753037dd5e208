import { Code, distance, roundUp } from "./code.ts";
import type { Address, Arithmetic, Assembler, Cell, Entry, Label, Operand, Test, Width } from "./target.ts";

// The encodings are from the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2;
// what a system call takes and clobbers (rcx, r11) is from syscall(2).
const RAX = 0; // the accumulator
const RCX = 1; // scratch
const RBX = 3; // the start of the data area
const RDI = 7;
const ARGUMENTS = [RDI, 6, 2, 10, 8, 9] as const; // rdi, rsi, rdx, r10, r8, r9

/** The prefixes for 64-bit and for 16-bit operands. */
const WIDE = 0x48;
const HALF = 0x66;

/** Opcodes: from memory to a register, from a register to memory or another one, an address to a register. */
const MOV_LOAD = 0x8b;
const MOV_STORE = 0x89;
const LEA = 0x8d;

/** Mode of a memory operand with an offset of 32 bits. A byte would often do: not worth the question. */
const WORD_OFFSET = 0x80;

/** Position of an operation in the manual's regular block of eight, which is also its `/digit`. */
const ADD = 0;
const OR = 1;
const AND = 4;
const SUB = 5;
const CMP = 7;
const OPERATION = { add: ADD, or: OR, and: AND, sub: SUB } as const;

/** Second opcode byte of the jump with a 32-bit distance (0F cc). */
const CONDITION: Readonly<Record<Test, number>> = {
  "==": 0x84,
  "!=": 0x85,
  "<": 0x8c,
  ">=": 0x8d,
  "<=": 0x8e,
  ">": 0x8f,
};
const ABOVE_OR_EQUAL = 0x83;

class X86_64 extends Code implements Assembler {
  readonly page = 4096;
  /** Where the distance to the data area is to be written. */
  private readonly dataDistance: number;

  constructor(entry: Entry) {
    super();
    if (entry === "function") {
      this.byte(0x50 | RBX); // push
      this.wideRegisters(MOV_STORE, RDI, RAX);
    }
    this.three(WIDE, LEA, (RBX << 3) | 5); // from the next instruction's address
    this.dataDistance = this.length;
    this.word(0);
  }

  jump(label: Label): void {
    this.byte(0xe9);
    this.far(label);
  }

  fetch(operand: Operand): void {
    this.move(RAX, operand);
  }

  keep(cell: Cell): void {
    this.wideData(MOV_STORE, RAX, cell.offset);
  }

  compute(operation: Arithmetic, operand: Operand): void {
    if (operation === "shl") this.shift(4, operand);
    else if (operation === "shr") this.shift(5, operand);
    else this.combine(OPERATION[operation], operand);
  }

  load(width: Width, offset: number): void {
    if (width === 8) this.memory(WIDE, MOV_LOAD, RAX, RAX, offset);
    else if (width === 4)
      this.memory(0, MOV_LOAD, RAX, RAX, offset); // clears the upper half
    else this.memory(0x0f, width === 2 ? 0xb7 : 0xb6, RAX, RAX, offset); // movzx
  }

  store(width: Width, base: Cell | Address, offset: number): void {
    const prefix = width === 8 ? WIDE : width === 2 ? HALF : 0;
    const opcode = width === 1 ? 0x88 : MOV_STORE;
    if (base.kind === "address") {
      this.memory(prefix, opcode, RAX, RBX, base.offset + offset);
    } else {
      this.move(RCX, base);
      this.memory(prefix, opcode, RAX, RCX, offset);
    }
  }

  syscall(number: number, args: readonly Operand[]): void {
    if (args.length > ARGUMENTS.length) throw new RangeError(`system call with ${args.length} arguments`);
    let position = 0;
    for (const arg of args) this.move(ARGUMENTS[position++] ?? RAX, arg);
    this.move(RAX, number);
    this.two(0x0f, 0x05);
  }

  branchFailed(label: Label): void {
    this.two(WIDE, (CMP << 3) | 5);
    this.word(-4095);
    this.farIf(ABOVE_OR_EQUAL, label); // unsigned: all errors, and nothing else, are at the top
  }

  branch(test: Test, operand: Operand, label: Label): void {
    if (operand === 0)
      this.wideRegisters(0x85, RAX, RAX); // test
    else this.combine(CMP, operand);
    this.farIf(CONDITION[test], label);
  }

  gosub(label: Label): void {
    this.byte(0xe8);
    this.far(label);
  }

  enter(): void {
    // call has put the return address on the stack.
  }

  leave(): void {
    this.byte(0xc3);
  }

  giveBack(): void {
    this.two(0x58 | RBX, 0xc3); // pop, ret
  }

  assemble(codeStart: number): { readonly code: Uint8Array; readonly dataStart: number } {
    const dataStart = roundUp(codeStart + this.length, this.page);
    this.patch(this.dataDistance, distance(dataStart - codeStart - this.dataDistance - 4));
    this.resolve((site, position) => this.patch(site, distance(position - site - 4)));
    return { code: this.finished(), dataStart };
  }

  /** register <- operand. */
  private move(register: number, operand: Operand): void {
    if (typeof operand === "object") {
      this.wideData(operand.kind === "cell" ? MOV_LOAD : LEA, register, operand.offset);
      return;
    }
    const upper = register >> 3;
    const lower = register & 7;
    if (operand === 0) {
      if (upper) this.byte(0x45);
      this.two(0x31, 0xc0 | (lower << 3) | lower); // xor
      return;
    }
    this.split(operand);
    if (this.high === 0) {
      if (upper) this.byte(0x41);
      this.byteWord(0xb8 | lower, this.low);
    } else if (this.fits32) {
      this.threeWord(WIDE | upper, 0xc7, 0xc0 | lower, this.low);
    } else {
      this.two(WIDE | upper, 0xb8 | lower);
      this.word(this.low);
      this.word(this.high);
    }
  }

  /** rax <- rax operation operand, or for CMP only the flags. */
  private combine(operation: number, operand: Operand): void {
    if (typeof operand !== "object") {
      this.split(operand);
      if (this.fits32) {
        if (this.low === (this.low << 24) >> 24) {
          this.three(WIDE, 0x83, 0xc0 | (operation << 3) | RAX);
          this.byte(this.low);
        } else {
          this.byte(WIDE);
          this.byteWord((operation << 3) | 5, this.low);
        }
        return;
      }
    } else if (operand.kind === "cell") {
      this.wideData((operation << 3) | 3, RAX, operand.offset);
      return;
    }
    this.move(RCX, operand);
    this.wideRegisters((operation << 3) | 1, RCX, RAX);
  }

  /** Shifts rax; `digit` says which way. The processor itself takes the count modulo 64. */
  private shift(digit: number, operand: Operand): void {
    const fixed = typeof operand !== "object";
    if (fixed) this.split(operand);
    else this.move(RCX, operand);
    this.three(WIDE, fixed ? 0xc1 : 0xd3, 0xc0 | (digit << 3) | RAX);
    if (fixed) this.byte(this.low & 63);
  }

  /** A 64-bit instruction on two low registers; `target` is the one in the r/m field. */
  private wideRegisters(opcode: number, source: number, target: number): void {
    this.three(WIDE, opcode, 0xc0 | (source << 3) | target);
  }

  /** A 64-bit instruction on any register and a place in the data area. */
  private wideData(opcode: number, register: number, offset: number): void {
    this.threeWord(WIDE | ((register >> 3) << 2), opcode, WORD_OFFSET | ((register & 7) << 3) | RBX, offset);
  }

  /**
   * An instruction on a low register and memory at base + offset. A prefix of 0 is none. The base is rax, rcx
   * or rbx, which need no SIB byte.
   */
  private memory(prefix: number, opcode: number, register: number, base: number, offset: number): void {
    const fields = WORD_OFFSET | (register << 3) | base;
    if (prefix) {
      this.threeWord(prefix, opcode, fields, offset);
    } else {
      this.two(opcode, fields);
      this.word(distance(offset));
    }
  }

  /** The rest of a jump or call: the distance to `label`. */
  private far(label: Label): void {
    this.want(label);
    this.word(0);
  }

  private farIf(condition: number, label: Label): void {
    this.two(0x0f, condition);
    this.far(label);
  }
}

/** An assembler for x86_64 Linux. */
export function x86_64(entry: Entry): Assembler {
  return new X86_64(entry);
}
