/** The usual causes of failures whose error number alone misleads; said behind the error's own text. */
import { E2BIG, EBUSY, EINVAL, ELOOP, ENODEV, ENOENT, ENOSPC, ENOSYS, EPERM, EXDEV } from "../sys/errno.ts";
import type { SyscallName } from "../sys/syscalls.ts";

/** Texts by error number. */
export type Hints = Readonly<Record<number, string>>;

const mountHints: Hints = {
  [EPERM]: "needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace",
  [EINVAL]: "the type's options, or a mount that is locked, shared or not a mount point",
  [ENODEV]: "this kernel has no such file system type",
  [ENOSPC]: "a limit is reached, see fs.mount-max",
  [EBUSY]: "it is in use, or mounted there already",
};

const namespaceHints: Hints = {
  [EPERM]:
    "this may be a chroot, or unprivileged user namespaces may be forbidden: see the sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns",
  [ENOSPC]: "a limit of the sysctls user.max_*_namespaces is reached, or namespaces are nested too deeply",
  [EINVAL]: "this kernel lacks one of the namespaces, or their combination is not allowed",
};

const hints: Partial<Record<SyscallName, Hints>> = {
  mount: mountHints,
  move_mount: {
    ...mountHints,
    [EINVAL]:
      "a directory on a file or a file on a directory; a mount that is locked, or shared where it lies",
  },
  mount_setattr: {
    ...mountHints,
    [ENOSYS]: "needs Linux 5.12",
    [EPERM]: "a flag that is locked by the owner of the mount, or no CAP_SYS_ADMIN here",
  },
  open_tree: {
    ...mountHints,
    [EINVAL]: "not in this mount namespace, unbindable, or with locked mounts below it: bind recursively",
  },
  fsconfig: {
    ...mountHints,
    [EPERM]: `${mountHints[EPERM]}; for mqueue, sysfs, proc also one that owns the IPC, network, PID namespace`,
  },
  fsmount: mountHints,
  fsopen: {
    [EPERM]: mountHints[EPERM] ?? "",
    [ENODEV]: mountHints[ENODEV] ?? "",
    [ENOSYS]: "needs Linux 5.2",
  },
  umount2: { [EINVAL]: "not a mount point, or locked by an outer mount namespace", [EBUSY]: "it is in use" },
  clone: namespaceHints,
  clone3: namespaceHints,
  unshare: namespaceHints,
  setns: { [EINVAL]: "not a descriptor of such a namespace, or one that this process is in already" },
  pivot_root: {
    [EINVAL]:
      "the new root must be a mount point made in this user namespace, neither it nor its parent shared, and the present root not the initramfs",
    [EBUSY]: "the new root must be a mount of its own, other than the present root",
  },
  setgroups: {
    [EPERM]: "in a user namespace made by an ordinary user: --disable-setgroups and --no-clear-groups",
  },
  setresuid: { [EINVAL]: "this uid is not mapped in the user namespace" },
  setresgid: { [EINVAL]: "this gid is not mapped in the user namespace" },
  execve: {
    [ENOENT]: "the program or its interpreter does not exist in this root",
    [E2BIG]: "arguments and environment are too long",
  },
  execveat: { [ENOENT]: "a #! script cannot be executed through a close-on-exec descriptor" },
  openat2: {
    [ELOOP]: "the path has a symlink in it, or is one, where none is allowed",
    [EXDEV]: "the path leaves the directory it must stay below",
    [ENOSYS]: "needs Linux 5.6",
  },
};

/** What is said after a failure of a system call, by error number; undefined if nothing is known. */
export function hintsFor(name: SyscallName): Hints | undefined {
  return hints[name];
}
