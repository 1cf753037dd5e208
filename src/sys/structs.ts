import type { Arch } from "./arch.ts";

/**
 * Layouts of the kernel's structures as field lists, from which offsets, sizes, packing and unpacking follow.
 *
 * The comment above a layout names the C type and the header; test/sys/headers.test.ts reads it there, and
 * compares size and offsets with what the compilers of both architectures say. Field names are the C ones (with
 * a dot into a nested structure), so that the comparison can be made; a name that begins with `__` is padding.
 * Pointers are u64. x86_64 and aarch64 are both little endian; `be16` and `be32` are in network order.
 */

/** A field's type; arrays have a third element in their field, the number of elements. */
export type Scalar = "u8" | "u16" | "u32" | "u64" | "i16" | "i32" | "i64" | "be16" | "be32";
export type Field = readonly [name: string, type: Scalar, count?: number];

/** Deviations from the C rules: no padding between fields; a size that counts a tail the fields do not name. */
export interface LayoutOptions {
  readonly packed?: boolean;
  readonly size?: number;
}

type Element<F extends Field> = F[1] extends "u64" | "i64" ? bigint : number;
type IsArray<F extends Field> = F extends readonly [string, Scalar, number] ? true : false;
type Packable<F extends Field> =
  IsArray<F> extends true ? ArrayLike<Element<F> | number> : Element<F> | number;
type Unpacked<F extends Field> = IsArray<F> extends true ? Element<F>[] : Element<F>;

/** Any field's value, where the types of a particular layout are out of sight. */
type AnyValue = number | bigint | ArrayLike<number | bigint>;

/** What `pack` takes: fields left out are zero, and so is the rest of an array that is too short. */
export type PackValues<Fields extends readonly Field[]> = {
  readonly [F in Fields[number] as F[0]]?: Packable<F> | undefined;
};
/** What `unpack` gives. */
export type UnpackedValues<Fields extends readonly Field[]> = {
  [F in Fields[number] as F[0]]: Unpacked<F>;
};

/** A field and where it is. */
interface Placed {
  readonly name: string;
  readonly type: Scalar;
  readonly offset: number;
  readonly width: number;
  readonly count: number | undefined;
}

/*
 * Programs pack structures at every start of ctrtool, when nothing of the engine is warm: the first forEach,
 * map, find or startsWith costs 30 to 90 microseconds each, as much as everything here. Hence plain loops.
 */

/** A structure; made by `struct`. */
export class Struct<Fields extends readonly Field[]> {
  private readonly list: () => Fields;
  private readonly options: LayoutOptions | undefined;
  private placed: Placed[] | undefined;
  private bytes = 0;

  constructor(list: () => Fields, options: LayoutOptions | undefined) {
    this.list = list;
    this.options = options;
  }

  get fields(): Fields {
    return this.list();
  }

  /** Bytes, as C's sizeof. */
  get size(): number {
    this.place();
    return this.bytes;
  }

  /** Bytes from the start, as C's offsetof. */
  offset(name: Fields[number][0]): number {
    for (const field of this.place()) if (field.name === name) return field.offset;
    throw new RangeError(`no field ${name}`);
  }

  /** One structure. Throws RangeError if a value does not fit its field: that is a mistake of the caller's. */
  pack(values: PackValues<Fields>): Uint8Array {
    return this.packAll([values]);
  }

  /** An array of structures. Throws as `pack`. */
  packAll(items: readonly PackValues<Fields>[]): Uint8Array {
    const fields = this.place();
    const bytes = new Uint8Array(this.bytes * items.length);
    const view = new DataView(bytes.buffer);
    let start = 0;
    for (const item of items) {
      const values: Readonly<Record<string, AnyValue | undefined>> = item;
      for (const field of fields) {
        const value = values[field.name];
        if (value !== undefined) writeField(view, start, field, value);
      }
      start += this.bytes;
    }
    return bytes;
  }

  /** The structure at `at` bytes into `bytes`. Throws RangeError if `bytes` ends within it. */
  unpack(bytes: Uint8Array, at = 0): UnpackedValues<Fields> {
    const fields = this.place();
    if (bytes.length - at < this.bytes) throw new RangeError(`structure cut short at ${bytes.length} bytes`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const values: Record<string, AnyValue> = {};
    for (const field of fields) values[field.name] = readField(view, at, field);
    return values as UnpackedValues<Fields>;
  }

  /** Offsets by the rules of C, and the size. */
  private place(): readonly Placed[] {
    if (this.placed) return this.placed;
    const placed: Placed[] = [];
    let end = 0;
    let alignment = 1;
    for (const [name, type, count] of this.list()) {
      const width = widthOf(type);
      const multiple = this.options?.packed ? 1 : width;
      if (multiple > alignment) alignment = multiple;
      const offset = roundUp(end, multiple);
      end = offset + width * (count ?? 1);
      placed.push({ name, type, offset, width, count });
    }
    this.bytes = this.options?.size ?? roundUp(end, alignment);
    this.placed = placed;
    return placed;
  }
}

/**
 * A structure with these fields, laid out by the C rules of both architectures: each at a multiple of its width.
 * The fields are given by a function, called at first use: three dozen lists built at every start of ctrtool
 * would take a tenth of its time.
 */
export function struct<const Fields extends readonly Field[]>(
  fields: () => Fields,
  options?: LayoutOptions,
): Struct<Fields> {
  return new Struct(fields, options);
}

function widthOf(type: Scalar): number {
  switch (type) {
    case "u8":
      return 1;
    case "u16":
    case "i16":
    case "be16":
      return 2;
    case "u32":
    case "i32":
    case "be32":
      return 4;
    case "u64":
    case "i64":
      return 8;
  }
}

function roundUp(value: number, multiple: number): number {
  return value + ((multiple - (value % multiple)) % multiple);
}

function writeField(view: DataView, at: number, field: Placed, value: AnyValue): void {
  const start = at + field.offset;
  if (typeof value !== "object") {
    writeScalar(view, start, field, value);
    return;
  }
  const { name, width, count = 1 } = field;
  if (value.length > count) throw new RangeError(`${name} has ${count} elements, not ${value.length}`);
  for (let index = 0; index < value.length; index++) {
    writeScalar(view, start + width * index, field, value[index] ?? 0);
  }
}

function writeScalar(
  view: DataView,
  start: number,
  { name, type, width }: Placed,
  value: number | bigint,
): void {
  const wide = BigInt(value);
  const fitting = type[0] === "i" ? BigInt.asIntN(8 * width, wide) : BigInt.asUintN(8 * width, wide);
  if (fitting !== wide) throw new RangeError(`${name}: ${value} does not fit ${type}`);
  const little = type[0] !== "b";
  // What fits has been seen; the setters cut a negative number down to its low bits.
  if (width === 8) view.setBigUint64(start, wide, little);
  else if (width === 4) view.setUint32(start, Number(wide), little);
  else if (width === 2) view.setUint16(start, Number(wide), little);
  else view.setUint8(start, Number(wide));
}

function readField(view: DataView, at: number, { type, offset, width, count }: Placed): AnyValue {
  const start = at + offset;
  if (count === undefined) return readScalar(view, start, type);
  const elements: (number | bigint)[] = [];
  for (let index = 0; index < count; index++) elements.push(readScalar(view, start + width * index, type));
  return elements;
}

function readScalar(view: DataView, start: number, type: Scalar): number | bigint {
  switch (type) {
    case "u8":
      return view.getUint8(start);
    case "u16":
      return view.getUint16(start, true);
    case "be16":
      return view.getUint16(start);
    case "u32":
      return view.getUint32(start, true);
    case "be32":
      return view.getUint32(start);
    case "u64":
      return view.getBigUint64(start, true);
    case "i16":
      return view.getInt16(start, true);
    case "i32":
      return view.getInt32(start, true);
    case "i64":
      return view.getBigInt64(start, true);
  }
}

/** struct clone_args in <linux/sched.h>: clone3(2). Older kernels take a shorter one, CLONE_ARGS_SIZE_VER*. */
export const clone_args = struct(() => [
  ["flags", "u64"],
  ["pidfd", "u64"],
  ["child_tid", "u64"],
  ["parent_tid", "u64"],
  ["exit_signal", "u64"],
  ["stack", "u64"],
  ["stack_size", "u64"],
  ["tls", "u64"],
  ["set_tid", "u64"],
  ["set_tid_size", "u64"],
  ["cgroup", "u64"],
]);

/** struct open_how in <linux/openat2.h>: openat2(2). */
export const open_how = struct(() => [
  ["flags", "u64"],
  ["mode", "u64"],
  ["resolve", "u64"],
]);

/** struct mount_attr in <linux/mount.h>: mount_setattr(2). */
export const mount_attr = struct(() => [
  ["attr_set", "u64"],
  ["attr_clr", "u64"],
  ["propagation", "u64"],
  ["userns_fd", "u64"],
]);

/** struct __user_cap_header_struct in <linux/capability.h>: capget(2), capset(2). */
export const user_cap_header = struct(() => [
  ["version", "u32"],
  ["pid", "i32"],
]);

/** struct __user_cap_data_struct in <linux/capability.h>: one of two; the first has capabilities 0 to 31. */
export const user_cap_data = struct(() => [
  ["effective", "u32"],
  ["permitted", "u32"],
  ["inheritable", "u32"],
]);

/** struct rlimit64 in <linux/resource.h>: prlimit(2). */
export const rlimit64 = struct(() => [
  ["rlim_cur", "u64"],
  ["rlim_max", "u64"],
]);

/** struct iovec in <linux/uio.h>: readv(2), struct msghdr. */
export const iovec = struct(() => [
  ["iov_base", "u64"],
  ["iov_len", "u64"],
]);

/** struct msghdr in <sys/socket.h>: sendmsg(2), recvmsg(2). */
export const msghdr = struct(() => [
  ["msg_name", "u64"],
  ["msg_namelen", "u32"],
  ["msg_iov", "u64"],
  ["msg_iovlen", "u64"],
  ["msg_control", "u64"],
  ["msg_controllen", "u64"],
  ["msg_flags", "i32"],
]);

/** struct cmsghdr in <sys/socket.h>: cmsg(3); the data follows, the next one at a multiple of 8 bytes. */
export const cmsghdr = struct(() => [
  ["cmsg_len", "u64"],
  ["cmsg_level", "i32"],
  ["cmsg_type", "i32"],
]);

/** struct ucred in <sys/socket.h>: SCM_CREDENTIALS, SO_PEERCRED. */
export const ucred = struct(() => [
  ["pid", "i32"],
  ["uid", "u32"],
  ["gid", "u32"],
]);

/** struct sockaddr_un in <linux/un.h>: unix(7). Its length tells where an abstract name ends. */
export const sockaddr_un = struct(() => [
  ["sun_family", "u16"],
  ["sun_path", "u8", 108],
]);

/** struct sockaddr_in in <linux/in.h>: ip(7). */
export const sockaddr_in = struct(
  () => [
    ["sin_family", "u16"],
    ["sin_port", "be16"],
    ["sin_addr", "u8", 4],
  ],
  { size: 16 },
);

/** struct sockaddr_in6 in <linux/in6.h>: ipv6(7). */
export const sockaddr_in6 = struct(() => [
  ["sin6_family", "u16"],
  ["sin6_port", "be16"],
  ["sin6_flowinfo", "be32"],
  ["sin6_addr", "u8", 16],
  ["sin6_scope_id", "u32"],
]);

/** struct sockaddr_nl in <linux/netlink.h>: netlink(7). */
export const sockaddr_nl = struct(() => [
  ["nl_family", "u16"],
  ["nl_pad", "u16"],
  ["nl_pid", "u32"],
  ["nl_groups", "u32"],
]);

/** struct sockaddr_vm in <sys/socket.h> <linux/vm_sockets.h>: vsock(7). */
export const sockaddr_vm = struct(
  () => [
    ["svm_family", "u16"],
    ["svm_reserved1", "u16"],
    ["svm_port", "u32"],
    ["svm_cid", "u32"],
    ["svm_flags", "u8"],
  ],
  { size: 16 },
);

/** struct sockaddr_ll in <linux/if_packet.h>: packet(7). */
export const sockaddr_ll = struct(() => [
  ["sll_family", "u16"],
  ["sll_protocol", "be16"],
  ["sll_ifindex", "i32"],
  ["sll_hatype", "u16"],
  ["sll_pkttype", "u8"],
  ["sll_halen", "u8"],
  ["sll_addr", "u8", 8],
]);

/** sigset_t in <asm/signal.h>: bit n-1 is signal n. The C library's is 128 bytes long, the kernel wants 8. */
export const sigset = struct(() => [["mask", "u64"]]);

/** struct sigaction in <asm/signal.h>: rt_sigaction(2); not the C library's structure of that name. */
export const sigaction = struct(() => [
  ["sa_handler", "u64"],
  ["sa_flags", "u64"],
  ["sa_restorer", "u64"],
  ["sa_mask", "u64"],
]);

/** siginfo_t in <asm/siginfo.h>: waitid(2), with the part that SIGCHLD has. */
export const siginfo = struct(
  () => [
    ["si_signo", "i32"],
    ["si_errno", "i32"],
    ["si_code", "i32"],
    ["__pad", "u32"],
    ["si_pid", "i32"],
    ["si_uid", "u32"],
    ["si_status", "i32"],
  ],
  { size: 128 },
);

/** struct signalfd_siginfo in <linux/signalfd.h>: what a signalfd(2) gives to read. */
export const signalfd_siginfo = struct(
  () => [
    ["ssi_signo", "u32"],
    ["ssi_errno", "i32"],
    ["ssi_code", "i32"],
    ["ssi_pid", "u32"],
    ["ssi_uid", "u32"],
    ["ssi_fd", "i32"],
    ["ssi_tid", "u32"],
    ["ssi_band", "u32"],
    ["ssi_overrun", "u32"],
    ["ssi_trapno", "u32"],
    ["ssi_status", "i32"],
    ["ssi_int", "i32"],
    ["ssi_ptr", "u64"],
    ["ssi_utime", "u64"],
    ["ssi_stime", "u64"],
    ["ssi_addr", "u64"],
  ],
  { size: 128 },
);

/** struct __kernel_timespec in <linux/time_types.h>: seconds and nanoseconds. */
export const timespec = struct(() => [
  ["tv_sec", "i64"],
  ["tv_nsec", "i64"],
]);

/** struct itimerval in <linux/time.h>: setitimer(2), seconds and microseconds. */
export const itimerval = struct(() => [
  ["it_interval.tv_sec", "i64"],
  ["it_interval.tv_usec", "i64"],
  ["it_value.tv_sec", "i64"],
  ["it_value.tv_usec", "i64"],
]);

/** struct itimerspec in <linux/time.h>: timerfd_settime(2), seconds and nanoseconds. */
export const itimerspec = struct(() => [
  ["it_interval.tv_sec", "i64"],
  ["it_interval.tv_nsec", "i64"],
  ["it_value.tv_sec", "i64"],
  ["it_value.tv_nsec", "i64"],
]);

/** struct winsize in <asm/termios.h>: TIOCGWINSZ, TIOCSWINSZ. */
export const winsize = struct(() => [
  ["ws_row", "u16"],
  ["ws_col", "u16"],
  ["ws_xpixel", "u16"],
  ["ws_ypixel", "u16"],
]);

/** struct termios in <asm/termbits.h>: TCGETS, TCSETS; not the C library's structure of that name. */
export const termios = struct(() => [
  ["c_iflag", "u32"],
  ["c_oflag", "u32"],
  ["c_cflag", "u32"],
  ["c_lflag", "u32"],
  ["c_line", "u8"],
  ["c_cc", "u8", 19],
]);

/** struct statfs in <asm/statfs.h>: statfs(2), fstatfs(2). */
export const statfs = struct(() => [
  ["f_type", "i64"],
  ["f_bsize", "i64"],
  ["f_blocks", "u64"],
  ["f_bfree", "u64"],
  ["f_bavail", "u64"],
  ["f_files", "u64"],
  ["f_ffree", "u64"],
  ["f_fsid", "i32", 2],
  ["f_namelen", "i64"],
  ["f_frsize", "i64"],
  ["f_flags", "i64"],
  ["f_spare", "i64", 4],
]);

/** struct statx in <linux/stat.h>: statx(2), as of Linux 6.1. */
export const statx = struct(
  () => [
    ["stx_mask", "u32"],
    ["stx_blksize", "u32"],
    ["stx_attributes", "u64"],
    ["stx_nlink", "u32"],
    ["stx_uid", "u32"],
    ["stx_gid", "u32"],
    ["stx_mode", "u16"],
    ["stx_ino", "u64"],
    ["stx_size", "u64"],
    ["stx_blocks", "u64"],
    ["stx_attributes_mask", "u64"],
    ["stx_atime.tv_sec", "i64"],
    ["stx_atime.tv_nsec", "u32"],
    ["stx_btime.tv_sec", "i64"],
    ["stx_btime.tv_nsec", "u32"],
    ["stx_ctime.tv_sec", "i64"],
    ["stx_ctime.tv_nsec", "u32"],
    ["stx_mtime.tv_sec", "i64"],
    ["stx_mtime.tv_nsec", "u32"],
    ["__pad", "u32"],
    ["stx_rdev_major", "u32"],
    ["stx_rdev_minor", "u32"],
    ["stx_dev_major", "u32"],
    ["stx_dev_minor", "u32"],
    ["stx_mnt_id", "u64"],
    ["stx_dio_mem_align", "u32"],
    ["stx_dio_offset_align", "u32"],
  ],
  { size: 256 },
);

/** struct pollfd in <asm/poll.h>: ppoll(2). */
export const pollfd = struct(() => [
  ["fd", "i32"],
  ["events", "i16"],
  ["revents", "i16"],
]);

/** struct ifreq in <sys/socket.h> <linux/if.h>: netdevice(7), with the flags of its union. */
export const ifreq_flags = struct(
  () => [
    ["ifr_name", "u8", 16],
    ["ifr_flags", "i16"],
  ],
  { size: 40 },
);

/** struct ifreq in <sys/socket.h> <linux/if.h>: netdevice(7), with the index of its union. */
export const ifreq_index = struct(
  () => [
    ["ifr_name", "u8", 16],
    ["ifr_ifindex", "i32"],
  ],
  { size: 40 },
);

/** struct sock_filter in <linux/filter.h>: one instruction of classic BPF. */
export const sock_filter = struct(() => [
  ["code", "u16"],
  ["jt", "u8"],
  ["jf", "u8"],
  ["k", "u32"],
]);

/** struct sock_fprog in <linux/filter.h>: seccomp(2); `len` counts instructions. */
export const sock_fprog = struct(() => [
  ["len", "u16"],
  ["filter", "u64"],
]);

/** struct seccomp_data in <linux/seccomp.h>: what a seccomp filter looks at. */
export const seccomp_data = struct(() => [
  ["nr", "i32"],
  ["arch", "u32"],
  ["instruction_pointer", "u64"],
  ["args", "u64", 6],
]);

/** The structures whose layouts differ. */
export const archStructs = {
  x86_64: {
    /** struct stat in <asm/stat.h>: fstat(2), newfstatat. */
    stat: struct(
      () => [
        ["st_dev", "u64"],
        ["st_ino", "u64"],
        ["st_nlink", "u64"],
        ["st_mode", "u32"],
        ["st_uid", "u32"],
        ["st_gid", "u32"],
        ["st_rdev", "u64"],
        ["st_size", "i64"],
        ["st_blksize", "i64"],
        ["st_blocks", "i64"],
        ["st_atime", "i64"],
        ["st_atime_nsec", "i64"],
        ["st_mtime", "i64"],
        ["st_mtime_nsec", "i64"],
        ["st_ctime", "i64"],
        ["st_ctime_nsec", "i64"],
      ],
      { size: 144 },
    ),
    /** struct epoll_event in <linux/eventpoll.h>: epoll_ctl(2), packed on x86_64 only. */
    epoll_event: struct(
      () => [
        ["events", "u32"],
        ["data", "u64"],
      ],
      { packed: true },
    ),
  },
  aarch64: {
    /** struct stat in <asm/stat.h>: fstat(2), newfstatat. */
    stat: struct(
      () => [
        ["st_dev", "u64"],
        ["st_ino", "u64"],
        ["st_mode", "u32"],
        ["st_nlink", "u32"],
        ["st_uid", "u32"],
        ["st_gid", "u32"],
        ["st_rdev", "u64"],
        ["__pad1", "u64"],
        ["st_size", "i64"],
        ["st_blksize", "i32"],
        ["st_blocks", "i64"],
        ["st_atime", "i64"],
        ["st_atime_nsec", "i64"],
        ["st_mtime", "i64"],
        ["st_mtime_nsec", "i64"],
        ["st_ctime", "i64"],
        ["st_ctime_nsec", "i64"],
      ],
      { size: 128 },
    ),
    /** struct epoll_event in <linux/eventpoll.h>: epoll_ctl(2). */
    epoll_event: struct(() => [
      ["events", "u32"],
      ["data", "u64"],
    ]),
  },
} as const satisfies Record<Arch, unknown>;
