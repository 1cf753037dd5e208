/** `ctrtool completion bash`: a completion script, made from the specs. */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { print } from "../cli/output.ts";
import { type Described, describe } from "../cli/overview.ts";
import { defineSpec } from "../cli/spec.ts";
import { escapeNames, namesOf, type Suite } from "../cli/suite.ts";

const spec = defineSpec({
  name: "completion",
  summary: "print a completion script for SHELL (bash)",
  usage: "SHELL",
  options: {},
  operands: v.strictTuple([v.literal("bash", "only bash is known")]),
  stopAtOperand: false,
  usageStatus: 2,
  examples: ["completion bash > /etc/bash_completion.d/ctrtool"],
});

function optionWords({ applet: { spec, explains } }: Described): string {
  const own = Object.values(spec.options).flatMap((option) => {
    const long = `--${option.long}${option.value === undefined && option.settings === undefined ? "" : "="}`;
    return option.hidden ? [] : option.short === undefined ? [long] : [`-${option.short}`, long];
  });
  return [...own, ...(explains ? ["--explain"] : []), "--help"].join(" ");
}

function bashCase(described: Described): string {
  const names = namesOf([described.entry]).join("|");
  return `    ${names}) words='${optionWords(described)}' ;;`;
}

async function bashScript({ applets, commands }: Suite): Promise<string> {
  const entries = [...applets, ...commands];
  const cases = (await describe(entries)).map(bashCase);
  return `# bash completion for ctrtool: applets, then the applet's options, then files.
_ctrtool() {
  local words= applet=\${COMP_WORDS[1]} current=\${COMP_WORDS[COMP_CWORD]}
  case $COMP_CWORD:$applet in
    *:escape|*:_ctrtool_escaped) applet=\${COMP_WORDS[2]}
      [ "$COMP_CWORD" = 2 ] && words='${namesOf(applets).join(" ")}' applet= ;;
    1:*) words='${[...namesOf(entries), ...escapeNames].join(" ")}' applet= ;;
  esac
  [ -n "$words" ] || case $current in -*) case $applet in
${cases.join("\n")}
  esac ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case \${COMPREPLY[0]} in *=) compopt -o nospace ;; esac
}
complete -o default -F _ctrtool ctrtool
`;
}

export default applet({ spec, act: async (_input, given, suite) => print(await bashScript(suite), given) });
