/** Files that keep namespaces: bind mounts of /proc/PID/ns/X, see namespaces(7). */
import type { Hints } from "../../program/hints.ts";
import { call, type Step, set, type Variable, variable, when } from "../../program/steps.ts";
import {
  MNT_DETACH,
  MS_BIND,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  UMOUNT_NOFOLLOW,
} from "../../sys/constants.ts";
import { EEXIST, EINVAL, ENOENT } from "../../sys/errno.ts";
import { unmount } from "../mounts.ts";
import { closeAll, openParent, openPath, splitPath } from "../paths.ts";
import { openProcess } from "../proc.ts";
import { numberText } from "../text.ts";
import type { MadeLetter, Pin } from "./request.ts";

/** The steps around one pin. */
export interface Pinning {
  /** Opens the file, which is made if it is missing: before anything else is done. */
  readonly open: readonly Step[];
  /** Mounts the namespace on it. */
  readonly mount: readonly Step[];
  /** Takes back what has been done of it. */
  readonly undo: readonly Step[];
}

const newFileMode = 0o444;
const descriptors = "/proc/self/fd/";

/** How a namespace is pinned; `namespace` is a descriptor of it by the time it is mounted. */
export function pinning({ letter, path }: Pin, namespace: Variable): Pinning {
  const [directory, target] = [variable(`directory of ${path}`), variable(path)];
  const [file, made] = [variable("new file"), variable(`made ${path}`)];
  const [process, mounted] = [variable("own directory in /proc"), variable(`mounted ${path}`)];
  // By mount(2), since move_mount(2) takes no mount of a mount namespace.
  const [source, place] = [numberText(descriptors, namespace), numberText(descriptors, target)];
  const parent = openParent(splitPath(path), directory, { symlinks: "follow" });
  const { entry } = parent;
  const create = O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  return {
    open: [
      ...parent.steps,
      call("openat", [entry.directory, entry.name, create, newFileMode], path, {
        into: file,
        accept: [EEXIST],
      }),
      when(file, ">=", 0, [set(made, 1), ...closeAll([file])]),
      openPath(entry.name, target, { symlinks: "refuse", from: entry.directory, what: path }),
    ],
    mount: [
      openProcess("self", process),
      ...source.steps,
      ...place.steps,
      call("mount", [source.text, place.text, 0, MS_BIND, 0], path, { hints: hintsFor(letter) }),
      set(mounted, 1),
      ...closeAll([process, target]),
    ],
    undo: [
      when(mounted, "!=", 0, unmount(entry, MNT_DETACH | UMOUNT_NOFOLLOW, path)),
      when(made, "!=", 0, [call("unlinkat", [entry.directory, entry.name, 0], path, { accept: [ENOENT] })]),
    ],
  };
}

function hintsFor(letter: MadeLetter): Hints {
  if (letter !== "m") return {};
  return {
    [EINVAL]: "a mount namespace can only be kept on a mount that does not propagate to it: a private one",
  };
}
