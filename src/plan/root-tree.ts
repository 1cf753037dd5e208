/**
 * A small tree on a new tmpfs with file systems mounted in it, made detached and attached to a directory when
 * it is complete: up to then nobody sees it, and a failure leaves nothing.
 *
 * Kernels before 6.15 cannot attach mounts inside a detached tree. There the tree is attached as late as
 * possible, with all its nodes, and all other mounts made but for attaching them; a failure detaches it.
 */

import {
  attempt,
  type Call,
  call,
  group,
  type Step,
  set,
  type Variable,
  variable,
  when,
} from "../program/steps.ts";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_DIRECTORY, O_RDONLY } from "../sys/constants.ts";
import { EEXIST, EINVAL, ENOENT } from "../sys/errno.ts";
import {
  addedAttributes,
  attach,
  cloneTree,
  detach,
  type FileSystem,
  fileSystemOptions,
  newFileSystem,
  setAttributes,
} from "./mounts.ts";
import { type NamespaceProc, namespaceProc } from "./namespace-proc.ts";
import { makeDirectory, makeEmptyFile, makeLink } from "./nodes.ts";
import { openParent, openPath, splitPath } from "./paths.ts";

/** Something in the tree. Paths are relative to its root and lead through nothing but directories of it. */
export type Node =
  | {
      readonly kind: "directory";
      readonly path: string;
      /** Less the umask. */
      readonly mode: number;
      /** Not subject to the umask. */
      readonly exactMode?: number;
    }
  | {
      readonly kind: "link";
      readonly path: string;
      readonly content: string /** Made only if this is in the directory `existing`. */;
      readonly onlyFor?: string;
    }
  /** A link that the user asks for, who may have named symlinks of the tree on the way: they are refused. */
  | { readonly kind: "extra link"; readonly path: string; readonly content: string }
  /** A directory that may be there already, with mode and owner as given. */
  | {
      readonly kind: "extra directory";
      readonly path: string;
      readonly mode: number | undefined;
      readonly owner: readonly [uid: number, gid: number] | undefined;
    };

/** A mount in the tree, on a path as above. */
export type TreeMount =
  | {
      readonly kind: "file system";
      readonly path: string;
      readonly fileSystem: FileSystem /** A path that does not exist is fine. */;
      readonly optional?: true;
    }
  | { readonly kind: "namespace proc"; readonly path: string; readonly proc: NamespaceProc }
  /** A file of the caller's, bound to a new empty file. */
  | {
      readonly kind: "device";
      readonly path: string;
      readonly source: string;
      readonly flags: number /** A source that does not exist is fine. */;
      readonly optional: boolean;
    }
  /** A file of the caller's, bound to a file that is there, if it is. */
  | { readonly kind: "mask"; readonly path: string; readonly source: string; readonly flags: number }
  /** A part of the tree bound onto itself, with flags, if it is there. */
  | { readonly kind: "self"; readonly path: string; readonly flags: number };

export interface Tree {
  readonly root: FileSystem;
  readonly nodes: readonly Node[];
  readonly mounts: readonly TreeMount[];
  /** The directory in which links look for what they are for, open. */
  readonly existing: Variable;
}

const fileMode = 0o666;
/** F_OK of access(2). */
const exists = 0;

/** Makes the tree and attaches it to the directory that `target` is open on. */
export function treeSteps(tree: Tree, target: Variable, what: string): Step[] {
  const root = variable("root");
  const attached = variable("attached");
  const options = fileSystemOptions(tree.root) ?? [];
  const mounts = tree.mounts.map((mount) => mountSteps(mount, root));
  const attachRoot = attach(root, target, what);
  return [
    newFileSystem(tree.root, options, root, what),
    group(
      "the tree",
      tree.nodes.flatMap((node) => nodeSteps(node, tree, root)),
    ),
    group(
      "the mounts in it, detached",
      mounts.flatMap(({ make }) => make),
    ),
    attempt(
      [
        group("the mounts in it, attached", attachAll(mounts, [attachRoot, set(attached, 1)])),
        when(attached, "==", 0, [attachRoot]),
      ],
      [when(attached, "!=", 0, detach(root, what))],
      "fail",
    ),
  ];
}

/** The first mount of all shows whether this kernel needs the tree attached first. */
function attachAll(mounts: readonly Prepared[], attachRoot: readonly Step[]): Step[] {
  const [first, ...rest] = mounts.flatMap(({ attach }) => attach);
  if (first === undefined) return [];
  // Nothing to find it out with: there may not even be a mount.
  if (first.kind !== "call") return [...attachRoot, first, ...rest];
  const into = first.into ?? variable("result");
  const accepted = typeof first.accept === "object" ? first.accept : [];
  const probe: Call = { ...first, into, accept: [...accepted, EINVAL] };
  return [probe, when(into, "==", -EINVAL, [...attachRoot, first]), ...rest];
}

function nodeSteps(node: Node, { existing }: Tree, root: Variable): Step[] {
  const { path: name } = node;
  const entry = { directory: root, name };
  switch (node.kind) {
    case "directory":
      return [
        makeDirectory(entry, node.mode, name),
        ...(node.exactMode === undefined ? [] : [call("fchmodat", [root, name, node.exactMode], name)]),
      ];
    case "link": {
      const link = makeLink(node.content, entry, name);
      if (node.onlyFor === undefined) return [link];
      const result = variable("result");
      return [
        call("faccessat2", [existing, node.onlyFor, exists, AT_SYMLINK_NOFOLLOW], node.onlyFor, {
          into: result,
          accept: [ENOENT],
        }),
        when(result, "==", 0, [link]),
      ];
    }
    case "extra link": {
      const { steps, entry } = openParent(splitPath(name), variable("directory"), {
        from: root,
        symlinks: "refuse",
      });
      return [...steps, makeLink(node.content, entry, name)];
    }
    case "extra directory":
      return extraDirectorySteps(name, node.mode, node.owner, root);
  }
}

/** Nothing but a directory of the tree itself is ever changed: a symlink of the tree may lead anywhere. */
function extraDirectorySteps(
  path: string,
  mode: number | undefined,
  owner: readonly [number, number] | undefined,
  root: Variable,
): Step[] {
  const parent = variable("directory");
  const directory = variable("new directory");
  const { steps, entry } = openParent(splitPath(path), parent, { from: root, symlinks: "refuse" });
  const opening = {
    from: entry.directory,
    flags: O_RDONLY | O_DIRECTORY,
    symlinks: "refuse",
    what: path,
  } as const;
  return [
    ...steps,
    makeDirectory(entry, 0o777, path, { accept: [EEXIST] }),
    openPath(entry.name, directory, opening),
    ...(owner === undefined ? [] : [call("fchown", [directory, ...owner], path)]),
    ...(mode === undefined ? [] : [call("fchmod", [directory, mode], path)]),
  ];
}

/** A mount in two parts: what can be done while it is nowhere, and the rest, whose first step uses the tree. */
interface Prepared {
  readonly make: readonly Step[];
  readonly attach: readonly Step[];
}

function mountSteps(mount: TreeMount, root: Variable): Prepared {
  const { path } = mount;
  const fd = variable(`${path} mount`);
  const entry = { directory: root, name: path };
  const missing = { accept: [ENOENT] };
  switch (mount.kind) {
    case "file system": {
      const options = fileSystemOptions(mount.fileSystem) ?? [];
      return {
        make: [newFileSystem(mount.fileSystem, options, fd, path)],
        attach: [attach(fd, entry, path, mount.optional ? missing : {})],
      };
    }
    case "namespace proc":
      return {
        make: [namespaceProc(mount.proc, fd)],
        attach: [attach(fd, entry, path)],
      };
    case "device": {
      const { source, flags, optional } = mount;
      const made = [setAttributes(fd, addedAttributes(flags), source), makeEmptyFile(entry, fileMode, path)];
      const from = { directory: AT_FDCWD, name: source } as const;
      const clone = cloneTree(from, fd, source, { recursive: true, ...(optional ? missing : {}) });
      const attached = attach(fd, entry, path);
      return optional
        ? { make: [clone, when(fd, ">=", 0, made)], attach: [when(fd, ">=", 0, [attached])] }
        : { make: [clone, ...made], attach: [attached] };
    }
    case "mask": {
      const { source, flags } = mount;
      return {
        make: [
          cloneTree({ directory: AT_FDCWD, name: source }, fd, source),
          setAttributes(fd, addedAttributes(flags), source),
        ],
        attach: [attach(fd, entry, path, missing)],
      };
    }
    case "self": {
      const { flags } = mount;
      const change =
        flags === 0 ? [] : [setAttributes(fd, addedAttributes(flags), path, { recursive: true })];
      return {
        make: [],
        attach: [
          cloneTree(entry, fd, path, { recursive: true, ...missing }),
          when(fd, ">=", 0, [...change, attach(fd, entry, path)]),
        ],
      };
    }
  }
}
