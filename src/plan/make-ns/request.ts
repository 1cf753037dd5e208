/** What make_ns is asked for, as data: its options once they are read and checked. */
import type { IdMaps } from "../id-maps.ts";
import type { SharedMemory, TimeOffsets } from "../namespace-settings.ts";
import type { Entry, NamespaceLetter } from "../namespaces.ts";

/** All kinds but PID namespaces, which end with their first process. */
export type MadeLetter = Exclude<NamespaceLetter, "p">;

/** The kinds by their letters, as options and variables call them; in the order in which they are handed on. */
export const madeKinds = {
  U: "user",
  m: "mount",
  n: "net",
  i: "ipc",
  u: "uts",
  C: "cgroup",
  T: "time",
} as const satisfies Record<MadeLetter, string>;

/** The variable that tells a script or program a namespace's descriptor. */
export function madeVariable(letter: MadeLetter): string {
  return `CTRTOOL_MAKE_NS_${madeKinds[letter].toUpperCase()}_FD`;
}

/** Which user namespace owns the others. */
export type Owner =
  | { readonly form: "caller's" }
  | { readonly form: "new"; readonly maps: IdMaps }
  | { readonly form: "existing"; readonly entry: Entry; readonly text: string };

/** Run by the caller's side, with the namespaces as descriptors, or in the namespaces. */
export interface Script {
  readonly context: "host" | "inside";
  readonly words: readonly [string, ...string[]];
}

/** A file that is to keep a namespace. */
export interface Pin {
  readonly letter: MadeLetter;
  readonly path: string;
}

/** What is to be made, and what is done with it. */
export interface Request {
  readonly owner: Owner;
  /** New namespaces besides the user namespace. */
  readonly kinds: readonly Exclude<MadeLetter, "U">[];
  /** Directories of cgroups that the maker enters first. */
  readonly cgroups: readonly string[];
  /** MS_* propagation flags for the new mount namespace. */
  readonly propagation?: number;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly offsets: TimeOffsets;
  readonly segments: readonly SharedMemory[];
  /** In the order in which they are run. */
  readonly scripts: readonly Script[];
  readonly pins: readonly Pin[];
  readonly program?: readonly [string, ...string[]];
}

/** The namespaces that descriptors are opened of: the new ones, and an existing user namespace that owns them. */
export function handedOn({ owner, kinds }: Request): MadeLetter[] {
  return owner.form === "caller's" ? [...kinds] : ["U", ...kinds];
}
