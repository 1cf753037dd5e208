/**
 * Every system call of every kind of program fails once, with several errors: the target is then not executed,
 * no process and no mount is left, and one line names the step. Or nothing at all is different, where a failure
 * does not matter or the call is repeated.
 */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nativeArch } from "../../src/sys/arch.ts";
import { EINTR, ENOMEM, EPERM, errnoName, errnoText } from "../../src/sys/errno.ts";
import { syscallNumbers } from "../../src/sys/syscalls.ts";
import { binary, build } from "../support/ctrtool.ts";
import { compile, inParallel, inSequence, ownDirectory } from "./tools.ts";

build();
const directory = ownDirectory();
const inject = compile("inject", directory);
const names = new Map<number, string>(
  Object.entries(syscallNumbers[nativeArch()]).map(([name, number]) => [number, name]),
);

interface Scenario {
  readonly name: string;
  readonly words: readonly string[];
  /** As an ordinary user. */
  readonly ordinary?: true;
  /** Shell text that prepares the mount namespace and the directory for one run. */
  readonly setup?: string;
  /** What it prints if nothing fails; `ran` stands for the target. */
  readonly output: string;
  /** Calls whose failure changes nothing, as patterns of `PROCESS NAME#INDEX ERRNO`. */
  readonly harmless?: RegExp;
  /** Calls with which the target is free to run already, or of whose failure another process tells, too. */
  readonly afterwards?: RegExp;
  /** Mounts are what it is for: those before the failing one stay. */
  readonly keepsMounts?: true;
  /** Its status is not that of what it executes. */
  readonly keepsExecStatus?: true;
  /** Statuses after a failure of ours; 125 if not given. */
  readonly failures?: readonly number[];
}

/** Every program gives itself a name, for ps(1) alone. */
const naming = /^0 prctl#0 /;
const target = ["sh", "-c", "echo ran"];
const root = join(directory, "root");
mkdirSync(root, { mode: 0o777 });
const rootScript = join(directory, "make-root");
writeFileSync(
  rootScript,
  `mount -t tmpfs -o mode=755 none ${root} && cd ${root} && mkdir proc bin lib lib64 usr &&
   for name in bin lib lib64 usr; do mount --rbind /$name $name; done`,
);
const makeRoot = `exec nsenter --mount=/proc/self/fd/$2/ns/mnt sh ${rootScript}`;
const makeRootAsUser = makeRoot.replace(
  "--mount",
  "--preserve-credentials --user=/proc/self/fd/$$2/ns/user --mount",
);

const everything = [
  ...["-w", "-m", "-p", "-t", "-u", "-i", "-n", "-C", "-U", "-Hinside", "-S5", "-G6", "--groups=7"],
  ...[
    "-I",
    "1",
    "-a",
    "1",
    "-b",
    "0x1fffffffff7",
    "-B0",
    "-Q1000",
    "-v1",
    "-D",
    "--clear-caps-before-exec=0",
  ],
  ...["--uid-map=0.0.100000", "--gid-map=0.0.100000", "--rlimit=nofile=50:100", "-X1", "--pidfd"],
  ...[`-P${directory}/pid`, `-K${directory}/lock`, "--open-namespaces=mn", "-d", "-x", "echo script"],
];

const mapped = ["-U", "--uid-map=0.1000.1", "--gid-map=0.1000.1", "--disable-setgroups", "-g"];
const twoMounts = `mount -t tmpfs none ${root}; mkdir ${root}/new; mount -t tmpfs none ${root}/new; mkdir ${root}/new/old`;

const scenarios: readonly Scenario[] = [
  {
    name: "launcher with everything but a root",
    words: ["launcher", ...everything, ...target],
    output: "script\nran\n",
    // A process group leader needs no session; limits that only the process itself may set are left to it.
    harmless: /^(1 setsid#0|0 prlimit64#[01]) EPERM$/,
    // The last wait; and a child that dies while the launcher looks at it.
    afterwards: /^(0 wait4#1|1 read#0) /,
  },
  {
    name: "launcher into a new root, with one more process, without waiting",
    words: ["launcher", "-m", "-p", "-t", "--fork", `-r${root}`, "-d", "-x", makeRoot, ...target],
    output: "ran\n",
    harmless: /^1 setsid#0 EPERM$/,
    afterwards: /^(0 (close#3|read#1)|1 (read#0|close#[67]|wait4#0)|0 wait4#0) /,
  },
  {
    name: "launcher as an ordinary user",
    words: [
      "launcher",
      "-w",
      "-m",
      "-p",
      "-t",
      "-u",
      `-r${root}`,
      ...mapped,
      "-d",
      "-x",
      makeRootAsUser,
      ...target,
    ],
    ordinary: true,
    output: "ran\n",
    harmless: /^1 setsid#0 EPERM$/,
    afterwards: /^(0 wait4#[01]|1 read#0) /,
  },
  {
    name: "launcher in place, with an early fork",
    words: ["launcher", "-fi", "-m", "-p", "-t", "-u", "-i", "-n", "-C", "--fork", ...target],
    output: "ran\n",
    harmless: /^0 setsid#0 EPERM$/,
    afterwards: /^0 (wait4|close|cap[gs]et)#/,
  },
  {
    name: "launcher without a program",
    words: ["launcher", "--no-exec", "-m", "-p", "-t", `-P${directory}/pid`],
    output: "",
    harmless: /^1 setsid#0 EPERM$/,
    afterwards: /^1 read#0 /,
  },
  {
    name: "launcher that becomes its script",
    words: ["launcher", "-m", "-F", "-d", "-x", "printf x >&$5; exec 5>&-; sleep 0.05", ...target],
    output: "ran\n",
    harmless: /^1 setsid#0 EPERM$/,
    // It has let go of its child and can only end as the script does.
    afterwards: /^1 read#0 /,
    failures: [125, 126, 0, 141],
    keepsExecStatus: true,
  },
  {
    name: "launcher with a memfd that the script fills",
    words: [
      ...["launcher", "-w", "--exec-anon-fd", "-d", "-x"],
      "cat /bin/true >&$CTRTOOL_CONTAINER_LAUNCHER_EXEC_FD",
      "true",
    ],
    output: "",
    harmless: /^1 setsid#0 EPERM$/,
    afterwards: /^(0 wait4#1|1 read#0) /,
  },
  {
    name: "launcher with a terminal",
    words: ["launcher", "--alloc-tty", "-m", "--tty-owner-uid=1", ...target],
    output: "ran\r\n",
    // Whether something is a terminal, its size, whether there is another devpts: no is an answer.
    harmless: /^(0 ioctl#([0126789]|1\d) .*|0 fcntl#2 .*|1 (openat2|fcntl)#0 .*)$/,
    // The relay: the target runs. Without a session, the next step fails.
    afterwards: /^(0 (read|ppoll|preadv2|pwritev2|write|wait4|splice)#|1 setsid#0 EPERM)/,
  },
  {
    name: "tty_proxy with pipes",
    words: ["tty_proxy", "-T", "-e", "--tty-owner-gid=1", ...target],
    output: "ran\n",
    harmless: /^(0 ioctl#\d+ .*|0 fcntl#[235] .*|1 fcntl#0 .*)$/,
    afterwards: /^0 (read|ppoll|preadv2|pwritev2|write|wait4|splice)#/,
  },
  {
    name: "unlock",
    setup: `sh ${rootScript}`,
    words: [
      ...["unlock", "-D", `${root}/made`, "-m", `${root}/made`, "-ttmpfs", "-Osdx", "-p", root],
      ...["--rlimit=core=0", "--uid=5", "--gid=6", "--groups=7", "--caps=chown,kill", "--securebits=0x2f"],
      ...["--no-new-privs", ...target],
    ],
    output: "ran\n",
    keepsMounts: true,
  },
  {
    name: "mount_seq",
    // Flags of the bound mount that are locked stay; what cannot be closed keeps a mount busy.
    harmless: /^0 mount_setattr#0 EPERM$/,
    afterwards: /^0 close#/,
    setup: "rm -rf made link",
    words: [
      ...["mount_seq", "-m", root, "-ttmpfs", "-osize=1M", "-Osdx", "-c", root, "-D", "d", "-M", "0755"],
      ...["-m", "d", "-s", "/etc", "-Obvo", "-r", "-u", "d", "-l", "link", "-s", "x", "-S", "true"],
      ...["-m", "d", "-s", "/usr", "-Ob", "-y", "--", ...target],
    ],
    output: "ran\n",
    keepsMounts: true,
    failures: [3, 126],
    keepsExecStatus: true,
  },
  {
    name: "rootfs-mount",
    words: ["rootfs-mount", "-omount_proc=1", "-omount_sysfs=1", "-osystemd=1", root],
    output: "",
    failures: [1],
  },
  {
    name: "chroot_pivot",
    setup: twoMounts,
    words: ["chroot_pivot", root, "/new", "/new/old"],
    output: "",
    failures: [1, 2, 3],
  },
  {
    name: "set_fds",
    setup: "exec 5</dev/null 6</dev/zero 7</etc/passwd",
    words: ["set_fds", "-s", "-f", "7,5,5,6,0", "sh", "-c", "ls /proc/$$/fd; echo ran"],
    output: "0\n1\n2\n3\n4\n5\n6\n7\nran\n",
    // Where it is not allowed, descriptors are closed one by one.
    harmless: /^0 close_range#0 EPERM$/,
  },
  {
    name: "make_ns with everything but pins",
    words: [
      ...["make_ns", "-U", "-m", "-n", "-i", "-u", "-C", "-T", "--uid-map=0.0.10", "--gid-map=0.0.10"],
      ...["--projid-map=0.0.10", "-Hinside", "--domainname=inside", "--monotonic=5", "--shm=0x10:4096"],
      ...["--cgroup-dir=/sys/fs/cgroup/freezer", "-d", "-x", "echo host", "-y", "echo inside", ...target],
    ],
    output: "host\ninside\nran\n",
    // Groups that may not be changed stay.
    harmless: /^1 setgroups#0 EPERM$/,
    // A helper that dies while its maps are written.
    afterwards: /^1 read#0 /,
  },
  {
    name: "make_ns that pins",
    setup: "rm -f net uts",
    words: ["make_ns", "-n", "-u", "--pin=n=net", "--pin=u=uts", ...target],
    output: "ran\n",
  },
  {
    name: "make_ns as an ordinary user",
    words: ["make_ns", ...mapped.slice(0, -1), "-n", "-T", "--boottime=5", "-d", "-y", "true", ...target],
    ordinary: true,
    output: "ran\n",
    harmless: /^1 setgroups#0 EPERM$/,
    // A helper that dies while its maps are written.
    afterwards: /^1 read#0 /,
  },
  {
    name: "ppid_check",
    words: [
      ...["ppid_check", "-b", "usr1", "-u", "usr2", "-i", "hup", "-D", "int", "-r", "-d", "term", "-n"],
      ...["-a", "100", "-e", "X", ...target],
    ],
    output: "ran\n",
  },
  {
    name: "renameat2",
    setup: "rm -rf a b; echo >a; echo >b",
    words: ["renameat2", "-x", "--fsync", "a", "b"],
    output: "",
    failures: [1],
  },
];

interface Observed {
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** `PROCESS NAME#INDEX`, the index among the calls of that name in that process. */
  readonly calls: readonly Call[];
  readonly left: boolean;
  readonly mounts: boolean;
}

interface Call {
  readonly process: number;
  readonly index: number;
  readonly name: string;
  readonly label: string;
}

function callsOf(lines: readonly string[]): Call[] {
  const indices = new Map<string, number>();
  const next = (key: string): number => {
    const index = indices.get(key) ?? 0;
    indices.set(key, index + 1);
    return index;
  };
  return lines.flatMap((line) => {
    const [kind, process = "", number] = line.split(" ");
    if (kind !== "call") return [];
    const name = names.get(Number(number)) ?? `${number}`;
    const label = `${process} ${name}#${next(`${process} ${name}`)}`;
    return [{ process: Number(process), index: next(process), name, label }];
  });
}

let reports = 0;

/** Runs a scenario; `call` fails with `errno`. */
async function run({ words, ordinary, setup }: Scenario, call?: Call, errno = 0): Promise<Observed> {
  const report = join(directory, `report.${reports++}`);
  writeFileSync(report, "", { mode: 0o666 });
  if (ordinary) Bun.spawnSync(["chmod", "666", report]);
  const user = ordinary ? ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"] : [];
  const where = [call?.process ?? -1, call?.index ?? 0, errno].map(String);
  const shell = setup === undefined ? [] : ["/bin/sh", "-c", `${setup}; exec "$@"`, "sh"];
  const child = Bun.spawn([...user, inject, report, ...where, ...shell, binary, ...words], {
    cwd: directory,
    env: { PATH: "/bin" },
    stdin: "ignore",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(await child.exited).toBe(0);
  const lines = readFileSync(report, "latin1").split("\n");
  const end = lines.find((line) => line.startsWith("end "));
  return {
    status: end === undefined ? undefined : Number(end.slice(4)),
    stdout,
    stderr,
    calls: callsOf(lines),
    left: lines.some((line) => line.startsWith("left ")),
    mounts: lines.includes("mounts"),
  };
}

/** Calls that wait, and are therefore the ones that a signal interrupts. */
const repeated = new Set(["read", "recvmsg", "wait4", "flock"]);

/** Steps that go by another name than that of their call. */
const labels: Readonly<Record<string, readonly string[]>> = {
  mount: ["change of propagation"],
  prctl: ["PR_CAP_AMBIENT_RAISE", "PR_CAPBSET_DROP"],
  write: ["release", "write notify_fd"],
  fcntl: ["F_ADD_SEALS", "F_SETFL"],
  ioctl: ["TIOCSPTLCK", "TIOCGPTPEER", "TIOCSCTTY"],
  renameat2: ["rename"],
};

/** What is wrong with what was observed when `call` failed with `errno`; empty if nothing is. */
function judge(scenario: Scenario, clean: Observed, call: Call, errno: number, seen: Observed): string[] {
  const problems: string[] = [];
  const { harmless, afterwards, failures = [125] } = scenario;
  const fault = `${call.label} ${errnoName(errno)}`;
  if (seen.left) problems.push("a process is left");
  const same = seen.status === clean.status && seen.stdout === clean.stdout && seen.stderr === "";
  if (seen.mounts && !scenario.keepsMounts && !same) problems.push("a mount is left");
  if (errno === EINTR && repeated.has(call.name)) return same ? problems : [...problems, "not repeated"];
  if (call.name === "close" && same) return problems;
  if (harmless?.test(fault) || naming.test(fault)) {
    return same ? problems : [...problems, "does matter"];
  }
  if (afterwards?.test(fault)) return problems;
  const [applet] = scenario.words;
  const [line = "", ...more] = seen.stderr.split("\n");
  const [, step = "", what = ""] =
    /^ctrtool [^:]+: ([^:]+): (.*)$/.exec(line.startsWith(`ctrtool ${applet}: `) ? line : "") ?? [];
  if (step.split(" ")[0] !== call.name && !labels[call.name]?.includes(step))
    problems.push(`names another step: ${line}`);
  if (!what.includes(`${errnoName(errno)} (${errnoText(errno)})`)) problems.push(`another error: ${line}`);
  const executing = call.name.startsWith("execve") && !scenario.keepsExecStatus;
  if (!(executing ? [126] : failures).includes(seen.status ?? -1)) problems.push(`status ${seen.status}`);
  if (more.join("\n") !== "") problems.push(`more than one line: ${seen.stderr}`);
  if (seen.stdout.includes("ran\n")) problems.push("the target has run");
  return problems;
}

/** Every call fails in two ways, the first of each kind in three; to close(2) all errors are the same. */
function errnosFor({ name, label }: Call): readonly number[] {
  if (name === "close") return [EPERM];
  return label.endsWith("#0") ? [EPERM, EINTR, ENOMEM] : [EPERM, EINTR];
}

let injected = 0;

test.each([...scenarios])(
  "$name",
  async (scenario) => {
    const clean = await run(scenario);
    const { status, stdout, stderr, left } = clean;
    expect({ status, stdout, stderr, left }).toEqual({
      status: 0,
      stdout: scenario.output,
      stderr: "",
      left: false,
    });
    const calls = clean.calls.filter(({ name }) => name !== "exit_group");
    const faults = calls.flatMap((call) => errnosFor(call).map((errno) => ({ call, errno })));
    // What one run prepares must not be in another's way.
    const parallel = scenario.setup === undefined ? inParallel : inSequence;
    const problems = await parallel(faults, async ({ call: wanted, errno }) => {
      const seen = await run(scenario, wanted, errno);
      // Where events come in no fixed order, another call may have had the place of the wanted one, or none.
      const call = seen.calls.find(
        ({ process, index }) => process === wanted.process && index === wanted.index,
      );
      if (call === undefined || call.name === "exit_group") return [];
      return judge(scenario, clean, call, errno, seen).map(
        (problem) => `${call.label} ${errnoName(errno)}: ${problem}`,
      );
    });
    injected += faults.length;
    console.log(`${scenario.name}: ${faults.length} faults in ${calls.length} calls`);
    expect(problems.flat()).toEqual([]);
  },
  60_000,
);

test("there were enough of them", () => expect(injected).toBeGreaterThan(100));
