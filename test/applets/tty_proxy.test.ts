/** tty_proxy with terminals and without, against the built binary. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { plan, spec } from "../../src/applets/tty_proxy.ts";
import { parse } from "../../src/cli/parse.ts";
import {
  binary,
  build,
  ctrtool,
  mountScript,
  ordinaryGiven,
  run,
  script,
  usageError,
} from "../support/ctrtool.ts";
import { onTerminal, type TerminalStep } from "../support/terminal.ts";

beforeAll(() => {
  build();
});

const proxy = (...words: string[]) => ctrtool(["tty_proxy", ...words]);

/** A proxy on a terminal whose modes must be the same afterwards. */
function typed(words: readonly string[], steps: readonly TerminalStep[], options = {}) {
  const ran = onTerminal(["ctrtool", "tty_proxy", ...words], steps, options);
  expect(ran.problem).toBeNull();
  expect(ran.modes.after).toEqual(ran.modes.before ?? []);
  expect(Object.values(ran.nonblocking)).not.toContain(true);
  return ran;
}

describe("where the program's descriptors lead", () => {
  const kinds =
    "for fd in 0 1 2; do test -t $fd && echo tty || readlink /proc/self/fd/$fd | cut -d: -f1; done";
  const inside = `x=$(${kinds}); echo $x >&1`;
  const table: [string[], string][] = [
    [[], "tty tty tty\r\n"],
    [["-e"], "tty tty pipe\r\n"],
    [["-T"], "pipe pipe pipe\n"],
    [["-T", "-e"], "pipe pipe pipe\n"],
  ];
  // The command substitution would be a pipe itself: descriptor 1 is looked at as 3.
  const look = inside.replaceAll("0 1 2", "0 3 2").replace("x=", "exec 3>&1; x=");
  for (const [options, expected] of table) {
    test(`with ${options.join(" ") || "no option"}`, () => {
      expect(proxy(...options, "sh", "-c", look)).toEqual({ status: 0, stdout: expected, stderr: "" });
    });
  }
  test("stderr is what stdout is, or apart with -e", () => {
    const text = "echo out; echo err >&2";
    expect(proxy("-T", "-e", "sh", "-c", text)).toEqual({ status: 0, stdout: "out\n", stderr: "err\n" });
    expect(proxy("-T", "sh", "-c", text)).toEqual({ status: 0, stdout: "out\nerr\n", stderr: "" });
    expect(proxy("-e", "sh", "-c", text)).toEqual({ status: 0, stdout: "out\r\n", stderr: "err\n" });
    expect(proxy("sh", "-c", text)).toEqual({ status: 0, stdout: "out\r\nerr\r\n", stderr: "" });
  });
  test("the program leads a session with the terminal as its own", () => {
    const { stdout, status } = proxy("sh", "-c", "tty; cut -d' ' -f1,5-8 /proc/$$/stat; exit 3");
    const [name, numbers] = stdout.split("\r\n");
    expect(status).toBe(3);
    expect(name).toMatch(/^\/dev\/pts\/\d+$/);
    const [pid, group, session, terminal, foreground] = (numbers ?? "").split(" ");
    expect([group, session, foreground]).toEqual([pid, pid, pid]);
    expect(terminal).not.toBe("0");
  });
  test("no other descriptor of ours, all of the caller's", () => {
    const list = "ls /proc/self/fd";
    expect(proxy("-T", "-e", "sh", "-c", `${list} 7<&-`).stdout).toBe("0\n1\n2\n3\n");
    expect(script(`ctrtool tty_proxy -T sh -c "${list}" 7</dev/null`).stdout).toBe("0\n1\n2\n3\n7\n");
  });
});

describe("the size", () => {
  test("is what -w and -h say, without a terminal 0", () => {
    expect(proxy("stty", "size").stdout).toBe("0 0\r\n");
    expect(proxy("-w", "100", "-h", "30", "stty", "size").stdout).toBe("30 100\r\n");
    expect(proxy("--columns=65535", "--rows=1", "stty", "size").stdout).toBe("1 65535\r\n");
  });
  test("is that of the terminal, and follows it where it is not chosen", () => {
    const text = "trap 'stty size; exit 4' WINCH; stty size; while :; do sleep 0.05; done";
    const steps: TerminalStep[] = [
      ["expect", "33 111"],
      ["resize", 50, 60],
      ["expect", "50 60"],
    ];
    expect(typed(["bash", "-c", text], steps, { rows: 33, columns: 111 }).status).toBe(4);
    const fixed: TerminalStep[] = [
      ["expect", "10 111"],
      ["resize", 50, 60],
      ["expect", "10 60"],
    ];
    expect(typed(["-h10", "bash", "-c", text], fixed, { rows: 33, columns: 111 }).status).toBe(4);
  });
});

describe("options", () => {
  test("-p opens another multiplexer, whose slave needs no name", () => {
    const text = `d=$(mktemp -d); mount -t devpts -o newinstance,ptmxmode=0666 none $d &&
      ctrtool tty_proxy -p $d/ptmx sh -c 'readlink /proc/self/fd/0; test -t 0 && echo tty'; umount $d; rmdir $d`;
    expect(mountScript(text)).toMatchObject({ status: 0, stdout: expect.stringMatching(/\/0\r\ntty\r\n$/) });
  });
  test("--tty-owner-uid and --tty-owner-gid", () => {
    const look = "stat -L -c '%u %g' /proc/self/fd/0 /proc/self/fd/2";
    const own = ["--tty-owner-uid=1000", "--tty-owner-gid=0x7"];
    expect(proxy(...own, "sh", "-c", look).stdout).toBe("1000 7\r\n1000 7\r\n");
    expect(proxy(...own, "-T", "-e", "sh", "-c", look).stdout).toBe("1000 7\n1000 7\n");
  });
  const refused: [string[], string][] = [
    [[], "PROGRAM is missing"],
    [["-w", "x", "true"], '"x" is not a decimal number'],
    [["-w", "65536", "true"], "out of range"],
    [["-h", "-1", "true"], '"-1" is not a decimal number'],
    [["-T", "-w1", "true"], "--columns has no effect with --pipes"],
    [["-T", "-h1", "true"], "--rows has no effect with --pipes"],
    [["-T", "-p/dev/ptmx", "true"], "--ptmx has no effect with --pipes"],
    [["--grace=x", "true"], '"x" is not a decimal number'],
    [["-z", "true"], "unknown option"],
    [["-w"], "-w"],
  ];
  for (const [words, message] of refused) {
    test(`refused: ${words.join(" ") || "no word"}`, () => {
      expect(usageError(() => plan(parse(spec, words), ordinaryGiven))).toContain(message);
      const { status, stdout } = proxy(...words);
      expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
    });
  }
  const failing: [string[], number, string][] = [
    [["-p", "/nonexist", "true"], 125, "openat: /nonexist: ENOENT"],
    [["-p", "/dev/null", "true"], 125, "TIOCSPTLCK: /dev/null: ENOTTY"],
    [["nonexist"], 127, "execve: nonexist: ENOENT"],
    [["/etc/passwd"], 126, "execve: /etc/passwd: EACCES"],
    [["-T", "-e", "nonexist"], 127, "execve: nonexist: ENOENT"],
  ];
  for (const [words, status, line] of failing) {
    test(`fails: ${words.join(" ")}`, () => {
      const ran = proxy(...words);
      expect({ ...ran, stderr: "" }).toEqual({ status, stdout: "", stderr: "" });
      expect(ran.stderr).toStartWith(`ctrtool tty_proxy: ${line}`);
      expect(ran.stderr.split("\n")).toHaveLength(2);
    });
  }
});

describe("the exit status", () => {
  test("is the program's", () => {
    for (const options of [[], ["-T"]]) {
      expect(proxy(...options, "sh", "-c", "exit 77").status).toBe(77);
      expect(proxy(...options, "sh", "-c", "kill -9 $$").status).toBe(137);
      expect(proxy(...options, "sh", "-c", "ulimit -c 0; kill -6 $$").status).toBe(134);
    }
  });
  test("is kept for a caller that ignores SIGCHLD or blocks all signals", () => {
    const all = "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())";
    const ignored = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)";
    const start = "os.execvp(sys.argv[1], sys.argv[1:])";
    const after = (before: string, words: string[]) =>
      run(["python3", "-c", `import os, signal, sys; ${before}; ${start}`, ...words]);
    for (const before of [all, ignored]) {
      for (const options of [[], ["-T"]]) {
        expect(after(before, [binary, "tty_proxy", ...options, "sh", "-c", "exit 5"]).status).toBe(5);
        const look = ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"];
        const { stdout } = after(before, [binary, "tty_proxy", ...options, ...look]);
        expect(stdout.replaceAll("\r", "")).toBe(after(before, look).stdout);
      }
    }
  });
});

describe("on a terminal", () => {
  test("Ctrl-C ends what runs inside", () => {
    const { status, modes } = typed(
      ["cat"],
      [
        ["sleep", 0.3],
        ["send", "abc\r"],
        ["expect", "abc\r\nabc\r\n"],
        ["modes", "running"],
        ["send", "\x03"],
      ],
    );
    expect(status).toBe(130);
    // iflag, oflag and lflag: nothing of the outer terminal touches the bytes.
    expect(modes.running?.slice(0, 2)).toEqual([Number(modes.before?.[0]) & ~0o2402, 4]);
    expect(Number(modes.running?.[3]) & 0o100113).toBe(0);
  });
  test("Ctrl-D is the end of input", () => {
    expect(
      typed(
        ["cat"],
        [
          ["sleep", 0.3],
          ["send", "\x04"],
        ],
      ).status,
    ).toBe(0);
  });
  test("job control works inside", () => {
    const { status, output } = typed(
      ["bash", "--norc", "-i"],
      [
        ["expect", "# "],
        ["send", "sleep 100\r"],
        ["expect", "sleep 100"],
        ["sleep", 0.3],
        ["send", "\x1a"],
        ["expect", "Stopped"],
        ["send", "fg\r"],
        ["expect", "sleep 100"],
        ["sleep", 0.3],
        ["send", "\x03"],
        ["expect", "# "],
        ["send", "echo $?; exit 7\r"],
        ["expect", "130"],
      ],
    );
    expect(status).toBe(7);
    expect(output).not.toContain("no job control");
  });
  test("special characters and the UTF-8 flag are those of the outer terminal", () => {
    const look = "stty -a | grep -oE '[^r]erase = [^;]*|-?iutf8'";
    const { output } = typed(["sh", "-c", look], [["expect", "iutf8"]], { characters: { 2: 8 } });
    expect(output).toContain("erase = ^H");
  });
  test("a full-screen program gets what is typed as it is", () => {
    typed(
      ["sh", "-c", "stty raw -echo; echo ready; head -c 4 | od -An -tx1"],
      [
        ["expect", "ready"],
        ["send", "\r\x03\x13\x11"],
        ["expect", "0d 03 13 11"],
      ],
    );
  });
  test("with -e, lines of stderr still begin at the left", () => {
    const { output } = typed(["-e", "sh", "-c", "echo err >&2"], [["expect", "err"]]);
    expect(output).toBe("err\r\n");
  });
  test("with -T, the terminal keeps its modes, and Ctrl-C reaches the program", () => {
    const ran = typed(
      ["-T", "sh", "-c", "sleep 100; echo no"],
      [
        ["sleep", 0.3],
        ["modes", "running"],
        ["send", "\x03"],
      ],
    );
    expect(ran.modes.running).toEqual(ran.modes.before ?? []);
    expect({ status: ran.status, output: ran.output }).toEqual({ status: 130, output: "^C" });
  });
});

describe("the terminal's modes are restored after", () => {
  const ways: [string, string[], TerminalStep[], number][] = [
    ["SIGTERM", ["sleep", "100"], [["signal", 15]], 143],
    ["SIGTERM to a shell that ignores it", ["--grace=0", "bash", "--norc", "-i"], [["signal", 15]], 143],
    ["SIGHUP", ["sleep", "100"], [["signal", 1]], 129],
    ["SIGINT", ["sleep", "100"], [["signal", 2]], 130],
    ["SIGQUIT", ["sh", "-c", "ulimit -c 0; exec sleep 100"], [["signal", 3]], 131],
    [
      "SIGALRM that the program ignores",
      ["--grace=0", "sh", "-c", "trap '' ALRM; sleep 100"],
      [["signal", 14]],
      142,
    ],
    ["SIGUSR1", ["sleep", "100"], [["signal", 10]], 138],
    ["the program's death", ["sh", "-c", "sleep 0.3; kill -9 $$"], [], 137],
  ];
  for (const [name, words, steps, status] of ways) {
    test(name, () => {
      const ran = typed(words, [["sleep", 0.3], ["modes", "running"], ...steps]);
      expect(ran.modes.running).not.toEqual(ran.modes.before ?? []);
      expect(ran.status).toBe(status);
    });
  }
  test("SIGTERM that the program answers: its output and status are kept", () => {
    const text = "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    const ran = typed(
      ["sh", "-c", text],
      [
        ["expect", "ready"],
        ["signal", 15],
        ["expect", "bye"],
      ],
    );
    expect(ran.status).toBe(9);
  });
  test("SIGTSTP, for as long as it is stopped", () => {
    const ran = onTerminal(
      ["bash", "--norc", "-i"],
      [
        ["expect", "# "],
        ["send", '"$CTRTOOL" tty_proxy sh -c "echo pid \\$PPID.; cat"\r'],
        ["expect", "pid "],
        ["expect", "."],
        ["sleep", 0.2],
        ["modes", "running"],
        ["send", "$(\r"],
        ["expect", "$(\r\n$(\r\n"],
        ["sleep", 0.1],
        ["send", "\x03"],
        ["expect", "# "],
        ["send", '"$CTRTOOL" tty_proxy sh -c "sleep 0.3; kill -TSTP \\$PPID; sleep 0.3; echo on; cat"\r'],
        ["expect", "Stopped"],
        ["expect", "# "],
        ["send", "stty -a | grep -o '.icanon'; fg\r"],
        ["expect", " icanon"],
        ["expect", "on\r\n"],
        ["sleep", 0.2],
        ["modes", "again"],
        ["send", "\x04"],
        ["expect", "# "],
        ["send", "exit\r"],
      ],
    );
    expect(ran.problem).toBeNull();
    expect(ran.modes.again).toEqual(ran.modes.running ?? []);
  });
  test("not after the terminal is gone: the program is told", () => {
    const ran = onTerminal(["ctrtool", "tty_proxy", "sleep", "100"], [["sleep", 0.3], ["hangup"]]);
    expect({ problem: ran.problem, status: ran.status }).toEqual({ problem: null, status: 129 });
  });
});

describe("without a terminal", () => {
  test("the end of stdin is passed on, after incomplete lines too", () => {
    const text = (input: string, options: string) =>
      script(
        `printf '${input}' | timeout 5 "$CTRTOOL" tty_proxy ${options} sh -c 'stty -echo 2>/dev/null; cat'`,
      );
    for (const input of ["", "x\\n", "x", "x\\004"]) {
      expect(text(input, "").status).toBe(0);
      const { status, stdout } = text(input, "-T");
      expect({ status, stdout }).toEqual({
        status: 0,
        stdout: input.replace("\\n", "\n").replace("\\004", "\x04"),
      });
    }
  });
  test("a closed stdout reaches the program", () => {
    expect(script('timeout 5 "$CTRTOOL" tty_proxy yes | head -1; echo $PIPESTATUS').stdout).toBe(
      "y\r\n129\n",
    );
    expect(script('timeout 5 "$CTRTOOL" tty_proxy -T yes | head -1; echo $PIPESTATUS').stdout).toBe(
      "y\n141\n",
    );
  });
  test("output that cannot be written is a failure of ours, in one line", () => {
    const { status, stderr } = script('timeout 5 "$CTRTOOL" tty_proxy -T yes >/dev/full');
    expect(status).toBe(125);
    expect(stderr).toBe(
      "ctrtool tty_proxy: write: relaying standard output: ENOSPC (No space left on device)\n",
    );
  });
  test("closed descriptors of ours", () => {
    expect(script('timeout 5 "$CTRTOOL" tty_proxy -T cat <&-').status).toBe(0);
    expect(script('timeout 5 "$CTRTOOL" tty_proxy cat <&-').status).toBe(0);
    const { status, stderr } = script('timeout 5 "$CTRTOOL" tty_proxy -T echo x >&-');
    expect(status).toBe(125);
    expect(stderr).toContain("EBADF");
  });
  test("background processes: a terminal is hung up, pipes are waited for unless --no-linger", () => {
    const took = (options: string[]) => {
      const start = performance.now();
      expect(proxy(...options, "sh", "-c", "sleep 1 & echo hi").stdout.trimEnd()).toBe("hi");
      return performance.now() - start;
    };
    expect(took([])).toBeLessThan(800);
    expect(took(["-T"])).toBeGreaterThan(900);
    expect(took(["-T", "--no-linger"])).toBeLessThan(800);
  });
  test("a program that closes its output goes on", () => {
    const { status } = proxy("-T", "sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 4");
    expect(status).toBe(4);
    expect(proxy("sh", "-c", "exec <&- >&- 2>&-; sleep 0.3; exit 4").status).toBe(4);
  });
  test("--tell-unread says what the program has left", () => {
    const { status, stderr } = script(
      `head -c 1000000 /dev/zero >"$TMPDIR/$$"; ctrtool tty_proxy -T --tell-unread sh -c 'exec 0<&-; sleep 0.2' <"$TMPDIR/$$"; rm "$TMPDIR/$$"`,
      { env: { TMPDIR: "/tmp" } },
    );
    expect(status).toBe(0);
    expect(stderr).toMatch(/^ctrtool tty_proxy: stdin: \d+ bytes were not taken by the program\n$/);
  });
  test("as an ordinary user", () => {
    const ran = ctrtool(["tty_proxy", "sh", "-c", "id -u; stat -L -c %u /proc/self/fd/0"], {
      ordinary: true,
    });
    expect(ran).toEqual({ status: 0, stdout: "1000\r\n1000\r\n", stderr: "" });
  });
  test("as the first process of a pid namespace", () => {
    const text =
      "unshare -fp --mount-proc \"$CTRTOOL\" tty_proxy sh -c '(setsid sleep 0.1 &); sleep 0.3; exit 6'";
    expect(script(text).status).toBe(6);
  });
});

afterAll(() => {
  // Those that a hang-up has just told to end may take a moment.
  const left =
    "for try in $(seq 30); do pgrep -f '^sleep 100$' >/dev/null || exit 0; sleep 0.1; done; exit 1";
  expect(Bun.spawnSync(["sh", "-c", left]).exitCode).toBe(0);
});
