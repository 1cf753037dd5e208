/** Sockets, made, set up, bound and listening: socket(7), ip(7), ipv6(7), unix(7). */
import {
  area,
  at,
  call,
  compute,
  group,
  load,
  type Step,
  store,
  type Value,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import { bytesOf } from "../sys/bytes.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  IP_FREEBIND,
  IP_TRANSPARENT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  S_IFMT,
  S_IFSOCK,
  SIOCGIFINDEX,
  SO_BINDTODEVICE,
  SO_MARK,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOL_SOCKET,
  STATX_TYPE,
  TCP_DEFER_ACCEPT,
  TCP_NODELAY,
} from "../sys/constants.ts";
import { EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENOENT, EOPNOTSUPP, EPERM } from "../sys/errno.ts";
import { ifreq_index, sockaddr_in, sockaddr_in6, statx } from "../sys/structs.ts";

/** The options of an IP address, in the order in which they are set. */
export const addressOptions = {
  a: [SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR"],
  p: [SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT"],
  f: [IPPROTO_IP, IP_FREEBIND, "IP_FREEBIND"],
  t: [IPPROTO_IP, IP_TRANSPARENT, "IP_TRANSPARENT"],
  d: [IPPROTO_TCP, TCP_DEFER_ACCEPT, "TCP_DEFER_ACCEPT"],
  e: [IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY"],
} as const;

export type AddressOption = keyof typeof addressOptions;

/** An IP address with a port, and options of the socket that is bound to it. */
export interface IpAddress {
  readonly form: "ip";
  readonly family: typeof AF_INET | typeof AF_INET6;
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
  readonly options: readonly AddressOption[];
  /** Undefined: as the system has it. */
  readonly v6Only?: boolean;
  /** Number or name of an interface. */
  readonly scope?: number | string;
  /** As it was written, for messages. */
  readonly text: string;
}

/** A path, or with a leading `@` an abstract name; empty: the kernel chooses an abstract name. */
export interface UnixAddress {
  readonly form: "unix";
  readonly path: string;
  /** Removes a socket that is there already. */
  readonly unlink: boolean;
  /** Permissions of the new file, whatever the umask. */
  readonly mode?: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** A socket address as bytes, from its family on. */
export interface RawAddress {
  readonly form: "raw";
  readonly bytes: Uint8Array;
  readonly text: string;
}

export type SocketAddress = IpAddress | UnixAddress | RawAddress;

/** A socket to be made. */
export interface SocketRequest {
  readonly domain: number;
  /** With SOCK_NONBLOCK or not. */
  readonly type: number;
  readonly protocol: number;
  readonly mark?: number;
  /** An interface to be bound to. */
  readonly device?: string;
  readonly address?: SocketAddress;
  /** Undefined: it does not listen. */
  readonly backlog?: number;
}

const intBytes = 4;
const familyBytes = 2;
const highestBacklog = 0x7fff_ffff;

const netAdmin = { [EPERM]: "needs CAP_NET_ADMIN in the user namespace that owns the network namespace" };

/** Makes a socket, close-on-exec, which the variable owns; `what` is the beginning of its messages. */
export function openSocket(request: SocketRequest, into: Variable, what: string): Step[] {
  const { domain, type, protocol, mark, device, address, backlog } = request;
  return [
    call("socket", [domain, type | SOCK_CLOEXEC, protocol], what, {
      into,
      hints: {
        [EAFNOSUPPORT]: "this kernel has no such domain",
        [EPERM]: "needs CAP_NET_RAW in the user namespace that owns the network namespace",
      },
    }),
    ...(mark === undefined ? [] : [setInt(into, SOL_SOCKET, SO_MARK, mark, `${what}: SO_MARK`)]),
    ...(device === undefined ? [] : [bindToDevice(into, device, what)]),
    ...(address === undefined ? [] : [bindTo(address, into, what)]),
    ...(backlog === undefined ? [] : [listen(into, backlog, what)]),
  ];
}

/** A backlog of 0 stands for the system's maximum, to which the kernel cuts any higher number. */
function listen(socket: Variable, backlog: number, what: string): Step {
  return call("listen", [socket, backlog > 0 ? backlog : highestBacklog], what, {
    hints: { [EOPNOTSUPP]: "sockets of this type do not listen" },
  });
}

function setInt(socket: Variable, level: number, option: number, value: number, what: string): Step {
  const bytes = new Uint8Array(new Uint32Array([value]).buffer);
  return call("setsockopt", [socket, level, option, bytes, intBytes], what, { hints: netAdmin });
}

function bindToDevice(socket: Variable, device: string, what: string): Step {
  const args = [socket, SOL_SOCKET, SO_BINDTODEVICE, device, device.length];
  return call("setsockopt", args, `${what}: SO_BINDTODEVICE ${device}`, { hints: netAdmin });
}

function bindTo(address: SocketAddress, socket: Variable, what: string): Step {
  switch (address.form) {
    case "ip":
      return group(`bind to ${address.text}`, bindIp(address, socket, what));
    case "unix":
      return group(`bind to unix address ${address.path}`, bindUnix(address, socket, what));
    case "raw":
      return bind(socket, address.bytes, address.bytes.length, `${what}: ${address.text}`);
  }
}

function bind(socket: Variable, address: Value, length: number, what: string): Step {
  return call("bind", [socket, address, length], what, {
    hints: {
      [EADDRINUSE]: "somebody has this address",
      [EADDRNOTAVAIL]: "no interface of the network namespace has this address",
      [EINVAL]: "an address of another domain, or one that needs a scope",
    },
  });
}

function bindIp(address: IpAddress, socket: Variable, what: string): Step[] {
  const { options, v6Only, scope, text } = address;
  const where = `${what}: ${text}`;
  const sockaddr = area("address", sockaddrOf(address));
  const set = (letter: AddressOption): Step => {
    const [level, option, name] = addressOptions[letter];
    return setInt(socket, level, option, 1, `${where}: ${name}`);
  };
  const chosen = (letters: readonly AddressOption[]): Step[] =>
    letters.filter((letter) => options.includes(letter)).map(set);
  return [
    ...chosen(["a", "p", "f", "t", "d"]),
    ...(v6Only === undefined
      ? []
      : [setInt(socket, IPPROTO_IPV6, IPV6_V6ONLY, v6Only ? 1 : 0, `${where}: IPV6_V6ONLY`)]),
    ...chosen(["e"]),
    ...(typeof scope === "string" ? findScope(scope, sockaddr, socket, where) : []),
    bind(socket, sockaddr, sockaddr.size, where),
  ];
}

function sockaddrOf({ family, address, port, scope }: IpAddress): Uint8Array {
  if (family === AF_INET) return sockaddr_in.pack({ sin_family: AF_INET, sin_port: port, sin_addr: address });
  return sockaddr_in6.pack({
    sin6_family: AF_INET6,
    sin6_port: port,
    sin6_addr: address,
    sin6_scope_id: typeof scope === "number" ? scope : 0,
  });
}

/** The interface is looked for where the socket is. */
function findScope(name: string, sockaddr: ReturnType<typeof area>, socket: Variable, where: string): Step[] {
  const request = area("interface", ifreq_index.pack({ ifr_name: bytesOf(name) }));
  const index = variable("interface number");
  return [
    call("ioctl", [socket, SIOCGIFINDEX, request], `${where}: ${name}`, { label: "SIOCGIFINDEX" }),
    load(index, request, ifreq_index.offset("ifr_ifindex"), intBytes),
    store(sockaddr, sockaddr_in6.offset("sin6_scope_id"), intBytes, index),
  ];
}

function bindUnix({ path, unlink, mode, owner }: UnixAddress, socket: Variable, what: string): Step[] {
  const where = `${what}: ${path}`;
  const name = path.startsWith("@") ? `\0${path.slice(1)}` : path;
  // The family in the first two bytes, and exactly the bytes that were given: the length is what ends a name.
  const bytes = new Uint8Array(familyBytes + name.length);
  bytes.set([AF_UNIX, 0]);
  bytes.set(bytesOf(name), familyBytes);
  const bound = bind(socket, bytes, bytes.length, where);
  return [
    ...(unlink ? removeSocket(path, where) : []),
    ...(mode === undefined ? [bound] : bindWithMode(bound, mode, socket, where)),
    ...(owner === undefined
      ? []
      : [call("fchownat", [AT_FDCWD, path, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW], where)]),
  ];
}

/** The file gets the mode of the socket less the umask, from the first moment on. */
function bindWithMode(bound: Step, mode: number, socket: Variable, where: string): Step[] {
  const mask = variable("umask");
  return [
    call("fchmod", [socket, mode], where),
    call("umask", [0], where, { into: mask }),
    bound,
    call("umask", [mask], where),
  ];
}

/** Nothing but a socket is removed. */
function removeSocket(path: string, where: string): Step[] {
  const facts = area("file facts", statx.size);
  const [found, type] = [variable("found"), variable("file type")];
  return [
    call("statx", [AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, facts], where, {
      into: found,
      accept: [ENOENT],
    }),
    load(type, at(facts), statx.offset("stx_mode"), 2),
    compute(type, type, "and", S_IFMT),
    when(type, "==", S_IFSOCK, [call("unlinkat", [AT_FDCWD, path, 0], where, { accept: [ENOENT] })]),
  ];
}
