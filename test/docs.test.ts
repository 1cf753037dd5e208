/**
 * The examples of README.md and of the pages under docs: a block of `sh` is run, the blocks of a page one after another in one
 * directory, and what follows as a block of `output` is what it must print. And what the README says of the applets.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe as described } from "../src/cli/overview.ts";
import { suite } from "../src/cli/registry.ts";
import { inDirectory, mountScript } from "./support/ctrtool.ts";

const root = join(import.meta.dir, "..");
const readme = "README.md";
const inDocs = readdirSync(join(root, "docs")).map((name) => join("docs", name));
const pages = [readme, ...inDocs.filter((name) => name.endsWith(".md"))];
const block = /^```sh\n(.*?)^```\n(?:```output\n(.*?)^```\n)?/gms;
const separator = "=== next block ===";

for (const page of pages) {
  describe(page, () => {
    const blocks = [...readFileSync(join(root, page), "utf8").matchAll(block)];
    test("prints what it says", () => {
      const whole = blocks.map(([, commands]) => `${commands}\necho '${separator}'`).join("\n");
      const { stdout } = inDirectory((directory) =>
        mountScript(`cd ${directory}; export CTRTOOL; exec 2>&1\n${whole}`),
      );
      const printed = stdout.split(`${separator}\n`);
      for (const [index, [, commands = "", output]] of blocks.entries()) {
        if (output !== undefined) expect(`${commands}${printed[index]}`).toBe(`${commands}${output}`);
      }
      expect(printed.length).toBe(blocks.length + 1);
    });
  });
}

describe("the table of applets in README.md", () => {
  const text = readFileSync(join(root, readme), "utf8");
  const rows = text.split("\n").filter((line) => line.startsWith("| `"));

  test("has each applet, with its aliases and its summary", async () => {
    const expected = (await described(suite.applets)).map(({ entry: { name, aliases }, applet }) => {
      const also = aliases.map((alias) => `\`${alias}\``).join(", ");
      return `| \`${name}\` | ${also} | ${applet.spec.summary} |`;
    });
    expect(rows).toEqual(expected);
  });

  test("and nothing that is there is called missing", () => {
    const missing = text.split("\n").find((line) => line.startsWith("- Not there yet")) ?? "";
    const names = [...missing.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
    expect(suite.applets.filter(({ name }) => names.includes(name))).toEqual([]);
  });
});
