/**
 * Which constants belong together, for names.ts. Runs while the program is bundled (a macro): at run time, the
 * thousand getters of `import * as constants` would cost every start of ctrtool more than a millisecond.
 */
import { type Arch, arches } from "./arch.ts";
import * as constants from "./constants.ts";

/** The constants that one argument of a system call can hold, by what their names look like. */
const groups = {
  // Flags
  AT: /^AT_(?!FDCWD|EACCESS|STATX_|HANDLE_)/,
  AT_ACCESS: /^AT_(EACCESS|SYMLINK_NOFOLLOW|EMPTY_PATH)$/,
  AT_STATX: /^AT_(STATX_.*|SYMLINK_NOFOLLOW|NO_AUTOMOUNT|EMPTY_PATH)$/,
  CLONE: /^CLONE_(?!ARGS_)/,
  CLOSE_RANGE: /^CLOSE_RANGE_/,
  EFD: /^EFD_/,
  EPOLL: /^EPOLL[A-Z]+$/,
  EPOLL_CREATE: /^EPOLL_CLOEXEC$/,
  F_SEAL: /^F_SEAL_/,
  FALLOC_FL: /^FALLOC_FL_/,
  FD: /^FD_/,
  FSMOUNT: /^FSMOUNT_/,
  FSOPEN: /^FSOPEN_/,
  FSPICK: /^FSPICK_/,
  GRND: /^GRND_/,
  IN: /^IN_(?!CLOEXEC|NONBLOCK)/,
  IN_INIT: /^IN_(CLOEXEC|NONBLOCK)$/,
  LANDLOCK_ACCESS_FS: /^LANDLOCK_ACCESS_FS_/,
  LANDLOCK_ACCESS_NET: /^LANDLOCK_ACCESS_NET_/,
  LOCK: /^LOCK_/,
  MAP: /^MAP_/,
  MFD: /^MFD_/,
  MNT: /^(MNT_(FORCE|DETACH|EXPIRE)|UMOUNT_NOFOLLOW)$/,
  MOUNT_ATTR: /^MOUNT_ATTR_/,
  MOVE_MOUNT: /^MOVE_MOUNT_/,
  MS: /^MS_/,
  MSG: /^MSG_/,
  O: /^O_(?!ACCMODE)/,
  OPEN_TREE: /^(OPEN_TREE_.*|AT_(EMPTY_PATH|NO_AUTOMOUNT|RECURSIVE|SYMLINK_NOFOLLOW))$/,
  PIDFD: /^PIDFD_(NONBLOCK|THREAD)$/,
  PIDFD_SIGNAL: /^PIDFD_SIGNAL_/,
  POLL: /^POLL/,
  PROT: /^PROT_/,
  RENAME: /^RENAME_/,
  RESOLVE: /^RESOLVE_/,
  SA: /^SA_/,
  SECBIT: /^SECBIT_/,
  SECCOMP_FILTER_FLAG: /^SECCOMP_FILTER_FLAG_/,
  SFD: /^SFD_/,
  SOCK: /^SOCK_/,
  SPLICE_F: /^SPLICE_F_/,
  STATMOUNT: /^STATMOUNT_/,
  STATX: /^STATX_(?!ATTR_)/,
  STATX_ATTR: /^STATX_ATTR_/,
  TFD_CREATE: /^TFD_(CLOEXEC|NONBLOCK)$/,
  TFD_TIMER: /^TFD_TIMER_/,
  W: /^(W|__W)(?!HOLE_SECONDS)[A-Z]+$/,
  // One of several
  AF: /^AF_/,
  CAP: /^CAP_(?!LAST_CAP)/,
  CLOCK: /^CLOCK_/,
  DIRFD: /^AT_FDCWD$/,
  EPOLL_CTL: /^EPOLL_CTL_/,
  F: /^F_(?!SEAL_|RDLCK|WRLCK|UNLCK)/,
  FSCONFIG: /^FSCONFIG_/,
  IOCTL: /^(TIOC|TC[GSX]|TCFLSH|FIO|FICLONE|FS_IOC_|LOOP_|NS_|PIDFD_GET_|SECCOMP_IOCTL_|SIOC|TUN[SG]ET)/,
  IPPROTO: /^IPPROTO_/,
  ITIMER: /^ITIMER_/,
  KEYCTL: /^KEYCTL_/,
  LINUX_REBOOT_CMD: /^LINUX_REBOOT_CMD_/,
  P: /^P_/,
  PR: /^PR_(?!CAP_AMBIENT_|MDWE_)/,
  PR_CAP_AMBIENT: /^PR_CAP_AMBIENT_/,
  PRIO: /^PRIO_/,
  RLIMIT: /^RLIMIT_/,
  SCHED: /^SCHED_/,
  SECCOMP: /^SECCOMP_(SET_MODE_|GET_)/,
  SEEK: /^SEEK_/,
  SHUT: /^SHUT_/,
  SIG: /^SIG(?!_)/,
  SIG_HOW: /^SIG_(BLOCK|UNBLOCK|SETMASK)$/,
  SO: /^SO_/,
  SOL: /^SOL_/,
  STATFS: /_MAGIC(_V1)?$/,
} as const satisfies Readonly<Record<string, RegExp>>;

/** A group of constants, called by the prefix that its names share. */
export type GroupName = keyof typeof groups;

/**
 * A line a group: its name, then NAME=number for each member. Names of several bits (O_TMPFILE) come before
 * their parts, and of two names for one number (SIGABRT, SIGIOT) the usual one first, which the alphabet
 * happens to give. Groups with numbers that differ have a line for each architecture: O.x86_64, O.aarch64.
 */
export function nameTables(): string {
  const lines: string[] = [];
  for (const [group, names] of Object.entries(groups)) {
    const differs = Object.keys(constants.archConstants.x86_64).some((name) => names.test(name));
    for (const arch of differs ? arches : arches.slice(0, 1)) {
      lines.push([differs ? `${group}.${arch}` : group, ...members(names, arch)].join(" "));
    }
  }
  return lines.join("\n");
}

function members(names: RegExp, arch: Arch): string[] {
  const found: (readonly [string, number])[] = [];
  for (const [name, value] of Object.entries({ ...constants, ...constants.archConstants[arch] })) {
    if (names.test(name) && typeof value === "number") found.push([name, value]);
  }
  return found
    .sort(([, left], [, right]) => bitCount(right) - bitCount(left))
    .map(([name, value]) => `${name}=${value}`);
}

function bitCount(value: number): number {
  return BigInt.asUintN(64, BigInt(value)).toString(2).replaceAll("0", "").length;
}
