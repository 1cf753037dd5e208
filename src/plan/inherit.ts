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
import type { Given, Limit } from "../sys/given.ts";
import { filter, map } from "../sys/lists.ts";
import { rlimit64, sigaction, sigset } from "../sys/structs.ts";

/** What a program gets from us unless asked otherwise. */
export type Inherited = Pick<Given, "ignoredSignals" | "blockedSignals" | "nofile" | "raised">;

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

function setLimit(resource: number, { soft, hard }: Limit, what: string): Step {
  return call("prlimit64", [0, resource, rlimit64.pack({ rlim_cur: soft, rlim_max: hard }), 0], what);
}

/**
 * Puts back what the process was given, right before an exec: ignored signals, the signal mask, limits.
 * Descriptors need nothing: ours are close-on-exec, given ones are not.
 */
export function restoreInherited(given: Inherited): Step[] {
  const defaults = filter(ignoredByRuntime, (signal) => !isIgnored(given, signal));
  const steps = [
    ...map(defaults, (signal) => setAction(signal, SIG_DFL)),
    ...map(ignoredSignals(given), (signal) => setAction(signal, SIG_IGN)),
    setMask(SIG_SETMASK, given.blockedSignals),
    setLimit(RLIMIT_NOFILE, given.nofile, "the limit on open files"),
    ...map(given.raised, (limit) => setLimit(limit.resource, limit, `limit ${limit.resource}`)),
  ];
  return [folded("signals, signal mask and limits become as they were given", steps)];
}

function ignoredSignals(given: Inherited): number[] {
  const ignored: number[] = [];
  for (let signal = 1; signal <= highestSignal; signal++) {
    const possible = signal !== SIGKILL && signal !== SIGSTOP;
    if (possible && isIgnored(given, signal)) ignored.push(signal);
  }
  return ignored;
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
