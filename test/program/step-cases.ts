/** A program for each kind of step and each of its variants, and what it must do wherever it runs. */
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
  type Program,
  type Step,
  set,
  store,
  type Variable,
  variable,
  vector,
  when,
  words,
} from "../../src/program/steps.ts";
import type { Arithmetic, Test } from "../../src/program/target.ts";
import { SIGCHLD } from "../../src/sys/constants.ts";
import { EBADF, ECHILD, ENOENT, EPERM } from "../../src/sys/errno.ts";
import type { FakeFile } from "./fake-kernel.ts";

/** How a program ends when it writes to descriptor `out`. */
export interface StepCase {
  readonly name: string;
  readonly steps: (out: number) => readonly Step[];
  /** 0 if not given. */
  readonly status?: number;
  /** What it writes to `out`; nothing if not given. */
  readonly output?: string;
  /** Its failure messages, without `ctrtool test: `, in order. */
  readonly messages?: readonly string[];
  /** The failure that it reported last, as a JavaScript parent is told. */
  readonly failure?: { readonly step: string; readonly what: string; readonly errno: number };
  /** Files that it executes, for the fake kernel. */
  readonly files?: Readonly<Record<string, FakeFile>>;
}

/** The exit status of failures that name no other. */
const failure = 70;

export function programOf({ steps }: StepCase, out: number): Program {
  return { applet: "test", failure, steps: steps(out) };
}

/** No process has this descriptor open. */
const closed = 1_000_000;
const badDescriptor = "EBADF (Bad file descriptor)";
const none = { errno: 0 };

function print(out: number, text: string): Step {
  return call("write", [out, text, text.length], "output");
}

/** Prints a number and what follows it. */
function showWith(out: number, value: Variable, end: string): Step[] {
  const text = area("text", 32);
  const length = variable("length");
  return [compose(text, [value, end], length), call("write", [out, text, length], "output")];
}

const show = (out: number, value: Variable): Step[] => showWith(out, value, "\n");

function spawn(into: Variable, child: readonly Step[], status = 71): Step {
  return fork({
    call: "clone",
    args: [SIGCHLD, 0, 0, 0, 0],
    what: "a child",
    stage: "a child",
    into,
    child,
    failure: status,
  });
}

/** Waits for any child and prints its wait status. */
function showStatus(out: number): Step[] {
  const word = area("status word", 8);
  const status = variable("status");
  return [call("wait4", [-1, word, 0, 0], "a child"), load(status, word, 0, 4), ...show(out, status)];
}

const value = variable("value");
const other = variable("other");
const child = variable("child");

const arithmetic: readonly (readonly [bigint, Arithmetic, bigint, bigint])[] = [
  [7n, "add", -9n, -2n],
  [7n, "sub", -9n, 16n],
  [0b1100n, "and", 0b1010n, 0b1000n],
  [0b1100n, "or", 0b1010n, 0b1110n],
  [3n, "shl", 40n, 3n << 40n],
  [-1n, "shr", 60n, 15n],
];

const comparisons: readonly (readonly [number, Test, number, boolean])[] = [
  [1, "==", 1, true],
  [1, "==", 2, false],
  [-1, "!=", 1, true],
  [-1, "<", 1, true],
  [1, "<", -1, false],
  [1, "<=", 1, true],
  [2, ">", 1, true],
  [1, ">", 1, false],
  [1, ">=", 1, true],
  [-2, ">=", -1, false],
];

const long = "0123456789".repeat(100);

export const stepCases: readonly StepCase[] = [
  { name: "nothing at all is exit 0", steps: () => [] },
  {
    name: "call: the result into a variable, which is the exit status",
    status: 3,
    output: "abc",
    steps: (out) => [call("write", [out, "abc", 3], "output", { into: value }), exit(value)],
  },
  {
    name: "call: an accepted error goes on, as a negative result",
    output: `${-EBADF}\n`,
    steps: (out) => [
      call("read", [closed, 0, 0], "a closed descriptor", { into: value, accept: [ENOENT, EBADF] }),
      ...show(out, value),
    ],
  },
  {
    name: "call: an error that is not among the accepted ones fails",
    status: failure,
    messages: [`read: a closed descriptor: ${badDescriptor}`],
    failure: { step: "read", what: "a closed descriptor", errno: EBADF },
    steps: (out) => [
      call("read", [closed, 0, 0], "a closed descriptor", { accept: [ENOENT, EPERM] }),
      print(out, "not reached"),
    ],
  },
  {
    name: "call: any result is accepted",
    output: "reached",
    steps: (out) => [
      call("read", [closed, 0, 0], "a closed descriptor", { accept: "any" }),
      print(out, "reached"),
    ],
  },
  {
    name: "call: a failure with a label, a status and a hint of its own",
    status: 9,
    messages: [`the label: it: ${badDescriptor}; hint: open it`],
    failure: { step: "the label", what: "it", errno: EBADF },
    steps: () => [
      call("read", [closed, 0, 0], "it", {
        label: "the label",
        status: 9,
        hints: { [ENOENT]: "make it", [EBADF]: "open it" },
      }),
    ],
  },
  {
    name: "call: no hint for this error",
    status: failure,
    messages: [`read: it: ${badDescriptor}`],
    failure: { step: "read", what: "it", errno: EBADF },
    steps: () => [call("read", [closed, 0, 0], "it", { hints: { [ENOENT]: "make it" } })],
  },
  {
    name: "call: the general hint for a call",
    status: failure,
    messages: [
      "execve: it: ENOENT (No such file or directory); hint: the program or its interpreter does not exist in this root",
    ],
    failure: { step: "execve", what: "it", errno: ENOENT },
    steps: () => [call("execve", ["/nonexistent/program", vector(["it"]), vector([])], "it")],
  },
  {
    name: "call: a failure without a subject",
    status: failure,
    messages: [`read: ${badDescriptor}`],
    failure: { step: "read", what: "", errno: EBADF },
    steps: () => [call("read", [closed, 0, 0], "")],
  },
  {
    name: "call: what a subject has in it cannot end the line, and is not endless",
    status: failure,
    messages: [`read: \\x1b[2J\\n\\xff${long.slice(0, 800 - 6)}...: ${badDescriptor}`],
    failure: { step: "read", what: `\x1b[2J\n\xff${long}`, errno: EBADF },
    steps: () => [call("read", [closed, 0, 0], `\x1b[2J\n\xff${long}`)],
  },
  {
    name: "set and compute",
    output: arithmetic.map(([, , , result]) => `${result}\n`.repeat(2)).join(""),
    steps: (out) =>
      arithmetic.flatMap(([left, operation, right]) => [
        compute(value, left, operation, right),
        ...show(out, value),
        set(value, left),
        set(other, right),
        compute(value, value, operation, other),
        ...show(out, value),
      ]),
  },
  {
    name: "load and store of each width, in areas with and without content, and in variables",
    output: [
      0xfen,
      0xfedcn,
      0xfedc_ba98n,
      0xfedc_ba98_7654_321cn - 2n ** 64n,
      0n,
      0x1234n,
      0x0807_0605_0403_0201n,
    ]
      .map((number) => `${number}\n`)
      .join(""),
    steps: (out) => {
      const zeros = area("zeros", 16);
      const full = area("full", Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
      const pattern = 0xfedc_ba98_fedc_fedcn;
      const widths = [
        [1, 7],
        [2, 6],
        [4, 4],
        [8, 0],
      ] as const;
      return [
        ...widths.flatMap(([width, offset]) => [
          store(zeros, 0, 8, width === 8 ? 0xfedc_ba98_7654_321cn : pattern),
          load(value, zeros, offset, width),
          ...show(out, value),
        ]),
        load(value, zeros, 8, 8),
        ...show(out, value),
        store(at(value), 0, 8, 0),
        store(at(value), 0, 2, 0x1234),
        ...show(out, value),
        load(value, full, 0, 8),
        ...show(out, value),
      ];
    },
  },
  {
    name: "store through a pointer in a variable; places in areas and arrays; arrays of texts",
    output: "aBc second 7\n",
    steps: (out) => {
      const text = area("text", Uint8Array.of(0x61, 0x62, 0x63, 0x20));
      const array = words(["first", "second", 7]);
      return [
        set(value, at(text, 1)),
        store(value, 0, 1, 0x42),
        call("write", [out, text, 4], "output"),
        load(value, at(array, 8), 0, 8),
        call("write", [out, value, 6], "output"),
        print(out, " "),
        load(value, array, 16, 8),
        ...show(out, value),
      ];
    },
  },
  {
    name: "compose: texts and the smallest, largest and plain numbers",
    output: "<-9223372036854775808|9223372036854775807|0|-1|10|900>30\n",
    steps: (out) => {
      const text = area("text", 128);
      const length = variable("length");
      const [least, most, zero, minusOne, ten, nineHundred] = [
        [-(2n ** 63n), "least"],
        [2n ** 63n - 1n, "most"],
        [0n, "zero"],
        [-1n, "minus one"],
        [10n, "ten"],
        [900n, "nine hundred"],
      ].map(([number, name]) => ({ number: BigInt(number ?? 0), name: variable(String(name)) }));
      const all = [least, most, zero, minusOne, ten, nineHundred].filter((one) => one !== undefined);
      return [
        ...all.map(({ number, name }) => set(name, number)),
        compose(
          text,
          ["<", ...all.flatMap(({ name }, index) => (index === 0 ? [name] : ["|", name])), ">"],
          length,
        ),
        call("write", [out, text, length], "output"),
        compute(length, length, "sub", 24),
        ...show(out, length),
      ];
    },
  },
  {
    name: "compose: what does not fit is left out",
    output: "12345677\n",
    steps: (out) => {
      const text = area("text", 8);
      const length = variable("length");
      return [
        set(value, 4567890),
        compose(text, ["123", value, "!"], length),
        call("write", [out, text, length], "output"),
        ...show(out, length),
      ];
    },
  },
  {
    name: "when: each comparison, with and without otherwise",
    output: comparisons.map(([, , , holds]) => (holds ? "yYi" : "nNe")).join(""),
    steps: (out) =>
      comparisons.flatMap(([left, test, right]) => [
        set(value, left),
        set(other, right),
        when(value, test, other, [print(out, "y")], [print(out, "n")]),
        when(left, test, other, [print(out, "Y")], [print(out, "N")]),
        set(child, "e"),
        when(value, test, right, [set(child, "i")]),
        call("write", [out, child, 1], "output"),
      ]),
  },
  {
    name: "loop: leave ends the innermost one, also from within an attempt",
    output: "aXaXaX.",
    steps: (out) => [
      loop([
        loop([print(out, "a"), attempt([when(1, "==", 1, [leave])], [], "fail")]),
        print(out, "X"),
        compute(value, value, "add", 1),
        when(value, "==", 3, [leave]),
      ]),
      print(out, "."),
    ],
  },
  {
    name: "each: the rows' values, in order, also nested; leave ends it; no rows are nothing",
    output: "one 1 x y\ntwo 2 x y\nend\n",
    steps: (out) => {
      const [text, inner] = [variable("text"), variable("inner")];
      return [
        each(
          [text, value],
          [
            ["one ", 1],
            ["two ", 2],
            ["three ", 3],
          ],
          [
            when(value, "==", 3, [leave]),
            call("write", [out, text, 4], "output"),
            ...showWith(out, value, ""),
            each([inner], [[" x"], [" y"]], [call("write", [out, inner, 2], "output")]),
            print(out, "\n"),
          ],
        ),
        each([text], [], [print(out, "not reached")]),
        print(out, "end\n"),
      ];
    },
  },
  {
    name: "each: a failure is that of its row, named by a value",
    status: failure,
    output: "1\n2\n",
    messages: [`read: the second: ${badDescriptor}`],
    failure: { step: "read", what: "name", errno: EBADF },
    steps: (out) => {
      const name = variable("name");
      return [
        each(
          [name, value],
          [
            ["the first", 1],
            ["the second", 2],
            ["the third", 3],
          ],
          [
            ...show(out, value),
            when(value, "==", 2, [
              attempt([call("read", [closed, 0, 0], name)], [set(name, "another")], "fail"),
            ]),
          ],
        ),
      ];
    },
  },
  { name: "exit: a number of more than 8 bits", status: 1, steps: () => [exit(257)] },
  {
    name: "fork: the child has a copy of everything, and its own end",
    output: "child\n1280\n1\n",
    steps: (out) => [
      set(value, 1),
      spawn(child, [compute(value, value, "add", 4), print(out, "child\n"), exit(value)]),
      ...showStatus(out),
      ...show(out, value),
    ],
  },
  {
    name: "fork: a child whose steps are done exits 0",
    output: "0\n",
    steps: (out) => [spawn(child, []), ...showStatus(out)],
  },
  {
    name: "fork: a failure in the child ends it alone, with its own status",
    output: `${71 << 8}\n`,
    messages: [`read: in the child: ${badDescriptor}`],
    failure: { step: "read", what: "in the child", errno: EBADF },
    steps: (out) => [
      attempt(
        [spawn(child, [call("read", [closed, 0, 0], "in the child")]), ...showStatus(out)],
        [print(out, "not the parent's affair")],
        "fail",
      ),
    ],
  },
  {
    name: "fork: children of children",
    output: "3\n768\n1024\n",
    steps: (out) => [
      spawn(child, [
        spawn(other, [set(value, 3), ...show(out, value), exit(value)]),
        ...showStatus(out),
        exit(4),
      ]),
      ...showStatus(out),
    ],
  },
  {
    name: "fail: with an error number and a hint",
    status: failure,
    messages: ["the step: it: EPERM (Operation not permitted); hint: ask"],
    failure: { step: "the step", what: "it", errno: EPERM },
    steps: (out) => [
      fail({ step: "the step", what: "it", errno: EPERM, hints: { [EPERM]: "ask" } }),
      print(out, "not reached"),
    ],
  },
  {
    name: "fail: without an error number",
    status: failure,
    messages: ["the step: it"],
    failure: { step: "the step", what: "it", ...none },
    steps: () => [fail({ step: "the step", what: "it", hints: { [EPERM]: "ask" } })],
  },
  {
    name: "fail: error number and status from variables, the subject from an area",
    status: 42,
    messages: ["the step: number 8: ECHILD (No child processes)"],
    failure: { step: "the step", what: "subject", errno: ECHILD },
    steps: () => {
      const text = area("subject", 32);
      const status = variable("status");
      return [
        set(value, 8),
        compose(text, ["number ", value]),
        set(value, ECHILD),
        set(status, 42),
        fail({ step: "the step", what: text, errno: value, status }),
      ];
    },
  },
  {
    name: "fail: an error number without a name",
    status: 5,
    messages: ["the step: it: errno 524"],
    failure: { step: "the step", what: "it", errno: 524 },
    steps: () => [fail({ step: "the step", what: "it", errno: 524, status: 5 })],
  },
  {
    name: "fail: silently, after the cleaning up",
    status: 8,
    output: "cleaned",
    steps: (out) => [
      attempt(
        [fail({ step: "the step", what: "it", status: 8, silent: true })],
        [print(out, "cleaned")],
        "fail",
      ),
    ],
  },
  {
    name: "attempt: no failure, no cleaning up",
    output: "ab",
    steps: (out) => [attempt([print(out, "a")], [print(out, "not reached")], "fail"), print(out, "b")],
  },
  {
    name: "attempt: cleans up from the inside out, reports once, keeps the first status",
    status: 9,
    output: "inner outer ",
    messages: [`read: it: ${badDescriptor}`],
    failure: { step: "read", what: "it", errno: EBADF },
    steps: (out) => [
      attempt(
        [
          attempt(
            [call("read", [closed, 0, 0], "it", { status: 9 })],
            [print(out, "inner "), call("read", [closed, 0, 0], "ignored", { accept: [EBADF], status: 10 })],
            "fail",
          ),
          print(out, "not reached"),
        ],
        [print(out, "outer ")],
        "fail",
      ),
      print(out, "not reached"),
    ],
  },
  {
    name: "attempt: goes on after a failure",
    output: "cleaned, on",
    messages: [`read: it: ${badDescriptor}`],
    failure: { step: "read", what: "it", errno: EBADF },
    steps: (out) => [
      attempt(
        [call("read", [closed, 0, 0], "it"), print(out, "not reached")],
        [print(out, "cleaned, ")],
        "resume",
      ),
      print(out, "on"),
    ],
  },
  {
    name: "attempt: a failure while cleaning up is the outer one's",
    status: 11,
    output: "outer",
    messages: [`read: first: ${badDescriptor}`, `read: second: ${badDescriptor}`],
    failure: { step: "read", what: "second", errno: EBADF },
    steps: (out) => [
      attempt(
        [
          attempt(
            [call("read", [closed, 0, 0], "first", { status: 10 })],
            [call("read", [closed, 0, 0], "second", { status: 11 }), print(out, "not reached")],
            "resume",
          ),
        ],
        [print(out, "outer")],
        "fail",
      ),
    ],
  },
  {
    name: "groups are their steps",
    status: 2,
    output: "ab",
    steps: (out) => [
      group("shown", [print(out, "a"), folded("not shown", [print(out, "b"), exit(2)])]),
      print(out, "not reached"),
    ],
  },
  {
    name: "execve replaces the program",
    status: 9,
    files: { "/bin/sh": { output: "", status: 9 } },
    steps: (out) => [
      call("execve", ["/bin/sh", vector(["sh", "-c", "exit 9"]), vector([])], "/bin/sh"),
      print(out, "not reached"),
    ],
  },
];
