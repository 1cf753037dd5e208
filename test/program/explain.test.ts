/** Programs in words: every kind of step, every way to read an argument, nothing that could drive a terminal. */
import { expect, test } from "bun:test";
import { calls, explain } from "../../src/program/explain.ts";
import {
  area,
  at,
  attempt,
  call,
  compose,
  compute,
  each,
  exit,
  fail,
  folded,
  fork,
  group,
  leave,
  load,
  loop,
  type Step,
  set,
  store,
  variable,
  vector,
  when,
} from "../../src/program/steps.ts";
import {
  AT_FDCWD,
  CLONE_NEWNS,
  CLONE_NEWUSER,
  MS_BIND,
  MS_REC,
  O_CLOEXEC,
  O_RDWR,
  PR_SET_DUMPABLE,
  SIGCHLD,
} from "../../src/sys/constants.ts";
import { ENOENT } from "../../src/sys/errno.ts";

const value = variable("value");
const text = area("text", 32);

const everything: readonly Step[] = [
  call("openat", [AT_FDCWD, 'a\n\xff"b', O_RDWR | O_CLOEXEC, 0o644], "it", { into: value, accept: [ENOENT] }),
  call("unshare", [CLONE_NEWNS | CLONE_NEWUSER], "it", { accept: "any" }),
  set(value, -1),
  compute(value, value, "shl", 3),
  load(value, text, 4, 2),
  store(at(text, 8), 0, 8, value),
  store(text, 0, 1, 7),
  compose(text, ["number ", value]),
  when(value, "<", 0, [exit(3)], [exit(value)]),
  loop([when(value, "==", at(value), [leave])]),
  each([value], [["x"], [Uint8Array.of(1, 0xab)]], [call("close", [value], value)]),
  fork({
    call: "clone",
    args: [CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0],
    what: "it",
    stage: "the child",
    into: value,
    child: [call("prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0], "dumpable")],
    failure: 71,
  }),
  fail({ step: "check", what: "it\x1b" }),
  fail({ step: "check", what: text }),
  attempt([exit(1)], [exit(2)], "fail"),
  attempt([exit(1)], [exit(2)], "resume"),
  group("a\x1b title", [call("mount", ["/a", "/b", 0, MS_BIND | MS_REC, 0], "/b")]),
  folded("all that it does", [exit(0)]),
  call("execve", ["/bin/sh", vector(["sh", "-c"]), vector(["SECRET=1"])], "/bin/sh"),
];

const expected = `test would do this (a failure ends it with status 125):
  openat(AT_FDCWD, "a\\n\\xff\\"b", O_RDWR|O_CLOEXEC, 0644) -> value (ENOENT is fine)
  unshare(CLONE_NEWNS|CLONE_NEWUSER) (may fail)
  value = -1
  value = value shl 3
  value = 16 bits of &text at 4
  64 bits of &text+8 at 0 = value
  8 bits of &text at 0 = 7
  text = text "number " value
  when value < 0:
    exit with status 3
  otherwise:
    exit with status value
  repeat:
    when value == &value:
      leave the repetition
  for each of value:
  - "x"
  - {01 ab}
    close(value)
  clone(SIGCHLD|CLONE_NEWNS, 0, 0, 0, 0) -> value
  in the new process, the child (a failure ends it with status 71):
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
  fail: check: it\\x1b
  fail: check: text
    exit with status 1
  after a failure of these, fail, first:
    exit with status 2
    exit with status 1
  after a failure of these, go on, first:
    exit with status 2
  a\\x1b title:
    mount("/a", "/b", 0, MS_BIND|MS_REC, 0)
  all that it does
  execve("/bin/sh", ["sh", "-c"], environment)
`;

test("a program in words has every step, in order", () => {
  expect(explain({ applet: "test", failure: 125, steps: everything })).toBe(expected);
});

test("it is printable, whatever the steps have in them", () => {
  expect(explain({ applet: "test", failure: 125, steps: everything })).toMatch(/^[\x20-\x7e\n]+$/);
});

test("values of the environment are not told", () => {
  expect(calls(everything).join("\n")).not.toContain("SECRET");
});

test("steps are compared without their indentation", () => {
  expect(calls(everything.slice(8, 9))).toEqual([
    "when value < 0:",
    "exit with status 3",
    "otherwise:",
    "exit with status value",
  ]);
});
