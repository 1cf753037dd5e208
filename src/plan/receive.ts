/** Sending and receiving descriptors over a unix socket: SCM_RIGHTS in unix(7), recvmsg(2), cmsg(3). */
import {
  area,
  at,
  call,
  compute,
  fail,
  folded,
  load,
  type Step,
  store,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import { MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_NOSIGNAL, SCM_RIGHTS, SOL_SOCKET } from "../sys/constants.ts";
import { ECONNRESET, EMFILE, EPIPE } from "../sys/errno.ts";
import { cmsghdr, iovec, msghdr } from "../sys/structs.ts";

const descriptorBytes = 4;
/** Control messages are aligned as size_t is. */
const alignment = 8;

/**
 * Receives one message with exactly the descriptors that are wanted, in their order, close-on-exec; they are
 * the caller's. Any other number of them is a failure. Bytes that come with them are not looked at. `whenClosed`
 * is done if nobody is at the other end any more; it must not go on.
 */
export function receiveDescriptors(
  socket: number | Variable,
  into: readonly Variable[],
  what: string,
  whenClosed?: readonly Step[],
): Step {
  const length = cmsghdr.size + descriptorBytes * into.length;
  const data = area("message bytes", alignment);
  const control = area("control message", Math.ceil(length / alignment) * alignment);
  const buffer = area("message buffer", iovec.size);
  const message = area("message", msghdr.size);
  const bytes = variable("bytes");
  const flags = variable("message flags");
  const received = variable("control bytes");
  const kind = variable("control message kind");
  const wrong = (problem: string): Step => fail({ step: "recvmsg", what: `${what}: ${problem}` });
  return folded(`receive ${into.map(({ name }) => name).join(", ")} over ${what}`, [
    store(buffer, iovec.offset("iov_base"), 8, at(data)),
    store(buffer, iovec.offset("iov_len"), 8, data.size),
    store(message, msghdr.offset("msg_iov"), 8, at(buffer)),
    store(message, msghdr.offset("msg_iovlen"), 8, 1),
    store(message, msghdr.offset("msg_control"), 8, at(control)),
    // Not a byte more: what is only there for alignment would take another descriptor.
    store(message, msghdr.offset("msg_controllen"), 8, length),
    call("recvmsg", [socket, message, MSG_CMSG_CLOEXEC], what, {
      into: bytes,
      retry: true,
      accept: whenClosed ? [ECONNRESET] : [],
    }),
    ...(whenClosed ? [when(bytes, "<=", 0, whenClosed)] : []),
    load(flags, message, msghdr.offset("msg_flags"), 4),
    compute(flags, flags, "and", MSG_CTRUNC),
    when(flags, "!=", 0, [
      // Those for which there is no number left are dropped by the kernel without an error.
      load(received, control, cmsghdr.offset("cmsg_len"), 8),
      when(received, "!=", length, [fail({ step: "recvmsg", what, errno: EMFILE })]),
      wrong("more descriptors than were asked for"),
    ]),
    load(received, message, msghdr.offset("msg_controllen"), 8),
    when(received, "==", 0, [
      when(bytes, "==", 0, [wrong("the other end is closed")]),
      wrong("a message without descriptors"),
    ]),
    load(kind, control, cmsghdr.offset("cmsg_level"), 4),
    when(kind, "!=", SOL_SOCKET, [wrong("not a message with descriptors")]),
    load(kind, control, cmsghdr.offset("cmsg_type"), 4),
    when(kind, "!=", SCM_RIGHTS, [wrong("not a message with descriptors")]),
    load(received, control, cmsghdr.offset("cmsg_len"), 8),
    when(received, "!=", length, [wrong("fewer descriptors than were asked for")]),
    ...into.map((fd, index) => load(fd, control, cmsghdr.size + descriptorBytes * index, descriptorBytes)),
  ]);
}

/**
 * Sends descriptors in one message with one byte, for `receiveDescriptors`. They stay open here. `whenClosed` is as
 * there.
 */
export function sendDescriptors(
  socket: Variable,
  descriptors: readonly Variable[],
  what: string,
  whenClosed?: readonly Step[],
): Step {
  const sent = variable("sent");
  const length = cmsghdr.size + descriptorBytes * descriptors.length;
  const data = area("message byte", alignment);
  const control = area("control message", Math.ceil(length / alignment) * alignment);
  const buffer = area("message buffer", iovec.size);
  const message = area("message", msghdr.size);
  return folded(`send ${descriptors.map(({ name }) => name).join(", ")} over ${what}`, [
    store(buffer, iovec.offset("iov_base"), 8, at(data)),
    store(buffer, iovec.offset("iov_len"), 8, 1),
    store(message, msghdr.offset("msg_iov"), 8, at(buffer)),
    store(message, msghdr.offset("msg_iovlen"), 8, 1),
    store(message, msghdr.offset("msg_control"), 8, at(control)),
    store(message, msghdr.offset("msg_controllen"), 8, control.size),
    store(control, cmsghdr.offset("cmsg_len"), 8, length),
    store(control, cmsghdr.offset("cmsg_level"), 4, SOL_SOCKET),
    store(control, cmsghdr.offset("cmsg_type"), 4, SCM_RIGHTS),
    ...descriptors.map((fd, index) =>
      store(control, cmsghdr.size + descriptorBytes * index, descriptorBytes, fd),
    ),
    call("sendmsg", [socket, message, MSG_NOSIGNAL], what, {
      into: sent,
      accept: whenClosed ? [EPIPE, ECONNRESET] : [],
    }),
    ...(whenClosed ? [when(sent, "<", 0, whenClosed)] : []),
  ]);
}
