/**
 * Puts the kernel's numbers where they are used. In a bundle that is split into chunks each imported number is a
 * variable, which every start links and reads: `ctrtool --version` takes a twentieth less time without them.
 */
import { dirname, resolve } from "node:path";
import type { BunPlugin } from "bun";
import * as constants from "../src/sys/constants.ts";
import * as errors from "../src/sys/errno.ts";

const sources = resolve(import.meta.dirname, "../src");

/** By file: what it exports. */
const exported = new Map<string, Readonly<Record<string, unknown>>>([
  [resolve(sources, "sys/constants.ts"), constants],
  [resolve(sources, "sys/errno.ts"), errors],
]);

/** Their values here are those of the machine that builds. */
const archDependent = new Set(Object.keys(constants.archConstants.x86_64));

/** An import as the formatter writes it. */
const imports = /^import \{([^{}]*)\} from "(\.[^"]*)";$/gm;

/** The text of the module at `path` with constants in place of its imports of numbers. */
export function withNumbers(path: string, text: string): string {
  return text.replace(imports, (whole: string, list: string, from: string) => {
    const values = exported.get(resolve(dirname(path), from));
    if (!values) return whole;
    const names = list.split(",").map((name) => name.trim());
    const isNumber = (name: string) => typeof values[name] === "number" && !archDependent.has(name);
    const others = names.filter((name) => name !== "" && !isNumber(name));
    const numbers = names.filter(isNumber).map((name) => `const ${name} = ${values[name]};`);
    const rest = others.length > 0 ? [`import { ${others.join(", ")} } from "${from}";`] : [];
    // On as many lines as before: what a message says about a place stays true.
    return [...rest, ...numbers].join(" ") + "\n".repeat(whole.split("\n").length - 1);
  });
}

/** For Bun.build. */
export const inlineNumbers: BunPlugin = {
  name: "inline numbers",
  setup(build) {
    build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      return { contents: path.startsWith(`${sources}/`) ? withNumbers(path, text) : text, loader: "ts" };
    });
  },
};
