/** `set_fds`: executes a program with exactly the descriptors asked for. */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { quote, UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import {
  type DescriptorSpec,
  decimalDescriptor,
  resolveDescriptor,
  takenVariables,
} from "../cli/values/descriptor.ts";
import { decimal, I32_MAX, list } from "../cli/values/number.ts";
import { type Reader, readBy, reader } from "../cli/values/reader.ts";
import { type Assignment, arrangeDescriptors } from "../plan/descriptors.ts";
import { withoutVariables } from "../plan/environment.ts";
import { exec, execution } from "../plan/exec.ts";
import { restoreInherited } from "../plan/inherit.ts";
import { numberText } from "../plan/text.ts";
import { call, type Program, type Step, variable } from "../program/steps.ts";
import type { Given } from "../sys/given.ts";

/** One item of a list: what `target`, or the next free number, is to be. */
interface Item {
  readonly target: number | undefined;
  readonly source: DescriptorSpec | "closed";
}

/** The first descriptor of the socket-activation protocol, see sd_listen_fds(3). */
const firstListened = 3;
const standardDescriptors = 3;

/** All of the protocol's variables: one that an outer service manager left would not match any more. */
const listenVariables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

const numberOnly: Reader<DescriptorSpec> = reader((text) => ({
  form: "number",
  fd: readBy(decimal(I32_MAX), text),
}));

function item(source: Reader<DescriptorSpec>): Reader<Item> {
  return reader((text) => {
    const [, target, rest = text] = /^([0-9]+)=(.*)$/s.exec(text) ?? [];
    return {
      target: target === undefined ? undefined : readBy(decimal(I32_MAX), target),
      source: target !== undefined && rest === "-" ? "closed" : readBy(source, rest),
    };
  });
}

/** See sd_pid_notify_with_fds(3), FDNAME. */
const descriptorName: Reader<string> = reader((name) => {
  if (name.length > 255 || !/^[\x20-\x39\x3b-\x7e]+$/.test(name)) {
    throw new UsageError(`${quote(name)} cannot name a descriptor`);
  }
  return name;
});

export const spec = defineSpec({
  name: "set_fds",
  summary: "choose and renumber the descriptors of a program",
  usage: "PROGRAM [ARG]...",
  options: {
    fds: {
      short: "f",
      long: "fds",
      metavar: "LIST",
      value: list(item(numberOnly)),
      help: "descriptors to keep, separated by commas, as 3, 4, 5 and so on",
      default: "none",
    },
    environmentFds: {
      short: "e",
      long: "fds-from-env",
      metavar: "LIST",
      value: list(item(decimalDescriptor)),
      help: "the same; /NAME is the number in a variable, :NAME also removes the variable",
      default: "none",
    },
    listen: { short: "s", long: "listen", help: "set LISTEN_PID and LISTEN_FDS, see sd_listen_fds(3)" },
    names: {
      long: "names",
      metavar: "LIST",
      value: list(descriptorName),
      help: "with --listen: names for LISTEN_FDNAMES, separated by commas, for 3, 4, 5 and so on",
      added: true,
    },
    base: {
      long: "base",
      metavar: "N",
      value: decimal(I32_MAX),
      help: "the first number, in place of 3",
      default: "3",
      added: true,
    },
  },
  operands: v.tupleWithRest([v.string()], v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  details: [
    {
      title: "Lists",
      lines: [
        "SOURCE         becomes the next number, from 3 (--base) on",
        "TARGET=SOURCE  becomes TARGET, which may also be 0, 1 or 2",
        "TARGET=-       TARGET is closed",
        "A source may be listed several times. Of all other descriptors only 0, 1 and 2 stay.",
      ],
    },
  ],
  examples: [
    "set_fds -f 5,3 server",
    "set_fds --fds 0=5,1=5,2=- server",
    "set_fds --listen --names http,https --fds-from-env :HTTP,:HTTPS server",
  ],
});

type Options = Input<typeof spec>["options"];

/** Each target once. */
function place(items: readonly Item[], base: number): { target: number; source: Item["source"] }[] {
  let next = base;
  const placed = items.map(({ target, source }) => ({ target: target ?? next++, source }));
  placed.forEach(({ target }, index) => {
    if (target > I32_MAX) throw new UsageError(`descriptor ${target} is out of range (0 to ${I32_MAX})`);
    if (placed.findIndex((other) => other.target === target) < index) {
      throw new UsageError(`descriptor ${target} is given twice`);
    }
  });
  return placed;
}

function listenFds(assignments: readonly Assignment[]): number {
  const targets = assignments.map(({ target }) => target).filter((fd) => fd >= firstListened);
  if (targets.some((fd) => fd >= firstListened + targets.length)) {
    throw new UsageError("--listen needs 3, 4, 5 and so on without a gap");
  }
  return targets.length;
}

function listenNames(names: Options["names"], count: number): string[] {
  if (names === undefined) return [];
  if (names.length !== count)
    throw new UsageError(`--names has ${names.length} names for ${count} descriptors`);
  return [`LISTEN_FDNAMES=${names.join(":")}`];
}

export function plan({ options, operands }: Input<typeof spec>, given: Given): Program {
  if (options.fds && options.environmentFds) throw new UsageError("-f and -e exclude each other");
  if (options.names && !options.listen) throw new UsageError("--names needs --listen");
  const items = options.fds ?? options.environmentFds ?? [];
  const placed = place(items, options.base ?? firstListened);
  const assignments = placed.flatMap(({ target, source }) =>
    source === "closed" ? [] : [{ target, source: resolveDescriptor(source, given) }],
  );
  const closed = placed
    .filter(({ target, source }) => source === "closed" && target < standardDescriptors)
    .map(({ target }) => target);
  const sources = items.flatMap(({ source }) => (source === "closed" ? [] : [source]));
  const environment = withoutVariables(given.environment, takenVariables(sources));
  const listening = options.listen ? listen(assignments, options.names) : { steps: [], variables: [] };
  const kept = options.listen ? withoutVariables(environment, listenVariables) : environment;
  return {
    applet: spec.name,
    failure: spec.usageStatus,
    steps: [
      ...arrangeDescriptors({ assignments, closed, limit: given.nofile.hard }),
      ...listening.steps,
      ...restoreInherited(given),
      ...exec({ ...execution(operands, environment), environment: [...kept, ...listening.variables] }),
    ],
  };
}

/** The protocol's variables. The program is executed in the process that ctrtool was started as. */
function listen(assignments: readonly Assignment[], names: Options["names"]) {
  const count = listenFds(assignments);
  const pid = variable("pid");
  const listenPid = numberText("LISTEN_PID=", pid);
  const steps: Step[] = [call("getpid", [], "this process", { into: pid }), ...listenPid.steps];
  return { steps, variables: [listenPid.text, `LISTEN_FDS=${count}`, ...listenNames(names, count)] };
}

export default applet({ spec, plan });
