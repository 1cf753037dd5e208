/**
 * Changing who a process is and what it may do: ids, groups, capability sets, securebits, no_new_privs.
 * The one place for it; every applet that drops privileges composes these steps. See capabilities(7).
 */

import {
  type Area,
  area,
  call,
  compose,
  compute,
  fail,
  folded,
  leave,
  load,
  loop,
  type Step,
  set,
  store,
  type Value,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import {
  _LINUX_CAPABILITY_VERSION_3,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_CAPBSET_READ,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_SECUREBITS,
} from "../sys/constants.ts";
import { EINVAL, EPERM } from "../sys/errno.ts";
import { user_cap_data, user_cap_header } from "../sys/structs.ts";

/** What to change, in the order in which it is done. What is left out stays as it is. */
export interface Privileges {
  /** The inheritable set: a mask, or what it is now plus the permitted set. */
  readonly inheritable?: bigint | "permitted";
  /** Supplementary groups. */
  readonly groups?: readonly number[];
  readonly gid?: number;
  readonly uid?: number;
  /** Keep the permitted set across the change of uid, and make all of it effective again afterwards. */
  readonly keepCapabilities: boolean;
  /** Capabilities to raise in the ambient set: a mask, or the inheritable set as it is by then. */
  readonly ambient?: bigint | "inheritable";
  /** The ambient set is emptied first, so that it is exactly `ambient`. */
  readonly clearAmbient?: true;
  /** The bounding set; one that is missing from it is an error. */
  readonly bounding?: bigint;
  readonly securebits?: number;
  /** The permitted and effective sets in the end; one that is not permitted is an error. */
  readonly permitted?: bigint;
}

type Set64 = "effective" | "permitted" | "inheritable";

const header = user_cap_header.pack({ version: _LINUX_CAPABILITY_VERSION_3, pid: 0 });
const capabilityBits = 64;
/** Every capability that a kernel may know. */
const allCapabilities = (1n << 64n) - 1n;
const unchangedId = 0xffffffff;

/** The steps of a change of identity. Needs the capabilities that each of the calls asks for. */
export function changePrivileges(to: Privileges): Step[] {
  const sets = area("capability sets", user_cap_data.size * 2);
  const steps: Step[] = [
    folded("all permitted capabilities become effective", [
      capget(sets),
      ...changeInheritable(sets, to.inheritable),
      ...copyHalves(sets, "permitted", "effective"),
      capset(sets),
    ]),
  ];
  if (to.groups) steps.push(setGroups(to.groups));
  if (to.gid !== undefined || to.uid !== undefined) steps.push(...changeIds(to, sets));
  if (to.clearAmbient) {
    steps.push(call("prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0], "the ambient set"));
  }
  if (to.ambient !== undefined && to.ambient !== 0n) steps.push(...raiseAmbient(to.ambient, sets));
  if (to.bounding !== undefined) steps.push(...limitBounding(to.bounding));
  if (to.securebits !== undefined) {
    steps.push(call("prctl", [PR_SET_SECUREBITS, to.securebits, 0, 0, 0], "securebits"));
  }
  if (to.permitted !== undefined) steps.push(limitPermitted(to.permitted));
  return steps;
}

/** Sets no_new_privs, for good. */
export function noNewPrivileges(): Step {
  return call("prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0], "no_new_privs");
}

/** Cuts permitted and effective sets down to what is also inheritable, which an exec would leave anyway. */
export function clearCapabilities(): Step {
  const sets = area("capability sets", user_cap_data.size * 2);
  return folded("permitted and effective sets become what is also inheritable", [
    capget(sets),
    ...maskHalves(sets, "permitted"),
    ...maskHalves(sets, "effective"),
    capset(sets),
  ]);
}

/** Makes all permitted capabilities effective again, after a change of the effective uid took them away. */
export function restoreEffective(): Step {
  const sets = area("capability sets", user_cap_data.size * 2);
  return folded("all permitted capabilities become effective", [
    capget(sets),
    ...copyHalves(sets, "permitted", "effective"),
    capset(sets),
  ]);
}

/** Last of all: what the other changes need is gone afterwards. */
function limitPermitted(wanted: bigint): Step {
  const sets = area("capability sets", user_cap_data.size * 2);
  const everything = wanted === allCapabilities;
  const parts = [wanted & 0xffffffffn, wanted >> 32n] as const;
  const [low, high] = halves("permitted");
  const word = variable("permitted");
  const limit = (offset: number, part: bigint): Step[] => [
    load(word, sets, offset, 4),
    compute(word, word, "and", part),
    ...(everything ? [] : [when(word, "!=", part, [lacking])]),
    store(sets, offset, 4, word),
  ];
  const lacking = fail({
    step: "permitted set",
    what: "not all of the capabilities asked for are permitted",
  });
  return folded(`permitted and effective sets become 0x${wanted.toString(16)}`, [
    capget(sets),
    ...limit(low, parts[0]),
    ...limit(high, parts[1]),
    ...copyHalves(sets, "permitted", "effective"),
    capset(sets),
  ]);
}

function capget(sets: Area): Step {
  return call("capget", [header, sets], "capability sets");
}

function capset(sets: Area): Step {
  return call("capset", [header, sets], "capability sets");
}

/** Each set is two words of 32 bits, in the first and second cap_user_data. */
function halves(set: Set64): readonly [number, number] {
  const offset = user_cap_data.offset(set);
  return [offset, user_cap_data.size + offset];
}

function changeInheritable(sets: Area, inheritable: Privileges["inheritable"]): Step[] {
  if (inheritable === undefined) return [];
  const [low, high] = halves("inheritable");
  if (inheritable !== "permitted") {
    return [store(sets, low, 4, inheritable & 0xffffffffn), store(sets, high, 4, inheritable >> 32n)];
  }
  return eachHalf("permitted", "inheritable", (word, from, to) => {
    const other = variable("inheritable");
    return [
      load(word, sets, from, 4),
      load(other, sets, to, 4),
      compute(word, word, "or", other),
      store(sets, to, 4, word),
    ];
  });
}

function copyHalves(sets: Area, from: Set64, to: Set64): Step[] {
  return eachHalf(from, to, (word, source, target) => [
    load(word, sets, source, 4),
    store(sets, target, 4, word),
  ]);
}

function maskHalves(sets: Area, which: Set64): Step[] {
  return eachHalf("inheritable", which, (word, mask, target) => {
    const other = variable(which);
    return [
      load(word, sets, mask, 4),
      load(other, sets, target, 4),
      compute(word, word, "and", other),
      store(sets, target, 4, word),
    ];
  });
}

function eachHalf(
  from: Set64,
  to: Set64,
  steps: (word: Variable, from: number, to: number) => Step[],
): Step[] {
  const [fromLow, fromHigh] = halves(from);
  const [toLow, toHigh] = halves(to);
  const word = variable("word");
  return [...steps(word, fromLow, toLow), ...steps(word, fromHigh, toHigh)];
}

function setGroups(groups: readonly number[]): Step {
  const list = new Uint8Array(new Uint32Array(groups).buffer);
  return call(
    "setgroups",
    [groups.length, groups.length > 0 ? list : 0],
    `groups ${groups.join(",") || "(none)"}`,
  );
}

function changeIds(to: Privileges, sets: Area): Step[] {
  const gid = to.gid ?? unchangedId;
  const uid = to.uid ?? unchangedId;
  const keep = to.keepCapabilities;
  return [
    ...(keep ? [call("prctl", [PR_SET_KEEPCAPS, 1, 0, 0, 0], "keepcaps")] : []),
    call("setresgid", [gid, gid, gid], `gid ${gid}`),
    call("setresuid", [uid, uid, uid], `uid ${uid}`),
    ...(keep ? [capset(sets)] : []),
  ];
}

function raiseAmbient(ambient: bigint | "inheritable", sets: Area): Step[] {
  if (typeof ambient === "bigint") {
    return bitsOf(ambient).map((bit) => raise(bit, `capability ${bit}`));
  }
  const mask = variable("inheritable");
  const high = variable("high half");
  const [lowOffset, highOffset] = halves("inheritable");
  return [
    load(mask, sets, lowOffset, 4),
    load(high, sets, highOffset, 4),
    compute(high, high, "shl", 32),
    compute(mask, mask, "or", high),
    eachBit(mask, (bit) => [raise(bit, "an inheritable capability")]),
  ];
}

function raise(bit: Value, what: string): Step {
  return call("prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0], what, {
    label: "PR_CAP_AMBIENT_RAISE",
    hints: { [EPERM]: "it must be in the permitted and the inheritable set" },
  });
}

/** Drops what is not wanted, capability by capability until the kernel knows no further one. */
function limitBounding(wanted: bigint): Step[] {
  const bit = variable("capability");
  const present = variable("present");
  const keep = variable("keep");
  const name = area("capability name", 32);
  return [
    set(bit, 0),
    loop([
      call("prctl", [PR_CAPBSET_READ, bit, 0, 0, 0], "the bounding set", { into: present, accept: [EINVAL] }),
      when(present, "<", 0, [leave]),
      compute(keep, wanted, "shr", bit),
      compute(keep, keep, "and", 1),
      when(keep, "!=", 0, [
        when(present, "==", 0, [
          compose(name, ["capability ", bit]),
          fail({ step: "bounding set", what: name, errno: EPERM }),
        ]),
      ]),
      when(keep, "==", 0, [
        when(present, "!=", 0, [
          call("prctl", [PR_CAPBSET_DROP, bit, 0, 0, 0], "the bounding set", {
            label: "PR_CAPBSET_DROP",
            hints: { [EPERM]: "needs CAP_SETPCAP; with another uid also --keepcaps" },
          }),
        ]),
      ]),
      compute(bit, bit, "add", 1),
      when(bit, "==", capabilityBits, [leave]),
    ]),
  ];
}

function eachBit(mask: Variable, steps: (bit: Variable) => Step[]): Step {
  const bit = variable("capability");
  const isSet = variable("is set");
  return folded("for each of them", [
    set(bit, 0),
    loop([
      compute(isSet, mask, "shr", bit),
      compute(isSet, isSet, "and", 1),
      when(isSet, "!=", 0, steps(bit)),
      compute(bit, bit, "add", 1),
      when(bit, "==", capabilityBits, [leave]),
    ]),
  ]);
}

function bitsOf(mask: bigint): number[] {
  const bits: number[] = [];
  for (let bit = 0; bit < capabilityBits; bit++) if ((mask >> BigInt(bit)) & 1n) bits.push(bit);
  return bits;
}
