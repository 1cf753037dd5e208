/** A terminal or pipes for the container's program, and the relay that the launcher becomes then. */
import { call, type Step, set, type Value, type Variable, variable, when } from "../../program/steps.ts";
import { STATX_INO, TCGETS } from "../../sys/constants.ts";
import type { Given } from "../../sys/given.ts";
import { termios } from "../../sys/structs.ts";
import {
  type Channel,
  closeEnds,
  openChannel,
  ownChannel,
  pipeChannel,
  terminalChannel,
} from "../channel.ts";
import { readFacts } from "../file-facts.ts";
import { defaultGrace, relay } from "../relay.ts";
import { defaultMultiplexer, lookAtTerminal, outerTerminal } from "../terminal.ts";
import type { ChannelRequest } from "./launch.ts";

/** The launcher's part of it; the child's is to acquire and install what `channel` names. */
export interface LaunchChannel {
  readonly channel: Channel;
  /** Before the clone. */
  readonly open: readonly Step[];
  /** After the id maps are written: the far ends get their owner and are the child's alone. */
  readonly settle: readonly Step[];
  /** Before the release, if we relay. */
  readonly prepare: readonly Step[];
  /** After it, to the child's end. */
  readonly run: readonly Step[];
}

/**
 * Plans the channel of a launch. `toScript`: the script takes our place, and the near ends are its. `ownerUid`
 * is whoever clones: it opens nothing here, but what it is given must be its.
 */
export function launchChannel(
  request: ChannelRequest,
  { toScript, ownerUid }: { readonly toScript: boolean; readonly ownerUid: number | undefined },
  pid: Variable,
  status: Variable,
  given: Given,
): LaunchChannel {
  const { form, uid = -1, gid = -1 } = request;
  const outer = outerTerminal();
  const channel = form === "pipes" ? pipeChannel() : terminalChannel(defaultMultiplexer, {});
  const separate = variable("errors apart");
  const own = (user: Value, group: Value): Step[] =>
    user === -1 && group === -1 ? [] : ownChannel(channel, user, group);
  const { prepare, run } = relay(
    { channel, outer, pid, lingers: true, graceSeconds: defaultGrace, tellsUnread: false },
    status,
    given,
  );
  return {
    channel,
    open: [
      lookAtTerminal(outer),
      set(separate, 1),
      ...(form === "pipes" || toScript ? [] : oneTerminal(separate)),
      ...openChannel(channel, outer, separate),
      ...own(ownerUid ?? -1, -1),
    ],
    settle: [...own(uid, gid), ...closeEnds(channel.far)],
    prepare: toScript ? [] : prepare,
    run: toScript ? [] : run,
  };
}

/**
 * `separate` becomes 0 if our output and errors go to one terminal anyway: then the program's errors can go to
 * its terminal, as shells and editors expect, and whoever redirects errors still gets them apart.
 */
function oneTerminal(separate: Variable): Step[] {
  const modes = new Uint8Array(termios.size);
  const isTerminal = [variable("stdout is a terminal"), variable("stderr is a terminal")] as const;
  const facts = [1, 2].map((fd) => ({
    fd,
    inode: variable(`inode of ${fd}`),
    minor: variable(`device of ${fd}`),
  }));
  const [out, errors] = facts;
  if (out === undefined || errors === undefined) return [];
  const look = (fd: number, into: Variable): Step =>
    call("ioctl", [fd, TCGETS, modes], `descriptor ${fd}`, { into, accept: "any" });
  return [
    look(1, isTerminal[0]),
    look(2, isTerminal[1]),
    when(isTerminal[0], "==", 0, [
      when(isTerminal[1], "==", 0, [
        ...facts.flatMap(({ fd, inode, minor }) =>
          readFacts(fd, `descriptor ${fd}`, STATX_INO, [
            ["stx_ino", inode],
            ["stx_dev_minor", minor],
          ]),
        ),
        when(out.inode, "==", errors.inode, [when(out.minor, "==", errors.minor, [set(separate, 0)])]),
      ]),
    ]),
  ];
}
