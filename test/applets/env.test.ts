/** env against env(1), and nsenter against what it enters. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ctrtool, inDirectory, script } from "../support/ctrtool.ts";

describe("env", () => {
  const same = [
    ["A=1", "B=2=3", "env"],
    ["-i", "A=1", "env"],
    ["-", "A=1", "/usr/bin/env"],
    ["-u", "HOME", "-u", "PATH", "/usr/bin/env"],
    ["HOME=/elsewhere", "HOME=/again", "env"],
    ["A=", "sh", "-c", 'echo "[$A]"'],
    ["-C", "/proc", "pwd"],
    ["-i", "A=1"],
    ["-0", "-i", "A=1", "B=\xff\n"],
    ["-i"],
  ];
  for (const words of same) {
    test(`as env(1) does: ${words.map((word) => JSON.stringify(word)).join(" ")}`, () => {
      const env = { HOME: "/root", LANG: "C" };
      const quoted = words.map(
        (word) =>
          `$'${Array.from(word, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`).join("")}'`,
      );
      const ours = script(`ctrtool env ${quoted.join(" ")}`, { env });
      const theirs = script(`env ${quoted.join(" ")}`, { env });
      const lines = (text: string): string[] =>
        text
          .split("\n")
          .filter((line) => !/^(_|CTRTOOL|SHLVL)=/.test(line))
          .sort();
      expect(ours.status).toBe(theirs.status);
      expect(lines(ours.stdout)).toEqual(lines(theirs.stdout));
    });
  }
  test("statuses of what cannot be executed", () => {
    expect(ctrtool(["env", "/nonexistent"])).toMatchObject({ status: 127, stdout: "" });
    expect(ctrtool(["env", "/etc/passwd"])).toMatchObject({ status: 126, stdout: "" });
    expect(ctrtool(["env", "-C", "/nonexistent", "true"])).toMatchObject({ status: 125, stdout: "" });
    expect(ctrtool(["env", "=x", "true"])).toMatchObject({ status: 125, stdout: "" });
    expect(ctrtool(["env", "-0", "true"])).toMatchObject({ status: 125, stdout: "" });
  });
  test("a large environment reaches a slow reader whole", () => {
    const text = `ctrtool env -i A=$(head -c 100000 /dev/zero | tr '\\0' x) | (sleep 0.1; wc -c)`;
    expect(script(text).stdout.trim()).toBe("100003");
  });
});

describe("nsenter", () => {
  test("enters each kind, by every kind of target", () => {
    const kinds = { C: "cgroup", i: "ipc", m: "mnt", n: "net", p: "pid", u: "uts" };
    for (const [letter, file] of Object.entries(kinds)) {
      const text = `ctrtool launcher -w -Cimnpu --pidfd -d -x '
        exec 9<"/proc/$1/ns/${file}"; in=$(readlink /proc/$1/ns/${file})
        for entry in ${letter}:9 :9 ${letter}-FD ${letter}=/proc/$1/ns/${file} ${letter}//proc/$1 ${letter}-; do
          FD=9 "$CTRTOOL" nsenter -e "$entry" sh -c "test \\$(readlink /proc/self/ns/${file}) = $in" || echo "$entry"
        done' true`;
      // A new cgroup namespace is made after the script: there is none to enter yet.
      if (letter !== "C")
        expect({ letter, ...script(text) }).toEqual({ letter, status: 0, stdout: "", stderr: "" });
    }
  });
  test("several namespaces through one pidfd, and a fork after a PID namespace", () => {
    const text = `ctrtool launcher -w -mpu -H in --pidfd -d -x '
      "$CTRTOOL" nsenter -e mpu- sh -c "echo \\$\\$ \\$(uname -n); exit 7"; echo $?' true`;
    // Pid 1 is the container's first process, which waits.
    expect(script(text).stdout).toBe("2 in\n7\n");
  });
  test("a user namespace of an ordinary user, with ids", () => {
    const rootless = "-U --uid-map=0.1000.1 --gid-map=0.1000.1 --disable-setgroups -g";
    const text = `ctrtool launcher -w ${rootless} -n -d -x '"$CTRTOOL" nsenter -e Un//proc/$1 -S0 -G0 id -u' true`;
    expect(script(text, { ordinary: true })).toEqual({ status: 0, stdout: "0\n", stderr: "" });
  });
  test("what cannot be entered is named, and nothing is executed", () => {
    for (const [words, says] of [
      [["-e", "n:9", "echo", "started"], "setns: n:9: EBADF"],
      [["-e", "n=/nonexistent", "echo", "started"], "openat: n=/nonexistent: ENOENT"],
      [["-e", "n//nonexistent", "echo", "started"], "openat: n//nonexistent: ENOENT"],
      [["-e", "n-NOWHERE", "echo", "started"], "usage: $NOWHERE is not set"],
      [["-e", "n", "echo", "started"], "usage: -e: "],
      [["echo", "started"], "usage: no --enter"],
      [["-e", "n:0", "-f", "-F", "echo", "started"], "usage: --fork and --no-fork"],
    ] as const) {
      const { status, stdout, stderr } = ctrtool(["nsenter", ...words]);
      expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
      expect(stderr).toStartWith(`ctrtool nsenter: ${says}`);
    }
  });
  test("starts where it is told to", () => {
    inDirectory((directory) => {
      writeFileSync(join(directory, "here"), "");
      const text = `ctrtool nsenter -e u=/proc/self/ns/uts -C ${directory} ls`;
      expect(script(text).stdout).toBe("here\n");
    });
  });
});
