/** Mounting for real, where nobody else sees it: as root, as an ordinary user, and two namespaces deep. */
import { chmodSync } from "node:fs";
import { binary, build, inDirectory, type Ran, run } from "./ctrtool.ts";

/** Who mounts. The last two are root in user namespaces of their own. */
export type Who = "root" | "ordinary user" | "nested";
export const everybody: readonly Who[] = ["root", "ordinary user", "nested"];

const namespaces: Readonly<Record<Who, readonly string[]>> = {
  root: ["unshare", "--mount", "--ipc", "--propagation=private"],
  "ordinary user": ["unshare", "--user", "--map-root-user", "--mount", "--ipc"],
  nested: [
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--ipc",
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--ipc",
  ],
};

const prelude = `
ctrtool() { "$CTRTOOL" "$@"; }
mounts() { local at; while read -r _ _ _ from at how _; do [[ $at == $PWD/* ]] && echo "\${at#$PWD/} $how"; done < /proc/self/mountinfo | sed 's/,relatime//'; }
`;

/**
 * Runs a bash script in an empty directory and a mount namespace of its own. In it `ctrtool` is the binary, and
 * `mounts` prints what is mounted below the directory, with the flags of the mount but for relatime.
 */
export function mounting(who: Who, script: string, tracer: readonly string[] = []): Ran {
  build();
  return inDirectory((directory) => {
    chmodSync(directory, 0o777);
    const options = { cwd: directory, env: { CTRTOOL: binary }, ordinary: who !== "root" };
    return run([...tracer, ...namespaces[who], "bash", "-c", prelude + script], options);
  });
}
