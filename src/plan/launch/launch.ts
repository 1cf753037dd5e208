/** What a launch is, as data: the launcher's options once they are read and checked. */

import type { IdMapText } from "../id-maps.ts";
import type { Limit } from "../limits.ts";
import type { Entry, NamespaceLetter } from "../namespaces.ts";
import type { Privileges } from "../privileges.ts";

/** A namespace entry, and how the user wrote it. */
export interface NamedEntry {
  readonly entry: Entry;
  readonly text: string;
}

/** What the container's first process executes in the end. */
export type Payload =
  | { readonly form: "none" }
  /** PROGRAM by execvp(3) rules. */
  | { readonly form: "search"; readonly words: readonly [string, ...string[]] }
  /** A path in the final root; `words[0]` is only the program's name for itself. */
  | { readonly form: "path"; readonly path: string; readonly words: readonly string[] }
  /** A descriptor that was given, or of a file opened before anything else, or of a new memfd. */
  | {
      readonly form: "descriptor";
      readonly source: { readonly fd: number } | { readonly hostPath: string } | "memfd";
      readonly inheritable: boolean;
      readonly words: readonly string[];
    };

/** A script on the host side, executed while the child waits. */
export interface Script {
  /** `FILE`, or the interpreter, `-c`, the text and `-`; the numbers follow. */
  readonly words: readonly [string, ...string[]];
  /** The launcher becomes the script, which releases the child itself. */
  readonly replacesLauncher: boolean;
}

/**
 * One more fork, whose second process becomes the program. `late`: when all is set up. `early`: before the root
 * is changed, for a new pid namespace that only later children are in: a proc must be mounted by one of them.
 */
export type LastFork =
  | { readonly when: "never" }
  | { readonly when: "early" | "late"; readonly first: "waits" | "exits" };

/** Everything that is done in the container's first process. */
export interface Inside {
  readonly hostname?: string;
  readonly noNewPrivileges: boolean;
  readonly closeDescriptors: readonly number[];
  readonly newSession: boolean;
  /** The environment of the program, before what only the launch knows. */
  readonly environment: readonly string[];
  /** Where PROGRAM is looked for. */
  readonly searchPath: string;
  /** MS_* propagation flags for the whole tree. */
  readonly propagation?: number;
  readonly entriesBefore: readonly NamedEntry[];
  readonly entriesAfter: readonly NamedEntry[];
  readonly newCgroupNamespace: boolean;
  readonly privileges: Privileges;
  readonly thpDisable?: boolean;
  readonly timerSlack?: bigint;
  readonly root?: string;
  readonly mountProc: boolean;
  readonly staysDumpable: boolean;
  readonly clearCapabilities: boolean;
  /** A seccomp filter: an open descriptor, or a file of the host's root. */
  readonly filter?: number | string;
  readonly notify?: number;
  readonly fork: LastFork;
  readonly payload: Payload;
}

/** A terminal, or pipes, of its own for the program; we relay. */
export interface ChannelRequest {
  readonly form: "terminal" | "pipes";
  /** Whom it belongs to, if that is to change. */
  readonly uid?: number;
  readonly gid?: number;
}

/** A launch in a new process. */
export interface Launch {
  readonly inside: Inside;
  readonly namespaces: readonly NamespaceLetter[];
  /** Pids for clone3(2), innermost namespace first. */
  readonly setTid: readonly number[];
  /** Directory of a version 2 cgroup that the new process is born in. */
  readonly intoCgroup?: string;
  /** Effective uid while cloning: the owner of a new user namespace. */
  readonly ownerUid?: number;
  readonly uidMap?: IdMapText;
  readonly gidMap?: IdMapText;
  readonly denySetgroups: boolean;
  readonly limits: readonly Limit[];
  readonly lockFile?: string;
  readonly logFile?: string;
  readonly emptyFile?: string;
  readonly pidFiles: readonly string[];
  /** SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET for a socket pair between script and program. */
  readonly socketType?: number;
  readonly pidfd: boolean;
  readonly openNamespaces: readonly NamespaceLetter[];
  readonly script?: Script;
  readonly channel?: ChannelRequest;
  /** The environment of the script, before what only the launch knows. */
  readonly scriptEnvironment: readonly string[];
  readonly wait: boolean;
  /** While waiting, signals are passed on to the first process. */
  readonly forwardSignals: boolean;
  /** A given descriptor that is told of the launch's events, in lines of JSON. */
  readonly status?: number;
}

/** A launch in this very process: no clone, no script. */
export interface InPlace {
  readonly inside: Inside;
  readonly namespaces: readonly NamespaceLetter[];
  /** A user namespace to enter first. */
  readonly userNamespace?: number;
  readonly entriesFirst: readonly NamedEntry[];
}

/** Variables of the script and, with `executed`, of the program. */
export const launcherVariables = {
  executed: "CTRTOOL_CONTAINER_LAUNCHER_EXEC_FD",
  pidfd: "CTRTOOL_CONTAINER_LAUNCHER_PID_FD",
  socket: "CONTAINER_LAUNCHER_UNIX_FD",
  childInput: "CTRTOOL_CONTAINER_LAUNCHER_CHILD_STDIN_FD",
  childOutput: "CTRTOOL_CONTAINER_LAUNCHER_CHILD_STDOUT_FD",
  childError: "CTRTOOL_CONTAINER_LAUNCHER_CHILD_STDERR_FD",
} as const;

/** The variable that tells the script a namespace's descriptor. */
export function namespaceVariable(file: string): string {
  return `CTRTOOL_CONTAINER_LAUNCHER_${file.toUpperCase()}_NS`;
}
