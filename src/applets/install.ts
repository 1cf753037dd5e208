/** `ctrtool install DIR`: a link to this executable for each name it answers to. */
import { linkSync, lstatSync, readlinkSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { UsageError } from "../cli/failure.ts";
import { report } from "../cli/report.ts";
import { defineSpec } from "../cli/spec.ts";
import { installedNames } from "../cli/suite.ts";
import { path } from "../cli/values/text.ts";
import { EEXIST, ENOENT } from "../sys/errno.ts";
import { OperationError } from "../sys/failure.ts";

const spec = defineSpec({
  name: "install",
  summary: "make a link to this executable in DIR for every applet's name and alias",
  usage: "DIR",
  options: {
    force: { short: "f", long: "force", help: "replace existing files (they do not come back on a failure)" },
    symbolic: { short: "s", long: "symbolic", help: "make symbolic links instead of hard links" },
  },
  operands: v.strictTuple([path]),
  stopAtOperand: false,
  usageStatus: 2,
  examples: ["install /usr/local/bin", "install --symbolic --force ."],
});

const STATUSES = { usage: spec.usageStatus, failure: 1 };
const WHO = `ctrtool ${spec.name}`;

/** A byte string as node:fs takes it. */
function bytes(file: string): Buffer {
  return Buffer.from(file, "latin1");
}

/** Runs a call of node:fs; its failure names the call and the file. */
function attempt<T>(step: string, what: string, call: () => T): T {
  try {
    return call();
  } catch (problem) {
    if (!(problem instanceof Error && "errno" in problem && typeof problem.errno === "number")) throw problem;
    throw new OperationError(step, what, Math.abs(problem.errno));
  }
}

/** The path of the running executable, which only /proc tells. */
function executable(): string {
  if (!Bun.main.startsWith("/$bunfs/")) throw new UsageError("this is not the built executable");
  const proc = "/proc/self/exe";
  return attempt("readlink", proc, () => readlinkSync(proc, { encoding: "buffer" })).toString("latin1");
}

function exists(file: string): boolean {
  try {
    attempt("lstat", file, () => lstatSync(bytes(file)));
    return true;
  } catch (problem) {
    if (problem instanceof OperationError && problem.errno === ENOENT) return false;
    throw problem;
  }
}

/** Makes one link; with `force` in one step in place of whatever has the name. */
function makeLink(target: string, file: string, options: { force: boolean; symbolic: boolean }): void {
  const make = (at: string) =>
    options.symbolic
      ? attempt("symlink", at, () => symlinkSync(bytes(target), bytes(at)))
      : attempt("link", at, () => linkSync(bytes(target), bytes(at)));
  if (!options.force) {
    make(file);
    return;
  }
  const temporary = `${file}.ctrtool-new`;
  make(temporary);
  try {
    attempt("rename", file, () => renameSync(bytes(temporary), bytes(file)));
  } finally {
    // rename(2) leaves both names when they are links to one file already, and of course when it fails.
    if (exists(temporary)) attempt("unlink", temporary, () => unlinkSync(bytes(temporary)));
  }
}

function fail(problem: unknown): number {
  return report(problem, WHO, STATUSES);
}

export default applet({
  spec,
  act: ({ options, operands: [directory] }, _given, suite) => {
    const target = executable();
    const files = installedNames(suite).map((name) => `${directory}/${name}`);
    const taken = files.filter(exists);
    if (taken.length > 0 && !options.force) {
      return taken.map((file) => fail(new OperationError("link", file, EEXIST))).at(-1) ?? 1;
    }
    const made: string[] = [];
    try {
      for (const file of files) {
        makeLink(target, file, options);
        if (!taken.includes(file)) made.push(file);
      }
      return 0;
    } catch (problem) {
      for (const file of made) attempt("unlink", file, () => unlinkSync(bytes(file)));
      return fail(problem);
    }
  },
});
