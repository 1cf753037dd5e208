/**
 * The machine that programs are lowered to, and the seam below the narrow waist.
 *
 * It is an accumulator machine: one 64-bit accumulator, 64-bit cells in one data area, labels, system
 * calls. Each implementation (x86_64, aarch64, the interpreter) is a few hundred lines that know registers
 * or fake kernels and nothing of containers; `lower.ts` is the only caller and knows no registers.
 *
 * The data area follows the code at the next page boundary, so that code finds it by a distance that is
 * known when it is assembled, wherever both are loaded.
 */

/** A 64-bit variable, at `offset` bytes from the start of the data area (a multiple of 8). */
export interface Cell {
  readonly kind: "cell";
  readonly offset: number;
}

/** The address of the byte at `offset`, below 2^31, in the data area. */
export interface Address {
  readonly kind: "address";
  readonly offset: number;
}

/** What an instruction can take: a number (two's complement, 64 bits), a cell's content, or an address. */
export type Operand = number | bigint | Cell | Address;

/** A place in the code; made by `label()`, meaningful only to the target that made it. */
export type Label = number;

/** Signed comparisons of the accumulator with an operand. */
export type Test = "==" | "!=" | "<" | "<=" | ">" | ">=";

/** Arithmetic on the accumulator. Shifts are logical, by the low 6 bits of the operand. */
export type Arithmetic = "add" | "sub" | "and" | "or" | "shl" | "shr";

/** Bytes moved by a load or store; loads zero-extend. */
export type Width = 1 | 2 | 4 | 8;

/**
 * How the code is entered and what comes with it.
 * - `process`: the first instruction of an executable. Nothing is saved, the accumulator holds nothing yet;
 *   the code must end in `exit_group`.
 * - `function`: called by C conventions with one integer argument, which is the accumulator at the start;
 *   callee-saved registers are preserved; `giveBack` returns the accumulator to the caller.
 */
export type Entry = "process" | "function";

export interface Target {
  /** A new label, bound nowhere yet. */
  label(): Label;
  /** Binds `label` to the next instruction. Each label is bound once. */
  bind(label: Label): void;
  /** Goes to `label`, at any distance. */
  jump(label: Label): void;
  /** accumulator <- operand. */
  fetch(operand: Operand): void;
  /** cell <- accumulator; the accumulator stays. */
  keep(cell: Cell): void;
  /** accumulator <- accumulator `operation` operand. */
  compute(operation: Arithmetic, operand: Operand): void;
  /** accumulator <- `width` bytes at address (accumulator + offset), zero-extended. */
  load(width: Width, offset: number): void;
  /** `width` low bytes of the accumulator -> address (base + offset); the accumulator stays. */
  store(width: Width, base: Cell | Address, offset: number): void;
  /** accumulator <- system call `number` (of the target's architecture) with up to six arguments. */
  syscall(number: number, args: readonly Operand[]): void;
  /** To `label` if the accumulator is an error, that is -4095 to -1 (see syscall(2), "Architecture calling conventions"). */
  branchFailed(label: Label): void;
  /** To `label` if the comparison of the accumulator (left) with `operand` (right) holds. */
  branch(test: Test, operand: Operand, label: Label): void;
  /** Calls the routine at `label`; routines begin with `enter` and end with `leave`. They may nest. */
  gosub(label: Label): void;
  /** First instruction of a routine. */
  enter(): void;
  /** Returns from a routine; the accumulator stays. */
  leave(): void;
  /** Returns the accumulator to the C caller (entry `function` only; not inside a routine). */
  giveBack(): void;
}

/** A target that makes machine code. */
export interface Assembler extends Target {
  /**
   * Ends the code and resolves its labels. `codeStart` is where the code will lie in the image, in bytes
   * from the image's start, which is a page boundary in memory. Returns the code and where the data area
   * starts in the image: the first multiple of `page` after the code.
   */
  assemble(codeStart: number): { readonly code: Uint8Array; readonly dataStart: number };
  /** The largest page size of kernels for this architecture, in bytes. */
  readonly page: number;
}
