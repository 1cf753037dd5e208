/** What the process was given: written down before the runtime starts, and handed on as it was. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { arches, nativeArch } from "../../src/sys/arch.ts";
import { built, inDirectory, inEmptyRoot, report, run, starting } from "./built.ts";

const standard = [0, 1, 2];
const combinations = [0, 1, 2, 3, 4, 5, 6, 7];
const FD_CLOEXEC = 1;

interface Descriptor {
  readonly fd: number;
  readonly flags: number;
  readonly access: number;
  readonly given: boolean;
  readonly target: string;
}

interface Descriptors {
  readonly filled: number;
  readonly open: readonly Descriptor[];
}

/** What a process finds that was started without the descriptors whose bits are set. */
function withoutStandard(closed: number, start: readonly string[]): Descriptors {
  const redirections = bits(closed).map((fd) => `${fd}<&-`);
  const script = `exec "$@" descriptors 9 9>&1 ${redirections.join(" ")}`;
  return report(["sh", "-c", script, "sh", ...start]) as Descriptors;
}

function bits(mask: number): number[] {
  return standard.filter((fd) => mask & (1 << fd));
}

/** The emulator takes half a second for each start, when nothing else runs. */
setDefaultTimeout(60_000);

describe.each([...arches])("%s", (arch) => {
  test.each(combinations)("fills the standard descriptors that are closed: bits %d", (closed) => {
    const { filled, open } = withoutStandard(closed, starting(arch));
    const fillers = bits(closed).map((fd) => ({
      fd,
      flags: 0,
      access: fd === 0 ? 0 : 1,
      given: true,
      target: "/dev/null",
    }));
    expect(filled).toBe(closed);
    expect(open.filter(({ fd }) => bits(closed).includes(fd))).toEqual(fillers);
  });

  test("fills them with pipes where there is no null device", () => {
    inEmptyRoot(arch, (start) => {
      for (const closed of combinations) {
        const { filled, open } = withoutStandard(closed, start);
        const fillers = open.filter(({ fd }) => bits(closed).includes(fd));
        expect(filled).toBe(closed);
        expect(fillers.map(({ fd, flags, access }) => [fd, flags, access])).toEqual(
          bits(closed).map((fd) => [fd, 0, fd === 0 ? 0 : 1]),
        );
      }
    });
  });

  test("records signals, limits and the file mode mask", () => {
    const script = 'trap "" PIPE USR1; ulimit -Sn 256; ulimit -Hn 1024; umask 027; exec "$@" attributes';
    const blocking = ["env", "--block-signal=USR2", "--block-signal=WINCH"];
    expect(report([...blocking, "sh", "-c", script, "sh", ...starting(arch)])).toEqual({
      ignored: ((1n << 12n) | (1n << 9n)).toString(16),
      blocked: ((1n << 27n) | (1n << 11n)).toString(16),
      soft: 256,
      hard: 1024,
      umask: 0o027,
    });
  });

  test("reads arguments that are no UTF-8, and 12,000 of them", () => {
    const words = [..."z".repeat(12_000), "\xff\xfe", "", "a b"];
    const script = `exec "$@" ${words.map(quoted).join(" ")}`;
    expect(readBack([...starting(arch), "argv", "1"], script).slice(1)).toEqual(["argv", "1", ...words]);
  });
});

/** What a shell script, of one char a byte, makes the program report, as byte strings. */
function readBack(start: readonly string[], script: string): string[] {
  return inDirectory((directory) => {
    const file = join(directory, "script");
    writeFileSync(file, script, "latin1");
    return JSON.parse(run(["sh", file, ...start]).stdout);
  });
}

function quoted(word: string): string {
  return `'${word}'`;
}

test("reads entries of the environment that no shell can make, in their order", () => {
  const expected = ["NO_VALUE", "=", "TWICE=1", "TWICE=2", "", "\xff\xfe=\x80", ..."x".repeat(2000)];
  expect(JSON.parse(run([built(nativeArch()), "odd", "environment"]).stdout)).toEqual(expected);
  const argv = JSON.parse(run([built(nativeArch()), "odd", "argv"]).stdout);
  expect(argv).toEqual(["\xc3\x28", "argv", "1", ..."y".repeat(12_000), "\xff\n"]);
});

test("records the last of the signals", () => {
  const command = ["env", "--block-signal=64", "--ignore-signal=64", built(nativeArch()), "attributes"];
  expect(report(command)).toMatchObject({ ignored: "8000000000000000", blocked: "8000000000000000" });
});

test("opens nothing that an executed program would inherit", () => {
  const { open } = report([built(nativeArch()), "descriptors"]) as Descriptors;
  const ours = open.filter(({ fd }) => fd > 2);
  expect(ours.length).toBeGreaterThan(0);
  expect(ours.filter(({ flags, given }) => flags !== FD_CLOEXEC || given)).toEqual([]);
});

test("leaves the descriptors alone that it was given", () => {
  const { open } = report([built(nativeArch()), "hand", "descriptors"]) as Descriptors;
  const event = { flags: 0, access: 2, given: true, target: "anon_inode:[eventfd]" };
  const epoll = { flags: 0, access: 2, given: true, target: "anon_inode:[eventpoll]" };
  expect(open.filter(({ fd, given }) => fd > 2 && given)).toEqual([
    { fd: 3, ...event },
    { fd: 4, ...epoll },
    { fd: 5, ...event },
    { fd: 9, ...epoll },
    { fd: 250, ...event },
    { fd: 1023, ...epoll },
  ]);
});

/** Whoever made the root made this file too: each kind would hang, mislead or fail a careless open. */
const impostors: Readonly<Record<string, (path: string) => void>> = {
  "a pipe": (path) => void run(["mkfifo", path]),
  "a symbolic link": (path) => symlinkSync("/kept", path),
  "a file": (path) => writeFileSync(path, ""),
  "a directory": (path) => mkdirSync(path),
  "another device": (path) => void run(["mknod", path, "c", "1", "5"]),
};

test.each(Object.keys(impostors))("takes %s for no null device", (kind) => {
  inEmptyRoot(nativeArch(), (start, directory) => {
    mkdirSync(join(directory, "dev"));
    impostors[kind]?.(join(directory, "dev/null"));
    const { filled, open } = withoutStandard(7, start);
    expect(filled).toBe(7);
    expect(open.slice(0, 3).map(({ fd, access }) => [fd, access])).toEqual([
      [0, 0],
      [1, 1],
      [2, 1],
    ]);
  });
});

test("says what is wrong when the standard descriptors cannot be filled", () => {
  const script = 'exec prlimit --nofile=0:0 "$@" hello 0<&- 1>&-';
  const { status, stderr } = run(["sh", "-c", script, "sh", built(nativeArch())]);
  expect(status).toBe(125);
  expect(stderr).toBe("ctrtool: start: standard descriptors: they are closed and cannot be filled\n");
});
