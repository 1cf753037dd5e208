/** What is measured: each part is a race or a count, with the targets that it is to meet. */
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nativeArch } from "../src/sys/arch.ts";
import type { Part, Row } from "./table.ts";
import {
  type Bench,
  BenchProblem,
  type Contender,
  median,
  output,
  race,
  ratio,
  type Timing,
} from "./timing.ts";

export interface Options {
  readonly bench: Bench;
  readonly runs: number;
}

export const parts: Readonly<Record<string, (options: Options) => Part | Promise<Part>>> = {
  start,
  launcher,
  rootless,
  calls,
  binds,
  many,
  rootfs,
  memory,
  size,
};

const ordinary = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
const ordinaryId = 1000;

/** A mount namespace that nothing gets out of, and what is prepared in it before the rest is executed. */
function privately(preparation: string): string[] {
  const script = `set -e; ${preparation}; exec "$@"`;
  return ["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh"];
}

function milliseconds({ name, runs }: Timing): Row {
  return {
    what: name,
    value: median(runs),
    unit: "ms",
    note: `best ${Math.min(...runs).toFixed(2)}, of ${runs.length}`,
  };
}

/** How the timing called `one` compares with each of `others`, and what it should not exceed. */
function comparisons(
  timings: readonly Timing[],
  one: string,
  others: Readonly<Record<string, number | undefined>>,
): Row[] {
  const named = (name: string) => timings.find((timing) => timing.name === name);
  const ours = named(one);
  return Object.entries(others).flatMap(([other, target]): Row[] => {
    const theirs = named(other);
    if (!ours || !theirs) return [];
    const row: Row = { what: `${one} / ${other}`, value: ratio(ours, theirs), unit: "" };
    return [target === undefined ? row : { ...row, target }];
  });
}

/** Those of the contenders that can run here, and a remark about each other one. */
function able(contenders: readonly Contender[], inside: readonly string[]): [Contender[], string[]] {
  const remarks: string[] = [];
  const fit = contenders.filter(({ name, command }) => {
    try {
      output([...inside, ...command]);
      return true;
    } catch (problem) {
      if (!(problem instanceof Error)) throw problem;
      remarks.push(`${name} cannot run here: ${problem.message.split("\n")[0]}`);
      return false;
    }
  });
  return [fit, remarks];
}

/** The trivial: what starting anything costs. */
function start({ bench, runs }: Options): Part {
  const { ctrtool, empty, directory } = bench;
  const [a, b] = [join(directory, "a"), join(directory, "b")];
  for (const file of [a, b]) writeFileSync(file, "");
  const timings = race(bench, {
    runs,
    contenders: [
      { name: "busybox true", command: ["busybox", "true"] },
      { name: "empty program", command: [empty] },
      { name: "ctrtool --version", command: [ctrtool, "--version"] },
      { name: "ctrtool --list", command: [ctrtool, "--list"] },
      { name: "ctrtool renameat2 -x A B", command: [ctrtool, "renameat2", "-x", a, b] },
    ],
  });
  const against = { "empty program": 1.15, "busybox true": undefined };
  return {
    title: "start: trivial applets",
    rows: [
      ...timings.map(milliseconds),
      ...comparisons(timings, "ctrtool --version", against),
      ...comparisons(timings, "ctrtool --list", against),
      ...comparisons(timings, "ctrtool renameat2 -x A B", against),
    ],
  };
}

const allNamespaces = ["launcher", "--wait", "-mpuinC", "--mount-proc"];
const rootMaps = ["-U", "--uid-map=0.0.1", "--gid-map=0.0.1"];
const ordinaryMaps = [
  "-U",
  `--uid-map=0.${ordinaryId}.1`,
  `--gid-map=0.${ordinaryId}.1`,
  "--disable-setgroups",
  "--no-clear-groups",
];
const bubblewrap = ["bwrap", "--unshare-all", "--dev-bind", "/", "/", "--proc", "/proc", "true"];
const limits = { bubblewrap: 1.7, runc: 0.4, crun: undefined, "util-linux unshare": undefined };

/** crun refuses to work under a hybrid layout of cgroup hierarchies: a pure one is made, for all alike. */
const unifiedCgroups = "umount --recursive --lazy /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup";

/** All namespaces around `true`, as root. */
function launcher({ bench, runs }: Options): Part {
  const bundle = ociBundle(join(bench.directory, "bundle"));
  const inside = privately(unifiedCgroups);
  const [contenders, remarks] = able(
    [
      { name: "launcher", command: [bench.ctrtool, ...allNamespaces, "true"] },
      { name: "launcher -U", command: [bench.ctrtool, ...allNamespaces, ...rootMaps, "true"] },
      {
        name: "util-linux unshare",
        command: ["unshare", "-mpuinC", "--fork", "--mount-proc", "true"],
      },
      { name: "bubblewrap", command: bubblewrap },
      { name: "runc", command: ["runc", "run", "--bundle", bundle, "ctrtool-bench"] },
      {
        name: "crun",
        command: ["crun", "--cgroup-manager=disabled", "run", "--bundle", bundle, "ctrtool-bench"],
      },
    ],
    inside,
  );
  const timings = race(bench, { runs, inside, contenders });
  return {
    title: "launcher: `true` in new namespaces of all kinds, as root",
    rows: [
      ...timings.map(milliseconds),
      ...comparisons(timings, "launcher", limits),
      ...comparisons(timings, "launcher -U", limits),
    ],
    remarks,
  };
}

/** The same for an ordinary user. */
function rootless({ bench, runs }: Options): Part {
  const [contenders, remarks] = able(
    [
      { name: "launcher", command: [bench.ctrtool, ...allNamespaces, ...ordinaryMaps, "true"] },
      {
        name: "util-linux unshare",
        command: ["unshare", "-UrmpuinC", "--fork", "--mount-proc", "true"],
      },
      { name: "bubblewrap", command: bubblewrap },
    ],
    ordinary,
  );
  const timings = race(bench, { runs, inside: ordinary, contenders });
  return {
    title: "rootless: the same as an ordinary user",
    rows: [...timings.map(milliseconds), ...comparisons(timings, "launcher", limits)],
    remarks,
  };
}

/** A bundle that differs from what `runc spec` makes in nothing but the program and the missing cgroup limits. */
function ociBundle(directory: string): string {
  const bin = join(directory, "rootfs", "bin");
  mkdirSync(bin, { recursive: true });
  output(["cp", "/bin/busybox", bin]);
  symlinkSync("busybox", join(bin, "true"));
  for (const name of ["proc", "dev", "sys"]) mkdirSync(join(directory, "rootfs", name));
  const namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
  const mounts = [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
  ];
  const config = {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ["/bin/true"],
      env: ["PATH=/bin"],
      cwd: "/",
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: false },
    hostname: "bench",
    mounts,
    linux: { namespaces: namespaces.map((type) => ({ type })) },
  };
  writeFileSync(join(directory, "config.json"), JSON.stringify(config));
  return directory;
}

/** System calls until the target is executed, by everything that takes part. */
function calls({ bench }: Options): Part {
  const ours = [bench.ctrtool, ...allNamespaces];
  // The first call of an applet's own: until then the runtime starts, which an empty program does as well.
  const first = /\bmemfd_create\(/;
  const rows: Row[] = [
    {
      what: "launcher, from the applet's first call to the exec",
      value: countCalls(bench, [...ours, "true"], first),
      unit: "calls",
      target: 150,
    },
    {
      what: "launcher -U",
      value: countCalls(bench, [...ours, ...rootMaps, "true"], first),
      unit: "calls",
      target: 150,
    },
    { what: "launcher, all", value: countCalls(bench, [...ours, "true"]), unit: "calls" },
    { what: "an empty program, all", value: countCalls(bench, [bench.empty]), unit: "calls" },
    {
      what: "util-linux unshare, all",
      value: countCalls(bench, ["unshare", "-mpuinC", "--fork", "--mount-proc", "true"]),
      unit: "calls",
    },
    { what: "bubblewrap, all", value: countCalls(bench, bubblewrap), unit: "calls" },
  ];
  return { title: "calls: system calls up to and including the exec of `true`, of all processes", rows };
}

/** Counts calls from the one that `first` matches to the last execve(2); all calls if there is none. */
function countCalls({ directory }: Bench, command: readonly string[], first?: RegExp): number {
  const file = join(directory, "strace");
  output(["strace", "-f", "-o", file, ...command]);
  const made = readFileSync(file, "latin1")
    .split("\n")
    .filter((line) => /^[0-9]+ +[a-z0-9_]+\(/.test(line));
  const start = first ? made.findIndex((line) => first.test(line)) : 0;
  const end = made.findLastIndex((line) => /\bexecve\(.*true"/.test(line));
  if (start < 0) throw new BenchProblem(`${command[0]}: its first call was not seen`);
  return (end < 0 ? made.length : end + 1) - start;
}

/** 200 bind mounts. */
function binds({ bench, runs }: Options): Part {
  const count = 200;
  const { place, reset, targets } = mountPlace(bench, "binds", count);
  const each = targets.map((target) => `mount --bind source ${target}`).join("; ");
  const timings = race(bench, {
    runs,
    inside: privately(`mount -t tmpfs none ${place}`),
    reset,
    contenders: [
      {
        name: "mount_seq",
        command: [
          bench.ctrtool,
          ...["mount_seq", "-c", place],
          ...targets.flatMap((target) => ["-m", target, "-s", "source", "-Ob"]),
        ],
      },
      { name: "mount(8)", command: ["sh", "-c", `set -e; cd ${place}; ${each}`] },
    ],
  });
  return {
    title: `binds: ${count} bind mounts`,
    rows: [...timings.map(milliseconds), ...comparisons(timings, "mount_seq", { "mount(8)": 0.05 })],
  };
}

/** A directory for mounts, with `count` places for them on a tmpfs that `reset` makes anew. */
function mountPlace({ directory }: Bench, name: string, count: number) {
  const place = join(directory, name);
  const targets = Array.from({ length: count }, (_, index) => `t${index}`);
  const script = `umount --recursive --lazy ${place} && mount -t tmpfs none ${place} && cd ${place} && mkdir source && seq -f t%g 0 ${count - 1} | xargs mkdir`;
  mkdirSync(place);
  return { place, targets, reset: ["sh", "-c", script] };
}

/** 2,000 read-only bind mounts: how the time grows. */
function many({ bench, runs }: Options): Part {
  const count = 2000;
  const { place, reset, targets } = mountPlace(bench, "many", count);
  const inside = privately(`mount -t tmpfs none ${place}`);
  const mounts = (some: readonly string[]) => [
    bench.ctrtool,
    ...["mount_seq", "-c", place],
    ...some.flatMap((target) => ["-m", target, "-s", "source", "-Obo", "-r"]),
  ];
  const [all, one] = [
    { name: `mount_seq, ${count}`, command: mounts(targets) },
    { name: "mount_seq, 1", command: mounts(targets.slice(0, 1)) },
  ];
  const [ours, least] = race(bench, { runs, inside, reset, contenders: [all, one] });
  if (!ours || !least) throw new BenchProblem("no times");
  const slow = {
    name: `bubblewrap, ${count}`,
    command: [
      ...["bwrap", "--bind", "/", "/"],
      ...targets.flatMap((target) => ["--ro-bind", join(place, "source"), join(place, target)]),
      "true",
    ],
  };
  const theirs = race(bench, { runs: 1, inside, reset, contenders: [slow] });
  return {
    title: `many: ${count} bind mounts, remounted read-only`,
    rows: [
      ...[ours, least, ...theirs].map(milliseconds),
      {
        what: `what ${count} take beyond 1`,
        value: median(ours.runs.map((time, run) => time - (least.runs[run] ?? Number.NaN))),
        unit: "ms",
        target: 50,
      },
    ],
  };
}

/** The skeleton of a root, and the same by a shell script. */
function rootfs({ bench, runs }: Options): Part {
  const place = join(bench.directory, "root");
  mkdirSync(place);
  const script = join(bench.directory, "rootfs.sh");
  writeFileSync(script, rootfsScript(place));
  const timings = race(bench, {
    runs,
    inside: privately(`mount -t tmpfs none ${place}`),
    reset: ["sh", "-c", `umount --recursive --lazy ${place} && mount -t tmpfs none ${place}`],
    contenders: [
      { name: "rootfs-mount", command: [bench.ctrtool, "rootfs-mount", place] },
      { name: "shell script", command: ["sh", script] },
    ],
  });
  return {
    title: "rootfs: the skeleton of a root",
    rows: [...timings.map(milliseconds), ...comparisons(timings, "rootfs-mount", { "shell script": 0.2 })],
  };
}

/** What `rootfs-mount DIR` makes, by the programs of the system. */
function rootfsScript(place: string): string {
  const links = [
    "bin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "opt",
    "sbin",
    "usr",
    "etc",
    "home",
    "root",
    "var",
  ];
  const devices = ["full", "null", "random", "tty", "urandom", "zero"];
  return `set -e
umask 022
mount -t tmpfs -o mode=0755 none ${place}
cd ${place}
mkdir -m 0700 proc sys
mkdir dev dev/net run run/lock run/shm tmp
mkdir -m 0700 dev/mqueue dev/pts
chmod 1777 run/lock run/shm tmp
ln -s ../run/shm dev/shm
mount -t devpts -o nosuid,noexec,newinstance,mode=0600,ptmxmode=0666 none dev/pts
mount -t mqueue -o nosuid,nodev,noexec none dev/mqueue
${links.map((name) => `ln -s _fsroot_rw/${name} ${name}`).join("\n")}
${devices.map((name) => `touch dev/${name}; mount -o rbind,nosuid,noexec /dev/${name} dev/${name}`).join("\n")}
if [ -e /dev/net/tun ]; then touch dev/net/tun; mount -o rbind,nosuid,noexec /dev/net/tun dev/net/tun; fi
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
ln -s pts/ptmx dev/ptmx
`;
}

/** What waiting for a container costs. */
async function memory({ bench }: Options): Promise<Part> {
  const waiting = (words: readonly string[]) => [...words.slice(0, -1), "sleep", "1000"];
  const ours = await waitersMemory([bench.ctrtool, ...allNamespaces, "sleep", "1000"]);
  const theirs = await waitersMemory(waiting(bubblewrap));
  return {
    title: "memory: private to the process that waits for a container",
    rows: [
      { what: "launcher --wait", value: ours, unit: "KB", target: 100 },
      { what: "bubblewrap", value: theirs, unit: "KB" },
    ],
  };
}

/** Private_Clean and Private_Dirty of a process, once it has a child that has executed sleep(1). */
async function waitersMemory(command: readonly string[]): Promise<number> {
  const process = Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  try {
    await sleeperBelow(process.pid);
    const rollup = readFileSync(`/proc/${process.pid}/smaps_rollup`, "latin1");
    const amounts = [...rollup.matchAll(/^Private_(?:Clean|Dirty): +([0-9]+) kB$/gm)];
    return amounts.reduce((sum, [, amount]) => sum + Number(amount), 0);
  } finally {
    for (const pid of descendants(process.pid).reverse()) globalThis.process.kill(pid, "SIGKILL");
    process.kill("SIGKILL");
    await process.exited;
  }
}

function children(pid: number): number[] {
  try {
    const list = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
    return list === "" ? [] : list.split(" ").map(Number);
  } catch {
    return [];
  }
}

function descendants(pid: number): number[] {
  return children(pid).flatMap((child) => [child, ...descendants(child)]);
}

async function sleeperBelow(pid: number): Promise<void> {
  const patience = 5000;
  for (const end = performance.now() + patience; performance.now() < end; await Bun.sleep(10)) {
    const names = descendants(pid).map((child) => readFileSync(`/proc/${child}/comm`, "latin1").trim());
    if (names.includes("sleep")) return;
  }
  throw new BenchProblem(`process ${pid} has started no sleep`);
}

/** The executable's size beyond that of Bun's own. */
function size({ bench }: Options): Part {
  const MiB = 2 ** 20;
  const own = statSync(join(import.meta.dir, "..", "node_modules", "bun", "bin", "bun.exe")).size / MiB;
  const ours = statSync(bench.ctrtool).size / MiB;
  return {
    title: "size: of the executable",
    rows: [
      { what: "Bun", value: own, unit: "MiB" },
      { what: `ctrtool-${nativeArch()}`, value: ours, unit: "MiB", target: own + 3 },
    ],
  };
}
