/**
 * The language of operations on mounts and files, which mount_seq and unlock share: an option that names an
 * operation begins one, and the modifiers behind it belong to it. What an operation does is in
 * src/plan/operations.ts and src/plan/mount-operation.ts.
 */
import { batch, batchKey } from "../plan/mount-batch.ts";
import { type MountOperation, mountStages } from "../plan/mount-operation.ts";
import { mountAttributes, mountKind, propagations } from "../plan/mounts.ts";
import {
  type Context,
  operationContext,
  type SimpleOperation,
  type Stages,
  simpleStages,
} from "../plan/operations.ts";
import { closeAll, splitPath, withoutSlash } from "../plan/paths.ts";
import { attempt, call, each, group, type Step, set, type Variable } from "../program/steps.ts";
import { MS_BIND, MS_MOVE, MS_REC, MS_REMOUNT, MS_SILENT } from "../sys/constants.ts";
import { oneLine } from "../sys/failure.ts";
import type { Given } from "../sys/given.ts";
import { quote, UsageError } from "./failure.ts";
import type { Details, OperandSchema, OptionSpec, OptionTable, Parsed } from "./spec.ts";
import { escaped } from "./values/escaped.ts";
import {
  existingFlags,
  type FlagTable,
  flagsByLetters,
  flagsByNumber,
  mountFlags,
  unmountFlags,
} from "./values/mount-flags.ts";
import { octalMode } from "./values/number.ts";
import { path, text } from "./values/text.ts";

/** execve(2) takes no longer argument, so that none longer can have been given. */
const longestArgument = 131_071;

/** Operations and their modifiers, as options of an applet. */
export const operationOptions = {
  mount: {
    short: "m",
    long: "mount",
    metavar: "TARGET",
    value: path,
    help: "mount on TARGET",
  },
  mkdir: {
    short: "D",
    long: "mkdir",
    metavar: "TARGET",
    value: path,
    help: "make a directory, mode 0700 less the umask",
  },
  umount: { short: "u", long: "umount", metavar: "TARGET", value: path, help: "unmount" },
  run: {
    short: "S",
    long: "run",
    metavar: "COMMAND",
    value: text(longestArgument),
    help: "run through /bin/sh -c; any status but 0 is a failure",
  },
  chdir: {
    short: "c",
    long: "chdir",
    metavar: "TARGET",
    value: path,
    help: "change the working directory for all that follows",
  },
  symlink: {
    short: "l",
    long: "symlink",
    metavar: "TARGET",
    value: path,
    help: "make a symlink at TARGET, with the content that --source gives",
  },
  write: {
    short: "w",
    long: "write",
    metavar: "TARGET",
    value: path,
    added: true,
    help: "make a regular file, mode 0600 less the umask, with the content that --content gives",
  },
  tolerate: { short: "e", long: "ignore-failure", help: "go on if this operation fails (but see below)" },
  tolerateRefusal: {
    long: "ignore-refusal",
    added: true,
    help: "go on also if a path of this operation is refused",
  },
  sync: { short: "y", long: "sync", help: "sync(2) afterwards" },
  follow: { short: "k", long: "follow", help: "follow symlinks in TARGET" },
  followSource: { short: "K", long: "follow-source", help: "follow symlinks in the source" },
  source: {
    short: "s",
    long: "source",
    metavar: "TEXT",
    value: text(),
    help: "what to mount, or content of the link",
  },
  type: {
    short: "t",
    long: "type",
    metavar: "TYPE",
    value: text(),
    help: "file system type",
  },
  data: {
    short: "o",
    long: "data",
    metavar: "DATA",
    value: text(),
    help: "file system options, separated by commas",
  },
  makeDirectory: {
    short: "E",
    long: "make-directory",
    help: "first make TARGET as a directory, mode 0700 less the umask, unless it exists",
  },
  makeFile: {
    short: "f",
    long: "make-file",
    help: "first make TARGET as an empty file, mode 0600 less the umask, unless it exists",
  },
  exclusive: { short: "x", long: "exclusive", help: "with -E or -f: it must not exist" },
  remount: {
    short: "r",
    long: "remount",
    help: "a bind mount gets exactly these flags, whatever its source has; also a remount after a move",
  },
  letters: {
    short: "O",
    long: "flags",
    metavar: "LETTERS",
    value: text(),
    repeat: true,
    help: "flags by letter, see below",
  },
  flag: {
    short: "F",
    long: "flag",
    metavar: "FLAG",
    value: text(),
    repeat: true,
    help: "flags by bit number or name (8, nosymfollow, MS_NOSYMFOLLOW), separated by commas",
  },
  mode: {
    short: "M",
    long: "mode",
    metavar: "OCTAL",
    value: octalMode(),
    help: "the mode of what is made, not subject to the umask",
  },
  content: {
    long: "content",
    metavar: "TEXT",
    value: text(longestArgument),
    added: true,
    help: "content of the file",
  },
  escapedContent: {
    long: "content-escaped",
    metavar: "TEXT",
    value: escaped,
    added: true,
    help: "content of the file, with the escapes of C",
  },
} as const satisfies OptionTable;

/** The help text's account of what the options do not say. */
export const operationDetails: readonly Details[] = [
  {
    title: "Letters for --flags",
    lines: [
      "-m  a noatime   b bind    c relatime     d nodev        e dirsync  h shared       l slave",
      "    m move      o rdonly  p private      q silent       r remount  s nosuid       t strictatime",
      "    u unbindable  v rec   w synchronous  x noexec       z lazytime",
      "-u  f force     l detach  n nofollow     x expire",
      "-D  e an existing directory is fine; -w  e an existing file is replaced",
    ],
  },
  {
    title: "Paths",
    lines: [
      "No component of TARGET, nor of the source of a bind or a move, may be a symlink, unless --follow or",
      "--follow-source allow it: such a path, or one that does not exist, is refused, which ends the run",
      "also with --ignore-failure. Each path is opened once and used by its descriptor.",
    ],
  },
];

/** An operation or a modifier of a command line. */
export type OperationOccurrence = Parsed<typeof operationOptions, OperandSchema>["sequence"][number];
type Occurrence = OperationOccurrence;
type Key = Occurrence["key"];
type OperationKey = "mount" | "mkdir" | "umount" | "run" | "chdir" | "symlink" | "write";
type ModifierKey = Exclude<Key, OperationKey>;

const everything: readonly OperationKey[] = ["mount", "mkdir", "umount", "run", "chdir", "symlink", "write"];

/** The operations that a modifier can be given to. */
const takers: Readonly<Record<ModifierKey, readonly OperationKey[]>> = {
  tolerate: everything,
  tolerateRefusal: everything,
  sync: everything,
  follow: everything,
  followSource: ["mount"],
  source: ["mount", "symlink"],
  type: ["mount"],
  data: ["mount"],
  makeDirectory: ["mount"],
  makeFile: ["mount"],
  exclusive: ["mount"],
  remount: ["mount"],
  letters: ["mount", "mkdir", "umount", "write"],
  flag: ["mount", "mkdir", "umount", "write"],
  mode: ["mkdir", "write"],
  content: ["write"],
  escapedContent: ["write"],
};

/** An operation and its modifiers as they were given. */
class Draft {
  readonly operation: OperationKey;
  readonly target: string;
  /** Equal for operations that have the same modifiers, with whatever source. */
  likeness = "";
  /** The last value of each. */
  private readonly modifiers: { [K in ModifierKey]?: Occurrence["value"] } = {};
  private flagTexts: readonly (Occurrence & { readonly key: "letters" | "flag" })[] = [];

  constructor(operation: OperationKey, target: string) {
    this.operation = operation;
    this.target = target;
  }

  /** For titles and messages. */
  get shown(): string {
    return `${optionName(this.operation)} ${quote(this.target)}`;
  }

  add(modifier: Occurrence & { readonly key: ModifierKey }): void {
    const { key, value } = modifier;
    if (!takers[key].includes(this.operation)) this.refuse(`${optionName(key)} is not for this operation`);
    const text = key === "source" ? "" : `${value}`;
    this.likeness += `${key} ${text.length} ${text} `;
    if (modifier.key === "letters" || modifier.key === "flag") {
      this.flagTexts = [...this.flagTexts, modifier];
    } else this.modifiers[key] = value;
  }

  has(key: ModifierKey): boolean {
    return this.modifiers[key] !== undefined;
  }

  /** What surrounds the operation itself. */
  get surroundings(): {
    readonly tolerate: boolean;
    readonly tolerateRefusal: boolean;
    readonly sync: boolean;
  } {
    return {
      tolerate: this.has("tolerate"),
      tolerateRefusal: this.has("tolerateRefusal"),
      sync: this.has("sync"),
    };
  }

  /** The last text given. */
  text(key: "source" | "type" | "data" | "content" | "escapedContent"): string | undefined {
    const text = this.modifiers[key];
    return typeof text === "string" ? text : undefined;
  }

  /** The last mode given. */
  get mode(): number | undefined {
    const { mode } = this.modifiers;
    return typeof mode === "number" ? mode : undefined;
  }

  /** All flags given, together. */
  flags(table: FlagTable): number {
    let flags = 0;
    for (const { key, value } of this.flagTexts) {
      try {
        flags |= key === "letters" ? flagsByLetters(table, value) : flagsByNumber(table, value);
      } catch (problem) {
        if (problem instanceof UsageError) this.refuse(`${optionName(key)}: ${problem.message}`);
        throw problem;
      }
    }
    return flags;
  }

  refuse(why: string): never {
    throw new UsageError(`${this.shown}: ${why}`);
  }
}

function optionName(key: Key): string {
  const option: OptionSpec = operationOptions[key];
  return option.short === undefined ? `--${option.long}` : `-${option.short}`;
}

function isOperation(occurrence: Occurrence): occurrence is Occurrence & { readonly key: OperationKey } {
  return everything.some((key) => key === occurrence.key);
}

function isModifier(occurrence: Occurrence): occurrence is Occurrence & { readonly key: ModifierKey } {
  return occurrence.key in takers;
}

function drafts(sequence: readonly Occurrence[]): readonly Draft[] {
  const found: Draft[] = [];
  let draft: Draft | undefined;
  for (const occurrence of sequence) {
    if (isModifier(occurrence)) {
      if (draft === undefined)
        throw new UsageError(`${optionName(occurrence.key)} comes before any operation`);
      draft.add(occurrence);
    } else if (isOperation(occurrence)) {
      draft = new Draft(occurrence.key, occurrence.value);
      found.push(draft);
    }
  }
  return found;
}

/** Flags that a bind mount or a move has no use for, so that they would be lost. */
function refuseLost(draft: Draft, flags: number, taken: number): void {
  if ((flags & ~taken) === 0) return;
  const names = Object.entries(mountFlags.names);
  const lost = names.find(([, flag]) => flags & flag & ~taken);
  if (lost !== undefined) draft.refuse(`the flag ${lost[0]} has no effect on this kind of mount`);
}

/** Refuses what mount(2) would not do, or not take notice of. */
function checkMount(draft: Draft, { flags, type, data, remount }: MountOperation): void {
  const kind = mountKind(flags);
  const changes = flags & propagations;
  if (changes & (changes - 1))
    draft.refuse("only one of shared, private, slave and unbindable can be asked for");
  if (kind === "new" && type === "") draft.refuse("-t is missing");
  if (kind !== "new" && kind !== "remount") {
    if (data !== "") draft.refuse("-o has no effect on this kind of mount");
    if (!["", "none", "bind"].includes(type)) draft.refuse("-t has no effect on this kind of mount");
  }
  const always = MS_REC | MS_SILENT;
  if (kind === "bind") refuseLost(draft, flags, always | MS_BIND | mountAttributes | propagations);
  if (kind === "remount bind") refuseLost(draft, flags, always | MS_BIND | MS_REMOUNT | mountAttributes);
  if (kind === "move" && !remount) refuseLost(draft, flags, always | MS_MOVE);
  if (kind === "propagation" && !remount) refuseLost(draft, flags, always | propagations);
}

function mountOperation(draft: Draft): MountOperation {
  const makes = draft.has("makeDirectory") ? "directory" : draft.has("makeFile") ? "file" : undefined;
  if (draft.has("exclusive") && makes === undefined) draft.refuse("-x needs -E or -f");
  const operation: MountOperation = {
    kind: "mount",
    target: splitPath(draft.target),
    symlinks: symlinks(draft),
    source: draft.text("source"),
    sourceSymlinks: draft.has("followSource") ? "follow" : "refuse",
    type: draft.text("type") ?? "",
    data: draft.text("data") ?? "",
    flags: draft.flags(mountFlags),
    remount: draft.has("remount"),
    make: makes,
    exclusive: draft.has("exclusive"),
  };
  checkMount(draft, operation);
  return operation;
}

function symlinks(draft: Draft): "follow" | "refuse" {
  return draft.has("follow") ? "follow" : "refuse";
}

function simpleOperation(draft: Draft, operation: Exclude<OperationKey, "mount">): SimpleOperation {
  const targeted = { target: splitPath(draft.target), symlinks: symlinks(draft) };
  switch (operation) {
    case "mkdir": {
      const existing = draft.flags(existingFlags) !== 0;
      return { kind: "directory", ...targeted, mode: draft.mode, existing };
    }
    case "write": {
      const literal = draft.text("content");
      const content = literal ?? draft.text("escapedContent");
      if (content === undefined) draft.refuse("--content or --content-escaped is missing");
      if (literal !== undefined && draft.has("escapedContent")) draft.refuse("the content is given twice");
      const existing = draft.flags(existingFlags) !== 0;
      return { kind: "file", ...targeted, content, mode: draft.mode, existing };
    }
    case "symlink": {
      const content = draft.text("source");
      if (content === undefined) draft.refuse("-s is missing");
      return { kind: "link", ...targeted, content };
    }
    case "umount":
      return {
        kind: "unmount",
        ...targeted,
        target: splitPath(withoutSlash(draft.target)),
        flags: draft.flags(unmountFlags),
      };
    case "chdir":
      return { kind: "chdir", ...targeted };
    case "run":
      return { kind: "run", command: draft.target };
  }
}

/** An operation with what happens if it fails, and what is done after it. */
export interface Planned {
  readonly draft: Draft;
  readonly operation: MountOperation | SimpleOperation;
  /** Equal for neighbours that can be carried out by the same steps. */
  readonly batch: string | undefined;
}

/** Whether an occurrence is in this language: applets have options of their own besides it. */
export function isOperationOccurrence<O extends { readonly key: string }>(
  occurrence: O | OperationOccurrence,
): occurrence is OperationOccurrence {
  return Object.hasOwn(operationOptions, occurrence.key);
}

/** Reads what was given in order. @throws UsageError */
export function readOperations(sequence: readonly OperationOccurrence[]): readonly Planned[] {
  return planAll(drafts(sequence));
}

/** Plans operations. Mounts with the modifiers of an earlier one are made after its model: there can be thousands. */
function planAll(all: readonly Draft[]): readonly Planned[] {
  const models = new Map<string, MountOperation>();
  return all.map((draft) => {
    if (draft.operation !== "mount") {
      return { draft, operation: simpleOperation(draft, draft.operation), batch: undefined };
    }
    const model = models.get(draft.likeness);
    const operation =
      model === undefined
        ? mountOperation(draft)
        : { ...model, target: splitPath(draft.target), source: draft.text("source") };
    if (model === undefined) models.set(draft.likeness, operation);
    return { draft, operation, batch: batchKey(operation, draft.likeness) };
  });
}

function stagesOf(operation: MountOperation | SimpleOperation, context: Context, given: Given): Stages {
  return operation.kind === "mount"
    ? mountStages(operation, context)
    : simpleStages(operation, context, given);
}

/** What to do with an operation's stages. */
interface Sequencing {
  /** Set to 1 by a failure that is tolerated. */
  readonly failed: Variable;
  /** Descriptors are needed later. */
  readonly keep: boolean;
}

function inSequence(draft: Draft, stages: Stages, { failed, keep }: Sequencing): Step[] {
  const { check, act, descriptors } = stages;
  const { tolerate, tolerateRefusal, sync } = draft.surroundings;
  const note = [set(failed, 1)];
  // Where an operation can end half-way, what it has not opened must not look like descriptor 0.
  const unopened = tolerate || tolerateRefusal ? descriptors.map((fd) => set(fd, -1)) : [];
  const steps = tolerateRefusal
    ? [attempt([...check, ...act], note, "resume")]
    : tolerate
      ? [...check, attempt(act, note, "resume")]
      : [...check, ...act];
  return [
    ...unopened,
    ...steps,
    ...(keep ? [] : closeAll(descriptors)),
    ...(sync ? [call("sync", [], "all file systems")] : []),
  ];
}

/**
 * All operations; neighbours that differ only in paths become a loop. A failure that is tolerated sets `failed`.
 */
export function sequenceSteps(operations: readonly Planned[], failed: Variable, given: Given): Step[] {
  const context = operationContext(false);
  const sequencing = { failed, keep: false };
  const steps: Step[] = [];
  for (let index = 0; index < operations.length; ) {
    const first = operations[index];
    if (first === undefined) break;
    const end = endOfBatch(operations, index);
    const { draft, operation } = first;
    if (operation.kind === "mount" && end - index > 1) {
      const mounts = operations.slice(index, end).map((one) => one.operation);
      const { operation: common, columns, rows } = batch(operation, mounts.filter(isMount));
      steps.push(each(columns, rows, inSequence(draft, mountStages(common, context), sequencing)));
    } else {
      steps.push(
        group(() => oneLine(draft.shown), inSequence(draft, stagesOf(operation, context, given), sequencing)),
      );
    }
    index = end;
  }
  return steps;
}

function isMount(operation: MountOperation | SimpleOperation): operation is MountOperation {
  return operation.kind === "mount";
}

function endOfBatch(operations: readonly Planned[], start: number): number {
  const key = operations[start]?.batch;
  let end = start + 1;
  if (key === undefined) return end;
  while (operations[end]?.batch === key) end++;
  return end;
}

/** All operations, each with descriptors of its own; if one fails, what was done is taken back from the end. */
export function undoableSteps(operations: readonly Planned[], failed: Variable, given: Given): Step[] {
  const undo: Step[][] = [];
  const steps = operations.map(({ draft, operation }) => {
    const stages = stagesOf(operation, operationContext(true), given);
    undo.unshift(takeBack(stages.undo));
    return group(() => oneLine(draft.shown), inSequence(draft, stages, { failed, keep: true }));
  });
  return [attempt(steps, undo.flat(), "fail")];
}

/** Each step of the way back is tried, also if another one fails. */
function takeBack(undo: readonly Step[]): Step[] {
  return undo.map((step) => attempt([step], [], "resume"));
}
