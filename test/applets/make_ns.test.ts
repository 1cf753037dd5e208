/** make_ns: each kind of namespace, what is in it, scripts on both sides, pins; and that nothing else is left. */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, rmdirSync } from "node:fs";
import { plan, spec } from "../../src/applets/make_ns.ts";
import { parse } from "../../src/cli/parse.ts";
import { calls } from "../../src/program/explain.ts";
import {
  binary,
  ctrtool,
  inDirectory,
  mountScript,
  ordinaryGiven,
  type Ran,
  type RunOptions,
  run,
  script,
  usageError,
} from "../support/ctrtool.ts";

const kinds = [
  { letter: "U", long: "user", file: "user", enter: "--preserve-credentials --user" },
  { letter: "m", long: "mount", file: "mnt", enter: "--mount" },
  { letter: "n", long: "net", file: "net", enter: "--net" },
  { letter: "i", long: "ipc", file: "ipc", enter: "--ipc" },
  { letter: "u", long: "uts", file: "uts", enter: "--uts" },
  { letter: "C", long: "cgroup", file: "cgroup", enter: "--cgroup" },
  { letter: "T", long: "time", file: "time", enter: "--time" },
] as const;

const variableOf = (long: string): string => `CTRTOOL_MAKE_NS_${long.toUpperCase()}_FD`;
const all = ["-U", "-m", "-n", "-i", "-u", "-C", "-T"];
const rootless = ["-U", "--uid-map=0.1000.1", "--gid-map=0.1000.1", "--disable-setgroups"];

/** Runs make_ns with a shell script as the program. */
function make(options: readonly string[], program: string, run: RunOptions = {}): Ran {
  return ctrtool(["make_ns", ...options, "--", "sh", "-c", program], run);
}

/** The same with scripts that are program text, and without a program. */
function withScripts(options: readonly string[], run: RunOptions = {}): Ran {
  return ctrtool(["make_ns", "-d", ...options], run);
}

function printed(text: string, stdout: Ran): void {
  expect(stdout).toEqual({ status: 0, stdout: text, stderr: "" });
}

/** Numbers of the namespaces of the process and of the one with this descriptor. */
const compare = (file: string, variable: string): string =>
  `readlink /proc/self/ns/${file} /proc/self/fd/$${variable}`;

describe("one kind alone", () => {
  for (const { letter, long, file, enter } of kinds) {
    test(`-${letter}, --${long}: a new one as a descriptor, entered by it, while the caller stays where it is`, () => {
      const own = script(`readlink /proc/self/ns/${file}`).stdout;
      for (const option of [`-${letter}`, `--${long}`]) {
        const name = variableOf(long);
        const inside = `nsenter ${enter}=/proc/self/fd/$${name} readlink /proc/self/ns/${file}`;
        const { status, stdout } = make(
          [option],
          `${compare(file, name)}; ${inside}; env | grep -c CTRTOOL_MAKE_NS`,
        );
        const [before, made, entered, variables] = stdout.split("\n");
        expect({ status, before: `${before}\n`, variables }).toEqual({
          status: 0,
          before: own,
          variables: "1",
        });
        expect(made).toStartWith(`${file}:[`);
        expect(made).not.toBe(before);
        expect(entered).toBe(made);
      }
    });
  }
});

describe("all kinds together", () => {
  test("are seven new ones, and the user namespace owns the others", () => {
    const owners = `
import os, fcntl
fds = {name: int(value) for name, value in os.environ.items() if name.startswith("CTRTOOL_MAKE_NS_")}
user = fds.pop("CTRTOOL_MAKE_NS_USER_FD")
NS_GET_USERNS = 0xb701
print(len(fds), {os.fstat(fcntl.ioctl(fd, NS_GET_USERNS)).st_ino for fd in fds.values()} == {os.fstat(user).st_ino})
same = [kind for kind in os.listdir("/proc/self/ns") for fd in fds.values() if os.stat("/proc/self/ns/" + kind).st_ino == os.fstat(fd).st_ino]
print(same)`;
    printed("6 True\n[]\n", ctrtool(["make_ns", ...all, "python3", "-c", owners]));
    printed("6 True\n[]\n", ctrtool(["make_ns", ...all, "python3", "-c", owners], { ordinary: true }));
  });
  test("the script inside is in all of them, the one outside in none", () => {
    const list = "cd /proc/self/ns; stat -Lc %i cgroup ipc mnt net time user uts";
    const { status, stdout } = withScripts([...all, "-y", list, "-x", list, "-y", list]);
    const lines = stdout.trim().split("\n");
    expect({ status, count: lines.length }).toEqual({ status: 0, count: 21 });
    const [inside, outside, again] = [lines.slice(0, 7), lines.slice(7, 14), lines.slice(14)];
    expect(outside).toEqual(script(list).stdout.trim().split("\n"));
    expect(again).toEqual(inside);
    expect(inside.filter((number) => outside.includes(number))).toEqual([]);
  });
});

describe("user", () => {
  test("maps of users, groups and projects", () => {
    const maps = ["--uid-map=0.1000.1:1.100000.10", "--gid-map=0.2000.5", "--projid-map=7.70.3:100.1000.1"];
    const { status, stdout } = withScripts([
      "-U",
      ...maps,
      "-x",
      "cd /proc/$1; cat uid_map gid_map projid_map setgroups",
    ]);
    expect({ status, stdout: stdout.replace(/ +/g, " ") }).toEqual({
      status: 0,
      stdout: " 0 1000 1\n 1 100000 10\n 0 2000 5\n 7 70 3\n 100 1000 1\nallow\n",
    });
  });
  test("--disable-setgroups; root inside where that is mapped", () => {
    const text = "cat /proc/self/setgroups; id -u; id -g";
    const maps = ["--uid-map=0.5.1", "--gid-map=0.6.1", "--disable-setgroups"];
    printed("deny\n0\n0\n", withScripts(["-U", ...maps, "-y", text]));
  });
  test("without a map nobody is mapped", () => {
    printed("65534 0\n", withScripts(["-U", "-y", "echo $(id -u) $(wc -l </proc/self/uid_map)"]));
  });
  test("projid_map as an ordinary user", () => {
    const { stdout } = withScripts([...rootless, "--projid-map=0.0.10", "-y", "cat /proc/self/projid_map"], {
      ordinary: true,
    });
    expect(stdout.replace(/ +/g, " ")).toBe(" 0 0 10\n");
  });
  test("files of a network namespace belong to its root", () => {
    const options = ["-U", "-n", "--uid-map=0.1000.1", "--gid-map=0.1000.1"];
    printed(
      "1000\n",
      make(options, "nsenter --net=/proc/self/fd/$CTRTOOL_MAKE_NS_NET_FD stat -c %u /proc/self/net/stat"),
    );
  });
});

describe("an existing user namespace owns the others", () => {
  /** Runs a shell script while there is such a namespace, as descriptor $user, and process $pid in it. */
  const around = (text: string, ordinary: boolean): Ran =>
    script(
      `export RUN='user=$CTRTOOL_MAKE_NS_USER_FD link=$(readlink /proc/self/fd/$CTRTOOL_MAKE_NS_USER_FD) pid=$1
        ${text}'
      ctrtool make_ns ${rootless.join(" ")} -d -x 'eval "$RUN"'`,
      { ordinary },
    );
  const check = `sh -c "[ \\$(readlink /proc/self/fd/\\$CTRTOOL_MAKE_NS_USER_FD) = $link ] && echo same
    env | grep -c ^CTRTOOL_MAKE_NS_
    \\$CTRTOOL nsenter -e U-CTRTOOL_MAKE_NS_USER_FD -e n-CTRTOOL_MAKE_NS_NET_FD -S0 -G0 ip link set lo up && echo up"`;
  const entries = {
    "a descriptor": "--enter-user=:$user",
    "a descriptor, with its letter": "--enter-user=U:$user",
    "a variable": "--enter-user=-CTRTOOL_MAKE_NS_USER_FD",
    "a file": "--enter-user==/proc/self/fd/$user",
  };
  for (const [name, entry] of Object.entries(entries)) {
    for (const ordinary of [false, true]) {
      test(`${name}, as ${ordinary ? "an ordinary user" : "root"}`, () => {
        const text = `"$CTRTOOL" make_ns -n ${entry} ${check}`;
        printed("same\n2\nup\n", around(text, ordinary));
      });
    }
  }
  test("the directory of a process", () => {
    printed("same\n2\nup\n", around(`"$CTRTOOL" make_ns -n --enter-user=//proc/$pid ${check}`, false));
  });
  test("a process by its pidfd", () => {
    const text = `unshare --user sleep 60 & pid=$!
      until [ $(readlink /proc/$pid/ns/user) != $(readlink /proc/$$/ns/user) ]; do sleep 0.02; done
      python3 -c '
import os, sys
os.dup2(os.pidfd_open(int(sys.argv[1])), 9, inheritable=True)
os.execv(os.environ["CTRTOOL"], ["ctrtool", "make_ns", "-u", "--enter-user=:9", "sh", "-c", "readlink /proc/self/fd/$CTRTOOL_MAKE_NS_USER_FD"])' $pid >made
      readlink /proc/$pid/ns/user | cmp - made && echo same
      kill $pid`;
    inDirectory((directory) => expect(script(`cd ${directory}; ${text}`).stdout).toBe("same\n"));
  });
  test("X closes the descriptor", () => {
    const text = `exec 9</proc/self/fd/$user; "$CTRTOOL" make_ns -n --enter-user=X:9 sh -c "test -e /proc/self/fd/9 || echo closed"`;
    printed("closed\n", around(text, false));
  });
  test("what is no user namespace is refused by the kernel, and said once", () => {
    const { status, stdout, stderr } = ctrtool([
      "make_ns",
      "-n",
      "--enter-user==/proc/self/ns/net",
      "echo",
      "ran",
    ]);
    expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
    expect(stderr).toMatch(/^ctrtool make_ns: [^\n]*setns: =\/proc\/self\/ns\/net: EINVAL [^\n]*\n$/);
  });
});

describe("what the namespaces begin with", () => {
  test("mount: propagation; what is mounted inside stays inside", () => {
    const propagation = "sed -nE 's,^[0-9]+ [0-9]+ [0-9:]+ [^ ]+ (/ [^-]*).*,\\1,p' /proc/self/mountinfo";
    for (const [option, expected] of [
      [[], /master:[0-9]+/],
      [["-Rshared"], /shared:[0-9]+$/],
      [["--propagation=private"], /^\/ rw,relatime$/],
      [["-R", "unchanged"], /shared:[0-9]+$/],
    ] as const) {
      const text = `mount --make-rshared /; ctrtool make_ns -m ${option.join(" ")} -d -y "${propagation}"`;
      expect(mountScript(text).stdout.trimEnd()).toMatch(expected);
    }
  });
  test("uts: host name and NIS domain name, 64 bytes of each", () => {
    const read = "uname -n; cat /proc/sys/kernel/domainname";
    printed("box\nyp\n", withScripts(["-u", "-Hbox", "--domainname=yp", "-y", read]));
    const long = "x".repeat(64);
    printed(
      `${long}\n${long}\n`,
      withScripts(["-u", `--hostname=${long}`, `--domainname=${long}`, "-y", read]),
    );
    printed("box\n", withScripts([...rootless, "-u", "-Hbox", "-y", "uname -n"], { ordinary: true }));
  });
  test("ipc: shared memory with key, size and mode, seen by ipcs", () => {
    const segments = ["--shm=0x10:4096", "--shm=17:1:644", "--shm=0xffffffff:0x2000:0"];
    const list = "nsenter --ipc=/proc/self/fd/$CTRTOOL_MAKE_NS_IPC_FD ipcs -m";
    const { stdout } = make(
      ["-i", ...segments],
      `${list} | grep ^0x | tr -s ' ' | cut -d' ' -f1,4,5,6 | sort`,
    );
    expect(stdout).toBe("0x00000010 600 4096 0\n0x00000011 644 1 0\n0xffffffff 0 8192 0\n");
    const inside = withScripts([...rootless, "-i", "--shm=5:100", "-y", "ipcs -m | grep ^0x"], {
      ordinary: true,
    });
    expect(inside.stdout).toMatch(/^0x00000005 +0 +root +600 +100 +0 /);
    expect(script("ipcs -m | grep ^0x0000001[01]").stdout).toBe("");
  });
  test("time: both clocks, before and after the point, seen by clock_gettime in util-linux's nsenter and ours", () => {
    const clock = "import time; print(*(time.clock_gettime(clock) for clock in (1, 7)))";
    const offsets = (options: readonly string[], enter: string, run: RunOptions = {}): number[] => {
      const text = `${enter} python3 -c '${clock}'; python3 -c '${clock}'`;
      const [inside = [], outside = []] = make(["-T", ...options], text, run)
        .stdout.trim()
        .split("\n")
        .map((line) => line.split(" ").map(Number));
      return inside.map((time, index) => Math.round((time - (outside[index] ?? 0)) * 2) / 2 + 0);
    };
    const theirs = "nsenter --time=/proc/self/fd/$CTRTOOL_MAKE_NS_TIME_FD";
    const ours = '"$CTRTOOL" nsenter -e T-CTRTOOL_MAKE_NS_TIME_FD';
    const env = { CTRTOOL: binary };
    for (const enter of [theirs, ours]) {
      expect(offsets([], enter, { env })).toEqual([0, 0]);
      expect(offsets(["--monotonic=86400.5", "--boottime=-1.5"], enter, { env })).toEqual([86400.5, -1.5]);
    }
    const rootlessEnter = `${ours.replace("-e T", "-e U-CTRTOOL_MAKE_NS_USER_FD -e T")}`;
    expect(offsets([...rootless, "--boottime=1000000"], rootlessEnter, { env, ordinary: true })).toEqual([
      0, 1000000,
    ]);
  });
  test("time: the offsets cannot be changed any more", () => {
    const { stdout, status } = withScripts([
      "-T",
      "--monotonic=+5",
      "-y",
      "cat /proc/self/timens_offsets; echo monotonic 1 0 >/proc/self/timens_offsets",
    ]);
    expect(stdout.replace(/ +/g, " ")).toBe("monotonic 5 0\nboottime 0 0\n");
    expect(status).not.toBe(0);
  });
  test("time: an offset before the start of the clock is the kernel's to refuse", () => {
    expect(make(["-T", "--monotonic=-9000000000"], "echo ran")).toEqual({
      status: 125,
      stdout: "",
      stderr:
        "ctrtool make_ns: write: timens_offsets monotonic -9000000000 0: ERANGE (Numerical result out of range); hint: the clock would be negative, or go beyond 146 years\n",
    });
  });
  test("cgroup: of version 1 and 2, entered by the maker only", () => {
    const name = `ctrtool-make-ns-${process.pid}`;
    const directories = [`/sys/fs/cgroup/freezer/${name}`, `/sys/fs/cgroup/unified/${name}`];
    for (const directory of directories) mkdirSync(directory);
    const read = "grep -E '^0:|freezer' /proc/self/cgroup | cut -d: -f2-";
    try {
      const options = ["-C", ...directories.map((directory) => `--cgroup-dir=${directory}`)];
      const own = script(read).stdout;
      printed("freezer:/\n:/\n", withScripts([...options, "-y", read]));
      const entered = make(
        options,
        `${read}; nsenter --cgroup=/proc/self/fd/$CTRTOOL_MAKE_NS_CGROUP_FD sh -c "${read}"`,
      );
      expect(entered.stdout).toBe(`${own}freezer:/..\n:/..\n`);
    } finally {
      // Possible only if nobody is left in them.
      for (const directory of directories) rmdirSync(directory);
    }
  });
  test("cgroup: a directory that is none", () => {
    inDirectory((directory) => {
      const { stdout, stderr, status } = script(
        `cd ${directory}; touch cgroup.procs; ctrtool make_ns -C --cgroup-dir=. echo ran; echo $?; ctrtool make_ns -C --cgroup-dir=none echo ran`,
      );
      expect({ stdout, status, stderr }).toEqual({
        stdout: "125\n",
        status: 125,
        stderr:
          "ctrtool make_ns: fstatfs: ./cgroup.procs is in no cgroup file system\nctrtool make_ns: openat: none/cgroup.procs: ENOENT (No such file or directory)\n",
      });
    });
  });
});

describe("scripts", () => {
  test("run in the order of the command line, the host's with variables and a pid, those inside without", () => {
    const show = "echo $0 $# $(env | grep -c ^CTRTOOL_MAKE_NS)";
    const options = ["-n", "-u", "-y", show, "-x", `${show}; kill -0 $1`, "-x", show, "-y", show];
    printed("- 0 0\n- 1 2\n- 1 2\n- 0 0\nran\n", withScripts([...options, "echo", "ran"]));
  });
  test("the pid is that of a process in the namespaces", () => {
    const text = "[ $(readlink /proc/$1/ns/net) = $(readlink /proc/self/fd/$CTRTOOL_MAKE_NS_NET_FD) ]";
    printed("", withScripts(["-n", "-T", "-x", text]));
  });
  test("files and interpreters", () => {
    inDirectory((directory) => {
      const text = `cd ${directory}; printf '#!/bin/sh\\necho file $#\\n' >s; chmod +x s; ctrtool make_ns -u -x ./s -y ./s`;
      printed("file 1\nfile 0\n", script(text));
    });
    printed(
      "text []\n",
      ctrtool(["make_ns", "-u", "-d", "-e", "python3", "-y", "import sys; print('text', sys.argv[2:])"]),
    );
  });
  test("a veth pair between host and namespace, made by the host's script and set up inside", () => {
    const pair =
      "ip link add ctrveth0 type veth peer name inner netns $1 && ip address add 192.0.2.1/30 dev ctrveth0 && ip link set ctrveth0 up";
    const inner =
      "ip address add 192.0.2.2/30 dev inner && ip link set inner up && ip -o -4 address show inner";
    const outer = "ip -o -4 address show ctrveth0";
    // In a network namespace of its own that stands for the host's.
    const text = `"$CTRTOOL" make_ns -n -d -x '${pair}' -y '${inner}' -x '${outer}' true | tr -s ' ' | cut -d' ' -f2,4`;
    printed(
      "inner 192.0.2.2/30\nctrveth0 192.0.2.1/30\n",
      run(["unshare", "--net", "sh", "-c", text], { env: { CTRTOOL: binary } }),
    );
  });
  test("descriptors of ours do not reach them, nor the program", () => {
    const links =
      "for fd in /proc/$$/fd/*; do readlink $fd; done | grep -v -E '^(/dev/null|pipe:|socket:)' | sed 's/:.*//' | sort | tr '\\n' ' '";
    const { stdout } = withScripts([
      ...all,
      "-y",
      `${links}; echo`,
      "-x",
      `${links}; echo`,
      "sh",
      "-c",
      links,
    ]);
    const namespaces = "cgroup ipc mnt net time user uts ";
    expect(stdout).toBe(`\n${namespaces}\n${namespaces}`);
  });
  for (const option of ["-x", "-y"]) {
    for (const [text, expected, line] of [
      ["exit 7", 7, "it ended with status 7"],
      ["kill -9 $$", 127, "it was killed by signal 9"],
    ] as const) {
      test(`${option} "${text}" undoes everything and gives its status`, () => {
        inDirectory((directory) => {
          const command = `cd ${directory}; ctrtool make_ns -n -U -u -d -x 'echo $1 >pid' ${option} '${text}' -x 'echo next' --pin n=net echo ran`;
          const { status, stdout, stderr } = mountScript(
            `${command}; echo $?; ls; test -e /proc/$(cat pid) && echo left; grep -c ' nsfs ' /proc/mounts; ps -o pid= --ppid $$ | wc -l`,
          );
          expect({ status, stderr }).toEqual({
            status: 0,
            stderr: `ctrtool make_ns: script: ${line}\n`,
          });
          expect(stdout).toBe(`${expected}\npid\n0\n2\n`);
        });
      });
    }
    test(`${option} that cannot be executed: 126 or 127, said once`, () => {
      const run = (file: string): Ran => ctrtool(["make_ns", "-u", option, file, "echo", "ran"]);
      expect(run("/nonexistent")).toMatchObject({ status: 127, stdout: "" });
      expect(run("/nonexistent").stderr).toMatch(/^ctrtool make_ns: execve: [^\n]*ENOENT[^\n]*\n$/);
      expect(run("/etc/passwd")).toMatchObject({ status: 126, stdout: "" });
    });
  }
});

describe("pins", () => {
  const names = kinds.map(({ letter, long }) => `--pin ${letter}=${long}`).join(" ");
  const enter = kinds.map(({ long, enter }) => `${enter}=${long}`).join(" ");
  const list =
    "stat -Lc %i /proc/self/ns/user /proc/self/ns/mnt /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/uts /proc/self/ns/cgroup /proc/self/ns/time";
  for (const ordinary of [false, true]) {
    test(`all kinds, entered again by nsenter(1), as ${ordinary ? "root of a user namespace" : "root"}`, () => {
      const maps = "--uid-map=0.0.1 --gid-map=0.0.1 --disable-setgroups";
      const text = `mount -t tmpfs none /mnt && cd /mnt && touch net &&
        ctrtool make_ns ${all.join(" ")} ${maps} -d -y '${list}' ${names} && stat -c %i user mount net ipc uts cgroup time &&
        nsenter ${enter} ${list} && umount user mount net ipc uts cgroup time && stat -c %a net user && grep -c nsfs /proc/mounts`;
      const command = [
        "unshare",
        ...(ordinary ? ["-r"] : []),
        "--mount",
        "--propagation=private",
        "bash",
        "-c",
      ];
      const { stdout, stderr } = run([...command, `ctrtool() { "$CTRTOOL" "$@"; }\n${text}`], {
        ordinary,
        env: { CTRTOOL: binary },
      });
      const lines = stdout.trim().split("\n");
      expect({ stderr, count: lines.length }).toEqual({ stderr: "", count: 24 });
      expect(lines.slice(7, 14)).toEqual(lines.slice(0, 7));
      expect(lines.slice(14, 21)).toEqual(lines.slice(0, 7));
      expect(lines.slice(21)).toEqual(["644", "444", "0"]);
    });
  }
  const failing = {
    "a directory that does not exist": [
      "u=none/file",
      "openat2: none/file: ENOENT (No such file or directory)",
    ],
    "a symlink": [
      "u=link",
      "openat2: link: ELOOP (Too many levels of symbolic links); hint: the path has a symlink in it, or is one, where none is allowed",
    ],
    "a directory": ["u=dir", "mount: dir: ENOTDIR (Not a directory)"],
  };
  for (const [name, [pin, line]] of Object.entries(failing)) {
    test(`${name}: refused, and the others are taken back`, () => {
      inDirectory((directory) => {
        const text = `cd ${directory}; mkdir dir; ln -s dir link; ctrtool make_ns -nu --pin n=net --pin ${pin} echo ran; echo $?; ls; grep -c ' nsfs ' /proc/mounts`;
        expect(mountScript(text)).toEqual({
          status: 1,
          stdout: "125\ndir\nlink\n0\n",
          stderr: `ctrtool make_ns: ${line}\n`,
        });
      });
    });
  }
  test("a program that cannot be executed takes them back, too", () => {
    inDirectory((directory) => {
      const text = `cd ${directory}; ctrtool make_ns -nu --pin n=net --pin u=uts /nonexistent; echo $?; ls; grep -c ' nsfs ' /proc/mounts`;
      expect(mountScript(text)).toMatchObject({ stdout: "127\n0\n" });
    });
  });
  test("with a program, both", () => {
    inDirectory((directory) => {
      const text = `cd ${directory}; ctrtool make_ns -n --pin n=net sh -c 'stat -Lc %i /proc/self/fd/$CTRTOOL_MAKE_NS_NET_FD net | uniq | wc -l'`;
      printed("1\n", mountScript(text));
    });
  });
  test("a mount namespace on a shared mount", () => {
    inDirectory((directory) => {
      const { stdout, stderr } = mountScript(
        `cd ${directory}; mount --make-rshared /; ctrtool make_ns -m --pin m=mnt; echo $?; ls`,
      );
      expect(stdout).toBe("125\n");
      expect(stderr).toMatch(/^ctrtool make_ns: mount: mnt: EINVAL [^\n]*private[^\n]*\n$/);
    });
  });
});

describe("the caller", () => {
  test("keeps its namespaces, ids, cgroups, capabilities, directory; no child is left", () => {
    const facts =
      "readlink /proc/self/ns/*; id; cat /proc/self/cgroup; grep -E '^(Cap|Uid|Gid|Groups|SigBlk|SigIgn|NoNew)' /proc/self/status; pwd; hostname; ps -o comm= --ppid $$";
    for (const ordinary of [false, true]) {
      const options = [
        ...all,
        ...(ordinary ? rootless.slice(1) : []),
        "-Hother",
        "-d",
        "-y",
        "true",
        "-x",
        "true",
      ];
      const before = script(`sh -c "$FACTS"`, { ordinary, env: { FACTS: facts } });
      expect(ctrtool(["make_ns", ...options, "sh", "-c", facts], { ordinary })).toEqual(before);
    }
  });
  test("a caller that ignores SIGCHLD gets the same, and so does the program", () => {
    const text =
      "trap '' CHLD; ctrtool make_ns -n -d -e bash -x 'grep SigIgn /proc/self/status' -y 'grep SigIgn /proc/self/status' grep SigIgn /proc/self/status";
    printed("SigIgn:\t0000000000010000\n".repeat(3), script(text));
    expect(script("trap '' CHLD; ctrtool make_ns -n -d -y 'exit 9' echo ran; echo $?").stdout).toBe("9\n");
  });
  test("its variables are kept, but for those of the namespaces that are made", () => {
    const env = { CTRTOOL_MAKE_NS_NET_FD: "77", CTRTOOL_MAKE_NS_UTS_FD: "88" };
    const { stdout } = make(
      ["-n"],
      "echo $CTRTOOL_MAKE_NS_UTS_FD; [ $CTRTOOL_MAKE_NS_NET_FD = 77 ] || echo new",
      { env },
    );
    expect(stdout).toBe("88\nnew\n");
  });
  test("statuses of the program", () => {
    for (const status of [0, 1, 125, 255]) expect(make(["-n"], `exit ${status}`).status).toBe(status);
    expect(ctrtool(["make_ns", "-n", "/nonexistent"])).toMatchObject({ status: 127, stdout: "" });
    expect(ctrtool(["make_ns", "-n", "/etc/passwd"])).toMatchObject({ status: 126, stdout: "" });
  });
  test("a helper that is killed is a failure", () => {
    const { status, stdout, stderr } = withScripts(["-n", "-x", "kill -9 $1; sleep 0.1", "echo", "ran"]);
    expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
    expect(stderr).toMatch(/^ctrtool make_ns: [^\n]+\n$/);
    expect(withScripts(["-n", "-x", "kill -9 $1; sleep 0.1", "-y", "true", "echo", "ran"])).toMatchObject({
      status: 125,
      stdout: "",
    });
  });
  test("if it is killed, the helper ends", () => {
    const text = "ctrtool make_ns -n -d -x 'echo $1; kill -9 $PPID; sleep 0.1' echo ran";
    const pid = script(text).stdout.trim();
    expect(pid).toMatch(/^[0-9]+$/);
    expect(script(`sleep 0.2; grep -qs 'State:.[^Z]' /proc/${pid}/status || echo gone`).stdout).toBe(
      "gone\n",
    );
  });
});

test("an ordinary user hands a network namespace to a server outside", () => {
  const server = `
import os, socket, subprocess
listener = socket.socket(socket.AF_UNIX); listener.bind("socket"); listener.listen()
print("listening", flush=True)
connection, _ = listener.accept()
_, fds, _, _ = socket.recv_fds(connection, 1, 2)
os.dup2(fds[0], 8, inheritable=True); os.dup2(fds[1], 9, inheritable=True)
outside = os.readlink("/proc/self/ns/net")
command = [os.environ["CTRTOOL"], "nsenter", "-e", "U:8", "-e", "n:9", "-S0", "-G0", "sh", "-c", "ip link set lo up; readlink /proc/self/ns/net; ip -o -4 addr"]
inside = subprocess.run(command, pass_fds=(8, 9), stdout=subprocess.PIPE, text=True).stdout.split("\\n")
print(inside[0] == os.readlink("/proc/self/fd/9") != outside, "127.0.0.1/8" in inside[1])`;
  const client = `
import os, socket
connection = socket.socket(socket.AF_UNIX); connection.connect("socket")
socket.send_fds(connection, [b"!"], [int(os.environ["CTRTOOL_MAKE_NS_%s_FD" % kind]) for kind in ("USER", "NET")])`;
  inDirectory((directory) => {
    chmodSync(directory, 0o777);
    const text = `cd ${directory}; python3 -c "$SERVER" >out & until grep -q listening out 2>/dev/null; do sleep 0.02; done
      ctrtool make_ns ${rootless.join(" ")} -n python3 -c "$CLIENT"; wait; cat out`;
    printed(
      "listening\nTrue True\n",
      script(text, { ordinary: true, env: { SERVER: server, CLIENT: client } }),
    );
  });
});

test("what an ordinary user may not do: one line", () => {
  for (const options of [["-n"], ["-U", "--uid-map=0.0.2"], ["-T", "-m"]]) {
    const { status, stdout, stderr } = make(options, "echo ran", { ordinary: true });
    expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
    expect(stderr).toMatch(/^ctrtool make_ns: [^\n]*: EPERM [^\n]*\n$/);
  }
});

describe("the plan", () => {
  const planned = (words: readonly string[]): string[] =>
    calls(plan(parse(spec, words), ordinaryGiven).steps);
  test("a network namespace, from the first call to the last", () => {
    expect(
      planned(["-n", "sh"]).filter((line) =>
        /^(clone|unshare|openat|setns|send|receive|execute|mount|prctl)/.test(line),
      ),
    ).toEqual([
      "clone(SIGCHLD, 0, 0, 0, 0) -> helper",
      "openat(AT_FDCWD, &path, O_CLOEXEC) -> own directory in /proc",
      "unshare(CLONE_NEWNET)",
      'openat(own directory in /proc, "ns/net", O_CLOEXEC) -> net namespace',
      "send net namespace over the channel of maker and helper",
      "receive net namespace over the channel of maker and helper",
      'execute sh as execvp(3) does, looked for in /bin, with 2 variables: "sh"',
    ]);
  });
  test("maps are written before anything but the user namespace is made, offsets before anything enters", () => {
    const lines = planned(["-U", "-T", "-m", "-n", "--uid-map=0.5.1", "--boottime=1", "sh"]);
    const at = (start: string): number => lines.findIndex((line) => line.startsWith(start));
    expect(at("unshare(CLONE_NEWUSER)")).toBeLessThan(at("unshare(CLONE_NEWTIME|CLONE_NEWNS|CLONE_NEWNET)"));
    expect(at("unshare(CLONE_NEWTIME|CLONE_NEWNS|CLONE_NEWNET)")).toBeLessThan(
      at('write(timens_offsets, "boottime 1 0'),
    );
    expect(at("write(timens_offsets")).toBeLessThan(at("setns(time namespace, CLONE_NEWTIME)"));
    expect(lines).toContain('write(uid_map, "0 5 1\\n", 6)');
  });
  test("--explain prints it and does nothing", () => {
    inDirectory((directory) => {
      const { stdout, status } = script(
        `cd ${directory}; ctrtool make_ns -n -d -x 'touch x' --pin n=p --explain; ls`,
      );
      expect(status).toBe(0);
      expect(stdout).toStartWith("make_ns would do this (a failure ends it with status 125):\n");
      expect(stdout).toEndWith("\n");
      expect(stdout).not.toMatch(/^[xp]$/m);
    });
  });
});

describe("bad usage is refused before anything is done", () => {
  const cases: readonly (readonly [words: readonly string[], reason: string])[] = [
    [[], "no namespace to make"],
    [["sh"], "no namespace to make"],
    [["--enter-user=:3", "sh"], "no namespace to make"],
    [["-n"], "PROGRAM is missing, and there is neither --pin nor a script"],
    [["-U", "--enter-user=:3", "-n", "sh"], "--user and --enter-user exclude each other"],
    [["-n", "--enter-user=n:3", "sh"], "--enter-user enters a user namespace only"],
    [["-n", "--enter-user=-NOT_SET", "sh"], "$NOT_SET is not set"],
    [["-n", "--uid-map=0.0.1", "sh"], "--uid-map needs --user"],
    [["-n", "--gid-map=0.0.1", "sh"], "--gid-map needs --user"],
    [["-n", "--projid-map=0.0.1", "sh"], "--projid-map needs --user"],
    [["-n", "--disable-setgroups", "sh"], "--disable-setgroups needs --user"],
    [["-n", "-Rshared", "sh"], "--propagation needs --mount"],
    [["-n", "-Hx", "sh"], "--hostname needs --uts"],
    [["-n", "--domainname=x", "sh"], "--domainname needs --uts"],
    [["-n", "--monotonic=1", "sh"], "--monotonic needs --time"],
    [["-n", "--boottime=1", "sh"], "--boottime needs --time"],
    [["-n", "--shm=1:1", "sh"], "--shm needs --ipc"],
    [["-n", "--cgroup-dir=/", "sh"], "--cgroup-dir needs --cgroup"],
    [["-n", "-d", "sh"], "--script-is-shell needs --script or --script-inside"],
    [["-n", "-e", "sh", "-x", "true"], "--script-interpreter needs -d"],
    [["-n", "--pin=u=x"], "--pin: there is no uts namespace"],
    [["-n", "--pin=n=x", "--pin=n=x"], "--pin twice with one file"],
    [["-i", "--shm=1:1", "--shm=0x1:2", "sh"], "--shm twice with one key"],
  ];
  for (const [words, reason] of cases) {
    test(reason, () => expect(usageError(() => plan(parse(spec, words), ordinaryGiven))).toBe(reason));
  }
  const values: readonly (readonly [option: string, value: string, reason: string])[] = [
    ["uid-map", "0.0", '"0.0" is not INSIDE OUTSIDE COUNT'],
    ["projid-map", "", "the map is empty"],
    ["propagation", "x", "propagation is shared, slave, private or unchanged"],
    ["hostname", "x".repeat(65), `"${"x".repeat(64)}..." (65 bytes) is longer than 64 bytes`],
    ["monotonic", "", '"" is not a number of seconds'],
    ["monotonic", "1s", '"1s" is not a number of seconds'],
    ["monotonic", "1.", '"1." is not a number of seconds'],
    ["boottime", "1.0123456789", '"1.0123456789" is not a number of seconds'],
    ["boottime", "-9223372037", '"-9223372037" is out of range (-9223372036 to 9223372036)'],
    ["shm", "1", '"1" is not KEY:SIZE[:MODE]'],
    ["shm", "0:1", '"0" is out of range (1 to 4294967295)'],
    ["shm", "1:0", '"0" is out of range (1 to 9223372036854775807)'],
    ["shm", "1:1:1000", '"1000" is out of range (0 to 777 octal)'],
    ["shm", "1:1:600:", '"1:1:600:" is not KEY:SIZE[:MODE]'],
    ["pin", "x", '"x" is not LETTER=FILE with a letter of UmniuCT'],
    ["pin", "p=x", '"p=x" is not LETTER=FILE with a letter of UmniuCT'],
    ["pin", "n=", "the path is empty"],
    ["cgroup-dir", "", "the path is empty"],
    ["enter-user", "x", '"x" has no target (:FD, -VARIABLE, =FILE or /DIRECTORY)'],
  ];
  for (const [option, value, reason] of values) {
    test(`--${option}=${value}`, () =>
      expect(usageError(() => parse(spec, [`--${option}=${value}`, "sh"]))).toBe(`--${option}: ${reason}`));
  }
  test("in one line and with status 125", () => {
    expect(ctrtool(["make_ns", "-n"])).toEqual({
      status: 125,
      stdout: "",
      stderr: "ctrtool make_ns: usage: PROGRAM is missing, and there is neither --pin nor a script\n",
    });
  });
});
