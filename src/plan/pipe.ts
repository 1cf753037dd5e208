/** Pipes and socket pairs between the processes of a program: pipe(2), socketpair(2). */
import { area, call, folded, load, type Step, type Variable } from "../program/steps.ts";
import { AF_UNIX, O_CLOEXEC, SOCK_CLOEXEC } from "../sys/constants.ts";

/** A pipe's two descriptors. */
export interface Pipe {
  readonly read: Variable;
  readonly write: Variable;
}

/** Makes a pipe, close-on-exec; `what` names it in messages. */
export function openPipe(ends: Pipe, what: string): Step {
  const pair = area(what, 8);
  return folded(`${ends.read.name}, ${ends.write.name} = pipe2(O_CLOEXEC)`, [
    call("pipe2", [pair, O_CLOEXEC], what),
    load(ends.read, pair, 0, 4),
    load(ends.write, pair, 4, 4),
  ]);
}

/** Makes a pair of connected unix sockets of a type (SOCK_STREAM and its like), close-on-exec. */
export function openSocketPair(type: number, ends: readonly [Variable, Variable], what: string): Step {
  const pair = area(what, 8);
  const [one, other] = ends;
  return folded(`${one.name}, ${other.name} = socketpair of type ${type}, close-on-exec`, [
    call("socketpair", [AF_UNIX, type | SOCK_CLOEXEC, 0, pair], what),
    load(one, pair, 0, 4),
    load(other, pair, 4, 4),
  ]);
}
