/** Running a command on a terminal of its own, as a terminal emulator does; see test/tools/terminal.py. */
import { join } from "node:path";
import { binary, build } from "./ctrtool.ts";

export type TerminalStep =
  | readonly ["expect", string]
  | readonly ["send", string]
  | readonly ["resize", number, number]
  | readonly ["signal", number]
  | readonly ["modes", string]
  | readonly ["sleep", number]
  | readonly ["stopped"]
  | readonly ["hangup"];

export interface TerminalOptions {
  readonly rows?: number;
  readonly columns?: number;
  /** Special characters of the terminal, by their index in c_cc. */
  readonly characters?: Readonly<Record<number, number>>;
}

export interface OnTerminal {
  /** Why the steps could not all be done; null if they were. */
  readonly problem: string | null;
  /** 128 plus the signal that ended it. */
  readonly status: number;
  readonly output: string;
  /** The terminal's modes "before", "after", and where a step noted them; null once it is hung up. */
  readonly modes: Readonly<Record<string, readonly (number | string)[] | null>>;
  /** Whether O_NONBLOCK was set on the open file that the command was given, at the same times. */
  readonly nonblocking: Readonly<Record<string, boolean>>;
}

const tool = join(import.meta.dir, "..", "tools", "terminal.py");

/** Runs a command (with `ctrtool` as the first word: the built binary) while taking the steps, to its end. */
export function onTerminal(
  command: readonly string[],
  steps: readonly TerminalStep[],
  options: TerminalOptions = {},
): OnTerminal {
  build();
  const words = command.map((word, index) => (index === 0 && word === "ctrtool" ? binary : word));
  const request = JSON.stringify({ command: words, steps, ...options });
  const { stdout, stderr, success } = Bun.spawnSync(["python3", tool, request], {
    stdin: "ignore",
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", TERM: "dumb", CTRTOOL: binary },
  });
  if (!success) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString());
}
