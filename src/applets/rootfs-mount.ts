/**
 * The skeleton of a container's root: a tmpfs with directories, links, device nodes and kernel file systems. What
 * is in it is described here, as tables; src/plan/root-tree.ts makes it.
 */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { quote, UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { boolean, decimal, octalMode, readNumber, readNumberOrName, U32_MAX } from "../cli/values/number.ts";
import { type Reader, readBy, reader } from "../cli/values/reader.ts";
import { path, text } from "../cli/values/text.ts";
import { keepChildStatus } from "../plan/inherit.ts";
import { attach, fileSystemOptions } from "../plan/mounts.ts";
import { namespaceProc } from "../plan/namespace-proc.ts";
import { openParent, openPath, splitPath, withoutSlash } from "../plan/paths.ts";
import { type Node, type TreeMount, treeSteps } from "../plan/root-tree.ts";
import {
  area,
  call,
  compute,
  fail,
  leave,
  loop,
  type Program,
  type Step,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
} from "../sys/constants.ts";
import { ENOTEMPTY } from "../sys/errno.ts";
import type { Given } from "../sys/given.ts";

/** The twelve entries of the root that can be links, in the order of their bits. */
const rootEntries = [
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
/** Those of them that are part of usr on a merged system. */
const usrEntries: readonly string[] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];
/** The device nodes, in the order of their bits. */
const devices = ["full", "null", "random", "tty", "urandom", "zero", "net/tun"];

const rootPresets = {
  none: 0,
  all_ro: 0x5555_5555,
  all_rw: 0xaaaa_aaaa,
  all_dirs: 0xffff_ffff,
  usr_ro: 0xaaaa_5555,
  usr_ro_tmp: 0xffff_5555,
  usr_rw_tmp: 0xffff_aaaa,
};
const devicePresets = {
  none: 0,
  symlink_host: 0x555,
  symlink_host_v2: 0x1555,
  bind_host: 0xaaa,
  bind_host_v2: 0x2aaa,
};
const defaultDevices = 0xaaaa_aaaa;

/** Two bits for each entry. Bits without an entry are refused, but for numbers that the manual itself gives. */
function choices(
  label: string,
  entries: readonly string[],
  presets: Readonly<Record<string, number>>,
): Reader<readonly number[]> {
  return reader((word) => {
    const number = readNumberOrName(word, label, presets, U32_MAX);
    const documented = number === defaultDevices || Object.values(presets).includes(number);
    if (!documented && number >= 4 ** entries.length) {
      throw new UsageError(`${quote(word)} has bits for more than ${entries.length} entries`);
    }
    return choicesIn(number, entries);
  });
}

function choicesIn(number: number, entries: readonly string[]): readonly number[] {
  return entries.map((_, index) => (number >>> (2 * index)) & 3);
}

const deviceChoices: Reader<readonly number[]> = reader((word) => {
  const chosen = readBy(choices("device preset", devices, devicePresets), word);
  const wrong = chosen.indexOf(3);
  if (wrong >= 0)
    throw new UsageError(`${quote(word)} asks for 3 for /dev/${devices[wrong]}, which means nothing`);
  return chosen;
});

/** A path below the root, without the slash that it may begin with. */
function inside(word: string): string {
  const relative = word.replace(/^\/+/, "");
  if (relative === "" || relative.split("/").includes("..")) {
    throw new UsageError(`${quote(word)} is not a path below the root`);
  }
  return withoutSlash(relative);
}

/** `PATH[:MODE[:UID:GID]]`; an empty MODE leaves it as it is. */
const directory: Reader<Node> = reader((word) => {
  const [where = "", mode = "", uid, gid, ...rest] = word.split(":");
  if (rest.length > 0 || (uid === undefined) !== (gid === undefined)) {
    throw new UsageError(`${quote(word)} is not PATH[:MODE[:UID:GID]]`);
  }
  const id = decimal(U32_MAX - 1);
  return {
    kind: "extra directory",
    path: inside(readBy(path, where)),
    mode: mode === "" ? undefined : readBy(octalMode(), mode),
    owner: uid === undefined || gid === undefined ? undefined : [readBy(id, uid), readBy(id, gid)],
  };
});

const link: Reader<Node> = reader((word) => {
  const colon = word.indexOf(":");
  if (colon < 0) throw new UsageError(`${quote(word)} is not PATH:CONTENT`);
  const content = readBy(path, word.slice(colon + 1));
  return { kind: "extra link", path: inside(readBy(path, word.slice(0, colon))), content };
});

const tmpfsData: Reader<string> = reader((word) => {
  const data = readBy(text(), word);
  const fileSystem = { type: "tmpfs", source: "", data, flags: 0 };
  if (fileSystemOptions(fileSystem) === undefined) throw new UsageError("an option is longer than 255 bytes");
  return data;
});

const tmpfsSize: Reader<string> = reader((word) => {
  if (!/^[0-9]+[kmgtpe%]?$/i.test(word)) throw new UsageError(`${quote(word)} is not a size (64M, 10%)`);
  if (!word.endsWith("%")) readNumber(word.replace(/[a-z]$/i, ""), "decimal", 2n ** 53n);
  return word;
});

const kmsg: Reader<"none" | "null" | "host"> = reader((word) => {
  const choice = word.toLowerCase();
  if (choice === "none" || choice === "null" || choice === "host") return choice;
  throw new UsageError(`${quote(word)} is not none, null or host`);
});

function flag(help: string, value: boolean) {
  return { metavar: "BOOL", value: boolean, help, default: value ? "yes" : "no" } as const;
}

export const spec = defineSpec({
  name: "rootfs-mount",
  summary: "make the skeleton of a container's root on DIR",
  usage: "DIR",
  operands: v.strictTuple([path]),
  stopAtOperand: false,
  usageStatus: 2,
  options: {
    settings: {
      short: "o",
      long: "option",
      help: "a setting, see below; the last of a name counts",
      settings: {
        tmpfs_mount_opts: {
          metavar: "DATA",
          value: tmpfsData,
          help: "options of the root tmpfs",
          default: "mode=0755",
        },
        umask: { metavar: "OCTAL", value: octalMode(0o777), help: "umask while building", default: "022" },
        run_dirs: flag("make run/lock, run/shm, and dev/shm as a link to it", true),
        tmp_world: flag("mode 1777 for tmp, run/lock and the shm directory", true),
        mount_mqueue: flag("mount mqueue on dev/mqueue", true),
        mount_devpts: flag("mount a new devpts on dev/pts", true),
        mount_sysfs: flag("mount sysfs on sys", false),
        mount_proc: flag("mount proc on proc, of this PID namespace", false),
        pid_ns: { metavar: "FILE", value: path, help: "mount proc on proc, of the PID namespace FILE" },
        systemd: flag("dev and run are mounts of their own, and shm is in dev", false),
        root_symlink_usr: flag("link bin, lib*, sbin to usr/NAME", false),
        root_link_opts: {
          metavar: "PRESET|BITS",
          value: choices("root preset", rootEntries, rootPresets),
          help: "what bin ... var are",
          default: "all_rw",
        },
        dev_opts: {
          metavar: "PRESET|BITS",
          value: deviceChoices,
          help: "what dev/full ... dev/net/tun are",
          default: "bind_host_v2, without net/tun where there is none",
        },
        size: {
          metavar: "SIZE",
          value: tmpfsSize,
          help: "size of the root tmpfs",
          default: "half of the memory",
        },
        root_nosuid: flag("the root tmpfs is nosuid", false),
        root_nodev: flag("the root tmpfs is nodev", false),
        mount_shm: flag("mount a tmpfs of its own (nosuid, nodev) on the shm directory", false),
        shm_size: {
          metavar: "SIZE",
          value: tmpfsSize,
          help: "size of the shm tmpfs",
          default: "half of the memory",
        },
        console: { metavar: "FILE", value: path, help: "bind this terminal on dev/console" },
        kmsg: {
          metavar: "CHOICE",
          value: kmsg,
          help: "dev/kmsg: none, null (as /dev/null) or host",
          default: "none",
        },
        mask_paths: flag("hide what proc and sys tell about the host", false),
        readonly_paths: flag("make the settings of the kernel in proc read-only", false),
        existing_in: { metavar: "DIR", value: path, help: "link only root entries that exist in DIR" },
        require_empty: flag("refuse a DIR that is not empty, which a root is not", false),
      },
    },
    proc: {
      short: "p",
      long: "proc",
      metavar: "NSFILE",
      value: path,
      help: "only mount proc on DIR, of the PID namespace NSFILE; settings do not count",
    },
    unused: { short: "t", long: "tmpfs", hidden: true, help: "accepted, without effect" },
    directories: {
      long: "directory",
      metavar: "PATH[:MODE[:UID:GID]]",
      value: directory,
      repeat: true,
      added: true,
      help: "make a directory, or change one of the tree",
    },
    links: {
      long: "link",
      metavar: "PATH:CONTENT",
      value: link,
      repeat: true,
      added: true,
      help: "make a symlink",
    },
  },
  details: [
    {
      title: "Bits of root_link_opts (from the lowest, two each)",
      lines: [
        rootEntries.join(" "),
        "0 nothing, 1 link to _fsroot_ro/NAME, 2 link to _fsroot_rw/NAME, 3 directory",
        `presets: ${Object.keys(rootPresets).join(" ")}`,
      ],
    },
    {
      title: "Bits of dev_opts (from the lowest, two each)",
      lines: [
        devices.join(" "),
        "0 nothing, 1 link to _host/NAME, 2 bind mount of /dev/NAME (nosuid, noexec)",
        `presets: ${Object.keys(devicePresets).join(" ")}`,
      ],
    },
  ],
  examples: [
    "rootfs-mount -o root_link_opts=usr_ro -o root_symlink_usr=1 -o mount_sysfs=1 /run/container/root",
    "rootfs-mount -o size=64M -o mount_proc=yes -o mask_paths=yes --directory srv:0750:0:33 root",
    "rootfs-mount -p /proc/4711/ns/pid /mnt",
  ],
});

type Settings = Input<typeof spec>["options"]["settings"];

const publicMode = 0o777;
const privateMode = 0o700;
const worldMode = 0o1777;
const kernelFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
const deviceFlags = MS_NOSUID | MS_NOEXEC;

/** A name of the root as a link, a directory, or nothing. */
function rootEntry(name: string, choice: number, settings: Settings): Node[] {
  if (choice === 0) return [];
  if (choice === 3) return [makeAt(name, name === "root" ? privateMode : publicMode)];
  const inUsr = settings.root_symlink_usr === true && usrEntries.includes(name);
  const content = inUsr ? `usr/${name}` : `_fsroot_${choice === 1 ? "ro" : "rw"}/${name}`;
  const onlyFor = settings.existing_in === undefined ? {} : { onlyFor: inUsr ? content : name };
  return [{ kind: "link", path: name, content, ...onlyFor }];
}

function makeAt(path: string, mode: number): Node {
  return { kind: "directory", path, mode };
}

/** The shm directory, and the link to it from the other place. */
function shmPaths(settings: Settings): readonly [directory: string, link: string] {
  return settings.systemd ? ["dev/shm", "run/shm"] : ["run/shm", "dev/shm"];
}

function nodes(settings: Settings, chosenDevices: readonly number[]): Node[] {
  const { run_dirs = true, tmp_world = true, root_link_opts } = settings;
  const world = tmp_world ? { exactMode: worldMode } : {};
  const rootChoices = root_link_opts ?? choicesIn(rootPresets.all_rw, rootEntries);
  const [shm, shmLink] = shmPaths(settings);
  return [
    makeAt("proc", privateMode),
    makeAt("sys", privateMode),
    makeAt("dev", publicMode),
    makeAt("dev/net", publicMode),
    makeAt("dev/mqueue", privateMode),
    makeAt("dev/pts", privateMode),
    makeAt("run", publicMode),
    ...(run_dirs
      ? [
          { ...makeAt("run/lock", publicMode), ...world },
          { ...makeAt(shm, publicMode), ...world },
          { kind: "link", path: shmLink, content: `../${shm}` } as const,
        ]
      : []),
    { ...makeAt("tmp", publicMode), ...world },
    ...rootEntries.flatMap((name, index) => rootEntry(name, rootChoices[index] ?? 0, settings)),
    ...devices.flatMap((name, index) => (chosenDevices[index] === 1 ? [deviceLink(name)] : [])),
    { kind: "link", path: "dev/fd", content: "/proc/self/fd" },
    { kind: "link", path: "dev/stdin", content: "fd/0" },
    { kind: "link", path: "dev/stdout", content: "fd/1" },
    { kind: "link", path: "dev/stderr", content: "fd/2" },
    { kind: "link", path: "dev/ptmx", content: "pts/ptmx" },
  ];
}

function deviceLink(name: string): Node {
  const up = name.includes("/") ? "../" : "";
  return { kind: "link", path: `dev/${name}`, content: `${up}_host/${name}` };
}

function kernelFileSystem(type: string, where: string, flags = kernelFlags, data = ""): TreeMount {
  return { kind: "file system", path: where, fileSystem: { type, source: "none", data, flags } };
}

function device(name: string, source: string, optional = false): TreeMount {
  return { kind: "device", path: `dev/${name}`, source, flags: deviceFlags, optional };
}

const procOfNamespace = { type: "proc", source: "none", data: "", flags: kernelFlags };

function mounts(settings: Settings, chosenDevices: readonly number[], namespace: Variable): TreeMount[] {
  const { mount_mqueue = true, mount_devpts = true, kmsg: kmsgChoice = "none" } = settings;
  const optional = settings.dev_opts === undefined;
  const ownMounts = settings.systemd ? ["dev", "run"] : [];
  return [
    ...procMounts(settings, namespace),
    ...ownMounts.map((own): TreeMount => ({ kind: "self", path: own, flags: 0 })),
    ...(mount_devpts
      ? [kernelFileSystem("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,mode=0600,ptmxmode=0666")]
      : []),
    ...(mount_mqueue ? [kernelFileSystem("mqueue", "dev/mqueue")] : []),
    ...(settings.mount_sysfs ? [kernelFileSystem("sysfs", "sys")] : []),
    ...(settings.mount_shm ? [shmMount(settings)] : []),
    ...devices.flatMap((name, index) =>
      chosenDevices[index] === 2 ? [device(name, `/dev/${name}`, optional && name === "net/tun")] : [],
    ),
    ...(kmsgChoice === "none" ? [] : [device("kmsg", kmsgChoice === "host" ? "/dev/kmsg" : "/dev/null")]),
    ...(settings.console === undefined ? [] : [device("console", settings.console)]),
    ...(settings.mask_paths ? masks(settings) : []),
    ...(settings.readonly_paths ? readonlyPaths.map(readonlyPath) : []),
  ];
}

function procMounts(settings: Settings, namespace: Variable): TreeMount[] {
  if (settings.pid_ns !== undefined) {
    const proc = { fileSystem: procOfNamespace, namespace, file: settings.pid_ns };
    return [{ kind: "namespace proc", path: "proc", proc }];
  }
  return settings.mount_proc ? [kernelFileSystem("proc", "proc")] : [];
}

function shmMount(settings: Settings): TreeMount {
  const size = settings.shm_size === undefined ? "" : `,size=${settings.shm_size}`;
  const [where] = shmPaths(settings);
  return kernelFileSystem("tmpfs", where, MS_NOSUID | MS_NODEV, `mode=1777${size}`);
}

/** What container runtimes agree to hide: memory, keys, clocks and schedules of the host, its firmware. */
const maskedFiles = [
  "proc/kcore",
  "proc/keys",
  "proc/latency_stats",
  "proc/sched_debug",
  "proc/timer_list",
  "proc/timer_stats",
];
const maskedDirectories = [
  "proc/acpi",
  "proc/asound",
  "proc/scsi",
  "sys/firmware",
  "sys/devices/virtual/powercap",
];
const readonlyPaths = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

function masks(settings: Settings): TreeMount[] {
  const isMounted = (where: string) => (where.startsWith("sys/") ? settings.mount_sysfs : hasProc(settings));
  const files = maskedFiles.filter(isMounted).map((where): TreeMount => {
    return { kind: "mask", path: where, source: "/dev/null", flags: deviceFlags };
  });
  const directories = maskedDirectories.filter(isMounted).map((where): TreeMount => {
    const fileSystem = { type: "tmpfs", source: "none", data: "mode=0555", flags: MS_RDONLY | kernelFlags };
    return { kind: "file system", path: where, fileSystem, optional: true };
  });
  return [...files, ...directories];
}

function readonlyPath(where: string): TreeMount {
  return { kind: "self", path: where, flags: MS_RDONLY };
}

function hasProc(settings: Settings): boolean {
  return settings.pid_ns !== undefined || settings.mount_proc === true;
}

/** Settings that would have no effect are mistakes. */
function refuseUseless(settings: Settings): void {
  const { run_dirs = true } = settings;
  if (settings.mount_shm && !run_dirs) throw new UsageError("mount_shm needs run_dirs");
  if (settings.shm_size !== undefined && !settings.mount_shm)
    throw new UsageError("shm_size needs mount_shm");
  if (settings.readonly_paths && !hasProc(settings)) {
    throw new UsageError("readonly_paths needs mount_proc or pid_ns");
  }
  if (settings.mask_paths && !hasProc(settings) && !settings.mount_sysfs) {
    throw new UsageError("mask_paths needs mount_proc, pid_ns or mount_sysfs");
  }
}

/** Opens DIR. Symlinks are followed on the way to it, but it must not be one. */
function openTarget(dir: string, target: Variable): Step[] {
  const { steps, entry } = openParent(splitPath(withoutSlash(dir)), variable("parent"), {
    symlinks: "follow",
  });
  const flags = O_PATH | O_DIRECTORY;
  return [
    ...steps,
    openPath(entry.name, target, { from: entry.directory, flags, symlinks: "refuse", what: dir }),
  ];
}

const directoryBytes = 4096;
/** What getdents64(2) tells about `.` and `..`. */
const emptyBytes = 48;

function refuseFull(dir: string, target: Variable): Step[] {
  const listing = variable("listing");
  const got = variable("bytes");
  const all = variable("all bytes");
  const entries = area("entries", directoryBytes);
  return [
    openPath(".", listing, { from: target, flags: O_RDONLY, symlinks: "refuse", what: dir }),
    loop([
      call("getdents64", [listing, entries, directoryBytes], dir, { into: got }),
      when(got, "==", 0, [leave]),
      compute(all, all, "add", got),
      when(all, ">", emptyBytes, [fail({ step: "require_empty", what: dir, errno: ENOTEMPTY })]),
    ]),
  ];
}

function openNamespace(file: string, into: Variable): Step {
  return openPath(file, into, { flags: O_RDONLY, symlinks: "follow" });
}

function rootSteps(
  { options, operands: [dir] }: Input<typeof spec>,
  target: Variable,
  namespace: Variable,
): Step[] {
  const { settings } = options;
  refuseUseless(settings);
  const { tmpfs_mount_opts = "mode=0755", size, dev_opts, umask = 0o022, existing_in } = settings;
  const chosenDevices = dev_opts ?? choicesIn(defaultDevices, devices);
  const existing = variable("existing");
  const flags = (settings.root_nosuid ? MS_NOSUID : 0) | (settings.root_nodev ? MS_NODEV : 0);
  const data = size === undefined ? tmpfs_mount_opts : `${tmpfs_mount_opts},size=${size}`;
  const tree = {
    root: { type: "tmpfs", source: "/dev/null", data, flags },
    nodes: [...nodes(settings, chosenDevices), ...options.directories, ...options.links],
    mounts: mounts(settings, chosenDevices, namespace),
    existing,
  };
  return [
    ...(settings.require_empty ? refuseFull(dir, target) : []),
    ...(existing_in === undefined ? [] : [openPath(existing_in, existing, { symlinks: "follow" })]),
    ...(settings.pid_ns === undefined ? [] : [openNamespace(settings.pid_ns, namespace)]),
    call("umask", [umask], "the umask"),
    ...treeSteps(tree, target, dir),
  ];
}

function procSteps(file: string, dir: string, target: Variable, namespace: Variable): Step[] {
  const mount = variable("proc");
  return [
    openNamespace(file, namespace),
    namespaceProc({ fileSystem: procOfNamespace, namespace, file }, mount),
    attach(mount, target, dir),
  ];
}

export function plan(input: Input<typeof spec>, given: Given): Program {
  const { options, operands } = input;
  const [dir] = operands;
  const target = variable("target");
  const namespace = variable("PID namespace");
  const waits = options.proc !== undefined || options.settings.pid_ns !== undefined;
  return {
    applet: spec.name,
    failure: 1,
    steps: [
      ...(waits ? keepChildStatus(given) : []),
      ...openTarget(dir, target),
      ...(options.proc === undefined
        ? rootSteps(input, target, namespace)
        : procSteps(options.proc, dir, target, namespace)),
    ],
  };
}

export default applet({ spec, plan });
