/**
 * The caller's side of make_ns. A helper makes the namespaces, so that the caller's own stay as they are:
 *
 *     maker                                helper (helper.ts)
 *     files to pin to, socket pair, fork   cgroups, user namespace
 *     <-------- /proc/self ------------    (only a new user namespace)
 *     maps ----------- byte ----------->   all other namespaces and what is in them
 *     <-------- namespaces ------------
 *     for each script, in their order:
 *       of the host: runs it
 *       inside: ------- byte ---------->   runs it
 *     <----------- byte ---------------
 *     end of the channel -------------->   exits
 *     reaps it, pins, executes
 *
 * A message that does not come is the helper's end: it has said why. The end of the channel is ours: it exits.
 */
import {
  area,
  attempt,
  call,
  compose,
  fail,
  fork,
  type Step,
  set,
  type Variable,
  variable,
  when,
} from "../../program/steps.ts";
import { F_SETFD, SIGCHLD, SIGKILL, SOCK_SEQPACKET } from "../../sys/constants.ts";
import { ECONNRESET } from "../../sys/errno.ts";
import type { Given } from "../../sys/given.ts";
import { variableValue, withoutVariables } from "../environment.ts";
import { defaultPath, exec } from "../exec.ts";
import { writeIdMaps } from "../id-maps.ts";
import { keepChildStatus, restoreInherited } from "../inherit.ts";
import { openSocketPair } from "../pipe.ts";
import { receiveDescriptors } from "../receive.ts";
import { runScript } from "../scripts.ts";
import { type NumberText, numberText } from "../text.ts";
import { reap, waitFor } from "../wait.ts";
import { channelName, helperSteps, makeFailure, namespaceDescriptor, tell } from "./helper.ts";
import { pinning } from "./pins.ts";
import { handedOn, type MadeLetter, madeVariable, type Request } from "./request.ts";

/** What this side knows while it runs. Descriptors are close-on-exec and handed on by name. */
class Session {
  readonly near = variable("near end");
  readonly far = variable("far end");
  readonly helper = variable("helper");
  /** Whether there is a helper that is not reaped. */
  readonly helperLives = variable("helper lives");
  readonly namespaces: ReadonlyMap<MadeLetter, Variable>;
  /** The number of each namespace's descriptor as an entry of an environment. */
  readonly entries: readonly NumberText[];

  constructor(letters: readonly MadeLetter[]) {
    this.namespaces = new Map(letters.map((letter) => [letter, namespaceDescriptor(letter)]));
    this.entries = [...this.namespaces].map(([letter, fd]) => numberText(`${madeVariable(letter)}=`, fd));
  }
}

/** Makes the namespaces and, in the end, executes the program if there is one. */
export function makeNamespaces(request: Request, given: Given): Step[] {
  const session = new Session(handedOn(request));
  const pins = request.pins.map((pin) => {
    const namespace = session.namespaces.get(pin.letter);
    if (namespace === undefined) throw new Error(`no namespace ${pin.letter} to pin`);
    return pinning(pin, namespace);
  });
  return [
    ...keepChildStatus(given),
    attempt(
      [
        ...pins.flatMap(({ open }) => open),
        openSocketPair(SOCK_SEQPACKET, [session.near, session.far], channelName),
        startHelper(request, session, given),
        set(session.helperLives, 1),
        attempt(withHelper(request, session, given), endHelper(session), "fail"),
        ...pins.flatMap(({ mount }) => mount),
        ...(request.program === undefined ? [] : executeWithDescriptors(request.program, [], session, given)),
      ],
      [...pins].reverse().flatMap(({ undo }) => undo),
      "fail",
    ),
  ];
}

function startHelper(request: Request, { near, far, helper }: Session, given: Given): Step {
  return fork({
    call: "clone",
    args: [SIGCHLD, 0, 0, 0, 0],
    what: "the helper",
    stage: "the helper",
    into: helper,
    failure: makeFailure,
    child: [call("close", [near], channelName), ...helperSteps(request, far, given)],
  });
}

/** From the helper's birth to its end. */
function withHelper(request: Request, session: Session, given: Given): Step[] {
  const { owner } = request;
  const ended = helperEnded(session);
  return [
    call("close", [session.far], channelName),
    ...writeMaps(request, session),
    receiveDescriptors(session.near, [...session.namespaces.values()], channelName, ended),
    ...session.entries.flatMap(({ steps }) => steps),
    ...request.scripts.flatMap(({ context, words }) =>
      context === "host"
        ? runScript(words[0], executeWithDescriptors(words, [numberText("", session.helper)], session, given))
        : [...tell(session.near, ended), ...awaitScript(session)],
    ),
    ...(owner.form === "existing" && owner.entry.close && owner.entry.target.form === "descriptor"
      ? [call("close", [owner.entry.target.fd], owner.text)]
      : []),
    ...tell(session.near, ended),
    ...waitForHelper(session),
  ];
}

function writeMaps({ owner }: Request, session: Session): Step[] {
  if (owner.form !== "new") return [];
  const ended = helperEnded(session);
  const process = variable("helper's directory in /proc");
  return [
    receiveDescriptors(session.near, [process], channelName, ended),
    ...writeIdMaps(process, owner.maps),
    call("close", [process], "the helper's directory in /proc"),
    ...tell(session.near, ended),
  ];
}

function awaitScript(session: Session): Step[] {
  const bytes = variable("bytes");
  return [
    call("read", [session.near, area("message", 8), 1], channelName, {
      into: bytes,
      retry: true,
      accept: [ECONNRESET],
    }),
    when(bytes, "!=", 1, helperEnded(session)),
  ];
}

/** Reaps the helper, which has ended or is about to; that it did so in another way than asked is a failure. */
function waitForHelper({ helper, helperLives }: Session): Step[] {
  const status = variable("helper's status");
  const signal = variable("signal");
  const text = area("helper's end", 64);
  return [
    ...waitFor(helper, "the helper", status, signal),
    set(helperLives, 0),
    when(signal, "!=", 0, [
      compose(text, ["it was killed by signal ", signal]),
      fail({ step: "helper", what: text }),
    ]),
    when(status, "!=", 0, [
      fail({ step: "helper", what: "it has said why it failed", status, silent: true }),
    ]),
  ];
}

/** Where a message should have come: whatever the helper's status is, this is a failure. */
function helperEnded(session: Session): Step[] {
  return [...waitForHelper(session), fail({ step: "helper", what: "it has ended too early" })];
}

/** After a failure of ours. Nothing is lost by SIGKILL: all that the helper has made ends with it. */
function endHelper({ near, helper, helperLives }: Session): Step[] {
  return [
    call("close", [near], channelName, { accept: "any" }),
    when(helperLives, "!=", 0, [
      call("kill", [helper, SIGKILL], "the helper", { accept: "any" }),
      reap(helper, "the helper"),
    ]),
  ];
}

/** Executes a script or the program, with the namespaces as descriptors that variables name. */
function executeWithDescriptors(
  words: readonly [string, ...string[]],
  more: readonly NumberText[],
  { namespaces, entries }: Session,
  given: Given,
): Step[] {
  const names = [...namespaces.keys()].map(madeVariable);
  return [
    ...restoreInherited(given),
    ...[...namespaces.values()].map((fd) => call("fcntl", [fd, F_SETFD, 0], fd.name)),
    ...more.flatMap(({ steps }) => steps),
    ...exec({
      file: words[0],
      argv: [...words, ...more.map(({ text }) => text)],
      environment: [...withoutVariables(given.environment, names), ...entries.map(({ text }) => text)],
      searchPath: variableValue(given.environment, "PATH") ?? defaultPath,
    }),
  ];
}
