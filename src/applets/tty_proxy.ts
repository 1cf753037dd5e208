/**
 * Runs a program on a terminal or pipes of its own, so that it never holds a descriptor of the user's real
 * terminal: it can neither push characters into the shell that started it nor change that terminal's modes.
 *
 *     we                                  the program's process
 *     terminal or pipes, relay, clone --> new session, its controlling terminal
 *     <---- its end of a pipe closes ---- exec
 *     raw mode, relay
 */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { decimal, U32_MAX, unsigned } from "../cli/values/number.ts";
import { path } from "../cli/values/text.ts";
import {
  acquireTerminal,
  type Channel,
  closeEnds,
  installEnds,
  openChannel,
  ownChannel,
  pipeChannel,
  terminalChannel,
} from "../plan/channel.ts";
import { exec, execution } from "../plan/exec.ts";
import { keepChildStatus, restoreInherited } from "../plan/inherit.ts";
import { openPipe } from "../plan/pipe.ts";
import { defaultGrace, relay } from "../plan/relay.ts";
import { defaultMultiplexer, lookAtTerminal, outerTerminal } from "../plan/terminal.ts";
import { reap, waitFor } from "../plan/wait.ts";
import {
  area,
  attempt,
  call,
  exit,
  fork,
  type Program,
  type Step,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import { SIGCHLD, SIGKILL } from "../sys/constants.ts";
import type { Given } from "../sys/given.ts";

const failure = 125;
const largestSize = 0xffff;
const longestGrace = 86_400;

export const spec = defineSpec({
  name: "tty_proxy",
  summary: "run PROGRAM on a terminal of its own, or on pipes",
  usage: "PROGRAM [ARG]...",
  operands: v.tupleWithRest([v.string()], v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  options: {
    columns: {
      short: "w",
      long: "columns",
      metavar: "N",
      value: decimal(largestSize),
      default: "0: those of the terminal on stdin",
      help: "width of the new terminal",
    },
    rows: {
      short: "h",
      long: "rows",
      metavar: "N",
      value: decimal(largestSize),
      default: "0: those of the terminal on stdin",
      help: "height of the new terminal",
    },
    multiplexer: {
      short: "p",
      long: "ptmx",
      metavar: "PTMX",
      value: path,
      default: defaultMultiplexer,
      help: "pty multiplexer to open",
    },
    pipes: { short: "T", long: "pipes", help: "pipes for stdin and stdout instead of a terminal" },
    separateErrors: { short: "e", long: "separate-stderr", help: "a pipe of its own for stderr" },
    uid: {
      long: "tty-owner-uid",
      metavar: "UID",
      value: unsigned(U32_MAX - 1),
      help: "owner of the terminal or pipes",
      added: true,
    },
    gid: {
      long: "tty-owner-gid",
      metavar: "GID",
      value: unsigned(U32_MAX - 1),
      help: "their group",
      added: true,
    },
    noLinger: {
      long: "no-linger",
      help: "end with PROGRAM, even if background processes of it hold its pipes",
      added: true,
    },
    grace: {
      long: "grace",
      metavar: "SECONDS",
      value: decimal(longestGrace),
      default: `${defaultGrace}`,
      help: "after SIGTERM, SIGHUP and the like, what PROGRAM has to end before it is hung up",
      added: true,
    },
    tellUnread: {
      long: "tell-unread",
      help: "say how many bytes of stdin PROGRAM has not taken",
      added: true,
    },
  },
  details: [
    {
      title: "Signals",
      lines: [
        "Signals are passed on to PROGRAM. After one that asks for the end, other than SIGINT and SIGQUIT,",
        "PROGRAM has some time; then its terminal is hung up (its pipes are closed) and tty_proxy ends by the",
        "signal. The modes of the terminal on stdin are restored in any case.",
      ],
    },
  ],
  examples: ["tty_proxy sh -c 'tty; stty size'", "tty_proxy -T -e make"],
});

type Options = Input<typeof spec>["options"];

function chosenChannel(options: Options): Channel {
  const { columns = 0, rows = 0, multiplexer, pipes } = options;
  if (!pipes) {
    return terminalChannel(multiplexer ?? defaultMultiplexer, {
      ...(columns === 0 ? {} : { columns }),
      ...(rows === 0 ? {} : { rows }),
    });
  }
  const others: [unknown, string][] = [
    [options.columns, "columns"],
    [options.rows, "rows"],
    [multiplexer, "ptmx"],
  ];
  for (const [value, name] of others) {
    if (value !== undefined) throw new UsageError(`--${name} has no effect with --pipes`);
  }
  return pipeChannel();
}

export function plan({ options, operands }: Input<typeof spec>, given: Given): Program {
  const channel = chosenChannel(options);
  const outer = outerTerminal();
  const [pid, status] = [variable("program"), variable("status")];
  const result = { read: variable("exec.read"), write: variable("exec.write") };
  const { uid = -1, gid = -1 } = options;
  const relaying = relay(
    {
      channel,
      outer,
      pid,
      lingers: !options.noLinger,
      graceSeconds: options.grace ?? defaultGrace,
      tellsUnread: options.tellUnread,
    },
    status,
    given,
  );
  return {
    applet: spec.name,
    failure,
    steps: [
      ...keepChildStatus(given),
      lookAtTerminal(outer),
      ...openChannel(channel, outer, options.separateErrors ? 1 : 0),
      ...(uid === -1 && gid === -1 ? [] : ownChannel(channel, uid, gid)),
      openPipe(result, "the result of exec"),
      ...relaying.prepare,
      fork({
        call: "clone",
        args: [SIGCHLD, 0, 0, 0, 0],
        what: "the program's process",
        stage: "the program's process",
        into: pid,
        child: [attempt(inChild(channel, operands, given), [tellFailure(result.write)], "fail")],
        failure,
      }),
      attempt(
        [
          ...closeEnds(channel.far),
          call("close", [result.write], "the result of exec"),
          ...awaitExec(result.read, pid),
        ],
        [
          call("kill", [pid, SIGKILL], "the program's process", { accept: "any" }),
          reap(pid, "the program's process"),
        ],
        "fail",
      ),
      ...relaying.run,
      exit(status),
    ],
  };
}

function inChild(channel: Channel, words: readonly [string, ...string[]], given: Given): Step[] {
  const { install, undo } = installEnds(channel.far);
  return [
    call("setsid", [], "a new session"),
    ...acquireTerminal(channel),
    ...restoreInherited(given),
    ...install,
    ...exec({ ...execution(words, given.environment), beforeFailure: undo }),
  ];
}

/** A byte says that the program's process has told its failure; the pipe's end, that it is the program. */
function tellFailure(pipe: Variable): Step {
  return call("write", [pipe, "!", 1], "the result of exec", { accept: "any" });
}

function awaitExec(pipe: Variable, pid: Variable): Step[] {
  const [bytes, status] = [variable("bytes"), variable("status")];
  return [
    call("read", [pipe, area("byte", 8), 1], "the result of exec", { into: bytes, retry: true }),
    when(bytes, "!=", 0, [...waitFor(pid, "the program's process", status), exit(status)]),
    call("close", [pipe], "the result of exec"),
  ];
}

export default applet({ spec, plan });
