/** pidns_run: pid 1, its root, its end; and roots that lie in wait. */
import { describe, expect, test } from "bun:test";
import { ctrtool, inDirectory, mountScript, script } from "../support/ctrtool.ts";

const root =
  "mkdir r && mount -t tmpfs t r && mkdir r/proc r/bin && cp /usr/bin/busybox r/bin/sh && cp /usr/bin/busybox r/bin/ls";

/** Runs a script in a new directory with the root of a container in it, in a mount namespace of its own. */
function inRoot(text: string): ReturnType<typeof mountScript> {
  return inDirectory((directory) => mountScript(`cd ${directory} && ${root} && ${text}`));
}

describe("pidns_run", () => {
  test("the command is pid 1, with a proc of its own", () => {
    const { stdout, status } = ctrtool([
      "pidns_run",
      "-t",
      "sh",
      "-c",
      "echo $$; readlink /proc/self; exit 9",
    ]);
    expect({ stdout, status }).toEqual({ stdout: "1\n2\n", status: 9 });
  });
  test("no other namespace is new", () => {
    const text =
      "ctrtool pidns_run readlink /proc/self/ns/uts /proc/self/ns/net /proc/self/ns/user; readlink /proc/self/ns/uts /proc/self/ns/net /proc/self/ns/user";
    const lines = script(text).stdout.trim().split("\n");
    expect(lines.slice(0, 3)).toEqual(lines.slice(3));
  });
  test("in another root, nothing of the old one is left", () => {
    const { stdout, stderr, status } = inRoot(
      "ctrtool pidns_run -t -r r /bin/sh -c 'ls /; while read a b c; do echo $b; done </proc/mounts'",
    );
    expect({ stdout, stderr, status }).toEqual({ stdout: "bin\nproc\n/\n/proc\n", stderr: "", status: 0 });
  });
  test("entering others first: a user namespace, and everything of a container", () => {
    const text = `ctrtool launcher -w -U --uid-map=0.1000.1 --gid-map=0.1000.1 --disable-setgroups -g -u -H in -d -x '
      "$CTRTOOL" pidns_run -t -e Uu//proc/$1 -S0 -G0 sh -c "id -u; uname -n; echo \\$\\$"' true`;
    expect(script(text, { ordinary: true })).toEqual({ status: 0, stdout: "0\nin\n1\n", stderr: "" });
  });
  test("statuses and signals of the command are the caller's", () => {
    for (const status of [0, 1, 77, 125, 255]) {
      expect(ctrtool(["pidns_run", "sh", "-c", `exit ${status}`]).status).toBe(status);
    }
    expect(ctrtool(["pidns_run", "/nonexistent"])).toMatchObject({ status: 127, stdout: "" });
    expect(ctrtool(["pidns_run", "/etc/passwd"])).toMatchObject({ status: 126, stdout: "" });
    const killed = '"$CTRTOOL" pidns_run sleep 60 & sleep 0.3; pkill -KILL -P $!; wait $!; echo $?';
    expect(script(killed).stdout).toBe("137\n");
  });
  test("signals to the caller reach the command, once each", () => {
    const command =
      "trap 'echo term' TERM; trap 'echo usr1' USR1; trap 'exit 5' USR2; echo ready; while :; do read -t 1 line <&7; done";
    const text = `mkfifo f; sleep 10 >f & keep=$!; "$CTRTOOL" pidns_run bash -c "${command}" 7<f >out & pid=$!
      until grep -q ready out 2>/dev/null; do sleep 0.05; done
      kill -TERM $pid; sleep 0.2; kill -USR1 $pid; sleep 0.2; kill -USR2 $pid; wait $pid; echo $?; kill $keep; cat out`;
    inDirectory((directory) =>
      expect(script(`cd ${directory}; ${text}`).stdout).toBe("5\nready\nterm\nusr1\n"),
    );
  });
  test("--daemon returns when the command runs, and tells when it cannot", () => {
    const text =
      "ctrtool pidns_run -d sh -c 'sleep 0.3; echo late >f'; echo $?; test -e f || echo running; sleep 0.6; cat f";
    inDirectory((directory) => expect(script(`cd ${directory}; ${text}`).stdout).toBe("0\nrunning\nlate\n"));
    expect(ctrtool(["pidns_run", "-d", "/nonexistent"])).toMatchObject({ status: 127, stdout: "" });
    expect(ctrtool(["pidns_run", "-d", "-r", "/nonexistent", "true"])).toMatchObject({
      status: 125,
      stdout: "",
    });
  });
  test("a caller that ignores SIGCHLD, or blocks everything, gets the same", () => {
    expect(script("trap '' CHLD; ctrtool pidns_run sh -c 'exit 7'; echo $?").stdout).toBe("7\n");
    const blocked = `python3 -c "
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
os.execv(os.environ['CTRTOOL'], ['ctrtool', 'pidns_run', 'grep', 'SigBlk', '/proc/self/status'])"`;
    expect(script(blocked).stdout).toBe("SigBlk:\tfffffffe7ffbfeff\n");
  });
  test("privileges: ids, bounding set, no_new_privs", () => {
    const status = (options: readonly string[], line: string): string =>
      ctrtool(["pidns_run", ...options, "grep", line, "/proc/self/status"]).stdout.trim();
    expect(status(["-S1000", "-G100", "--groups=5"], "Groups")).toBe("Groups:\t5");
    expect(status(["-b", "kill,chown"], "CapBnd")).toBe("CapBnd:\t0000000000000021");
    expect(status(["-b", "kill,chown"], "CapPrm")).toBe("CapPrm:\t0000000000000021");
    expect(status(["-D"], "NoNewPrivs")).toBe("NoNewPrivs:\t1");
  });
  test("the command has no descriptor of ours, and /proc/1/exe is its own", () => {
    const { stdout } = inRoot("ctrtool pidns_run -t -r r /bin/sh -c 'ls /proc/self/fd /proc/1/fd; true'");
    expect(stdout).toBe("/proc/1/fd:\n0\n1\n2\n\n/proc/self/fd:\n0\n1\n2\n3\n");
  });
  const traps = {
    "a symlink to the outside": "rmdir r/proc && ln -s /tmp r/proc",
    "a symlink within": "mkdir r/elsewhere && rmdir r/proc && ln -s elsewhere r/proc",
    "a fifo": "rmdir r/proc && mkfifo r/proc",
    "a file": "rmdir r/proc && touch r/proc",
    missing: "rmdir r/proc",
  };
  for (const [name, trap] of Object.entries(traps)) {
    test(`/proc of the root is ${name}: one line, and the command does not run`, () => {
      const { stdout, stderr, status } = inRoot(
        `${trap} && timeout 5 "$CTRTOOL" pidns_run -t -r r /bin/sh -c 'echo started'`,
      );
      expect({ stdout, status }).toEqual({ stdout: "", status: 125 });
      expect(stderr).toMatch(/^ctrtool pidns_run: (openat2|move_mount): \/proc: E[A-Z]+ .*\n$/);
    });
  }
  test("a root that is read-only needs nothing written", () => {
    const { stdout, status } = inRoot(
      "mount -o remount,ro r && ctrtool pidns_run -t -r r /bin/sh -c 'echo $$'",
    );
    expect({ stdout, status }).toEqual({ stdout: "1\n", status: 0 });
  });
  test("directories that are swapped for symlinks meanwhile lead nowhere", () => {
    const swap =
      "while :; do mv r/proc r/p && ln -s /tmp r/proc; rm -f r/proc; mv r/p r/proc; done 2>/dev/null & swapper=$!";
    const runs =
      "for i in $(seq 60); do ctrtool pidns_run -t -r r /bin/sh -c 'read line </proc/1/stat && case $line in \"1 (sh)\"*) ;; *) echo foreign;; esac' 2>/dev/null; done";
    const { stdout } = inRoot(`${swap}; ${runs}; kill $swapper; wait; grep -c ' /tmp proc ' /proc/mounts`);
    expect(stdout).toBe("0\n");
  });
  test("bad usage is refused in one line", () => {
    for (const words of [
      [],
      ["-e", "x", "true"],
      ["-b", "nocap", "true"],
      ["-D", "-b1", "true"],
      ["-R", "x", "true"],
    ]) {
      const { status, stdout, stderr } = ctrtool(["pidns_run", ...words]);
      expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
      expect(stderr).toMatch(/^ctrtool pidns_run: usage: [^\n]+\n$/);
    }
  });
});
