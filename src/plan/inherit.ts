/**
 * What a process was given and has to hand on: the runtime (and we) change signal actions and a limit for
 * ourselves, and a program that is executed must not notice.
 */

import { call, folded, type Step } from "../program/steps.ts";
import {
  RLIMIT_NOFILE,
  SIG_BLOCK,
  SIG_DFL,
  SIG_IGN,
  SIG_SETMASK,
  SIG_UNBLOCK,
  SIGCHLD,
  SIGKILL,
  SIGPIPE,
  SIGSTOP,
  SIGXFSZ,
} from "../sys/constants.ts";
import type { Given } from "../sys/given.ts";
import { rlimit64, sigaction, sigset } from "../sys/structs.ts";

/** What a program gets from us unless asked otherwise. */
export type Inherited = Pick<Given, "ignoredSignals" | "blockedSignals" | "nofile">;

/** Signals that the runtime ignores for itself. */
const ignoredByRuntime = [SIGPIPE, SIGXFSZ];
const signalBytes = 8;
const highestSignal = 64;

/** Sets the action of a signal, see sigaction(2). SIGKILL and SIGSTOP cannot be asked for. */
export function setAction(signal: number, action: typeof SIG_DFL | typeof SIG_IGN): Step {
  const handler = BigInt(action);
  const bytes = sigaction.pack({ sa_handler: handler });
  return call("rt_sigaction", [signal, bytes, 0, signalBytes], `signal ${signal}`);
}

/** Sets the signal mask; bit n-1 is signal n. */
export function setMask(how: number, mask: bigint): Step {
  return call("rt_sigprocmask", [how, sigset.pack({ mask }), 0, signalBytes], "the signal mask");
}

/**
 * Puts back what the process was given, right before an exec: ignored signals, the signal mask, the limit on
 * descriptors. Descriptors need nothing: ours are close-on-exec, given ones are not.
 */
export function restoreInherited(given: Inherited): Step[] {
  const ignored: number[] = [];
  for (let signal = 1; signal <= highestSignal; signal++) {
    const possible = signal !== SIGKILL && signal !== SIGSTOP;
    if (possible && isIgnored(given, signal)) ignored.push(signal);
  }
  const steps = [
    ...ignoredByRuntime
      .filter((signal) => !isIgnored(given, signal))
      .map((signal) => setAction(signal, SIG_DFL)),
    ...ignored.map((signal) => setAction(signal, SIG_IGN)),
    setMask(SIG_SETMASK, given.blockedSignals),
    call(
      "prlimit64",
      [0, RLIMIT_NOFILE, rlimit64.pack({ rlim_cur: given.nofile.soft, rlim_max: given.nofile.hard }), 0],
      "the limit on open files",
    ),
  ];
  return [folded("signals, signal mask and limit on open files become as they were given", steps)];
}

/**
 * For a process that waits for children. With SIGCHLD ignored, as a caller may leave it, their status is lost;
 * with SIGCHLD blocked, it would be pending in the program that is executed afterwards.
 */
export function keepChildStatus(given: Inherited): Step[] {
  return [
    ...(isIgnored(given, SIGCHLD) ? [setAction(SIGCHLD, SIG_DFL)] : []),
    ...(isBlocked(given, SIGCHLD) ? [setMask(SIG_UNBLOCK, maskOf(SIGCHLD))] : []),
  ];
}

/** Undoes `keepChildStatus`, for a process that goes on to execute a program. */
export function restoreChildStatus(given: Inherited): Step[] {
  return [
    ...(isIgnored(given, SIGCHLD) ? [setAction(SIGCHLD, SIG_IGN)] : []),
    ...(isBlocked(given, SIGCHLD) ? [setMask(SIG_BLOCK, maskOf(SIGCHLD))] : []),
  ];
}

function isIgnored(given: Inherited, signal: number): boolean {
  return (given.ignoredSignals & maskOf(signal)) !== 0n;
}

function isBlocked(given: Inherited, signal: number): boolean {
  return (given.blockedSignals & maskOf(signal)) !== 0n;
}

function maskOf(signal: number): bigint {
  return 1n << BigInt(signal - 1);
}
