/** Pipes between the processes of a program: pipe(2). */
import { area, call, folded, load, type Step, type Variable } from "../program/steps.ts";
import { O_CLOEXEC } from "../sys/constants.ts";

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
