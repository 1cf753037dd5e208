/** Waiting for a child, and its status as shells write it. */

import {
  type Area,
  area,
  call,
  compute,
  folded,
  leave,
  load,
  loop,
  type Step,
  type Value,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import { ECHILD } from "../sys/errno.ts";

const signalMask = 0x7f;
const signalBase = 128;

/**
 * Waits until the child `pid` has ended; its exit status, or 128 plus the signal that killed it, goes to
 * `into`, and that signal or 0 to `signal`. See wait4(2) for the layout of the status word.
 */
export function waitFor(pid: Value, what: string, into: Variable, signal = variable("signal")): Step[] {
  const status = area("wait status", 8);
  return [
    folded(`${into.name} = status of ${what}, waited for (128 + n after signal n)`, [
      call("wait4", [pid, status, 0, 0], what, { retry: true }),
      ...decodeStatus(status, into, signal),
    ]),
  ];
}

/**
 * As `waitFor`, and reaps every other child that ends before it: for the first process of a pid namespace,
 * to which orphans fall. `ended` takes the pid of each.
 */
export function waitForLast(pid: Variable, ended: Variable, into: Variable): Step[] {
  const status = area("wait status", 8);
  return [
    folded(`${into.name} = status of ${pid.name}, waited for; all other children are reaped meanwhile`, [
      loop([
        call("wait4", [-1, status, 0, 0], "a child", { into: ended, retry: true }),
        when(ended, "==", pid, [leave]),
      ]),
      ...decodeStatus(status, into, variable("signal")),
    ]),
  ];
}

/** Waits for a child whose status does not matter, or that may be gone already. */
export function reap(pid: Value, what: string): Step {
  return call("wait4", [pid, 0, 0, 0], what, { retry: true, accept: [ECHILD] });
}

/** A status word of wait4(2) as shells write it, and the signal that killed the process, or 0. */
export function decodeStatus(status: Area, into: Variable, signal: Variable): Step[] {
  const word = variable("status word");
  return [
    load(word, status, 0, 4),
    compute(signal, word, "and", signalMask),
    when(
      signal,
      "==",
      0,
      [compute(into, word, "shr", 8), compute(into, into, "and", 0xff)],
      [compute(into, signal, "add", signalBase)],
    ),
  ];
}
