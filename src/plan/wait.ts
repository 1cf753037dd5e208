/** Waiting for a child, and its status as shells write it. */

import {
  area,
  call,
  compute,
  load,
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
 * `into`. See wait4(2) for the layout of the status word.
 */
export function waitFor(pid: Value, what: string, into: Variable): Step[] {
  const status = area("wait status", 8);
  const word = variable("status word");
  return [
    call("wait4", [pid, status, 0, 0], what, { retry: true }),
    load(word, status, 0, 4),
    compute(into, word, "and", signalMask),
    when(
      into,
      "==",
      0,
      [compute(into, word, "shr", 8), compute(into, into, "and", 0xff)],
      [compute(into, into, "add", signalBase)],
    ),
  ];
}

/** Waits for a child whose status does not matter, or that may be gone already. */
export function reap(pid: Value, what: string): Step {
  return call("wait4", [pid, 0, 0, 0], what, { retry: true, accept: [ECHILD] });
}
