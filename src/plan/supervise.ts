/** Waiting for a child while passing signals on to it. */
import { area, call, leave, load, loop, type Step, type Variable, variable, when } from "../program/steps.ts";
import { SIG_BLOCK, SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, WNOHANG } from "../sys/constants.ts";
import { EINTR } from "../sys/errno.ts";
import { siginfo, sigset } from "../sys/structs.ts";
import { setMask } from "./inherit.ts";
import { decodeStatus } from "./wait.ts";

/** Sent by the kernel itself: to all of the terminal's foreground process group, so the child has it already. */
const SI_KERNEL = 0x80;
const signalBytes = 8;
const allSignals = (1n << 64n) - 1n;

/** Job control is the shell's business with us; it stops and continues the child by itself. */
const notForwarded = [SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT];
const forwarded = notForwarded.reduce((set, signal) => set & ~(1n << BigInt(signal - 1)), allSignals);

/** Keeps signals for `forwardAndWait`; to be done before the child can be meant by them, so that none is lost. */
export function holdSignals(): Step {
  return setMask(SIG_BLOCK, forwarded);
}

/**
 * Waits until the child has ended, and sends it every signal that comes meanwhile, once and in order. Signals
 * that the terminal sends are left out if the child gets them itself (`sharesTerminal`). Its exit status, or
 * 128 plus the signal that killed it, goes to `into`.
 */
export function forwardAndWait(pid: Variable, what: string, into: Variable, sharesTerminal: boolean): Step[] {
  const info = area("signal", siginfo.size);
  const status = area("wait status", 8);
  const signal = variable("signal");
  const code = variable("signal's origin");
  const ended = variable("ended");
  const forward = [call("kill", [pid, signal], what, { accept: "any" })];
  return [
    loop([
      // First: it may have ended before signals were held.
      call("wait4", [pid, status, WNOHANG, 0], what, { into: ended }),
      when(ended, "==", pid, [leave]),
      call("rt_sigtimedwait", [sigset.pack({ mask: forwarded }), info, 0, signalBytes], "a signal", {
        into: signal,
        accept: [EINTR],
      }),
      when(signal, ">", 0, [
        when(signal, "!=", SIGCHLD, [
          load(code, info, siginfo.offset("si_code"), 4),
          ...(sharesTerminal ? [when(code, "!=", SI_KERNEL, forward)] : forward),
        ]),
      ]),
    ]),
    ...decodeStatus(status, into, variable("fatal signal")),
  ];
}
