/** Runs an applet with arguments from a file, which no command line shows. */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { choose } from "../cli/suite.ts";
import { descriptor, resolveDescriptor, takenVariables } from "../cli/values/descriptor.ts";
import { readEscapes } from "../cli/values/escaped.ts";
import { readBy } from "../cli/values/reader.ts";
import { path } from "../cli/values/text.ts";
import { withoutVariables } from "../plan/environment.ts";
import { byteString } from "../sys/bytes.ts";
import { AT_FDCWD, F_SETFD, FD_CLOEXEC, O_CLOEXEC, O_RDONLY } from "../sys/constants.ts";
import type { Given } from "../sys/given.ts";
import { kernel } from "../sys/kernel.ts";

const spec = defineSpec({
  name: "cmd",
  summary: "run an applet with arguments from a file",
  usage: "FILE [APPLET [ARG]...]",
  options: {
    descriptor: { short: "f", long: "fd", help: "FILE is a descriptor: N, /NAME or :NAME" },
    null: { short: "0", long: "null", help: "arguments end with a NUL, not with a newline" },
    escapes: {
      short: "e",
      long: "escapes",
      help: "arguments have the escapes of C, so that they can hold newlines",
    },
  },
  operands: v.tupleWithRest([v.string()], v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  details: [
    {
      title: "Arguments",
      lines: [
        "The file's lines, an argument each, come first, then ARG; without APPLET the first line is the applet.",
        "They show in no /proc/PID/cmdline of ctrtool's; what the applet executes has the arguments it is given.",
      ],
    },
  ],
  examples: ["cmd secrets env program", "cmd -f 9 env 9<secrets"],
});

const pieceBytes = 65536;
const mostBytes = 1 << 24;

/** All bytes of a descriptor, as a byte string. */
function readAll(fd: number, what: string): string {
  const piece = new Uint8Array(pieceBytes);
  let content = "";
  for (;;) {
    const bytes = kernel("read", what, fd, piece, pieceBytes);
    if (bytes === 0) return content;
    content += byteString(piece.subarray(0, bytes));
    if (content.length > mostBytes) throw new UsageError(`${what} is longer than ${mostBytes} bytes`);
  }
}

/** The file's content, and what is left of the environment: a descriptor given as `:NAME` is used up. */
function readFile(file: string, options: Input<typeof spec>["options"], given: Given) {
  if (!options.descriptor) {
    const fd = kernel("openat", file, AT_FDCWD, readBy(path, file), O_RDONLY | O_CLOEXEC);
    return { content: readAll(fd, file), environment: given.environment };
  }
  const from = readBy(descriptor, file);
  const fd = resolveDescriptor(from, given);
  const what = `descriptor ${fd}`;
  const content = readAll(fd, what);
  if (from.form === "take" && fd > 2) kernel("fcntl", what, fd, F_SETFD, FD_CLOEXEC);
  return { content, environment: withoutVariables(given.environment, takenVariables([from])) };
}

/** The file's arguments. The last one need not be ended. */
function split(content: string, { null: byNul, escapes }: Input<typeof spec>["options"]): string[] {
  const end = byNul ? "\0" : "\n";
  const pieces = content.split(end);
  if (pieces.at(-1) === "") pieces.pop();
  const words = escapes ? pieces.map(readEscapes) : pieces;
  const bad = words.findIndex((word) => word.includes("\0"));
  if (bad >= 0) throw new UsageError(`argument ${bad + 1} of the file holds a NUL`);
  return words;
}

export default applet({
  spec,
  act: async ({ options, operands: [file, ...words] }, given, suite) => {
    const { content, environment } = readFile(file, options, given);
    // Options and variables are what a file has for an applet; the program to execute comes behind them.
    const all = [...words.slice(0, 1), ...split(content, options), ...words.slice(1)];
    const chosen = choose(suite, ["ctrtool", ...all], environment);
    const { default: applet } = await chosen.entry.load();
    return applet.run(chosen.words, { ...given, environment }, suite);
  },
});
