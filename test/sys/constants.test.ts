import { expect, test } from "bun:test";
import { arches, nativeArch } from "../../src/sys/arch.ts";
import * as c from "../../src/sys/constants.ts";
import { syscallNumbers } from "../../src/sys/syscalls.ts";

/** Numbers by name of the constants with a prefix, under the names that users write. */
function withPrefix(prefix: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const [name, value] of Object.entries(c)) {
    if (name.startsWith(prefix) && typeof value === "number") {
      found.set(name.slice(prefix.length).toLowerCase(), value);
    }
  }
  return found;
}

function sorted(names: Iterable<[string, number]>): [string, number][] {
  return [...names].sort(([left], [right]) => (left < right ? -1 : 1));
}

test("this machine is one of the architectures", () => {
  expect(arches).toContain(nativeArch());
});

test("the signal names are those of the constants, and cld", () => {
  const expected = withPrefix("SIG");
  for (const name of [...expected.keys()]) if (/^_|^rt/.test(name)) expected.delete(name);
  expected.set("cld", c.SIGCHLD);
  expect(sorted(Object.entries(c.signalNumbers()))).toEqual(sorted(expected));
  expect(new Set(Object.values(c.signalNumbers()))).toEqual(
    new Set(Array.from({ length: 31 }, (_, n) => n + 1)),
  );
});

test("the capability names are those of the constants", () => {
  const expected = withPrefix("CAP_");
  expected.delete("last_cap");
  expect(sorted(Object.entries(c.capabilityNumbers()))).toEqual(sorted(expected));
  expect(Object.values(c.capabilityNumbers())).toEqual(
    Array.from({ length: c.CAP_LAST_CAP + 1 }, (_, n) => n),
  );
});

test("the limit names are those of the constants and one letter each", () => {
  const letters = Object.entries(c.rlimitNumbers()).filter(([name]) => name.length === 1);
  expect(new Set(letters.map(([, number]) => number)).size).toBe(c.RLIM_NLIMITS);
  expect(letters).toHaveLength(c.RLIM_NLIMITS);
  const words = Object.entries(c.rlimitNumbers()).filter(([name]) => name.length > 1);
  expect(sorted(words)).toEqual(sorted(withPrefix("RLIMIT_")));
});

test("no two calls of an architecture have one number", () => {
  for (const arch of arches) {
    const numbers = Object.values(syscallNumbers[arch]);
    expect(new Set(numbers).size).toBe(numbers.length);
  }
});

test("calls since Linux 5.1 have one number on all architectures", () => {
  for (const [name, number] of Object.entries(syscallNumbers.x86_64)) {
    if (number < 424) continue;
    expect([name, new Map(Object.entries(syscallNumbers.aarch64)).get(name)]).toEqual([name, number]);
  }
});
