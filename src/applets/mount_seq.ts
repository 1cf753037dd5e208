/**
 * A list of mounts, directories, links and more, done in order. The command line is the program, in the language
 * of src/cli/operations.ts.
 */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import {
  isOperationOccurrence,
  operationDetails,
  operationOptions,
  readOperations,
  sequenceSteps,
  undoableSteps,
} from "../cli/operations.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { exec, execution } from "../plan/exec.ts";
import { keepChildStatus, restoreInherited } from "../plan/inherit.ts";
import { exit, type Program, variable, when } from "../program/steps.ts";
import type { Given } from "../sys/given.ts";

const failure = 3;
const tolerated = 2;

export const spec = defineSpec({
  name: "mount_seq",
  summary: "carry out mounts and what belongs to them, in the order given",
  usage: "OPERATION [MODIFIER]... [OPERATION [MODIFIER]...]... [-- PROGRAM [ARG]...]",
  operands: v.array(v.string()),
  stopAtOperand: false,
  operandsAfterDashes: true,
  usageStatus: 1,
  failureStatus: failure,
  options: {
    ...operationOptions,
    undo: {
      long: "undo",
      added: true,
      help: "if the run fails, take back the mounts, directories, files and links that it has made",
    },
  },
  statuses: {
    "2": "an operation with --ignore-failure failed, everything else was done",
    "3": "stopped at an operation that failed, or whose path was refused",
    "126": "PROGRAM could not be executed",
    "127": "PROGRAM was not found",
    other: "the status of PROGRAM, which is executed after all operations in the same process",
  },
  details: operationDetails,
  examples: [
    "mount_seq -m d -t tmpfs -o mode=0700,size=1M -Osdx",
    "mount_seq -c /newroot -m ro -E -s /usr -Obvo -m netns -f -s /proc/self/ns/net -K -Ob",
    "mount_seq --undo -m d -t tmpfs -w d/hosts --content-escaped '127.0.0.1 localhost\\n' -M 0644",
    "mount_seq -m /run/job -E -s /proc/self -K -Ob -- sleep 60",
  ],
});

export function plan({ options, operands, sequence }: Input<typeof spec>, given: Given): Program {
  const operations = readOperations(sequence.filter(isOperationOccurrence));
  const failed = variable("failed");
  const [program, ...args] = operands;
  return {
    applet: spec.name,
    failure,
    steps: [
      ...(operations.some(({ operation }) => operation.kind === "run") ? keepChildStatus(given) : []),
      ...(options.undo ? undoableSteps : sequenceSteps)(operations, failed, given),
      ...(program === undefined
        ? [when(failed, "!=", 0, [exit(tolerated)])]
        : [...restoreInherited(given), ...exec(execution([program, ...args], given.environment))]),
    ],
  };
}

export default applet({ spec, plan });
