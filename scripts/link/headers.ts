/** C headers made from what src/sys declares, so that it is said once. */
import { givenFields } from "../../src/sys/given.ts";
import { libcSymbols } from "../../src/sys/libc.ts";

/**
 * What Bun 1.4 looks up by name in the C library, at run time: each by dlsym(RTLD_NEXT, NAME) from a wrapper of
 * the same name, which crashes if there is no such symbol.
 */
const bunSymbols = ["__cxa_thread_atexit_impl", "fcntl", "fcntl64", "getrandom", "quick_exit"];

/** The block that the entry code fills and src/sys/given.ts reads. */
export function givenHeader(): string {
  const fields = givenFields.map((name) => `  unsigned long ${name};`);
  return `struct given {\n${fields.join("\n")}\n};\n`;
}

/** The symbols that can be looked up by name, with their addresses. */
export function symbolsHeader(): string {
  const names = [...new Set([...Object.keys(libcSymbols.static), ...bunSymbols])].sort();
  const declarations = names.map((name) => `extern char symbol_${name}[] __asm__("${name}");`);
  const entries = names.map((name) => `  {"${name}", symbol_${name}},`);
  return `${declarations.join("\n")}\n#define CTRTOOL_SYMBOLS \\\n${entries.join(" \\\n")}\n`;
}
