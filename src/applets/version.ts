/** `ctrtool version`, `ctrtool --version`. */
import * as v from "valibot";
import { version } from "../../package.json";
import { applet } from "../cli/applet.ts";
import { print } from "../cli/output.ts";
import { defineSpec } from "../cli/spec.ts";

const spec = defineSpec({
  name: "version",
  summary: "print the version of ctrtool",
  usage: "",
  options: {},
  operands: v.strictTuple([]),
  stopAtOperand: false,
  usageStatus: 2,
});

export default applet({ spec, act: (_input, given) => print(`ctrtool ${version}\n`, given) });
