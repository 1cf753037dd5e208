import { expect, test } from "bun:test";
import { ENOENT, EOPNOTSUPP, EWOULDBLOCK, errnoLines, errnoName, errnoText } from "../../src/sys/errno.ts";

test("numbers have a name and a text", () => {
  expect(errnoName(ENOENT)).toBe("ENOENT");
  expect(errnoText(ENOENT)).toBe("No such file or directory");
  expect(errnoName(133)).toBe("EHWPOISON");
});

test("of two names for a number, the kernel's", () => {
  expect(errnoName(EWOULDBLOCK)).toBe("EAGAIN");
  expect(errnoName(EOPNOTSUPP)).toBe("EOPNOTSUPP");
});

test("numbers without a name can be said all the same", () => {
  for (const number of [-1, 0, 41, 58, 134, 524, 4095]) {
    expect(errnoName(number)).toBe(`errno ${number}`);
    expect(errnoText(number)).toBe(`Unknown error ${number}`);
  }
});

test("the line of a number says both", () => {
  const lines = errnoLines().split("\n");
  expect(lines).toHaveLength(133);
  expect(lines[ENOENT - 1]).toBe("ENOENT (No such file or directory)");
  expect(lines[40]).toBe("errno 41 (Unknown error 41)");
});
