/**
 * An applet is a spec and a plan: what its command line looks like, and what the process will do.
 *
 *     const spec = defineSpec({
 *       name: "enter_root",
 *       summary: "make DIR the root, then execute PROGRAM",
 *       usage: "DIR PROGRAM [ARG]...",
 *       operands: v.tupleWithRest([path, v.string()], v.string()),
 *       stopAtOperand: true,
 *       usageStatus: 125,
 *       options: {
 *         chdir: { long: "chdir", metavar: "PATH", value: path, help: "start in PATH", default: "/" },
 *         limits: { short: "l", long: "limit", metavar: "N", value: unsigned(255), repeat: true, help: "..." },
 *         quiet: { short: "q", long: "quiet", help: "say nothing" },
 *       },
 *     });
 *
 *     export function plan({ options, operands: [dir, program, ...args] }: Input<typeof spec>, given: Given): Program {
 *       const start = options.chdir ?? "/"; // string | undefined; options.limits: readonly number[]; options.quiet: boolean
 *       return { applet: spec.name, failure: 125, steps: [...] };
 *     }
 *
 *     export default applet({ spec, plan });
 *
 * `plan` is pure; it refuses what the spec cannot express with a `UsageError`. In a test:
 * `plan(parse(spec, ["/new", "sh"]), given)`. The runner adds `--help` and `--explain`.
 */
import { variableValue } from "../plan/environment.ts";
import type { Program } from "../program/steps.ts";
import type { Given } from "../sys/given.ts";
import { readRequest } from "./parse.ts";
import type { OperandSchema, OptionTable, Parsed, Spec } from "./spec.ts";
import type { Applet, Suite } from "./suite.ts";

/** An applet that becomes a program. */
export interface PlanningApplet<O extends OptionTable, S extends OperandSchema> {
  readonly spec: Spec<O, S>;
  readonly plan: (input: Parsed<O, S>, given: Given) => Program;
}

/** An applet that JavaScript carries out itself; the result is the exit status. */
export interface ActingApplet<O extends OptionTable, S extends OperandSchema> {
  readonly spec: Spec<O, S>;
  readonly act: (input: Parsed<O, S>, given: Given, suite: Suite) => number | Promise<number>;
}

/** What is seldom needed is imported where it is needed: start-up time is a feature. */
async function execute<O extends OptionTable, S extends OperandSchema>(
  definition: PlanningApplet<O, S> | ActingApplet<O, S>,
  words: readonly string[],
  given: Given,
  suite: Suite,
): Promise<number> {
  const { spec } = definition;
  const posixlyCorrect = variableValue(given.environment, "POSIXLY_CORRECT") !== undefined;
  const request = readRequest(spec, words, { posixlyCorrect }, "plan" in definition);
  if (request.kind === "help") {
    const { helpText } = await import("./help.ts");
    return say(helpText(spec, "plan" in definition), given);
  }
  if ("act" in definition) return definition.act(request.input, given, suite);
  const program = definition.plan(request.input, given);
  if (request.kind === "explain") {
    const { explain } = await import("../program/explain.ts");
    return say(explain(program), given);
  }
  const { become } = await import("../program/run.ts");
  return become(program, given);
}

async function say(text: string, given: Given): Promise<number> {
  const { print } = await import("./output.ts");
  return print(text, given);
}

/** Makes an applet of its parts. Whatever is thrown in it becomes one line and an exit status. */
export function applet<O extends OptionTable, S extends OperandSchema>(
  definition: PlanningApplet<O, S> | ActingApplet<O, S>,
): Applet {
  const { spec } = definition;
  return {
    spec,
    explains: "plan" in definition,
    async run(words, given, suite) {
      try {
        return await execute(definition, words, given, suite);
      } catch (problem) {
        const { report } = await import("./report.ts");
        const { name, usageStatus: usage } = spec;
        const failure = spec.failureStatus ?? (usage === 125 ? 125 : 1);
        return report(problem, `ctrtool ${name}`, { usage, failure });
      }
    },
  };
}
