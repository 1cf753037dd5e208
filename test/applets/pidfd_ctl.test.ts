import { describe, expect, test } from "bun:test";
import { plan, spec } from "../../src/applets/pidfd_ctl.ts";
import { parse } from "../../src/cli/parse.ts";
import { calls } from "../../src/program/explain.ts";
import {
  inDirectory,
  mountScript,
  ordinaryGiven,
  type RunOptions,
  script,
  usageError,
} from "../support/ctrtool.ts";

const environment = ["PATH=/bin", "X=5", "Y=9", "BAD=x5", "EMPTY=", "OUT=1"];

function planned(...words: string[]): string[] {
  return calls(plan(parse(spec, words), { ...ordinaryGiven, environment }).steps);
}

/** The steps before the program is made ready. */
function steps(...words: string[]): string[] {
  const all = planned(...words, "true");
  return all.slice(
    0,
    all.findIndex((step) => step.startsWith("signals, signal mask")),
  );
}

describe("plan", () => {
  test("registers are names: what is exchanged takes no step", () => {
    expect(steps("-1", "5", "-2", "6", "-x", "-y", "-v", "V", "-e", "E")).toEqual([
      "fcntl(5, F_SETFD, 0)",
      "fcntl(6, F_SETFD, 0)",
      "fcntl(5, F_SETFD, 0)",
      "fcntl(6, F_SETFD, 0)",
    ]);
  });

  test("descriptors: kept for the program, or used up", () => {
    expect(steps("-1", "/X", "--r3", "0x9", "-2", ":X")).toEqual([
      "fcntl(5, F_SETFD, 0)",
      "fcntl(9, F_SETFD, 0)",
      "fcntl(5, F_SETFD, 1)",
    ]);
    expect(steps("-1", ":OUT")).toEqual(["fcntl(1, F_SETFD, 0)"]);
  });

  test("a later option sees what an earlier one has exported", () => {
    expect(steps("-1", "7", "-e", "X", "-2", ":X")).toEqual([
      "fcntl(7, F_SETFD, 0)",
      "fcntl(7, F_SETFD, 1)",
      "fcntl(7, F_SETFD, 0)",
    ]);
  });

  test("the own process", () => {
    expect(steps("-n", "0")).toEqual([
      "R1 = process 0:",
      "getpid() -> own pid",
      "pidfd_open(own pid, 0) -> process 0",
    ]);
  });

  test.each([
    [["-n", "self", "true"], '-n: "self" is not a number'],
    [["-n", "-1", "true"], '-n: "-1" is not a number'],
    [["-n", "2147483648", "true"], '-n: "2147483648" is out of range (0 to 2147483647)'],
    [["-n", "4294967297", "true"], '-n: "4294967297" is out of range (0 to 2147483647)'],
    [["-n", "5x", "true"], '-n: "5x" is not a number'],
    [["-1", "5", "-F", "x", "true"], '-F: "x" is not a decimal number'],
    [["-1", "5", "-F", "0x5", "true"], '-F: "0x5" is not a decimal number'],
    [["-F", "0", "true"], "-F: R1 is not set"],
    [["-N", "true"], "-N: R2 is not set"],
    [["-u", "true"], "-u: R2 is not set"],
    [["-p", "true"], "-p: R2 is not set"],
    [["-O"], "-O: R2 is not set"],
    [["-2", "5", "-x", "-O"], "-O: R2 is not set"],
    [["-2", "5", "-y", "-O"], "-O: R2 is not set"],
    [["-e", "A", "true"], 'exporting as "A": R1 is not set'],
    [["-E", "A", "true"], 'exporting as "A": R2 is not set'],
    [["-v", "A", "true"], 'exporting as "A": R3 is not set'],
    [["-1", "5", "-e", "", "true"], '-e: "" cannot be the name of an environment variable'],
    [["-1", "5", "-e", "A=B", "true"], '-e: "A=B" cannot be the name of an environment variable'],
    [["-1", "x", "true"], '-1: "x" is not a descriptor (N, /NAME or :NAME)'],
    [["-1", "/", "true"], '-1: "/" names no environment variable'],
    [["-1", "/NOPE", "true"], "$NOPE is not set"],
    [["-1", ":X", "-2", ":X", "true"], "$X is not set"],
    [["-2", "/BAD", "true"], '$BAD: "x5" is not a number'],
    [["-2", ":EMPTY", "true"], '$EMPTY: "" is not a number'],
    [["-f", "", "true"], "-f: the path is empty"],
    [[], "PROGRAM is missing"],
    [["-n", "0"], "PROGRAM is missing"],
    [["-c", "true"], "PROGRAM is missing"],
    [["--signal", "term"], "--signal: R1 is not set"],
    [["-n", "0", "--signal", "0"], '--signal: "0" is out of range (1 to 64)'],
    [["--poll"], "--poll: R1 is not set"],
    [["-n", "0", "--poll=soon"], '--poll: "soon" is not a decimal number'],
    [["--wait"], "--wait: R1 is not set"],
    [["--export-status", "S", "true"], "--export-status: no --wait before it"],
    [["--pid-in", "1", "true"], "--pid-in: R2 is not set"],
    [["-2", "5", "--pid-in", "0", "true"], '--pid-in: "0" is out of range (1 to 2147483647)'],
    [["--print-pid"], "--print-pid: R1 is not set"],
    [["-n", "0", "--print-pid-in"], "--print-pid-in: R2 is not set"],
    [["--print-ns"], "--print-ns: R2 is not set"],
    [["--namespace", "net", "true"], "--namespace: R1 is not set"],
    [
      ["-n", "0", "--namespace", "nets", "true"],
      '--namespace: "nets" is not a kind of namespace (did you mean net?)',
    ],
    [["--next-mntns", "true"], "--next-mntns: R2 is not set"],
    [["--previous-mntns", "true"], "--previous-mntns: R2 is not set"],
    [["--setns", "true"], "--setns: R2 is not set"],
    [["--setns-process", "n", "true"], "--setns-process: R1 is not set"],
    [["-n", "0", "--setns-process", "q", "true"], "--setns-process: unknown letter q (known: UCinuTpm)"],
    [["--child-ns", "q", "true"], "--child-ns: unknown letter q (known: UCinuTpm)"],
    [["--child-ignore", "kill", "true"], "signal 9 cannot be ignored or changed"],
    [["--child-default", "stop", "true"], "signal 19 cannot be ignored or changed"],
    [["--arg", "a", "true"], "--arg: no --spawn after it"],
  ])("refuses %j", (words, message) => expect(usageError(() => planned(...words))).toBe(message));
});

/**
 * Runs a script with descriptor 5 open on a file, 6 on its own network namespace. Background processes are
 * ended with it. `user`: the pid of a process of uid 1000 in a user namespace of that user's, 7 being open on
 * the namespace. `net`: the pid of a process in another network namespace, with a socket there as descriptor 33.
 */
function prepared(text: string, options: RunOptions = {}) {
  return inDirectory((cwd) => {
    const preparation = [
      "trap 'kill -9 $(jobs -p) $net $user 2>/dev/null' EXIT",
      "exec 5</etc/passwd 6</proc/self/ns/net",
      /\$net\b/.test(text) ? makeNet : "",
      /\$user\b|\b7\b/.test(text) ? makeUser : "",
    ];
    return script([...preparation, text].join("\n"), { ...options, cwd });
  });
}

const socketProcess = `import os, socket, time
s = socket.socket()
os.dup2(s.fileno(), 33)
print(os.getpid(), flush=True)
os.close(1)
time.sleep(60)`;
const makeNet = `exec 8< <(exec unshare -n python3 -c '${socketProcess}'); read net <&8; exec 8<&-`;
const makeUser = [
  "exec 8< <(exec setpriv --reuid=1000 --regid=1000 --clear-groups unshare -U sh -c 'echo $$; exec sleep 60 >&-')",
  "read user <&8; exec 8<&-; exec 7</proc/$user/ns/user",
].join("\n");

const quiet = { status: 0, stderr: "" };

describe("what the options do", () => {
  test.each([
    // The worked examples
    [
      "ctrtool pidfd_ctl -n 0 -e P sh -c 'test $(grep -Po \"^Pid:\\s*\\K.*\" /proc/self/fdinfo/$P) = $$ && echo same'",
      "same\n",
    ],
    ["ctrtool pidfd_ctl -n 0 sh -c 'ls /proc/self/fd'", "0\n1\n2\n3\n5\n6\n"],
    [
      "ctrtool pidfd_ctl -n $net -F 33 -N -v NS sh -c 'nsenter --net=/proc/self/fd/$NS readlink /proc/self/ns/net' | grep -Fxc $(readlink /proc/$net/ns/net)",
      "1\n",
    ],
    ["ctrtool pidfd_ctl -2 6 -u -y -O", "0\n"],
    ["ctrtool pidfd_ctl -2 7 -O", "1000\n"],
    [
      "ctrtool pidfd_ctl -2 7 -p -v NS sh -c 'readlink /proc/self/fd/$NS' | grep -Fxc $(readlink /proc/self/ns/user)",
      "1\n",
    ],
    [
      "ctrtool pidfd_ctl -2 7 -u -v NS sh -c 'readlink /proc/self/fd/$NS' | grep -Fxc $(readlink /proc/self/ns/user)",
      "1\n",
    ],
    // Descriptors and variables
    ["X=5 ctrtool pidfd_ctl -1 /X -e Y sh -c 'echo $X $Y; : <&5'", "5 5\n"],
    ["X=5 ctrtool pidfd_ctl -1 :X sh -c 'echo \"[$X]\"; test -e /proc/self/fd/5 || echo gone'", "[]\ngone\n"],
    ["X=1 ctrtool pidfd_ctl -1 :X sh -c 'echo \"[$X]\"'", "[]\n"],
    ["X=5 ctrtool pidfd_ctl -1 :X -2 5 sh -c 'head -c4 <&5'", "root"],
    ["X=5 ctrtool pidfd_ctl -1 :X -e Y sh -c 'head -c4 <&$Y'", "root"],
    ["ctrtool pidfd_ctl -n 0 -1 3 sh -c 'grep -c ^Pid /proc/self/fdinfo/3'", "1\n"],
    ["ctrtool pidfd_ctl -1 5 -2 6 --r3 5 -x -y -e A -E B -v C sh -c 'echo $A $B $C'", "6 5 5\n"],
    ["ctrtool pidfd_ctl -1 5 -e A -2 6 -x -e A -e B sh -c 'echo $A $B'", "6 6\n"],
    ["ctrtool pidfd_ctl -n $net -F 33 -E S sh -c 'readlink /proc/self/fd/$S' | grep -c ^socket:", "1\n"],
    ["ctrtool pidfd_ctl -f /proc/$$ -f . echo there", "there\n"],
    ["ln -s . link; ctrtool pidfd_ctl --exists link echo there", "there\n"],
    // Children
    [
      "ctrtool pidfd_ctl -c 'exit 7' -e P python3 -c 'import os; print(os.waitid(os.P_PIDFD, int(os.environ[\"P\"]), os.WEXITED).si_status)'",
      "7\n",
    ],
    [
      "ctrtool pidfd_ctl -I -c 'exit 7' -e P python3 -c 'import os\ntry: os.waitid(os.P_PIDFD, int(os.environ[\"P\"]), os.WEXITED)\nexcept ChildProcessError: print(\"none\")'",
      "none\n",
    ],
    ["ctrtool pidfd_ctl -1 5 -e A -c 'echo $A; ls /proc/self/fd' --wait -e B", "5\n0\n1\n2\n3\n5\n6\n"],
    [
      "ctrtool pidfd_ctl --arg -c --arg 'echo $0 $1' --arg a --arg b --spawn sh --wait --spawn true --wait",
      "a b\n",
    ],
    [
      "ctrtool pidfd_ctl -c 'exit 3' --wait -c 'kill -9 $$' --wait --export-status S sh -c 'echo $S'",
      "137\n",
    ],
    [
      "ctrtool pidfd_ctl --child-ns n -c 'readlink /proc/self/ns/net' --wait | grep -Fxvc $(readlink /proc/self/ns/net)",
      "1\n",
    ],
    ["ctrtool pidfd_ctl --child-ns pm -c 'echo $$' --wait --child-ns '' -c 'test $$ != 1' --wait", "1\n"],
    [
      "ctrtool pidfd_ctl --child-ignore usr1,pipe -c 'grep SigIgn /proc/self/status' --wait",
      "SigIgn:\t0000000000001200\n",
    ],
    [
      "trap '' USR1 USR2; ctrtool pidfd_ctl --child-default usr1 -c 'grep SigIgn /proc/self/status' --wait",
      "SigIgn:\t0000000000000800\n",
    ],
    // SIGCHLD
    ["ctrtool pidfd_ctl -I grep SigIgn /proc/self/status", "SigIgn:\t0000000000010000\n"],
    ["trap '' CHLD; ctrtool pidfd_ctl -n 0 grep SigIgn /proc/self/status", "SigIgn:\t0000000000010000\n"],
    ["trap '' CHLD; ctrtool pidfd_ctl -c : grep SigIgn /proc/self/status", "SigIgn:\t0000000000000000\n"],
    [
      "trap '' CHLD; ctrtool pidfd_ctl --arg SigIgn --arg /proc/self/status --spawn grep --wait",
      "SigIgn:\t0000000000010000\n",
    ],
    // Processes
    ["sleep 60 & ctrtool pidfd_ctl -n $! --signal term --poll; wait $!; echo $?", "143\n"],
    [
      "sleep 60 & ctrtool pidfd_ctl -n $! --signal SIGTERM --poll=5000 echo ended; wait $!; echo $?",
      "ended\n143\n",
    ],
    ["ctrtool pidfd_ctl -n $$ --print-pid | grep -Fxc $$", "1\n"],
    [
      "ctrtool pidfd_ctl -n $net --namespace net -y --print-ns | grep -Fxc $(readlink /proc/$net/ns/net)",
      "1\n",
    ],
    [
      "for kind in cgroup ipc mnt net pid pid_for_children time time_for_children user uts; do ctrtool pidfd_ctl -n $$ --namespace $kind -y --print-ns | grep -Fxc $(readlink /proc/$$/ns/$kind); done | uniq -c",
      "     10 1\n",
    ],
    [
      "unshare -m sleep 60 & until test $(readlink /proc/$!/ns/mnt) != $(readlink /proc/self/ns/mnt); do :; done; ctrtool pidfd_ctl -n 0 --namespace mnt -y --next-mntns -y --previous-mntns -y --print-ns | grep -Fxc $(readlink /proc/self/ns/mnt)",
      "1\n",
    ],
    [
      "ctrtool pidfd_ctl -n $net --setns-process n readlink /proc/self/ns/net | grep -Fxc $(readlink /proc/$net/ns/net)",
      "1\n",
    ],
    [
      "ctrtool pidfd_ctl -n $net -F 33 -N -y --setns readlink /proc/self/ns/net | grep -Fxc $(readlink /proc/$net/ns/net)",
      "1\n",
    ],
  ])("%s", (command, stdout) => {
    expect(prepared(command)).toEqual({ ...quiet, stdout });
  });

  test("processes in another PID namespace", () => {
    const text = `
      exec 8< <(exec 2>&-; exec unshare -pf --kill-child sh -c 'echo; exec sleep 60 >&-'); unshare=$!; read _ <&8
      outer=$(pgrep -P $unshare)
      exec 9</proc/$outer/ns/pid
      ctrtool pidfd_ctl -2 9 --pid-in 1 --print-pid --print-pid-in --signal kill --poll=5000 | sed "s/^$outer$/outer/"
      ctrtool pidfd_ctl -2 9 --pid-in 1 true`;
    expect(prepared(text)).toEqual({
      status: 125,
      stdout: "outer\n1\n",
      stderr:
        "ctrtool pidfd_ctl: ioctl: process 1 of the PID namespace: ESRCH (No such process); hint: no process there has this pid, or it is not visible from here\n",
    });
  });

  test("statuses without a program: 0, or that of the last --wait", () => {
    const status = (words: string) => prepared(`ctrtool pidfd_ctl ${words}`).status;
    expect(status("-c 'exit 3' --wait")).toBe(3);
    expect(status("-c 'kill -11 $$' --wait -2 6 --print-ns")).toBe(139);
    expect(status("-c 'exit 3' --wait -c 'exit 0' --wait")).toBe(0);
    expect(status("-c 'exit 3' --poll")).toBe(0);
  });

  test("a child is born in a cgroup", () => {
    const text = `
      mkdir mount && mount -t cgroup2 none mount && cd mount && mkdir ctrtool-pidfd-$$ || exit
      ctrtool pidfd_ctl --child-cgroup ctrtool-pidfd-$$ -c 'cat /proc/self/cgroup' --wait | grep -c "^0::.*/ctrtool-pidfd-$$$"
      rmdir ctrtool-pidfd-$$`;
    expect(inDirectory((cwd) => mountScript(text, { cwd }))).toEqual({ ...quiet, stdout: "1\n" });
  });

  test("an ordinary user sees and signals its own processes", () => {
    const text = `
      sleep 60 & ctrtool pidfd_ctl -n $! -F 5 -E FD --signal term --poll sh -c 'head -c4 <&$FD'; echo
      ctrtool pidfd_ctl --child-ns Un -c 'readlink /proc/self/ns/net' --wait | grep -Fxvc $(readlink /proc/self/ns/net)`;
    expect(prepared(text, { ordinary: true })).toEqual({ ...quiet, stdout: "root\n1\n" });
  });
});

describe("failures", () => {
  test.each([
    ["-n 99999999 true", "pidfd_open: process 99999999: ESRCH (No such process)"],
    ["-n $net -F 99 true", "pidfd_getfd: descriptor 99 of the process on 3: EBADF (Bad file descriptor)"],
    ["-1 9 true", "fcntl: descriptor 9: EBADF (Bad file descriptor)"],
    ["-1 /FD true", "fcntl: the descriptor in $FD: EBADF (Bad file descriptor)"],
    [
      "-1 5 -F 0 true",
      "pidfd: descriptor 5: EBADF (Bad file descriptor); hint: it is not open, or no process descriptor",
    ],
    [
      "-1 6 --poll",
      "pidfd: descriptor 6: EBADF (Bad file descriptor); hint: it is not open, or no process descriptor",
    ],
    ["-2 5 -N true", "-N: descriptor 5 is no socket"],
    ["-n $net -F 33 -u true", "-u: descriptor 4 is no namespace"],
    ["-2 5 -p true", "-p: descriptor 5 is no namespace"],
    ["-2 5 -O", "-O: descriptor 5 is no namespace"],
    [
      "-2 6 -O",
      "NS_GET_OWNER_UID: the namespace: EINVAL (Invalid argument); hint: only user namespaces are owned by a uid",
    ],
    [
      "-2 6 -p true",
      "NS_GET_PARENT: the namespace: EINVAL (Invalid argument); hint: only PID and user namespaces have parents",
    ],
    [
      "-n 0 --namespace user -y -p true",
      "NS_GET_PARENT: the namespace: EPERM (Operation not permitted); hint: that one is outside of what this process may see",
    ],
    ["-f nope true", "statx: nope: ENOENT (No such file or directory)"],
    ["-f /etc/passwd/x true", "statx: /etc/passwd/x: ENOTDIR (Not a directory)"],
    [
      "-n $net --wait",
      "waitid: the process on descriptor 3: ECHILD (No child processes); hint: not a child of this process; --poll waits for any",
    ],
    ["-n $net --poll=50", "poll: the process on descriptor 3 still runs: ETIMEDOUT (Connection timed out)"],
    [
      "-2 6 --next-mntns true",
      "ioctl: next mount namespace: EINVAL (Invalid argument); hint: not a mount namespace",
    ],
    [
      "-2 6 --pid-in 1 true",
      "ioctl: process 1 of the PID namespace: EINVAL (Invalid argument); hint: needs a PID namespace",
    ],
    [
      "-n 0 -2 6 --print-pid-in",
      "ioctl: pid in the PID namespace: EINVAL (Invalid argument); hint: needs a PID namespace",
    ],
    [
      "--child-cgroup . -c : --wait",
      "clone3: /bin/sh: EBADF (Bad file descriptor); hint: not a directory of a version 2 cgroup",
    ],
    ["--child-cgroup nope -c : --wait", "openat: nope: ENOENT (No such file or directory)"],
    [
      "-n 0 --setns-process U true",
      "setns: the process on descriptor 3: EINVAL (Invalid argument); hint: not a descriptor of such a namespace, or one that this process is in already",
    ],
    [
      "-2 6 -O >/dev/full",
      "NS_GET_OWNER_UID: the namespace: EINVAL (Invalid argument); hint: only user namespaces are owned by a uid",
    ],
    ["-2 6 --print-ns >/dev/full", "write: stdout: ENOSPC (No space left on device)"],
    ["-q true", "usage: unknown option -q"],
    ["-n", "usage: option -n needs a value"],
  ])("%s", (words, line) => {
    expect(prepared(`export FD=77; ctrtool pidfd_ctl ${words}`)).toEqual({
      status: 125,
      stdout: "",
      stderr: `ctrtool pidfd_ctl: ${line}\n`,
    });
  });

  test("of the program", () => {
    const missing = prepared("ctrtool pidfd_ctl -n 0 nosuchprogram");
    expect(missing).toEqual({
      status: 127,
      stdout: "",
      stderr: "ctrtool pidfd_ctl: execve: nosuchprogram: ENOENT (No such file or directory)\n",
    });
    expect(prepared("ctrtool pidfd_ctl -n 0 /etc/passwd").status).toBe(126);
    expect(prepared("ctrtool pidfd_ctl -n 0 sh -c 'exit 9'").status).toBe(9);
  });

  test("of a child's program: its own status, and a line", () => {
    expect(prepared("ctrtool pidfd_ctl --spawn nosuchprogram --wait")).toEqual({
      status: 127,
      stdout: "",
      stderr: "ctrtool pidfd_ctl: execve: nosuchprogram: ENOENT (No such file or directory)\n",
    });
  });

  test.each(["-F 99 true", "-f nope true", "nosuchprogram", "--poll=10"])(
    "of what comes later end the children: %s",
    (words) => {
      const text = `
        ctrtool pidfd_ctl -c 'echo $$ >one; exec sleep 60' -c 'echo $$ >two; exec sleep 60' --poll=200 true
        ctrtool pidfd_ctl -c 'echo $$ >one; exec sleep 60' -c 'echo $$ >two; exec sleep 60' --arg 0.3 --spawn sleep --wait -2 5 -c 'exec sleep 60' ${words}
        echo $?; for file in one two; do kill -0 $(cat $file) 2>&- && echo alive; done; true`;
      const { stdout } = prepared(text);
      expect(stdout).toBe(words === "nosuchprogram" ? "127\n" : "125\n");
    },
  );

  test("of usage end nothing, since nothing was begun", () => {
    const { stdout, status } = prepared("ctrtool pidfd_ctl -2 6 --print-ns -c 'echo begun' --wait -F x true");
    expect({ stdout, status }).toEqual({ stdout: "", status: 125 });
  });

  test("of an ordinary user that asks for another's", () => {
    const { status, stderr } = prepared(
      "setpriv --reuid=1000 --regid=1000 --clear-groups $CTRTOOL pidfd_ctl -n $$ -F 0 true",
    );
    expect({ status, stderr }).toEqual({
      status: 125,
      stderr:
        "ctrtool pidfd_ctl: pidfd_getfd: descriptor 0 of the process on 3: EPERM (Operation not permitted); hint: needs the permission to trace the process\n",
    });
    const signalled = prepared(
      "setpriv --reuid=1000 --regid=1000 --clear-groups $CTRTOOL pidfd_ctl -n $$ --signal usr1; true",
    );
    expect(signalled.stderr).toBe(
      "ctrtool pidfd_ctl: pidfd_send_signal: signal 10 to the process on descriptor 3: EPERM (Operation not permitted)\n",
    );
  });
});
