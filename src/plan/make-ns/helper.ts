/**
 * The helper of make_ns: the process that makes the namespaces, and ends when they are handed on. See parent.ts
 * for what the two say to each other.
 *
 * It opens its namespaces itself and sends them, since nobody else may look at it: in a user namespace that exists
 * already may be processes that wish us ill, and the helper has the caller's descriptors and root.
 */
import { area, call, exit, group, type Step, type Variable, variable, when } from "../../program/steps.ts";
import { CLONE_NEWTIME, CLONE_NEWUSER, O_CLOEXEC, O_RDONLY, PR_SET_DUMPABLE } from "../../sys/constants.ts";
import { ECONNRESET, EINVAL, EPERM, EPIPE } from "../../sys/errno.ts";
import type { Given } from "../../sys/given.ts";
import { joinCgroup } from "../cgroups.ts";
import { exec, execution } from "../exec.ts";
import { restoreInherited } from "../inherit.ts";
import {
  changePropagation,
  createSharedMemory,
  openTimeOffsets,
  setDomainname,
  setHostname,
  writeTimeOffsets,
} from "../namespace-settings.ts";
import { enter, namespaceFlags, namespaceKinds } from "../namespaces.ts";
import { openProcess } from "../proc.ts";
import { sendDescriptors } from "../receive.ts";
import { runScript } from "../scripts.ts";
import { makeYounger } from "./mount-order.ts";
import { handedOn, type MadeLetter, madeKinds, type Request } from "./request.ts";

/** Exit status after a failure of ours. */
export const makeFailure = 125;

/** The caller's side has said why, or cannot any more. */
const callerEnded = [exit(makeFailure)];

/** What the socket pair between the two is called in messages. */
export const channelName = "the channel of maker and helper";

/** The steps of the helper; `channel` is its end of a SOCK_SEQPACKET pair. */
export function helperSteps(request: Request, channel: Variable, given: Given): Step[] {
  const process = variable("own directory in /proc");
  const offsetsFile = variable("timens_offsets");
  const setsTime = Object.keys(request.offsets).length > 0;
  return [
    ...request.cgroups.flatMap(joinCgroup),
    openProcess("self", process),
    ...(setsTime ? [openTimeOffsets(process, offsetsFile)] : []),
    ...enterOwner(request, process, channel),
    ...makeOthers(request, process),
    ...settings(request),
    ...(setsTime ? writeTimeOffsets(offsetsFile, request.offsets) : []),
    ...openAndSend(handedOn(request), process, channel),
    ...request.scripts.flatMap(({ context, words }) =>
      context === "host"
        ? []
        : [
            ...awaitWord(channel),
            ...runScript(words[0], [
              ...restoreInherited(given),
              ...exec(execution(words, given.environment)),
            ]),
            ...tell(channel, callerEnded),
          ],
    ),
    // A byte or the end: there is nothing more to do.
    ...awaitWord(channel),
  ];
}

function enterOwner({ owner }: Request, process: Variable, channel: Variable): Step[] {
  switch (owner.form) {
    case "caller's":
      return [];
    case "existing":
      return [untraceable(), enter(owner.entry, owner.text), becomeRoot()];
    case "new":
      return [
        call("unshare", [CLONE_NEWUSER], "a new user namespace"),
        sendDescriptors(channel, [process], channelName, callerEnded),
        ...awaitWord(channel),
        untraceable(),
        becomeRoot(),
      ];
  }
}

/** See PR_SET_DUMPABLE(2const): from a user namespace below, the process cannot be traced, nor its links followed. */
function untraceable(): Step {
  return call("prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0], "dumpable");
}

/** Ids that are mapped: what the helper makes belongs to somebody then, files in /proc and /sys among it. */
function becomeRoot(): Step {
  return group("become root of the user namespace, as far as ids are mapped", [
    call("setgroups", [0, 0], "supplementary groups", { accept: [EPERM] }),
    call("setresgid", [0, 0, 0], "gid 0", { accept: [EINVAL] }),
    call("setresuid", [0, 0, 0], "uid 0", { accept: [EINVAL] }),
  ]);
}

/** Made after the user namespace and its maps: some files of a network namespace get their owners when it is made. */
function makeOthers({ kinds, pins }: Request, process: Variable): Step[] {
  if (kinds.length === 0) return [];
  const names = kinds.map((letter) => madeKinds[letter]).join(", ");
  const make = [call("unshare", [namespaceFlags(kinds)], `new namespaces (${names})`)];
  return pins.some(({ letter }) => letter === "m") ? makeYounger(process, make) : make;
}

function settings({ propagation, hostname, domainname, segments }: Request): Step[] {
  return [
    ...(propagation === undefined ? [] : [changePropagation(propagation)]),
    ...(hostname === undefined ? [] : [setHostname(hostname)]),
    ...(domainname === undefined ? [] : [setDomainname(domainname)]),
    ...segments.map(createSharedMemory),
  ];
}

/** A time namespace is only for children, until it is entered; then its offsets stay what they are. */
function openAndSend(letters: readonly MadeLetter[], process: Variable, channel: Variable): Step[] {
  const opened = letters.map((letter) => ({ letter, fd: namespaceDescriptor(letter) }));
  return [
    ...opened.map(({ letter, fd }) => {
      const file = letter === "T" ? "ns/time_for_children" : `ns/${namespaceKinds[letter].file}`;
      return call("openat", [process, file, O_RDONLY | O_CLOEXEC], file, { into: fd });
    }),
    ...opened.flatMap(({ letter, fd }) =>
      letter === "T" ? [call("setns", [fd, CLONE_NEWTIME], "the new time namespace")] : [],
    ),
    sendDescriptors(
      channel,
      opened.map(({ fd }) => fd),
      channelName,
      callerEnded,
    ),
  ];
}

/** The descriptor of a namespace, by name; a process has its own. */
export function namespaceDescriptor(letter: MadeLetter): Variable {
  return variable(`${madeKinds[letter]} namespace`);
}

function awaitWord(channel: Variable): Step[] {
  const bytes = variable("bytes");
  return [
    call("read", [channel, area("message", 8), 1], channelName, {
      into: bytes,
      retry: true,
      accept: [ECONNRESET],
    }),
    when(bytes, "<=", 0, callerEnded),
  ];
}

/** One byte: go on, or done. `whenClosed` is done if nobody is at the other end any more; it must not go on. */
export function tell(channel: Variable, whenClosed: readonly Step[]): Step[] {
  const written = variable("written");
  return [
    call("write", [channel, "!", 1], channelName, { into: written, accept: [EPIPE, ECONNRESET] }),
    when(written, "<", 0, whenClosed),
  ];
}
