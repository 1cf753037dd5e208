/**
 * Compares everything that src/sys says about the kernel with the headers of both architectures. The headers to
 * look into are read from the comments of src/sys, so these are checked too.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Arch, arches } from "../../src/sys/arch.ts";
import * as constants from "../../src/sys/constants.ts";
import * as errno from "../../src/sys/errno.ts";
import * as structs from "../../src/sys/structs.ts";
import { syscallNumbers } from "../../src/sys/syscalls.ts";
import { compileAndRun, evaluate, macros, type Part, undeclared } from "./headers.ts";

// A hundred small compilations, on a machine that may be busy.
setDefaultTimeout(60_000);

const read = (module: string): string => readFileSync(join(import.meta.dir, "../../src/sys", module), "utf8");

/** Constants under one comment of constants.ts. */
interface ConstantGroup {
  readonly headers: readonly string[];
  /** The headers of today do not have these names. */
  readonly newer: boolean;
  readonly names: string[];
}

const groups = readGroups();

function readGroups(): ConstantGroup[] {
  const found: ConstantGroup[] = [];
  for (const line of read("constants.ts").split("\n")) {
    const [, list, after] = line.match(/^\/\/ ((?:<[^>]+> ?)+)(.*)/) ?? [];
    if (list !== undefined) {
      found.push({ headers: headersIn(list), newer: /^(?:, )?since Linux/.test(after ?? ""), names: [] });
    }
    const [, name] = line.match(/^export const ([A-Z_][A-Z0-9_]*) =/) ?? [];
    if (name !== undefined) found.at(-1)?.names.push(name);
  }
  return found;
}

function headersIn(list: string): string[] {
  return [...list.matchAll(/<([^>]+)>/g)].flatMap(([, header]) => header ?? []);
}

function numbers(from: object): Map<string, bigint> {
  const found = new Map<string, bigint>();
  for (const [name, value] of Object.entries(from)) {
    if (typeof value === "number" || typeof value === "bigint") found.set(name, BigInt(value));
  }
  return found;
}

/** Lines for all that differs. */
function mismatches(ours: ReadonlyMap<string, bigint>, theirs: ReadonlyMap<string, bigint>): string[] {
  const lines: string[] = [];
  for (const [name, value] of ours) {
    const other = theirs.get(name);
    if (other === undefined) lines.push(`${name}: not compared with any header`);
    else if (!same(value, other)) lines.push(`${name}: ours ${value}, theirs ${BigInt.asIntN(64, other)}`);
  }
  for (const name of theirs.keys()) if (!ours.has(name)) lines.push(`${name}: in the headers only`);
  return lines;
}

/** Whether our number is C's, given as 64 bits. What is a negative int in C may be 0xffffffff of ours. */
function same(value: bigint, other: bigint): boolean {
  const signed = BigInt.asIntN(64, other);
  const isInt = BigInt.asIntN(32, signed) === signed;
  return value === signed || value === other || (isInt && value === BigInt.asUintN(32, signed));
}

function identity(names: Iterable<string>, prefix = ""): Record<string, string> {
  return Object.fromEntries(Array.from(names, (name) => [name, prefix + name]));
}

/** Names that must all be ours: the groups of which we promise all there is. */
const completeGroups: readonly { headers: string[]; names: RegExp; except?: RegExp }[] = [
  { headers: ["linux/capability.h"], names: /^CAP_/, except: /^CAP_(LAST_CAP|TO_)/ },
  { headers: ["linux/resource.h"], names: /^RLIMIT_/ },
  // CLONE_DETACHED has meant nothing since Linux 2.6.2.
  { headers: ["linux/sched.h"], names: /^CLONE_/, except: /^CLONE_DETACHED$/ },
  { headers: ["linux/openat2.h"], names: /^RESOLVE_/ },
  { headers: ["linux/securebits.h"], names: /^SECBIT_/ },
  { headers: ["linux/fs.h"], names: /^RENAME_/ },
  { headers: ["linux/fcntl.h"], names: /^(AT_|F_SEAL_)/, except: /^AT_STATX_SYNC_TYPE$/ },
  { headers: ["linux/nsfs.h"], names: /^NS_GET_/ },
  { headers: ["linux/close_range.h"], names: /^CLOSE_RANGE_/ },
  { headers: ["linux/stat.h"], names: /^STATX_/, except: /^STATX_(ALL|_RESERVED)$/ },
  // The rest of MS_ is the kernel's own business, or a second name.
  {
    headers: ["linux/mount.h"],
    names: /^(MS_|MOUNT_ATTR_|MOVE_MOUNT_|OPEN_TREE_|FSOPEN_|FSMOUNT_|FSPICK_)/,
    except:
      /^(MS_(VERBOSE|KERNMOUNT|SUBMOUNT|NOREMOTELOCK|NOSEC|BORN|ACTIVE|NOUSER|RMT_MASK|MGC_\w+)|\w+_SIZE_VER0|MOVE_MOUNT__MASK)$/,
  },
  { headers: ["asm/signal.h"], names: /^SIG[A-Z0-9]+$/, except: /^SIG(RTMAX|STKSZ|EV_\w+|UNUSED)$/ },
];

describe.each(arches)("the headers of %s agree on", (arch) => {
  const known = new Map([...numbers(constants), ...numbers(constants.archConstants[arch])]);
  const newer = groups.filter((group) => group.newer);
  const newerNames = new Set(newer.flatMap(({ names }) => names));

  test("every constant", () => {
    const parts: Part[] = groups
      .filter((group) => !group.newer)
      .map(({ headers, names }) => ({ headers, expressions: identity(names) }));
    const own = Object.keys(constants.archConstants[arch]);
    parts.push({ headers: ["asm/fcntl.h"], expressions: identity(own) });
    const compared = new Map([...known].filter(([name]) => !newerNames.has(name)));
    expect(mismatches(compared, evaluate(arch, parts))).toEqual([]);
  });

  test("what is newer than they are", () => {
    const present = newer.flatMap(({ headers, names }) => {
      const missing = undeclared(arch, headers, names);
      return names.filter((name) => !missing.has(name));
    });
    expect(present).toEqual([]);
  });

  test("groups being complete", () => {
    const lacking = completeGroups.flatMap(({ headers, names, except }) => {
      const theirs = macros(arch, headers).filter((name) => names.test(name) && !except?.test(name));
      expect(theirs).not.toBeEmpty();
      return theirs.filter((name) => !known.has(name));
    });
    expect(lacking).toEqual([]);
  });

  test("system call numbers", () => {
    const names = Object.keys(syscallNumbers[arch]);
    const late = names.slice(names.indexOf(firstNewerCall));
    const missing = undeclared(
      arch,
      ["asm/unistd.h"],
      late.map((name) => `__NR_${name}`),
    );
    expect(late.filter((name) => !missing.has(`__NR_${name}`))).toEqual([]);
    const early = names.filter((name) => !late.includes(name));
    const theirs = evaluate(arch, [{ headers: ["asm/unistd.h"], expressions: identity(early, "__NR_") }]);
    const ours = [...numbers(syscallNumbers[arch])].filter(([name]) => !late.includes(name));
    expect(mismatches(new Map(ours), theirs)).toEqual([]);
  });

  test("errno numbers, names and texts", () => {
    const ours = numbers(errno);
    const theirs = macros(arch, ["errno.h"]).filter((name) => /^E[A-Z0-9]+$/.test(name));
    expect(
      mismatches(ours, evaluate(arch, [{ headers: ["errno.h"], expressions: identity(theirs) }])),
    ).toEqual([]);
    const words = Array.from(
      { length: 200 },
      (_, n) => `${errno.errnoName(n + 1)}: ${errno.errnoText(n + 1)}`,
    );
    expect(words).toEqual(errnoWords(arch).trimEnd().split("\n"));
  });

  test("sizes and offsets of structures", () => {
    const layouts: Readonly<Record<string, unknown>> = { ...structs, ...structs.archStructs[arch] };
    const ours = new Map<string, bigint>();
    const parts: Part[] = [];
    for (const [name, layout] of Object.entries(layouts)) {
      if (!(layout instanceof structs.Struct)) continue;
      const type = cTypes.get(name);
      if (!type) throw new Error(`the comment above ${name} names no C type and header`);
      const measured = measure(name, layout, type.type);
      parts.push({ headers: type.headers, expressions: measured.expressions });
      for (const [label, value] of measured.ours) ours.set(label, value);
    }
    expect(parts.length).toBeGreaterThan(30);
    expect(mismatches(ours, evaluate(arch, parts))).toEqual([]);
  });
});

/** The first name after the comment that says so; the object's order is the file's. */
const firstNewerCall = read("syscalls.ts").match(/\/\/ Newer than the headers.*\n\s*(\w+):/)?.[1] ?? "";

function errnoWords(arch: Arch): string {
  return compileAndRun(arch, [
    `#define _GNU_SOURCE
    #include <stdio.h>
    #include <string.h>
    int main() {
      for (int n = 1; n <= 200; n++) {
        if (strerrorname_np(n)) printf("%s: %s\\n", strerrorname_np(n), strerror(n));
        else printf("errno %d: %s\\n", n, strerror(n));
      }
    }`,
  ]);
}

type AnyStruct = structs.Struct<readonly structs.Field[]>;

/** C type and headers of each layout, from the comment above it. */
const cTypes = new Map<string, { type: string; headers: string[] }>();
for (const [, type = "", list = "", name = ""] of read("structs.ts").matchAll(
  /\/\*\* ((?:struct )?\w+) in ((?:<[^>]+> ?)+).*\n\s*(?:export const )?(\w+)(?: =|:) struct\(/g,
)) {
  cTypes.set(name, { type, headers: headersIn(list) });
}

function measure(name: string, layout: AnyStruct, type: string) {
  const ours = new Map([[name, BigInt(layout.size)]]);
  const expressions: Record<string, string> = { [name]: `sizeof(${type})` };
  for (const [field, scalar, count = 1] of layout.fields) {
    // sigset_t is a number on one architecture and a structure on the other.
    if (field.startsWith("__") || type === "sigset_t") continue;
    ours.set(`${name}.${field} offset`, BigInt(layout.offset(field)));
    expressions[`${name}.${field} offset`] = `offsetof(${type}, ${field})`;
    ours.set(`${name}.${field} size`, BigInt((Number(scalar.replace(/\D+/, "")) / 8) * count));
    expressions[`${name}.${field} size`] = `sizeof(((${type} *)0)->${field})`;
  }
  return { ours, expressions };
}
