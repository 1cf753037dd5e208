/**
 * A program's standard input, output and error as descriptors of ours: a pseudo-terminal, or pipes. The near
 * ends stay here, the far ends become 0, 1 and 2 of the program. All of them are close-on-exec.
 */
import { call, type Step, set, type Value, type Variable, variable, when } from "../program/steps.ts";
import { AT_FDCWD, F_DUPFD_CLOEXEC, TIOCSCTTY } from "../sys/constants.ts";
import { openPipe } from "./pipe.ts";
import { type OuterTerminal, openMultiplexer, setUpTerminal, type WindowSize } from "./terminal.ts";

/** Descriptors for input, output and error of the program; -1: none of its own. */
export interface Ends {
  readonly input: Variable;
  readonly output: Variable;
  readonly error: Variable;
}

export type Channel = {
  readonly far: Ends;
  /** With a terminal, input and output are one variable, the master. */
  readonly near: Ends;
} & (
  | { readonly form: "pipes" }
  | { readonly form: "terminal"; readonly multiplexer: string; readonly size: WindowSize }
);

/** Undefined: unchanged. */
export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/** The descriptors of a channel that is made of pipes. */
export function pipeChannel(): Channel {
  return { form: "pipes", near: ends("near"), far: ends("far") };
}

/** The descriptors of a channel through a pseudo-terminal of `multiplexer`. */
export function terminalChannel(multiplexer: string, size: WindowSize): Channel {
  const near = ends("near");
  return { form: "terminal", multiplexer, size, near: { ...near, output: near.input }, far: ends("far") };
}

function ends(side: string): Ends {
  return {
    input: variable(`${side} input`),
    output: variable(`${side} output`),
    error: variable(`${side} error`),
  };
}

/** Makes a channel, with a pipe for the program's errors if `separateErrors` is not 0. */
export function openChannel(channel: Channel, outer: OuterTerminal, separateErrors: Value): Step[] {
  const { near, far } = channel;
  return [
    ...(channel.form === "pipes"
      ? [
          openPipe({ read: far.input, write: near.input }, "the input pipe"),
          openPipe({ read: near.output, write: far.output }, "the output pipe"),
        ]
      : [
          openMultiplexer(AT_FDCWD, channel.multiplexer, near.input),
          ...setUpTerminal(
            { master: near.input, slaves: [far.input, far.output] },
            channel.multiplexer,
            outer,
            channel.size,
          ),
        ]),
    set(near.error, -1),
    set(far.error, -1),
    when(separateErrors, "!=", 0, [openPipe({ read: near.error, write: far.error }, "the error pipe")]),
  ];
}

/** Gives the far ends to somebody else, see fchown(2). */
export function ownChannel(channel: Channel, uid: Value, gid: Value): Step[] {
  const { input, output, error } = channel.far;
  const own = (fd: Variable): Step => call("fchown", [fd, uid, gid], "the owner of terminal or pipes");
  const others = channel.form === "pipes" ? [own(output)] : [];
  return [own(input), ...others, when(error, ">=", 0, [own(error)])];
}

/** The distinct descriptors of one side, closed. */
export function closeEnds(side: Ends): Step[] {
  const { input, output, error } = side;
  const close = (fd: Variable): Step => call("close", [fd], fd.name);
  return [...[...new Set([input, output])].map(close), when(error, ">=", 0, [close(error)])];
}

/** In the program's process, a session leader: the terminal becomes the session's. */
export function acquireTerminal(channel: Channel): Step[] {
  if (channel.form === "pipes") return [];
  return [
    call("ioctl", [channel.far.input, TIOCSCTTY, 0], "the controlling terminal", { label: "TIOCSCTTY" }),
  ];
}

/** The far ends as 0, 1 and 2, right before an exec; and what makes a failure of that exec visible. */
export interface Installation {
  readonly install: readonly Step[];
  /** Gives standard error back. */
  readonly undo: readonly Step[];
}

export function installEnds({ input, output, error }: Ends): Installation {
  const kept = variable("standard error");
  const errors = variable("errors");
  const onto = (fd: Variable, target: number): Step => call("dup3", [fd, target, 0], `descriptor ${target}`);
  return {
    install: [
      call("fcntl", [2, F_DUPFD_CLOEXEC, 3], "standard error", { into: kept, accept: "any" }),
      onto(input, 0),
      onto(output, 1),
      set(errors, error),
      when(errors, "<", 0, [set(errors, output)]),
      onto(errors, 2),
    ],
    undo: [when(kept, ">=", 0, [call("dup3", [kept, 2, 0], "standard error", { accept: "any" })])],
  };
}
