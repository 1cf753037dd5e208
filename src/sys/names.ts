/**
 * Numbers back into the names of constants.ts, for `--explain` and other texts. The names stand in one text,
 * which is looked into when it is asked for.
 */
import { type Arch, nativeArch } from "./arch.ts";
import { nameTables } from "./name-tables.ts" with { type: "macro" };

export type { GroupName } from "./name-tables.ts";

type Entry = readonly [name: string, value: bigint];

/** clone(2) has the signal sent to the parent in the low bits; no signal reaches CLONE_NEWTIME, the lowest flag. */
const cloneSignal = 0x7fn;

/**
 * A combination of flags as its names, lowest first, and what has no name in hexadecimal:
 * "MS_BIND|MS_REC|0x40000000"; "0" for none. Negative numbers are read as 64-bit two's complement. Throws
 * RangeError on an unknown group.
 */
export function describeFlags(group: string, value: number | bigint, arch: Arch = nativeArch()): string {
  let rest = BigInt.asUintN(64, BigInt(value));
  const found: Entry[] = [];
  const signal = group === "CLONE" ? rest & cloneSignal : 0n;
  if (signal !== 0n) {
    found.push([describeConstant("SIG", signal, arch), signal]);
    rest &= ~signal;
  }
  for (const entry of membersOf(group, arch)) {
    const [, bits] = entry;
    if (bits === 0n || (rest & bits) !== bits) continue;
    found.push(entry);
    rest &= ~bits;
  }
  const names = found.sort(([, left], [, right]) => (left < right ? -1 : 1)).map(([name]) => name);
  if (rest !== 0n) names.push(`0x${rest.toString(16)}`);
  return names.join("|") || "0";
}

/** One constant of a group as its name, or the number in decimal if it has none. Throws as `describeFlags`. */
export function describeConstant(group: string, value: number | bigint, arch: Arch = nativeArch()): string {
  const wanted = BigInt(value);
  return membersOf(group, arch).find(([, number]) => number === wanted)?.[0] ?? wanted.toString();
}

/** Every group, for tests that go through all of them. */
export function groupNames(): string[] {
  return lines().map((line) => line.slice(0, line.search(/[. ]/)));
}

function membersOf(group: string, arch: Arch): Entry[] {
  const line = lines().find((line) => line.startsWith(`${group} `) || line.startsWith(`${group}.${arch} `));
  if (line === undefined) throw new RangeError(`no group of constants is called ${group}`);
  return line
    .split(" ")
    .slice(1)
    .map((member): Entry => {
      const equals = member.indexOf("=");
      return [member.slice(0, equals), BigInt(member.slice(equals + 1))];
    });
}

function lines(): string[] {
  return nameTables().split("\n");
}
