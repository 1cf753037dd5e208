/**
 * The language of programs: what a process will do, as data.
 *
 * An applet decides and returns such a list; it can then be printed (`explain.ts`), tested against a fake
 * kernel (`interpreter.ts`), or assembled and run where no JavaScript can (`run.ts`). Every step that can
 * fail names what it acts on, so that each failure becomes one line: `ctrtool APPLET: step: what: ERRNO (text)`.
 * After a failure that no `attempt` resumes from, nothing more of the list is executed.
 */
import type { SyscallName } from "../sys/syscalls.ts";
import type { Hints } from "./hints.ts";
import type { Arithmetic, Test, Width } from "./target.ts";

/** A 64-bit value that is known only when the program runs. Descriptors live in these, so 0 to begin with. */
export interface Variable {
  readonly kind: "variable";
  readonly name: string;
}

/** Writable memory of `size` bytes, zero unless `initial` says otherwise. */
export interface Area {
  readonly kind: "area";
  readonly name: string;
  readonly size: number;
  readonly initial?: Uint8Array;
}

/** The address `offset` bytes into an area, an array of words, or a variable's 8 bytes. */
export interface Place {
  readonly kind: "place";
  readonly of: Area | Words | Variable;
  readonly offset: number;
}

/** The address of an array of 64-bit words: an argument vector (end it with 0), an iovec, a structure. */
export interface Words {
  readonly kind: "words";
  readonly items: readonly Constant[];
}

/**
 * Known before the program runs: a number, or the address of something. A string stands for the address of
 * its bytes (one char, one byte) and a NUL; a Uint8Array for the address of a copy of it.
 */
export type Constant = number | bigint | string | Uint8Array | Area | Place | Words;

/** An argument: a constant, or the content of a variable. */
export type Value = Constant | Variable;

/** What a comparison sees: signed 64-bit numbers. */
export interface Condition {
  readonly left: Value;
  readonly test: Test;
  readonly right: Value;
}

/** One system call. */
export interface Call {
  readonly kind: "call";
  readonly call: SyscallName;
  readonly args: readonly Value[];
  /** What it acts on, for messages: a text, or a variable that holds the address of one, on one line. */
  readonly what: string | Variable;
  /** Takes the raw result, also a tolerated error as a negative number. */
  readonly into?: Variable;
  /** Error numbers that are no failure; `any`: none is. */
  readonly accept?: readonly number[] | "any";
  /** Called again after EINTR. Not for calls that may have had an effect by then (close(2), dup2(2)). */
  readonly retry?: boolean;
  /** Exit status if this ends the program; the enclosing default otherwise. */
  readonly status?: number;
  /** The step's name in a failure message, where the system call's own would mislead. */
  readonly label?: string;
  /** Said after a failure with this error number, in place of the general hint for this call. */
  readonly hints?: Hints;
}

/** variable <- value */
export interface Set {
  readonly kind: "set";
  readonly into: Variable;
  readonly value: Value;
}

/** variable <- left operation right */
export interface Compute {
  readonly kind: "compute";
  readonly into: Variable;
  readonly left: Value;
  readonly operation: Arithmetic;
  readonly right: Value;
}

/** variable <- `width` bytes at an address, zero-extended. */
export interface Load {
  readonly kind: "load";
  readonly into: Variable;
  readonly from: Value;
  readonly offset: number;
  readonly width: Width;
}

/** `width` low bytes of value -> an address. */
export interface Store {
  readonly kind: "store";
  readonly to: Area | Place | Variable;
  readonly offset: number;
  readonly width: Width;
  readonly value: Value;
}

/** Writes text and a NUL into an area: strings as they are, variables in decimal. The length goes to `length`. */
export interface Compose {
  readonly kind: "compose";
  readonly into: Area;
  readonly parts: readonly (string | Variable)[];
  readonly length?: Variable;
}

export interface When {
  readonly kind: "when";
  readonly condition: Condition;
  readonly steps: readonly Step[];
  readonly otherwise: readonly Step[];
}

/** Repeats its body until a `leave` in it. */
export interface Loop {
  readonly kind: "loop";
  readonly body: readonly Step[];
}

export interface Leave {
  readonly kind: "leave";
}

/**
 * Repeats its body for each row, with the row's values in the variables of the columns. For operations that
 * differ in nothing but paths, so that a thousand of them take no more code than one.
 */
export interface Each {
  readonly kind: "each";
  readonly columns: readonly Variable[];
  readonly rows: readonly (readonly Constant[])[];
  readonly body: readonly Step[];
}

/**
 * A clone whose child runs a list of its own and then exits 0. The child has copies of all variables and
 * areas; a failure in it is reported by it and ends it, and only it, with `failure`.
 */
export interface Fork {
  readonly kind: "fork";
  readonly call: "clone" | "clone3";
  readonly args: readonly Value[];
  readonly what: string;
  readonly stage: string;
  readonly into: Variable;
  readonly child: readonly Step[];
  readonly failure: number;
  readonly hints?: Hints;
}

/** exit_group(2). */
export interface Exit {
  readonly kind: "exit";
  readonly status: number | Variable;
}

/** A failure that no system call reported. Without `errno` (a positive number) the message ends after `what`. */
export interface Fail {
  readonly kind: "fail";
  readonly step: string;
  readonly what: string | Area | Variable;
  readonly errno?: number | Variable;
  readonly status?: number | Variable;
  readonly hints?: Hints;
  /** Somebody else has told the user: clean up and end with the status, without a line. */
  readonly silent?: true;
}

/**
 * If a step of `body` fails, its line is printed, `cleanup` is run, and then either the failure goes on
 * outwards with its status, or (`resume`) the program goes on behind the attempt.
 */
export interface Attempt {
  readonly kind: "attempt";
  readonly body: readonly Step[];
  readonly cleanup: readonly Step[];
  readonly resume: boolean;
}

/**
 * Steps under a title, which is for the reader of `--explain`. A folded group is one thing to the reader: its
 * title says all that it does, and its steps are not shown.
 */
export interface Group {
  readonly kind: "group";
  /** A function where making the text takes work that only `--explain` has a use for. */
  readonly title: string | (() => string);
  readonly steps: readonly Step[];
  readonly folded?: true;
}

export type Step =
  | Call
  | Set
  | Compute
  | Load
  | Store
  | Compose
  | When
  | Loop
  | Each
  | Leave
  | Fork
  | Exit
  | Fail
  | Attempt
  | Group;

/** What a process will do: the steps in order, then exit 0 unless one of them ended it. */
export interface Program {
  /** The applet's name, the first word of its messages and the name ps(1) shows. */
  readonly applet: string;
  /** Exit status after a failure whose step names no other. */
  readonly failure: number;
  /** A descriptor that gets each failure as a line of JSON, besides the line on descriptor 2. */
  readonly statusDescriptor?: number;
  readonly steps: readonly Step[];
}

export function variable(name: string): Variable {
  return { kind: "variable", name };
}

/** Zeroed memory, or a writable copy of `content` if bytes are given. */
export function area(name: string, content: number | Uint8Array): Area {
  return typeof content === "number"
    ? { kind: "area", name, size: content }
    : { kind: "area", name, size: content.length, initial: content };
}

export function at(of: Area | Words | Variable, offset = 0): Place {
  return { kind: "place", of, offset };
}

export function words(items: readonly Constant[]): Words {
  return { kind: "words", items };
}

/** An argument or environment vector: the addresses of the items, and the 0 that ends it. */
export function vector(items: readonly Constant[]): Words {
  return { kind: "words", items: [...items, 0] };
}

type CallOptions = Omit<Call, "kind" | "call" | "args" | "what">;

/** A system call; `what` names its subject for messages. */
export function call(
  name: SyscallName,
  args: readonly Value[],
  what: string | Variable,
  options?: CallOptions,
): Call {
  return { kind: "call", call: name, args, what, ...options };
}

export function set(into: Variable, value: Value): Set {
  return { kind: "set", into, value };
}

export function compute(into: Variable, left: Value, operation: Arithmetic, right: Value): Compute {
  return { kind: "compute", into, left, operation, right };
}

export function load(into: Variable, from: Value, offset: number, width: Width): Load {
  return { kind: "load", into, from, offset, width };
}

export function store(to: Area | Place | Variable, offset: number, width: Width, value: Value): Store {
  return { kind: "store", to, offset, width, value };
}

export function compose(into: Area, parts: readonly (string | Variable)[], length?: Variable): Compose {
  return length ? { kind: "compose", into, parts, length } : { kind: "compose", into, parts };
}

export function when(
  left: Value,
  test: Test,
  right: Value,
  steps: readonly Step[],
  otherwise: readonly Step[] = [],
): When {
  return { kind: "when", condition: { left, test, right }, steps, otherwise };
}

export function loop(body: readonly Step[]): Loop {
  return { kind: "loop", body };
}

export function each(
  columns: readonly Variable[],
  rows: readonly (readonly Constant[])[],
  body: readonly Step[],
): Each {
  return { kind: "each", columns, rows, body };
}

export const leave: Leave = { kind: "leave" };

export function fork(options: Omit<Fork, "kind">): Fork {
  return { kind: "fork", ...options };
}

export function exit(status: number | Variable): Exit {
  return { kind: "exit", status };
}

export function fail(options: Omit<Fail, "kind">): Fail {
  return { kind: "fail", ...options };
}

export function attempt(body: readonly Step[], cleanup: readonly Step[], then: "resume" | "fail"): Attempt {
  return { kind: "attempt", body, cleanup, resume: then === "resume" };
}

export function group(title: Group["title"], steps: readonly Step[]): Group {
  return { kind: "group", title, steps };
}

/** A group whose title says everything. */
export function folded(title: Group["title"], steps: readonly Step[]): Group {
  return { kind: "group", title, steps, folded: true };
}
