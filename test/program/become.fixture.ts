/** Becomes the program of the step case that is named, or one that looks at itself. */
import { become } from "../../src/program/run.ts";
import { area, call, type Program, variable } from "../../src/program/steps.ts";
import { AT_FDCWD, O_RDONLY } from "../../src/sys/constants.ts";
import { readGiven } from "../../src/sys/given.ts";
import { programOf, stepCases } from "./step-cases.ts";

/** Prints what the kernel says of the process, and the file that it is executed from. */
function look(): Program {
  const text = area("text", 8192);
  const fd = variable("fd");
  const length = variable("length");
  const print = call("write", [1, text, length], "output");
  return {
    applet: "test",
    failure: 1,
    steps: [
      call("openat", [AT_FDCWD, "/proc/self/status", O_RDONLY], "status", { into: fd }),
      call("read", [fd, text, text.size], "status", { into: length }),
      print,
      call("readlinkat", [AT_FDCWD, "/proc/self/exe", text, text.size], "exe", { into: length }),
      print,
    ],
  };
}

const name = process.argv[2];
const one = stepCases.find((candidate) => candidate.name === name);
if (name === "--look") become(look(), readGiven());
if (one === undefined) throw new Error(`no case ${name}`);
become(programOf(one, 1), readGiven());
