/** Installing a seccomp filter that comes from a file: an array of struct sock_filter. See seccomp(2). */
import {
  area,
  at,
  call,
  compute,
  fail,
  folded,
  leave,
  loop,
  type Step,
  set,
  store,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import { SECCOMP_SET_MODE_FILTER } from "../sys/constants.ts";
import { EACCES, EINVAL } from "../sys/errno.ts";
import { sock_filter, sock_fprog } from "../sys/structs.ts";

/** BPF_MAXINSNS: what the kernel takes in one filter. */
const mostInstructions = 4096;

const hints = {
  [EACCES]: "needs CAP_SYS_ADMIN, or --no-new-privs",
  [EINVAL]: "the file is no valid filter for this kernel and architecture",
};

/**
 * Reads the filter from descriptor `fd`, which stays the caller's, and installs it for this process and all
 * that it will start. `what` names the filter in messages.
 */
export function installFilter(fd: number | Variable, what: string): Step {
  const room = sock_filter.size * mostInstructions;
  // One byte more than fits, to notice a file that is too long.
  const filter = area("filter", room + 1);
  const program = area("filter program", sock_fprog.size);
  const bytes = variable("bytes");
  const length = variable("length of the filter");
  const next = variable("next byte");
  const rest = variable("rest");
  const odd = variable("odd bytes");
  return folded(`install the seccomp filter ${what}`, [
    set(length, 0),
    loop([
      compute(next, at(filter), "add", length),
      compute(rest, room + 1, "sub", length),
      when(rest, "==", 0, [leave]),
      call("read", [fd, next, rest], what, { into: bytes, retry: true }),
      when(bytes, "==", 0, [leave]),
      compute(length, length, "add", bytes),
    ]),
    compute(odd, length, "and", sock_filter.size - 1),
    when(length, "==", 0, [fail({ step: "seccomp", what: `${what} is empty` })]),
    when(length, ">", room, [
      fail({ step: "seccomp", what: `${what} is longer than ${mostInstructions} instructions` }),
    ]),
    when(odd, "!=", 0, [fail({ step: "seccomp", what: `${what} is no array of BPF instructions` })]),
    compute(length, length, "shr", Math.log2(sock_filter.size)),
    store(program, sock_fprog.offset("len"), 2, length),
    store(program, sock_fprog.offset("filter"), 8, at(filter)),
    call("seccomp", [SECCOMP_SET_MODE_FILTER, 0, program], what, { hints }),
  ]);
}
