/** `ctrtool list`, `ctrtool --list`: names for people and for scripts. */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { print } from "../cli/output.ts";
import { describe } from "../cli/overview.ts";
import { defineSpec } from "../cli/spec.ts";
import { escapeNames, linkNames, type Suite } from "../cli/suite.ts";

const spec = defineSpec({
  name: "list",
  summary: "print the names of all applets, a line each",
  usage: "",
  options: {
    long: { short: "l", long: "long", help: "say what each does" },
  },
  operands: v.strictTuple([]),
  stopAtOperand: false,
  usageStatus: 2,
});

async function longLines(suite: Suite): Promise<readonly string[]> {
  const rows = new Map<string, string>();
  for (const { entry, applet } of await describe(suite.applets)) {
    rows.set(entry.name, applet.spec.summary);
    for (const alias of entry.aliases) rows.set(alias, `the same as ${entry.name}`);
  }
  for (const name of escapeNames) rows.set(name, "go on with the applet that follows");
  return linkNames(suite).map((name) => `${name.padEnd(24)}${rows.get(name) ?? ""}`);
}

export default applet({
  spec,
  act: async ({ options }, given, suite) => {
    const lines = options.long ? await longLines(suite) : linkNames(suite);
    return print(lines.map((line) => `${line}\n`).join(""), given);
  },
});
