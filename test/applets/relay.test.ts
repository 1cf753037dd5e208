/** The relay where it is the launcher's (--alloc-tty, --alloc-pipe), and under load. */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { plan, spec } from "../../src/applets/launcher.ts";
import { parse } from "../../src/cli/parse.ts";
import { calls } from "../../src/program/explain.ts";
import {
  binary,
  build,
  ctrtool,
  inDirectory,
  mountScript,
  ordinaryGiven,
  script,
  usageError,
} from "../support/ctrtool.ts";
import { onTerminal, type TerminalStep } from "../support/terminal.ts";

beforeAll(() => {
  build();
});
setDefaultTimeout(60_000);

const launch = (...words: string[]) => ctrtool(["launcher", ...words]);

function typed(words: readonly string[], steps: readonly TerminalStep[], options = {}) {
  const ran = onTerminal(["ctrtool", "launcher", ...words], steps, options);
  expect(ran.problem).toBeNull();
  expect(ran.modes.after).toEqual(ran.modes.before ?? []);
  expect(Object.values(ran.nonblocking)).not.toContain(true);
  return ran;
}

describe("the launcher's options", () => {
  const kinds =
    "for fd in 0 3 2; do test -t $fd && echo tty || readlink /proc/self/fd/$fd | cut -d: -f1; done";
  const look = `exec 3>&1; x=$(${kinds}); echo $x`;
  test("--alloc-tty: a terminal, and a pipe for errors", () => {
    expect(launch("--alloc-tty", "sh", "-c", look)).toEqual({
      status: 0,
      stdout: "tty tty pipe\r\n",
      stderr: "",
    });
    const apart = launch("--alloc-tty", "sh", "-c", "echo out; echo err >&2; exit 3");
    expect(apart).toEqual({ status: 3, stdout: "out\r\n", stderr: "err\n" });
  });
  test("--alloc-tty: errors go to the program's terminal if ours go to the same as our output", () => {
    const { output } = typed(["--alloc-tty", "sh", "-c", `${look}; echo err >&2`], [["expect", "err"]]);
    expect(output).toBe("tty tty tty\r\nerr\r\n");
  });
  test("--alloc-pipe: three pipes", () => {
    expect(launch("--alloc-pipe", "sh", "-c", look).stdout).toBe("pipe pipe pipe\n");
    const apart = launch("--alloc-pipe", "sh", "-c", "echo out; echo err >&2; kill -9 $$");
    expect(apart).toEqual({ status: 137, stdout: "out\n", stderr: "err\n" });
  });
  test("the later of the two wins", () => {
    expect(launch("--alloc-pipe", "--alloc-tty", "sh", "-c", look).stdout).toBe("tty tty pipe\r\n");
    expect(launch("--alloc-tty", "--alloc-pipe", "sh", "-c", look).stdout).toBe("pipe pipe pipe\n");
  });
  test("--tty-owner-uid and --tty-owner-gid", () => {
    const owner = "stat -L -c '%u %g' /proc/self/fd/0 /proc/self/fd/2";
    const own = ["--tty-owner-uid=1000", "--tty-owner-gid=07"];
    expect(launch("--alloc-tty", ...own, "sh", "-c", owner).stdout).toBe("1000 7\r\n1000 7\r\n");
    expect(launch("--alloc-pipe", ...own, "sh", "-c", owner).stdout).toBe("1000 7\n1000 7\n");
    const unchanged = launch("--alloc-pipe", "--tty-owner-uid=4294967295", "sh", "-c", owner);
    expect(unchanged.stdout).toBe("0 0\n0 0\n");
  });
  test("an owner by -O has the terminal too", () => {
    const options = ["-U", "-O1000", "--uid-map=0.0.2000", "--gid-map=0.0.2000", "--alloc-tty"];
    expect(launch(...options, "stat", "-L", "-c", "%u", "/proc/self/fd/0").stdout).toBe("1000\r\n");
  });
  const refused: [string[], string][] = [
    [["--tty-owner-uid=1", "true"], "need --alloc-tty or --alloc-pipe"],
    [["--tty-owner-gid=1", "true"], "need --alloc-tty or --alloc-pipe"],
    [["--alloc-tty", "--tty-owner-uid=x", "true"], '"x" is not a number'],
    [["--alloc-tty", "--tty-owner-gid=-1", "true"], '"-1" is not a number'],
    [["-fi", "--alloc-tty", "true"], "--alloc-tty has no effect with --userns-fd"],
    [["-fi", "--alloc-pipe", "true"], "--alloc-pipe has no effect with --userns-fd"],
  ];
  for (const [words, message] of refused) {
    test(`refused: ${words.join(" ")}`, () => {
      expect(usageError(() => plan(parse(spec, words), ordinaryGiven))).toContain(message);
      expect(launch(...words).status).toBe(125);
    });
  }
  test("a program that cannot be executed is told of on our own stderr", () => {
    for (const option of ["--alloc-tty", "--alloc-pipe"]) {
      const { status, stdout, stderr } = launch(option, "nonexist");
      expect({ status, stdout }).toEqual({ status: 127, stdout: "" });
      expect(stderr).toMatch(/^ctrtool launcher: execve: nonexist: ENOENT .*\n$/);
      expect(launch(option, "--exec-file=/etc/passwd", "x").status).toBe(126);
    }
  });
  test("a failed script ends the launch: nothing is executed", () => {
    const { status, stdout } = launch("--alloc-tty", "-d", "-x", "exit 7", "echo", "prog");
    expect({ status, stdout }).toEqual({ status: 7, stdout: "" });
  });
  test("-F: the script has the near ends, and their numbers", () => {
    const name = "CTRTOOL_CONTAINER_LAUNCHER_CHILD_";
    const text = `set -u; printf 'typed\\n' >&$${name}STDIN_FD; printf x >&$5
      head -n 2 <&$${name}STDOUT_FD; cat <&$${name}STDERR_FD`;
    const program = 'read x; echo "got $x"; echo err >&2; env | grep -c CTRTOOL_';
    const own = { env: { [`${name}STDIN_FD`]: "99" } };
    const pipes = ctrtool(["launcher", "-F", "--alloc-pipe", "-d", "-x", text, "sh", "-c", program], own);
    expect(pipes).toEqual({ status: 0, stdout: "got typed\n0\nerr\n", stderr: "" });
    const terminal = ctrtool(
      [
        "launcher",
        "-F",
        "--alloc-tty",
        "-d",
        "-x",
        `test $${name}STDIN_FD = $${name}STDOUT_FD && ${text}`,
        "sh",
        "-c",
        program,
      ],
      own,
    );
    expect(terminal).toEqual({ status: 0, stdout: "typed\r\ngot typed\r\nerr\n", stderr: "" });
  });
  test("a script without -F has none of them", () => {
    const text = "env | grep CHILD_; ls -l /proc/self/fd | grep -c ptmx; true";
    expect(launch("--alloc-tty", "-d", "-x", text, "true").stdout).toBe("0\n");
  });
  test("inside there are 0, 1, 2 and what the caller left open", () => {
    for (const option of ["--alloc-tty", "--alloc-pipe"]) {
      for (const fork of [[], ["--fork"]]) {
        const { stdout } = launch(option, ...fork, "-m", "-p", "-t", "ls", "-C", "/proc/self/fd");
        expect(stdout.trim().split(/\s+/)).toEqual(["0", "1", "2", "3"]);
      }
    }
  });
  test("--status-fd tells of the same events", () => {
    const { stdout } = script(
      "exec 7>&1; ctrtool launcher --status-fd=7 --alloc-pipe sh -c 'exit 4' </dev/null",
    );
    expect(stdout.replace(/\d{2,}/, "N")).toBe(
      '{"event":"created","pid":N}\n{"event":"running"}\n{"event":"exited","status":4}\n',
    );
  });
});

const rootWith = (devpts: string) => `
  r=$(mktemp -d); mount -t tmpfs t $r; trap 'umount -l $r; rmdir $r' EXIT; mkdir $r/proc $r/dev $r/dev/pts $r/usr
  mount --rbind /usr $r/usr; for d in bin lib lib64; do ln -s usr/$d $r/$d; done; touch $r/dev/tty; mount --bind /dev/tty $r/dev/tty
  ${devpts}`;

describe("a container with a devpts of its own", () => {
  const look = "tty; ls /dev/pts; stat -c %u $(tty); echo direct >/dev/tty; exit 5";
  const devpts = "mount -t devpts -o newinstance,mode=0600,ptmxmode=0666 none $r/dev/pts";
  const root = rootWith(devpts);
  test("has its terminal there, with a name", () => {
    for (const fork of ["", "--fork"]) {
      const text = `${root}\nctrtool launcher --alloc-tty -mptr $r ${fork} sh -c '${look}'`;
      const expected = { status: 5, stdout: "/dev/pts/0\r\n0  ptmx\r\n0\r\ndirect\r\n", stderr: "" };
      expect(mountScript(text)).toEqual(expected);
    }
  });
  test("and job control, the window's size and the exit status in it", () => {
    const text = `${root}\n"$CTRTOOL" launcher --alloc-tty -mptr $r bash --norc -i`;
    const command = ["unshare", "-m", "--propagation=private", "bash", "-c", text];
    const steps: TerminalStep[] = [
      ["expect", "# "],
      ["send", "sleep 100\r"],
      ["expect", "sleep 100"],
      ["sleep", 0.3],
      ["send", "\x03"],
      ["expect", "# "],
      ["resize", 44, 55],
      ["sleep", 0.2],
      ["send", "stty size; tty; echo $$; exit 7\r"],
      ["expect", "44 55\r\n/dev/pts/0\r\n1\r\n"],
    ];
    const ran = onTerminal(command, steps);
    expect({ problem: ran.problem, status: ran.status }).toEqual({ problem: null, status: 7 });
    expect(ran.modes.after).toEqual(ran.modes.before ?? []);
    expect(ran.output).not.toContain("no job control");
  });
  test("as an ordinary user", () => {
    const options = "-U --uid-map=0.1000.1 --gid-map=0.1000.1 --disable-setgroups -g -m -p -t";
    const inside =
      'mount -t devpts -o newinstance,ptmxmode=0666 none /dev/pts && exec "$CTRTOOL" launcher --alloc-tty -m -N -g sh -c "tty; exit 6"';
    const text = `ctrtool launcher -w ${options} sh -c '${inside}' </dev/null`;
    expect(script(text, { ordinary: true })).toEqual({ status: 6, stdout: "/dev/pts/0\r\n", stderr: "" });
    const entered = `ctrtool launcher ${options} --alloc-tty -d -x '
        nsenter --user --mount --preserve-credentials --target "$1" mount -t devpts -o newinstance,ptmxmode=0666 none /dev/pts
      ' sh -c 'tty; ls /dev/pts; id -u; exit 6'`;
    expect(script(entered, { ordinary: true })).toEqual({
      status: 6,
      stdout: "/dev/pts/0\r\n0  ptmx\r\n0\r\n",
      stderr: "",
    });
  });
  test("without one, a directory of that name decides nothing", () => {
    const text = `${rootWith("mknod $r/dev/pts/ptmx p")}\nctrtool launcher --alloc-tty -mptr $r sh -c 'test -t 0; exit $?'`;
    expect(mountScript(text)).toEqual({ status: 0, stdout: "", stderr: "" });
  });
});

describe("the host's terminal is out of reach", () => {
  test("no descriptor leads to it, and it is not the controlling one", () => {
    const look =
      "tty; readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2; cut -d' ' -f7 /proc/self/stat";
    const { output } = typed(["--alloc-tty", "sh", "-c", look], [["sleep", 0.5]]);
    const [name, input, out, errors, device] = output.trim().split("\r\n");
    expect([input, out, errors]).toEqual([name, name, name]);
    expect(Number(device)).toBe(136 * 256 + Number(name?.replace("/dev/pts/", "")));
  });
  test("what is pushed into the inner terminal stays there", () => {
    const push =
      "import fcntl,termios; [fcntl.ioctl(0, termios.TIOCSTI, bytes([c])) for c in b'echo pushed\\n']";
    const text = `"$CTRTOOL" launcher --alloc-tty python3 -c "${push}" 2>/dev/null; read -t 0.5 x; echo "left: $x."`;
    const ran = onTerminal(["bash", "-c", text], [["expect", "left: ."]]);
    expect(ran.problem).toBeNull();
  });
  test("modes set inside are the inner terminal's", () => {
    const steps: TerminalStep[] = [
      ["expect", "ready"],
      ["modes", "changed"],
      ["send", "x"],
    ];
    const ran = typed(
      ["--alloc-tty", "sh", "-c", "stty -a >/dev/null; stty 300 -cread; echo ready; head -c 1"],
      [...steps, ["send", "\r"]],
    );
    expect(ran.modes.changed?.[2]).toBe(Number(ran.modes.before?.[2]));
  });
});

describe("nothing is lost", () => {
  test("1 GiB through pipes", () => {
    inDirectory((directory) => {
      const text = `
        cd "$1" && head -c 256M /dev/urandom >part && cat part part part part >in && sum=$(md5sum <in)
        out=$(ctrtool launcher --alloc-pipe cat <in | md5sum)
        test "$sum" = "$out" || echo "differs from a file"
        out=$(cat in | ctrtool tty_proxy -T cat | md5sum)
        test "$sum" = "$out" || echo "differs between pipes"`;
      expect(script(`set -- ${directory}; ${text}`)).toEqual({ status: 0, stdout: "", stderr: "" });
    });
  });
  test("lines through a terminal, in both directions at once, with slow readers", () => {
    const text = `
      (sleep 0.5; seq 1 30000) | ctrtool tty_proxy sh -c 'stty -echo -onlcr; cat' | (sleep 1; md5sum)
      seq 1 30000 | md5sum`;
    const { stdout } = script(text);
    const [through, direct] = stdout.trim().split("\n");
    expect(through).toBe(direct ?? "");
  });
  test("bytes through sockets on both sides", () => {
    const python = `
import hashlib, os, socket, subprocess, threading
a, b = socket.socketpair(); c, d = socket.socketpair()
child = subprocess.Popen([os.environ["CTRTOOL"], "tty_proxy", "-T", "cat"], stdin=b, stdout=c)
b.close(); c.close()
data = os.urandom(20_000_000)
def send():
    a.sendall(data); a.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
got = hashlib.md5()
while chunk := d.recv(65536):
    got.update(chunk)
print(child.wait(), got.digest() == hashlib.md5(data).digest(), b.fileno())`;
    expect(script(`python3 -c '${python}'`).stdout).toBe("0 True -1\n");
  });
  test("without /proc, from and to pipes that others use too", () => {
    const text = `unshare -m sh -c 'mount -t tmpfs none /proc;
      (sleep 0.5; head -c 10000000 /dev/zero) |
        "$CTRTOOL" tty_proxy sh -c "stty raw -echo; head -c 10000000; head -c 10000000 /dev/zero" | wc -c'`;
    expect(mountScript(text).stdout).toBe("20000000\n");
  });
  test("output that nobody reads yet does not stop what is typed", () => {
    const text = `(sleep 0.3; echo stop) |
      ctrtool tty_proxy -T sh -c 'yes & read x; echo $x >"$0"; kill $!' "$1/got" |
      (sleep 1; cat "$1/got"; cat >/dev/null)`;
    inDirectory((directory) => {
      expect(script(`set -- ${directory}; ${text}`).stdout).toBe("stop\n");
    });
  });
});

describe("a relay that waits", () => {
  test("is small: no runtime, a few pages of its own", () => {
    const text = `sleep 2 | "$CTRTOOL" launcher --alloc-tty sleep 2 >/dev/null & pid=$!; sleep 0.5
      grep -E '^(RssAnon|RssFile|RssShmem|Threads):' /proc/$pid/status; wait`;
    const { stdout } = script(text);
    const resident = [...stdout.matchAll(/Rss\w+:\s+(\d+) kB/g)].map(([, size]) => Number(size));
    expect(resident).toHaveLength(3);
    expect(resident.reduce((sum, size) => sum + size, 0)).toBeLessThan(100);
    expect(stdout).toContain("Threads:\t1\n");
  });
  test("killed with SIGKILL, leaves a program that is hung up", () => {
    const text = `"$CTRTOOL" launcher --alloc-tty sh -c 'echo $$; exec sleep 100' >"$1/pid" </dev/null & relay=$!
      while [ ! -s "$1/pid" ]; do sleep 0.05; done; kill -9 $relay; wait $relay; sleep 0.3
      grep State: /proc/$(tr -d '\\r' <"$1/pid")/status 2>/dev/null | grep -v Z && echo alive || echo gone`;
    inDirectory((directory) => {
      expect(script(`set -- ${directory}; ${text}`).stdout).toBe("gone\n");
    });
  });
  test("has its own descriptors closed on exec, and never sets O_NONBLOCK on what it shares", () => {
    const words = ["--alloc-tty", "true"];
    const steps = calls(plan(parse(spec, words), ordinaryGiven).steps);
    const set = steps.filter((line) => line.includes("F_SETFL"));
    expect(set.length).toBeGreaterThan(0);
    for (const line of set) expect(line).toMatch(/^fcntl\(near (input|error), F_SETFL/);
    expect(readFileSync(binary).length).toBeGreaterThan(0);
  });
});
