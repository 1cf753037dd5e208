/** Names of what open(2), openat2(2) and socket(2) take. */
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_PACKET,
  AF_UNIX,
  AF_VSOCK,
  FASYNC,
  IPPROTO_ICMP,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  O_APPEND,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "../../sys/constants.ts";
import { I32_MAX, readNumberOrName } from "./number.ts";
import { type Reader, reader } from "./reader.ts";

/** Flags of open(2) by their names; close-on-exec is the applet's business. */
export const openFlags = {
  rdonly: O_RDONLY,
  wronly: O_WRONLY,
  rdwr: O_RDWR,
  creat: O_CREAT,
  create: O_CREAT,
  excl: O_EXCL,
  noctty: O_NOCTTY,
  trunc: O_TRUNC,
  append: O_APPEND,
  nonblock: O_NONBLOCK,
  dsync: O_DSYNC,
  sync: O_SYNC,
  async: FASYNC,
  direct: O_DIRECT,
  directory: O_DIRECTORY,
  nofollow: O_NOFOLLOW,
  noatime: O_NOATIME,
  path: O_PATH,
  tmpfile: O_TMPFILE,
};

/** Flags of openat2(2); those that keep a path inside refuse magic links as well, unless their name says so. */
export const resolveFlags = {
  no_xdev: RESOLVE_NO_XDEV,
  no_magiclinks: RESOLVE_NO_MAGICLINKS,
  no_symlinks: RESOLVE_NO_SYMLINKS,
  beneath: RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
  beneath_magiclinks: RESOLVE_BENEATH,
  in_root: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
  in_root_magiclinks: RESOLVE_IN_ROOT,
};

/** Domains of socket(2). */
export const domains = {
  unix: AF_UNIX,
  inet: AF_INET,
  inet6: AF_INET6,
  netlink: AF_NETLINK,
  packet: AF_PACKET,
  vsock: AF_VSOCK,
};

const plainTypes = {
  stream: SOCK_STREAM,
  tcp: SOCK_STREAM,
  dgram: SOCK_DGRAM,
  udp: SOCK_DGRAM,
  raw: SOCK_RAW,
  seqpacket: SOCK_SEQPACKET,
};
/** Types of socket(2), under the names of their usual protocols too; with `_nb`: non-blocking. */
export const socketTypes: Readonly<Record<string, number>> = {
  ...plainTypes,
  ...Object.fromEntries(
    Object.entries(plainTypes).map(([name, type]) => [`${name}_nb`, type | SOCK_NONBLOCK]),
  ),
};

/** Protocols of IP sockets. */
export const protocols = {
  ip: IPPROTO_IP,
  icmp: IPPROTO_ICMP,
  tcp: IPPROTO_TCP,
  udp: IPPROTO_UDP,
  ipv6: IPPROTO_IPV6,
};

/** One flag or several, separated by commas; `label` says what the names are names of. */
export function flags(label: string, table: Readonly<Record<string, number>>): Reader<number> {
  return reader((words) =>
    words.split(",").reduce((all, word) => all | readNumberOrName(word, label, table, I32_MAX), 0),
  );
}
