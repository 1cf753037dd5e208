import { describe, expect, test } from "bun:test";
import { plan, spec } from "../../src/applets/rootfs-mount.ts";
import { parse } from "../../src/cli/parse.ts";
import { calls } from "../../src/program/explain.ts";
import type { Given } from "../../src/sys/given.ts";
import { ctrtool, ordinaryGiven, usageError } from "../support/ctrtool.ts";
import { everybody, mounting } from "../support/mounts.ts";

function planned(words: readonly string[], given: Given = ordinaryGiven): string[] {
  return calls(plan(parse(spec, words), given).steps);
}

/** The settings' words for a command line. */
function settings(...pairs: string[]): string[] {
  return pairs.flatMap((pair) => ["-o", pair]);
}

describe("refuses before anything is done", () => {
  test.each([
    [[], "DIR is missing"],
    [["d", "e"], 'unexpected word "e"'],
    [[""], "DIR: the path is empty"],
    [["-z", "d"], "unknown option -z"],
    [["d", "-p"], "option -p needs a value"],
    [["d", "-o", "foo"], '-o: "foo" is not of the form NAME=VALUE'],
    [["d", "-o", "mont_proc=1"], '-o: unknown setting "mont_proc" (did you mean mount_proc?)'],
    [["d", "-o", "umask =1"], '-o: unknown setting "umask " (did you mean umask?)'],
    [["d", "-o", "run_dirs=maybe"], '-o run_dirs: "maybe" is not a boolean (yes or no)'],
    [["d", "-o", "systemd="], '-o systemd: "" is not a boolean (yes or no)'],
    [["d", "-o", "umask=abc"], '-o umask: "abc" is not an octal number'],
    [["d", "-o", "umask=1777"], '-o umask: "1777" is out of range (0 to 777 octal)'],
    [["d", "-o", "umask=0x12"], '-o umask: "0x12" is not an octal number'],
    [["d", "-o", "root_link_opts=all"], '-o root_link_opts: "all" is not a root preset'],
    [
      ["d", "-o", "root_link_opts=0x1b2c3d4"],
      '-o root_link_opts: "0x1b2c3d4" has bits for more than 12 entries',
    ],
    [
      ["d", "-o", "root_link_opts=4294967296"],
      '-o root_link_opts: "4294967296" is out of range (0 to 4294967295)',
    ],
    [["d", "-o", "root_link_opts=12x"], '-o root_link_opts: "12x" is not a number'],
    [["d", "-o", "dev_opts=3"], '-o dev_opts: "3" asks for 3 for /dev/full, which means nothing'],
    [["d", "-o", "dev_opts=0xffffffff"], '-o dev_opts: "0xffffffff" has bits for more than 7 entries'],
    [["d", "-o", "dev_opts=bind"], '-o dev_opts: "bind" is not a device preset'],
    [
      ["d", "-o", `tmpfs_mount_opts=mode=${"0".repeat(300)}`],
      "-o tmpfs_mount_opts: an option is longer than 255 bytes",
    ],
    [["d", "-o", "size=64Q"], '-o size: "64Q" is not a size (64M, 10%)'],
    [["d", "-o", "shm_size=1M"], "shm_size needs mount_shm"],
    [["d", ...settings("mount_shm=1", "run_dirs=0")], "mount_shm needs run_dirs"],
    [["d", "-o", "mask_paths=1"], "mask_paths needs mount_proc, pid_ns or mount_sysfs"],
    [["d", "-o", "readonly_paths=1"], "readonly_paths needs mount_proc or pid_ns"],
    [["d", "-o", "kmsg=yes"], '-o kmsg: "yes" is not none, null or host'],
    [["d", "-o", "pid_ns="], "-o pid_ns: the path is empty"],
    [["d", "--directory", "/"], '--directory: "/" is not a path below the root'],
    [["d", "--directory", "a/../../b"], '--directory: "a/../../b" is not a path below the root'],
    [["d", "--directory", "a:0755:1"], '--directory: "a:0755:1" is not PATH[:MODE[:UID:GID]]'],
    [["d", "--directory", "a:9"], '--directory: "9" is not an octal number'],
    [["d", "--link", "a"], '--link: "a" is not PATH:CONTENT'],
    [["d", "--link", "a:"], "--link: the path is empty"],
  ])("%j", (words, message) => expect(usageError(() => planned(words))).toBe(message));

  test("with status 2, one line and no effect", () => {
    const { stdout, stderr } = mounting(
      "root",
      "mkdir d; ctrtool rootfs-mount -o dev_opts=3 d; echo $?; mounts",
    );
    expect(stdout).toBe("2\n");
    expect(stderr).toBe(
      'ctrtool rootfs-mount: usage: -o dev_opts: "3" asks for 3 for /dev/full, which means nothing\n',
    );
  });
});

describe("plan", () => {
  test("the tree is attached when it is complete, as the last step", () => {
    const lines = planned(["d"]);
    expect(lines[0]).toStartWith('openat2(AT_FDCWD, "d"');
    expect(lines[1]).toBe("umask(022)");
    const attached = lines.findIndex((line) => line.startsWith('move_mount(root, "", target'));
    expect(lines[attached - 1]).toBe("when result == -22:");
    expect(lines.findLastIndex((line) => line.startsWith('move_mount(root, "", target'))).toBe(
      lines.indexOf("after a failure of these, fail, first:") - 1,
    );
  });

  test("names in any case, values in all their forms, the last of a name counts, options anywhere", () => {
    const expected = planned(["d", ...settings("mount_proc=1", "umask=27", "root_link_opts=0x555555")]);
    const variants = [
      [...settings("MOUNT_PROC=yes", "Umask=027", "root_link_opts=ALL_RO"), "d"],
      [
        ...settings("mount_proc=off", "mount_proc=0x10"),
        "d",
        ...settings("umask=0027", "root_link_opts=0x55555555"),
      ],
      ["-t", "--option=mount_proc=True", "--option", "umask=27", "d", ...settings("root_link_opts=5592405")],
    ];
    for (const words of variants) expect(planned(words)).toEqual(expected);
  });

  test("documented numbers stay valid, although they have bits too many", () => {
    expect(planned(["d", ...settings("root_link_opts=0xaaaaaaaa")])).toEqual(planned(["d"]));
    expect(planned(["d", ...settings("dev_opts=0xaaaaaaaa")])).toEqual(
      planned(["d", ...settings("dev_opts=bind_host_v2")]),
    );
  });

  test("-p: settings are read, and do not count", () => {
    expect(planned(["-p", "/ns", "d", "-o", "mount_sysfs=1"])).toEqual(planned(["d", "--proc=/ns"]));
    expect(usageError(() => planned(["-p", "/ns", "d", "-o", "mount_sysfs=x"]))).toContain("mount_sysfs");
  });

  test("SIGCHLD is reset where children are waited for", () => {
    const given = { ...ordinaryGiven, ignoredSignals: 1n << 16n };
    expect(planned(["-p", "/ns", "d"], given)[0]).toStartWith("rt_sigaction(SIGCHLD");
    expect(planned(["d"], given)[0]).toStartWith("openat2");
  });
});

const list = "stat -c '%n %F %a' ";
const links = "find . -xdev -type l -printf '%P -> %l\\n' | sort";
const allDevices = ["full", "null", "random", "tty", "urandom", "zero", "net/tun"];

describe.each(everybody)("as %s", (who) => {
  test("the default: ten mounts, twelve links to _fsroot_rw", () => {
    const { stdout, stderr } = mounting(
      who,
      `mkdir d; ctrtool rootfs-mount d; echo $?; mounts; cd d; ${links}`,
    );
    expect(stderr).toBe("");
    const dev = allDevices.map((name) => `d/dev/${name} rw,nosuid,noexec`);
    const entries = [
      "bin",
      "lib",
      "lib32",
      "lib64",
      "libx32",
      "opt",
      "sbin",
      "usr",
      "etc",
      "home",
      "root",
      "var",
    ];
    const expected = [
      "dev/fd -> /proc/self/fd",
      "dev/ptmx -> pts/ptmx",
      "dev/shm -> ../run/shm",
      "dev/stderr -> fd/2",
      "dev/stdin -> fd/0",
      "dev/stdout -> fd/1",
      ...entries.map((name) => `${name} -> _fsroot_rw/${name}`),
    ];
    expect(stdout.trimEnd().split("\n")).toEqual([
      "0",
      "d rw",
      "d/dev/pts rw,nosuid,noexec",
      "d/dev/mqueue rw,nosuid,nodev,noexec",
      ...dev,
      ...expected.sort(),
    ]);
  });

  test("modes, less the umask or not", () => {
    const names = "proc sys dev dev/net run run/lock run/shm tmp";
    const modes = (option: string) =>
      mounting(
        who,
        `mkdir d; ctrtool rootfs-mount d ${option} -o dev_opts=none -o mount_mqueue=0 -o mount_devpts=0; cd d; stat -c %a . ${names} dev/pts dev/mqueue | tr '\\n' ' '`,
      ).stdout;
    expect(modes("")).toBe("755 700 700 755 755 755 1777 1777 1777 700 700 ");
    expect(modes("-o umask=027 -o tmp_world=no")).toBe("755 700 700 750 750 750 750 750 750 700 700 ");
    expect(modes("-o umask=22 -o tmpfs_mount_opts=mode=0711")).toBe(
      "711 700 700 755 755 755 1777 1777 1777 700 700 ",
    );
  });

  test("root_link_opts and root_symlink_usr", () => {
    const { stdout } = mounting(
      who,
      `mkdir d e; o="-o dev_opts=none -o run_dirs=0"; ctrtool rootfs-mount $o -o root_link_opts=usr_ro -o root_symlink_usr=1 d; (cd d; ${links} | grep -v dev/)
       ctrtool rootfs-mount $o -o root_link_opts=0x30001b e; cd e; ${links} | grep -v dev/; ls -d bin; stat -c %a bin root; ls`,
    );
    const usr = [
      "bin",
      "etc",
      "home",
      "lib",
      "lib32",
      "lib64",
      "libx32",
      "opt",
      "root",
      "sbin",
      "usr",
      "var",
    ].map((name) =>
      /^(bin|lib|sbin)/.test(name)
        ? `${name} -> usr/${name}`
        : `${name} -> _fsroot_${/opt|usr/.test(name) ? "ro" : "rw"}/${name}`,
    );
    expect(stdout).toBe(
      `${usr.join("\n")}\nlib -> _fsroot_rw/lib\nlib32 -> _fsroot_ro/lib32\nbin\n755\n700\nbin\ndev\nlib\nlib32\nproc\nroot\nrun\nsys\ntmp\n`,
    );
  });

  test("dev_opts", () => {
    const { stdout } = mounting(
      who,
      `mkdir d e; ctrtool rootfs-mount -o dev_opts=0x1009 -o mount_mqueue=0 d; mounts; (cd d/dev; ${links}; ls); ctrtool rootfs-mount -o dev_opts=symlink_host e; ls e/dev/net | wc -l`,
    );
    expect(stdout.split("\n")).toEqual([
      "d rw",
      "d/dev/pts rw,nosuid,noexec",
      "d/dev/null rw,nosuid,noexec",
      "fd -> /proc/self/fd",
      "full -> _host/full",
      "net/tun -> ../_host/net/tun",
      "ptmx -> pts/ptmx",
      "shm -> ../run/shm",
      "stderr -> fd/2",
      "stdin -> fd/0",
      "stdout -> fd/1",
      ..."fd full mqueue net null ptmx pts shm stderr stdin stdout 0".split(" "),
      "",
    ]);
  });

  test("devices work, a pseudoterminal too", () => {
    const { stdout } = mounting(
      who,
      "mkdir d; ctrtool rootfs-mount d; head -c 3 d/dev/zero | od -An -tx1; echo x > d/dev/null; echo y > d/dev/full; head -c 9 d/dev/urandom | wc -c; exec 3<> d/dev/pts/ptmx; ls d/dev/pts",
    );
    expect(stdout).toBe(" 00 00 00\n9\n0\nptmx\n");
  });

  test("systemd: dev and run are mounts of their own, and shm is in dev", () => {
    const { stdout } = mounting(
      who,
      `mkdir d; ctrtool rootfs-mount -o systemd=1 -o dev_opts=2 -o mount_mqueue=0 d; echo $?; mounts; cd d; readlink run/shm; ${list} dev/shm; mountpoint -q dev/pts; echo $?`,
    );
    expect(stdout).toBe(
      "0\nd rw\nd/dev/pts rw,nosuid,noexec\nd/dev/full rw,nosuid,noexec\nd/dev rw\nd/run rw\n../dev/shm\ndev/shm directory 1777\n0\n",
    );
  });

  test("run_dirs, mount_devpts, mount_mqueue off", () => {
    const { stdout } = mounting(
      who,
      "mkdir d; ctrtool rootfs-mount -o run_dirs=off -o mount_devpts=0 -o mount_mqueue=false -o dev_opts=none d; echo $?; mounts; ls d/run; ls d/dev",
    );
    expect(stdout).toBe("0\nd rw\nfd\nmqueue\nnet\nptmx\npts\nstderr\nstdin\nstdout\n");
  });

  test("what the original lacks: sizes, flags, shm, console, kmsg, more entries", () => {
    const { stdout, stderr } = mounting(
      who,
      `mkdir d u u/usr u/usr/bin u/etc; mkdir u/sbin
       ctrtool rootfs-mount -o size=64M -o root_nosuid=1 -o root_nodev=yes -o mount_shm=1 -o shm_size=1M -o console=/dev/null -o kmsg=null \\
         -o existing_in=u -o root_symlink_usr=1 -o dev_opts=none -o mount_mqueue=0 --directory srv/ --directory /srv/a:0750 --directory tmp:0755:0:0 --link srv/b:/x/y d; echo $?
       mounts; df --output=size d d/run/shm | tail -2; cd d; ${links} | grep -v dev/; ${list} srv srv/a tmp; ls -L dev/console dev/kmsg`,
    );
    expect(stderr).toBe("");
    expect(stdout.split("\n").map((line) => line.trim())).toEqual([
      "0",
      "d rw,nosuid,nodev",
      "d/dev/pts rw,nosuid,noexec",
      "d/run/shm rw,nosuid,nodev",
      "d/dev/kmsg rw,nosuid,noexec",
      "d/dev/console rw,nosuid,noexec",
      "65536",
      "1024",
      "bin -> usr/bin",
      "etc -> _fsroot_rw/etc",
      "srv/b -> /x/y",
      "usr -> _fsroot_rw/usr",
      "srv directory 755",
      "srv/a directory 750",
      "tmp directory 755",
      "dev/console",
      "dev/kmsg",
      "",
    ]);
  });

  test("extra entries never lead out of the tree", () => {
    const { stdout, stderr } = mounting(
      who,
      "mkdir d; ctrtool rootfs-mount --directory dev/fd/x d; echo $?; ctrtool rootfs-mount --link dev/fd/x:y d; echo $?; ctrtool rootfs-mount --directory dev/fd:0700 d; echo $?; ctrtool rootfs-mount --link bin:y d; echo $?; mounts",
    );
    expect(stdout).toBe("1\n1\n1\n1\n");
    expect(stderr.match(/ELOOP/g)?.length).toBe(3);
    expect(stderr).toContain("symlinkat: bin: EEXIST");
  });

  test("require_empty", () => {
    const { stdout } = mounting(
      who,
      "mkdir d; ctrtool rootfs-mount -o require_empty=1 d; echo $?; ctrtool rootfs-mount -o require_empty=1 d; echo $?; ctrtool rootfs-mount d; echo $?; mounts | grep -c '^d rw'",
    );
    expect(stdout).toBe("0\n1\n0\n2\n");
  });

  test("DIR is a directory, and no symlink; on the way to it there may be some", () => {
    const { stdout, stderr } = mounting(
      who,
      "mkdir -p d/e; ln -s d ld; touch f; for i in ld ld/ ld/. f no no/d; do ctrtool rootfs-mount $i; echo $?; done; ctrtool rootfs-mount ld/e/; echo $?; cd d/e; mkdir /tmp/../$PWD/d; ctrtool rootfs-mount d/.; echo $?; cd ../..; mounts | grep -v dev",
    );
    expect(stdout).toBe("1\n1\n1\n1\n1\n1\n0\n0\nd/e rw\nd/e/d rw\n");
    expect(stderr).toMatch(
      /ld: ELOOP.*\n.*ELOOP.*\n.*ELOOP.*\n.*f: ENOTDIR.*\n.*no: ENOENT.*\n.*no\/d: ENOENT/,
    );
  });
});

describe("proc and sys", () => {
  test.each(["root", "ordinary user"] as const)("of the own namespaces, as %s", (who) => {
    const { stdout, stderr } = mounting(
      who,
      `mkdir d; unshare --net --pid --fork bash -c '"$CTRTOOL" rootfs-mount -o mount_proc=1 -o mount_sysfs=1 -o dev_opts=none -o mount_devpts=0 -o mount_mqueue=0 d; echo $?; mount | grep -o "on $PWD/d.* type .* (.*exec" | sed "s,on $PWD/,,"; ls -d d/proc/[0-9]* | head -1; ls d/sys/class/net'`,
    );
    expect(stderr).toBe("");
    expect(stdout).toBe(
      "0\nd/proc type proc (rw,nosuid,nodev,noexec\nd/sys type sysfs (rw,nosuid,nodev,noexec\nd/proc/1\nlo\n",
    );
  });

  test("masked and read-only", () => {
    const { stdout } = mounting(
      "root",
      `mkdir d; ctrtool rootfs-mount -o mount_proc=1 -o mount_sysfs=1 -o mask_paths=1 -o readonly_paths=1 d; echo $?
       for i in keys timer_list kcore; do [ ! -e d/proc/$i ] || [ d/proc/$i -ef /dev/null ] || echo $i; done
       ls d/sys/firmware; [ -d d/proc/acpi ] && ls d/proc/acpi; cat /proc/sys/kernel/domainname > d/proc/sys/kernel/domainname; echo $?; mounts | grep 'd/proc/[bfis][a-z]* '`,
    );
    const lines = stdout.trimEnd().split("\n");
    expect(lines.slice(0, 2)).toEqual(["0", "1"]);
    expect(lines).toContain("d/proc/sys ro,nosuid,nodev,noexec");
  });

  const namespace = `unshare --pid --fork --kill-child bash -c 'echo up; exec sleep 60' > up 2> /dev/null & until [ -s up ]; do sleep 0.02; done
    read -r pid < /proc/$!/task/$!/children\n`;
  test.each(["root", "ordinary user", "nested"] as const)("of another PID namespace, as %s", (who) => {
    const { stdout, stderr } = mounting(
      who,
      `${namespace} mkdir d e; trap '' CHLD; ctrtool rootfs-mount -p /proc/$pid/ns/pid d; echo $?
       ctrtool rootfs-mount -o pid_ns=/proc/$pid/ns/pid -o dev_opts=none e; echo $?; cat d/1/comm; (cd e/proc; echo [0-9]*); mounts | grep -v /dev; kill -9 $pid`,
    );
    expect(stderr).toBe("");
    expect(stdout).toBe("0\n0\nsleep\n1\nd rw,nosuid,nodev,noexec\ne rw\ne/proc rw,nosuid,nodev,noexec\n");
  });

  test.each([
    ["-p /proc/self/ns/net d", "setns: /proc/self/ns/net: EINVAL (Invalid argument)"],
    ["-o pid_ns=/proc/self/ns/net d", "setns: /proc/self/ns/net: EINVAL (Invalid argument)"],
    ["-p /no/such d", "openat2: /no/such: ENOENT (No such file or directory)"],
    ["-o pid_ns=/no/such d", "openat2: /no/such: ENOENT (No such file or directory)"],
  ])("%s: one line, status 1, nothing mounted", (words, message) => {
    const { stdout, stderr } = mounting("root", `mkdir d; ctrtool rootfs-mount ${words}; echo $?; mounts`);
    expect(stdout).toBe("1\n");
    expect(stderr).toStartWith(`ctrtool rootfs-mount: ${message}`);
    expect(stderr.split("\n").length).toBe(2);
  });

  test("of a PID namespace whose first process has ended", () => {
    const { stdout, stderr } = mounting(
      "root",
      `${namespace} mkdir d; exec 3< /proc/$pid/ns/pid; kill -9 $pid; wait; ctrtool rootfs-mount -p /proc/self/fd/3 d; echo $?; mounts`,
    );
    expect(stdout).toBe("1\n");
    expect(stderr).toBe(
      "ctrtool rootfs-mount: clone: /proc/self/fd/3: ENOMEM (Cannot allocate memory); hint: the first process of the PID namespace has ended\n",
    );
  });
});

describe("failures leave nothing", () => {
  test.each([
    [
      "-o tmpfs_mount_opts=bogus=1 d",
      "fsconfig tmpfs bogus: d: EINVAL (Invalid argument); hint: the file system has no such option, or it cannot have this value",
    ],
    ["-o console=/no/tty d", "open_tree: /no/tty: ENOENT (No such file or directory)"],
    ["-o existing_in=/no/root d", "openat2: /no/root: ENOENT (No such file or directory)"],
  ])("%s", (words, message) => {
    const { stdout, stderr } = mounting("root", `mkdir d; ctrtool rootfs-mount ${words}; echo $?; mounts`);
    expect({ stdout, stderr }).toEqual({ stdout: "1\n", stderr: `ctrtool rootfs-mount: ${message}\n` });
  });

  test("without an IPC namespace of its own, and without any privilege", () => {
    const own = mounting(
      "ordinary user",
      'mkdir d; unshare -Um --map-current-user unshare -Um -r "$CTRTOOL" rootfs-mount d; echo $?; mounts',
    );
    expect(own.stdout).toBe("1\n");
    expect(own.stderr).toContain("fsconfig mqueue: dev/mqueue: EPERM");
    const none = ctrtool(["rootfs-mount", "/mnt"], { ordinary: true });
    expect(none.status).toBe(1);
    expect(none.stderr).toStartWith("ctrtool rootfs-mount: fsopen tmpfs: /mnt: EPERM");
  });

  const traced = (injections: readonly string[], words: string) => {
    const tracer = [
      "strace",
      "-f",
      "-o",
      "/dev/null",
      ...injections.flatMap((one) => ["-e", `inject=${one}`]),
    ];
    return mounting(
      "root",
      `mkdir d; ctrtool rootfs-mount ${words} d; echo $?; mounts | wc -l; pwd -P > /dev/null; ls d`,
      tracer,
    );
  };

  test.each([
    ["fsopen:error=EPERM:when=1"],
    ["fsopen:error=EPERM:when=2"],
    ["fsconfig:error=EINVAL:when=5"],
    ["fsmount:error=ENOMEM:when=3"],
    ["symlinkat:error=ENOSPC:when=3"],
    ["mkdirat:error=ENOSPC:when=4"],
    ["fchmodat:error=EPERM:when=1"],
    ["open_tree:error=EMFILE:when=3"],
    ["mount_setattr:error=EINVAL:when=2"],
    ["mknodat:error=EPERM:when=2"],
    ["move_mount:error=ENOMEM:when=1"],
    ["move_mount:error=ENOMEM:when=4"],
    ["move_mount:error=ENOMEM:when=10"],
  ])("%s", (injection) => {
    const { stdout, stderr } = traced([injection], "");
    expect(stdout).toBe("1\n0\n");
    expect(stderr).toMatch(/^ctrtool rootfs-mount: [^\n]*\n$/);
  });

  describe("on a kernel that attaches nothing in detached trees", () => {
    test("the tree is attached first", () => {
      expect(traced(["move_mount:error=EINVAL:when=1"], "").stdout).toStartWith("0\n10\nbin\n");
      expect(traced(["open_tree:error=EINVAL:when=8"], "-o systemd=1").stdout).toStartWith("0\n12\nbin\n");
    });

    test("and detached again after a failure", () => {
      const { stdout } = traced(["move_mount:error=EINVAL:when=1", "move_mount:error=ENOMEM:when=6"], "");
      expect(stdout).toBe("1\n0\n");
    });
  });

  test("a host without net/tun is no failure, unless it is asked for", () => {
    const missing = ["open_tree:error=ENOENT:when=7"];
    expect(traced(missing, "").stdout).toStartWith("0\n9\n");
    expect(traced(missing, "-o dev_opts=bind_host_v2").stdout).toBe("1\n0\n");
  });
});
