/** Files of the host that a launch opens first: what is executed by descriptor, and a seccomp filter. */

import { call, type Step, type Variable, variable, when } from "../../program/steps.ts";
import {
  AT_FDCWD,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
  O_CLOEXEC,
  O_RDONLY,
} from "../../sys/constants.ts";
import { EINVAL } from "../../sys/errno.ts";
import type { Links } from "./child.ts";
import type { Inside, Payload } from "./launch.ts";

export interface ExecutedFile {
  /** Opens or makes it, in the host's root. */
  readonly open: readonly Step[];
  /** Undefined if the program is executed by path. */
  readonly fd?: number | Variable;
}

export function executedFile(payload: Payload): ExecutedFile {
  if (payload.form !== "descriptor") return { open: [] };
  const { source } = payload;
  const fd = variable("executed file");
  if (source === "memfd") return { open: createMemfd(fd), fd };
  if ("fd" in source) return { open: [], fd: source.fd };
  const { hostPath } = source;
  return { open: [call("openat", [AT_FDCWD, hostPath, O_RDONLY | O_CLOEXEC], hostPath, { into: fd })], fd };
}

/** A seccomp filter's file, opened in the host's root before anything is changed. */
export function filterFile(filter: Inside["filter"]): { open: Step[]; links: Pick<Links, "filter"> } {
  if (filter === undefined) return { open: [], links: {} };
  if (typeof filter === "number")
    return { open: [], links: { filter: { fd: filter, what: `descriptor ${filter}` } } };
  const fd = variable("filter");
  const open = call("openat", [AT_FDCWD, filter, O_RDONLY | O_CLOEXEC], filter, { into: fd });
  return { open: [open], links: { filter: { fd, what: filter } } };
}

/** MFD_EXEC says what kernels before 6.3 take for granted, and do not know. */
function createMemfd(into: Variable): Step[] {
  const what = "the file to execute";
  const create = (flags: number, accept: number[]): Step =>
    call("memfd_create", ["ctrtool-exec", MFD_ALLOW_SEALING | MFD_CLOEXEC | flags], what, { into, accept });
  return [
    create(MFD_EXEC, [EINVAL]),
    when(into, "<", 0, [create(0, [])]),
    call("fchmod", [into, 0o755], what),
  ];
}
