/** Executes a program in a changed environment, as env(1) does; without one, prints the environment. */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { path, variableName } from "../cli/values/text.ts";
import { withoutVariables, withVariable } from "../plan/environment.ts";
import { exec, execution } from "../plan/exec.ts";
import { restoreInherited } from "../plan/inherit.ts";
import { writeText } from "../plan/output.ts";
import { call, type Program, type Step } from "../program/steps.ts";
import type { Given } from "../sys/given.ts";

const spec = defineSpec({
  name: "env",
  summary: "execute a program in a changed environment, or print it",
  usage: "[-] [NAME=VALUE]... [PROGRAM [ARG]...]",
  options: {
    ignore: { short: "i", long: "ignore-environment", help: "start from an empty environment, as - does" },
    unset: {
      short: "u",
      long: "unset",
      metavar: "NAME",
      value: variableName,
      repeat: true,
      help: "remove this variable",
    },
    chdir: { short: "C", long: "chdir", metavar: "DIR", value: path, help: "change to this directory first" },
    null: { short: "0", long: "null", help: "print with a NUL behind each variable, not a newline" },
  },
  operands: v.array(v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  details: [
    {
      title: "Secrets",
      lines: [
        "With cmd, variables come from a file and stay out of every command line:",
        "  ctrtool cmd FILE env PROGRAM takes NAME=VALUE words, PROGRAM and its arguments from FILE's lines.",
      ],
    },
  ],
  examples: ["env -i PATH=/bin sh", "env -u LANG TZ=UTC date"],
});

/** The words before the program: `-`, then assignments. */
function assignments(words: readonly string[]): { empties: boolean; assigned: string[]; program: string[] } {
  const empties = words[0] === "-";
  const rest = words.slice(empties ? 1 : 0);
  const end = rest.findIndex((word) => !word.includes("="));
  const count = end < 0 ? rest.length : end;
  return { empties, assigned: rest.slice(0, count), program: rest.slice(count) };
}

function changedEnvironment(
  { options }: Input<typeof spec>,
  empties: boolean,
  assigned: readonly string[],
  given: Given,
): readonly string[] {
  const start = options.ignore || empties ? [] : withoutVariables(given.environment, options.unset);
  return assigned.reduce((environment, word) => {
    const equals = word.indexOf("=");
    if (equals === 0) throw new UsageError("an assignment has no name before its =");
    return withVariable(environment, word.slice(0, equals), word.slice(equals + 1));
  }, start);
}

export function plan(input: Input<typeof spec>, given: Given): Program {
  const { options, operands } = input;
  const { empties, assigned, program } = assignments(operands);
  const environment = changedEnvironment(input, empties, assigned, given);
  const [file, ...args] = program;
  if (options.null && file !== undefined) throw new UsageError("--null goes without PROGRAM");
  if (options.chdir !== undefined && file === undefined) throw new UsageError("--chdir needs PROGRAM");
  const chdir: Step[] = options.chdir === undefined ? [] : [call("chdir", [options.chdir], options.chdir)];
  const end = options.null ? "\0" : "\n";
  const steps =
    file === undefined
      ? writeText(environment.map((entry) => entry + end).join(""), "stdout")
      : [...chdir, ...restoreInherited(given), ...exec(execution([file, ...args], environment))];
  return { applet: spec.name, failure: 125, steps };
}

export default applet({ spec, plan });
