/** The launcher's worked examples, as the original's users know them, each a command line and what comes of it. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { inDirectory, script } from "../support/ctrtool.ts";

setDefaultTimeout(30_000);

interface Example {
  /** A bash script in a directory of its own, in which `ctrtool` is the executable. */
  readonly line: string;
  readonly ordinary?: true;
  readonly status: number;
  /** Of all of it. Nothing, if it is not given. */
  readonly stdout?: RegExp;
  readonly stderr?: RegExp;
}

const rootless = "-U -m -p -t -w --uid-map=0.1000.1 --gid-map=0.1000.1 --disable-setgroups -g";
/** A container to enter: sleeps, with its pid in `pid` and its own user, mount and PID namespaces. */
const running = `
  ctrtool launcher -Umpt --uid-map=0.0.1 --gid-map=0.0.1 -P pid sleep 30
  pid=$(cat pid)
  trap 'kill -9 $pid' EXIT`;
const capabilities = "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f 2 | paste -sd ' '";
const [oneCapability, twoCapabilities] = [`${"0".repeat(15)}1`, `${"0".repeat(15)}3`];

const examples: Readonly<Record<string, readonly Example[]>> = {
  "1: what a script is told": [
    {
      line: `ctrtool launcher -w -X1 -d -x 'echo "$0 $# $*"' true`,
      status: 0,
      stdout: /^- 3 \d+ \d+ \d+\n$/,
    },
    {
      line: `ctrtool launcher -w -d -e python3 -x 'import sys; print(sys.argv)' true`,
      status: 0,
      stdout: /^\['-c', '-', '\d+', '\d+', '-1'\]\n$/,
    },
  ],
  "2: the launcher becomes the script": [
    {
      line: `ctrtool launcher -F -K lock -X1 -d -x 'echo "$#"; printf x >&$5; sleep 0.3' /bin/echo prog`,
      status: 0,
      stdout: /^5\nprog\n$/,
    },
    {
      // The launcher is the script now and ends at once; the child's line comes a little later.
      line: `ctrtool launcher -F -K lock -X1 -d -x 'echo "$#"' /bin/echo prog; status=$?; sleep 0.3; exit $status`,
      status: 0,
      stdout: /^5\n$/,
      stderr: /^ctrtool launcher: [^\n]*release[^\n]*\n$/,
    },
  ],
  "3: a script that fails": [
    {
      line: "ctrtool launcher -w -d -x 'exit 7' /bin/echo prog",
      status: 7,
      stderr: /^ctrtool launcher: script: it ended with status 7\n$/,
    },
    {
      line: "ctrtool launcher -w -d -x 'kill -9 $$' /bin/echo prog",
      status: 127,
      stderr: /^ctrtool launcher: script: it was killed by signal 9\n$/,
    },
  ],
  "4: a program that the script brings along": [
    {
      line: `ctrtool launcher -w --exec-anon-fd -d -x 'cat /bin/echo >&$CTRTOOL_CONTAINER_LAUNCHER_EXEC_FD' ARG0 hello`,
      status: 0,
      stdout: /^hello\n$/,
    },
  ],
  "5: a rootless container": [
    {
      line: `ctrtool launcher --escape ${rootless} sh -c 'id; echo $$'`,
      ordinary: true,
      status: 0,
      stdout: /^uid=0\(root\) gid=0\(root\)[^\n]*\n1\n$/,
    },
    {
      line: `ctrtool launcher --escape ${rootless} -i -r/proc/driver -d -x '
          in="nsenter --preserve-credentials --user --ipc --mount --target $1"
          $in "$CTRTOOL" rootfs-mount -o root_link_opts=usr_ro_tmp -o root_symlink_usr=1 /proc/driver &&
          $in "$CTRTOOL" mount_seq -c /proc/driver -D _fsroot_ro -m _fsroot_ro/usr -E -s /usr -Obvo -r
        ' sh -c 'stat -f -c %T /; ls -d /proc/[0-9]*; touch /usr/x || echo read-only'`,
      ordinary: true,
      status: 0,
      stdout: /^tmpfs\n\/proc\/1\nread-only\n$/,
      stderr: /Read-only file system/,
    },
  ],
  "6: a bounding set": [
    {
      line: "ctrtool launcher -w -b 0x3 -S 1000 true",
      status: 125,
      stderr: /^ctrtool launcher: PR_CAPBSET_DROP: [^\n]*EPERM[^\n]*\n$/,
    },
    {
      line: `ctrtool launcher -w -b 0x3 -S 1000 -I 1 -a 1 sh -c "${capabilities}"`,
      status: 0,
      stdout: new RegExp(
        `^${oneCapability} ${oneCapability} ${oneCapability} ${twoCapabilities} ${oneCapability}\n$`,
      ),
    },
    {
      line: "ctrtool launcher -w -D -b 0x3 true",
      status: 125,
      stderr: /^ctrtool launcher: usage: [^\n]*clear-caps-before-exec[^\n]*\n$/,
    },
  ],
  "7: existing namespaces": [
    {
      line: `${running}
        touch file && chown 1 file
        ctrtool launcher --escape --nsenter2=Um//proc/$pid -g -w sh -c 'stat -c %u "$0"; ls -d /proc/[0-9]*' $PWD/file`,
      status: 0,
      // Uid 1 is not mapped, and the proc is the container's, in which only its own process is.
      stdout: /^65534\n\/proc\/1\n$/,
    },
    {
      line: `${running}
        ctrtool launcher --unsafe-no-escape -w --nsenter-post=pm//proc/$pid --fork sh -c 'echo $$; ls -d /proc/[0-9]*'`,
      status: 0,
      stdout: /^[2-9]\n\/proc\/1\n\/proc\/2\n(\/proc\/3\n)?$/,
    },
    // The original takes this path for a relative one.
    {
      line: `${running}
        ctrtool launcher --unsafe-no-escape -w --nsenter-post=m/proc/$pid sh -c 'ls -d /proc/[0-9]*'`,
      status: 0,
      stdout: /^\/proc\/1\n$/,
    },
  ],
  "8: in place": [
    // A process group leader is one that setsid(2) refuses, and that needs no new session.
    { line: `exec setsid -w "$CTRTOOL" launcher -fi echo prog`, status: 0, stdout: /^prog\n$/ },
    {
      line: `exec setsid -w "$CTRTOOL" launcher -fi --unsafe-no-setsid echo prog`,
      status: 0,
      stdout: /^prog\n$/,
    },
  ],
  "9: a sign that all is set up": [
    { line: "ctrtool launcher -w --notify-fd=7 true 7>f; echo $? $(cat f)", status: 0, stdout: /^0 :\n$/ },
    {
      line: "ctrtool launcher -w --notify-fd=7 -m -r /proc/none true 7>f; echo $? $(cat f)",
      status: 0,
      stdout: /^125\n$/,
      stderr: /^ctrtool launcher: chdir: \/proc\/none: ENOENT [^\n]*\n$/,
    },
    {
      line: "ctrtool launcher -w --notify-fd=7 /nonexistent 7>f; echo $? $(cat f)",
      status: 0,
      stdout: /^127 :\n$/,
      stderr: /^ctrtool launcher: execve: \/nonexistent: ENOENT [^\n]*\n$/,
    },
  ],
};

describe.each(Object.entries(examples))("%s", (_title, lines) => {
  test.each([...lines])("command %#", (example) => {
    inDirectory((cwd) => {
      const { line, ordinary = false, status, stdout = /^$/, stderr = /^$/ } = example;
      expect(script(line, { cwd, ordinary })).toEqual({
        status,
        stdout: expect.stringMatching(stdout),
        stderr: expect.stringMatching(stderr),
      });
    });
  });
});
