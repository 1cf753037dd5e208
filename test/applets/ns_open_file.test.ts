import { describe, expect, test } from "bun:test";
import { plan, spec } from "../../src/applets/ns_open_file.ts";
import { parse } from "../../src/cli/parse.ts";
import { calls } from "../../src/program/explain.ts";
import { inDirectory, ordinaryGiven, type RunOptions, script, usageError } from "../support/ctrtool.ts";

const environment = ["PATH=/bin", "X=5", "P=6", "BAD=x5"];

/** Steps, up to where the program is made ready. */
function planned(...words: string[]): string[] {
  const steps = calls(plan(parse(spec, [...words, "true"]), { ...ordinaryGiven, environment }).steps);
  return steps.slice(
    0,
    steps.findIndex((step) => step.startsWith("signals, signal mask")),
  );
}

/** System calls only. */
function plannedCalls(...words: string[]): string[] {
  return planned(...words).filter((step) => /^[a-z0-9_]+\(/.test(step));
}

describe("plan", () => {
  test("without a request there is only the program", () => expect(planned()).toEqual([]));

  test.each([
    [["-m"], 'openat(AT_FDCWD, "/", O_DIRECTORY|O_CLOEXEC|O_PATH, 00)'],
    [["-m", "-P", "f"], 'openat(AT_FDCWD, "f", O_CLOEXEC, 00)'],
    [
      ["-m", "-P", "f", "-O", "rdwr,CREAT", "-O", "excl"],
      'openat(AT_FDCWD, "f", O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC, 0600)',
    ],
    [["-m", "-P", "f", "-O", "creat", "-M", "0640"], 'openat(AT_FDCWD, "f", O_CREAT|O_CLOEXEC, 0640)'],
    [["-m", "-P", "d", "-O", "directory"], 'openat(AT_FDCWD, "d", O_DIRECTORY|O_CLOEXEC, 00)'],
    [
      ["-m", "-P", "d", "-O", "tmpfile", "-O", "1"],
      'openat(AT_FDCWD, "d", O_WRONLY|O_CLOEXEC|O_TMPFILE, 0600)',
    ],
    [["-m", "-d", "cwd", "-P", "f"], 'openat(AT_FDCWD, "f", O_CLOEXEC, 00)'],
    [["-m", "-d", "7", "-P", "f"], 'openat(directory, "f", O_CLOEXEC, 00)'],
    [["-f", "-N", "f"], 'openat(AT_FDCWD, "f", O_NOCTTY|O_CLOEXEC, 00)'],
    [["-f", "-N", "f", "-O", "rdwr,creat"], 'openat(AT_FDCWD, "f", O_RDWR|O_CREAT|O_NOCTTY|O_CLOEXEC, 0600)'],
    [["-T"], 'openat(AT_FDCWD, "/dev/net/tun", O_RDWR|O_CLOEXEC)'],
    [["-T", "-M", "tap9"], 'openat(AT_FDCWD, "tap9", O_RDWR|O_CLOEXEC)'],
    [["-n"], "socket(AF_INET6, SOCK_STREAM|SOCK_CLOEXEC, 0)"],
    [
      ["-n", "-d", "unix", "-t", "seqpacket_nb"],
      "socket(AF_UNIX, SOCK_SEQPACKET|SOCK_NONBLOCK|SOCK_CLOEXEC, 0)",
    ],
    [["-n", "-d", "40", "-t", "UDP", "-p", "0x11"], "socket(AF_VSOCK, SOCK_DGRAM|SOCK_CLOEXEC, 17)"],
    [["-n", "-4", "1.2.3.4,5"], "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0)"],
    [["-n", "-P", "s"], "socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0)"],
    [["-n", "-z", "1000000000000000"], "socket(AF_NETLINK, SOCK_STREAM|SOCK_CLOEXEC, 0)"],
  ])("%j", (words, first) => {
    const [step] = plannedCalls(...words);
    expect(step?.replace(/ -> .*/, "")).toBe(first);
  });

  test("openat2 where it is asked for, with a mode for new files only", () => {
    const opened = (...words: string[]) => plannedCalls("-m", ...words)[0]?.replace(/, 24\).*/, "");
    expect(opened("-2", "-O", "directory")).toBe('openat2(AT_FDCWD, "/", {O_DIRECTORY|O_CLOEXEC}');
    expect(opened("-P", "f", "-R", "beneath", "-R", "no_xdev", "-O", "creat")).toBe(
      'openat2(AT_FDCWD, "f", {O_CREAT|O_CLOEXEC, 0600, RESOLVE_NO_XDEV|RESOLVE_NO_MAGICLINKS|RESOLVE_BENEATH}',
    );
    expect(opened("-R", "IN_ROOT,beneath_magiclinks,4")).toBe(
      'openat2(AT_FDCWD, "/", {O_CLOEXEC, RESOLVE_NO_MAGICLINKS|RESOLVE_NO_SYMLINKS|RESOLVE_BENEATH|RESOLVE_IN_ROOT}',
    );
  });

  test("descriptors that were given are used before the first request, in their order", () => {
    expect(plannedCalls("-L", "0,/X", "-L", "1,:P", "-m", "-d", ":X", "-m").slice(0, 3)).toEqual([
      "fcntl(5, F_SETFD, 0)",
      "fcntl(6, F_SETFD, 1)",
      "fcntl(5, F_SETFD, 1)",
    ]);
  });

  test("options of a socket, in the order of the original", () => {
    const steps = plannedCalls(
      "-n",
      "-6",
      "fe80::1,80,eOdtfpa,lo",
      "--mark",
      "5",
      "--bind-device",
      "lo",
      "-l",
      "0",
    );
    expect(steps.map((step) => step.replace(/^(\w+)\(request 0 \(-n\)(.*)$/, "$1$2"))).toEqual([
      "socket(AF_INET6, SOCK_STREAM|SOCK_CLOEXEC, 0) -> request 0 (-n)",
      "setsockopt, 1, 36, {05 00 00 00}, 4)",
      'setsockopt, 1, 25, "lo", 2)',
      "setsockopt, 1, 2, {01 00 00 00}, 4)",
      "setsockopt, 1, 15, {01 00 00 00}, 4)",
      "setsockopt, 0, 15, {01 00 00 00}, 4)",
      "setsockopt, 0, 19, {01 00 00 00}, 4)",
      "setsockopt, 6, 9, {01 00 00 00}, 4)",
      "setsockopt, 41, 26, {00 00 00 00}, 4)",
      "setsockopt, 6, 1, {01 00 00 00}, 4)",
      "ioctl, SIOCGIFINDEX, &interface)",
      "bind, &address, 28)",
      "listen, 2147483647)",
      "fcntl, F_SETFD, 0)",
    ]);
  });

  test.each([
    [["-l", "7"], "listen(request 0 (-n), 7)"],
    [["-l", "-1"], "listen(request 0 (-n), 2147483647)"],
  ])("%j", (words, step) => expect(plannedCalls("-n", ...words)).toContain(step));

  test("what is entered, for each combination", () => {
    const entered = (...words: string[]) => {
      const steps = planned(...words);
      const start = steps.indexOf("otherwise:");
      const from = start < 0 ? 0 : start + 1;
      return steps
        .slice(from)
        .filter((step) => /^(setns|unshare|ioctl)/.test(step))
        .map((step) => step.replace(/ -> .*/, ""));
    };
    const owner = ["ioctl(namespace, NS_GET_USERNS, 0)", "setns(owner, CLONE_NEWUSER)"];
    expect(entered("-m", "-N", "f")).toEqual(["setns(namespace, CLONE_NEWNS)"]);
    expect(entered("-n", "-N", "f")).toEqual(["setns(namespace, CLONE_NEWNET)"]);
    expect(entered("-T", "-N", "f", "-U")).toEqual([...owner, "setns(namespace, CLONE_NEWNET)"]);
    expect(entered("-m", "-N", "f", "-U")).toEqual([...owner, "setns(namespace, CLONE_NEWNS)"]);
    expect(entered("-n", "-A")).toEqual(["unshare(CLONE_NEWNET)"]);
    expect(entered("-n", "-AU")).toEqual(["unshare(CLONE_NEWNET)"]);
    expect(entered("-n", "-A", "-N", "f")).toEqual([...owner, "unshare(CLONE_NEWNET)"]);
    expect(entered("-n", "-AU", "-N", "f")).toEqual([
      "setns(namespace, CLONE_NEWUSER)",
      "unshare(CLONE_NEWNET)",
    ]);
  });

  test("a process descriptor stands for its namespaces", () => {
    const entered = (...words: string[]) =>
      planned("-L", "3,5", ...words).filter((step) => /^(setns|unshare)/.test(step))[0];
    expect(entered("-n", "-i", "3")).toBe("setns(namespace, CLONE_NEWNET)");
    expect(entered("-m", "-i", "3,n", "-U")).toBe("setns(namespace, CLONE_NEWNS|CLONE_NEWUSER)");
    expect(entered("-n", "--pidfd", "/X", "-U")).toBe("setns(namespace, CLONE_NEWUSER|CLONE_NEWNET)");
    expect(entered("-n", "-A", "--pidfd", "5")).toBe("setns(namespace, CLONE_NEWUSER)");
  });

  test("the child cannot be traced from where it goes, whatever the kind, and has no descriptor too many", () => {
    for (const kind of [["-m"], ["-n"], ["-T"]]) {
      const steps = planned(...kind, "-N", "f");
      const child = steps.findIndex((step) => step.startsWith("in the new process"));
      expect(steps.slice(child + 1, child + 4)).toEqual([
        "prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)",
        "prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)",
        "close all descriptors but those that are needed",
      ]);
    }
  });

  test.each([
    [["-P", "x"], "-P must be after -m, -n, -T or -f"],
    [["-U"], "-U must be after -m, -n, -T or -f"],
    [["--up"], "--up must be after -m, -n, -T or -f"],
    [["-m", "-A"], "request 0 (-m): -A goes with -n only"],
    [["-n", "-m", "-A"], "request 1 (-m): -A goes with -n only"],
    [["-T", "-P", "x"], "request 0 (-T): -P goes with -m -n only"],
    [["-n", "-R", "beneath"], "request 0 (-n): -R goes with -m only"],
    [["-n", "-2"], "request 0 (-n): -2 goes with -m only"],
    [["-n", "-O", "rdwr"], "request 0 (-n): -O goes with -m -f only"],
    [["-n", "-M", "0600"], "request 0 (-n): -M goes with -m -T -f only"],
    [["-f", "-N", "F", "-d", "x"], "request 0 (-f): -d goes with -m -n only"],
    [["-T", "-d", "inet"], "request 0 (-T): -d goes with -m -n only"],
    [["-f", "-N", "F", "-U"], "request 0 (-f): -U goes with -m -n -T only"],
    [["-f", "-N", "F", "-i", "0"], "request 0 (-f): -i goes with -m -n -T only"],
    [["-f"], "request 0 (-f): -f needs -N FILE"],
    ...["-t raw", "-p tcp", "-4 1.2.3.4,5", "-6 ::,5", "-z 0100", "-l 5", "--mark 5", "--loopback-up"].map(
      (option): [string[], string] => [
        ["-m", ...option.split(" ")],
        `request 0 (-m): ${option.split(" ")[0]} goes with -n only`,
      ],
    ),
    [["-n", "--create", "tun"], "request 0 (-n): --create goes with -T only"],
    [["-n", "-4", "1.2.3.4"], '-4: "1.2.3.4" is not of the form ADDRESS,PORT[,FLAGS]'],
    [["-n", "-4", "127.1,80"], '-4: "127.1" is not an IPv4 address'],
    [["-n", "-4", "127.0.0.01,80"], '-4: "127.0.0.01" is not an IPv4 address'],
    [["-n", "-4", "1.2.3.256,80"], '-4: "1.2.3.256" is not an IPv4 address'],
    [["-n", "-4", "1.2.3.4,http"], '-4: "http" is not a decimal number'],
    [["-n", "-4", "1.2.3.4,65616"], '-4: "65616" is out of range (0 to 65535)'],
    [["-n", "-4", "1.2.3.4,,80"], '-4: "" is not a decimal number'],
    [["-n", "-4", "1.2.3.4,80,q"], "-4: unknown address flag q (known: apftdeoOI:)"],
    [["-n", "-4", "1.2.3.4,80,I"], "-4: the flags o, O and I are for IPv6 addresses only"],
    [["-n", "-4", "1.2.3.4,80,a,lo"], '-4: "1.2.3.4,80,a,lo" is not of the form ADDRESS,PORT[,FLAGS]'],
    [["-n", "-6", "1.2.3.4,80"], '-6: "1.2.3.4" is not an IPv6 address'],
    [["-n", "-6", "::1::,80"], '-6: "::1::" is not an IPv6 address'],
    [["-n", "-6", "1:2:3:4:5:6:7:8::,80"], '-6: "1:2:3:4:5:6:7:8::" is not an IPv6 address'],
    [["-n", "-6", "1:2:3:4:5:6:7,80"], '-6: "1:2:3:4:5:6:7" is not an IPv6 address'],
    [["-n", "-6", "12345::,80"], '-6: "12345::" is not an IPv6 address'],
    [["-n", "-6", "::1,80,I"], "-6: the flag I goes with a scope"],
    [["-n", "-6", "::1,80,I,x"], '-6: "x" is not a number'],
    [["-n", "-6", "::1,80,,"], '-6: "" cannot be the name of an interface (1 to 15 bytes)'],
    [
      ["-n", "-6", "::1,80,,abcdefghijklmnop"],
      '-6: "abcdefghijklmnop" cannot be the name of an interface (1 to 15 bytes)',
    ],
    [["-n", "-6", "::1,80,a,lo,x"], '-6: "::1,80,a,lo,x" is not of the form ADDRESS,PORT[,FLAGS[,SCOPE]]'],
    [["-m", "-4", "x,80"], '-4: "x" is not an IPv4 address'],
    [["-n", "-z", "0"], '-z: "0" is not bytes in hexadecimal'],
    [["-n", "-z", "xx"], '-z: "xx" is not bytes in hexadecimal'],
    [["-n", "-z", "01"], "-z: a socket address has 2 to 128 bytes, not 1"],
    [["-n", "-z", "00".repeat(129)], "-z: a socket address has 2 to 128 bytes, not 129"],
    [["-n", "-4", "1.2.3.4,5", "-6", "::,5"], "request 0 (-n): it has an address already"],
    [["-n", "-4", "1.2.3.4,5", "-4", "1.2.3.4,6"], "request 0 (-n): it has an address already"],
    [["-n", "-P", "x", "-z", "0100"], "request 0 (-n): it has an address already"],
    [["-n", "-d", "inet6", "-4", "1.2.3.4,5"], "request 0 (-n): -d inet6: the address is of another domain"],
    [["-n", "-d", "inet", "-P", "x"], "request 0 (-n): -d inet: the address is of another domain"],
    [["-n", "-P", "x".repeat(109)], "request 0 (-n): -P: a unix address has at most 108 bytes"],
    [
      ["-n", "-P", "@x", "--unlink"],
      "request 0 (-n): --unlink, --socket-mode and --socket-owner need -P PATH",
    ],
    [
      ["-n", "--socket-mode", "600"],
      "request 0 (-n): --unlink, --socket-mode and --socket-owner need -P PATH",
    ],
    [["-n", "-P", "x", "--socket-mode", "1777"], '--socket-mode: "1777" is out of range (0 to 777 octal)'],
    [["-n", "-P", "x", "--socket-owner", ":"], '--socket-owner: ":" is not of the form UID[:GID]'],
    [["-n", "-P", "x", "--socket-owner", "root"], '--socket-owner: "root" is not a number'],
    [["-n", "-d", "bogus"], 'request 0 (-n): -d: "bogus" is not a socket domain'],
    [["-n", "-t", "bogus"], '-t: "bogus" is not a socket type'],
    [["-n", "-p", "bogus"], '-p: "bogus" is not a protocol'],
    [["-n", "-l", "x"], '-l: "x" is not a decimal number'],
    [["-n", "-l", "2147483648"], '-l: "2147483648" is out of range (0 to 2147483647)'],
    [["-n", "--mark", "x"], '--mark: "x" is not a number'],
    [
      ["-n", "--bind-device", "a/b"],
      '--bind-device: "a/b" cannot be the name of an interface (1 to 15 bytes)',
    ],
    [["-n", "--loopback-up"], "request 0 (-n): --loopback-up needs -A"],
    [["-n", "-U"], "request 0 (-n): -U needs a namespace (-N, -i or --pidfd)"],
    [["-n", "-N", "f", "--pidfd", "5"], "request 0 (-n): --pidfd excludes -N and -i"],
    [["-L", "0,5", "-n", "-i", "0", "--pidfd", "5"], "request 0 (-n): --pidfd excludes -N and -i"],
    [["-m", "-O", "bogus"], '-O: "bogus" is not a flag of open(2)'],
    [["-m", "-O", "cloexec"], '-O: "cloexec" is not a flag of open(2)'],
    [["-m", "-R", "bogus"], '-R: "bogus" is not a flag of openat2(2)'],
    [["-m", "-M", "x", "-O", "creat"], 'request 0 (-m): -M: "x" is not an octal number'],
    [["-m", "-M", "64x"], 'request 0 (-m): -M: "64x" is not an octal number'],
    [["-m", "-P", ""], "request 0 (-m): -P: the path is empty"],
    [["-T", "-M", ""], "request 0 (-T): -M: the path is empty"],
    [["-m", "-d", "x"], 'request 0 (-m): -d: "x" is not a descriptor (N, /NAME or :NAME)'],
    [["-m", "-d", ":NOPE"], "$NOPE is not set"],
    [["-m", "-L", "0,5"], "-L must be before -m, -n, -T and -f"],
    [["-L", "0"], '-L: "0" is not of the form REG,FDSPEC'],
    [["-L", "x,5"], '-L: "x" is not a decimal number'],
    [["-L", "8,5"], '-L: "8" is out of range (0 to 7)'],
    [["-L", "0,/NOPE"], "$NOPE is not set"],
    [["-L", "0,/BAD"], '$BAD: "x5" is not a number'],
    [["-m", "-s", "9"], '-s: "9" is out of range (0 to 7)'],
    [["-m", "-s", "0,q"], '-s: "q" is no flag here (known: i)'],
    [["-m", "-s", "0", "-s", "1"], "request 0 (-m): -s is given twice"],
    [["-L", "0,5", "-m", "-i", "0,q"], '-i: "q" is no flag here (known: nd)'],
    [["-L", "0,5", "-m", "-i", "0", "-i", "0"], "request 0 (-m): -i is given twice"],
    [["-n", "-i", "0"], "request 0 (-n): -i: register 0 is not set"],
    [["-m", "-i", "7,d"], "request 0 (-m): -i: register 7 is not set"],
    [["-o", "x"], '-o: "x" is not a number'],
    [
      ["-o", "18446744073709551616"],
      '-o: "18446744073709551616" is out of range (0 to 18446744073709551615)',
    ],
    [["-T", "--name", "tun0"], "request 0 (-T): an interface is made by --create tun or --create tap"],
    [["-T", "--up"], "request 0 (-T): an interface is made by --create tun or --create tap"],
    [["-T", "--create", "vpn"], '--create: "vpn" is neither tun nor tap'],
    [
      ["-T", "--create", "tun", "--name", "abcdefghijklmnop"],
      '--name: "abcdefghijklmnop" cannot be the name of an interface (1 to 15 bytes)',
    ],
    [["-T", "--create", "tun", "--tun-owner", "x"], '--tun-owner: "x" is not a number'],
    [["-n", "--nsenter", "q:5"], expect.stringContaining('"q:5": q is no kind of namespace')],
  ])("refuses %j", (words, message) => expect(usageError(() => planned(...words))).toEqual(message));

  test("refuses a directory for what is no path", () => {
    expect(usageError(() => planned("-L", "0,5", "-n", "-i", "0,d"))).toBe(
      "request 0 (-n): -i: the flag d goes with -m only",
    );
  });
});

/** A word for the shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}

/** Starts a process in new namespaces that sets itself up, and puts its pid into a variable. */
function background(name: string, unshare: string, setUp: string): string {
  return [
    `exec 8< <(exec 2>/dev/null; exec ${unshare} sh -c '${setUp}; echo; exec sleep 60 >&-')`,
    `${name}=$!; read _ <&8; exec 8<&-; background="$background $${name}"`,
  ].join("\n");
}

const network =
  "ip link set lo up; ip link add dum0 index 7 type veth peer name dum1; ip link set dum0 up; ip link set dum1 up; ip -6 addr add fe80::1/64 dev dum0 nodad";
const user = "setpriv --reuid=1000 --regid=1000 --clear-groups";
/** By the variables that a script uses. */
const backgrounds: Readonly<Record<string, string>> = {
  net: background("net", "unshare -n", network),
  usernet: background("usernet", `${user} unshare -Urn`, "ip link set lo up"),
  mnt: background(
    "mnt",
    "unshare -m",
    "mount -t tmpfs none /mnt; echo inside >/mnt/hello; ln -s /etc/passwd /mnt/out; mkdir /mnt/d; ln -s ../hello /mnt/d/up",
  ),
  usermnt: background("usermnt", `${user} unshare -Urm`, "mount -t tmpfs none /mnt; echo inside >/mnt/hello"),
};

function prepared(text: string, options: RunOptions = {}) {
  const used = Object.entries(backgrounds).filter(([name]) => new RegExp(`\\$\\{?${name}\\b`).test(text));
  const end = "trap 'kill -9 $background 2>/dev/null' EXIT";
  return inDirectory((cwd) =>
    script([end, ...used.map(([, begin]) => begin), "export net usernet mnt", text].join("\n"), {
      cwd,
      ...options,
    }),
  );
}

const first = "CTRTOOL_NS_OPEN_FILE_FD_0";
const quiet = { status: 0, stderr: "" };

/**
 * A real server outside, with the socket that was opened for it, and a real client inside of the namespace.
 * In `serve`, `s` is the socket, and `client` is to be called when it may connect; both in Python.
 */
function served(words: string, serve: string, connect: string, namespace = "$net") {
  const server = `
import os, socket, subprocess, sys
s = socket.socket(fileno=int(os.environ["${first}"]))
def client():
    return subprocess.run(["nsenter", "--net=/proc/" + os.environ["INSIDE"] + "/ns/net", "python3", "-c", """
import os, socket, struct, sys
${connect}
"""])
def later():
    import threading
    thread = threading.Thread(target=client)
    thread.start()
    return thread
${serve}
`;
  return prepared(
    `export INSIDE=${namespace}\nctrtool ns_open_file -n ${words} python3 -c ${quoted(server)}`,
  );
}

const answer = `thread = later()
c, _ = s.accept()
c.sendall(c.recv(100).upper() + (b" from outside" if os.readlink("/proc/self/ns/net") != os.readlink("/proc/" + os.environ["INSIDE"] + "/ns/net") else b""))
c.close()
thread.join()`;
const ask = (create: string, address: string) => `c = socket.socket(${create})
c.connect(${address})
c.sendall(b"hello")
print(c.recv(100).decode())`;
const answerDatagram = `thread = later()
data, peer = s.recvfrom(100)
s.sendto(data.upper() + b" from outside", peer)
thread.join()`;
const said = { ...quiet, stdout: "HELLO from outside\n" };

describe("a client inside talks to a server outside", () => {
  const inside = "-N /proc/$net/ns/net";
  test.each([
    [
      "tcp over IPv4",
      `${inside} -4 127.0.0.10,81,a -l 4096`,
      answer,
      ask("socket.AF_INET", '("127.0.0.10", 81)'),
    ],
    ["tcp over IPv6", `${inside} -6 ::1,80,a -l 0`, answer, ask("socket.AF_INET6", '("::1", 80)')],
    [
      "a mapped address",
      `${inside} -6 ::ffff:127.0.0.20,80,O -l -1`,
      answer,
      ask("socket.AF_INET", '("127.0.0.20", 80)'),
    ],
    [
      "a link-local address, interface by name",
      `${inside} -6 fe80::1,80,,dum0 -l 1`,
      answer,
      ask("socket.AF_INET6", '("fe80::1", 80, 0, socket.if_nametoindex("dum0"))'),
    ],
    [
      "a link-local address, interface by number",
      `${inside} -6 fe80::1,80,aI,7 -l 1`,
      answer,
      ask("socket.AF_INET6", '("fe80::1", 80, 0, 7)'),
    ],
    [
      "non-blocking tcp",
      `${inside} -t tcp_nb -4 0.0.0.0,80 -l 0`,
      `assert not os.get_blocking(s.fileno())\ns.setblocking(True)\n${answer}`,
      ask("socket.AF_INET", '("127.0.0.1", 80)'),
    ],
    [
      "udp",
      `${inside} -t udp -4 127.0.0.1,53`,
      answerDatagram,
      ask("socket.AF_INET, socket.SOCK_DGRAM", '("127.0.0.1", 53)'),
    ],
    [
      "a unix socket with a path",
      `${inside} -P path.sock -l 0`,
      answer,
      ask("socket.AF_UNIX", '"path.sock"'),
    ],
    [
      "an abstract unix socket",
      `${inside} -d unix -P @name -l 0`,
      answer,
      ask("socket.AF_UNIX", '"\\\\0name"'),
    ],
    [
      "unix seqpacket",
      `${inside} -t seqpacket -P @s -l 0`,
      answer,
      ask("socket.AF_UNIX, socket.SOCK_SEQPACKET", '"\\\\0s"'),
    ],
    [
      "a raw address of IPv4",
      `${inside} -z 020000517f000009000000000000000 -l 0`.replace("0000000 -l", "00000000 -l"),
      answer,
      ask("socket.AF_INET", '("127.0.0.9", 81)'),
    ],
    [
      "a bound device",
      `${inside} --bind-device lo --mark 7 -6 ::,80 -l 0`,
      `assert s.getsockopt(socket.SOL_SOCKET, 36) == 7\n${answer}`,
      ask("socket.AF_INET6", '("::1", 80)'),
    ],
    [
      "a raw socket",
      `${inside} -d inet -t raw -p 253`,
      `thread = later()\npacket, peer = s.recvfrom(100)\nthread.join()\nprint(packet[20:].decode())`,
      'c = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)\nc.sendto(b"HELLO from outside", ("127.0.0.1", 0))',
    ],
    [
      "a packet socket",
      `${inside} -d packet -t raw -p 0x300`,
      'thread = later()\nwhile True:\n    frame = s.recv(1000)\n    if b"HELLO" in frame: break\nthread.join()\nprint(frame[42:].decode())',
      'c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nc.sendto(b"HELLO from outside", ("127.0.0.1", 9))',
    ],
  ])("%s", (_, words, serve, connect) => expect(served(words, serve, connect)).toEqual(said));

  test("netlink: the links inside are seen from outside, and announced by a raw address with a group", () => {
    const dump = `import struct
s.send(struct.pack("=IHHIIB3x", 20, 18, 0x301, 1, 0, 0))
s.settimeout(3)
while b"dum0" not in s.recv(65536): pass
print(True)`;
    expect(served("-N /proc/$net/ns/net -d netlink -t raw -p 0", dump, "").stdout).toBe("True\n");
    const events = `thread = later()
while b"dum5" not in s.recv(65536): pass
thread.join()
print("announced")`;
    const words = "-N /proc/$net/ns/net -t raw -z 100000000000000001000000";
    expect(served(words, events, 'os.system("ip link add dum5 type veth")')).toEqual({
      ...quiet,
      stdout: "announced\n",
    });
  });

  test("vsock, if this kernel has it; otherwise that is said", () => {
    const kernel =
      script("python3 -c 'import socket; socket.socket(40, 1).bind((1, 4711))' 2>&-").status === 0;
    const words = `-z 2800000067120000${"01000000"}00000000 -l 0`;
    const serve = `print(s.getsockname()[1])`;
    const { status, stdout, stderr } = served(words, serve, "", "self");
    if (kernel) expect({ status, stdout, stderr }).toEqual({ ...quiet, stdout: "4711\n" });
    else expect({ status, lines: stderr.split("\n").length }).toEqual({ status: 125, lines: 2 });
    expect(stderr).toMatch(kernel ? /^$/ : /^ctrtool ns_open_file: (socket|bind): request 0 \(-n\)/);
  });

  test("an abstract name is not there outside", () => {
    const serve = `try: socket.socket(socket.AF_UNIX).connect("\\0hidden")
except ConnectionRefusedError: print("refused")`;
    expect(served("-N /proc/$net/ns/net -P @hidden -l 0", serve, "")).toEqual({
      ...quiet,
      stdout: "refused\n",
    });
  });

  test("http.server on an inherited socket", () => {
    const server = `import http.server, os, socket, subprocess, threading
h = http.server.HTTPServer(("", 0), http.server.SimpleHTTPRequestHandler, bind_and_activate=False)
h.socket = socket.socket(fileno=int(os.environ["${first}"]))
threading.Thread(target=h.serve_forever, daemon=True).start()
subprocess.run(["nsenter", "-n", "-t", os.environ["net"], "python3", "-c", "import urllib.request; print(urllib.request.urlopen(\\"http://[::1]/file\\").read().decode())"])`;
    const text = `echo -n content >file; ctrtool ns_open_file -n -N /proc/$net/ns/net -6 ::1,80 -l 0 python3 -c '${server}' 2>&-`;
    expect(prepared(text).stdout).toBe("content\n");
  });
});

describe("sockets", () => {
  const level = { SOL_SOCKET: 1, IP: 0, TCP: 6, IPV6: 41 };
  const option = (flags: string, of: number, number: number, family = "-6 ::") =>
    served(`-N /proc/$net/ns/net ${family},80,${flags}`, `print(s.getsockopt(${of}, ${number}))`, "");
  test.each([
    ["a", level.SOL_SOCKET, 2, "1"],
    ["p", level.SOL_SOCKET, 15, "1"],
    ["f", level.IP, 15, "1"],
    ["t", level.IP, 19, "1"],
    ["e", level.TCP, 1, "1"],
    ["d", level.TCP, 9, "1"],
    ["o", level.IPV6, 26, "1"],
    ["O", level.IPV6, 26, "0"],
    ["Oo", level.IPV6, 26, "1"],
    ["oO", level.IPV6, 26, "0"],
    [":", level.SOL_SOCKET, 2, "0"],
    ["", level.TCP, 1, "0"],
  ])("flag %j", (flags, of, number, value) => {
    expect(option(flags, of, number)).toEqual({ ...quiet, stdout: `${value}\n` });
  });

  test("an address that the host does not have", () => {
    expect(served("-4 192.0.2.1,80,f", "print(s.getsockname())", "", "self")).toEqual({
      ...quiet,
      stdout: "('192.0.2.1', 80)\n",
    });
  });

  test("backlogs: with 0 the system's maximum; without -l it does not listen", () => {
    const listening = "print(s.getsockopt(1, 30))";
    expect(served("-d inet", listening, "", "self").stdout).toBe("0\n");
    expect(
      served("-A -6 ::,81 -l 7 --namespace-to-register 0 -n -i 0 -6 ::,80", listening, "", "self").stdout,
    ).toBe("1\n");
    const text = `unshare -n bash -c '"$CTRTOOL" ns_open_file -n -6 ::,80 -l 0 -n -6 ::,81 -l 7 ss -ltnH' | awk '{print $3}' | sort -n`;
    expect(prepared(`${text}; cat /proc/sys/net/core/somaxconn`).stdout).toBe("7\n4096\n4096\n");
  });

  test("unix: automatic names, modes, owners, and what is there already", () => {
    expect(served("-P ''", "print(len(s.getsockname()))", "", "self")).toEqual({ ...quiet, stdout: "6\n" });
    const text = `
      umask 077
      ctrtool ns_open_file -n -P plain -n -P open --socket-mode 0666 -n -P mine --socket-owner 1000:1001 --socket-mode 640 -n -P group --socket-owner :5 true
      stat -c '%n %a %u:%g' plain open mine group
      ctrtool ns_open_file -n -P plain true; echo $?
      ctrtool ns_open_file -n --unlink -P plain -l 0 sh -c 'umask; ls -d plain'
      : >file; ctrtool ns_open_file -n --unlink -P file true; cat file`;
    const problem = (file: string) =>
      `ctrtool ns_open_file: bind: request 0 (-n): ${file}: EADDRINUSE (Address already in use); hint: somebody has this address\n`;
    expect(prepared(text)).toEqual({
      status: 0,
      stdout: "plain 700 0:0\nopen 666 0:0\nmine 640 1000:1001\ngroup 700 0:5\n125\n0077\nplain\n",
      stderr: problem("plain") + problem("file"),
    });
  });

  test("unix: 108 bytes, without a NUL", () => {
    const name = "x".repeat(108);
    const text = `ctrtool ns_open_file -n -P ${name} true && ls`;
    expect(prepared(text)).toEqual({ ...quiet, stdout: `${name}\n` });
  });
});

const owned = `python3 -c 'import fcntl, os, sys
for n in sys.argv[1:]:
    fd = fcntl.ioctl(int(os.environ["CTRTOOL_NS_OPEN_FILE_FD_" + n]), 0x894c)
    print(os.readlink("/proc/self/fd/%d" % fd))'`;

describe("namespaces of sockets", () => {
  const same = (words: string, where: string) =>
    prepared(`ctrtool ns_open_file ${words} ${owned} 0 | grep -Fxc "$(readlink /proc/${where}/ns/net)"`);
  test.each([
    ["-n", "self"],
    ["-n -N /proc/$net/ns/net", "$net"],
    ["-n -N /nope -N /proc/$net/ns/net", "$net"],
    ["-n -N /proc/$usernet/ns/net", "$usernet"],
    ["-n -U -N /proc/$usernet/ns/net", "$usernet"],
  ])("%s", (words, where) => expect(same(words, where)).toEqual({ ...quiet, stdout: "1\n" }));

  test("in registers: inherited, opened here, internal or not", () => {
    const marked = `awk -v inside="$(readlink /proc/$net/ns/net)" '{ print $0 == inside ? "inside" : $0 }'`;
    const gone = `echo "[$NS]"; test -e /proc/self/fd/5 || echo gone`;
    const loaded = `exec 5</proc/$net/ns/net; NS=5 ctrtool ns_open_file -L 3,:NS -n -i 3 bash -c ${quoted(`${owned} 0; ${gone}`)}`;
    expect(prepared(`${loaded} | ${marked}`)).toEqual({ ...quiet, stdout: "inside\n[]\ngone\n" });
    const requests =
      "-m -P /proc/$net/ns/net -O rdonly -O nonblock -O noctty -s0,i -n -i 0,n -6 ::,80,a -l4 -ni0,n -dinet -4127.0.0.10,81,a";
    const program = `echo $${first}; ${owned} 1 2; ls -l /proc/self/fd | grep -c net:`;
    expect(prepared(`ctrtool ns_open_file ${requests} bash -c ${quoted(program)} | ${marked}`)).toEqual({
      ...quiet,
      stdout: "-1\ninside\ninside\n0\n",
    });
    const exported = `ctrtool ns_open_file -m -P /proc/$net/ns/net -O rdonly -s0 sh -c 'nsenter --net=/proc/self/fd/$${first} readlink /proc/self/ns/net'`;
    expect(prepared(`${exported} | ${marked}`)).toEqual({ ...quiet, stdout: "inside\n" });
  });

  test("of a process, by its descriptor", () => {
    const inside = '"$(readlink /proc/$usernet/ns/net)"';
    for (const words of ["-L 0,/P -n -i 0", "-L 0,:P -n -i 0 -U", "-n --pidfd /P", "-n --pidfd :P -U"]) {
      const text = `ctrtool pidfd_ctl -n $usernet -e P $CTRTOOL ns_open_file ${words} ${owned} 0 | grep -Fxc ${inside}`;
      expect([words, prepared(text)]).toEqual([words, { ...quiet, stdout: "1\n" }]);
    }
  });

  test("new ones, each its own", () => {
    const fresh = `ctrtool ns_open_file -n -A -n -A ${owned} 0 1 | sort -u | grep -Fvxc $(readlink /proc/self/ns/net)`;
    expect(prepared(fresh)).toEqual({ ...quiet, stdout: "2\n" });
  });

  const owner = `python3 -c 'import fcntl, os
n = fcntl.ioctl(int(os.environ["${first}"]), 0x894c)
print(os.readlink("/proc/self/fd/%d" % fcntl.ioctl(n, 0xb701)))'`;
  test.each([
    ["-A", "self"],
    ["-AU", "self"],
    ["-AU -N /proc/$usernet/ns/user", "$usernet"],
    ["-A -N /proc/$usernet/ns/net", "$usernet"],
    ["-A -N /proc/$usermnt/ns/mnt", "$usermnt"],
    ["-A --pidfd /P", "$usernet"],
    ["-AU --pidfd /P", "$usernet"],
  ])("a new one, by its owner: %s", (words, where) => {
    const start = `ctrtool pidfd_ctl ${words.includes("/P") ? "-n $usernet -e P" : ""}`;
    const text = `${start} "$CTRTOOL" ns_open_file -n ${words} ${owner} | grep -Fxc "$(readlink /proc/${where}/ns/user)"`;
    expect(prepared(text)).toEqual({ ...quiet, stdout: "1\n" });
  });

  test("a new one, shared by two sockets over its loopback interface", () => {
    const talk = `import os, socket
server, client = (socket.socket(fileno=int(os.environ["CTRTOOL_NS_OPEN_FILE_FD_%d" % n])) for n in (0, 1))
client.connect(("127.0.0.1", 80))
server.accept()[0].sendall(b"hello")
print(client.recv(9))`;
    const requests = "-n -A --loopback-up -4 127.0.0.1,80 -l 0 --namespace-to-register 7 -n -i 7 -d inet";
    expect(prepared(`ctrtool ns_open_file ${requests} python3 -c ${quoted(talk)}`)).toEqual({
      ...quiet,
      stdout: "b'hello'\n",
    });
  });

  test("an ordinary user needs the user namespace", () => {
    const own =
      "exec 8< <(exec unshare -Urn sh -c 'echo; exec sleep 60 >&-'); inner=$!; background=$inner; read _ <&8; exec 8<&-";
    const text = `${own}
      ctrtool ns_open_file -n -N /proc/$inner/ns/net -U -6 ::,80 -l 0 -n -A -U -N /proc/$inner/ns/user ${owned} 0 | grep -Fxc "$(readlink /proc/$inner/ns/net)"
      ctrtool ns_open_file -n -N /proc/$inner/ns/net true
      ctrtool ns_open_file -n -A true`;
    const end = "trap 'kill -9 $background 2>/dev/null' EXIT\n";
    expect(inDirectory((cwd) => script(end + text, { cwd, ordinary: true }))).toEqual({
      status: 125,
      stdout: "1\n",
      stderr: expect.stringMatching(
        /^ctrtool ns_open_file: setns: request 0 \(-n\): \/proc\/\d+\/ns\/net: EPERM \(Operation not permitted\); hint: needs CAP_SYS_ADMIN in the user namespace that owns it; -U enters that first\nctrtool ns_open_file: unshare: request 0 \(-n\): new network namespace: EPERM .*\n$/,
      ),
    });
  });
});

describe("files", () => {
  const cat = `sh -c 'cat <&$${first}'`;
  test.each([
    ["-m -N /proc/$mnt/ns/mnt -P /mnt/hello", "inside\n"],
    ["-m -U -N /proc/$usermnt/ns/mnt -P /mnt/hello", "inside\n"],
    ["-m -N /proc/$usermnt/ns/mnt -P mnt/hello", "inside\n"],
    ["-m -N /proc/$mnt/ns/mnt -P /mnt -O path -s0,i -o 5 -m -i0,d -P hello", "inside\n"],
    [
      "-m -N /proc/$mnt/ns/mnt -P /mnt -O path,directory -s1,i -o 5 -m -i1,d -N /proc/$mnt/ns/mnt -P d/up -R beneath",
      "inside\n",
    ],
    [
      "-m -P /proc/$mnt/root/mnt -O path -s1,i -o 5 -m -i1,d -P out -R in_root -O rdonly -2 || echo no",
      "no\n",
    ],
    ["-f -N /proc/self/comm", "sh\n"],
    ["-m -P /proc/self/comm -O rdonly", "sh\n"],
  ])("%s", (words, content) => {
    const [request = "", otherwise = ""] = words.split(" || ");
    const program = words.includes("-o 5") ? `sh -c 'cat <&$CTRTOOL_NS_OPEN_FILE_FD_6'` : cat;
    const tail = otherwise ? ` 2>&- || ${otherwise}` : "";
    expect(prepared(`ctrtool ns_open_file ${request} ${program}${tail}`)).toEqual({
      ...quiet,
      stdout: content,
    });
  });

  test("made, with modes, below a directory", () => {
    const text = `umask 022; mkdir dir; exec 5<dir; export DIR=5
      ctrtool ns_open_file -m -d 5 -P one -O rdwr,creat,excl -m -d /DIR -P two -O wronly -O create -M 0666 -m -d cwd -P three -O creat -M 4755 -f -N four -O creat,wronly -M 0604 sh -c 'echo text >&$CTRTOOL_NS_OPEN_FILE_FD_1'
      stat -c '%n %a %s' dir/one dir/two three four
      ctrtool ns_open_file -m -d :DIR -P . -O tmpfile,rdwr -m -2 -P dir -O directory sh -c 'stat -Lc "%h %a" /dev/fd/$${first}; echo "[$DIR]"; test -e /dev/fd/5 || echo gone'
      ctrtool ns_open_file -m -P dir/two -O 0x401 sh -c 'echo more >&$${first}'; cat dir/two`;
    expect(prepared(text)).toEqual({
      ...quiet,
      stdout: "dir/one 600 0\ndir/two 644 5\nthree 4755 0\nfour 604 0\n0 600\n[]\ngone\ntext\nmore\n",
    });
  });

  test("without anything but -m, a handle of the root", () => {
    const text = `ctrtool ns_open_file -m sh -c 'readlink /proc/self/fd/$${first}; grep -c "flags:.*12200000\\|flags:.*10200000\\|flags:.*11200000" /proc/self/fdinfo/$${first}'`;
    expect(prepared(text)).toEqual({ ...quiet, stdout: "/\n1\n" });
  });

  test("of another PID namespace, where its /proc has a self", () => {
    const start = background("pidns", "unshare -mpf --kill-child --mount-proc", ":");
    const text = `${start}
      inner=$(pgrep -P $pidns)
      ctrtool ns_open_file -m --nsenter mp//proc/$inner -P /proc/self -O path echo found
      ctrtool ns_open_file -m --nsenter m//proc/$inner -P /proc/self -O path echo found`;
    expect(prepared(text)).toEqual({
      status: 125,
      stdout: "found\n",
      stderr:
        "ctrtool ns_open_file: openat: request 0 (-m): /proc/self: ENOENT (No such file or directory)\n",
    });
  });
});

describe("TUN/TAP", () => {
  const inside = "-T -N /proc/$net/ns/net";
  const link = "nsenter -n -t $net ip -d -o link show";

  test("the plain device belongs to the namespace; the program makes the interface", () => {
    const program = `import fcntl, os, struct
fcntl.ioctl(int(os.environ["${first}"]), 0x400454ca, struct.pack("16sH22x", b"mine", 0x1001))
os.system("nsenter -n -t $net ip -o link show mine | cut -d: -f2; ip link show mine 2>&- || echo not here")`;
    const text = `ctrtool ns_open_file ${inside} python3 -c '${program}'`;
    expect(prepared(text)).toEqual({ ...quiet, stdout: " mine\nnot here\n" });
  });

  test.each([
    ["--create tun", /tun0: <POINTOPOINT,.*state DOWN.*tun type tun pi on vnet_hdr off persist off/],
    [
      "--create tap --name vm%d --no-packet-info",
      /vm0: <BROADCAST.*tun type tap pi off vnet_hdr off persist off/,
    ],
    [
      "--create tun --name tunnel --up --vnet-header --no-packet-info",
      /tunnel: <[^>]*\bUP\b.*tun type tun pi off vnet_hdr on persist off/,
    ],
    ["--create tap --name q --multi-queue", /q: .*tun type tap pi on vnet_hdr off multi_queue/],
    [
      "--create tap --name o --persist --tun-owner 1000 --tun-group 5",
      /o: .*tun type tap pi on vnet_hdr off persist on user (1000|\w+) group (5|tty)/,
    ],
  ])("%s", (words, facts) => {
    const show = `sh -c '${link} $CTRTOOL_NS_OPEN_FILE_IFNAME_0'`;
    const { status, stdout, stderr } = prepared(
      `export net; ctrtool ns_open_file ${inside} ${words} ${show}`,
    );
    expect({ status, stderr }).toEqual(quiet);
    expect(stdout).toMatch(facts);
  });

  test("several queues of one interface; one that stays", () => {
    const twice = `${inside} --create tap --name q --multi-queue`;
    const text = `ctrtool ns_open_file ${twice} ${twice} --persist sh -c 'echo $CTRTOOL_NS_OPEN_FILE_IFNAME_0 $CTRTOOL_NS_OPEN_FILE_IFNAME_1'; ${link} q | grep -c multi_queue`;
    expect(prepared(text)).toEqual({ ...quiet, stdout: "q q\n1\n" });
  });

  test("packets from inside reach the program outside", () => {
    const program = `import os
fd = int(os.environ["${first}"])
os.system("nsenter -n -t $net ip addr add 10.9.9.1/24 dev tun0")
os.system("nsenter -n -t $net bash -c \\"echo -n hello >/dev/udp/10.9.9.2/9\\"")
while True:
    packet = os.read(fd, 2000)
    if packet[0] == 0x45: break
print(packet[16:20], packet[28:])`;
    const text = `ctrtool ns_open_file ${inside} --create tun --no-packet-info --up python3 -c '${program}'`;
    expect(prepared(text)).toEqual({ ...quiet, stdout: "b'\\n\\t\\t\\x02' b'hello'\n" });
  });

  test("as an ordinary user, in a namespace of its own", () => {
    const own =
      "exec 8< <(exec unshare -Urn sh -c 'echo; exec sleep 60 >&-'); net=$!; read _ <&8; exec 8<&-; trap 'kill -9 $net' EXIT";
    const text = `${own}\nctrtool ns_open_file -T -N /proc/$net/ns/net -U -M "$TUN" --create tun --up sh -c 'echo $CTRTOOL_NS_OPEN_FILE_IFNAME_0'`;
    const ran = inDirectory((cwd) => {
      script("mknod -m 666 tun c 10 200", { cwd });
      return script(text, { cwd, ordinary: true, env: { TUN: `${cwd}/tun` } });
    });
    expect(ran).toEqual({ ...quiet, stdout: "tun0\n" });
  });
});

describe("the program", () => {
  test("gets the numbers in variables, from an offset on, and nothing that is ours", () => {
    // The shell holds the pipe itself while it starts what it connects: looked at a moment later.
    const text = `exec 5</etc/passwd; ctrtool ns_open_file -o 18446744073709551615 -n -d inet -N /proc/$net/ns/net -n -d inet -s 0,i -n -A sh -c 'echo $CTRTOOL_NS_OPEN_FILE_FD_18446744073709551615 $CTRTOOL_NS_OPEN_FILE_FD_0 $CTRTOOL_NS_OPEN_FILE_FD_1; { sleep 0.1; ls -l /proc/$$/fd; } | sed -n "s/.* \\([0-9]*\\) -> \\([a-z/]*\\).*/\\1\\2/p" | grep -v "^[012]"'`;
    const { status, stdout, stderr } = prepared(text);
    expect({ status, stderr }).toEqual(quiet);
    const [numbers = "", ...open] = stdout.trim().split("\n");
    const [one, hidden, two] = numbers.split(" ");
    expect(hidden).toBe("-1");
    expect(new Set(open)).toEqual(new Set([`${one}socket`, `${two}socket`, "5/etc/passwd"]));
  });

  test("without a namespace, the lowest free numbers", () => {
    const text = `ctrtool ns_open_file -n -d inet -n -d unix sh -c 'echo $CTRTOOL_NS_OPEN_FILE_FD_0 $CTRTOOL_NS_OPEN_FILE_FD_1'`;
    expect(prepared(text)).toEqual({ ...quiet, stdout: "3 4\n" });
  });

  test("is executed in the same process, with signals as they were", () => {
    const text = `trap '' CHLD USR1; ctrtool ns_open_file -n -N /proc/$net/ns/net grep -E 'SigIgn|SigBlk' /proc/self/status`;
    expect(prepared(text).stdout).toBe("SigBlk:\t0000000000000000\nSigIgn:\t0000000000010200\n");
    expect(
      prepared(`bash -c 'echo $$; exec $CTRTOOL ns_open_file -n -A sh -c "echo \\$\\$"' | uniq | wc -l`)
        .stdout,
    ).toBe("1\n");
    expect(prepared("ctrtool ns_open_file sh -c 'exit 7'").status).toBe(7);
    expect(prepared("ctrtool ns_open_file -m nosuchprogram")).toEqual({
      status: 127,
      stdout: "",
      stderr: "ctrtool ns_open_file: execve: nosuchprogram: ENOENT (No such file or directory)\n",
    });
    expect(prepared("ctrtool ns_open_file /etc/passwd").status).toBe(126);
  });
});

describe("failures name the request and what it is about", () => {
  test.each([
    [
      "-n -t dgram -6 ::1,80 -l 5",
      "listen: request 0 (-n): EOPNOTSUPP (Operation not supported); hint: sockets of this type do not listen",
    ],
    [
      "-n -n -4 192.0.2.1,80",
      "bind: request 1 (-n): 192.0.2.1:80: EADDRNOTAVAIL (Cannot assign requested address); hint: no interface of the network namespace has this address",
    ],
    [
      "-n -6 fe80::1,80,:,nosuchif",
      "SIOCGIFINDEX: request 0 (-n): [fe80::1]:80: nosuchif: ENODEV (No such device)",
    ],
    [
      "-n -6 fe80::1,80",
      "bind: request 0 (-n): [fe80::1]:80: EINVAL (Invalid argument); hint: an address of another domain, or one that needs a scope",
    ],
    [
      "-n -N /proc/$net/ns/net -6 ::1,80,a,nosuchif",
      "SIOCGIFINDEX: request 0 (-n): [::1]:80: nosuchif: ENODEV (No such device)",
    ],
    [
      "-n -N /proc/self/ns/mnt",
      "setns: request 0 (-n): /proc/self/ns/mnt: EINVAL (Invalid argument); hint: a namespace of another kind",
    ],
    [
      "-n -N /proc/self/ns/user",
      "setns: request 0 (-n): /proc/self/ns/user: EINVAL (Invalid argument); hint: a namespace of another kind",
    ],
    [
      "-m -N /proc/self/ns/net",
      "setns: request 0 (-m): /proc/self/ns/net: EINVAL (Invalid argument); hint: a namespace of another kind",
    ],
    [
      "-n -A -U -N /proc/self/ns/net",
      "setns: request 0 (-n): /proc/self/ns/net: EINVAL (Invalid argument); hint: no user namespace, or the one that this process is in already",
    ],
    [
      "-n -U -N /proc/self/ns/net",
      "setns: request 0 (-n): /proc/self/ns/net: user namespace that owns it: EINVAL (Invalid argument); hint: this process is in it already: -U is not needed",
    ],
    [
      "-n -A -N /proc/self/ns/mnt",
      "setns: request 0 (-n): /proc/self/ns/mnt: user namespace that owns it: EINVAL (Invalid argument); hint: this process is in it already: the namespace is not needed",
    ],
    ["-n -N /etc/passwd", "request 0 (-n): /etc/passwd: descriptor 3 is no namespace"],
    ["-n -N /nope", "openat: request 0 (-n): /nope: ENOENT (No such file or directory)"],
    [
      "-L 0,5 -n -i 0",
      "pidfd: descriptor 5: EBADF (Bad file descriptor); hint: it is neither a namespace nor a process descriptor",
    ],
    [
      "-n --pidfd 5",
      "pidfd: descriptor 5: EBADF (Bad file descriptor); hint: it is not open, or no process descriptor",
    ],
    ["-L 0,77 true", "fcntl: descriptor 77: EBADF (Bad file descriptor)"],
    ["-m -P /nope", "openat: request 0 (-m): /nope: ENOENT (No such file or directory)"],
    ["-m -d 77 -P x", "openat: request 0 (-m): x: EBADF (Bad file descriptor)"],
    [
      "-m -P ../x -R beneath",
      "openat2: request 0 (-m): ../x: EXDEV (Invalid cross-device link); hint: the path leaves the directory it must stay below",
    ],
    [
      "-m -N /proc/$mnt/ns/mnt -P /mnt/d/up -R no_symlinks",
      "openat2: request 0 (-m): /mnt/d/up: ELOOP (Too many levels of symbolic links); hint: the path has a symlink in it, or is one, where none is allowed",
    ],
    ["-m -2 -P /etc -O 0x40000000", "openat2: request 0 (-m): /etc: EINVAL (Invalid argument)"],
    ["-f -N /nope", "openat: request 0 (-f): /nope: ENOENT (No such file or directory)"],
    ["-T -M /nope", "openat: request 0 (-T): /nope: ENOENT (No such file or directory)"],
    [
      "-T -M /dev/null -N /proc/$net/ns/net --create tun",
      "TUNSETIFF: request 0 (-T): tun interface without a name: ENOTTY (Inappropriate ioctl for device)",
    ],
    [
      "-T -N /proc/$net/ns/net --create tun --name dum0",
      "TUNSETIFF: request 0 (-T): tun interface dum0: EINVAL (Invalid argument); hint: there is an interface of that name and of another kind",
    ],
    [
      "-T -N /proc/$net/ns/net --create tun --name t -T -N /proc/$net/ns/net --create tun --name t",
      "TUNSETIFF: request 1 (-T): tun interface t: EBUSY (Device or resource busy); hint: somebody has it; --multi-queue, on both sides, shares it",
    ],
    [
      "-n -d 99",
      "socket: request 0 (-n): EAFNOSUPPORT (Address family not supported by protocol); hint: this kernel has no such domain",
    ],
    [
      "-n -d inet -z 0100",
      "bind: request 0 (-n): 0100: EINVAL (Invalid argument); hint: an address of another domain, or one that needs a scope",
    ],
    [
      "-n --bind-device nosuchif",
      "setsockopt: request 0 (-n): SO_BINDTODEVICE nosuchif: ENODEV (No such device)",
    ],
    ["-n -q", "usage: unknown option -q"],
    ["-n", "usage: PROGRAM is missing"],
  ])("%s", (words, line) => {
    const program = line.startsWith("usage: PROGRAM") ? "" : "echo executed";
    expect(prepared(`exec 5</etc/passwd; ctrtool ns_open_file ${words} ${program}`)).toEqual({
      status: 125,
      stdout: "",
      stderr: `ctrtool ns_open_file: ${line}\n`,
    });
  });

  test("a child that is killed", () => {
    const text = `mkfifo fifo; "$CTRTOOL" ns_open_file -m -N /proc/$mnt/ns/mnt -P "$PWD/fifo" echo executed & applet=$!
      until child=$(pgrep -P $applet) && test "$(cut -d' ' -f3 /proc/$child/stat 2>&-)" = S; do :; done
      sleep 0.1; kill -9 $child; wait $applet`;
    expect(prepared(text)).toEqual({
      status: 125,
      stdout: "",
      stderr: "ctrtool ns_open_file: child: request 0 (-m): killed by signal 9\n",
    });
  });

  test("of the applet itself take the child along", () => {
    const text = `mkfifo fifo; "$CTRTOOL" ns_open_file -m -U -N /proc/$usermnt/ns/mnt -P "$PWD/fifo" echo executed & applet=$!
      until child=$(pgrep -P $applet) && test "$(cut -d' ' -f3 /proc/$child/stat 2>&-)" = S; do :; done
      sleep 0.1; kill -9 $applet; wait $applet 2>&-
      for try in $(seq 100); do kill -0 $child 2>&- || break; sleep 0.02; done; kill -0 $child 2>&- || echo gone`;
    expect(prepared(text).stdout).toBe("gone\n");
  });

  test("no number left for the result", () => {
    const text = `ulimit -n 14; ctrtool ns_open_file ${"-n ".repeat(8)} -n -N /proc/$net/ns/net echo executed`;
    const { status, stdout, stderr } = prepared(text);
    expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
    expect(stderr).toMatch(/^ctrtool ns_open_file: \w+: request \d .*EMFILE .*\n$/);
  });
});
