/** A terminal or pipes for the container's program, and the relay that the launcher becomes then. */
import {
  area,
  attempt,
  call,
  load,
  type Step,
  set,
  type Value,
  type Variable,
  variable,
  when,
} from "../../program/steps.ts";
import {
  AT_FDCWD,
  DEVPTS_SUPER_MAGIC,
  FIONREAD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  RESOLVE_NO_SYMLINKS,
  SIGKILL,
  SOCK_STREAM,
  STATX_INO,
  TCGETS,
} from "../../sys/constants.ts";
import type { Given } from "../../sys/given.ts";
import { open_how, termios } from "../../sys/structs.ts";
import {
  acquireTerminal,
  type Channel,
  closeEnds,
  openChannel,
  ownChannel,
  pipeChannel,
  terminalChannel,
} from "../channel.ts";
import { readFacts, readFileSystem } from "../file-facts.ts";
import { openSocketPair } from "../pipe.ts";
import { receiveDescriptors, sendDescriptors } from "../receive.ts";
import { defaultGrace, nonBlocking, relay } from "../relay.ts";
import {
  defaultMultiplexer,
  lookAtTerminal,
  type OuterTerminal,
  openMultiplexer,
  outerTerminal,
  type PseudoTerminal,
  setUpTerminal,
} from "../terminal.ts";
import { reap } from "../wait.ts";
import type { ChannelRequest } from "./launch.ts";

/** What launcher and child do with it; in the end the child installs the far ends of `channel`. */
export interface LaunchChannel {
  readonly channel: Channel;
  /** Before the clone. */
  readonly open: readonly Step[];
  /** In the child: closes what is only the launcher's. */
  readonly leave: readonly Step[];
  /** In the child, in its final root, as the leader of a new session: the terminal becomes the session's. */
  readonly acquire: readonly Step[];
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
  // Whoever chooses an owner, or has a script relay, has seen the host's terminal already.
  const staysOutside = form === "pipes" || toScript || uid !== -1 || gid !== -1;
  const inside = staysOutside ? nothing : containersOwn(channel, outer);
  return {
    channel,
    leave: [...closeEnds(channel.near), ...inside.leave],
    acquire: [...inside.replace, ...acquireTerminal(channel)],
    open: [
      lookAtTerminal(outer),
      set(separate, 1),
      ...(form === "pipes" || toScript ? [] : oneTerminal(separate)),
      ...openChannel(channel, outer, separate),
      ...own(ownerUid ?? -1, -1),
      ...inside.open,
    ],
    settle: [...own(uid, gid), ...closeEnds(channel.far)],
    prepare: toScript ? [] : prepare,
    run: toScript ? [] : [...adopt(inside.adopt, pid), ...run],
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

/** How a terminal of the container's own devpts takes the place of the host's. */
interface Move {
  readonly open: readonly Step[];
  readonly leave: readonly Step[];
  readonly replace: readonly Step[];
  readonly adopt: readonly Step[];
}

const nothing: Move = { open: [], leave: [], replace: [], adopt: [] };

/**
 * In a container with a devpts of its own, a terminal of the host's has no name, so that tty(1) and whoever opens
 * the terminal by its name fail. Then the child opens one in its final root and sends us the master.
 */
function containersOwn(channel: Channel, outer: OuterTerminal): Move {
  const [ours, childs] = [variable("terminal socket"), variable("child's terminal socket")];
  const master = variable("container's terminal");
  const [input, output] = [variable("container's input"), variable("container's output")];
  const { near, far } = channel;
  const what = "the terminal socket";
  const close = (fd: Variable): Step => call("close", [fd], fd.name);
  const waiting = area("bytes waiting", 8);
  const bytes = variable("bytes waiting");
  return {
    open: [openSocketPair(SOCK_STREAM, [ours, childs], what)],
    leave: [close(ours)],
    replace: [
      ...openContainers(far.input, { master, slaves: [input, output] }, outer, [
        close(far.input),
        close(far.output),
        set(far.input, input),
        set(far.output, output),
        sendDescriptors(childs, [master], what),
        close(master),
      ]),
    ],
    adopt: [
      close(childs),
      call("ioctl", [ours, FIONREAD, waiting], what),
      load(bytes, waiting, 0, 4),
      when(bytes, "!=", 0, [
        close(near.input),
        receiveDescriptors(ours, [near.input], what),
        nonBlocking(near.input),
      ]),
      close(ours),
    ],
  };
}

/** The program runs already: without its terminal it must not go on. */
function adopt(steps: readonly Step[], pid: Variable): Step[] {
  const what = "the first process";
  const kill = call("kill", [pid, SIGKILL], what, { accept: "any" });
  return [attempt(steps, [kill, reap(pid, what)], "fail")];
}

/** Opens a terminal of the devpts on /dev/pts, and does `steps` then, if that is another one than `present` is of. */
function openContainers(
  present: Variable,
  terminal: PseudoTerminal,
  outer: OuterTerminal,
  steps: readonly Step[],
): Step[] {
  const path = "/dev/pts";
  const how = open_how.pack({ flags: O_PATH | O_DIRECTORY | O_CLOEXEC, resolve: RESOLVE_NO_SYMLINKS });
  const [directory, magic] = [variable(path), variable("file system")];
  const [here, there] = [variable("this devpts"), variable("the other devpts")];
  return [
    call("openat2", [AT_FDCWD, path, how, how.length], path, { into: directory, accept: "any" }),
    when(directory, ">=", 0, [
      ...readFileSystem(directory, path, magic),
      ...readFacts(directory, path, STATX_INO, [["stx_dev_minor", here]]),
      ...readFacts(present, "the terminal", STATX_INO, [["stx_dev_minor", there]]),
      when(magic, "==", DEVPTS_SUPER_MAGIC, [
        when(here, "!=", there, [
          openMultiplexer(directory, "ptmx", terminal.master, "any"),
          when(terminal.master, ">=", 0, [...setUpTerminal(terminal, "ptmx", outer, {}), ...steps]),
        ]),
      ]),
      call("close", [directory], path),
    ]),
  ];
}
