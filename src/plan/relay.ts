/**
 * The relay: bytes between our standard descriptors and a program's, signals to the program, its status back.
 *
 * One loop around ppoll(2), in a process that is nothing but this program: a relay that waits costs a few
 * pages. All signals that end a process are blocked and read from a signalfd, so that the terminal gets its
 * modes back whatever happens (SIGKILL apart), and so that none interrupts a transfer.
 */
import {
  type Area,
  area,
  attempt,
  call,
  compose,
  compute,
  exit,
  fail,
  folded,
  leave,
  load,
  loop,
  type Step,
  set,
  store,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  CLOCK_MONOTONIC,
  F_SETFL,
  ICANON,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  O_NONBLOCK,
  POLLIN,
  PROT_READ,
  PROT_WRITE,
  SFD_CLOEXEC,
  SFD_NONBLOCK,
  SIG_BLOCK,
  SIG_IGN,
  SIG_UNBLOCK,
  SIGBUS,
  SIGCHLD,
  SIGCONT,
  SIGFPE,
  SIGILL,
  SIGINT,
  SIGKILL,
  SIGPIPE,
  SIGQUIT,
  SIGSEGV,
  SIGSTOP,
  SIGSYS,
  SIGTRAP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGURG,
  SIGUSR1,
  SIGUSR2,
  SIGWINCH,
  SIGXFSZ,
  TCGETS,
  TFD_CLOEXEC,
  VEOF,
  WNOHANG,
} from "../sys/constants.ts";
import { EAGAIN, ECHILD, EPERM, ESRCH } from "../sys/errno.ts";
import { itimerspec, pollfd, signalfd_siginfo, sigset, termios, timespec } from "../sys/structs.ts";
import type { Channel } from "./channel.ts";
import { type Inherited, setAction, setMask } from "./inherit.ts";
import { enterRaw, leaveRaw, type OuterTerminal, prepareRaw, setSize } from "./terminal.ts";
import {
  bufferBytes,
  choose,
  type Direction,
  direction,
  type Endings,
  forSink,
  forSource,
  moveDirection,
  pollDirection,
  startDirection,
} from "./transfer.ts";
import { decodeStatus, reap } from "./wait.ts";

/** What the relay is to do. */
export interface Relaying {
  readonly channel: Channel;
  readonly outer: OuterTerminal;
  /** The program's process; known when the relay runs. */
  readonly pid: Variable;
  /** Go on after the program's end while background processes of it hold pipes that lead to us. */
  readonly lingers: boolean;
  /** After a signal that asks us to end, the program has this long before its terminal or pipes are closed. */
  readonly graceSeconds: number;
  /** Say how much of standard input the program has left unread, as far as we have taken it. */
  readonly tellsUnread: boolean;
}

/** Seconds that a program may take to end in order, and that a user who has asked for its end waits. */
export const defaultGrace = 2;

const signalBytes = 8;
/** A signal of the terminal: the kernel sent it to the whole foreground process group. */
const SI_KERNEL = 0x80;
const firstRealtime = 32;
const signalBase = 128;
const newline = 10;
const carriageReturn = 13;

/** Stops, faults and what is ignored by default are left alone. */
const neverHeld = [
  SIGKILL,
  SIGSTOP,
  SIGSEGV,
  SIGBUS,
  SIGILL,
  SIGFPE,
  SIGTRAP,
  SIGSYS,
  SIGTTIN,
  SIGTTOU,
  SIGPIPE,
  SIGXFSZ,
  SIGURG,
];
const alwaysHeld = [SIGCHLD, SIGCONT, SIGWINCH];
/** The program's own business: it may go on after them, and so do we. */
const passedOnOnly = [SIGINT, SIGQUIT, SIGUSR1, SIGUSR2];

function bit(signal: number): bigint {
  return 1n << BigInt(signal - 1);
}

/** Signals that the relay reads: not those that our caller ignored or blocked, which never come to anything. */
function heldSignals({ ignoredSignals, blockedSignals }: Inherited): bigint {
  const all = (1n << 64n) - 1n;
  const without = neverHeld.reduce((mask, signal) => mask | bit(signal), ignoredSignals | blockedSignals);
  return alwaysHeld.reduce((mask, signal) => mask | bit(signal), all & ~without);
}

/** A relay in two halves: all that can fail for want of something comes before the program is executed. */
export interface Relay {
  /** Descriptors, memory, signals; from here on signals wait to be read. */
  readonly prepare: readonly Step[];
  /**
   * From the program's exec to the end of its output. Its exit status, or 128 + n after signal n, goes to
   * `status`. If the relay itself fails, the program is killed.
   */
  readonly run: readonly Step[];
}

/** Plans a relay. Closes the near ends of the channel; the far ones must be closed before `run`. */
export function relay(
  relaying: Relaying,
  status: Variable,
  given: Inherited & { readonly filled: number },
): Relay {
  const state = new State(relaying, given);
  return { prepare: prepare(relaying, state), run: run(relaying, state, status) };
}

class State {
  readonly held: bigint;
  readonly signals = variable("signal descriptor");
  readonly timer = variable("timer");
  readonly getpid = variable("this process");
  /** The signal that has started the timer, or 0. */
  readonly lastSignal = variable("ending signal");
  readonly ended = variable("program has ended");
  /** Output is lost through an error of its sink. */
  readonly failed = variable("output lost");
  readonly unread = variable("bytes unread");
  /** 1 while the end-of-file character of the inner terminal is on its way. */
  readonly finishing = variable("end of file");
  readonly input: Direction;
  readonly output: Direction;
  readonly error: Direction;
  readonly list: Area;

  constructor({ channel }: Relaying, given: Inherited & { readonly filled: number }) {
    const standard = (fd: number): number => (((given.filled >> fd) & 1) === 1 ? -1 : fd);
    this.held = heldSignals(given);
    this.input = direction("input", standard(0), channel.near.input);
    this.output = direction("output", standard(1), channel.near.output);
    this.error = direction("error", standard(2), channel.near.error);
    this.list = area("poll list", pollfd.size * (firstDirection + 2 * this.directions.length));
  }

  get directions(): readonly Direction[] {
    return [this.input, this.output, this.error];
  }

  /** Where a direction's source and sink are in the poll list. */
  places(d: Direction): { list: Area; from: number; to: number } {
    const from = pollfd.size * (firstDirection + 2 * this.directions.indexOf(d));
    return { list: this.list, from, to: from + pollfd.size };
  }
}

/** Places of the poll list before those of the directions: signals, timer. */
const firstDirection = 2;

/** Whether a direction's near end is a pipe, between which and another pipe pages can move. */
function hasPipe(d: Direction, channel: Channel): boolean {
  return channel.form === "pipes" || d.side === "error";
}

/** For an open file that is ours alone. */
export function nonBlocking(fd: Variable): Step {
  return call("fcntl", [fd, F_SETFL, O_NONBLOCK], fd.name, { label: "F_SETFL" });
}

function prepare({ channel, outer }: Relaying, state: State): Step[] {
  const { near } = channel;
  const buffers = variable("buffers");
  const size = bufferBytes * state.directions.length;
  const mapping = [0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0];
  const keepsOutput = variable("errors go to the terminal");
  const result = variable("result");
  return [
    folded("make room for what is on the way", [
      call("mmap", mapping, "buffers", { into: buffers }),
      ...state.directions.map((d, index) => compute(d.buffer, buffers, "add", bufferBytes * index)),
    ]),
    ...[...new Set([near.input, near.output])].map(nonBlocking),
    startDirection(state.input, hasPipe(state.input, channel)),
    startDirection(state.output, hasPipe(state.output, channel)),
    set(state.error.live, 0),
    set(state.error.waits, forSource),
    when(near.error, ">=", 0, [
      nonBlocking(near.error),
      startDirection(state.error, hasPipe(state.error, channel)),
    ]),
    folded("work out the raw modes of the terminal on standard input", [
      set(keepsOutput, 0),
      when(near.error, ">=", 0, [
        call("ioctl", [2, TCGETS, area("modes", termios.size)], "stderr", { into: result, accept: "any" }),
        when(result, "==", 0, [set(keepsOutput, 1)]),
      ]),
      ...prepareRaw(outer, keepsOutput),
    ]),
    folded("hold signals, and make descriptors for them and for a timer", [
      ...[state.lastSignal, state.ended, state.failed, state.unread, state.finishing].map((each) =>
        set(each, 0),
      ),
      call("getpid", [], "this process", { into: state.getpid }),
      call("timerfd_create", [CLOCK_MONOTONIC, TFD_CLOEXEC], "a timer", { into: state.timer }),
      setAction(SIGPIPE, SIG_IGN),
      setMask(SIG_BLOCK, state.held),
      call(
        "signalfd4",
        [-1, sigset.pack({ mask: state.held }), signalBytes, SFD_CLOEXEC | SFD_NONBLOCK],
        "signals",
        {
          into: state.signals,
        },
      ),
    ]),
  ];
}

function run(relaying: Relaying, state: State, status: Variable): Step[] {
  const { outer, channel, pid } = relaying;
  const title = "relay until the program has ended and its output is drained; pass signals";
  const steps = [
    attempt(
      [
        ...(channel.form === "terminal" ? [enterRaw(outer)] : []),
        ...(state.input.standard < 0 ? inputEnds(relaying, state) : []),
        ...reapChildren(relaying, state, status),
        loop([
          when(state.ended, "!=", 0, [
            when(state.output.live, "==", 0, [when(state.error.live, "==", 0, [leave])]),
          ]),
          ...waitForEvents(relaying, state),
          ...handleSignals(relaying, state, status),
          ...handleTimer(relaying, state),
          ...state.directions.flatMap((d) => move(d, relaying, state)),
        ]),
      ],
      [
        leaveRaw(outer),
        when(state.ended, "==", 0, [
          call("kill", [pid, SIGKILL], "the program", { accept: "any" }),
          reap(pid, "the program"),
        ]),
      ],
      "fail",
    ),
    leaveRaw(outer),
    ...(relaying.tellsUnread ? [tellUnread(state)] : []),
    when(state.failed, "!=", 0, [fail({ step: "relay", what: "output is lost", silent: true })]),
  ];
  return [
    folded(
      channel.form === "terminal" ? `${title}, window size and the end of input on` : `${title} on`,
      steps,
    ),
  ];
}

function waitForEvents({ lingers, channel }: Relaying, state: State): Step[] {
  const { list } = state;
  const [wait, ready, pending] = [variable("time limit"), variable("events"), variable("bytes on the way")];
  const place = (index: number, fd: Variable): Step[] => [
    store(list, pollfd.size * index + pollfd.offset("fd"), 4, fd),
    store(list, pollfd.size * index + pollfd.offset("events"), 2, POLLIN),
  ];
  const count = list.size / pollfd.size;
  const outputs = [state.output, state.error];
  const stop = outputs.map((d) => set(d.live, 0));
  const noTime = area("no time", timespec.size);
  return [
    ...place(0, state.signals),
    ...place(1, state.timer),
    ...state.directions.flatMap((d) => pollDirection(d, state.places(d), hasPipe(d, channel))),
    set(wait, 0),
    ...(lingers
      ? []
      : [
          when(state.ended, "!=", 0, [
            set(pending, 0),
            ...outputs.map((d) => when(d.live, "!=", 0, [compute(pending, pending, "or", d.waits)])),
            when(pending, "==", 0, [set(wait, noTime)]),
          ]),
        ]),
    call("ppoll", [list, count, wait, 0, signalBytes], "descriptors", { into: ready, retry: true }),
    when(ready, "==", 0, stop),
  ];
}

function move(d: Direction, relaying: Relaying, state: State): Step[] {
  const { list, from, to } = state.places(d);
  const events = { from: variable("source's events"), to: variable("sink's events") };
  const revents = pollfd.offset("revents");
  return [
    load(events.from, list, from + revents, 2),
    load(events.to, list, to + revents, 2),
    ...moveDirection(d, events, hasPipe(d, relaying.channel), endings(d, relaying, state)),
    ...(d.side === "input" && !hasPipe(d, relaying.channel)
      ? [when(state.finishing, "!=", 0, [when(d.waits, "==", forSource, [set(d.live, 0)])])]
      : []),
  ];
}

function endings(d: Direction, relaying: Relaying, state: State): Endings {
  const { near } = relaying.channel;
  if (d.side === "input") {
    return {
      atEnd: inputEnds(relaying, state),
      sinkGone: [set(state.unread, d.left), ...(hasPipe(d, relaying.channel) ? [closeNear(near.input)] : [])],
      afterError: [],
    };
  }
  // The program learns that nobody reads: by SIGPIPE, or by SIGHUP when its terminal is hung up.
  const hangUp = hasPipe(d, relaying.channel) ? [] : [set(state.input.live, 0)];
  return {
    atEnd: [],
    sinkGone: [...hangUp, closeNear(d.from)],
    afterError: [set(state.failed, 1)],
  };
}

function closeNear(fd: Variable): Step {
  return when(fd, ">=", 0, [call("close", [fd], fd.name), set(fd, -1)]);
}

/**
 * Passes the end of standard input on: the pipe's end, or the end-of-file character if the inner terminal reads
 * lines. That ends a line that is not complete; a second one then is the end of file. See termios(3).
 */
function inputEnds({ channel }: Relaying, state: State): Step[] {
  const d = state.input;
  if (channel.form === "pipes") return [closeNear(channel.near.input), set(d.live, 0)];
  const modes = area("inner modes", termios.size);
  const [result, flags] = [variable("result"), variable("modes")];
  const [character, last, at] = [
    variable("end-of-file character"),
    variable("last byte"),
    variable("its address"),
  ];
  const send = [
    set(last, newline),
    when(d.start, ">", d.buffer, [compute(at, d.start, "sub", 1), load(last, at, 0, 1)]),
    set(state.finishing, 1),
    store(d.buffer, 0, 1, character),
    store(d.buffer, 1, 1, character),
    set(d.start, d.buffer),
    set(d.left, 2),
    ...[newline, carriageReturn, character].map((end) => when(last, "==", end, [set(d.left, 1)])),
    set(d.waits, forSink),
    set(d.live, 1),
  ];
  return [
    set(d.live, 0),
    when(state.finishing, "==", 0, [
      call("ioctl", [channel.near.input, TCGETS, modes], "the inner terminal", {
        into: result,
        accept: "any",
      }),
      when(result, "==", 0, [
        load(flags, modes, termios.offset("c_lflag"), 4),
        compute(flags, flags, "and", ICANON),
        load(character, modes, termios.offset("c_cc") + VEOF, 1),
        when(flags, "!=", 0, [when(character, "!=", 0, send)]),
      ]),
    ]),
  ];
}

/** Takes one signal, if there is one. */
function handleSignals(relaying: Relaying, state: State, status: Variable): Step[] {
  const { outer, channel, pid } = relaying;
  const info = area("signal", signalfd_siginfo.size);
  const [events, bytes, signal] = [variable("signals to read"), variable("bytes"), variable("signal")];
  const [origin, target] = [variable("origin"), variable("target")];
  const rawAgain = channel.form === "terminal" ? [enterRaw(outer)] : [];
  const resize = channel.form === "terminal" ? [setSize(channel.near.input, outer, channel.size)] : [];
  const passOn = [
    when(state.ended, "!=", 0, dieBy(signal, relaying, state)),
    set(target, pid),
    load(origin, info, signalfd_siginfo.offset("ssi_code"), 4),
    when(origin, "==", SI_KERNEL, [compute(target, 0, "sub", pid)]),
    call("kill", [target, signal], "the program", { accept: [ESRCH, EPERM] }),
    ...choose(
      signal,
      passedOnOnly.map((each) => [each, []]),
      [
        when(signal, "<", firstRealtime, [
          when(state.lastSignal, "==", 0, startTimer(relaying, state, signal)),
        ]),
      ],
    ),
  ];
  return [
    load(events, state.list, pollfd.offset("revents"), 2),
    when(events, "!=", 0, [
      call("read", [state.signals, info, signalfd_siginfo.size], "signals", {
        into: bytes,
        retry: true,
        accept: [EAGAIN],
      }),
      when(bytes, "==", signalfd_siginfo.size, [
        load(signal, info, signalfd_siginfo.offset("ssi_signo"), 4),
        ...choose(
          signal,
          [
            [SIGCHLD, reapChildren(relaying, state, status)],
            [SIGWINCH, resize],
            // We have been stopped, and the shell has had the terminal meanwhile.
            [SIGCONT, [...rawAgain, ...resize]],
            [SIGTSTP, [leaveRaw(outer), ...take(signal, state), ...rawAgain, ...resize]],
          ],
          passOn,
        ),
      ]),
    ]),
  ];
}

/** Lets a signal that we hold act on ourselves. */
function take(signal: Variable, state: State): Step[] {
  const mask = area("mask", sigset.size);
  const [bits, shift] = [variable("bits"), variable("shift")];
  return [
    compute(shift, signal, "sub", 1),
    compute(bits, 1, "shl", shift),
    store(mask, 0, 8, bits),
    call("kill", [state.getpid, signal], "ourselves"),
    call("rt_sigprocmask", [SIG_UNBLOCK, mask, 0, signalBytes], "the signal mask"),
    call("rt_sigprocmask", [SIG_BLOCK, mask, 0, signalBytes], "the signal mask"),
  ];
}

/** Ends as the signal would have ended us, the terminal as it was. The first process of a pid namespace survives it. */
function dieBy(signal: Variable, { outer }: Relaying, state: State): Step[] {
  const status = variable("status");
  return [leaveRaw(outer), ...take(signal, state), compute(status, signal, "add", signalBase), exit(status)];
}

function startTimer({ graceSeconds }: Relaying, state: State, signal: Variable): Step[] {
  const grace = itimerspec.pack({ "it_value.tv_sec": graceSeconds, "it_value.tv_nsec": 1 });
  return [set(state.lastSignal, signal), call("timerfd_settime", [state.timer, 0, grace, 0], "a timer")];
}

function handleTimer(relaying: Relaying, state: State): Step[] {
  const events = variable("timer's events");
  return [
    load(events, state.list, pollfd.size + pollfd.offset("revents"), 2),
    when(events, "!=", 0, dieBy(state.lastSignal, relaying, state)),
  ];
}

/** Reaps what has ended: the program, and orphans that fall to us. */
function reapChildren({ pid }: Relaying, state: State, status: Variable): Step[] {
  const word = area("wait status", 8);
  const ended = variable("child");
  const { input } = state;
  const programEnded = [
    ...decodeStatus(word, status, variable("signal of the program")),
    set(state.ended, 1),
    when(input.live, "!=", 0, [set(state.unread, input.left), set(input.live, 0)]),
  ];
  return [
    loop([
      call("wait4", [-1, word, WNOHANG, 0], "the program", { into: ended, retry: true, accept: [ECHILD] }),
      when(ended, "==", pid, programEnded),
      when(ended, "<=", 0, [leave]),
    ]),
    when(ended, "==", -ECHILD, [
      when(state.ended, "==", 0, [
        fail({ step: "wait4", what: "the program's status is lost", errno: ECHILD }),
      ]),
    ]),
  ];
}

function tellUnread(state: State): Step {
  const text = area("what is unread", 64);
  const line = [
    compose(text, [state.unread, " bytes were not taken by the program"]),
    fail({ step: "stdin", what: text }),
  ];
  return when(state.unread, "!=", 0, [attempt(line, [], "resume")]);
}
