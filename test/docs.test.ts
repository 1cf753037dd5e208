/**
 * The examples of the pages under docs: a block of `sh` is run, the blocks of a page one after another in one
 * directory, and what follows as a block of `output` is what it must print.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inDirectory, mountScript } from "./support/ctrtool.ts";

const pages = join(import.meta.dir, "..", "docs");
const block = /^```sh\n(.*?)^```\n(?:```output\n(.*?)^```\n)?/gms;
const separator = "=== next block ===";

for (const page of readdirSync(pages).filter((name) => name.endsWith(".md"))) {
  describe(`docs/${page}`, () => {
    const blocks = [...readFileSync(join(pages, page), "utf8").matchAll(block)];
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
