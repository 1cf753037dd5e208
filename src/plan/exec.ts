/** Executing a program the way execvp(3) does, and saying why it could not be. */

import {
  type Area,
  at,
  call,
  compute,
  fail,
  folded,
  leave,
  load,
  loop,
  type Step,
  set,
  store,
  variable,
  vector,
  when,
} from "../program/steps.ts";
import { EACCES, ENODEV, ENOENT, ENOEXEC, ENOTDIR, ESTALE, ETIMEDOUT } from "../sys/errno.ts";
import { map } from "../sys/lists.ts";
import { variableValue } from "./environment.ts";

/** Where programs are looked for without PATH, as in the C library. */
export const defaultPath = "/bin:/usr/bin";
const shell = "/bin/sh";
const wordBytes = 8;

export const notExecutable = 126;
export const notFound = 127;

/** Errors after which the next directory of PATH is tried. */
const tryNext = [ENOENT, ENOTDIR, ESTALE, ENODEV, ETIMEDOUT];

export interface Execution {
  /** The program: with a slash a path, otherwise a name to be looked for in PATH. */
  readonly file: string;
  /** All arguments, the zeroth one included. */
  readonly argv: readonly (string | Area)[];
  /** `NAME=VALUE` entries; PATH is looked up in `searchPath`, not here. */
  readonly environment: readonly (string | Area)[];
  /** The directories to search, as PATH has them. */
  readonly searchPath: string;
  /** What makes the failure visible: gives standard error back, say. */
  readonly beforeFailure?: readonly Step[];
}

/** The execution of `words[0]` with the environment it is to get. */
export function execution(words: readonly [string, ...string[]], environment: readonly string[]): Execution {
  const searchPath = variableValue(environment, "PATH") ?? defaultPath;
  return { file: words[0], argv: words, environment, searchPath };
}

/**
 * Executes a program; what follows is never reached. A file that the kernel does not know how to execute
 * (ENOEXEC) is given to /bin/sh. Ends with 127 if there is no such program, with 126 if it cannot be executed.
 */
export function exec({ file, argv, environment, searchPath, beforeFailure = [] }: Execution): Step[] {
  const error = variable("error");
  const denied = variable("denied");
  const next = variable("next path");
  const path = variable("path");
  const envp = vector(environment);
  const shellArgv = vector([shell, 0, ...argv.slice(1)]);
  const tryPaths = loop([
    load(path, next, 0, wordBytes),
    when(path, "==", 0, [leave]),
    call("execve", [path, vector(argv), envp], file, { into: error, accept: "any" }),
    when(error, "==", -ENOEXEC, [
      store(at(shellArgv, wordBytes), 0, wordBytes, path),
      call("execve", [shell, shellArgv, envp], file, { into: error, accept: "any" }),
    ]),
    when(error, "==", -EACCES, [set(denied, 1)], unlessOneOf(error, tryNext, [leave])),
    compute(next, next, "add", wordBytes),
  ]);
  const title = (): string => {
    const where = file.includes("/") ? "" : `, looked for in ${searchPath}`;
    const shown = argv.map((arg) => (typeof arg === "string" ? JSON.stringify(arg) : arg.name)).join(" ");
    return `execute ${file} as execvp(3) does${where}, with ${environment.length} variables: ${shown}`;
  };
  return [
    folded(title, [
      set(next, vector(candidates(file, searchPath))),
      tryPaths,
      when(denied, "!=", 0, [set(error, -EACCES)]),
      ...beforeFailure,
      ...notExecuted("execve", file, error),
    ]),
  ];
}

/** Fails with 127 or 126 after an exec whose result, a negative error number, is in `error`. */
export function notExecuted(
  step: "execve" | "execveat",
  file: string,
  error: ReturnType<typeof variable>,
): Step[] {
  const status = variable("status");
  return [
    set(status, notExecutable),
    when(error, "==", -ENOENT, [set(status, notFound)]),
    compute(error, 0, "sub", error),
    fail({ step, what: file, errno: error, status }),
  ];
}

function candidates(file: string, searchPath: string): string[] {
  if (file.includes("/")) return [file];
  // The kernel answers ENOENT for an empty name, as execvp(3) does.
  if (file === "") return [""];
  return map(searchPath.split(":"), (directory) => (directory === "" ? file : `${directory}/${file}`));
}

function unlessOneOf(error: ReturnType<typeof variable>, errors: readonly number[], steps: Step[]): Step[] {
  let inner = steps;
  for (const errno of errors) inner = [when(error, "!=", -errno, inner)];
  return inner;
}
