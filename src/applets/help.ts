/** `ctrtool help [APPLET]`, `ctrtool --help`. */
import * as v from "valibot";
import { version } from "../../package.json";
import { applet } from "../cli/applet.ts";
import { helpText } from "../cli/help.ts";
import { print } from "../cli/output.ts";
import { overview } from "../cli/overview.ts";
import { defineSpec } from "../cli/spec.ts";
import { choose } from "../cli/suite.ts";

const spec = defineSpec({
  name: "help",
  summary: "print what ctrtool, or APPLET, can do",
  usage: "[APPLET]",
  options: {},
  operands: v.strictTuple([v.optional(v.string())]),
  stopAtOperand: true,
  usageStatus: 2,
  examples: ["help", "help launcher"],
});

export default applet({
  spec,
  act: async ({ operands: [name] }, given, suite) => {
    if (name === undefined) return print(await overview(suite, version), given);
    const { entry } = choose(suite, ["ctrtool", name], []);
    const { default: described } = await entry.load();
    return print(helpText(described.spec, described.explains), given);
  },
});
