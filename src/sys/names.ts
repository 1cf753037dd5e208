/**
 * Numbers back into the names of constants.ts, for `--explain` and other texts. Apart from constants.ts so that
 * only who prints pays for it; a group's table is made when it is first asked for.
 */
import { type Arch, nativeArch } from "./arch.ts";
import * as constants from "./constants.ts";

/** The constants that one argument of a system call can hold. */
interface Group {
  readonly names: RegExp;
  /** Low bits that are not flags but one constant of another group. */
  readonly low?: { readonly mask: bigint; readonly group: string };
}

const groups = {
  // Flags
  AT: { names: /^AT_(?!FDCWD|EACCESS|STATX_|HANDLE_)/ },
  AT_ACCESS: { names: /^AT_(EACCESS|SYMLINK_NOFOLLOW|EMPTY_PATH)$/ },
  AT_STATX: { names: /^AT_(STATX_.*|SYMLINK_NOFOLLOW|NO_AUTOMOUNT|EMPTY_PATH)$/ },
  // clone(2) has the signal sent to the parent there; no signal reaches CLONE_NEWTIME, the lowest flag.
  CLONE: { names: /^CLONE_(?!ARGS_)/, low: { mask: 0x7fn, group: "SIG" } },
  CLOSE_RANGE: { names: /^CLOSE_RANGE_/ },
  EFD: { names: /^EFD_/ },
  EPOLL: { names: /^EPOLL[A-Z]+$/ },
  EPOLL_CREATE: { names: /^EPOLL_CLOEXEC$/ },
  F_SEAL: { names: /^F_SEAL_/ },
  FALLOC_FL: { names: /^FALLOC_FL_/ },
  FD: { names: /^FD_/ },
  FSMOUNT: { names: /^FSMOUNT_/ },
  FSOPEN: { names: /^FSOPEN_/ },
  FSPICK: { names: /^FSPICK_/ },
  GRND: { names: /^GRND_/ },
  IN: { names: /^IN_(?!CLOEXEC|NONBLOCK)/ },
  IN_INIT: { names: /^IN_(CLOEXEC|NONBLOCK)$/ },
  LANDLOCK_ACCESS_FS: { names: /^LANDLOCK_ACCESS_FS_/ },
  LANDLOCK_ACCESS_NET: { names: /^LANDLOCK_ACCESS_NET_/ },
  LOCK: { names: /^LOCK_/ },
  MAP: { names: /^MAP_/ },
  MFD: { names: /^MFD_/ },
  MNT: { names: /^(MNT_(FORCE|DETACH|EXPIRE)|UMOUNT_NOFOLLOW)$/ },
  MOUNT_ATTR: { names: /^MOUNT_ATTR_/ },
  MOVE_MOUNT: { names: /^MOVE_MOUNT_/ },
  MS: { names: /^MS_/ },
  MSG: { names: /^MSG_/ },
  O: { names: /^O_(?!ACCMODE)/ },
  OPEN_TREE: { names: /^(OPEN_TREE_.*|AT_(EMPTY_PATH|NO_AUTOMOUNT|RECURSIVE|SYMLINK_NOFOLLOW))$/ },
  PIDFD: { names: /^PIDFD_(NONBLOCK|THREAD)$/ },
  PIDFD_SIGNAL: { names: /^PIDFD_SIGNAL_/ },
  POLL: { names: /^POLL/ },
  PROT: { names: /^PROT_/ },
  RENAME: { names: /^RENAME_/ },
  RESOLVE: { names: /^RESOLVE_/ },
  SA: { names: /^SA_/ },
  SECBIT: { names: /^SECBIT_/ },
  SECCOMP_FILTER_FLAG: { names: /^SECCOMP_FILTER_FLAG_/ },
  SFD: { names: /^SFD_/ },
  SOCK: { names: /^SOCK_/ },
  SPLICE_F: { names: /^SPLICE_F_/ },
  STATMOUNT: { names: /^STATMOUNT_/ },
  STATX: { names: /^STATX_(?!ATTR_)/ },
  STATX_ATTR: { names: /^STATX_ATTR_/ },
  TFD_CREATE: { names: /^TFD_(CLOEXEC|NONBLOCK)$/ },
  TFD_TIMER: { names: /^TFD_TIMER_/ },
  W: { names: /^(W|__W)(?!HOLE_SECONDS)[A-Z]+$/ },
  // One of several
  AF: { names: /^AF_/ },
  CAP: { names: /^CAP_(?!LAST_CAP)/ },
  CLOCK: { names: /^CLOCK_/ },
  DIRFD: { names: /^AT_FDCWD$/ },
  EPOLL_CTL: { names: /^EPOLL_CTL_/ },
  F: { names: /^F_(?!SEAL_|RDLCK|WRLCK|UNLCK)/ },
  FSCONFIG: { names: /^FSCONFIG_/ },
  IOCTL: {
    names: /^(TIOC|TC[GSX]|TCFLSH|FIO|FICLONE|FS_IOC_|LOOP_|NS_|PIDFD_GET_|SECCOMP_IOCTL_|SIOC|TUNSET)/,
  },
  IPPROTO: { names: /^IPPROTO_/ },
  ITIMER: { names: /^ITIMER_/ },
  KEYCTL: { names: /^KEYCTL_/ },
  LINUX_REBOOT_CMD: { names: /^LINUX_REBOOT_CMD_/ },
  P: { names: /^P_/ },
  PR: { names: /^PR_(?!CAP_AMBIENT_|MDWE_)/ },
  PR_CAP_AMBIENT: { names: /^PR_CAP_AMBIENT_/ },
  PRIO: { names: /^PRIO_/ },
  RLIMIT: { names: /^RLIMIT_/ },
  SCHED: { names: /^SCHED_/ },
  SECCOMP: { names: /^SECCOMP_(SET_MODE_|GET_)/ },
  SEEK: { names: /^SEEK_/ },
  SHUT: { names: /^SHUT_/ },
  SIG: { names: /^SIG(?!_)/ },
  SIG_HOW: { names: /^SIG_(BLOCK|UNBLOCK|SETMASK)$/ },
  SO: { names: /^SO_/ },
  SOL: { names: /^SOL_/ },
  STATFS: { names: /_MAGIC(_V1)?$/ },
} as const satisfies Readonly<Record<string, Group>>;

/** A group of constants, as `describeFlags` and `describeConstant` name it: the prefix that its names share. */
export type GroupName = keyof typeof groups;

/** Every group, for tests that go through all of them. */
export const groupNames: readonly string[] = Object.keys(groups);

type Entry = readonly [name: string, value: bigint];

/** By architecture and group; under the architecture alone, all constants. */
const tables = new Map<string, readonly Entry[]>();

/**
 * A combination of flags as its names, lowest first, and what has no name in hexadecimal:
 * "MS_BIND|MS_REC|0x40000000"; "0" for none. Negative numbers are read as 64-bit two's complement. Throws
 * RangeError on an unknown group.
 */
export function describeFlags(group: string, value: number | bigint, arch: Arch = nativeArch()): string {
  const { low } = groupCalled(group);
  let rest = BigInt.asUintN(64, BigInt(value));
  const found: Entry[] = [];
  if (low && (rest & low.mask) !== 0n) {
    found.push([describeConstant(low.group, rest & low.mask, arch), 0n]);
    rest &= ~low.mask;
  }
  for (const entry of mostBitsFirst(tableOf(group, arch))) {
    const [, bits] = entry;
    if (bits === 0n || (rest & bits) !== bits) continue;
    found.push(entry);
    rest &= ~bits;
  }
  const names = found.sort(([, left], [, right]) => (left < right ? -1 : 1)).map(([name]) => name);
  if (rest !== 0n) names.push(`0x${rest.toString(16)}`);
  return names.join("|") || "0";
}

/** One constant of a group as its name, or the number in decimal if it has none. Throws as `describeFlags`. */
export function describeConstant(group: string, value: number | bigint, arch: Arch = nativeArch()): string {
  const wanted = BigInt(value);
  return tableOf(group, arch).find(([, number]) => number === wanted)?.[0] ?? wanted.toString();
}

function groupCalled(name: string): Group {
  const all: Readonly<Record<string, Group>> = groups;
  const group = Object.hasOwn(all, name) ? all[name] : undefined;
  if (!group) throw new RangeError(`no group of constants is called ${name}`);
  return group;
}

/** Names and values of a group; where two names have the same value (SIGABRT, SIGIOT), the first counts. */
function tableOf(group: string, arch: Arch): readonly Entry[] {
  const { names } = groupCalled(group);
  const key = `${arch} ${group}`;
  const known = tables.get(key);
  if (known) return known;
  const table = entriesOf(arch).filter(([name]) => names.test(name));
  tables.set(key, table);
  return table;
}

function entriesOf(arch: Arch): readonly Entry[] {
  const known = tables.get(arch);
  if (known) return known;
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries({ ...constants, ...constants.archConstants[arch] })) {
    if (typeof value !== "object") entries.push([name, BigInt(value)]);
  }
  tables.set(arch, entries);
  return entries;
}

/** So that a name that stands for several bits (O_TMPFILE, STATX_BASIC_STATS) is found before its parts. */
function mostBitsFirst(table: readonly Entry[]): Entry[] {
  return [...table].sort(([, left], [, right]) => bitCount(right) - bitCount(left));
}

function bitCount(value: bigint): number {
  return value.toString(2).replaceAll("0", "").length;
}
