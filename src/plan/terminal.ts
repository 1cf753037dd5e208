/**
 * Terminals: a new pseudo-terminal that is set up like the one we are on, and that one's raw mode.
 *
 * See pty(7), ioctl_tty(2), termios(3). The slave is opened through the master (TIOCGPTPEER), so that no name
 * decides what the program gets for a terminal.
 */
import {
  type Area,
  area,
  type Call,
  call,
  compute,
  folded,
  load,
  type Step,
  set,
  store,
  type Value,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  BRKINT,
  CS8,
  CSIZE,
  ECHO,
  ECHONL,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNBRK,
  IGNCR,
  INLCR,
  ISIG,
  ISTRIP,
  IUTF8,
  IXON,
  NCCS,
  O_CLOEXEC,
  O_NOCTTY,
  O_RDWR,
  OPOST,
  PARENB,
  PARMRK,
  SIG_BLOCK,
  SIGTTOU,
  TCGETS,
  TCSETS,
  TIOCGPTPEER,
  TIOCGWINSZ,
  TIOCSPTLCK,
  TIOCSWINSZ,
  VMIN,
  VTIME,
} from "../sys/constants.ts";
import { EINVAL, EIO, ENODEV, ENOENT, ENOSPC, ENOTTY } from "../sys/errno.ts";
import { termios, winsize } from "../sys/structs.ts";
import { setMask } from "./inherit.ts";

/** The multiplexer of the devpts that is mounted on /dev/pts. */
export const defaultMultiplexer = "/dev/ptmx";

const stdin = 0;
const terminalFlags = O_RDWR | O_NOCTTY | O_CLOEXEC;

/** The terminal on our standard input, if it is one. */
export interface OuterTerminal {
  /** 1 if there is one. */
  readonly present: Variable;
  /** Its modes as we found them. */
  readonly modes: Area;
  readonly rawModes: Area;
  /** Whether it is in our raw mode now. */
  readonly raw: Variable;
}

/** A window size: what is undefined follows the terminal on standard input. */
export interface WindowSize {
  readonly columns?: number;
  readonly rows?: number;
}

export function outerTerminal(): OuterTerminal {
  return {
    present: variable("terminal on stdin"),
    modes: area("terminal modes", termios.size),
    rawModes: area("raw modes", termios.size),
    raw: variable("raw"),
  };
}

/** Finds out whether standard input is a terminal, and its modes. */
export function lookAtTerminal({ present, modes, raw }: OuterTerminal): Step {
  const result = variable("result");
  return folded("note the modes of the terminal on standard input, if it is one", [
    call("ioctl", [stdin, TCGETS, modes], "stdin", { into: result, accept: "any" }),
    set(present, 0),
    set(raw, 0),
    when(result, "==", 0, [set(present, 1)]),
  ]);
}

const multiplexerHints = {
  [ENOTTY]: "it is no pty multiplexer (/dev/ptmx), or this kernel is older than Linux 4.13",
  [EINVAL]: "it is no pty multiplexer (/dev/ptmx), or this kernel is older than Linux 4.13",
  [EIO]: "no devpts is mounted on the directory pts next to it",
  [ENODEV]: "no devpts is mounted on the directory pts next to it",
  [ENOENT]: "no devpts is mounted here",
  [ENOSPC]: "all pseudo-terminals are in use, see kernel.pty.max",
};

/** Where the new pseudo-terminal's descriptors go; all are close-on-exec. */
export interface PseudoTerminal {
  readonly master: Variable;
  /** Two open files of the slave, so that file status flags of input and output are apart. */
  readonly slaves: readonly [Variable, Variable];
}

/** Opens a multiplexer, close-on-exec. */
export function openMultiplexer(
  directory: Value,
  path: string,
  into: Variable,
  accept: NonNullable<Call["accept"]> = [],
): Step {
  return call("openat", [directory, path, terminalFlags], path, { hints: multiplexerHints, into, accept });
}

/** Opens the slaves of a new master, with size, speed, special characters and UTF-8 flag of the outer terminal. */
export function setUpTerminal(
  { master, slaves }: PseudoTerminal,
  multiplexer: string,
  outer: OuterTerminal,
  size: WindowSize,
): Step[] {
  const unlocked = new Uint8Array(4);
  const options = { hints: multiplexerHints };
  const peer = (into: Variable): Step =>
    call("ioctl", [master, TIOCGPTPEER, terminalFlags], multiplexer, {
      ...options,
      into,
      label: "TIOCGPTPEER",
    });
  return [
    call("ioctl", [master, TIOCSPTLCK, unlocked], multiplexer, { ...options, label: "TIOCSPTLCK" }),
    ...slaves.map(peer),
    when(outer.present, "!=", 0, [copyModes(outer.modes, master)]),
    setSize(master, outer, size),
  ];
}

/** Modes that are the user's and the line's, not those of whatever program runs on the outer terminal now. */
function copyModes(from: Area, master: Variable): Step {
  const to = area("inner modes", termios.size);
  const [word, bits] = [variable("modes"), variable("utf-8 flag")];
  const iflag = termios.offset("c_iflag");
  return folded("copy speed, special characters and UTF-8 flag of the terminal on standard input", [
    call("ioctl", [master, TCGETS, to], "the new terminal", { label: "TCGETS" }),
    ...copyBytes(from, to, termios.offset("c_cflag"), 4),
    ...copyBytes(from, to, termios.offset("c_cc"), NCCS),
    load(bits, from, iflag, 4),
    compute(bits, bits, "and", IUTF8),
    load(word, to, iflag, 4),
    compute(word, word, "and", (0xffff_ffff & ~IUTF8) >>> 0),
    compute(word, word, "or", bits),
    store(to, iflag, 4, word),
    call("ioctl", [master, TCSETS, to], "the new terminal", { label: "TCSETS" }),
  ]);
}

/** Gives the pseudo-terminal its size; the kernel tells the program, with SIGWINCH, if that is a change. */
export function setSize(master: Variable, outer: OuterTerminal, { columns, rows }: WindowSize): Step {
  const size = area("window size", winsize.size);
  return folded("set the window size", [
    when(outer.present, "!=", 0, [call("ioctl", [stdin, TIOCGWINSZ, size], "stdin", { accept: "any" })]),
    ...(columns === undefined ? [] : [store(size, winsize.offset("ws_col"), 2, columns)]),
    ...(rows === undefined ? [] : [store(size, winsize.offset("ws_row"), 2, rows)]),
    call("ioctl", [master, TIOCSWINSZ, size], "the new terminal", { accept: "any" }),
  ]);
}

/** Bits of each flag word that raw mode clears and sets, as cfmakeraw(3) has them. */
const rawFlags = [
  ["c_iflag", IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON, 0],
  ["c_oflag", OPOST, 0],
  ["c_lflag", ECHO | ECHONL | ICANON | ISIG | IEXTEN, 0],
  ["c_cflag", CSIZE | PARENB, CS8],
] as const;

/**
 * Works out the raw modes. Output processing stays on where `keepsOutput` is not 0: something else than the
 * pseudo-terminal's output, which has carriage returns already, is going to this terminal too.
 */
export function prepareRaw(outer: OuterTerminal, keepsOutput: Variable): Step[] {
  const word = variable("modes");
  return [
    ...copyBytes(outer.modes, outer.rawModes, 0, termios.size),
    ...rawFlags.flatMap(([field, clear, add]): Step[] => {
      const offset = termios.offset(field);
      const change = [
        load(word, outer.rawModes, offset, 4),
        compute(word, word, "and", (0xffff_ffff & ~clear) >>> 0),
        ...(add === 0 ? [] : [compute(word, word, "or", add)]),
        store(outer.rawModes, offset, 4, word),
      ];
      return field === "c_oflag" ? [when(keepsOutput, "==", 0, change)] : change;
    }),
    store(outer.rawModes, termios.offset("c_cc") + VMIN, 1, 1),
    store(outer.rawModes, termios.offset("c_cc") + VTIME, 1, 0),
  ];
}

/** Puts the terminal on standard input into raw mode. In the background, this stops the process group (SIGTTOU). */
export function enterRaw(outer: OuterTerminal): Step {
  return when(outer.present, "!=", 0, [
    set(outer.raw, 1),
    // A terminal that is hung up says EIO; its end is noticed where bytes are moved.
    call("ioctl", [stdin, TCSETS, outer.rawModes], "the terminal on stdin", {
      label: "TCSETS",
      retry: true,
      accept: [EIO],
    }),
  ]);
}

/** Gives the terminal on standard input its modes back, also from the background and while we end. */
export function leaveRaw(outer: OuterTerminal): Step {
  return when(outer.raw, "!=", 0, [
    // A terminal that is gone has no modes.
    setMask(SIG_BLOCK, 1n << BigInt(SIGTTOU - 1)),
    call("ioctl", [stdin, TCSETS, outer.modes], "the terminal on stdin", { accept: "any" }),
    set(outer.raw, 0),
  ]);
}

function copyBytes(from: Area, to: Area, start: number, length: number): Step[] {
  const chunk = variable("chunk");
  const steps: Step[] = [];
  for (let done = 0; done < length; ) {
    const width = ([8, 4, 2, 1] as const).find((size) => size <= length - done) ?? 1;
    steps.push(load(chunk, from, start + done, width), store(to, start + done, width, chunk));
    done += width;
  }
  return steps;
}
