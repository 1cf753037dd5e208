/**
 * From steps to a machine's instructions. Knows what each kind of step means, but no registers.
 *
 * A call that may fail notes its failure record beforehand and branches to the handler of the innermost
 * attempt. A handler reports, cleans up, and resumes or goes to the handler around it; the outermost one exits.
 */
import { EINTR } from "../sys/errno.ts";
import type { SyscallName, SyscallNumbers } from "../sys/syscalls.ts";
import { DataArea } from "./data.ts";
import { type Hints, hintsFor } from "./hints.ts";
import { type Report, Runtime, recordStatusOffset, recordWhatOffset } from "./runtime.ts";
import type {
  Area,
  Attempt,
  Call,
  Compose,
  Condition,
  Each,
  Fail,
  Fork,
  Step,
  Value,
  Variable,
} from "./steps.ts";
import type { Address, Cell, Label, Operand, Target } from "./target.ts";

const wordBytes = 8;

/** What one failure record says, for a caller that reports it itself. */
export interface Failure {
  readonly step: string;
  readonly what: string;
}

interface Scope {
  /** Where a failure goes: reports and cleans up. */
  readonly handler: Label;
  /** Where a failure goes that an inner handler has reported already. */
  readonly reported: Label;
  /** Exit status of a failure that names no other. */
  readonly status: number;
  /** Where `leave` goes. */
  readonly end?: Label;
}

export class Lowering {
  readonly data = new DataArea();
  /** In the order of the record numbers. */
  readonly failures: Failure[] = [];
  private readonly target: Target;
  private readonly numbers: SyscallNumbers;
  private readonly runtime: Runtime;
  private readonly hintLists = new Map<object, Address>();

  constructor(target: Target, numbers: SyscallNumbers, applet: string, report: Report) {
    this.target = target;
    this.numbers = numbers;
    this.runtime = new Runtime(target, this.data, numbers, applet, report);
  }

  /** The whole of a process: its steps, exit 0, its failure handler. Routines follow with `finish`. */
  process(steps: readonly Step[], failure: number): void {
    const { target } = this;
    const scope: Scope = { handler: target.label(), reported: target.label(), status: failure };
    this.steps(steps, scope);
    this.exit(0);
    target.bind(scope.handler);
    target.keep(this.runtime.error);
    this.runtime.report();
    target.bind(scope.reported);
    target.fetch(this.runtime.failed);
    target.load(8, recordStatusOffset);
    target.keep(this.runtime.scratch);
    this.exit(this.runtime.scratch);
  }

  /** Ends the code with the routines that it uses. */
  finish(): void {
    this.runtime.routines();
  }

  private steps(steps: readonly Step[], scope: Scope): void {
    for (const step of steps) this.step(step, scope);
  }

  private step(step: Step, scope: Scope): void {
    const { target } = this;
    switch (step.kind) {
      case "call":
        this.call(step, scope);
        break;
      case "set":
        target.fetch(this.operand(step.value));
        target.keep(this.data.cellOf(step.into));
        break;
      case "compute":
        target.fetch(this.operand(step.left));
        target.compute(step.operation, this.operand(step.right));
        target.keep(this.data.cellOf(step.into));
        break;
      case "load":
        target.fetch(this.operand(step.from));
        target.load(step.width, step.offset);
        target.keep(this.data.cellOf(step.into));
        break;
      case "store":
        target.fetch(this.operand(step.value));
        target.store(
          step.width,
          step.to.kind === "variable" ? this.data.cellOf(step.to) : this.data.address(step.to),
          step.offset,
        );
        break;
      case "compose":
        this.compose(step);
        break;
      case "when": {
        const otherwise = target.label();
        this.unless(step.condition, otherwise);
        this.steps(step.steps, scope);
        if (step.otherwise.length === 0) {
          target.bind(otherwise);
          break;
        }
        const end = target.label();
        target.jump(end);
        target.bind(otherwise);
        this.steps(step.otherwise, scope);
        target.bind(end);
        break;
      }
      case "loop": {
        const again = target.label();
        const end = target.label();
        target.bind(again);
        this.steps(step.body, { ...scope, end });
        target.jump(again);
        target.bind(end);
        break;
      }
      case "each":
        this.each(step, scope);
        break;
      case "leave":
        if (scope.end === undefined) throw new Error("leave outside of a loop");
        target.jump(scope.end);
        break;
      case "fork":
        this.fork(step, scope);
        break;
      case "exit":
        this.exit(typeof step.status === "number" ? step.status : this.data.cellOf(step.status));
        break;
      case "fail":
        this.fail(step, scope);
        break;
      case "attempt":
        this.attempt(step, scope);
        break;
      case "group":
        this.steps(step.steps, scope);
        break;
    }
  }

  private call(step: Call, scope: Scope): void {
    const { target } = this;
    if (step.accept !== "any") this.noteRecord(step.label ?? step.call, step, step.status ?? scope.status);
    const again = step.retry ? target.label() : undefined;
    if (again !== undefined) target.bind(again);
    this.syscall(step.call, step.args);
    if (again !== undefined) target.branch("==", -EINTR, again);
    if (step.into) target.keep(this.data.cellOf(step.into));
    if (step.accept === "any") return;
    if (!step.accept?.length) {
      target.branchFailed(scope.handler);
      return;
    }
    const accepted = target.label();
    for (const errno of step.accept) target.branch("==", -errno, accepted);
    target.branchFailed(scope.handler);
    target.bind(accepted);
  }

  private each({ columns, rows, body }: Each, scope: Scope): void {
    if (rows.length === 0) return;
    const { target, data } = this;
    const again = target.label();
    const end = target.label();
    const row = data.cell();
    const table = data.table(rows, columns.length);
    const rowBytes = wordBytes * columns.length;
    const tableEnd: Address = { kind: "address", offset: table.offset + rowBytes * rows.length };
    target.fetch(table);
    target.keep(row);
    target.bind(again);
    let offset = 0;
    for (const column of columns) {
      target.fetch(row);
      target.load(wordBytes, offset);
      target.keep(data.cellOf(column));
      offset += wordBytes;
    }
    this.steps(body, { ...scope, end });
    target.fetch(row);
    target.compute("add", rowBytes);
    target.keep(row);
    target.branch("!=", tableEnd, again);
    target.bind(end);
  }

  private fork(step: Fork, scope: Scope): void {
    const { target } = this;
    const child = target.label();
    const end = target.label();
    this.noteRecord(step.call, step, scope.status);
    this.syscall(step.call, step.args);
    target.branch("==", 0, child);
    target.keep(this.data.cellOf(step.into));
    target.branchFailed(scope.handler);
    target.jump(end);
    target.bind(child);
    this.process(step.child, step.failure);
    target.bind(end);
  }

  private fail(step: Fail, scope: Scope): void {
    const { target } = this;
    const status = typeof step.status === "number" ? step.status : scope.status;
    const record = this.record(step.step, step.what, status, this.hintList(step.hints));
    if (typeof step.status === "object") {
      target.fetch(this.data.cellOf(step.status));
      target.store(8, record, recordStatusOffset);
    }
    target.fetch(record);
    target.keep(this.runtime.failed);
    target.fetch(0);
    if (step.errno !== undefined) target.compute("sub", this.operand(step.errno));
    target.jump(step.silent ? scope.reported : scope.handler);
  }

  private attempt(step: Attempt, scope: Scope): void {
    const { target } = this;
    const end = target.label();
    const inner: Scope = { ...scope, handler: target.label(), reported: target.label() };
    this.steps(step.body, inner);
    target.jump(end);
    target.bind(inner.handler);
    target.keep(this.runtime.error);
    this.runtime.report();
    target.bind(inner.reported);
    if (step.resume) {
      this.steps(step.cleanup, scope);
    } else {
      // The clean-up has failures of its own to note; the status is that of the first one.
      const first = this.data.cell();
      target.fetch(this.runtime.failed);
      target.keep(first);
      this.steps(step.cleanup, scope);
      target.fetch(first);
      target.keep(this.runtime.failed);
      target.jump(scope.reported);
    }
    target.bind(end);
  }

  private compose(step: Compose): void {
    const { target } = this;
    this.runtime.startText(this.data.address(step.into), step.into.size);
    for (const part of step.parts) {
      if (typeof part === "string") this.runtime.appendText(this.data.string(part));
      else this.runtime.appendDecimal(this.data.cellOf(part));
    }
    if (step.length) {
      this.runtime.textLength();
      target.keep(this.data.cellOf(step.length));
    }
  }

  private unless(condition: Condition, label: Label): void {
    const opposite = { "==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<" } as const;
    this.target.fetch(this.operand(condition.left));
    this.target.branch(opposite[condition.test], this.operand(condition.right), label);
  }

  private exit(status: number | Cell): void {
    this.target.syscall(this.numbers.exit_group, [status]);
  }

  private syscall(name: SyscallName, args: readonly Value[]): void {
    const operands: Operand[] = [];
    for (const arg of args) operands.push(this.operand(arg));
    this.target.syscall(this.numbers[name], operands);
  }

  /** Before a call: what is reported if it fails. */
  private noteRecord(step: string, at: Call | Fork, status: number): void {
    const hints = this.hintList(at.hints ?? hintsFor(at.call));
    this.target.fetch(this.record(step, at.what, status, hints));
    this.target.keep(this.runtime.failed);
  }

  /** A failure's record, complete when the code so far has run. */
  private record(step: string, what: string | Area | Variable, status: number, hints: Address | 0): Address {
    const known = typeof what === "string";
    this.failures.push({ step, what: known ? what : what.name });
    const record = this.runtime.record(this.failures.length, step, known ? what : "", hints, status);
    if (!known) {
      this.target.fetch(what.kind === "area" ? this.data.address(what) : this.data.cellOf(what));
      this.target.store(wordBytes, record, recordWhatOffset);
    }
    return record;
  }

  private hintList(hints: Hints | undefined): Address | 0 {
    if (!hints) return 0;
    let address = this.hintLists.get(hints);
    if (!address) {
      const pairs: (number | Address)[] = [];
      for (const [errno, hint] of Object.entries(hints)) pairs.push(Number(errno), this.data.string(hint));
      pairs.push(0);
      address = this.data.record(pairs);
      this.hintLists.set(hints, address);
    }
    return address;
  }

  private operand(value: Value): Operand {
    if (typeof value === "object" && !(value instanceof Uint8Array) && value.kind === "variable") {
      return this.data.cellOf(value);
    }
    return this.data.operand(value);
  }
}
