/** What each option of the launcher does, seen from inside or outside of what it starts. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plan, spec } from "../../src/applets/launcher.ts";
import { parse } from "../../src/cli/parse.ts";
import { calls } from "../../src/program/explain.ts";
import { nativeArch } from "../../src/sys/arch.ts";
import { SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO } from "../../src/sys/constants.ts";
import { seccomp_data, sock_filter } from "../../src/sys/structs.ts";
import { type SyscallName, syscallNumbers } from "../../src/sys/syscalls.ts";
import { ctrtool, inDirectory, mountScript, ordinaryGiven, type Ran, script } from "../support/ctrtool.ts";

const rootless = ["-U", "--uid-map=0.1000.1", "--gid-map=0.1000.1", "--disable-setgroups", "-g"];

function launch(options: readonly string[], program: readonly string[], ordinary = false): Ran {
  return ctrtool(["launcher", ...options, "--", ...program], { ordinary });
}

function shell(options: readonly string[], text: string, ordinary = false): Ran {
  return launch(options, ["sh", "-c", text], ordinary);
}

/** The inode number of a namespace of this process. */
const ownNamespace = (file: string): string => String(statSync(`/proc/self/ns/${file}`).ino);

describe("namespaces", () => {
  const kinds = [
    ["-i", "--ipc", "ipc"],
    ["-m", "--mount", "mnt"],
    ["-n", "--net", "net"],
    ["-p", "--pid", "pid"],
    ["-u", "--uts", "uts"],
    ["-C", "--cgroup", "cgroup"],
  ] as const;
  for (const [short, long, file] of kinds) {
    test(`${short} makes a new one of its kind and no other`, () => {
      for (const option of [short, long]) {
        const { status, stdout } = shell(["-w", option], "stat -L -c '%N %i' /proc/self/ns/*");
        expect(status).toBe(0);
        for (const [, , other] of kinds) {
          const same = stdout.includes(`/ns/${other}' ${ownNamespace(other)}\n`);
          expect(`${other} ${same}`).toBe(`${other} ${other !== file}`);
        }
      }
    });
  }

  test("-U with maps, as an ordinary user", () => {
    const { status, stdout } = shell(["-w", ...rootless], "id -u; id -g; cat /proc/self/uid_map", true);
    expect(status).toBe(0);
    expect(stdout.replace(/ +/g, " ")).toBe("0\n0\n 0 1000 1\n");
  });

  test("maps of several lines, as root", () => {
    const maps = ["--uid-map=0.1000.1:1.100000.10", "--gid-map=0.1000.1:1.100000.10"];
    const { stdout, status } = shell(["-w", "-U", ...maps], "cat /proc/self/uid_map /proc/self/gid_map");
    expect(status).toBe(0);
    expect(stdout.replace(/ +/g, " ")).toBe(" 0 1000 1\n 1 100000 10\n".repeat(2));
  });

  test("-H sets the host name", () => {
    expect(shell(["-wu", "-Hinside"], "uname -n").stdout).toBe("inside\n");
  });

  test("-O makes the user namespace belong to another uid", () => {
    const options = ["-w", "-U", "-O1000", "--uid-map=0.0.2000", "--gid-map=0.0.2000", "--pidfd"];
    const owner =
      "import fcntl, struct; b = bytearray(4); fcntl.ioctl(open(0, 'rb'), 0xb704, b); print(struct.unpack('I', b)[0])";
    const text = `python3 -c "${owner}" </proc/self/fd/$2/ns/user`;
    const { stdout, status } = ctrtool(["launcher", ...options, "-d", "-x", text, "true"]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "1000\n" });
  });

  test("--set-tid chooses the pid, also in a namespace of its own", () => {
    const free = Number(readFileSync("/proc/sys/kernel/pid_max", "latin1")) - 7;
    expect(shell(["-w", "-p", `--set-tid=1,${free}`], "echo $$").stdout).toBe("1\n");
    expect(shell(["-w", `--set-tid=${free}`], "echo $$").stdout).toBe(`${free}\n`);
    const used = launch(["-w", `--set-tid=${process.pid}`], ["true"]);
    expect(used.status).toBe(125);
    expect(used.stderr).toMatch(/^ctrtool launcher: clone3: .*EEXIST \(File exists\)\n$/);
  });

  test("--nsenter2, --nsenter-post and --old-nsenter enter what they name, in every form", () => {
    const inode = "readlink /proc/self/ns/uts";
    for (const option of ["--nsenter2", "--nsenter-post"]) {
      const nested = `
        ctrtool launcher -w -u -d -x '
          in=$(readlink /proc/self/fd/$2/ns/uts)
          for entry in "u=/proc/$1/ns/uts" "u//proc/$1" "u/proc/$1" ; do
            test "$("$CTRTOOL" launcher -w ${option}="$entry" ${inode})" = "$in" || echo "not entered: $entry"
          done
          exec 9</proc/$1/ns/uts
          test "$(FD=9 "$CTRTOOL" launcher -w ${option}=u-FD ${inode})" = "$in" || echo "not entered by variable"
          test "$("$CTRTOOL" launcher -w ${option}=:9 ${inode})" = "$in" || echo "not entered by descriptor"
          "$CTRTOOL" launcher -w ${option}=X:9 sh -c "test ! -e /proc/self/fd/9" || echo "not closed"
          test "$("$CTRTOOL" launcher -fi --unsafe-no-setsid --old-nsenter=:9 ${inode})" = "$in" || echo "old not entered"
        ' true`;
      expect(script(nested)).toEqual({ status: 0, stdout: "", stderr: "" });
    }
  });

  test("a pidfd enters several namespaces at once", () => {
    const text = `ctrtool launcher -w -u -i --pidfd -d -x '
      "$CTRTOOL" launcher -w --nsenter2=ui- readlink /proc/self/ns/uts /proc/self/ns/ipc
      readlink /proc/$1/ns/uts /proc/$1/ns/ipc' true`;
    const { stdout, status } = script(text);
    const lines = stdout.trim().split("\n");
    expect(status).toBe(0);
    expect(lines.slice(0, 2)).toEqual(lines.slice(2));
  });
});

describe("ids and privileges", () => {
  const cap = (option: string[], line: string): string =>
    launch(["-w", ...option], ["grep", line, "/proc/self/status"])
      .stdout.trim()
      .split("\t")[1] ?? "";

  test("-S, -G and --groups", () => {
    const { stdout } = shell(["-w", "-S1000", "-G0x64", "--groups=010,5"], "id -u; id -g; id -G");
    expect(stdout).toBe("1000\n100\n100 5 8\n");
  });
  test("-g leaves the groups, -N the ids", () => {
    const text = "setpriv --groups=7,8 \"$CTRTOOL\" launcher -w -g -N sh -c 'id -G; id -u'";
    expect(script(text).stdout).toBe("0 7 8\n0\n");
  });
  test("4294967295 leaves an id unchanged", () => {
    expect(shell(["-w", "-S4294967295", "-G5"], "id -u; id -g").stdout).toBe("0\n5\n");
  });
  test("-I, -a, -b and -q with another uid", () => {
    const options = ["-S1000", "-I", "cap_kill,chown", "-a", "0x20", "-b", "kill,chown,setpcap"];
    expect(cap(options, "CapInh")).toBe("0000000000000021");
    expect(cap(options, "CapPrm")).toBe("0000000000000020");
    expect(cap(options, "CapAmb")).toBe("0000000000000020");
    expect(cap(options, "CapBnd")).toBe("0000000000000121");
  });
  test("-a inherit raises what is inheritable", () => {
    expect(cap(["-S1000", "-I3", "-ainherit"], "CapEff")).toBe("0000000000000003");
  });
  test("-k makes all permitted capabilities inheritable; the later of -k and -I counts", () => {
    const permitted = readFileSync("/proc/self/status", "latin1").match(/CapPrm:\t(\w+)/)?.[1] ?? "";
    expect(cap(["-k"], "CapInh")).toBe(permitted);
    expect(cap(["-k", "-I1"], "CapInh")).toBe("0000000000000001");
    expect(cap(["-I1", "-k"], "CapInh")).toBe(permitted);
  });
  test("-b keeps only what it names, and refuses what is not there", () => {
    expect(cap(["-b0x3"], "CapBnd")).toBe("0000000000000003");
    const text = '"$CTRTOOL" launcher -w -b1 "$CTRTOOL" launcher -w -g -N -b3 true';
    const { status, stderr } = script(text);
    expect(status).toBe(125);
    expect(stderr).toBe("ctrtool launcher: bounding set: capability 1: EPERM (Operation not permitted)\n");
  });
  test("-D and -B", () => {
    expect(launch(["-w", "-D"], ["grep", "NoNewPrivs", "/proc/self/status"]).stdout).toBe("NoNewPrivs:\t1\n");
    const bits = "import ctypes; print(ctypes.CDLL(None).prctl(27, 0, 0, 0, 0))";
    expect(launch(["-w", "-B0x40"], ["python3", "-c", bits]).stdout).toBe("64\n");
  });
  test("clear-caps under no_new_privs needs a decision", () => {
    const refused = "ctrtool launcher: ";
    expect(launch(["-w", "-D", "-b3"], ["true"])).toMatchObject({ status: 125, stdout: "" });
    const inherited = script('setpriv --no-new-privs "$CTRTOOL" launcher -w -b3 true');
    expect(inherited.status).toBe(125);
    expect(inherited.stderr).toStartWith(`${refused}no_new_privs: `);
    expect(launch(["-w", "-D", "-b3", "--clear-caps-before-exec=0"], ["true"]).status).toBe(0);
    expect(cap(["-D", "-b3", "--clear-caps-before-exec"], "CapPrm")).toBe("0000000000000000");
  });
  test("-Q and -v", () => {
    expect(shell(["-w", "-Q123456"], "cat /proc/self/timerslack_ns").stdout).toBe("123456\n");
    expect(launch(["-w", "-v1"], ["grep", "THP_enabled", "/proc/self/status"]).stdout).toBe(
      "THP_enabled:\t0\n",
    );
  });
  test("--rlimit sets both sides or one", () => {
    expect(shell(["-w", "--rlimit=nofile=10:20"], "ulimit -Sn; ulimit -Hn").stdout).toBe("10\n20\n");
    const hard = shell(["-w"], "ulimit -Hn").stdout;
    expect(shell(["-w", "--rlimit=n=10:"], "ulimit -Sn; ulimit -Hn").stdout).toBe(`10\n${hard}`);
    expect(shell(["-w", ...rootless, "--rlimit=core=0"], "ulimit -Hc", true).stdout).toBe("0\n");
  });
  test("a new session, unless --unsafe-no-setsid", () => {
    const session = "cut -d' ' -f6 /proc/self/stat";
    const [own, kept] = [shell(["-w"], `echo $$; ${session}`), shell(["-w", "--unsafe-no-setsid"], session)];
    const [pid, sid] = own.stdout.trim().split("\n");
    expect(sid).toBe(pid ?? "");
    expect(kept.stdout.trim()).not.toBe(pid ?? "");
  });
  test("-V empties the environment", () => {
    expect(launch(["-wV"], ["/usr/bin/env"]).stdout).toBe("");
    expect(launch(["-wV"], ["env"]).status).toBe(0);
  });
});

describe("seccomp and cgroup", () => {
  /** A filter for this machine that answers `errno` to one system call and allows the rest, see seccomp(2). */
  function filterFor(call: SyscallName, errno: number): Uint8Array {
    const [load, jumpIfEqual, give] = [0x20, 0x15, 0x06];
    return sock_filter.packAll([
      { code: load, k: seccomp_data.offset("nr") },
      { code: jumpIfEqual, jf: 1, k: syscallNumbers[nativeArch()][call] },
      { code: give, k: SECCOMP_RET_ERRNO | errno },
      { code: give, k: SECCOMP_RET_ALLOW },
    ]);
  }

  test("--seccomp takes a file or a descriptor, with and without no_new_privs", () => {
    inDirectory((directory) => {
      const file = join(directory, "filter");
      writeFileSync(file, filterFor("uname", 95));
      for (const options of [["-D"], ["-b3"], ["-mD"], ["-D", "--clear-caps-before-exec=0", ...rootless]]) {
        const ordinary = options.length > 2;
        const ran = launch(["-w", ...options, `--seccomp=${file}`], ["uname"], ordinary);
        expect(ran.stderr).toContain("Operation not supported");
        expect({ status: ran.status, stdout: ran.stdout }).toEqual({ status: 1, stdout: "" });
      }
      const mode = `ctrtool launcher -w -D --seccomp=7 grep Seccomp: /proc/self/status 7<${file}`;
      expect(script(mode).stdout).toBe("Seccomp:\t2\n");
    });
  });
  test("--seccomp refuses what is no filter", () => {
    inDirectory((directory) => {
      const file = join(directory, "filter");
      for (const [content, says] of [
        [new Uint8Array(0), "seccomp: FILE is empty"],
        [new Uint8Array(7), "seccomp: FILE is no array of BPF instructions"],
        [new Uint8Array(8 * 4097), "seccomp: FILE is longer than 4096 instructions"],
        [new Uint8Array(8), "seccomp: FILE: EINVAL (Invalid argument); hint: "],
      ] as const) {
        writeFileSync(file, content);
        const { status, stdout, stderr } = launch(["-w", "-D", `--seccomp=${file}`], ["echo", "started"]);
        expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
        expect(stderr).toStartWith(`ctrtool launcher: ${says.replace("FILE", file)}`);
      }
    });
  });
  test("--into-cgroup: the process is born there", () => {
    const cgroup = `/sys/fs/cgroup/unified/ctrtool-test-${process.pid}`;
    mkdirSync(cgroup);
    try {
      const { stdout } = launch(["-w", `--into-cgroup=${cgroup}`], ["grep", "^0:", "/proc/self/cgroup"]);
      expect(stdout).toBe(`0::/ctrtool-test-${process.pid}\n`);
      const missing = launch(["-w", `--into-cgroup=${cgroup}/none`], ["echo", "started"]);
      expect(missing).toMatchObject({ status: 125, stdout: "" });
    } finally {
      rmdirSync(cgroup);
    }
  });
});

describe("root and mounts", () => {
  const build = "mkdir r && mount -t tmpfs t r && mkdir r/proc r/bin && cp /usr/bin/busybox r/bin/sh";

  test("-r makes a directory the root, -t mounts its proc", () => {
    const text = `cd "$1" && ${build} && ctrtool launcher -w -mptr "$1/r" /bin/sh -c 'echo $$; ls / ; cat /proc/mounts'`;
    inDirectory((directory) => {
      const { stdout, status, stderr } = mountScript(`set -- ${directory}; ${text}`);
      expect(stderr).toBe("");
      expect(stdout).toBe(
        "1\nbin\nproc\nt / tmpfs rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n",
      );
      expect(status).toBe(0);
    });
  });
  test("-t refuses a /proc that is a symlink", () => {
    const text = `cd "$1" && ${build} && rmdir r/proc && mkdir r/elsewhere && ln -s elsewhere r/proc &&
      ctrtool launcher -w -mptr "$1/r" /bin/sh -c 'echo started'`;
    inDirectory((directory) => {
      const { stdout, status, stderr } = mountScript(`set -- ${directory}; ${text}`);
      expect({ stdout, status }).toEqual({ stdout: "", status: 125 });
      expect(stderr).toStartWith("ctrtool launcher: openat2: /proc: ELOOP");
    });
  });
  test("-r to what is no mount point", () => {
    inDirectory((directory) => {
      const { status, stderr } = launch(["-wm", "-r", directory], ["true"]);
      expect(status).toBe(125);
      expect(stderr).toStartWith(
        `ctrtool launcher: pivot_root: ${directory}: EBUSY (Device or resource busy); hint: `,
      );
      expect(stderr.split("\n").length).toBe(2);
    });
  });
  test("-R chooses the propagation", () => {
    const kinds = { shared: "shared:", slave: "master:", private: "", unchanged: "shared:" };
    for (const [kind, mark] of Object.entries(kinds)) {
      const text = `mount --make-rshared / && ctrtool launcher -w -m -R ${kind} sh -c 'grep -E "^[0-9]+ [0-9]+ [0-9:]+ [^ ]+ / " /proc/self/mountinfo'`;
      const fields = mountScript(text).stdout;
      for (const other of ["shared:", "master:"]) expect(fields.includes(other)).toBe(other === mark);
    }
  });
  test("-R and others need -m", () => {
    for (const options of [["-Rprivate"], ["-t"], ["-r/"], ["-H", "x"]]) {
      const { status, stderr } = launch(["-w", ...options], ["true"]);
      expect(status).toBe(125);
      expect(stderr).toMatch(/^ctrtool launcher: usage: --[a-z-]+ needs .*\n$/);
    }
  });
});

describe("script", () => {
  test("gets its numbers as arguments, in every form", () => {
    const { stdout } = script(
      "ctrtool launcher -w -X1 -d -x 'echo \"$0 $# $3\"; readlink /proc/self/fd/$2' true",
    );
    expect(stdout).toMatch(/^- 3 [0-9]+\n\/proc\/[0-9]+\n$/);
    const python = "import sys; print(len(sys.argv), sys.argv[0], sys.argv[4])";
    expect(ctrtool(["launcher", "-w", "-d", "-epython3", "-x", python, "true"]).stdout).toBe("5 -c -1\n");
    inDirectory((directory) => {
      writeFileSync(join(directory, "hook"), '#!/bin/sh\necho "$0 $# $3"\n', { mode: 0o755 });
      const { stdout } = ctrtool(["launcher", "-w", "-x", "./hook", "true"], { cwd: directory });
      expect(stdout).toBe("./hook 3 -1\n");
    });
  });
  test("its failure is the launch's, and nothing is executed", () => {
    for (const [text, status, says] of [
      ["exit 7", 7, "it ended with status 7"],
      ["exit 200", 200, "it ended with status 200"],
      ["kill -9 $$", 127, "it was killed by signal 9"],
    ] as const) {
      const ran = ctrtool(["launcher", "-w", "-d", "-x", text, "echo", "started"]);
      expect(ran).toEqual({ status, stdout: "", stderr: `ctrtool launcher: script: ${says}\n` });
    }
    const missing = ctrtool(["launcher", "-w", "-x", "/nonexistent", "echo", "started"]);
    expect(missing).toMatchObject({ status: 127, stdout: "" });
    expect(missing.stderr).toStartWith("ctrtool launcher: execve: /nonexistent: ENOENT");
    expect(missing.stderr.split("\n").length).toBe(2);
  });
  test("-F becomes the script, which releases the program", () => {
    inDirectory((directory) => {
      const lock = join(directory, "lock");
      const release = [
        "launcher",
        "-F",
        "-K",
        lock,
        "-d",
        "-x",
        'echo "$#"; printf x >&$5; sleep 0.2',
        "echo",
        "program",
      ];
      expect(ctrtool(release)).toEqual({ status: 0, stdout: "5\nprogram\n", stderr: "" });
      expect(statSync(lock).mode & 0o7777).toBe(0o600);
      const withhold = ctrtool(["launcher", "-F", "-d", "-x", "exit 3", "echo", "program"]);
      expect(withhold).toMatchObject({ status: 3, stdout: "" });
    });
  });
  test("--open-namespaces and --pidfd name their descriptors", () => {
    const names =
      "env | grep -c CTRTOOL_CONTAINER_LAUNCHER_; readlink /proc/self/fd/$CTRTOOL_CONTAINER_LAUNCHER_NET_NS; readlink /proc/$1/ns/net";
    const { stdout } = ctrtool([
      "launcher",
      "-wn",
      "--pidfd",
      "--open-namespaces=nu",
      "-d",
      "-x",
      names,
      "true",
    ]);
    const [count, opened, real] = stdout.trim().split("\n");
    expect({ count, opened }).toEqual({ count: "3", opened: real ?? "" });
  });
  test("-X connects script and program, out of reach of the host's abstract sockets", () => {
    const text = `ctrtool launcher -w -n -X3 -d -x 'python3 -c "
import socket, sys
s = socket.socket(fileno=int(sys.argv[1])); s.send(b\\"hello\\")
" "$3"' python3 -c '
import os, socket
s = socket.socket(fileno=int(os.environ["CONTAINER_LAUNCHER_UNIX_FD"]))
print(s.type == socket.SOCK_SEQPACKET, s.recv(10))'`;
    expect(script(text).stdout).toBe("True b'hello'\n");
  });
});

describe("files", () => {
  test("-P writes the pid, in the order given; a missing cgroup file is not made", () => {
    inDirectory((directory) => {
      const [first, second] = [join(directory, "first"), join(directory, "second")];
      const { stdout, status } = shell(["-w", "-P", first, "-P", second], "echo $$");
      expect(status).toBe(0);
      expect([readFileSync(first, "latin1"), readFileSync(second, "latin1")]).toEqual([
        stdout.trim(),
        stdout.trim(),
      ]);
      const missing = join(directory, "cgroup.procs");
      expect(launch(["-w", "-P", missing], ["echo", "started"])).toMatchObject({ status: 125, stdout: "" });
      expect(existsSync(missing)).toBe(false);
    });
  });
  test("-M refuses a file that is not empty", () => {
    inDirectory((directory) => {
      const file = join(directory, "procs");
      writeFileSync(file, "");
      expect(launch(["-w", "-M", file], ["true"]).status).toBe(0);
      writeFileSync(file, "1\n");
      const { status, stderr } = launch(["-w", "-M", file], ["true"]);
      expect({ status, stderr }).toEqual({
        status: 125,
        stderr: `ctrtool launcher: emptyfile: ${file} is not empty\n`,
      });
    });
  });
  test("-K is held until the launcher ends", () => {
    inDirectory((directory) => {
      const text = `cd ${directory}; ctrtool launcher -w -K lock sh -c 'flock -n lock true && echo free || echo taken'; flock -n lock echo free`;
      expect(script(text).stdout).toBe("taken\nfree\n");
    });
  });
  test("-L takes the output, and input is empty", () => {
    inDirectory((directory) => {
      const log = join(directory, "log");
      const { stdout } = ctrtool([
        "launcher",
        "-w",
        `-L${log}`,
        "sh",
        "-c",
        "echo out; echo err >&2; cat; readlink /proc/self/fd/0",
      ]);
      expect(stdout).toBe("");
      expect(readFileSync(log, "latin1")).toBe("out\nerr\n/dev/null\n");
    });
  });
  test("--notify-fd says when all is set up", () => {
    inDirectory((directory) => {
      const text = (options: string): string =>
        `cd ${directory}; ctrtool launcher -w ${options} 7>f; echo $?; cat f`;
      expect(script(text("--notify-fd=7 true")).stdout).toBe("0\n:");
      expect(script(text("--notify-fd=7 /nonexistent")).stdout).toBe("127\n:");
      expect(script(text("--notify-fd=7 -m -r /nonexistent true")).stdout).toBe("125\n");
      expect(script("ctrtool launcher -w --notify-fd=9 true").status).toBe(125);
    });
  });
  test("--close-fd", () => {
    const { stdout } = script(
      "ctrtool launcher -w --close-fd=9 --close-fd=8 ls /proc/self/fd 8</dev/null 9</dev/null 7</dev/null",
    );
    expect(stdout).toBe("0\n1\n2\n3\n7\n");
    expect(script("ctrtool launcher -w --close-fd=9 true").stderr).toBe(
      "ctrtool launcher: fcntl: descriptor 9: EBADF (Bad file descriptor)\n",
    );
  });
});

describe("program", () => {
  test("its status and signals are reported", () => {
    expect(shell(["-w"], "exit 42").status).toBe(42);
    expect(shell(["-w"], "kill -TERM $$").status).toBe(143);
    expect(launch(["-w"], ["/nonexistent"])).toMatchObject({ status: 127, stdout: "" });
    expect(launch([], ["/nonexistent"])).toMatchObject({ status: 127, stdout: "" });
    expect(launch(["-w"], ["/etc/passwd"])).toMatchObject({ status: 126 });
    expect(launch([], ["true"]).status).toBe(0);
  });
  test("--fork waits in a second process, --fork-daemon does not", () => {
    expect(shell(["-wmpt", "--fork"], "echo $$; exit 9")).toMatchObject({ status: 9, stdout: "2\n" });
    expect(shell(["-w", "--fork-daemon"], "exit 9").status).toBe(0);
    expect(launch(["--fork-daemon"], ["/nonexistent"]).status).toBe(125);
  });
  test("--status-fd tells what happens, in lines of JSON", () => {
    const events = (words: string): unknown[] =>
      script(`ctrtool launcher --status-fd=7 ${words} 7>&1 >/dev/null 2>&1`)
        .stdout.trim()
        .split("\n")
        .map((line) => JSON.parse(line));
    const created = { event: "created", pid: expect.any(Number) };
    expect(events("-w sh -c 'exit 7'")).toEqual([
      created,
      { event: "running" },
      { event: "exited", status: 7 },
    ]);
    expect(events("true")).toEqual([created, { event: "running" }]);
    expect(events("-w '/none\"\\'")).toEqual([
      created,
      {
        event: "failed",
        error: 'ctrtool launcher: execve: /none"\\: ENOENT (No such file or directory)',
      },
      { event: "exited", status: 127 },
    ]);
    expect(events("-w -d -x 'exit 3' true")).toEqual([
      created,
      { event: "failed", error: "ctrtool launcher: script: it ended with status 3" },
    ]);
    expect(events("-w -m -r /nonexistent true")).toMatchObject([
      created,
      { event: "failed", error: expect.stringContaining("chdir: /nonexistent: ENOENT") },
      { event: "exited", status: 125 },
    ]);
    const leaks =
      "ctrtool launcher -w --status-fd=7 -d -x 'ls /proc/self/fd | wc -l' ls /proc/self/fd 7>/dev/null";
    expect(script(leaks).stdout).toBe("5\n0\n1\n2\n3\n");
  });
  test("--forward-signals passes each signal on once, and the status comes out", () => {
    const command =
      "trap 'echo term' TERM; trap 'echo usr1' USR1; trap 'exit 5' USR2; echo ready; for i in $(seq 100); do sleep 0.05; done";
    const text = `"$CTRTOOL" launcher -w -p --forward-signals bash -c "${command.replaceAll("$", "\\$")}" >out & pid=$!
      until grep -q ready out 2>/dev/null; do sleep 0.02; done
      for signal in TERM USR1 USR2; do kill -$signal $pid; sleep 0.2; done
      wait $pid; echo $?; cat out`;
    inDirectory((directory) =>
      expect(script(`cd ${directory}; ${text}`).stdout).toBe("5\nready\nterm\nusr1\n"),
    );
    expect(launch(["-w", "--forward-signals"], ["/nonexistent"]).status).toBe(127);
    expect(launch(["-w", "--forward-signals"], ["true"]).status).toBe(0);
    expect(launch(["--forward-signals"], ["true"])).toMatchObject({ status: 125, stdout: "" });
  });
  test("--no-exec sets up and ends", () => {
    inDirectory((directory) => {
      const pid = join(directory, "pid");
      expect(ctrtool(["launcher", "--no-exec", "-P", pid]).status).toBe(0);
      expect(readFileSync(pid, "latin1")).toMatch(/^[0-9]+$/);
    });
  });
  test("the executed file by descriptor, path, host path and memfd", () => {
    const fill = 'cat /bin/echo >&"$CTRTOOL_CONTAINER_LAUNCHER_EXEC_FD"';
    const anonymous = ["launcher", "-w", "--exec-anon-fd", "-d", "-x", fill, "name", "hello"];
    expect(ctrtool(anonymous).stdout).toBe("hello\n");
    expect(script("ctrtool launcher -w --exec-fd=7 name hello 7</bin/echo").stdout).toBe("hello\n");
    expect(launch(["-w", "--exec-file=/bin/echo"], ["name", "hello"]).stdout).toBe("hello\n");
    expect(launch(["-w", "--exec-file-host=/bin/echo"], ["name", "hello"]).stdout).toBe("hello\n");
    const empty = launch(["-w", "--exec-anon-fd"], ["name"]);
    expect(empty.status).toBe(126);
    expect(empty.stderr).toStartWith("ctrtool launcher: execveat: name: ENOEXEC");
  });
  test("--exec-no-cloexec leaves the file and names it; otherwise it is closed and not named", () => {
    const text = 'echo "[$CTRTOOL_CONTAINER_LAUNCHER_EXEC_FD]"; ls /proc/self/fd | wc -l';
    expect(shell(["-w", "--exec-file-host=/bin/sh"], text).stdout).toBe("[]\n4\n");
    const kept = shell(["-w", "--exec-file-host=/bin/sh", "--exec-no-cloexec"], text).stdout;
    expect(kept).toMatch(/^\[[0-9]+\]\n5\n$/);
  });
  test("it has no descriptor of the launcher, and the host's binary cannot be reached", () => {
    const { stdout } = shell(["-wmpt"], "ls /proc/self/fd; readlink /proc/1/exe");
    expect(stdout).toMatch(/^0\n1\n2\n3\n\/usr\/bin\/[a-z]+\n$/);
    const waiting = script(`ctrtool launcher -w -d -x 'readlink /proc/$1/exe /proc/$PPID/exe' true`);
    expect(waiting.stdout).toBe("/memfd:ctrtool (deleted)\n".repeat(2));
  });
});

describe("-f", () => {
  test("keeps the pid, and unshares in place", () => {
    const text =
      'sh -c \'echo $$; exec "$CTRTOOL" launcher -fi -n --unsafe-no-setsid sh -c "echo \\$\\$; ls /sys/class/net >/dev/null; readlink /proc/self/ns/net"\'';
    const [before, after, net] = script(text).stdout.trim().split("\n");
    expect(after).toBe(before ?? "");
    expect(net).not.toBe(`net:[${ownNamespace("net")}]`);
  });
  test("a process group leader is no failure", () => {
    expect(script("set -m; ctrtool launcher -fi true & wait $!").status).toBe(0);
  });
  test("proc is that of the new pid namespace", () => {
    const { stdout, status } = shell(["-fi", "-pmt", "--fork"], "echo $$; readlink /proc/self; exit 9");
    expect({ stdout, status }).toEqual({ stdout: "1\n2\n", status: 9 });
  });
  test("refuses options that have no effect", () => {
    for (const option of [
      "-w",
      "-xf",
      "-X1",
      "-Pf",
      "-Mf",
      "-Kf",
      "-Lf",
      "-O1",
      "--pidfd",
      "--rlimit=core=0",
    ]) {
      expect(launch(["-fi", option], ["true"])).toMatchObject({ status: 125, stdout: "" });
    }
  });
});

describe("plan", () => {
  test("explains the whole launch without doing it", () => {
    inDirectory((directory) => {
      const pid = join(directory, "pid");
      const { stdout, status } = ctrtool(["launcher", "--explain", "-wm", "-P", pid, "echo", "started"]);
      expect(status).toBe(0);
      expect(stdout).toContain("clone(SIGCHLD|CLONE_NEWNS, ");
      expect(stdout).toContain(pid);
      expect(stdout).toContain("execute echo as execvp(3) does, looked for in ");
      expect(existsSync(pid)).toBe(false);
    });
  });
  test("the root is changed before capabilities are cleared, and the program comes last", () => {
    const words = ["-mptr/new", "-S5", "-b3", "-I3", "-D", "--clear-caps-before-exec", "true"];
    const steps = calls(plan(parse(spec, words, {}), ordinaryGiven).steps);
    const order = [
      "PR_SET_NO_NEW_PRIVS",
      "setresuid(5, 5, 5)",
      "pivot_root",
      "mount a new proc",
      "umount2",
      "inheritable",
      "execute true",
    ];
    const found = order.map((text) => steps.findIndex((line) => line.includes(text)));
    expect(found.includes(-1)).toBe(false);
    expect(found).toEqual([...found].sort((a, b) => a - b));
  });
});
