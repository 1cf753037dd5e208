import { describe, expect, test } from "bun:test";
import { plan, spec } from "../../src/applets/ppid_check.ts";
import { parse } from "../../src/cli/parse.ts";
import { explain } from "../../src/program/explain.ts";
import { ctrtool, ordinaryGiven, run, script, usageError, withProgram } from "../support/ctrtool.ts";

const given = { ...ordinaryGiven, environment: ["PATH=/bin", "P=5", "BAD=x"] };

function planned(...words: string[]): string {
  return explain(plan(parse(spec, words), given));
}

const kill = (1n << 8n) | (1n << 18n);
const reserved = (1n << 31n) | (1n << 32n);
const everything = 0xffff_ffff_ffff_ffffn;
const all = everything & ~kill & ~reserved;

describe("plan", () => {
  test("the order of the original", () => {
    const steps = planned("-e", "X", "-s", "-a", "7", "-n", "-p", "12", "-d", "term", "-r", "true");
    const order = [
      "getppid() -> parent",
      "when parent != 12:",
      "become as they were given",
      "prctl(PR_SET_CHILD_SUBREAPER, 1",
      "prctl(PR_SET_PDEATHSIG, 15",
      "getppid() -> parent now",
      "when parent now != parent:",
      "prctl(PR_SET_NO_NEW_PRIVS, 1",
      "setitimer(0,",
      "setsid()",
      "getpid() -> pid",
      "execute true",
    ];
    const places = order.map((text) => steps.indexOf(text));
    expect(places.every((place) => place > 0)).toBe(true);
    expect(places).toEqual([...places].sort((one, other) => one - other));
  });

  test("-d alone takes the parent at the start", () => {
    expect(planned("-d", "hup", "true")).toMatch(
      /getppid\(\) -> parent\n[\s\S]*PDEATHSIG[\s\S]*when parent now != parent:/,
    );
    expect(planned("true")).not.toContain("getppid");
  });

  test.each([
    [["-b", "kill"], "-b: SIGKILL cannot be blocked or ignored"],
    [["-u", "hup,stop"], "-u: SIGSTOP cannot be blocked or ignored"],
    [["-i", "9"], "-i: SIGKILL cannot be blocked or ignored"],
    [["-D", "SIGSTOP"], "-D: SIGSTOP cannot be blocked or ignored"],
    [["-b", "term,hup", "-u", "int,term"], "--block and --unblock both have signal 15"],
    [["-i", "hup", "-D", "1"], "--ignore and --default both have signal 1"],
    [["-b", "all", "-u", "all"], "--block and --unblock both have signal 1"],
    [["-b", "0"], '-b: "0" is out of range (1 to 64)'],
    [["-b", "65"], '-b: "65" is out of range (1 to 64)'],
    [["-b", "9x"], '-b: "9x" is not a number'],
    [["-b", ""], '-b: "" is not a signal'],
    [["-d", "hup,int"], '-d: "hup,int" is not a signal'],
    [["-d", "nosuch"], '-d: "nosuch" is not a signal'],
    [["-p", "0"], "-p: 0 is any parent outside of the pid namespace: --parent-outside"],
    [["-p", ""], '-p: "" is not a number'],
    [["-p", "-1"], '-p: "-1" is not a number'],
    [["-p", "abc"], '-p: "abc" is not a number'],
    [["-p", "2147483648"], '-p: "2147483648" is out of range (0 to 2147483647)'],
    [["-p", "1", "--parent-outside"], "-p, --parent-pidfd and --parent-outside exclude each other"],
    [["-p", "1", "--parent-pidfd", "5"], "-p, --parent-pidfd and --parent-outside exclude each other"],
    [["--parent-pidfd", "/NOPE"], "$NOPE is not set"],
    [["--parent-pidfd", ":BAD"], '$BAD: "x" is not a number'],
    [["-a", "4294967297"], '-a: "4294967297" is out of range (0 to 4294967295)'],
    [["-a", "x"], '-a: "x" is not a number'],
    [["-e", "A=B"], '-e: "A=B" cannot be the name of an environment variable'],
    [["-e", "x".repeat(250)], `-e: "${"x".repeat(64)}..." (250 bytes) is longer than 249 bytes`],
    [["--fork"], "--fork needs -s"],
  ])("refuses %j", (words, message) => expect(usageError(() => planned(...words, "true"))).toBe(message));
});

/** The signal sets that a program finds, started with these options by a shell that has done `before`. */
function signalsOf(options: string, before = ""): { blocked: bigint; ignored: bigint } {
  const { status, stdout, stderr } = script(`${before} ctrtool ppid_check ${options} cat /proc/self/status`);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const field = (name: string) => BigInt(`0x${new RegExp(`^${name}:\\s*(.*)$`, "m").exec(stdout)?.[1]}`);
  return { blocked: field("SigBlk"), ignored: field("SigIgn") };
}

const bits = (...numbers: number[]) => numbers.reduce((set, number) => set | (1n << BigInt(number - 1)), 0n);

describe("signals", () => {
  test.each([
    ["", { blocked: 0n, ignored: 0n }],
    ["-i hup -i int -b usr1 -b term", { blocked: bits(10, 15), ignored: bits(1, 2) }],
    ["-bSigUsr1 -b 0x2 --block=012,rtmin+1", { blocked: bits(10, 2, 35), ignored: 0n }],
    ["-b all -i all", { blocked: all, ignored: all }],
    ["-b all -u term -i all -D 1,SIGINT", { blocked: all & ~bits(15), ignored: all & ~bits(1, 2) }],
    ["-i pipe,xfsz,chld", { blocked: 0n, ignored: bits(13, 25, 17) }],
  ])("%s", (options, found) => expect(signalsOf(options)).toEqual(found));

  test("what the caller has ignored stays, unless it is reset", () => {
    expect(signalsOf("-i hup", "trap '' TERM PIPE;")).toEqual({ blocked: 0n, ignored: bits(1, 13, 15) });
    expect(signalsOf("-D term,pipe", "trap '' TERM PIPE HUP;")).toEqual({ blocked: 0n, ignored: bits(1) });
    expect(signalsOf("-D all -i int", "trap '' TERM PIPE HUP;")).toEqual({ blocked: 0n, ignored: bits(2) });
  });

  test("what the caller has blocked stays, unless it is unblocked", () => {
    const nested = (options: string) => `-b all "$CTRTOOL" ppid_check ${options}`;
    expect(signalsOf(nested("")).blocked).toBe(all);
    expect(signalsOf(nested("-u hup,34")).blocked).toBe(all & ~bits(1, 34));
    expect(signalsOf(nested("-u all -b usr2")).blocked).toBe(bits(12));
  });

  test("an empty mask has nothing of the C library's own signals either", () => {
    const words = ["-u", "all", "-D", "all", "grep", "SigBlk", "/proc/self/status"];
    const program = plan(parse(spec, words), { ...given, blockedSignals: everything });
    withProgram(program, (file) => expect(run([file]).stdout).toBe("SigBlk:\t0000000000000000\n"));
  });
});

describe("the parent", () => {
  test("-p: the right one", () => {
    expect(script("ctrtool ppid_check -d term -p $$ echo hi; exit $?")).toEqual({
      status: 0,
      stdout: "hi\n",
      stderr: "",
    });
  });

  test("-p: another", () => {
    const { status, stdout, stderr } = script("ctrtool ppid_check -p 1 echo hi; s=$?; echo $$ >&2; exit $s");
    const [, line = "", pid = ""] = /^(.*)\n(.*)\n$/.exec(stderr) ?? [];
    expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
    expect(line).toBe(
      `ctrtool ppid_check: parent: 1 is not the parent, or the parent is gone: now it is ${pid}`,
    );
  });

  test.each([
    ["sleep 100", "-d term"],
    ["sleep 100", "-d 9 -i all"],
    ["sleep 100", "-d hup -s --fork"],
  ])("%s is ended with its parent by %s", (program, options) => {
    const start = `bash -c '"$CTRTOOL" ppid_check ${options} -e X bash -c "echo \\$X_PID; exec ${program}" & sleep 0.3'`;
    const { stdout } = script(
      `pid=$(${start} 2>&1); sleep 0.2; echo "$pid $(sed -n 's/^State:.//p' /proc/$pid/status 2>&-)"`,
    );
    expect(stdout).toMatch(/^\d+ (Z \(zombie\))?\n$/);
  });

  test("a parent that ends between fork and check is noticed", () => {
    // The program's first getppid(2) says what it said before the parent ended; the second is real.
    const program = plan(parse(spec, ["-d", "term", "echo", "no"]), given);
    withProgram(program, (file) => {
      const { status, stdout, stderr } = run([
        "strace",
        "-o",
        "/dev/null",
        "-e",
        "inject=getppid:retval=77:when=1",
        file,
      ]);
      expect({ status, stdout, stderr }).toEqual({
        status: 125,
        stdout: "",
        stderr: "ctrtool ppid_check: parent: the parent is gone: it was 77\n",
      });
    });
  });

  test("--parent-outside", () => {
    const inside = script('unshare --pid --fork "$CTRTOOL" ppid_check --parent-outside echo hi');
    expect(inside).toEqual({ status: 0, stdout: "hi\n", stderr: "" });
    const { status, stderr } = script("ctrtool ppid_check --parent-outside echo hi");
    expect(status).toBe(125);
    expect(stderr).toMatch(/^ctrtool ppid_check: parent: it is in this pid namespace, as \d+\n$/);
  });

  /** Makes a pidfd of `pid` descriptor 5, then runs ctrtool as a child of the same process. */
  const python = (pid: string, words: string) =>
    script(`python3 -c '
import os, subprocess, sys
fd = os.pidfd_open(${pid}); os.dup2(fd, 5, inheritable=True); os.close(fd) if fd != 5 else None
sys.exit(subprocess.run([os.environ["CTRTOOL"], "ppid_check", *sys.argv[1:]], close_fds=False, env={**os.environ, "P": "5"}).returncode)
' ${words}`);

  test("--parent-pidfd: the right process, and another", () => {
    const found = `bash -c 'echo "$P $([ -e /proc/$$/fd/5 ] && echo open)"'`;
    expect(python("os.getpid()", `--parent-pidfd 5 ${found}`).stdout).toBe("5 open\n");
    expect(python("os.getpid()", `--parent-pidfd /P ${found}`).stdout).toBe("5 open\n");
    expect(python("os.getpid()", `--parent-pidfd :P ${found}`)).toEqual({
      status: 0,
      stdout: " \n",
      stderr: "",
    });
    const { status, stdout, stderr } = python("os.getppid()", "--parent-pidfd 5 echo no");
    expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
    expect(stderr).toMatch(
      /^ctrtool ppid_check: parent: the process of descriptor 5 is not the parent, or is gone: now it is \d+\n$/,
    );
  });

  test.each([
    [
      "--parent-pidfd 5 echo no 5</dev/null",
      "parent: descriptor 5 is no pidfd, or this kernel is older than Linux 6.9",
    ],
    ["--parent-pidfd 5 echo no", "fstatfs: descriptor 5: EBADF (Bad file descriptor)"],
  ])("%s", (words, line) => {
    expect(script(`ctrtool ppid_check ${words}`)).toEqual({
      status: 125,
      stdout: "",
      stderr: `ctrtool ppid_check: ${line}\n`,
    });
  });
});

describe("other attributes", () => {
  test("-e: pids, also in place of older values and with an empty prefix", () => {
    const show = (prefix: string) =>
      `bash -c '[ $${prefix}_PID = $$ ] && [ $${prefix}_PPID = $PPID ] && env | grep -c ^${prefix}_P'`;
    const start = 'FOO_PID=x "$CTRTOOL" ppid_check -e';
    expect(script(`${start} FOO ${show("FOO")}`)).toEqual({ status: 0, stdout: "2\n", stderr: "" });
    expect(script(`${start} '' ${show("")}`)).toEqual({ status: 0, stdout: "2\n", stderr: "" });
    expect(ctrtool(["ppid_check", "-e", "x".repeat(249), "true"]).status).toBe(0);
  });

  test("-n, -r", () => {
    const { stdout } = script(
      "ctrtool ppid_check -n -r bash -c 'grep NoNewPrivs /proc/self/status; (sleep 0.1; ps -o ppid= -p $BASHPID) & disown; sleep 0.2'",
    );
    expect(stdout).toStartWith("NoNewPrivs:\t1\n");
    const orphan = "bash -c 'bash -c \"(sleep 0.2; ps -o ppid= -p \\$BASHPID) &\"; sleep 0.4; echo $$'";
    const [parent, self] = script(`ctrtool ppid_check -r ${orphan}`).stdout.trim().split(/\s+/);
    expect(parent).toBe(self);
  });

  test("-a: an alarm, which a later 0 cancels", () => {
    expect(ctrtool(["ppid_check", "-a", "1", "sleep", "5"]).status).toBe(142);
    expect(script('ctrtool ppid_check -a 1 "$CTRTOOL" ppid_check -a 0 sleep 1.2').status).toBe(0);
  });

  test("-s: a new session, and with --fork also for a leader", () => {
    const show = "bash -c 'read -r _ _ _ _ _ s _ < /proc/self/stat; [ $s = $$ ]; exit $((7 + $?))'";
    expect(script(`ctrtool ppid_check -s ${show}`).status).toBe(7);
    const leader = script(`setsid -w "$CTRTOOL" ppid_check -s ${show}`);
    expect(leader).toEqual({
      status: 125,
      stdout: "",
      stderr:
        "ctrtool ppid_check: setsid: a new session: EPERM (Operation not permitted); hint: this process leads its process group: --fork makes one that does not\n",
    });
    expect(script(`setsid -w "$CTRTOOL" ppid_check -s --fork ${show}`).status).toBe(7);
    expect(script(`trap '' CHLD; ctrtool ppid_check -s --fork ${show}`).status).toBe(7);
    expect(script("ctrtool ppid_check -s --fork bash -c 'kill -9 $$'").status).toBe(137);
  });

  test.each([
    [["nosuchprogram"], 127, "execve: nosuchprogram: ENOENT (No such file or directory)"],
    [["/etc/passwd"], 126, "execve: /etc/passwd: EACCES (Permission denied)"],
    [["-s", "--fork", "nosuchprogram"], 127, "execve: nosuchprogram: ENOENT (No such file or directory)"],
    [[], 125, "usage: PROGRAM is missing"],
    [["-q", "true"], 125, "usage: unknown option -q"],
    [["-d"], 125, "usage: option -d needs a value"],
  ])("%j", (words, status, line) => {
    const stderr = `ctrtool ppid_check: ${line}\n`;
    expect(ctrtool(["ppid_check", ...words])).toEqual({ status, stdout: "", stderr });
  });

  test.each(["prctl", "rt_sigprocmask", "setitimer", "setsid", "clone"])(
    "%s failing executes nothing",
    (call) => {
      const words = ["-d", "term", "-b", "usr1", "-a", "9", "-s", "--fork", "echo", "ran"];
      withProgram(plan(parse(spec, words), given), (file) => {
        // The first prctl gives the process its name, which may fail.
        const inject = `${call}:error=EIO:when=${call === "prctl" ? 2 : 1}`;
        const { status, stdout, stderr } = run([
          "strace",
          "-f",
          "-o",
          "/dev/null",
          "-e",
          `inject=${inject}`,
          file,
        ]);
        expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
        expect(stderr).toContain(`ctrtool ppid_check: ${call}: `);
      });
    },
  );

  test("an ordinary user can do all of it", () => {
    const words = ["ppid_check", "-rns", "-d", "term", "-a", "9", "-b", "usr1", "echo", "hi"];
    expect(ctrtool(words, { ordinary: true })).toEqual({ status: 0, stdout: "hi\n", stderr: "" });
  });
});
