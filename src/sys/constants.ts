import { type Arch, nativeArch } from "./arch.ts";

/**
 * The kernel's numbers, grouped by the header that has them. test/sys/headers.test.ts reads the headers' names
 * from the comments above the groups, compiles every constant for both architectures and compares; what is
 * newer than the headers stands, marked, at the end. Kernel headers are preferred to the C library's where both
 * have a name, since programs talk to the kernel.
 *
 * Plain constants are equal on x86_64 and aarch64; those that differ are in `archConstants`. Do not write
 * `import * as` in src: in the bundle each name would be a getter, made at every start (see name-tables.ts).
 */

// <asm/fcntl.h>: open(2), fcntl(F_SETFL); the rest is in archConstants
export const O_ACCMODE = 0o3;
export const O_RDONLY = 0;
export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_DSYNC = 0o10000;
export const FASYNC = 0o20000;
export const O_SYNC = 0o4010000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

// <linux/fcntl.h>: fcntl(2) commands
export const F_DUPFD = 0;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_GETLK = 5;
export const F_SETLK = 6;
export const F_SETLKW = 7;
export const F_SETOWN = 8;
export const F_GETOWN = 9;
export const F_SETSIG = 10;
export const F_GETSIG = 11;
export const F_OFD_GETLK = 36;
export const F_OFD_SETLK = 37;
export const F_OFD_SETLKW = 38;
export const F_SETLEASE = 1024;
export const F_GETLEASE = 1025;
export const F_NOTIFY = 1026;
export const F_DUPFD_CLOEXEC = 1030;
export const F_SETPIPE_SZ = 1031;
export const F_GETPIPE_SZ = 1032;
export const F_ADD_SEALS = 1033;
export const F_GET_SEALS = 1034;

// <linux/fcntl.h>: arguments of fcntl(2)
export const FD_CLOEXEC = 1;
export const F_RDLCK = 0;
export const F_WRLCK = 1;
export const F_UNLCK = 2;

// <linux/fcntl.h>: seals of a memfd, fcntl(F_ADD_SEALS)
export const F_SEAL_SEAL = 0x1;
export const F_SEAL_SHRINK = 0x2;
export const F_SEAL_GROW = 0x4;
export const F_SEAL_WRITE = 0x8;
export const F_SEAL_FUTURE_WRITE = 0x10;

// <linux/fcntl.h>: flock(2)
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const LOCK_UN = 8;

// <linux/fcntl.h>: the directory descriptor of *at calls
export const AT_FDCWD = -100;

// <linux/fcntl.h>: flags of *at calls; some values mean different things to different calls
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EACCESS = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;
export const AT_STATX_SYNC_AS_STAT = 0;
export const AT_STATX_FORCE_SYNC = 0x2000;
export const AT_STATX_DONT_SYNC = 0x4000;
export const AT_RECURSIVE = 0x8000;

// <linux/openat2.h>: open_how.resolve
export const RESOLVE_NO_XDEV = 0x1;
export const RESOLVE_NO_MAGICLINKS = 0x2;
export const RESOLVE_NO_SYMLINKS = 0x4;
export const RESOLVE_BENEATH = 0x8;
export const RESOLVE_IN_ROOT = 0x10;
export const RESOLVE_CACHED = 0x20;

// <sys/stat.h>: file types and permission bits, st_mode
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o60000;
export const S_IFDIR = 0o40000;
export const S_IFCHR = 0o20000;
export const S_IFIFO = 0o10000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
export const S_IRWXU = 0o700;
export const S_IRUSR = 0o400;
export const S_IWUSR = 0o200;
export const S_IXUSR = 0o100;
export const S_IRWXG = 0o70;
export const S_IRGRP = 0o40;
export const S_IWGRP = 0o20;
export const S_IXGRP = 0o10;
export const S_IRWXO = 0o7;
export const S_IROTH = 0o4;
export const S_IWOTH = 0o2;
export const S_IXOTH = 0o1;

// <linux/stat.h>: statx(2) mask
export const STATX_TYPE = 0x1;
export const STATX_MODE = 0x2;
export const STATX_NLINK = 0x4;
export const STATX_UID = 0x8;
export const STATX_GID = 0x10;
export const STATX_ATIME = 0x20;
export const STATX_MTIME = 0x40;
export const STATX_CTIME = 0x80;
export const STATX_INO = 0x100;
export const STATX_SIZE = 0x200;
export const STATX_BLOCKS = 0x400;
export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;
export const STATX_MNT_ID = 0x1000;
export const STATX_DIOALIGN = 0x2000;

// <linux/stat.h>: statx.stx_attributes
export const STATX_ATTR_COMPRESSED = 0x4;
export const STATX_ATTR_IMMUTABLE = 0x10;
export const STATX_ATTR_APPEND = 0x20;
export const STATX_ATTR_NODUMP = 0x40;
export const STATX_ATTR_ENCRYPTED = 0x800;
export const STATX_ATTR_AUTOMOUNT = 0x1000;
export const STATX_ATTR_MOUNT_ROOT = 0x2000;
export const STATX_ATTR_VERITY = 0x100000;
export const STATX_ATTR_DAX = 0x200000;

// <dirent.h>: linux_dirent64.d_type, getdents64(2)
export const DT_UNKNOWN = 0;
export const DT_FIFO = 1;
export const DT_CHR = 2;
export const DT_DIR = 4;
export const DT_BLK = 6;
export const DT_REG = 8;
export const DT_LNK = 10;
export const DT_SOCK = 12;
export const DT_WHT = 14;

// <linux/fs.h>: lseek(2)
export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

// <linux/fs.h>: renameat2(2)
export const RENAME_NOREPLACE = 0x1;
export const RENAME_EXCHANGE = 0x2;
export const RENAME_WHITEOUT = 0x4;

// <linux/fs.h>: ioctls of files
export const FICLONE = 0x40049409;
export const FS_IOC_GETFLAGS = 0x80086601;
export const FS_IOC_SETFLAGS = 0x40086602;

// <linux/falloc.h>: fallocate(2)
export const FALLOC_FL_KEEP_SIZE = 0x1;
export const FALLOC_FL_PUNCH_HOLE = 0x2;
export const FALLOC_FL_ZERO_RANGE = 0x10;

// <linux/xattr.h>: setxattr(2)
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

// <linux/magic.h>: statfs.f_type
export const PROC_SUPER_MAGIC = 0x9fa0;
export const SYSFS_MAGIC = 0x62656572;
export const TMPFS_MAGIC = 0x1021994;
export const RAMFS_MAGIC = 0x858458f6;
export const DEVPTS_SUPER_MAGIC = 0x1cd1;
export const CGROUP_SUPER_MAGIC = 0x27e0eb;
export const CGROUP2_SUPER_MAGIC = 0x63677270;
export const NSFS_MAGIC = 0x6e736673;
export const SOCKFS_MAGIC = 0x534f434b;
export const DEBUGFS_MAGIC = 0x64626720;
export const TRACEFS_MAGIC = 0x74726163;
export const SECURITYFS_MAGIC = 0x73636673;
export const SELINUX_MAGIC = 0xf97cff8c;
export const BPF_FS_MAGIC = 0xcafe4a11;
export const BINFMTFS_MAGIC = 0x42494e4d;
export const EFIVARFS_MAGIC = 0xde5e81e4;
export const PSTOREFS_MAGIC = 0x6165676c;
export const HUGETLBFS_MAGIC = 0x958458f6;
export const FUSE_SUPER_MAGIC = 0x65735546;
export const OVERLAYFS_SUPER_MAGIC = 0x794c7630;
export const SQUASHFS_MAGIC = 0x73717368;
export const EROFS_SUPER_MAGIC_V1 = 0xe0f5e1e2;
export const ISOFS_SUPER_MAGIC = 0x9660;
export const MSDOS_SUPER_MAGIC = 0x4d44;
export const EXT4_SUPER_MAGIC = 0xef53;
export const XFS_SUPER_MAGIC = 0x58465342;
export const BTRFS_SUPER_MAGIC = 0x9123683e;
export const F2FS_SUPER_MAGIC = 0xf2f52010;
export const NFS_SUPER_MAGIC = 0x6969;
export const V9FS_MAGIC = 0x1021997;
export const ANON_INODE_FS_MAGIC = 0x9041934;

// <linux/limits.h>: lengths; PATH_MAX counts the terminating zero byte
export const NAME_MAX = 255;
export const PATH_MAX = 4096;
export const PIPE_BUF = 4096;
export const NGROUPS_MAX = 65536;

// <linux/mount.h>: mount(2)
export const MS_RDONLY = 0x1;
export const MS_NOSUID = 0x2;
export const MS_NODEV = 0x4;
export const MS_NOEXEC = 0x8;
export const MS_SYNCHRONOUS = 0x10;
export const MS_REMOUNT = 0x20;
export const MS_MANDLOCK = 0x40;
export const MS_DIRSYNC = 0x80;
export const MS_NOSYMFOLLOW = 0x100;
export const MS_NOATIME = 0x400;
export const MS_NODIRATIME = 0x800;
export const MS_BIND = 0x1000;
export const MS_MOVE = 0x2000;
export const MS_REC = 0x4000;
export const MS_SILENT = 0x8000;
export const MS_POSIXACL = 0x10000;
export const MS_UNBINDABLE = 0x20000;
export const MS_PRIVATE = 0x40000;
export const MS_SLAVE = 0x80000;
export const MS_SHARED = 0x100000;
export const MS_RELATIME = 0x200000;
export const MS_I_VERSION = 0x800000;
export const MS_STRICTATIME = 0x1000000;
export const MS_LAZYTIME = 0x2000000;

// <sys/mount.h>: umount2(2)
export const MNT_FORCE = 0x1;
export const MNT_DETACH = 0x2;
export const MNT_EXPIRE = 0x4;
export const UMOUNT_NOFOLLOW = 0x8;

// <linux/mount.h>: fsmount(2), mount_setattr(2)
export const MOUNT_ATTR_RDONLY = 0x1;
export const MOUNT_ATTR_NOSUID = 0x2;
export const MOUNT_ATTR_NODEV = 0x4;
export const MOUNT_ATTR_NOEXEC = 0x8;
export const MOUNT_ATTR__ATIME = 0x70;
export const MOUNT_ATTR_RELATIME = 0;
export const MOUNT_ATTR_NOATIME = 0x10;
export const MOUNT_ATTR_STRICTATIME = 0x20;
export const MOUNT_ATTR_NODIRATIME = 0x80;
export const MOUNT_ATTR_IDMAP = 0x100000;
export const MOUNT_ATTR_NOSYMFOLLOW = 0x200000;

// <linux/mount.h> <asm/fcntl.h>: open_tree(2)
export const OPEN_TREE_CLONE = 0x1;
export const OPEN_TREE_CLOEXEC = 0x80000;

// <linux/mount.h>: move_mount(2)
export const MOVE_MOUNT_F_SYMLINKS = 0x1;
export const MOVE_MOUNT_F_AUTOMOUNTS = 0x2;
export const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
export const MOVE_MOUNT_T_SYMLINKS = 0x10;
export const MOVE_MOUNT_T_AUTOMOUNTS = 0x20;
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
export const MOVE_MOUNT_SET_GROUP = 0x100;

// <linux/mount.h>: fsopen(2), fsmount(2), fspick(2)
export const FSOPEN_CLOEXEC = 0x1;
export const FSMOUNT_CLOEXEC = 0x1;
export const FSPICK_CLOEXEC = 0x1;
export const FSPICK_SYMLINK_NOFOLLOW = 0x2;
export const FSPICK_NO_AUTOMOUNT = 0x4;
export const FSPICK_EMPTY_PATH = 0x8;

// <linux/mount.h>: fsconfig(2) commands
export const FSCONFIG_SET_FLAG = 0;
export const FSCONFIG_SET_STRING = 1;
export const FSCONFIG_SET_BINARY = 2;
export const FSCONFIG_SET_PATH = 3;
export const FSCONFIG_SET_PATH_EMPTY = 4;
export const FSCONFIG_SET_FD = 5;
export const FSCONFIG_CMD_CREATE = 6;
export const FSCONFIG_CMD_RECONFIGURE = 7;

// <linux/loop.h>: loop devices
export const LOOP_SET_FD = 0x4c00;
export const LOOP_CLR_FD = 0x4c01;
export const LOOP_CONFIGURE = 0x4c0a;
export const LOOP_CTL_GET_FREE = 0x4c82;
export const LO_FLAGS_READ_ONLY = 0x1;
export const LO_FLAGS_AUTOCLEAR = 0x4;
export const LO_FLAGS_PARTSCAN = 0x8;
export const LO_FLAGS_DIRECT_IO = 0x10;

// <linux/sched.h>: clone(2), clone3(2), unshare(2), setns(2)
export const CLONE_VM = 0x100;
export const CLONE_FS = 0x200;
export const CLONE_FILES = 0x400;
export const CLONE_SIGHAND = 0x800;
export const CLONE_PIDFD = 0x1000;
export const CLONE_PTRACE = 0x2000;
export const CLONE_VFORK = 0x4000;
export const CLONE_PARENT = 0x8000;
export const CLONE_THREAD = 0x10000;
export const CLONE_NEWNS = 0x20000;
export const CLONE_SYSVSEM = 0x40000;
export const CLONE_SETTLS = 0x80000;
export const CLONE_PARENT_SETTID = 0x100000;
export const CLONE_CHILD_CLEARTID = 0x200000;
export const CLONE_UNTRACED = 0x800000;
export const CLONE_CHILD_SETTID = 0x1000000;
export const CLONE_NEWCGROUP = 0x2000000;
export const CLONE_NEWUTS = 0x4000000;
export const CLONE_NEWIPC = 0x8000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;
export const CLONE_IO = 0x80000000;
export const CLONE_NEWTIME = 0x80;
export const CLONE_CLEAR_SIGHAND = 0x100000000;
export const CLONE_INTO_CGROUP = 0x200000000;

// <linux/sched.h>: struct clone_args as it grew: Linux 5.3, 5.5 (set_tid), 5.7 (cgroup)
export const CLONE_ARGS_SIZE_VER0 = 64;
export const CLONE_ARGS_SIZE_VER1 = 80;
export const CLONE_ARGS_SIZE_VER2 = 88;

// <linux/sched.h>: sched_setscheduler(2)
export const SCHED_NORMAL = 0;
export const SCHED_FIFO = 1;
export const SCHED_RR = 2;
export const SCHED_BATCH = 3;
export const SCHED_IDLE = 5;
export const SCHED_DEADLINE = 6;

// <linux/close_range.h>: close_range(2)
export const CLOSE_RANGE_UNSHARE = 0x2;
export const CLOSE_RANGE_CLOEXEC = 0x4;

// <linux/wait.h>: waitid(2), which processes
export const P_ALL = 0;
export const P_PID = 1;
export const P_PGID = 2;
export const P_PIDFD = 3;

// <linux/wait.h>: waitid(2), wait4(2), options
export const WNOHANG = 0x1;
export const WUNTRACED = 0x2;
export const WSTOPPED = 0x2;
export const WEXITED = 0x4;
export const WCONTINUED = 0x8;
export const WNOWAIT = 0x1000000;
export const __WNOTHREAD = 0x20000000;
export const __WALL = 0x40000000;
export const __WCLONE = 0x80000000;

// <asm/siginfo.h>: siginfo.si_code of SIGCHLD
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_DUMPED = 3;
export const CLD_TRAPPED = 4;
export const CLD_STOPPED = 5;
export const CLD_CONTINUED = 6;

// <asm/siginfo.h>: siginfo.si_code of a signal that a process sent
export const SI_USER = 0;
export const SI_KERNEL = 128;
export const SI_QUEUE = -1;
export const SI_TKILL = -6;

// <asm/signal.h>: signals; SIGRTMIN is the kernel's (the C library keeps 32 and 33 for itself)
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGIOT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGSTKFLT = 16;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPOLL = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;
export const SIGRTMIN = 32;

// <signal.h>: the last real-time signal, which is the number of signals
export const SIGRTMAX = 64;

// <asm/signal.h>: rt_sigprocmask(2)
export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;

// <asm/signal.h>: sigaction.sa_handler
export const SIG_DFL = 0;
export const SIG_IGN = 1;

// <asm/signal.h>: sigaction.sa_flags; x86_64 needs SA_RESTORER for a handler that returns
export const SA_NOCLDSTOP = 0x1;
export const SA_NOCLDWAIT = 0x2;
export const SA_SIGINFO = 0x4;
export const SA_RESTORER = 0x4000000;
export const SA_ONSTACK = 0x8000000;
export const SA_RESTART = 0x10000000;
export const SA_NODEFER = 0x40000000;
export const SA_RESETHAND = 0x80000000;

// <linux/signalfd.h>: signalfd4(2)
export const SFD_CLOEXEC = 0x80000;
export const SFD_NONBLOCK = 0x800;

// <linux/prctl.h>: prctl(2)
export const PR_SET_PDEATHSIG = 1;
export const PR_GET_PDEATHSIG = 2;
export const PR_GET_DUMPABLE = 3;
export const PR_SET_DUMPABLE = 4;
export const PR_GET_KEEPCAPS = 7;
export const PR_SET_KEEPCAPS = 8;
export const PR_SET_NAME = 15;
export const PR_GET_NAME = 16;
export const PR_GET_SECCOMP = 21;
export const PR_SET_SECCOMP = 22;
export const PR_CAPBSET_READ = 23;
export const PR_CAPBSET_DROP = 24;
export const PR_GET_TSC = 25;
export const PR_SET_TSC = 26;
export const PR_GET_SECUREBITS = 27;
export const PR_SET_SECUREBITS = 28;
export const PR_SET_TIMERSLACK = 29;
export const PR_GET_TIMERSLACK = 30;
export const PR_SET_MM = 35;
export const PR_SET_CHILD_SUBREAPER = 36;
export const PR_GET_CHILD_SUBREAPER = 37;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_GET_NO_NEW_PRIVS = 39;
export const PR_GET_TID_ADDRESS = 40;
export const PR_SET_THP_DISABLE = 41;
export const PR_GET_THP_DISABLE = 42;
export const PR_CAP_AMBIENT = 47;
export const PR_GET_SPECULATION_CTRL = 52;
export const PR_SET_SPECULATION_CTRL = 53;
export const PR_SET_IO_FLUSHER = 57;
export const PR_GET_IO_FLUSHER = 58;
export const PR_SCHED_CORE = 62;
export const PR_SET_PTRACER = 0x59616d61;

// <linux/prctl.h>: prctl(PR_CAP_AMBIENT)
export const PR_CAP_AMBIENT_IS_SET = 1;
export const PR_CAP_AMBIENT_RAISE = 2;
export const PR_CAP_AMBIENT_LOWER = 3;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;

// <linux/securebits.h>: prctl(PR_SET_SECUREBITS)
export const SECBIT_NOROOT = 0x1;
export const SECBIT_NOROOT_LOCKED = 0x2;
export const SECBIT_NO_SETUID_FIXUP = 0x4;
export const SECBIT_NO_SETUID_FIXUP_LOCKED = 0x8;
export const SECBIT_KEEP_CAPS = 0x10;
export const SECBIT_KEEP_CAPS_LOCKED = 0x20;
export const SECBIT_NO_CAP_AMBIENT_RAISE = 0x40;
export const SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED = 0x80;

// <linux/capability.h>: capabilities(7), bit numbers
export const CAP_CHOWN = 0;
export const CAP_DAC_OVERRIDE = 1;
export const CAP_DAC_READ_SEARCH = 2;
export const CAP_FOWNER = 3;
export const CAP_FSETID = 4;
export const CAP_KILL = 5;
export const CAP_SETGID = 6;
export const CAP_SETUID = 7;
export const CAP_SETPCAP = 8;
export const CAP_LINUX_IMMUTABLE = 9;
export const CAP_NET_BIND_SERVICE = 10;
export const CAP_NET_BROADCAST = 11;
export const CAP_NET_ADMIN = 12;
export const CAP_NET_RAW = 13;
export const CAP_IPC_LOCK = 14;
export const CAP_IPC_OWNER = 15;
export const CAP_SYS_MODULE = 16;
export const CAP_SYS_RAWIO = 17;
export const CAP_SYS_CHROOT = 18;
export const CAP_SYS_PTRACE = 19;
export const CAP_SYS_PACCT = 20;
export const CAP_SYS_ADMIN = 21;
export const CAP_SYS_BOOT = 22;
export const CAP_SYS_NICE = 23;
export const CAP_SYS_RESOURCE = 24;
export const CAP_SYS_TIME = 25;
export const CAP_SYS_TTY_CONFIG = 26;
export const CAP_MKNOD = 27;
export const CAP_LEASE = 28;
export const CAP_AUDIT_WRITE = 29;
export const CAP_AUDIT_CONTROL = 30;
export const CAP_SETFCAP = 31;
export const CAP_MAC_OVERRIDE = 32;
export const CAP_MAC_ADMIN = 33;
export const CAP_SYSLOG = 34;
export const CAP_WAKE_ALARM = 35;
export const CAP_BLOCK_SUSPEND = 36;
export const CAP_AUDIT_READ = 37;
export const CAP_PERFMON = 38;
export const CAP_BPF = 39;
export const CAP_CHECKPOINT_RESTORE = 40;
export const CAP_LAST_CAP = 40;

// <linux/capability.h>: capset(2) header, security.capability attribute
export const _LINUX_CAPABILITY_VERSION_3 = 0x20080522;
export const VFS_CAP_REVISION_2 = 0x2000000;
export const VFS_CAP_REVISION_3 = 0x3000000;
export const VFS_CAP_FLAGS_EFFECTIVE = 0x1;

// <linux/seccomp.h>: seccomp(2)
export const SECCOMP_MODE_DISABLED = 0;
export const SECCOMP_MODE_STRICT = 1;
export const SECCOMP_MODE_FILTER = 2;
export const SECCOMP_SET_MODE_STRICT = 0;
export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_GET_ACTION_AVAIL = 2;
export const SECCOMP_GET_NOTIF_SIZES = 3;

// <linux/seccomp.h>: flags of seccomp(SECCOMP_SET_MODE_FILTER)
export const SECCOMP_FILTER_FLAG_TSYNC = 0x1;
export const SECCOMP_FILTER_FLAG_LOG = 0x2;
export const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 0x4;
export const SECCOMP_FILTER_FLAG_NEW_LISTENER = 0x8;
export const SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 0x10;
export const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 0x20;

// <linux/seccomp.h>: what a filter returns
export const SECCOMP_RET_KILL_PROCESS = 0x80000000;
export const SECCOMP_RET_KILL_THREAD = 0;
export const SECCOMP_RET_TRAP = 0x30000;
export const SECCOMP_RET_ERRNO = 0x50000;
export const SECCOMP_RET_USER_NOTIF = 0x7fc00000;
export const SECCOMP_RET_TRACE = 0x7ff00000;
export const SECCOMP_RET_LOG = 0x7ffc0000;
export const SECCOMP_RET_ALLOW = 0x7fff0000;
export const SECCOMP_RET_DATA = 0xffff;

// <linux/seccomp.h> <linux/ioctl.h>: the supervisor's side
export const SECCOMP_USER_NOTIF_FLAG_CONTINUE = 0x1;
export const SECCOMP_ADDFD_FLAG_SETFD = 0x1;
export const SECCOMP_ADDFD_FLAG_SEND = 0x2;
export const SECCOMP_IOCTL_NOTIF_RECV = 0xc0502100;
export const SECCOMP_IOCTL_NOTIF_SEND = 0xc0182101;
export const SECCOMP_IOCTL_NOTIF_ID_VALID = 0x40082102;
export const SECCOMP_IOCTL_NOTIF_ADDFD = 0x40182103;

// <linux/audit.h>: seccomp_data.arch
export const AUDIT_ARCH_X86_64 = 0xc000003e;
export const AUDIT_ARCH_AARCH64 = 0xc00000b7;

// <linux/filter.h>: classic BPF, the language of seccomp filters
export const BPF_LD = 0;
export const BPF_ALU = 0x4;
export const BPF_JMP = 0x5;
export const BPF_RET = 0x6;
export const BPF_W = 0;
export const BPF_ABS = 0x20;
export const BPF_AND = 0x50;
export const BPF_JA = 0;
export const BPF_JEQ = 0x10;
export const BPF_JGT = 0x20;
export const BPF_JGE = 0x30;
export const BPF_JSET = 0x40;
export const BPF_K = 0;

// <linux/landlock.h>: landlock(7)
export const LANDLOCK_CREATE_RULESET_VERSION = 0x1;
export const LANDLOCK_RULE_PATH_BENEATH = 0x1;
export const LANDLOCK_ACCESS_FS_EXECUTE = 0x1;
export const LANDLOCK_ACCESS_FS_WRITE_FILE = 0x2;
export const LANDLOCK_ACCESS_FS_READ_FILE = 0x4;
export const LANDLOCK_ACCESS_FS_READ_DIR = 0x8;
export const LANDLOCK_ACCESS_FS_REMOVE_DIR = 0x10;
export const LANDLOCK_ACCESS_FS_REMOVE_FILE = 0x20;
export const LANDLOCK_ACCESS_FS_MAKE_CHAR = 0x40;
export const LANDLOCK_ACCESS_FS_MAKE_DIR = 0x80;
export const LANDLOCK_ACCESS_FS_MAKE_REG = 0x100;
export const LANDLOCK_ACCESS_FS_MAKE_SOCK = 0x200;
export const LANDLOCK_ACCESS_FS_MAKE_FIFO = 0x400;
export const LANDLOCK_ACCESS_FS_MAKE_BLOCK = 0x800;
export const LANDLOCK_ACCESS_FS_MAKE_SYM = 0x1000;
export const LANDLOCK_ACCESS_FS_REFER = 0x2000;

// <linux/personality.h>: personality(2)
export const PER_LINUX = 0;
export const PER_LINUX32 = 0x8;
export const ADDR_NO_RANDOMIZE = 0x40000;
export const ADDR_COMPAT_LAYOUT = 0x200000;
export const READ_IMPLIES_EXEC = 0x400000;
export const ADDR_LIMIT_3GB = 0x8000000;
export const SHORT_INODE = 0x1000000;
export const WHOLE_SECONDS = 0x2000000;
export const STICKY_TIMEOUTS = 0x4000000;
export const UNAME26 = 0x20000;

// <linux/keyctl.h>: keyctl(2)
export const KEYCTL_GET_KEYRING_ID = 0;
export const KEYCTL_JOIN_SESSION_KEYRING = 1;
export const KEYCTL_SETPERM = 5;
export const KEY_SPEC_SESSION_KEYRING = -3;

// <linux/kcmp.h>: kcmp(2)
export const KCMP_FILE = 0;
export const KCMP_VM = 1;
export const KCMP_FILES = 2;
export const KCMP_FS = 3;
export const KCMP_SIGHAND = 4;
export const KCMP_IO = 5;
export const KCMP_SYSVSEM = 6;

// <linux/resource.h>: prlimit(2)
export const RLIMIT_CPU = 0;
export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_RSS = 5;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;
export const RLIMIT_AS = 9;
export const RLIMIT_LOCKS = 10;
export const RLIMIT_SIGPENDING = 11;
export const RLIMIT_MSGQUEUE = 12;
export const RLIMIT_NICE = 13;
export const RLIMIT_RTPRIO = 14;
export const RLIMIT_RTTIME = 15;
export const RLIM_NLIMITS = 16;

// <linux/resource.h>: no limit
export const RLIM_INFINITY = 0xffffffffffffffffn;

// <linux/resource.h>: setpriority(2)
export const PRIO_PROCESS = 0;
export const PRIO_PGRP = 1;
export const PRIO_USER = 2;

// <linux/memfd.h>: memfd_create(2)
export const MFD_CLOEXEC = 0x1;
export const MFD_ALLOW_SEALING = 0x2;
export const MFD_HUGETLB = 0x4;

// <linux/mman.h>: mmap(2), mprotect(2)
export const PROT_NONE = 0;
export const PROT_READ = 0x1;
export const PROT_WRITE = 0x2;
export const PROT_EXEC = 0x4;
export const MAP_SHARED = 0x1;
export const MAP_PRIVATE = 0x2;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_GROWSDOWN = 0x100;
export const MAP_LOCKED = 0x2000;
export const MAP_NORESERVE = 0x4000;
export const MAP_POPULATE = 0x8000;
export const MAP_STACK = 0x20000;
export const MAP_FIXED_NOREPLACE = 0x100000;

// <linux/mman.h>: madvise(2)
export const MADV_NORMAL = 0;
export const MADV_WILLNEED = 3;
export const MADV_DONTNEED = 4;
export const MADV_FREE = 8;
export const MADV_DONTFORK = 10;
export const MADV_DOFORK = 11;
export const MADV_DONTDUMP = 16;

// <linux/ipc.h>: System V IPC
export const IPC_PRIVATE = 0;
export const IPC_RMID = 0;
export const IPC_SET = 1;
export const IPC_STAT = 2;

// <linux/ipc.h>: flags of shmget(2) and its kin
export const IPC_CREAT = 0o1000;
export const IPC_EXCL = 0o2000;
export const IPC_NOWAIT = 0o4000;

// <linux/shm.h>: shmat(2), shmget(2)
export const SHM_RDONLY = 0o10000;
export const SHM_RND = 0o20000;
export const SHM_REMAP = 0o40000;
export const SHM_EXEC = 0o100000;
export const SHM_NORESERVE = 0o10000;

// <linux/time.h>: clocks and interval timers
export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME_ID = 2;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const CLOCK_MONOTONIC_RAW = 4;
export const CLOCK_BOOTTIME = 7;
export const CLOCK_TAI = 11;
export const TIMER_ABSTIME = 1;
export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;

// <linux/timerfd.h>: timerfd_create(2), timerfd_settime(2)
export const TFD_CLOEXEC = 0x80000;
export const TFD_NONBLOCK = 0x800;
export const TFD_TIMER_ABSTIME = 0x1;
export const TFD_TIMER_CANCEL_ON_SET = 0x2;

// <sys/eventfd.h>: eventfd2(2)
export const EFD_SEMAPHORE = 0x1;
export const EFD_CLOEXEC = 0x80000;
export const EFD_NONBLOCK = 0x800;

// <asm/poll.h>: ppoll(2)
export const POLLIN = 0x1;
export const POLLPRI = 0x2;
export const POLLOUT = 0x4;
export const POLLERR = 0x8;
export const POLLHUP = 0x10;
export const POLLNVAL = 0x20;
export const POLLRDHUP = 0x2000;

// <linux/eventpoll.h>: epoll_create1(2), epoll_event.events
export const EPOLL_CLOEXEC = 0x80000;
export const EPOLLIN = 0x1;
export const EPOLLPRI = 0x2;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE = 0x10000000;
export const EPOLLWAKEUP = 0x20000000;
export const EPOLLONESHOT = 0x40000000;
export const EPOLLET = 0x80000000;

// <linux/eventpoll.h>: epoll_ctl(2)
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

// <linux/inotify.h>: inotify(7)
export const IN_ACCESS = 0x1;
export const IN_MODIFY = 0x2;
export const IN_ATTRIB = 0x4;
export const IN_CLOSE_WRITE = 0x8;
export const IN_CLOSE_NOWRITE = 0x10;
export const IN_OPEN = 0x20;
export const IN_MOVED_FROM = 0x40;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
export const IN_UNMOUNT = 0x2000;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_IGNORED = 0x8000;
export const IN_ONLYDIR = 0x1000000;
export const IN_DONT_FOLLOW = 0x2000000;
export const IN_EXCL_UNLINK = 0x4000000;
export const IN_MASK_CREATE = 0x10000000;
export const IN_MASK_ADD = 0x20000000;
export const IN_ISDIR = 0x40000000;
export const IN_ONESHOT = 0x80000000;
export const IN_CLOEXEC = 0x80000;
export const IN_NONBLOCK = 0x800;

// <linux/fs.h>: preadv2(2), pwritev2(2)
export const RWF_NOWAIT = 0x8;

// <fcntl.h>: splice(2)
export const SPLICE_F_MOVE = 0x1;
export const SPLICE_F_NONBLOCK = 0x2;
export const SPLICE_F_MORE = 0x4;

// <linux/random.h>: getrandom(2)
export const GRND_NONBLOCK = 0x1;
export const GRND_RANDOM = 0x2;
export const GRND_INSECURE = 0x4;

// <linux/reboot.h>: reboot(2)
export const LINUX_REBOOT_MAGIC1 = 0xfee1dead;
export const LINUX_REBOOT_MAGIC2 = 0x28121969;
export const LINUX_REBOOT_CMD_RESTART = 0x1234567;
export const LINUX_REBOOT_CMD_HALT = 0xcdef0123;
export const LINUX_REBOOT_CMD_CAD_ON = 0x89abcdef;
export const LINUX_REBOOT_CMD_CAD_OFF = 0;
export const LINUX_REBOOT_CMD_POWER_OFF = 0x4321fedc;
export const LINUX_REBOOT_CMD_RESTART2 = 0xa1b2c3d4;
export const LINUX_REBOOT_CMD_SW_SUSPEND = 0xd000fce2;
export const LINUX_REBOOT_CMD_KEXEC = 0x45584543;

// <sys/socket.h>: address families
export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const AF_ALG = 38;
export const AF_VSOCK = 40;
export const AF_XDP = 44;

// <sys/socket.h>: socket types
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_RDM = 4;
export const SOCK_SEQPACKET = 5;

// <sys/socket.h>: flags of socket(2), accept4(2)
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x80000;

// <sys/socket.h>: setsockopt(2) levels
export const SOL_SOCKET = 1;
export const SOL_PACKET = 263;
export const SOL_NETLINK = 270;

// <asm/socket.h>: socket(7) options
export const SO_DEBUG = 1;
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_DONTROUTE = 5;
export const SO_BROADCAST = 6;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const SO_OOBINLINE = 10;
export const SO_PRIORITY = 12;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
export const SO_PASSCRED = 16;
export const SO_PEERCRED = 17;
export const SO_RCVLOWAT = 18;
export const SO_SNDLOWAT = 19;
export const SO_BINDTODEVICE = 25;
export const SO_PEERNAME = 28;
export const SO_ACCEPTCONN = 30;
export const SO_PEERSEC = 31;
export const SO_SNDBUFFORCE = 32;
export const SO_PASSSEC = 34;
export const SO_RCVBUFFORCE = 33;
export const SO_MARK = 36;
export const SO_PROTOCOL = 38;
export const SO_DOMAIN = 39;
export const SO_PEEK_OFF = 42;
export const SO_INCOMING_CPU = 49;
export const SO_PEERGROUPS = 59;
export const SO_COOKIE = 57;

// <sys/socket.h>: control messages, unix(7)
export const SCM_RIGHTS = 1;
export const SCM_CREDENTIALS = 2;

// <sys/socket.h>: send(2), recv(2)
export const MSG_OOB = 0x1;
export const MSG_PEEK = 0x2;
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_WAITALL = 0x100;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_MORE = 0x8000;
export const MSG_CMSG_CLOEXEC = 0x40000000;

// <sys/socket.h>: shutdown(2), listen(2)
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;
export const SOMAXCONN = 4096;

// <linux/un.h>: sockaddr_un.sun_path
export const UNIX_PATH_MAX = 108;

// <linux/in.h>: protocols, which are also setsockopt(2) levels
export const IPPROTO_IP = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_SCTP = 132;
export const IPPROTO_RAW = 255;

// <linux/in.h>: ip(7) options
export const IP_TOS = 1;
export const IP_TTL = 2;
export const IP_FREEBIND = 15;
export const IP_TRANSPARENT = 19;
export const IP_BIND_ADDRESS_NO_PORT = 24;

// <linux/in6.h>: ipv6(7) protocol and options
export const IPPROTO_ICMPV6 = 58;
export const IPV6_V6ONLY = 26;
export const IPV6_TRANSPARENT = 75;
export const IPV6_FREEBIND = 78;

// <linux/tcp.h>: tcp(7) options
export const TCP_NODELAY = 1;
export const TCP_MAXSEG = 2;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_SYNCNT = 7;
export const TCP_DEFER_ACCEPT = 9;
export const TCP_USER_TIMEOUT = 18;
export const TCP_FASTOPEN = 23;

// <sys/socket.h> <linux/vm_sockets.h>: vsock(7)
export const VMADDR_CID_ANY = 0xffffffff;
export const VMADDR_CID_HYPERVISOR = 0;
export const VMADDR_CID_LOCAL = 0x1;
export const VMADDR_CID_HOST = 0x2;
export const VMADDR_PORT_ANY = 0xffffffff;

// <linux/netlink.h>: netlink(7) protocols
export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_AUDIT = 9;
export const NETLINK_NETFILTER = 12;
export const NETLINK_KOBJECT_UEVENT = 15;
export const NETLINK_GENERIC = 16;

// <linux/if.h>: network interfaces, netdevice(7)
export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_LOOPBACK = 0x8;
export const IFF_RUNNING = 0x40;
export const IFNAMSIZ = 16;

// <linux/sockios.h>: ioctls of sockets
export const SIOCGIFNAME = 0x8910;
export const SIOCGIFFLAGS = 0x8913;
export const SIOCSIFFLAGS = 0x8914;
export const SIOCGIFINDEX = 0x8933;
export const SIOCGSKNS = 0x894c;

// <linux/if_tun.h> <linux/ioctl.h>: tun devices
export const TUNSETIFF = 0x400454ca;
export const TUNSETPERSIST = 0x400454cb;
export const TUNSETOWNER = 0x400454cc;
export const TUNSETGROUP = 0x400454ce;
export const TUNGETIFF = 0x800454d2;
export const IFF_TUN = 0x1;
export const IFF_TAP = 0x2;
export const IFF_NO_PI = 0x1000;
export const IFF_VNET_HDR = 0x4000;
export const IFF_MULTI_QUEUE = 0x100;

// <asm/ioctls.h> <linux/ioctl.h>: ioctls of terminals, ioctl_tty(2), and of all descriptors
export const TCGETS = 0x5401;
export const TCSETS = 0x5402;
export const TCSETSW = 0x5403;
export const TCSETSF = 0x5404;
export const TCSBRK = 0x5409;
export const TCXONC = 0x540a;
export const TCFLSH = 0x540b;
export const TIOCEXCL = 0x540c;
export const TIOCNXCL = 0x540d;
export const TIOCSCTTY = 0x540e;
export const TIOCNOTTY = 0x5422;
export const TIOCGPGRP = 0x540f;
export const TIOCSPGRP = 0x5410;
export const TIOCGSID = 0x5429;
export const TIOCOUTQ = 0x5411;
export const TIOCSTI = 0x5412;
export const TIOCGWINSZ = 0x5413;
export const TIOCSWINSZ = 0x5414;
export const TIOCCONS = 0x541d;
export const TIOCPKT = 0x5420;
export const TIOCGPTN = 0x80045430;
export const TIOCSPTLCK = 0x40045431;
export const TIOCGPTPEER = 0x5441;
export const TIOCVHANGUP = 0x5437;
export const FIONREAD = 0x541b;
export const FIONBIO = 0x5421;
export const FIONCLEX = 0x5450;
export const FIOCLEX = 0x5451;

// <asm/ioctls.h> <asm/termbits.h>: arguments of TCFLSH
export const TCIFLUSH = 0;
export const TCOFLUSH = 1;
export const TCIOFLUSH = 2;

// <asm/termbits.h>: termios.c_iflag
export const IGNBRK = 0o1;
export const BRKINT = 0o2;
export const IGNPAR = 0o4;
export const PARMRK = 0o10;
export const INPCK = 0o20;
export const ISTRIP = 0o40;
export const INLCR = 0o100;
export const IGNCR = 0o200;
export const ICRNL = 0o400;
export const IXON = 0o2000;
export const IXANY = 0o4000;
export const IXOFF = 0o10000;
export const IMAXBEL = 0o20000;
export const IUTF8 = 0o40000;

// <asm/termbits.h>: termios.c_oflag
export const OPOST = 0o1;
export const ONLCR = 0o4;
export const OCRNL = 0o10;
export const ONOCR = 0o20;
export const ONLRET = 0o40;

// <asm/termbits.h>: termios.c_cflag
export const CSIZE = 0o60;
export const CS8 = 0o60;
export const CSTOPB = 0o100;
export const CREAD = 0o200;
export const PARENB = 0o400;
export const HUPCL = 0o2000;
export const CLOCAL = 0o4000;

// <asm/termbits.h>: termios.c_lflag
export const ISIG = 0o1;
export const ICANON = 0o2;
export const ECHO = 0o10;
export const ECHOE = 0o20;
export const ECHOK = 0o40;
export const ECHONL = 0o100;
export const NOFLSH = 0o200;
export const TOSTOP = 0o400;
export const ECHOCTL = 0o1000;
export const ECHOKE = 0o4000;
export const IEXTEN = 0o100000;

// <asm/termbits.h>: termios.c_cc
export const VINTR = 0;
export const VQUIT = 1;
export const VERASE = 2;
export const VKILL = 3;
export const VEOF = 4;
export const VTIME = 5;
export const VMIN = 6;
export const VSTART = 8;
export const VSTOP = 9;
export const VSUSP = 10;
export const NCCS = 19;

// <linux/nsfs.h>: ioctl_ns(2)
export const NS_GET_USERNS = 0xb701;
export const NS_GET_PARENT = 0xb702;
export const NS_GET_NSTYPE = 0xb703;
export const NS_GET_OWNER_UID = 0xb704;

// <linux/pidfd.h> <asm/fcntl.h>: pidfd_open(2)
export const PIDFD_NONBLOCK = 0o4000;

// <linux/ptrace.h>: ptrace(2)
export const PTRACE_TRACEME = 0;
export const PTRACE_CONT = 7;
export const PTRACE_DETACH = 17;
export const PTRACE_SEIZE = 16902;
export const PTRACE_INTERRUPT = 16903;
export const PTRACE_GETREGSET = 16900;
export const PTRACE_SETOPTIONS = 16896;

// Newer than the headers of Debian 12 (Linux 6.1). The test insists that these are really absent from the
// headers named, so that a name moves up as soon as they have it.

// <linux/landlock.h>, since Linux 6.2
export const LANDLOCK_ACCESS_FS_TRUNCATE = 0x4000;

// <linux/memfd.h>, since Linux 6.3: memfd_create(2)
export const MFD_NOEXEC_SEAL = 0x8;
export const MFD_EXEC = 0x10;

// <linux/fcntl.h>, since Linux 6.3: a seal that keeps the execute bits as they are
export const F_SEAL_EXEC = 0x20;

// <linux/prctl.h>, since Linux 6.3: prctl(2), memory that is never writable and executable
export const PR_SET_MDWE = 65;
export const PR_GET_MDWE = 66;
export const PR_MDWE_REFUSE_EXEC_GAIN = 1;

// <linux/mount.h>, since Linux 6.5: move_mount(2) under the topmost mount
export const MOVE_MOUNT_BENEATH = 0x200;

// <asm/socket.h>, since Linux 6.5
export const SO_PASSPIDFD = 76;
export const SO_PEERPIDFD = 77;

// <sys/socket.h>, since Linux 6.5: control message of SO_PASSPIDFD
export const SCM_PIDFD = 4;

// <linux/mount.h>, since Linux 6.6: fsconfig(2), fails with EBUSY instead of sharing a superblock
export const FSCONFIG_CMD_CREATE_EXCL = 8;

// <linux/seccomp.h> <linux/ioctl.h>, since Linux 6.6
export const SECCOMP_IOCTL_NOTIF_SET_FLAGS = 0x40082104;
export const SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP = 0x1;

// <linux/landlock.h>, since Linux 6.7
export const LANDLOCK_RULE_NET_PORT = 2;
export const LANDLOCK_ACCESS_NET_BIND_TCP = 0x1;
export const LANDLOCK_ACCESS_NET_CONNECT_TCP = 0x2;

// <linux/mount.h>, since Linux 6.8: statmount(2) mask, listmount(2)
export const STATMOUNT_SB_BASIC = 0x1;
export const STATMOUNT_MNT_BASIC = 0x2;
export const STATMOUNT_PROPAGATE_FROM = 0x4;
export const STATMOUNT_MNT_ROOT = 0x8;
export const STATMOUNT_MNT_POINT = 0x10;
export const STATMOUNT_FS_TYPE = 0x20;
export const LSMT_ROOT = 0xffffffffffffffffn;

// <linux/stat.h>, since Linux 6.8: statx(2) mask, the mount id that statmount(2) takes
export const STATX_MNT_ID_UNIQUE = 0x4000;

// <linux/magic.h>, since Linux 6.9: statfs.f_type of a pidfd
export const PID_FS_MAGIC = 0x50494446;

// <linux/pidfd.h> <asm/fcntl.h>, since Linux 6.9: pidfd_open(2), pidfd_send_signal(2)
export const PIDFD_THREAD = 0o200;
export const PIDFD_SIGNAL_THREAD = 0x1;
export const PIDFD_SIGNAL_THREAD_GROUP = 0x2;
export const PIDFD_SIGNAL_PROCESS_GROUP = 0x4;

// <linux/fcntl.h>, since Linux 6.10: fcntl(2), are two descriptors the same open file description
export const F_DUPFD_QUERY = 1027;

// <linux/landlock.h>, since Linux 6.10
export const LANDLOCK_ACCESS_FS_IOCTL_DEV = 0x8000;

// <linux/nsfs.h> <linux/ioctl.h>, since Linux 6.11: ioctl_ns(2), the number of a mount namespace
export const NS_MNT_GET_ID = 0x8008b705;

// <linux/nsfs.h> <linux/ioctl.h>, since Linux 6.11: ioctl_ns(2), ids of processes in another pid namespace
export const NS_GET_PID_FROM_PIDNS = 0x8004b706;
export const NS_GET_TGID_FROM_PIDNS = 0x8004b707;
export const NS_GET_PID_IN_PIDNS = 0x8004b708;
export const NS_GET_TGID_IN_PIDNS = 0x8004b709;

// <linux/mount.h>, since Linux 6.11: statmount(2) mask, listmount(2)
export const STATMOUNT_MNT_NS_ID = 0x40;
export const STATMOUNT_MNT_OPTS = 0x80;
export const LISTMOUNT_REVERSE = 0x1;

// <linux/pidfd.h> <linux/ioctl.h>, since Linux 6.11: a namespace of a process, by its pidfd
export const PIDFD_GET_CGROUP_NAMESPACE = 0xff01;
export const PIDFD_GET_IPC_NAMESPACE = 0xff02;
export const PIDFD_GET_MNT_NAMESPACE = 0xff03;
export const PIDFD_GET_NET_NAMESPACE = 0xff04;
export const PIDFD_GET_PID_NAMESPACE = 0xff05;
export const PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE = 0xff06;
export const PIDFD_GET_TIME_NAMESPACE = 0xff07;
export const PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE = 0xff08;
export const PIDFD_GET_USER_NAMESPACE = 0xff09;
export const PIDFD_GET_UTS_NAMESPACE = 0xff0a;

// <linux/nsfs.h> <linux/ioctl.h>, since Linux 6.12: ioctl_ns(2), mount namespaces
export const NS_GET_MNTNS_ID = 0x8008b705;
export const NS_MNT_GET_INFO = 0x8010b70a;
export const NS_MNT_GET_NEXT = 0x8010b70b;
export const NS_MNT_GET_PREV = 0x8010b70c;

// <linux/landlock.h>, since Linux 6.12
export const LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 0x1;
export const LANDLOCK_SCOPE_SIGNAL = 0x2;

// <linux/fcntl.h>, since Linux 6.12: name_to_handle_at(2)
export const AT_HANDLE_MNT_ID_UNIQUE = 0x1;

// <linux/mount.h>, since Linux 6.13: statmount(2) mask
export const STATMOUNT_FS_SUBTYPE = 0x100;
export const STATMOUNT_SB_SOURCE = 0x200;
export const STATMOUNT_OPT_ARRAY = 0x400;
export const STATMOUNT_OPT_SEC_ARRAY = 0x800;

// <linux/pidfd.h> <linux/ioctl.h>, since Linux 6.13: what is known of a process, by its pidfd
export const PIDFD_GET_INFO = 0xc040ff0b;
export const PIDFD_INFO_PID = 0x1;

// <linux/fcntl.h>, since Linux 6.14: execveat(2), would this file be allowed to run
export const AT_EXECVE_CHECK = 0x10000;

// <linux/securebits.h>, since Linux 6.14: what interpreters should ask AT_EXECVE_CHECK about
export const SECBIT_EXEC_RESTRICT_FILE = 0x100;
export const SECBIT_EXEC_RESTRICT_FILE_LOCKED = 0x200;
export const SECBIT_EXEC_DENY_INTERACTIVE = 0x400;
export const SECBIT_EXEC_DENY_INTERACTIVE_LOCKED = 0x800;

// <asm/socket.h>, since Linux 6.16: refuse descriptors in SCM_RIGHTS
export const SO_PASSRIGHTS = 83;

/** Numbers that x86_64 and aarch64 have under the same name but with different values. */
export interface ArchConstants {
  readonly O_DIRECT: number;
  readonly O_LARGEFILE: number;
  readonly O_DIRECTORY: number;
  readonly O_NOFOLLOW: number;
  /** An unnamed file; contains O_DIRECTORY's bit, hence differs too. */
  readonly O_TMPFILE: number;
}

// <asm/fcntl.h>
/** Flags of open(2) that aarch64 took over from 32-bit arm. */
export const archConstants: Readonly<Record<Arch, ArchConstants>> = {
  get x86_64() {
    return {
      O_DIRECT: 0o40000,
      O_LARGEFILE: 0o100000,
      O_DIRECTORY: 0o200000,
      O_NOFOLLOW: 0o400000,
      O_TMPFILE: 0o20200000,
    };
  },
  get aarch64() {
    return {
      O_DIRECT: 0o200000,
      O_LARGEFILE: 0o400000,
      O_DIRECTORY: 0o40000,
      O_NOFOLLOW: 0o100000,
      O_TMPFILE: 0o20040000,
    };
  },
};

/** Those of this machine, for programs that are to run on it. */
export const { O_DIRECT, O_LARGEFILE, O_DIRECTORY, O_NOFOLLOW, O_TMPFILE } = archConstants[nativeArch()];

/**
 * Signal names as users write them: without SIG, in lower case. Real-time signals are counted from SIGRTMIN.
 * This table and the next two are made when asked for, since each name would cost every start a microsecond.
 * Look up what users wrote with Object.hasOwn: "constructor" is no signal.
 */
export function signalNumbers(): Readonly<Record<string, number>> {
  return {
    hup: SIGHUP,
    int: SIGINT,
    quit: SIGQUIT,
    ill: SIGILL,
    trap: SIGTRAP,
    abrt: SIGABRT,
    iot: SIGIOT,
    bus: SIGBUS,
    fpe: SIGFPE,
    kill: SIGKILL,
    usr1: SIGUSR1,
    segv: SIGSEGV,
    usr2: SIGUSR2,
    pipe: SIGPIPE,
    alrm: SIGALRM,
    term: SIGTERM,
    stkflt: SIGSTKFLT,
    chld: SIGCHLD,
    cld: SIGCHLD,
    cont: SIGCONT,
    stop: SIGSTOP,
    tstp: SIGTSTP,
    ttin: SIGTTIN,
    ttou: SIGTTOU,
    urg: SIGURG,
    xcpu: SIGXCPU,
    xfsz: SIGXFSZ,
    vtalrm: SIGVTALRM,
    prof: SIGPROF,
    winch: SIGWINCH,
    io: SIGIO,
    poll: SIGPOLL,
    pwr: SIGPWR,
    sys: SIGSYS,
  };
}

/** Capability names as users write them: without CAP_, in lower case. */
export function capabilityNumbers(): Readonly<Record<string, number>> {
  return {
    chown: CAP_CHOWN,
    dac_override: CAP_DAC_OVERRIDE,
    dac_read_search: CAP_DAC_READ_SEARCH,
    fowner: CAP_FOWNER,
    fsetid: CAP_FSETID,
    kill: CAP_KILL,
    setgid: CAP_SETGID,
    setuid: CAP_SETUID,
    setpcap: CAP_SETPCAP,
    linux_immutable: CAP_LINUX_IMMUTABLE,
    net_bind_service: CAP_NET_BIND_SERVICE,
    net_broadcast: CAP_NET_BROADCAST,
    net_admin: CAP_NET_ADMIN,
    net_raw: CAP_NET_RAW,
    ipc_lock: CAP_IPC_LOCK,
    ipc_owner: CAP_IPC_OWNER,
    sys_module: CAP_SYS_MODULE,
    sys_rawio: CAP_SYS_RAWIO,
    sys_chroot: CAP_SYS_CHROOT,
    sys_ptrace: CAP_SYS_PTRACE,
    sys_pacct: CAP_SYS_PACCT,
    sys_admin: CAP_SYS_ADMIN,
    sys_boot: CAP_SYS_BOOT,
    sys_nice: CAP_SYS_NICE,
    sys_resource: CAP_SYS_RESOURCE,
    sys_time: CAP_SYS_TIME,
    sys_tty_config: CAP_SYS_TTY_CONFIG,
    mknod: CAP_MKNOD,
    lease: CAP_LEASE,
    audit_write: CAP_AUDIT_WRITE,
    audit_control: CAP_AUDIT_CONTROL,
    setfcap: CAP_SETFCAP,
    mac_override: CAP_MAC_OVERRIDE,
    mac_admin: CAP_MAC_ADMIN,
    syslog: CAP_SYSLOG,
    wake_alarm: CAP_WAKE_ALARM,
    block_suspend: CAP_BLOCK_SUSPEND,
    audit_read: CAP_AUDIT_READ,
    perfmon: CAP_PERFMON,
    bpf: CAP_BPF,
    checkpoint_restore: CAP_CHECKPOINT_RESTORE,
  };
}

/** Resource limits as users write them: the name of the constant, or the letter of the shell's ulimit. */
export function rlimitNumbers(): Readonly<Record<string, number>> {
  return {
    as: RLIMIT_AS,
    v: RLIMIT_AS,
    core: RLIMIT_CORE,
    c: RLIMIT_CORE,
    cpu: RLIMIT_CPU,
    t: RLIMIT_CPU,
    data: RLIMIT_DATA,
    d: RLIMIT_DATA,
    fsize: RLIMIT_FSIZE,
    f: RLIMIT_FSIZE,
    locks: RLIMIT_LOCKS,
    x: RLIMIT_LOCKS,
    memlock: RLIMIT_MEMLOCK,
    l: RLIMIT_MEMLOCK,
    msgqueue: RLIMIT_MSGQUEUE,
    q: RLIMIT_MSGQUEUE,
    nice: RLIMIT_NICE,
    e: RLIMIT_NICE,
    nofile: RLIMIT_NOFILE,
    n: RLIMIT_NOFILE,
    nproc: RLIMIT_NPROC,
    u: RLIMIT_NPROC,
    rss: RLIMIT_RSS,
    m: RLIMIT_RSS,
    rtprio: RLIMIT_RTPRIO,
    r: RLIMIT_RTPRIO,
    rttime: RLIMIT_RTTIME,
    y: RLIMIT_RTTIME,
    sigpending: RLIMIT_SIGPENDING,
    i: RLIMIT_SIGPENDING,
    stack: RLIMIT_STACK,
    s: RLIMIT_STACK,
  };
}
