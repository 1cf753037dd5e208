/**
 * One direction of a relay: from one of our standard descriptors to the program, or the other way.
 *
 * Between two pipes splice(2) moves the pages, else a buffer is filled and drained in turn, so that the source
 * waits while the sink is full. The near end is ours and non-blocking. The other descriptor is shared with
 * whoever started us, so its O_NONBLOCK is never touched (it would be theirs too, and stay set after a SIGKILL):
 * - a pipe or terminal is opened anew through /proc/self/fd, which gives an open file of our own;
 * - where that is not possible (sockets, no /proc, other users' terminals), each transfer has RWF_NOWAIT;
 * - where the kernel cannot do that either, transfers come after a poll that promises them, a page at a time.
 */
import {
  type Area,
  area,
  attempt,
  call,
  compute,
  fail,
  folded,
  type Step,
  set,
  store,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  AT_FDCWD,
  F_GETPIPE_SZ,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  POLLIN,
  POLLOUT,
  PROC_SUPER_MAGIC,
  RWF_NOWAIT,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFSOCK,
  SPLICE_F_MOVE,
  SPLICE_F_NONBLOCK,
  STATX_TYPE,
  TCGETS,
} from "../sys/constants.ts";
import { EAGAIN, EINTR, EINVAL, EIO, ENOSYS, EOPNOTSUPP, EPERM, EPIPE } from "../sys/errno.ts";
import { iovec, pollfd, termios } from "../sys/structs.ts";
import { readFacts, readFileSystem } from "./file-facts.ts";

/** Room for what has been read and not yet written. */
export const bufferBytes = 64 * 1024;
const spliceBytes = 1024 * 1024;
/** What a pipe that poll(2) calls writable takes at once. */
const pageBytes = 4096;

/** How the descriptor that is not our own is used. */
const freely = 0;
const nowait = 1;
const carefully = 2;

/** What a direction waits for. */
export const forSource = 0;
export const forSink = 1;

/** A direction while it runs. */
export interface Direction {
  readonly side: "input" | "output" | "error";
  /** The number of our standard descriptor; -1 if our caller had it closed. */
  readonly standard: number;
  readonly from: Variable;
  readonly to: Variable;
  /** 1 until the source has ended and all is written, or the sink is gone. */
  readonly live: Variable;
  readonly waits: Variable;
  readonly how: Variable;
  readonly splices: Variable;
  /** Address of the buffer, of the first byte in it, and how many there are. */
  readonly buffer: Variable;
  readonly start: Variable;
  readonly left: Variable;
}

export function direction(side: Direction["side"], standard: number, near: Variable): Direction {
  const other = variable(`std${side === "input" ? "in" : side === "output" ? "out" : "err"}`);
  return {
    side,
    standard,
    from: side === "input" ? other : near,
    to: side === "input" ? near : other,
    live: variable(`${side} is relayed`),
    waits: variable(`${side} waits`),
    how: variable(`${side} how`),
    splices: variable(`${side} spliced`),
    buffer: variable(`${side} buffer`),
    start: variable(`${side} start`),
    left: variable(`${side} left`),
  };
}

/** Whether a direction reads from our caller's descriptor (or writes to it). */
function isInput({ side }: Direction): boolean {
  return side === "input";
}

/** Finds out how a direction's bytes can go, and starts it. `pipes`: the near end is a pipe. */
export function startDirection(d: Direction, pipes: boolean): Step {
  const other = isInput(d) ? d.from : d.to;
  const result = variable("result");
  return folded(`see how standard ${d.side} can be relayed without a change of its open file`, [
    set(other, d.standard),
    set(d.live, 1),
    set(d.waits, forSource),
    set(d.left, 0),
    set(d.start, d.buffer),
    set(d.how, freely),
    set(d.splices, 0),
    ...(pipes && d.standard >= 0
      ? [
          call("fcntl", [d.standard, F_GETPIPE_SZ], d.side, { into: result, accept: "any" }),
          when(result, ">=", 0, [set(d.splices, 1)]),
        ]
      : []),
    ...(d.standard < 0 ? [] : [when(d.splices, "==", 0, openAnew(d, other))]),
  ]);
}

function openAnew(d: Direction, other: Variable): Step[] {
  const descriptors = "/proc/self/fd";
  const [type, directory, magic] = [variable("type"), variable(descriptors), variable("file system")];
  const [anew, result] = [variable("opened anew"), variable("result")];
  const flags = (isInput(d) ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  const reopen = [
    call("openat", [AT_FDCWD, descriptors, O_PATH | O_CLOEXEC], descriptors, {
      into: directory,
      accept: "any",
    }),
    when(directory, ">=", 0, [
      ...readFileSystem(directory, descriptors, magic),
      // A directory that somebody has put there must not decide where our bytes go.
      when(magic, "==", PROC_SUPER_MAGIC, [
        call("openat", [directory, `${d.standard}`, flags], d.side, { into: anew, accept: "any" }),
        when(anew, ">=", 0, [set(other, anew), set(d.how, freely)]),
      ]),
      call("close", [directory], descriptors),
    ]),
  ];
  return [
    ...readFacts(d.standard, `standard ${d.side}`, STATX_TYPE, [["stx_mode", type]]),
    compute(type, type, "and", S_IFMT),
    when(type, "==", S_IFSOCK, [set(d.how, nowait)]),
    when(type, "==", S_IFIFO, [set(d.how, nowait), ...reopen]),
    when(type, "==", S_IFCHR, [
      set(d.how, nowait),
      // Opening may have an effect on devices that are no terminals.
      call("ioctl", [d.standard, TCGETS, area("modes", termios.size)], d.side, {
        into: result,
        accept: "any",
      }),
      when(result, "==", 0, reopen),
    ]),
  ];
}

/** Writes what a direction waits for into its two places of the poll list. */
export function pollDirection(
  d: Direction,
  places: { list: Area; from: number; to: number },
  pipes: boolean,
): Step[] {
  const [from, to, events] = [variable("source"), variable("sink"), variable("events")];
  const { list } = places;
  const fd = pollfd.offset("fd");
  return [
    set(from, -1),
    set(to, -1),
    set(events, 0),
    when(d.live, "!=", 0, [
      when(
        d.waits,
        "==",
        forSource,
        // A pipe whose reader has gone says so unasked.
        [set(from, d.from), ...(pipes ? [set(to, d.to)] : [])],
        [set(to, d.to), set(events, POLLOUT)],
      ),
    ]),
    store(list, places.from + fd, 4, from),
    store(list, places.from + pollfd.offset("events"), 2, POLLIN),
    store(list, places.to + fd, 4, to),
    store(list, places.to + pollfd.offset("events"), 2, events),
  ];
}

/** What else happens at the two ends of a direction. */
export interface Endings {
  /** The source has ended, and what was read is written. May set `waits` and `left` to write something more. */
  readonly atEnd: readonly Step[];
  /** The sink takes nothing any more. */
  readonly sinkGone: readonly Step[];
  /** After an error that says more than that one of the ends is gone. */
  readonly afterError: readonly Step[];
}

/** Moves what can be moved after a poll. `fromEvents` and `toEvents` hold its results. */
export function moveDirection(
  d: Direction,
  events: { readonly from: Variable; readonly to: Variable },
  pipes: boolean,
  endings: Endings,
): Step[] {
  const ready = variable("ready");
  const early = variable("sink gone early");
  return [
    when(d.live, "!=", 0, [
      set(ready, events.from),
      set(early, events.to),
      when(d.waits, "==", forSink, [set(ready, events.to), set(early, 0)]),
      when(
        ready,
        "!=",
        0,
        pipes
          ? [when(d.splices, "!=", 0, spliceOnce(d, endings), copyOnce(d, endings, events.to))]
          : copyOnce(d, endings, events.to),
        pipes ? [when(early, "!=", 0, sinkIsGone(d, endings))] : [],
      ),
    ]),
  ];
}

function sinkIsGone(d: Direction, endings: Endings): Step[] {
  return [set(d.live, 0), ...endings.sinkGone];
}

/** A line about an error of one end; the program's end being gone is none. */
function tell(step: "read" | "write" | "splice", d: Direction, error: Variable, endings: Endings): Step[] {
  const errno = variable("errno");
  const line = [
    compute(errno, 0, "sub", error),
    attempt([fail({ step, what: `relaying standard ${d.side}`, errno })], [], "resume"),
    ...endings.afterError,
  ];
  return [when(error, "!=", -EPIPE, [when(error, "!=", -EIO, line)])];
}

function spliceOnce(d: Direction, endings: Endings): Step[] {
  const moved = variable("moved");
  const flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
  return [
    call("splice", [d.from, 0, d.to, 0, spliceBytes, flags], d.side, { into: moved, accept: "any" }),
    ...choose(
      moved,
      [
        [0, [set(d.live, 0), ...endings.atEnd]],
        // The other one of the two is what is not ready.
        [-EAGAIN, [compute(d.waits, forSink, "sub", d.waits)]],
        [-EINTR, []],
        [-EINVAL, [set(d.splices, 0), set(d.waits, forSource)]],
      ],
      [
        when(
          moved,
          ">",
          0,
          [set(d.waits, forSource)],
          [...tell("splice", d, moved, endings), ...sinkIsGone(d, endings)],
        ),
      ],
    ),
  ];
}

function copyOnce(d: Direction, endings: Endings, toEvents: Variable): Step[] {
  const polled = variable("sink is ready");
  return [
    set(polled, toEvents),
    when(d.waits, "==", forSource, [
      ...fill(d, endings),
      set(polled, 1),
      // Without a poll, such a write might wait.
      ...(isInput(d) ? [] : [when(d.how, "==", carefully, [set(polled, 0)])]),
    ]),
    when(d.waits, "==", forSink, [when(polled, "!=", 0, drain(d, endings))]),
  ];
}

function fill(d: Direction, endings: Endings): Step[] {
  const got = variable("got");
  const read = call("read", [d.from, d.buffer, bufferBytes], d.side, { into: got, accept: "any" });
  return [
    ...(isInput(d) ? transferOther(d, "preadv2", d.buffer, bufferBytes, read, got) : [read]),
    ...choose(
      got,
      [
        [-EAGAIN, []],
        [-EINTR, []],
      ],
      [
        when(
          got,
          ">",
          0,
          [set(d.start, d.buffer), set(d.left, got), set(d.waits, forSink)],
          [when(got, "<", 0, tell("read", d, got, endings)), set(d.live, 0), ...endings.atEnd],
        ),
      ],
    ),
  ];
}

function drain(d: Direction, endings: Endings): Step[] {
  const put = variable("put");
  const bytes = variable("bytes");
  const write = call("write", [d.to, d.start, bytes], d.side, { into: put, accept: "any" });
  return [
    set(bytes, d.left),
    ...(isInput(d) ? [write] : transferOther(d, "pwritev2", d.start, bytes, write, put)),
    ...choose(
      put,
      [
        [-EAGAIN, []],
        [-EINTR, []],
      ],
      [
        when(
          put,
          ">=",
          0,
          [
            compute(d.start, d.start, "add", put),
            compute(d.left, d.left, "sub", put),
            when(d.left, "==", 0, [set(d.waits, forSource)]),
          ],
          [...tell("write", d, put, endings), ...sinkIsGone(d, endings)],
        ),
      ],
    ),
  ];
}

/** A transfer with our caller's descriptor, in the way that it allows. `plainly` is the simple call. */
function transferOther(
  d: Direction,
  name: "preadv2" | "pwritev2",
  at: Variable,
  bytes: Variable | number,
  plainly: Step,
  result: Variable,
): Step[] {
  const vector = area("buffer vector", iovec.size);
  const limit =
    typeof bytes === "number"
      ? []
      : [when(d.how, "==", carefully, [when(bytes, ">", pageBytes, [set(bytes, pageBytes)])])];
  return [
    when(
      d.how,
      "==",
      nowait,
      [
        store(vector, iovec.offset("iov_base"), 8, at),
        store(vector, iovec.offset("iov_len"), 8, bytes),
        call(name, [isInput(d) ? d.from : d.to, vector, 1, -1, -1, RWF_NOWAIT], d.side, {
          into: result,
          accept: "any",
        }),
        // ENOSYS and EPERM: a filter that does not know the call.
        ...[EOPNOTSUPP, ENOSYS, EPERM].map((errno) =>
          when(result, "==", -errno, [set(d.how, carefully), set(result, -EAGAIN)]),
        ),
      ],
      [...limit, plainly],
    ),
  ];
}

/** The steps that belong to a variable's value. */
export function choose(
  value: Variable,
  cases: readonly (readonly [number, readonly Step[]])[],
  otherwise: readonly Step[],
): Step[] {
  return cases
    .reduceRight<readonly Step[]>(
      (rest, [number, steps]) => [when(value, "==", number, steps, rest)],
      otherwise,
    )
    .slice();
}
