/**
 * What the emulated machine boots: ctrtool with three more names. As /init it is a stand-in for the init that a
 * machine needs, as /prepare the script that the launcher runs, as `inside` what the container runs. All are
 * programs like an applet's.
 */
import { dispatch } from "../../src/cli/dispatch.ts";
import { exec } from "../../src/plan/exec.ts";
import { waitFor } from "../../src/plan/wait.ts";
import { become } from "../../src/program/run.ts";
import {
  area,
  at,
  attempt,
  call,
  compose,
  exit,
  fail,
  fork,
  type Program,
  type Step,
  variable,
  when,
} from "../../src/program/steps.ts";
import {
  AT_FDCWD,
  LINUX_REBOOT_CMD_POWER_OFF,
  LINUX_REBOOT_MAGIC1,
  LINUX_REBOOT_MAGIC2,
  MS_BIND,
  MS_MOVE,
  O_CREAT,
  O_WRONLY,
  SIGCHLD,
} from "../../src/sys/constants.ts";
import { readGiven } from "../../src/sys/given.ts";

const STDOUT = 1;
const failure = 125;
const hostname = "arm-box";
/** What the container ends with: a status that nothing else has. */
const containerStatus = 37;

/**
 * Makes a tmpfs the root. The initramfs cannot be left with pivot_root(2), by nobody on the machine, as it is
 * no mount that something else could be mounted under; every init moves away from it first.
 */
const leaveInitramfs: readonly Step[] = [
  call("mkdirat", [AT_FDCWD, "/new", 0o755], "/new"),
  call("mount", ["none", "/new", "tmpfs", 0, "mode=0755"], "/new"),
  call("openat", [AT_FDCWD, "/new/ctrtool", O_WRONLY | O_CREAT, 0o755], "/new/ctrtool"),
  call("mount", ["/init", "/new/ctrtool", 0, MS_BIND, 0], "/new/ctrtool"),
  call("chdir", ["/new"], "/new"),
  call("mount", [".", "/", 0, MS_MOVE, 0], "/"),
  call("chroot", ["."], "/new"),
];

/** Runs ctrtool with the words of a line and waits; another status than `expected` is a failure. */
function runs(line: string, expected: number): Step[] {
  const words = ["ctrtool", ...line.split(" ")];
  const pid = variable("pid");
  const status = variable("status");
  const text = area("text", line.length + 64);
  return [
    fork({
      call: "clone",
      args: [SIGCHLD, 0, 0, 0, 0],
      what: line,
      stage: line,
      into: pid,
      failure,
      child: exec({ file: "/ctrtool", argv: words, environment: [], searchPath: "" }),
    }),
    ...waitFor(pid, line, status),
    when(status, "!=", expected, [
      compose(text, [line, ": status ", status]),
      fail({ step: "self-test", what: text }),
    ]),
  ];
}

function print(parts: Parameters<typeof compose>[1]): Step[] {
  const text = area("line", 256);
  const length = variable("length");
  return [compose(text, [...parts, "\n"], length), call("write", [STDOUT, text, length], "the console")];
}

/** Pid 1 of the machine: starts a container, and powers off. */
const init: Program = {
  applet: "init",
  failure,
  steps: [
    attempt(
      [
        ...print(["self-test: pid 1 of the machine"]),
        ...leaveInitramfs,
        ...runs(
          "mount_seq -m/proc -Etproc -m/dev -Etdevtmpfs -m/sys -Etsysfs -D/box -l/prepare -sctrtool",
          0,
        ),
        ...runs(
          `launcher -CUimnpuw --hostname=${hostname} --uid-map=0.100000.1000 --gid-map=0.100000.1000 -x/prepare -tr/box --exec-file=/ctrtool inside`,
          containerStatus,
        ),
        ...print(["self-test: passed"]),
      ],
      [],
      "resume",
    ),
    call("sync", [], "all file systems"),
    call("reboot", [LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, 0], "the machine"),
  ],
};

/** The script: makes the container's root in its own namespaces, out of nothing but ctrtool. */
function prepare(pid: string): Program {
  const inContainer = `launcher -fi --old-nsenter=Uimn//proc/${pid} /ctrtool`;
  return {
    applet: "prepare",
    failure,
    steps: [
      ...runs(`${inContainer} rootfs-mount -oroot_link_opts=none -omount_sysfs=yes /box`, 0),
      ...runs(`${inContainer} mount_seq -m/box/ctrtool -fs/ctrtool -Obo -r`, 0),
    ],
  };
}

/** What the container runs: says where it is, and starts another container in there. */
function inside(): Program {
  const pid = variable("pid");
  const parent = variable("parent");
  const uid = variable("uid");
  // struct new_utsname: six names of 65 bytes, of which the second is the host's.
  const names = area("uname", 6 * 65);
  return {
    applet: "inside",
    failure,
    steps: [
      call("getpid", [], "pid", { into: pid }),
      call("getppid", [], "parent", { into: parent }),
      call("getuid", [], "uid", { into: uid }),
      call("uname", [names], "names"),
      ...print(["inside: pid ", pid, ", parent ", parent, ", uid ", uid]),
      call("write", [STDOUT, "inside: host ", 13], "the console"),
      call("write", [STDOUT, at(names, 65), hostname.length], "the console"),
      call("write", [STDOUT, "\n", 1], "the console"),
      ...runs("launcher -Uimnpuw -gN /ctrtool --version", 0),
      // The initramfs is out of reach, and so is everything else of the machine.
      ...runs("renameat2 /init /box", 1),
      exit(containerStatus),
    ],
  };
}

const given = readGiven();
const [name = "", pid = ""] = given.argv;
if (name === "/init") become(init, given);
else if (name === "/prepare") become(prepare(pid), given);
else if (name === "inside") become(inside(), given);
else void dispatch(given).then((status) => process.exit(status));
