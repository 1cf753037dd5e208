/**
 * What containers are made for, from scripts that a user could have written (test/scenarios). Each runs in
 * namespaces of its own, so that all that it leaves behind can be seen: a process, a mount, a network device, a
 * cgroup, a file.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, build, type Ran, run } from "./support/ctrtool.ts";

setDefaultTimeout(60_000);

/** Everything that a scenario needs, where everybody can read it. */
let directory = "";

/** A root file system that a squashfs is made of. */
function makeTree(name: string): void {
  const tree = join(directory, "tree", name);
  mkdirSync(join(tree, "usr", "bin"), { recursive: true });
  mkdirSync(join(tree, "usr", "sbin"));
  writeFileSync(join(tree, "usr", "name"), `I am ${name}\n`);
  copyFileSync("/bin/busybox", join(tree, "usr", "bin", "busybox"));
  expect(run(["chroot", tree, "/usr/bin/busybox", "--install", "/usr/bin"]).status).toBe(0);
}

beforeAll(() => {
  build();
  directory = mkdtempSync(join(tmpdir(), "ctrtool-scenarios-"));
  chmodSync(directory, 0o755);
  copyFileSync(binary, join(directory, "ctrtool"));
  cpSync(join(import.meta.dir, "scenarios"), directory, { recursive: true });
  for (const name of ["red", "blue"]) makeTree(name);
  const image = join(directory, "trees.squashfs");
  const made = run(["mksquashfs", join(directory, "tree"), image, "-all-root", "-no-xattrs", "-quiet"]);
  expect(made).toMatchObject({ status: 0 });
});
afterAll(() => rmSync(directory, { recursive: true }));

/**
 * Pid 1 of the scenario's world: mounts what it needs, runs it, and compares what was there before with what
 * is there afterwards. Network devices go away a little after the namespace that they were in.
 */
const world = `
  set -e
  cd "$DIRECTORY"
  mkdir -p trees cgroup
  mount -o loop,ro trees.squashfs trees
  mount -t cgroup2 none cgroup
  mkdir -m 0700 state home
  chown "$OWNER:$OWNER" state home
  export HOME=$PWD/home TMPDIR=$PWD/home CTRTOOL=$PWD/ctrtool
  look() {
    cat /proc/self/mountinfo
    set -- /proc/[0-9]*; echo "$# processes"
    ip -o link | cut -d : -f 2
    find cgroup -name 'scenario*'
    find home trees.squashfs ctrtool
    ls /tmp/ | grep -v '^ctrtool-' | grep scenario || :
  }
  before=$(look)
  status=0
  $AS "$@" || status=$?
  for try in 1 2 3 4 5 6 7 8 9 10; do
    after=$(look)
    [ "$before" = "$after" ] && break
    sleep 0.2
  done
  diff <(echo "$before") <(echo "$after") | sed 's/^/left: /'
  umount trees cgroup
  rm -rf state home
  exit $status
`;

const users = [
  ["root", 0, ""],
  ["an ordinary user", 1000, "setpriv --reuid=1000 --regid=1000 --clear-groups"],
] as const;
type User = (typeof users)[number];

/** Runs a scenario's script in a world of its own. */
function scenario([, owner, as]: User, name: string, ...words: string[]): Ran {
  const namespaces = ["--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc"];
  const env = { DIRECTORY: directory, OWNER: `${owner}`, AS: as };
  const command = [join(directory, name), ...words];
  return run(["unshare", ...namespaces, "bash", "-c", world, "bash", ...command], { env });
}

const [root] = users;

describe.each([...users])("as %s", (...user) => {
  test("a tmpfs root and a read-only squashfs: two containers of one tree", () => {
    const lines = (name: string) => [
      `${name}: uid 0, pid 1, host name ${name}`,
      `${name}: processes /proc/1`,
      `${name}: the tree says I am ${name}, the state says I am ${name}`,
      "touch: /usr/x: Read-only file system",
      `${name}: ends`,
    ];
    const { status, stdout, stderr } = scenario(user, "two-roots.sh", "trees", "state");
    expect(stdout.split("\n")).toEqual([...lines("red"), ...lines("blue"), ""]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test("nested three deep: each level has its own root, and the innermost one's status comes out", () => {
    const line = (level: number, uid: number) =>
      `uid 0, pid 1, host name level${level}, uid 0 is  0 ${uid} 1\n`;
    const [, uid] = user;
    expect(scenario(user, "nested.sh", "trees/red", "3")).toEqual({
      status: 42,
      stdout: line(3, uid) + line(2, 0) + line(1, 0),
      stderr: "",
    });
  });
});

describe("a hook that makes a network, a mount and a cgroup", () => {
  test("is done before the container starts", () => {
    expect(scenario(root, "hook.sh", "scenario9", "cgroup")).toEqual({
      status: 0,
      stdout: "note: left by the hook\ncgroup: 0::/\naddress: 192.0.2.2/30\nthe host answers\n",
      stderr: "",
    });
  });

  test.each([1, 23, 255])("that fails with %i: the container never starts, and nothing is left", (status) => {
    expect(scenario(root, "hook.sh", "scenario9", "cgroup", `${status}`)).toEqual({
      status,
      stdout: "",
      stderr: `ctrtool launcher: script: it ended with status ${status}\n`,
    });
  });
});
