import { Code, distance, roundUp } from "./code.ts";
import type { Address, Arithmetic, Assembler, Cell, Entry, Label, Operand, Test, Width } from "./target.ts";

// The encodings are from the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2;
// what a system call takes and clobbers (rcx, r11) is from syscall(2).
const RAX = 0; // the accumulator
const RCX = 1; // scratch
const RBX = 3; // the start of the data area
const RDI = 7;
const ARGUMENTS = [RDI, 6, 2, 10, 8, 9] as const; // rdi, rsi, rdx, r10, r8, r9

/** The prefix for 64-bit operands. */
const WIDE = 0x48;

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

class X86_64 implements Assembler {
  readonly page = 4096;
  readonly #code = new Code();
  /** Where the distance to the data area is to be written. */
  readonly #dataDistance: number;

  constructor(entry: Entry) {
    const code = this.#code;
    if (entry === "function") {
      code.byte(0x50 | RBX); // push
      this.#wideRegisters(0x89, RDI, RAX); // mov
    }
    code.byte(WIDE);
    code.byte(0x8d); // lea rbx, [rip+...]
    code.byte((RBX << 3) | 5);
    this.#dataDistance = code.length;
    code.word(0);
  }

  label(): Label {
    return this.#code.label();
  }

  bind(label: Label): void {
    this.#code.bind(label);
  }

  jump(label: Label): void {
    this.#code.byte(0xe9);
    this.#far(label);
  }

  fetch(operand: Operand): void {
    this.#move(RAX, operand);
  }

  keep(cell: Cell): void {
    this.#wideMemory(0x89, RAX, RBX, cell.offset);
  }

  compute(operation: Arithmetic, operand: Operand): void {
    if (operation === "shl") this.#shift(4, operand);
    else if (operation === "shr") this.#shift(5, operand);
    else this.#combine(OPERATION[operation], operand);
  }

  load(width: Width, offset: number): void {
    const code = this.#code;
    if (width === 8) code.byte(WIDE);
    if (width <= 2) {
      code.byte(0x0f); // movzx
      code.byte(width === 1 ? 0xb6 : 0xb7);
    } else {
      code.byte(0x8b); // mov; with 32 bits it clears the upper half
    }
    this.#memory(RAX, RAX, offset);
  }

  store(width: Width, base: Cell | Address, offset: number): void {
    const code = this.#code;
    const pointer = base.kind === "cell";
    if (pointer) this.#move(RCX, base);
    if (width === 8) code.byte(WIDE);
    if (width === 2) code.byte(0x66);
    code.byte(width === 1 ? 0x88 : 0x89);
    if (pointer) this.#memory(RAX, RCX, offset);
    else this.#memory(RAX, RBX, base.offset + offset);
  }

  syscall(number: number, args: readonly Operand[]): void {
    if (args.length > ARGUMENTS.length) throw new RangeError(`system call with ${args.length} arguments`);
    let position = 0;
    for (const arg of args) this.#move(ARGUMENTS[position++] ?? RAX, arg);
    this.#move(RAX, number);
    this.#code.byte(0x0f);
    this.#code.byte(0x05);
  }

  branchFailed(label: Label): void {
    this.#combine(CMP, -4095);
    this.#far(label, ABOVE_OR_EQUAL); // unsigned: all errors, and nothing else, are at the top
  }

  branch(test: Test, operand: Operand, label: Label): void {
    if (operand === 0)
      this.#wideRegisters(0x85, RAX, RAX); // test
    else this.#combine(CMP, operand);
    this.#far(label, CONDITION[test]);
  }

  gosub(label: Label): void {
    this.#code.byte(0xe8);
    this.#far(label);
  }

  enter(): void {
    // call has put the return address on the stack.
  }

  leave(): void {
    this.#code.byte(0xc3);
  }

  giveBack(): void {
    this.#code.byte(0x58 | RBX); // pop
    this.#code.byte(0xc3);
  }

  assemble(codeStart: number): { readonly code: Uint8Array; readonly dataStart: number } {
    const code = this.#code;
    const dataStart = roundUp(codeStart + code.length, this.page);
    code.patch(this.#dataDistance, distance(dataStart - codeStart - this.#dataDistance - 4));
    code.resolve((site, position) => code.patch(site, distance(position - site - 4)));
    return { code: code.finished(), dataStart };
  }

  /** register <- operand. */
  #move(register: number, operand: Operand): void {
    if (typeof operand === "object") {
      this.#wideMemory(operand.kind === "cell" ? 0x8b : 0x8d, register, RBX, operand.offset); // mov or lea
      return;
    }
    const code = this.#code;
    code.split(operand);
    const upper = register >> 3;
    const lower = register & 7;
    if (code.high === 0) {
      if (upper) code.byte(code.low === 0 ? 0x45 : 0x41);
      if (code.low === 0) {
        code.byte(0x31); // xor
        code.byte(0xc0 | (lower << 3) | lower);
      } else {
        code.byte(0xb8 | lower);
        code.word(code.low);
      }
      return;
    }
    code.byte(WIDE | upper);
    if (code.fits32) {
      code.byte(0xc7);
      code.byte(0xc0 | lower);
      code.word(code.low);
    } else {
      code.byte(0xb8 | lower);
      code.word(code.low);
      code.word(code.high);
    }
  }

  /** rax <- rax operation operand, or for CMP only the flags. */
  #combine(operation: number, operand: Operand): void {
    const code = this.#code;
    if (typeof operand !== "object") {
      code.split(operand);
      if (code.fits32) {
        const short = code.low === (code.low << 24) >> 24;
        code.byte(WIDE);
        code.byte(short ? 0x83 : (operation << 3) | 5);
        if (short) {
          code.byte(0xc0 | (operation << 3) | RAX);
          code.byte(code.low);
        } else {
          code.word(code.low);
        }
        return;
      }
    } else if (operand.kind === "cell") {
      this.#wideMemory((operation << 3) | 3, RAX, RBX, operand.offset);
      return;
    }
    this.#move(RCX, operand);
    this.#wideRegisters((operation << 3) | 1, RCX, RAX);
  }

  /** Shifts rax; `digit` says which way. The processor itself takes the count modulo 64. */
  #shift(digit: number, operand: Operand): void {
    const code = this.#code;
    const fixed = typeof operand !== "object";
    if (fixed) code.split(operand);
    else this.#move(RCX, operand);
    code.byte(WIDE);
    code.byte(fixed ? 0xc1 : 0xd3);
    code.byte(0xc0 | (digit << 3) | RAX);
    if (fixed) code.byte(code.low & 63);
  }

  /** A 64-bit instruction on two low registers; `target` is the one in the r/m field. */
  #wideRegisters(opcode: number, source: number, target: number): void {
    this.#code.byte(WIDE);
    this.#code.byte(opcode);
    this.#code.byte(0xc0 | (source << 3) | target);
  }

  /** A 64-bit instruction on any register and memory at base + offset. */
  #wideMemory(opcode: number, register: number, base: number, offset: number): void {
    this.#code.byte(WIDE | ((register >> 3) << 2));
    this.#code.byte(opcode);
    this.#memory(register, base, offset);
  }

  /** The ModRM byte and displacement of a memory operand; base is rax, rcx or rbx, which need no SIB byte. */
  #memory(register: number, base: number, offset: number): void {
    const code = this.#code;
    const fields = ((register & 7) << 3) | base;
    if (offset === 0) {
      code.byte(fields);
    } else if (offset === (offset << 24) >> 24) {
      code.byte(0x40 | fields);
      code.byte(offset);
    } else {
      code.byte(0x80 | fields);
      code.word(distance(offset));
    }
  }

  /** The rest of a jump or call: for a conditional one its opcode, then the distance to `label`. */
  #far(label: Label, condition?: number): void {
    if (condition !== undefined) {
      this.#code.byte(0x0f);
      this.#code.byte(condition);
    }
    this.#code.want(label);
    this.#code.word(0);
  }
}

/** An assembler for x86_64 Linux. */
export function x86_64(entry: Entry): Assembler {
  return new X86_64(entry);
}
