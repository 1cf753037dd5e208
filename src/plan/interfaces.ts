/** Network interfaces: netdevice(7), and TUN/TAP devices, see Documentation/networking/tuntap.rst of the kernel. */
import {
  type Area,
  area,
  at,
  call,
  compute,
  folded,
  load,
  type Step,
  store,
  type Variable,
  variable,
} from "../program/steps.ts";
import { bytesOf } from "../sys/bytes.ts";
import {
  AF_INET,
  AT_FDCWD,
  IFF_MULTI_QUEUE,
  IFF_NO_PI,
  IFF_TAP,
  IFF_TUN,
  IFF_UP,
  IFF_VNET_HDR,
  O_CLOEXEC,
  O_RDWR,
  SIOCGIFFLAGS,
  SIOCSIFFLAGS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  TUNGETIFF,
  TUNSETGROUP,
  TUNSETIFF,
  TUNSETOWNER,
  TUNSETPERSIST,
} from "../sys/constants.ts";
import { EBUSY, EINVAL, ENODEV, EPERM } from "../sys/errno.ts";
import { ifreq_flags } from "../sys/structs.ts";

/** An interface to be made, or to be attached to if there is one of that name. */
export interface TunInterface {
  readonly mode: "tun" | "tap";
  /** `%d` in it becomes a number; empty: the kernel's choice. */
  readonly name: string;
  readonly multiQueue: boolean;
  /** Four bytes of flags and protocol before each packet. */
  readonly packetInfo: boolean;
  readonly vnetHeader: boolean;
  readonly owner?: number;
  readonly group?: number;
  readonly persist: boolean;
  readonly up: boolean;
}

const flagsBytes = 2;

/** Opens a TUN/TAP device in the present network namespace, and sets up its interface if one is wanted. */
export function openTun(
  device: string,
  wanted: TunInterface | undefined,
  into: Variable,
  what: string,
): Step[] {
  const open = call("openat", [AT_FDCWD, device, O_RDWR | O_CLOEXEC], `${what}: ${device}`, {
    into,
    hints: { [ENODEV]: "this kernel has no TUN/TAP devices" },
  });
  if (wanted === undefined) return [open];
  const name = `${what}: ${wanted.mode} interface ${wanted.name || "without a name"}`;
  const request = area(
    "interface",
    ifreq_flags.pack({ ifr_name: bytesOf(wanted.name), ifr_flags: flagsOf(wanted) }),
  );
  const option = (code: number, value: number | undefined): Step[] =>
    value === undefined ? [] : [call("ioctl", [into, code, value], name)];
  return [
    open,
    call("ioctl", [into, TUNSETIFF, request], name, {
      label: "TUNSETIFF",
      hints: {
        [EPERM]: "needs CAP_NET_ADMIN in the user namespace that owns the network namespace",
        [EBUSY]: "somebody has it; --multi-queue, on both sides, shares it",
        [EINVAL]: "there is an interface of that name and of another kind",
      },
    }),
    ...option(TUNSETOWNER, wanted.owner),
    ...option(TUNSETGROUP, wanted.group),
    ...option(TUNSETPERSIST, wanted.persist ? 1 : undefined),
    ...(wanted.up ? [bringUp(request, name)] : []),
  ];
}

function flagsOf({ mode, multiQueue, packetInfo, vnetHeader }: TunInterface): number {
  return (
    (mode === "tun" ? IFF_TUN : IFF_TAP) |
    (multiQueue ? IFF_MULTI_QUEUE : 0) |
    (packetInfo ? 0 : IFF_NO_PI) |
    (vnetHeader ? IFF_VNET_HDR : 0)
  );
}

/** Brings up the loopback interface of the present network namespace. */
export function bringUpLoopback(what: string): Step {
  return bringUp(area("interface", ifreq_flags.pack({ ifr_name: bytesOf("lo") })), `${what}: lo`);
}

/** Brings up the interface that a struct ifreq names. */
function bringUp(request: Area, what: string): Step {
  const socket = variable("socket");
  const flags = variable("flags");
  const offset = ifreq_flags.offset("ifr_flags");
  return folded("bring it up", [
    call("socket", [AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0], what, { into: socket }),
    call("ioctl", [socket, SIOCGIFFLAGS, request], what, { label: "SIOCGIFFLAGS" }),
    load(flags, request, offset, flagsBytes),
    compute(flags, flags, "or", IFF_UP),
    store(request, offset, flagsBytes, flags),
    call("ioctl", [socket, SIOCSIFFLAGS, request], what, {
      label: "SIOCSIFFLAGS",
      hints: { [EPERM]: "needs CAP_NET_ADMIN in the user namespace that owns the network namespace" },
    }),
    call("close", [socket], what),
  ]);
}

/** `prefix` and the name of the interface that a TUN/TAP descriptor belongs to, wherever that is. */
export function tunName(
  fd: Variable,
  prefix: string,
  what: string,
): { readonly text: Area; readonly step: Step } {
  const start = bytesOf(prefix);
  const bytes = new Uint8Array(start.length + ifreq_flags.size);
  bytes.set(start);
  const text = area(prefix, bytes);
  // The kernel writes a whole struct ifreq; the name is its beginning, and ends in a NUL.
  return { text, step: call("ioctl", [fd, TUNGETIFF, at(text, start.length)], what, { label: "TUNGETIFF" }) };
}
