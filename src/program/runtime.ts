/**
 * The few routines that a program carries with it: putting text together, and reporting a failure as one
 * line. Written against the accumulator machine, so that they exist once and not once an architecture.
 */
import { SIG_IGN, SIGPIPE } from "../sys/constants.ts";
import { errnoLines } from "../sys/errno.ts";
import { oneLine } from "../sys/failure.ts";
import type { SyscallName } from "../sys/syscalls.ts";
import type { DataArea } from "./data.ts";
import type { Address, Cell, Label, Target } from "./target.ts";

/**
 * How a failure reaches the user: as a line on descriptor 2 (and, on another one, in a line of JSON), or, where a JavaScript parent is there to say
 * it, as two 64-bit words (record number, errno) at an address in memory shared with it.
 */
export type Report =
  | { readonly form: "line"; readonly statusDescriptor?: number }
  | { readonly form: "record"; readonly address: number };

/** System call numbers of the target's architecture. */
export type SyscallNumbers = Readonly<Record<SyscallName, number>>;

// A failure record: five 64-bit words.
const recordStepOffset = 0;
export const recordWhatOffset = 8;
const recordHintsOffset = 16;
export const recordStatusOffset = 24;
const recordNumberOffset = 32;

const stderr = 2;
const lineSize = 4096;
const newline = 10;
/** struct sigaction of <asm/signal.h>: handler, flags, restorer, mask. */
const actionBytes = 32;
const signalSetBytes = 8;
const quotationMark = 34;
const backslash = 92;
const longestSubject = 800;

export class Runtime {
  /** Address of the record of the failure being handled. */
  readonly failed: Cell;
  /** Result of the call that failed, a negative errno; 0 if no call did. */
  readonly error: Cell;
  readonly scratch: Cell;
  private readonly source: Cell;
  private readonly start: Cell;
  private readonly cursor: Cell;
  private readonly limit: Cell;
  private readonly value: Cell;
  private readonly target: Target;
  private readonly data: DataArea;
  private readonly numbers: SyscallNumbers;
  private readonly applet: string;
  private readonly how: Report;
  private readonly appendLabel: Label;
  private readonly decimalLabel: Label;
  private readonly reportLabel: Label;

  constructor(target: Target, data: DataArea, numbers: SyscallNumbers, applet: string, how: Report) {
    this.target = target;
    this.data = data;
    this.numbers = numbers;
    this.applet = applet;
    this.how = how;
    this.failed = data.cell();
    this.error = data.cell();
    this.scratch = data.cell();
    this.source = data.cell();
    this.start = data.cell();
    this.cursor = data.cell();
    this.limit = data.cell();
    this.value = data.cell();
    this.appendLabel = target.label();
    this.decimalLabel = target.label();
    this.reportLabel = target.label();
  }

  /** A failure record in the data area. Numbers begin at 1: 0 means "no failure" to a JavaScript parent. */
  record(number: number, step: string, what: string, hints: Address | 0, status: number): Address {
    return this.data.record([
      this.data.string(step),
      what === "" ? 0 : this.data.string(subject(what)),
      hints,
      status,
      number,
    ]);
  }

  /** Reports the failure in `failed` and `error`. */
  report(): void {
    this.target.gosub(this.reportLabel);
  }

  /** Begins a text of at most `size - 1` bytes and a NUL. What does not fit is left out. */
  startText(into: Address, size: number): void {
    const { target } = this;
    target.fetch(into);
    target.keep(this.start);
    target.keep(this.cursor);
    target.compute("add", size - 1);
    target.keep(this.limit);
  }

  /** Appends the NUL-terminated text at an address. */
  appendText(text: Address | Cell): void {
    this.target.fetch(text);
    this.target.keep(this.source);
    this.target.gosub(this.appendLabel);
  }

  /** Appends a cell's signed value in decimal. */
  appendDecimal(cell: Cell): void {
    this.target.fetch(cell);
    this.target.keep(this.value);
    this.target.gosub(this.decimalLabel);
  }

  /** accumulator <- bytes of the text so far. */
  textLength(): void {
    this.target.fetch(this.cursor);
    this.target.compute("sub", this.start);
  }

  /** The routines themselves; once, behind everything that cannot run into them. */
  routines(): void {
    this.appendRoutine();
    this.decimalRoutine();
    if (this.how.form === "line") this.reportRoutine(this.how.statusDescriptor);
    else this.recordRoutine(this.how.address);
  }

  private appendRoutine(): void {
    const { target } = this;
    const next = target.label();
    const end = target.label();
    target.bind(this.appendLabel);
    target.enter();
    target.bind(next);
    target.fetch(this.cursor);
    target.branch(">=", this.limit, end);
    this.byteAt(this.source);
    target.branch("==", 0, end);
    target.store(1, this.cursor, 0);
    this.advance(this.cursor, 1);
    this.advance(this.source, 1);
    target.jump(next);
    target.bind(end);
    target.fetch(0);
    target.store(1, this.cursor, 0);
    target.leave();
  }

  /**
   * Digits by counting powers of ten: short on both machines, and texts are rare. Below zero, where there is a
   * counterpart to every number.
   */
  private decimalRoutine(): void {
    const { target, data } = this;
    const digits = data.cell();
    const power = data.cell();
    const powersOfTen = [0n];
    for (let exact = 10n; exact < 10n ** 19n; exact *= 10n) powersOfTen.unshift(exact);
    const powers = data.record(powersOfTen);
    const negative = target.label();
    const start = target.label();
    const nextPower = target.label();
    const nextUnit = target.label();
    const digitDone = target.label();
    const units = target.label();
    const skip = target.label();
    const buffer = data.record([0]);
    const digit = data.cell();

    const appendDigit = (): void => {
      target.compute("add", 48);
      target.store(1, buffer, 0);
      this.appendText(buffer);
    };

    target.bind(this.decimalLabel);
    target.enter();
    target.fetch(this.value);
    target.branch("<", 0, negative);
    target.fetch(0);
    target.compute("sub", this.value);
    target.keep(this.value);
    target.jump(start);
    target.bind(negative);
    this.appendText(data.string("-"));
    target.bind(start);
    target.fetch(0);
    target.keep(digits);
    target.fetch(powers);
    target.keep(power);

    target.bind(nextPower);
    target.fetch(0);
    target.keep(digit);
    target.fetch(power);
    target.load(8, 0);
    target.branch("==", 0, units);
    target.keep(this.scratch);
    target.bind(nextUnit);
    target.fetch(this.value);
    target.compute("add", this.scratch);
    target.branch(">", 0, digitDone);
    target.keep(this.value);
    this.advance(digit, 1);
    target.jump(nextUnit);
    target.bind(digitDone);
    this.advance(power, 8);
    target.fetch(digits);
    target.compute("or", digit);
    target.keep(digits);
    target.branch("==", 0, skip);
    target.fetch(digit);
    appendDigit();
    target.bind(skip);
    target.jump(nextPower);

    target.bind(units);
    target.fetch(0);
    target.compute("sub", this.value);
    appendDigit();
    target.leave();
  }

  /** `ctrtool APPLET: step: what: ERRNO (text); hint: ...`, in one write so that lines do not mix. */
  private reportRoutine(statusDescriptor: number | undefined): void {
    const { target, data } = this;
    const line = data.zeros(lineSize);
    const noWhat = target.label();
    const noErrno = target.label();
    const length = data.cell();
    const field = data.cell();

    target.bind(this.reportLabel);
    target.enter();
    // One byte less than there is: the newline always fits.
    this.startText(line, lineSize - 1);
    this.appendText(data.string(`ctrtool ${this.applet}: `));
    this.field(recordStepOffset, field);
    this.appendText(field);
    this.field(recordWhatOffset, field);
    target.branch("==", 0, noWhat);
    this.appendText(data.string(": "));
    this.appendText(field);
    target.bind(noWhat);
    target.fetch(this.error);
    target.branch("==", 0, noErrno);
    this.errno();
    this.hint(field);
    target.bind(noErrno);
    target.fetch(newline);
    target.store(1, this.cursor, 0);
    this.textLength();
    target.compute("add", 1);
    target.keep(length);
    // A standard error that cannot be written to leaves nobody to tell; the exit status must still be told.
    const ignored = data.record([SIG_IGN, 0, 0, 0]);
    const before = data.zeros(actionBytes);
    target.syscall(this.numbers.rt_sigaction, [SIGPIPE, ignored, before, signalSetBytes]);
    target.syscall(this.numbers.write, [stderr, line, length]);
    if (statusDescriptor !== undefined) this.tellStatus(line, statusDescriptor);
    target.syscall(this.numbers.rt_sigaction, [SIGPIPE, before, 0, signalSetBytes]);
    target.leave();
  }

  /** `{"event":"failed","error":LINE}` for the machine that started us. The line is printable ASCII. */
  private tellStatus(line: Address, descriptor: number): void {
    const { target, data } = this;
    // Each byte of the line may need a backslash.
    const text = data.zeros(2 * lineSize + 64);
    const position = data.cell();
    const byte = data.cell();
    const mark = data.string("\\");
    const buffer = data.record([0]);
    const next = target.label();
    const plain = target.label();
    const escaped = target.label();
    const end = target.label();
    const length = data.cell();

    this.startText(text, 2 * lineSize + 64);
    this.appendText(data.string('{"event":"failed","error":"'));
    target.fetch(line);
    target.keep(position);
    target.bind(next);
    this.byteAt(position);
    target.branch("==", newline, end);
    target.keep(byte);
    target.branch("==", quotationMark, escaped);
    target.branch("!=", backslash, plain);
    target.bind(escaped);
    this.appendText(mark);
    target.bind(plain);
    target.fetch(byte);
    target.store(1, buffer, 0);
    this.appendText(buffer);
    this.advance(position, 1);
    target.jump(next);
    target.bind(end);
    this.appendText(data.string('"}\n'));
    this.textLength();
    target.keep(length);
    target.syscall(this.numbers.write, [descriptor, text, length]);
  }

  private recordRoutine(record: number): void {
    const { target } = this;
    const address = this.data.record([record]);
    const base = this.data.cell();
    target.bind(this.reportLabel);
    target.enter();
    target.fetch(address);
    target.load(8, 0);
    target.keep(base);
    this.field(recordNumberOffset, this.scratch);
    target.store(8, base, 0);
    target.fetch(this.error);
    target.store(8, base, 8);
    target.leave();
  }

  /** Appends `: ERRNO (text)`, found by counting lines in one long text of them all, or `: errno N`. */
  private errno(): void {
    const { target, data } = this;
    const lines = data.string(errnoLines());
    const nextLine = target.label();
    const nextByte = target.label();
    const found = target.label();
    const copy = target.label();
    const unknown = target.label();
    const end = target.label();
    const position = data.cell();
    const buffer = data.record([0]);

    this.appendText(data.string(": "));
    target.fetch(lines);
    target.keep(position);
    target.fetch(this.error);
    target.keep(this.value);
    target.bind(nextLine);
    this.advance(this.value, 1);
    target.branch("==", 0, found);
    target.bind(nextByte);
    this.byteAt(position);
    target.branch("==", 0, unknown);
    target.keep(this.scratch);
    this.advance(position, 1);
    target.fetch(this.scratch);
    target.branch("!=", newline, nextByte);
    target.jump(nextLine);
    target.bind(found);
    target.bind(copy);
    this.byteAt(position);
    target.branch("==", newline, end);
    target.branch("==", 0, end);
    target.store(1, buffer, 0);
    this.appendText(buffer);
    this.advance(position, 1);
    target.jump(copy);
    target.bind(unknown);
    this.appendText(data.string("errno "));
    target.fetch(0);
    target.compute("sub", this.error);
    target.keep(this.scratch);
    this.appendDecimal(this.scratch);
    target.bind(end);
  }

  /** Appends the hint for the errno, if the record's list of pairs (errno, text) has one. */
  private hint(field: Cell): void {
    const { target } = this;
    const next = target.label();
    const found = target.label();
    const end = target.label();
    this.field(recordHintsOffset, field);
    target.branch("==", 0, end);
    target.bind(next);
    target.fetch(field);
    target.load(8, 0);
    target.branch("==", 0, end);
    target.compute("add", this.error);
    target.branch("==", 0, found);
    this.advance(field, 16);
    target.jump(next);
    target.bind(found);
    this.appendText(this.data.string("; hint: "));
    target.fetch(field);
    target.load(8, 8);
    target.keep(field);
    this.appendText(field);
    target.bind(end);
  }

  /** cell and accumulator <- a word of the failure record. */
  private field(offset: number, into: Cell): void {
    this.target.fetch(this.failed);
    this.target.load(8, offset);
    this.target.keep(into);
  }

  private byteAt(pointer: Cell): void {
    this.target.fetch(pointer);
    this.target.load(1, 0);
  }

  private advance(cell: Cell, by: number): void {
    this.target.fetch(cell);
    this.target.compute("add", by);
    this.target.keep(cell);
  }
}

/** A subject that fits into a message's line. */
function subject(what: string): string {
  return oneLine(what.length > longestSubject ? `${what.slice(0, longestSubject)}...` : what);
}
