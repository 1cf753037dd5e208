/** Programs in words: what `--explain` prints, like strace(1) before the fact. Nothing here can act. */

import { errnoName } from "../sys/errno.ts";
import { oneLine } from "../sys/failure.ts";
import { describeConstant, describeFlags, type GroupName } from "../sys/names.ts";
import { mount_attr, open_how } from "../sys/structs.ts";
import type { SyscallName } from "../sys/syscalls.ts";
import type { Call, Constant, Fork, Program, Step, Value } from "./steps.ts";

/** How the arguments of a call read: flags or a constant of a group, a mode, a directory descriptor, a structure. */
type Reading =
  | ""
  | "mode"
  | "at"
  | "environment"
  | "open_how"
  | "mount_attr"
  | `flags ${GroupName}`
  | `one ${GroupName}`;

const readings: Partial<Record<SyscallName, readonly Reading[]>> = {
  clone: ["flags CLONE"],
  unshare: ["flags CLONE"],
  setns: ["", "flags CLONE"],
  mount: ["", "", "", "flags MS"],
  umount2: ["", "flags MNT"],
  mkdirat: ["at", "", "mode"],
  mknodat: ["at", "", "mode"],
  symlinkat: ["", "at"],
  unlinkat: ["at", "", "flags AT"],
  openat: ["at", "", "flags O", "mode"],
  openat2: ["at", "", "open_how"],
  fchmod: ["", "mode"],
  fchmodat: ["at", "", "mode"],
  umask: ["mode"],
  open_tree: ["at", "", "flags OPEN_TREE"],
  move_mount: ["at", "", "at", "", "flags MOVE_MOUNT"],
  mount_setattr: ["at", "", "flags AT", "mount_attr"],
  fsopen: ["", "flags FSOPEN"],
  fsconfig: ["", "one FSCONFIG"],
  fsmount: ["", "flags FSMOUNT", "flags MOUNT_ATTR"],
  prctl: ["one PR"],
  prlimit64: ["", "one RLIMIT"],
  fcntl: ["", "one F"],
  pipe2: ["", "flags O"],
  dup3: ["", "", "flags O"],
  execve: ["", "", "environment"],
  execveat: ["at", "", "", "environment", "flags AT"],
  renameat: ["at", "", "at"],
  renameat2: ["at", "", "at", "", "flags RENAME"],
  rt_sigaction: ["one SIG"],
  rt_sigprocmask: ["one SIG_HOW"],
  kill: ["", "one SIG"],
  pidfd_send_signal: ["", "one SIG"],
  memfd_create: ["", "flags MFD"],
  ioctl: ["", "one IOCTL"],
  waitid: ["one P"],
  socket: ["one AF", "flags SOCK"],
  socketpair: ["one AF", "flags SOCK"],
  flock: ["", "flags LOCK"],
  faccessat2: ["at", "", "", "flags AT_ACCESS"],
  linkat: ["at", "", "at", "", "flags AT"],
};

const atCwd = -100;
const longestBytes = 24;

/** The whole program, a line a step. */
export function explain(program: Program): string {
  const lines = [`${program.applet} would do this (a failure ends it with status ${program.failure}):`];
  describeSteps(program.steps, 1, lines);
  return `${lines.join("\n")}\n`;
}

/** System calls as a test compares them: name and arguments in the form that `explain` prints. */
export function calls(steps: readonly Step[]): string[] {
  const lines: string[] = [];
  describeSteps(steps, 0, lines);
  return lines.map((line) => line.trim());
}

function describeSteps(steps: readonly Step[], depth: number, lines: string[]): void {
  for (const step of steps) describe(step, depth, lines);
}

function describe(step: Step, depth: number, lines: string[]): void {
  const say = (text: string): void => {
    // Titles and names may have bytes of arguments in them.
    lines.push("  ".repeat(depth) + oneLine(text));
  };
  const inner = (steps: readonly Step[]): void => describeSteps(steps, depth + 1, lines);
  switch (step.kind) {
    case "call":
      say(`${describeCall(step)}${afterCall(step)}`);
      break;
    case "set":
      say(`${step.into.name} = ${show(step.value)}`);
      break;
    case "compute":
      say(`${step.into.name} = ${show(step.left)} ${step.operation} ${show(step.right)}`);
      break;
    case "load":
      say(`${step.into.name} = ${8 * step.width} bits of ${show(step.from)} at ${step.offset}`);
      break;
    case "store":
      say(`${8 * step.width} bits of ${show(step.to)} at ${step.offset} = ${show(step.value)}`);
      break;
    case "compose":
      say(
        `${step.into.name} = text ${step.parts.map((part) => (typeof part === "string" ? quote(part) : part.name)).join(" ")}`,
      );
      break;
    case "when": {
      const { left, test, right } = step.condition;
      say(`when ${show(left)} ${test} ${show(right)}:`);
      inner(step.steps);
      if (step.otherwise.length > 0) {
        say("otherwise:");
        inner(step.otherwise);
      }
      break;
    }
    case "loop":
      say("repeat:");
      inner(step.body);
      break;
    case "each":
      say(`for each of ${step.columns.map(({ name }) => name).join(", ")}:`);
      for (const row of step.rows) say(`- ${row.map(show).join(", ")}`);
      inner(step.body);
      break;
    case "leave":
      say("leave the repetition");
      break;
    case "fork":
      say(`${describeCall(step)} -> ${step.into.name}`);
      say(`in the new process, ${step.stage} (a failure ends it with status ${step.failure}):`);
      inner(step.child);
      break;
    case "exit":
      say(`exit with status ${typeof step.status === "number" ? step.status : step.status.name}`);
      break;
    case "fail":
      say(`fail: ${step.step}: ${typeof step.what === "string" ? step.what : step.what.name}`);
      break;
    case "attempt":
      inner(step.body);
      say(step.resume ? "after a failure of these, go on, first:" : "after a failure of these, fail, first:");
      inner(step.cleanup);
      break;
    case "group": {
      const title = typeof step.title === "string" ? step.title : step.title();
      say(step.folded ? title : `${title}:`);
      if (!step.folded) inner(step.steps);
      break;
    }
  }
}

function describeCall(step: Call | Fork): string {
  const reading = readings[step.call] ?? [];
  return `${step.call}(${step.args.map((arg, index) => showAs(arg, reading[index] ?? "")).join(", ")})`;
}

function afterCall(step: Call): string {
  const into = step.into ? ` -> ${step.into.name}` : "";
  if (step.accept === "any") return `${into} (may fail)`;
  return step.accept?.length ? `${into} (${step.accept.map(errnoName).join(", ")} is fine)` : into;
}

function showAs(value: Value, reading: Reading): string {
  // Values of variables may be secret.
  if (reading === "environment") return "environment";
  if (value instanceof Uint8Array) {
    if (reading === "open_how") return showOpenHow(value);
    if (reading === "mount_attr") return showMountAttr(value);
  }
  if (typeof value !== "number" && typeof value !== "bigint") return show(value);
  if (reading === "mode") return `0${value.toString(8)}`;
  if (reading === "at" && Number(value) === atCwd) return "AT_FDCWD";
  const space = reading.indexOf(" ");
  if (space < 0) return show(value);
  const group = reading.slice(space + 1);
  return reading.startsWith("flags") ? describeFlags(group, value) : describeConstant(group, value);
}

/** openat2(2) */
function showOpenHow(bytes: Uint8Array): string {
  const { flags, mode, resolve } = open_how.unpack(bytes);
  const parts = [describeFlags("O", flags)];
  if (mode !== 0n) parts.push(`0${mode.toString(8)}`);
  if (resolve !== 0n) parts.push(describeFlags("RESOLVE", resolve));
  return `{${parts.join(", ")}}`;
}

/** mount_setattr(2) */
function showMountAttr(bytes: Uint8Array): string {
  const { attr_set, attr_clr, propagation } = mount_attr.unpack(bytes);
  const parts: string[] = [];
  if (attr_set !== 0n) parts.push(`set ${describeFlags("MOUNT_ATTR", attr_set)}`);
  if (attr_clr !== 0n) parts.push(`clear ${describeFlags("MOUNT_ATTR", attr_clr)}`);
  if (propagation !== 0n) parts.push(describeFlags("MS", propagation));
  return `{${parts.join(", ")}}`;
}

function show(value: Value): string {
  if (typeof value === "number" || typeof value === "bigint") return value.toString();
  if (typeof value === "string") return quote(value);
  if (value instanceof Uint8Array) return showBytes(value);
  switch (value.kind) {
    case "variable":
      return value.name;
    case "area":
      return `&${value.name}`;
    case "place":
      return `&${value.of.kind === "words" ? "words" : value.of.name}${value.offset ? `+${value.offset}` : ""}`;
    case "words":
      return showWords(value.items);
  }
}

function showWords(items: readonly Constant[]): string {
  const ended = items.at(-1) === 0 ? items.slice(0, -1) : items;
  return `[${ended.map(show).join(", ")}]`;
}

function showBytes(bytes: Uint8Array): string {
  const hex = Array.from(bytes.subarray(0, longestBytes), (byte) => byte.toString(16).padStart(2, "0")).join(
    " ",
  );
  return bytes.length > longestBytes ? `{${hex} ... ${bytes.length} bytes}` : `{${hex}}`;
}

function quote(text: string): string {
  return `"${oneLine(text).replaceAll('"', '\\"')}"`;
}
