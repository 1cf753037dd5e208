/**
 * The suite, or a sample applet, run as a process of its own, with what it was given made up from its
 * arguments: `main.fixture.ts [--filled-stdout] ARGV0 [WORD]...`.
 */
import * as v from "valibot";
import { applet } from "../../src/cli/applet.ts";
import { dispatch } from "../../src/cli/dispatch.ts";
import { UsageError } from "../../src/cli/failure.ts";
import { suite } from "../../src/cli/registry.ts";
import { defineSpec } from "../../src/cli/spec.ts";
import { unsigned } from "../../src/cli/values/number.ts";
import { call } from "../../src/program/steps.ts";
import { OperationError } from "../../src/sys/failure.ts";
import type { Given } from "../../src/sys/given.ts";

const sample = applet({
  spec: defineSpec({
    name: "sample",
    summary: "an applet that fails as it is told",
    usage: "[WORD]...",
    options: {
      fail: {
        long: "fail",
        metavar: "HOW",
        value: v.picklist(["usage", "operation", "bug", "odd"]),
        help: "how",
      },
      size: { long: "size", metavar: "N", value: unsigned(9), help: "a number" },
    },
    operands: v.array(v.string()),
    stopAtOperand: true,
    usageStatus: 125,
  }),
  plan: ({ options, operands }) => {
    if (options.fail === "usage") throw new UsageError("the plan says no");
    if (options.fail === "operation") throw new OperationError("open", "/a\n/b", 2);
    if (options.fail === "bug") throw new TypeError("a bug\nof two lines");
    if (options.fail === "odd") throw "no error at all";
    return {
      applet: "sample",
      failure: 125,
      steps: [call("mkdirat", [-100, "d", 0o700], operands.join(" "))],
    };
  },
});

/** One char, one byte, as all words and variables are. */
const byteString = (text: string) => Buffer.from(text, "utf8").toString("latin1");

const words = process.argv.slice(2).map(byteString);
const filled = words[0] === "--filled-stdout" ? 0b010 : 0;
const argv = filled === 0 ? words : words.slice(1);
const environment = Object.entries(process.env).map(([name, value]) => byteString(`${name}=${value}`));
const given: Given = {
  argv,
  environment,
  filled,
  ignoredSignals: 0n,
  blockedSignals: 0n,
  nofile: { soft: 1024n, hard: 1024n },
  raised: [],
  umask: 0o22,
  vectors: () => {
    throw new Error("nothing is executed here");
  },
};

process.exit(argv[0] === "sample" ? await sample.run(argv.slice(1), given, suite) : await dispatch(given));
