/**
 * A new mount namespace that can be pinned. The kernel lets a mount namespace keep only younger ones, which it
 * tells by their numbers, lest they keep each other for ever. Since Linux 6.18 every processor takes numbers from
 * a stock of its own, so that one that is made on another processor can look older than it is. On the processor on
 * which the caller's was made it does not, so that the processors are tried one after another.
 */
import {
  area,
  at,
  call,
  compute,
  folded,
  leave,
  load,
  loop,
  type Step,
  set,
  store,
  type Variable,
  variable,
  when,
} from "../../program/steps.ts";
import { CLONE_NEWNS, NS_MNT_GET_ID, O_CLOEXEC, O_RDONLY } from "../../sys/constants.ts";
import { EINVAL } from "../../sys/errno.ts";

/** More than any kernel is built for (CONFIG_NR_CPUS). */
const mostProcessors = 8192;

/**
 * Does `make`, which makes a mount namespace among others, and then makes mount namespaces until there is one that
 * counts as younger than the process's present one. `process` is its directory in /proc. Where the kernel does not
 * tell the numbers (before 6.11), or no processor helps, it is left at that.
 */
export function makeYounger(process: Variable, make: readonly Step[]): Step[] {
  const [before, now] = [variable("number before"), variable("number now")];
  const masks = {
    old: area("processors", mostProcessors / 8),
    one: area("one processor", mostProcessors / 8),
  };
  const [processor, word, bit] = [variable("processor"), variable("word"), variable("bit")];
  const result = variable("result");
  const what = "the mount namespace";
  const next = [
    compute(word, processor, "shr", 6),
    compute(word, word, "shl", 3),
    compute(word, word, "add", at(masks.one)),
    set(bit, 1),
    compute(bit, bit, "shl", processor),
    store(word, 0, 8, bit),
    call("sched_setaffinity", [0, masks.one.size, masks.one], `processor of ${what}`, {
      into: result,
      accept: [EINVAL],
    }),
    store(word, 0, 8, 0),
    compute(processor, processor, "add", 1),
    when(result, ">=", 0, [call("unshare", [CLONE_NEWNS], what), ...readNumber(process, now, what)]),
  ];
  return [
    ...readNumber(process, before, what),
    ...make,
    ...readNumber(process, now, what),
    folded("make a mount namespace again on each processor in turn, until one counts as younger", [
      when(now, "<=", before, [
        when(now, "!=", 0, [
          call("sched_getaffinity", [0, masks.old.size, masks.old], "processors", { into: result }),
          set(processor, 0),
          loop([when(now, ">", before, [leave]), when(processor, "==", mostProcessors, [leave]), ...next]),
          call("sched_setaffinity", [0, masks.old.size, masks.old], "processors"),
        ]),
      ]),
    ]),
  ];
}

/** The number of the process's mount namespace, or 0: ioctl_nsfs(2). */
function readNumber(process: Variable, into: Variable, what: string): Step[] {
  const file = variable("namespace");
  const number = area("number", 8);
  return [
    folded(`${into.name} = that of ${what}`, [
      store(number, 0, 8, 0),
      call("openat", [process, "ns/mnt", O_RDONLY | O_CLOEXEC], "ns/mnt", { into: file }),
      call("ioctl", [file, NS_MNT_GET_ID, number], what, { accept: "any" }),
      call("close", [file], "ns/mnt"),
      load(into, number, 0, 8),
    ]),
  ];
}
