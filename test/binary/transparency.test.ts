/**
 * A program started through any applet finds exactly what it finds when it is started directly, except for what
 * the applet was asked to change. One caller (test/tools/caller.c) starts a probe (test/tools/probe.c) directly
 * and through each applet, from the same descriptors and with the same settings, and what it sees is compared.
 */
import { describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { binary, build, run } from "../support/ctrtool.ts";
import { compile, ownDirectory } from "./tools.ts";

build();
const directory = ownDirectory();
const caller = compile("caller", directory);
const probe = compile("probe", directory);

/** What the probe wrote, by the first word of its lines; several lines of one key are joined. */
type Report = ReadonlyMap<string, string>;

/** How the probe is started, and what is different then: what was asked for, and what every fork makes different. */
interface Way {
  readonly name: string;
  /** The words before the probe. */
  readonly words: readonly string[];
  /** Needs capabilities. */
  readonly privileged?: true;
  /** Makes of the direct start's report what is expected here. */
  readonly changes?: (report: Map<string, string>) => void;
  /** Keys that are not compared. */
  readonly except?: RegExp;
}

const hex = (bytes: string): string => Buffer.from(bytes, "latin1").toString("hex");
const args = ["", "a b", "--help", "-w", "hex:fffe0aff", "x".repeat(50_000)];

/** Variables that steer runtimes, loaders and C libraries. None of these files exists. */
const steering = [
  ...[
    "BUN_BE_BUN=1",
    "BUN_OPTIONS=--preload /nonexistent.js",
    "BUN_INSPECT=ws://127.0.0.1:1/",
    "BUN_CONFIG=x",
  ],
  ...["BUN_JSC_useJIT=0", "JSC_dumpOptions=2", "NODE_OPTIONS=--require /nonexistent.js", "NODE_ENV=test"],
  ...[
    "NODE_EXTRA_CA_CERTS=/nonexistent",
    "NODE_CHANNEL_FD=3",
    "UV_THREADPOOL_SIZE=1",
    "MIMALLOC_SHOW_STATS=1",
  ],
  ...["LD_PRELOAD=/nonexistent.so", "LD_LIBRARY_PATH=/nonexistent", "LD_DEBUG=all", "GLIBC_TUNABLES=x=y"],
  ...["MALLOC_ARENA_MAX=1", "TMPDIR=/nonexistent", "TZ=:/nonexistent", "LANG=xx_XX.UTF-8", "NO_COLOR=1"],
  ...[
    "BUN_DEBUG=/nonexistent.log",
    "BUN_INSTALL=/nonexistent",
    "DO_NOT_TRACK=0",
    "XDG_CONFIG_HOME=/nonexistent",
  ],
];

/** Entries as no shell makes them. */
const strange = [
  "",
  "noequals",
  "=",
  "=x",
  "A=1",
  "A=2",
  "B==",
  "\xff\xfe=\x80",
  "C=a\nb",
  "PATH=/nonexistent",
  "D=",
];

function variables(entries: readonly string[]): string[] {
  return entries.flatMap((entry) => ["variable", hex(entry)]);
}

interface Settings {
  readonly name: string;
  readonly words: readonly string[];
  /** Lines of the direct start's report, as a sign that the settings are really made. */
  readonly seen: Readonly<Record<string, string>>;
  /** It has no capability to make namespaces with. */
  readonly unprivileged?: true;
}

const ignored = [1, 10, 13, 17, 25, 34, 64].flatMap((number) => ["ignore", String(number)]);
const blocked = [2, 12, 13, 17, 36, 63].flatMap((number) => ["block", String(number)]);

const settings: readonly Settings[] = [
  { name: "nothing special", words: ["variable", hex("A=1")], seen: { "status.SigIgn": "0000000000000000" } },
  {
    name: "much that is special",
    words: [
      ...[...ignored, ...blocked, "pending", "12", "umask", "0", "limit", "7", "64", "limit", "4", "0"],
      ...["limit", "3", "4194304", "limit", "1", "1073741824", "nice", "7", "ioprio", "0x6003", "cpu", "0"],
      ...["personality", "0x0040000", "prctl", "29", "77777", "prctl", "41", "1", "prctl", "1", "10"],
      ...["prctl", "36", "1", "alarm", "1000", "mempolicy", "4", "write", "/proc/self/oom_score_adj", "300"],
      ...["write", "/proc/self/coredump_filter", "0x11", "groups", "5", "scheduler", "3", "lock"],
      ...variables([...strange, ...steering]),
    ],
    seen: {
      "status.SigIgn": "8000000201011201",
      "status.SigBlk": "4000000800011802",
      "status.ShdPnd": "0000000000000800",
      "status.Umask": "0000",
      "limit.7": "40 ",
      "status.Cpus_allowed": "1",
      "prctl.2": "10",
      "prctl.37": "1",
      "prctl.42": "1",
      "timer.0": "set",
      lock: "1",
      nice: "7",
      scheduler: "3 0",
      personality: "40000",
      oom_score_adj: "300",
      "variable.9": "PATH=/nonexistent",
    },
  },
  {
    name: "everything blocked, few privileges",
    unprivileged: true,
    words: [
      ...["block-all", "umask", "077", "limit", "7", "1024", "groups", "7", "drop", "5", "drop", "22"],
      ...["prctl", "38", "1", "prctl", "28", "0x2f", "ignore", "13", ...variables([...steering].reverse())],
    ],
    seen: { "status.SigBlk": "fffffffffffbfeff", "status.NoNewPrivs": "1", "prctl.27": "47" },
  },
  {
    name: "an ordinary user with a capability",
    unprivileged: true,
    words: [
      ...[
        "umask",
        "027",
        "prctl",
        "8",
        "1",
        "groups",
        "1000",
        "user",
        "1000",
        "keep",
        "0x400",
        "ignore",
        "25",
      ],
      ...variables(strange),
    ],
    seen: { "status.CapAmb": "0000000000000400", "status.Uid": "1000\t1000\t1000\t1000" },
  },
  {
    name: "limits that are too low for the runtime",
    words: [
      ...["limit", "1", "0", "limit", "2", "200000000", "limit", "3", "1000000", "limit", "7", "8"],
      ...["limit", "9", "1000000000", "limit", "4", "0", "limit", "8", "0"],
    ],
    seen: {
      "limit.1": "0 ",
      "limit.2": "bebc200 ",
      "limit.3": "f4240 ",
      "limit.7": "8 ",
      "limit.9": "3b9aca00 ",
    },
  },
  {
    name: "standard descriptors closed",
    words: ["close", "0", "close", "2", "ignore", "13"],
    seen: { "status.SigIgn": "0000000000001000" },
  },
];

/** A process of one's own: its parent is ctrtool, and it has none of what no child inherits. */
const forked = (report: Map<string, string>): void => {
  report.set("status.SigPnd", "0000000000000000");
  report.set("status.ShdPnd", "0000000000000000");
  report.set("prctl.2", "0");
  report.set("prctl.37", "0");
  report.set("timer.0", "off");
};

function withoutDescriptors(report: Map<string, string>, from: number): void {
  for (const key of [...report.keys()])
    if (Number(/^fd\.(\d+)/.exec(key)?.[1] ?? 0) >= from) report.delete(key);
}

const asItIs = ["-N", "-g", "--unsafe-no-setsid"];

const ways: readonly Way[] = [
  { name: "ppid_check", words: ["ppid_check"] },
  { name: "mount_seq", words: ["mount_seq", "--"] },
  { name: "mount_seq, after a command", words: ["mount_seq", "-S", "true", "--"] },
  { name: "reset_cgroup", words: ["reset_cgroup", "-c", "", "--"] },
  {
    name: "set_fds",
    words: ["set_fds"],
    changes: (report) => {
      withoutDescriptors(report, 3);
      report.set("lock", "-1");
    },
  },
  {
    name: "set_fds with a list",
    words: ["set_fds", "-f", "3,4,5"],
    changes: (report) => withoutDescriptors(report, 6),
    // Whoever closes one descriptor of a file loses the lock.
    except: /^lock$/,
  },
  { name: "env", words: ["env"] },
  { name: "cmd", words: ["cmd", "/dev/null", "ppid_check"] },
  { name: "pidfd_ctl", words: ["pidfd_ctl", "--"] },
  { name: "ns_open_file", words: ["ns_open_file", "--"] },
  { name: "nsenter", words: ["nsenter", "--enter=u=/proc/self/ns/uts", "--"], privileged: true },
  { name: "unlock", words: ["unlock", "--"] },
  { name: "launcher in place", words: ["launcher", "-fi", ...asItIs] },
  {
    name: "launcher in place, with a session",
    words: ["launcher", "-fi", "-N", "-g"],
    except: /^(group|session|terminal)$/,
  },
  { name: "launcher", words: ["launcher", "-w", ...asItIs], changes: forked, except: /^parent$/ },
  {
    name: "launcher with a script",
    words: ["launcher", "-w", ...asItIs, "-d", "-x", "exit 0"],
    changes: forked,
    except: /^parent$/,
  },
  {
    name: "launcher with one more process",
    words: ["launcher", "-w", "--fork", "--clear-caps-before-exec=0", ...asItIs],
    changes: forked,
    except: /^parent$/,
  },
  {
    name: "launcher with new namespaces",
    words: ["launcher", "-w", "-m", "-u", "-i", "-Rp", ...asItIs],
    privileged: true,
    changes: forked,
    except: /^(parent|ns\/(mnt|uts|ipc)|fd\..*|cwd|root)$/,
  },
];

function parse(text: string): Report {
  const report = new Map<string, string>();
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ");
    const key = line.slice(0, space);
    const value = line.slice(space + 1);
    if (space > 0) report.set(key, report.has(key) ? `${report.get(key)}; ${value}` : value);
  }
  return report;
}

/** Starts all commands from one caller; a report for each, with its exit status as `status`. */
function start(words: readonly string[], commands: readonly (readonly string[])[]): Report[] {
  const here = join(directory, "here");
  mkdirSync(here, { recursive: true });
  Bun.spawnSync(["chmod", "755", here]);
  const line = [caller, ...words, ...commands.flatMap((command) => [";;", ...command])];
  const done = Bun.spawnSync(line, { cwd: here, stdin: "ignore", env: {} });
  if (done.exitCode !== 0 || done.stderr.includes("caller: "))
    throw new Error(done.stderr.toString("latin1"));
  const parts = done.stdout.toString("latin1").split(/(?<=^status \d+\n)/m);
  expect(parts.length).toBe(commands.length);
  return parts.map((part) => parse(part.trimEnd()));
}

/** What is different, as `KEY: EXPECTED, not SEEN`. */
function differences(expected: Report, seen: Report, except = /^$/): string[] {
  const keys = new Set([...expected.keys(), ...seen.keys()]);
  return [...keys].flatMap((key) => {
    const [want, have] = [expected.get(key), seen.get(key)];
    return want === have || except.test(key)
      ? []
      : [`${key}: ${have ?? "nothing"}, not ${want ?? "nothing"}`];
  });
}

describe.each([...settings])("$name:", ({ name, words, seen, unprivileged }) => {
  const possible = ways.filter(({ privileged }) => !privileged || !unprivileged);
  const commands = possible.map((way) => [binary, ...way.words, probe, ...args]);
  const [direct = new Map(), ...others] = start(words, [[probe, ...args], ...commands]);

  test("the caller is as it is meant to be", () => {
    expect(direct.get("status")).toBe("0");
    for (const [key, value] of Object.entries(seen))
      expect(`${key} ${direct.get(key)}`).toStartWith(`${key} ${value}`);
    expect(direct.get("argument.5")).toBe("%ff%fe%0a%ff");
    const numbers = [...direct.keys()].flatMap((key) => /^fd\.(\d+)$/.exec(key)?.[1] ?? []);
    expect(numbers).toEqual(expect.arrayContaining(["3", "4", "5", "9", "14", "250", "1023"]));
    expect(numbers).not.toContain("23");
  });

  test.each(possible.map((way, index) => ({ ...way, report: others[index] ?? new Map<string, string>() })))(
    "$name",
    (way) => {
      const expected = new Map(direct);
      if (name === "standard descriptors closed") {
        // Standard descriptors that are closed are filled: see cli/dispatch.md.
        for (const key of ["fd.0", "fd.2"]) expected.delete(key);
      }
      way.changes?.(expected);
      const filled = name === "standard descriptors closed" ? /^fd\.[02]$/ : /^$/;
      const except = new RegExp(`${way.except?.source ?? "^$"}|${filled.source}`);
      expect(differences(expected, way.report, except)).toEqual([]);
    },
  );
});

test("what fills closed standard descriptors is /dev/null, in the direction of its use", () => {
  const [report] = start(["close", "0", "close", "2"], [[binary, "ppid_check", probe]]);
  expect(report?.get("fd.0")).toMatch(/^flags 0 [0-7]*00000 .*; \/dev\/null;/);
  expect(report?.get("fd.2")).toMatch(/^flags 0 [0-7]*00001 .*; \/dev\/null;/);
});

describe("a limit that cannot be raised", () => {
  test.each([
    ["fsize", "0", "file size", "64 KiB"],
    ["data", "200000000", "data", "6 GiB"],
    ["stack", "200000", "stack", "512 KiB"],
    ["nofile", "4", "open files", "8"],
    ["as", "1000000000", "address space", "6 GiB"],
  ])("%s: one line, and nothing is executed", (resource, limit, what, least) => {
    const user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
    const { status, stdout, stderr } = run([
      ...user,
      "prlimit",
      `--${resource}=${limit}`,
      binary,
      "set_fds",
      "id",
    ]);
    expect({ status, stdout, stderr }).toEqual({
      status: 125,
      stdout: "",
      stderr: `ctrtool: start: ${what}: the limit is too low, at least ${least} is needed\n`,
    });
  });
});

describe("what a program is given besides what it is asked for", () => {
  test("a command of mount_seq has what its shell gives it", () => {
    const text = `exec ${probe} a`;
    const words = ["ignore", "13", "block", "12", "umask", "077", "limit", "7", "64"];
    const [direct = new Map(), through = new Map()] = start(words, [
      ["/bin/sh", "-c", text],
      [binary, "mount_seq", "-S", text],
    ]);
    expect(direct.get("status.SigIgn")).toBe("0000000000001000");
    expect(differences(direct, through, /^parent$/)).toEqual([]);
  });

  test("a script of the launcher has the process's directory, and what it is told", () => {
    const words = ["ignore", "13", "block", "12", "umask", "077", "limit", "7", "64"];
    const [direct = new Map(), through = new Map()] = start(words, [
      [probe],
      [binary, "launcher", "-w", "-x", probe, "/bin/true"],
    ]);
    expect(direct.get("status.SigIgn")).toBe("0000000000001000");
    const process = through.get("argument.2");
    expect(through.get(`fd.${process}`)).toMatch(/^flags 0 .*; \/proc\/\d+;/);
    const except = new RegExp(`^(parent|argument\\.[123]|fd\\.${process})$`);
    expect(differences(direct, through, except)).toEqual([]);
  });
});
