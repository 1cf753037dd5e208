/** Signals: signal(7) names and numbers. */
import { SIGKILL, SIGRTMAX, SIGSTOP, signalNumbers } from "../../sys/constants.ts";
import { quote, UsageError } from "../failure.ts";
import { suggestion } from "../nearest.ts";
import { readNumber } from "./number.ts";
import { type Reader, reader } from "./reader.ts";

/** What programs call SIGRTMIN: the C library keeps the kernel's 32 and 33 for its threads. */
const RTMIN = 34;
const HIGHEST = BigInt(SIGRTMAX);

function realTime(text: string, name: string): number | undefined {
  const [, base, distance = "0"] = /^(rtmin|rtmax)(?:[+-]([0-9]{1,2}))?$/.exec(name) ?? [];
  if (base === undefined) return undefined;
  const downwards = name.includes("-");
  if (distance !== "0" && downwards !== (base === "rtmax")) {
    throw new UsageError(`${quote(text)} is not a signal (rtmin+N and rtmax-N are)`);
  }
  const signal = base === "rtmin" ? RTMIN + Number(distance) : SIGRTMAX - Number(distance);
  if (signal < RTMIN || signal > SIGRTMAX) throw new UsageError(`${quote(text)} is out of range`);
  return signal;
}

function readSignal(text: string): number {
  const name = text.toLowerCase().replace(/^sig/, "");
  if (/^[0-9]/.test(name)) return Number(readNumber(name, "c", HIGHEST, 1n));
  const numbers = signalNumbers();
  const named = Object.hasOwn(numbers, name) ? numbers[name] : realTime(text, name);
  if (named !== undefined) return named;
  throw new UsageError(`${quote(text)} is not a signal${suggestion(name, Object.keys(numbers))}`);
}

/** Every signal that a program can block or ignore, but for those of the C library's own threads. */
function allSignals(): number[] {
  const reserved = [SIGKILL, SIGSTOP, RTMIN - 2, RTMIN - 1];
  return Array.from({ length: SIGRTMAX }, (_, index) => index + 1).filter((n) => !reserved.includes(n));
}

/**
 * One signal, 1 to 64: a number in C base 0, or a name in any case, with or without `SIG`; real-time signals
 * also as `rtmin`, `rtmin+N`, `rtmax-N`, `rtmax`, counted as the shell's `kill -l` does.
 */
export const signal: Reader<number> = reader(readSignal);

/** One or more signals, separated by commas; `all` stands for all that a program can block or ignore. */
export const signals: Reader<readonly number[]> = reader((text) =>
  text.split(",").flatMap((item) => (item.toLowerCase() === "all" ? allSignals() : [readSignal(item)])),
);
