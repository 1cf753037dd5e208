/** What the build does to imports of numbers. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { withNumbers } from "../../scripts/inline-numbers.ts";

const sources = join(import.meta.dir, "..", "..", "src");
const module = join(sources, "plan", "some.ts");

test("numbers take the place of their imports, also of several lines, and lines stay where they are", () => {
  const text = 'import {\n  O_CLOEXEC,\n  O_RDONLY,\n} from "../sys/constants.ts";\nopen(O_CLOEXEC);\n';
  expect(withNumbers(module, text)).toBe(
    "const O_CLOEXEC = 524288; const O_RDONLY = 0;\n\n\n\nopen(O_CLOEXEC);\n",
  );
  const errors = 'import { EPERM } from "../sys/errno.ts";\n';
  expect(withNumbers(module, errors)).toBe("const EPERM = 1;\n");
});

test("functions, types, renamed numbers and those of one architecture are still imported", () => {
  const functions = 'import { EPERM, errnoName } from "../sys/errno.ts";';
  expect(withNumbers(module, functions)).toBe(
    'import { errnoName } from "../sys/errno.ts"; const EPERM = 1;',
  );
  for (const name of ["O_DIRECTORY", "type Some", "O_PATH as P"]) {
    const text = `import { ${name} } from "../sys/constants.ts";`;
    expect(withNumbers(module, text)).toBe(text);
  }
});

test("the same names from elsewhere are left alone", () => {
  for (const from of ["./constants.ts", "../sys/constants", "valibot", "../other/errno.ts"]) {
    const text = `import { EPERM } from "${from}";`;
    expect(withNumbers(module, text)).toBe(text);
  }
});

test("no module of the sources is left with an import of frequent numbers", () => {
  for (const path of new Bun.Glob("**/*.ts").scanSync(sources)) {
    const file = join(sources, path);
    const text = withNumbers(file, readFileSync(file, "utf8"));
    expect(text).not.toMatch(/import \{[^}]*\b(EPERM|EINVAL|O_CLOEXEC|AT_FDCWD|O_RDONLY)\b[^}]*\} from/);
  }
});
