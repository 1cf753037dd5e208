import { describe, expect, test } from "bun:test";
import { plan, spec } from "../../src/applets/set_fds.ts";
import { parse } from "../../src/cli/parse.ts";
import { calls } from "../../src/program/explain.ts";
import { inDirectory, mountScript, ordinaryGiven, script, usageError } from "../support/ctrtool.ts";

const environment = ["PATH=/bin", "X=5", "Y=9", "BAD=x5", "EMPTY=", "OCTAL=010", "LISTEN_FDNAMES=old"];

function planned(...words: string[]): string[] {
  return calls(plan(parse(spec, words), { ...ordinaryGiven, environment }).steps);
}

function descriptorSteps(...words: string[]): string[] {
  const steps = planned(...words, "true");
  return steps.slice(0, steps.indexOf("close all other descriptors:"));
}

function closedRanges(...words: string[]): string[] {
  return planned(...words, "true").flatMap((step) => /^close_range\((.*), 0\)/.exec(step)?.[1] ?? []);
}

describe("plan", () => {
  test("an empty list closes everything from 3 up", () => {
    expect(descriptorSteps()).toEqual([]);
    expect(descriptorSteps("-f", ",,")).toEqual([]);
    expect(closedRanges()).toEqual(["3, 2147483647"]);
  });

  test("sources that are overwritten are copied first, once each", () => {
    expect(descriptorSteps("-f", "4,3,4")).toEqual([
      "fcntl(4, F_GETFD, 0)",
      "fcntl(3, F_GETFD, 0)",
      "fcntl(4, F_DUPFD_CLOEXEC, 6) -> copy of 4",
      "fcntl(3, F_DUPFD_CLOEXEC, 6) -> copy of 3",
      "dup3(copy of 4, 3, 0)",
      "dup3(copy of 3, 4, 0)",
      "dup3(copy of 4, 5, 0)",
    ]);
  });

  test("a descriptor that stays where it is only loses its flag", () => {
    expect(descriptorSteps("-f", "3,9")).toEqual([
      "fcntl(3, F_GETFD, 0)",
      "fcntl(9, F_GETFD, 0)",
      "fcntl(3, F_SETFD, 0)",
      "dup3(9, 4, 0)",
    ]);
  });

  test("targets, gaps between them, and closed descriptors", () => {
    expect(descriptorSteps("-f", "7=0,1=5,2=-").slice(2)).toEqual(["dup3(0, 7, 0)", "dup3(5, 1, 0)"]);
    expect(closedRanges("-f", "7=0,1=5,2=-,12=-")).toEqual(["2, 2", "3, 6", "8, 2147483647"]);
    expect(closedRanges("-f", "2147483647=0")).toEqual(["3, 2147483646"]);
    expect(descriptorSteps("--base", "0", "-f", "5,6,7").slice(3)).toEqual([
      "dup3(5, 0, 0)",
      "dup3(6, 1, 0)",
      "dup3(7, 2, 0)",
    ]);
  });

  test("numbers from variables are decimal", () => {
    expect(descriptorSteps("-e", "/X,:Y,/OCTAL,0=/X").slice(-4)).toEqual([
      "dup3(copy of 5, 3, 0)",
      "dup3(9, 4, 0)",
      "dup3(10, 5, 0)",
      "dup3(copy of 5, 0, 0)",
    ]);
  });

  test.each([
    [["-f", "a"], '-f: "a" is not a decimal number'],
    [["-f", "-1"], '-f: "-1" is not a decimal number'],
    [["-f", "/X"], '-f: "/X" is not a decimal number'],
    [["-f", "5x"], '-f: "5x" is not a decimal number'],
    [["-f", "0x5"], '-f: "0x5" is not a decimal number'],
    [["-f", "2147483648"], '-f: "2147483648" is out of range (0 to 2147483647)'],
    [["-f", "5,0=6,0=7"], "descriptor 0 is given twice"],
    [["-f", "4=5,6,7"], "descriptor 4 is given twice"],
    [["-f", "0="], '-f: "" is not a decimal number'],
    [["-f", "x=5"], '-f: "x=5" is not a decimal number'],
    [["-e", "x"], '-e: "x" is not a descriptor (N, /NAME or :NAME)'],
    [["-e", "/"], '-e: "/" names no environment variable'],
    [["-e", "/A=B"], '-e: "/A=B" names no environment variable'],
    [["-e", "/NOPE"], "$NOPE is not set"],
    [["-e", "/BAD"], '$BAD: "x5" is not a decimal number'],
    [["-e", ":EMPTY"], '$EMPTY: "" is not a decimal number'],
    [["-f", "3", "-e", "4"], "-f and -e exclude each other"],
    [["--base", "2147483647", "-f", "0,0"], "descriptor 2147483648 is out of range (0 to 2147483647)"],
    [["--names", "a", "-f", "3"], "--names needs --listen"],
    [["-s", "--names", "a,b", "-f", "3"], "--names has 2 names for 1 descriptors"],
    [["-s", "--names", "a:b", "-f", "3"], '--names: "a:b" cannot name a descriptor'],
    [["-s", "-f", "4=5"], "--listen needs 3, 4, 5 and so on without a gap"],
  ])("refuses %j", (words, message) => expect(usageError(() => planned(...words, "true"))).toBe(message));

  test("refuses to do without a program", () =>
    expect(usageError(() => planned("-s"))).toBe("PROGRAM is missing"));
});

/** Runs a script with 3, 4, 5, 6, 9 open on files A, B, C, D, E; `list` prints what a program finds. */
function withFiles(text: string, runner = script) {
  return inDirectory((cwd) => {
    const opening = "for f in A B C D E; do : > $f; done; exec 3<A 4<B 5<C 6<D 9<E 250<E 1023<E";
    return runner(`${opening}\nlist='${list}'\n${text}`, { cwd });
  });
}

const list = `for fd in /proc/self/fd/*; do f=$(readlink "$fd") && [ -f "$f" ] && echo -n "\${fd##*/}\${f##*/} "; done; true`;

const success = { status: 0, stderr: "" };

describe("binary", () => {
  test.each([
    ["ctrtool set_fds", ""],
    ["ctrtool set_fds -f 5,3", "3C 4A "],
    ["ctrtool set_fds -f 4,3", "3B 4A "],
    ["ctrtool set_fds --fds=3,3,4 --", "3A 4A 5B "],
    ["ctrtool set_fds -f ,,5,,", "3C "],
    ["ctrtool set_fds -f 0=5,9", "0C 3E "],
    ["ctrtool set_fds -f 7=4,4=7,7,9,3=6 2>/dev/null || ctrtool set_fds -f 7=4,4=9", "4E 7B "],
    ["ctrtool set_fds --base 8 -f 3,4,5,250,1023", "10C 11E 12E 8A 9B "],
    ["X=5 Y=9 ctrtool set_fds -e /X,:Y,3", "3C 4E 5A "],
  ])("%s", (command, found) => {
    expect(withFiles(`${command.replaceAll(/(2>|$)/g, ' bash -c "$list" $1').trim()}`)).toEqual({
      ...success,
      stdout: found,
    });
  });

  test("standard descriptors: copied, closed", () => {
    expect(withFiles("ctrtool set_fds -f 0,1,2 bash -c 'echo three >&4; echo four >&5'")).toEqual({
      status: 0,
      stdout: "three\n",
      stderr: "four\n",
    });
    const closed = withFiles("ctrtool set_fds -f 0=-,2=- ls /proc/self/fd");
    expect(closed).toEqual({ ...success, stdout: "0\n1\n" });
  });

  test("variables: kept, used up, and only in a list that is good", () => {
    const command = "X=5 Y=9 ctrtool set_fds -e /X,:Y,:Y bash -c 'echo $X,$Y'";
    expect(withFiles(command)).toEqual({ ...success, stdout: "5,\n" });
  });

  test("-s: the pid is that of the program", () => {
    const command = "export LISTEN_FDNAMES=old; ctrtool set_fds -s -f 5,6";
    const show = `bash -c 'echo $(($$ == LISTEN_PID)) $LISTEN_FDS \${LISTEN_FDNAMES-none}'`;
    expect(withFiles(`${command} ${show}`)).toEqual({ ...success, stdout: "1 2 none\n" });
    const named = `${command} --names x,y ${show}`;
    expect(withFiles(named)).toEqual({ ...success, stdout: "1 2 x:y\n" });
    expect(withFiles(`ctrtool set_fds -s ${show}`).stdout).toBe("1 0 none\n");
  });

  test.each([
    ["set_fds -f 5,99 echo no", 125, "fcntl: descriptor 99: EBADF (Bad file descriptor)"],
    ["set_fds -f 5 nosuchprogram", 127, "execve: nosuchprogram: ENOENT (No such file or directory)"],
    ["set_fds /etc/passwd", 126, "execve: /etc/passwd: EACCES (Permission denied)"],
    ["set_fds -f 0x5 echo no", 125, 'usage: -f: "0x5" is not a decimal number'],
    ["set_fds -f", 125, "usage: option -f needs a value"],
    ["set_fds -q echo no", 125, "usage: unknown option -q"],
    ["set_fds", 125, "usage: PROGRAM is missing"],
    [
      "set_fds -f 2147483647=5 echo no",
      125,
      "dup3: descriptor 5 to 2147483647: EBADF (Bad file descriptor); hint: the limit on open files is too low for this number",
    ],
  ])("%s fails", (command, status, line) => {
    expect(withFiles(`ctrtool ${command}`)).toEqual({
      status,
      stdout: "",
      stderr: `ctrtool ${command.split(" ")[0]}: ${line}\n`,
    });
  });

  // The runtime calls close_range too, at its start; the program must do without it.
  describe.each(["ENOSYS", "EPERM"])("close_range fails with %s", (error) => {
    const traced = (program: string) =>
      `strace -f -o /dev/null -e inject=close_range:error=${error} "$CTRTOOL" set_fds -f 7=5,3=4 ${program}`;

    test("descriptors are found through /proc", () =>
      expect(withFiles(traced('bash -c "$list"'))).toEqual({ ...success, stdout: "3B 7C " }));

    test("descriptors are counted through where /proc is no proc", () => {
      const open = 'for n in 3 4 5 6 7 9 250 1023; do (: <&$n) 2>&- && echo -n "$n "; done; true';
      const text = `mount -t tmpfs none /proc && ulimit -n 2048 && ${traced(`bash -c '${open}'`)}`;
      expect(withFiles(text, mountScript)).toEqual({ ...success, stdout: "3 7 " });
    });
  });
});
