/** The maps of a user namespace, written from outside of it: user_namespaces(7). */

import { call, type Step, type Variable, variable } from "../program/steps.ts";
import { O_CLOEXEC, O_WRONLY } from "../sys/constants.ts";
import { EPERM } from "../sys/errno.ts";

/** The lines of a uid_map or gid_map file, as the kernel takes them. */
export type IdMapText = string;

/** What is left out stays unmapped. */
export interface IdMaps {
  readonly uidMap?: IdMapText;
  readonly gidMap?: IdMapText;
  /** Project ids, for the quotas of some file systems. */
  readonly projidMap?: IdMapText;
  /** Forbids setgroups(2) in the namespace for good. */
  readonly denySetgroups: boolean;
}

const hints = {
  [EPERM]:
    "an ordinary user may map only the own uid and gid, one id each, the gid after --disable-setgroups",
};

/** Writes the maps of the user namespace of a process, whose directory in /proc `process` is open on. */
export function writeIdMaps(process: Variable, maps: IdMaps): Step[] {
  const write = (name: string, content: string | undefined): Step[] => {
    if (content === undefined) return [];
    const file = variable(name);
    const what = `${name} ${content.trimEnd().replaceAll("\n", ", ")}`;
    return [
      call("openat", [process, name, O_WRONLY | O_CLOEXEC], what, { into: file, hints }),
      call("write", [file, content, content.length], what, { hints }),
      call("close", [file], what),
    ];
  };
  return [
    ...write("setgroups", maps.denySetgroups ? "deny" : undefined),
    ...write("uid_map", maps.uidMap),
    ...write("gid_map", maps.gidMap),
    ...write("projid_map", maps.projidMap),
  ];
}
