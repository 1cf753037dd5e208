/** `reset_cgroup`: moves this process to given cgroups, then executes a program. */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { quote, UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { list } from "../cli/values/number.ts";
import { readBy } from "../cli/values/reader.ts";
import { path, text } from "../cli/values/text.ts";
import { enterCgroups, processFile } from "../plan/cgroups.ts";
import { exec, execution } from "../plan/exec.ts";
import { restoreInherited } from "../plan/inherit.ts";
import type { Program } from "../program/steps.ts";
import type { Given } from "../sys/given.ts";

const defaultBase = "/sys/fs/cgroup";
const defaultControllers = ["blkio", "cpu", "devices", "freezer", "memory", "perf_event", "pids", "rdma"];

export const spec = defineSpec({
  name: "reset_cgroup",
  summary: "move this process to given cgroups, then execute PROGRAM",
  usage: "PROGRAM [ARG]...",
  options: {
    base: {
      short: "b",
      long: "base",
      metavar: "DIR",
      value: path,
      help: "where the hierarchies are",
      default: defaultBase,
    },
    controllers: {
      short: "c",
      long: "controllers",
      metavar: "LIST",
      value: list(text()),
      help: "hierarchies, separated by commas, in this order; an empty list is none",
      default: `${defaultControllers.join(",")}; if DIR is a version 2 hierarchy, only that`,
    },
    path: {
      short: "p",
      long: "path",
      metavar: "PATH",
      value: path,
      help: "the cgroup below each hierarchy",
      default: ".",
    },
    systemd: { short: "s", long: "systemd", help: "also the hierarchy systemd" },
    unified: { short: "u", long: "unified", help: "also the hierarchy unified" },
    also: {
      short: "a",
      long: "also",
      metavar: "LIST",
      value: list(text()),
      help: "further hierarchies, separated by commas",
      default: "none",
    },
    skipMissing: {
      long: "skip-missing",
      help: "leave out hierarchies that do not exist here; one at least must",
      added: true,
    },
    create: { long: "create", help: "make the cgroup where it does not exist", added: true },
    anyFileSystem: {
      long: "any-filesystem",
      help: "overwrite cgroup.procs also where it is an ordinary file that holds something",
      added: true,
    },
  },
  operands: v.tupleWithRest([v.string()], v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  details: [
    {
      title: "Names",
      lines: [
        "DIR/NAME/PATH/cgroup.procs is written for each NAME. A NAME of . is DIR itself. Neither .. nor",
        "symlinks may lead out of DIR. All files are opened before the first is written.",
      ],
    },
  ],
  examples: [
    "reset_cgroup --skip-missing -s -u unshare -C sh",
    "reset_cgroup --create -p jobs/one make",
    "reset_cgroup -c '' -u -p system.slice PROGRAM",
  ],
});

type Options = Input<typeof spec>["options"];

/** The hierarchies to use, and those on a version 2 host, if the user left the choice to us. */
function choose({ controllers, systemd, unified, also = [] }: Options) {
  const named = [...(systemd ? ["systemd"] : []), ...(unified ? ["unified"] : []), ...also];
  if (controllers !== undefined) return { hierarchies: [...controllers, ...named] };
  // There is one hierarchy there, for all controllers, for systemd and "unified" too.
  return { hierarchies: [...defaultControllers, ...named], unified: [".", ...also] };
}

function checkPaths(hierarchies: readonly string[], { path: below = ".", create }: Options): void {
  for (const hierarchy of hierarchies) readBy(path, processFile(hierarchy, below));
  if (create && below.split("/").includes("..")) {
    throw new UsageError(`--create: ${quote(below)} has .. in it`);
  }
}

export function plan({ options, operands }: Input<typeof spec>, given: Given): Program {
  const chosen = choose(options);
  checkPaths(chosen.hierarchies, options);
  const destination = {
    ...chosen,
    base: options.base ?? defaultBase,
    path: options.path ?? ".",
    skipMissing: options.skipMissing,
    create: options.create,
    anyFileSystem: options.anyFileSystem,
  };
  return {
    applet: spec.name,
    failure: spec.usageStatus,
    steps: [
      ...enterCgroups(destination),
      ...restoreInherited(given),
      ...exec(execution(operands, given.environment)),
    ],
  };
}

export default applet({ spec, plan });
