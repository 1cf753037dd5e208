/** Running a script of the user's and waiting for it, in the midst of a program. */

import { area, attempt, compose, fail, fork, type Step, set, variable, when } from "../program/steps.ts";
import { CLONE_VFORK, CLONE_VM, SIGCHLD } from "../sys/constants.ts";
import { notFound } from "./exec.ts";
import { waitFor } from "./wait.ts";

const scriptFailure = 125;

/**
 * Runs a script in a process of its own, which does `process` and executes it; unless it exits 0, that is a
 * failure, with the script's status, or 127 after a signal. `name` is the script in messages.
 */
export function runScript(name: string, process: readonly Step[]): Step[] {
  const pid = variable("script");
  const status = variable("script status");
  const signal = variable("script signal");
  const said = variable("script not executed");
  const text = area("script's end", 64);
  return [
    // As vfork(2): the child runs in our memory, so that it can note what it has said itself.
    fork({
      call: "clone",
      args: [CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0],
      what: name,
      stage: "the script",
      into: pid,
      failure: scriptFailure,
      child: [attempt(process, [set(said, 1)], "fail")],
    }),
    ...waitFor(pid, name, status, signal),
    when(status, "!=", 0, [
      when(said, "!=", 0, [fail({ step: "script", what: name, status, silent: true })]),
      when(signal, "!=", 0, [
        compose(text, ["it was killed by signal ", signal]),
        fail({ step: "script", what: text, status: notFound }),
      ]),
      compose(text, ["it ended with status ", status]),
      fail({ step: "script", what: text, status }),
    ]),
  ];
}
