/**
 * unlock: a container whose root is a tmpfs with nothing but the static binary loads an untrusted root and gives up
 * its capabilities in one go; and what is left of it if anything fails.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ctrtool, inDirectory, mountScript, type Ran, script } from "../support/ctrtool.ts";

const sendMount = join(import.meta.dir, "..", "tools", "send_mount.py");

/** An untrusted root in `untrusted`, and a tmpfs with nothing but the binary, as a new mount on `trusted`. */
const roots = `
  mkdir untrusted untrusted/bin untrusted/proc trusted
  cp /usr/bin/busybox untrusted/bin/sh; cp /usr/bin/busybox untrusted/bin/cat; cp /usr/bin/busybox untrusted/bin/ls
  echo mine >untrusted/mark`;
const trusted = `mount -t tmpfs -o mode=0755 none trusted && cp "$CTRTOOL" trusted/ctrtool && mkdir trusted/new trusted/proc`;

/** In the launcher's script: hands the untrusted root to the container, from its own namespaces. */
const send = (enter: string): string =>
  `${enter} sh -c "cd $PWD && ${trusted}" && ${enter} python3 ${sendMount} $PWD/untrusted $3`;

function inRoots(text: string, ordinary = false): Ran {
  return inDirectory((directory) => {
    const whole = `cd ${directory} && ${roots}\n${text}`;
    if (!ordinary) return mountScript(whole);
    script(`chown 1000:1000 ${directory}`);
    return script(`export BIN=$CTRTOOL; ${whole}`, { ordinary });
  });
}

const status = "cat /proc/self/status";
const receiving = "--socket :CONTAINER_LAUNCHER_UNIX_FD --receive root";
/** Where no proc is visible, a user namespace cannot mount one: that of the trusted root is moved over. */
const unlockings = {
  root: `${receiving} --place root=new -p new -m proc -t proc -Osdx`,
  rootless: `${receiving} --place root=new -m new/proc -s /proc -Om -p new`,
};
const launchOptions: Readonly<Record<string, string>> = {
  root: '-w -m -p -X1 -r "$PWD/trusted"',
  rootless:
    '-w -U --uid-map=0.1000.1 --gid-map=0.1000.1 --disable-setgroups -g -m -p -t -X1 -r "$PWD/trusted"',
};
const entering: Readonly<Record<string, string>> = {
  root: "nsenter --mount=/proc/self/fd/$2/ns/mnt",
  rootless: "nsenter --user=/proc/self/fd/$2/ns/user --mount=/proc/self/fd/$2/ns/mnt --preserve-credentials",
};

function unlockIn(who: "root" | "rootless", words: string): Ran {
  const start = `"$CTRTOOL" launcher ${launchOptions[who]} -d -x '${send(entering[who] ?? "")}' /ctrtool unlock ${words}`;
  return inRoots(`export CTRTOOL; ${start}`, who === "rootless");
}

/** A line of /proc/PID/status. */
const field = (text: string, name: string): string =>
  new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";

for (const who of ["root", "rootless"] as const) {
  const unlocking = unlockings[who];
  describe(`as ${who === "root" ? "root" : "an ordinary user"}`, () => {
    test("the received root is the only thing left, with exactly two capabilities in every set", () => {
      const options = `${unlocking} --caps chown,kill --no-new-privs --securebits 0x2f`;
      const {
        stdout,
        stderr,
        status: ended,
      } = unlockIn(who, `${options} /bin/sh -c '${status}; cat /mark; ls /; ls /proc/self/fd; ls new'`);
      expect({ stderr, ended }).toEqual({ stderr: expect.stringContaining("new: No such file"), ended: 1 });
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
        expect(`${set} ${field(stdout, set)}`).toBe(`${set} 0000000000000021`);
      }
      expect(field(stdout, "NoNewPrivs")).toBe("1");
      expect(stdout).toContain("mine\nbin\nmark\nproc\n0\n1\n2\n3\n");
    });
    test("no capability at all, and another uid where there is one", () => {
      const ids = who === "root" ? "--uid 1000 --gid 1000 --groups 5" : "";
      const { stdout } = unlockIn(who, `${unlocking} --caps '' ${ids} /bin/sh -c '${status}'`);
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
        expect(`${set} ${field(stdout, set)}`).toBe(`${set} 0000000000000000`);
      }
      if (who === "root") expect(field(stdout, "Groups")).toBe("5");
    });
    test("sets that differ, each exactly as asked", () => {
      const sets =
        "--bounding chown,kill,setpcap --inheritable chown,kill --ambient kill --permitted chown,kill --securebits 0x1";
      const { stdout } = unlockIn(who, `${unlocking} ${sets} /bin/sh -c '${status}'`);
      expect(field(stdout, "CapBnd")).toBe("0000000000000121");
      expect(field(stdout, "CapInh")).toBe("0000000000000021");
      expect(field(stdout, "CapAmb")).toBe("0000000000000020");
      // Without the root user's privileges (securebit noroot) an exec leaves the ambient set.
      expect(field(stdout, "CapPrm")).toBe("0000000000000020");
    });
    test("after a failure in any operation nothing of the root runs", () => {
      for (const [words, says] of [
        [
          `--socket :CONTAINER_LAUNCHER_UNIX_FD --receive root,more --place root=new -p new`,
          "recvmsg: descriptor [0-9]+: fewer",
        ],
        [`${unlocking} -D /bin`, "mkdirat: /bin: EEXIST"],
        [
          `--socket :CONTAINER_LAUNCHER_UNIX_FD --receive root --place root=nowhere -p new`,
          "openat2: nowhere: ENOENT",
        ],
        [`--socket :CONTAINER_LAUNCHER_UNIX_FD --receive root -p new`, "pivot_root: new: E(INVAL|BUSY)"],
      ] as const) {
        const { status, stdout, stderr } = unlockIn(who, `${words} /bin/sh -c 'echo started'`);
        expect({ words, status, stdout }).toEqual({ words, status: 125, stdout: "" });
        expect(stderr).toMatch(new RegExp(`^ctrtool unlock: ${says}[^\\n]*\\n$`));
      }
    });
  });
}

describe("descriptors", () => {
  test("are opened, closed, and handed on by name; nothing else reaches the program", () => {
    const text = `echo content >file; ctrtool unlock --open DIR=/usr --open FILE="$PWD/file" --open GONE=/etc --close GONE \\
      --export FILE sh -c 'cat <&$FILE; echo "[$DIR$GONE]"; ls /proc/self/fd | wc -l'`;
    inDirectory((directory) => {
      expect(script(`cd ${directory}; ${text}`).stdout).toBe("content\n[]\n5\n");
    });
  });
  test("names have to be defined, once, before their use", () => {
    for (const words of [
      ["--close", "A", "true"],
      ["--export", "A", "true"],
      ["--place", "A=/mnt", "true"],
      ["--open", "A=/etc", "--open", "A=/usr", "true"],
      ["--open", "A", "true"],
      ["--receive", "A", "true"],
      ["--socket", "9", "true"],
      ["-S", "echo", "true"],
      ["-e", "true"],
      ["--caps", "nocap", "true"],
      [],
    ]) {
      const { status, stdout, stderr } = ctrtool(["unlock", ...words]);
      expect({ words, status, stdout }).toEqual({ words, status: 125, stdout: "" });
      expect(stderr).toMatch(/^ctrtool unlock: usage: [^\n]+\n$/);
    }
  });
});

describe("nothing in between", () => {
  test("between the pivot and the program no file is opened and nothing executed", () => {
    const words = `-m new -s "$PWD/untrusted" -E -Obv -p new --caps chown --no-new-privs /bin/sh -c true`;
    const { stdout, status } = inRoots(
      `unshare -m strace -f -o trace -e trace=%file,%process,prctl,capset "$CTRTOOL" unlock ${words} && sed -n '/pivot_root/,/execve("\\/bin\\/sh/p' trace`,
    );
    expect(status).toBe(0);
    const between = stdout
      .split("\n")
      .map((line) => /^\d+\s+(\w+)/.exec(line)?.[1])
      .filter((name) => name !== undefined);
    expect(between[0]).toBe("pivot_root");
    expect(between.at(-1)).toBe("execve");
    expect(new Set(between.slice(1, -1))).toEqual(new Set(["umount2", "chdir", "prctl", "capset"]));
  });
  test("--explain tells all of it, in order, and does nothing", () => {
    inDirectory((directory) => {
      const { stdout, status } = ctrtool([
        "unlock",
        "--explain",
        "-D",
        join(directory, "made"),
        "-p",
        "/new",
        "--caps",
        "chown",
        "--no-new-privs",
        "sh",
      ]);
      expect(status).toBe(0);
      const order = [
        "mkdirat",
        "make /new the root",
        "PR_CAPBSET_DROP",
        "permitted and effective sets become 0x1",
        "PR_SET_NO_NEW_PRIVS",
        "execute sh",
      ];
      const places = order.map((text) => stdout.indexOf(text));
      expect(places).toEqual([...places].sort((a, b) => a - b));
      expect(places).not.toContain(-1);
      expect(script(`test -e ${directory}/made`).status).toBe(1);
    });
  });
});
