/** `ctrtool install DIR`: a link to this executable for each name it answers to. */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { UsageError } from "../cli/failure.ts";
import { report } from "../cli/report.ts";
import { defineSpec } from "../cli/spec.ts";
import { installedNames } from "../cli/suite.ts";
import { path } from "../cli/values/text.ts";
import { byteString } from "../sys/bytes.ts";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../sys/constants.ts";
import { EEXIST, ENOENT } from "../sys/errno.ts";
import { OperationError } from "../sys/failure.ts";
import { kernel, tryKernel } from "../sys/kernel.ts";

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

const pathBytes = 4096;
/** F_OK of access(2). */
const isThere = 0;
/** For a name to be replaced in one step. */
const newSuffix = ".ctrtool-new";

/** The path of the running executable, which only /proc tells. */
function executable(): string {
  if (!Bun.main.startsWith("/$bunfs/")) throw new UsageError("this is not the built executable");
  const proc = "/proc/self/exe";
  const path = new Uint8Array(pathBytes);
  return byteString(path.subarray(0, kernel("readlinkat", proc, AT_FDCWD, proc, path, pathBytes)));
}

function exists(file: string): boolean {
  const result = tryKernel("faccessat2", AT_FDCWD, file, isThere, AT_SYMLINK_NOFOLLOW);
  if (result === 0) return true;
  if (result === -ENOENT) return false;
  throw new OperationError("faccessat2", file, -result);
}

function remove(file: string): void {
  kernel("unlinkat", file, AT_FDCWD, file, 0);
}

/** Makes one link; with `force` in one step in place of whatever has the name. */
function makeLink(target: string, file: string, options: { force: boolean; symbolic: boolean }): void {
  const at = options.force ? file + newSuffix : file;
  if (options.symbolic) kernel("symlinkat", at, target, AT_FDCWD, at);
  else kernel("linkat", at, AT_FDCWD, target, AT_FDCWD, at, 0);
  if (!options.force) return;
  try {
    kernel("renameat2", file, AT_FDCWD, at, AT_FDCWD, file, 0);
  } finally {
    // rename(2) leaves both names when they are links to one file already, and of course when it fails.
    if (exists(at)) remove(at);
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
      return taken.map((file) => fail(new OperationError("linkat", file, EEXIST))).at(-1) ?? 1;
    }
    const made: string[] = [];
    try {
      for (const file of files) {
        makeLink(target, file, options);
        if (!taken.includes(file)) made.push(file);
      }
      return 0;
    } catch (problem) {
      for (const file of made) remove(file);
      return fail(problem);
    }
  },
});
