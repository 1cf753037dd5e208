/**
 * `ns_open_file`: opens files, sockets and TUN/TAP devices, where needed in other namespaces, and executes a
 * program that has them.
 *
 * Each of -m, -n, -T and -f begins a request; what follows belongs to it. Requests are carried out in their
 * order, each in a child if it is to be carried out elsewhere.
 */
import * as v from "valibot";
import { applet } from "../cli/applet.ts";
import { quote, UsageError } from "../cli/failure.ts";
import { defineSpec, type Input } from "../cli/spec.ts";
import { inet4Address, inet6Address, interfaceName, rawAddress } from "../cli/values/address.ts";
import {
  type DescriptorSpec,
  descriptor,
  directoryDescriptor,
  resolveDescriptor,
  useDescriptor,
} from "../cli/values/descriptor.ts";
import { type EntryWord, namespaceEntry, resolveEntry } from "../cli/values/namespace.ts";
import {
  decimal,
  I32_MAX,
  numberOrName,
  octalMode,
  readNumber,
  readNumberOrName,
  U32_MAX,
  U64_MAX,
  u64,
  unsigned,
} from "../cli/values/number.ts";
import { domains, flags, openFlags, protocols, resolveFlags, socketTypes } from "../cli/values/open-names.ts";
import { type Reader, readBy, reader } from "../cli/values/reader.ts";
import { path, text } from "../cli/values/text.ts";
import { doElsewhere, type Elsewhere, type Handle, type Work } from "../plan/elsewhere.ts";
import { defaultPath, exec } from "../plan/exec.ts";
import { ExportedEnvironment } from "../plan/exported.ts";
import { type Descriptor, openSocketNamespace } from "../plan/handles.ts";
import { keepChildStatus, restoreInherited } from "../plan/inherit.ts";
import { bringUpLoopback, openTun, type TunInterface, tunName } from "../plan/interfaces.ts";
import { openSocket, type SocketAddress } from "../plan/sockets.ts";
import {
  call,
  group,
  type Program,
  type Step,
  set,
  type Value,
  type Variable,
  variable,
} from "../program/steps.ts";
import {
  AF_INET6,
  AF_UNIX,
  AT_FDCWD,
  F_SETFD,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOCTTY,
  O_PATH,
  O_TMPFILE,
  SOCK_STREAM,
  UNIX_PATH_MAX,
} from "../sys/constants.ts";
import type { Given } from "../sys/given.ts";
import { open_how } from "../sys/structs.ts";

const registerCount = 8;
const defaultMode = 0o600;
const unchangedId = U32_MAX;

/** `REG` or `REG,FLAG`. */
function register<F extends string>(known: readonly F[]): Reader<{ register: number; flag: F | undefined }> {
  const isFlag = (letter: string): letter is F => known.some((one) => one === letter);
  return reader((word) => {
    const comma = word.indexOf(",");
    const number = comma < 0 ? word : word.slice(0, comma);
    let flag: F | undefined;
    for (const letter of comma < 0 ? "" : word.slice(comma + 1)) {
      if (!isFlag(letter))
        throw new UsageError(`${quote(letter)} is no flag here (known: ${known.join("")})`);
      flag = letter;
    }
    return { register: readRegister(number), flag };
  });
}

function readRegister(word: string): number {
  return Number(readNumber(word, "decimal", BigInt(registerCount - 1)));
}

const load: Reader<{ register: number; source: DescriptorSpec }> = reader((word) => {
  const comma = word.indexOf(",");
  if (comma < 0) throw new UsageError(`${quote(word)} is not of the form REG,FDSPEC`);
  return { register: readRegister(word.slice(0, comma)), source: readBy(descriptor, word.slice(comma + 1)) };
});

const backlog: Reader<number> = reader((word) => {
  const [, sign = "", digits = word] = /^(-?)(.*)$/s.exec(word) ?? [];
  const number = Number(readNumber(digits, "decimal", BigInt(I32_MAX)));
  return sign === "-" ? -number : number;
});

/** `UID`, `UID:GID` or `:GID`. */
const owner: Reader<{ uid: number; gid: number }> = reader((word) => {
  const [, uid = "", gid = ""] = /^([^:]*)(?::(.*))?$/s.exec(word) ?? [];
  if (uid === "" && gid === "") throw new UsageError(`${quote(word)} is not of the form UID[:GID]`);
  const id = (digits: string): number =>
    digits === "" ? unchangedId : readBy(unsigned(U32_MAX - 1), digits);
  return { uid: id(uid), gid: id(gid) };
});

const tunMode: Reader<"tun" | "tap"> = reader((word) => {
  if (word !== "tun" && word !== "tap") throw new UsageError(`${quote(word)} is neither tun nor tap`);
  return word;
});

const id = unsigned(U32_MAX - 1);

export const spec = defineSpec({
  name: "ns_open_file",
  summary: "open files, sockets and TUN/TAP devices in other namespaces for a program",
  usage: "PROGRAM [ARG]...",
  operands: v.tupleWithRest([v.string()], v.string()),
  stopAtOperand: true,
  usageStatus: 125,
  options: {
    open: { short: "m", long: "open", help: "new request: a file or directory, of a mount namespace" },
    socket: { short: "n", long: "socket", help: "new request: a socket, of a network namespace" },
    tun: { short: "T", long: "tun", help: "new request: a TUN/TAP device, of a network namespace" },
    file: { short: "f", long: "file", help: "new request: the file -N, opened here" },

    namespace: {
      short: "N",
      long: "namespace",
      metavar: "FILE",
      value: path,
      help: "the namespace to enter, by its file",
    },
    withOwner: {
      short: "U",
      long: "owner-userns",
      help: "enter the user namespace that owns it first",
    },
    anonymous: { short: "A", long: "new-netns", help: "(-n) in a new network namespace" },
    fromRegister: {
      short: "i",
      long: "from-register",
      metavar: "REG[,n|d]",
      value: register(["n", "d"]),
      help: "take the namespace (n) or the directory (d) from a register",
    },
    toRegister: {
      short: "s",
      long: "to-register",
      metavar: "REG[,i]",
      value: register(["i"]),
      help: "put the result into a register; i: and do not hand it to the program",
    },
    loads: {
      short: "L",
      long: "load",
      metavar: "REG,FDSPEC",
      value: load,
      repeat: true,
      help: "put a descriptor into a register, before all requests",
    },
    offset: {
      short: "o",
      long: "offset",
      metavar: "N",
      value: u64,
      default: "0",
      help: "number of the first variable",
    },
    pidfd: {
      long: "pidfd",
      metavar: "FDSPEC",
      value: descriptor,
      help: "the namespace to enter is that of a process, by its descriptor",
      added: true,
    },
    nsenter: {
      long: "nsenter",
      metavar: "ENTRY",
      value: namespaceEntry,
      repeat: true,
      help: "enter these namespaces before, see nsenter --help",
      added: true,
    },

    path: {
      short: "P",
      long: "path",
      metavar: "PATH",
      value: text(),
      help: "(-m) what to open, / by default; (-n) the unix address to bind to",
    },
    flags: {
      short: "O",
      long: "open-flags",
      metavar: "FLAG[,FLAG]...",
      value: flags("flag of open(2)", openFlags),
      help: "(-m -f) flags of open(2): rdwr, creat and so on",
    },
    resolve: {
      short: "R",
      long: "resolve",
      metavar: "FLAG[,FLAG]...",
      value: flags("flag of openat2(2)", resolveFlags),
      help: "(-m) restrict how PATH is resolved: beneath, in_root, no_symlinks and so on",
    },
    openat2: { short: "2", long: "openat2", help: "(-m) use openat2(2)" },
    mode: {
      short: "M",
      long: "mode-or-device",
      metavar: "MODE|PATH",
      value: text(),
      help: "(-m -f) mode of a new file, 0600 by default; (-T) device, /dev/net/tun by default",
    },
    domain: {
      short: "d",
      long: "directory-or-domain",
      metavar: "DIR|DOMAIN",
      value: text(),
      help: "(-m) where a relative PATH begins: FDSPEC or cwd; (-n) inet6, inet, unix, netlink, packet, vsock",
    },

    type: {
      short: "t",
      long: "type",
      metavar: "TYPE",
      value: numberOrName("socket type", socketTypes, I32_MAX),
      default: "stream",
      help: "(-n) stream (tcp), dgram (udp), raw, seqpacket; with _nb: non-blocking",
    },
    protocol: {
      short: "p",
      long: "protocol",
      metavar: "PROTO",
      value: numberOrName("protocol", protocols, I32_MAX),
      default: "0",
      help: "(-n) a number, or ip, icmp, tcp, udp, ipv6",
    },
    inet4: {
      short: "4",
      long: "inet4",
      metavar: "ADDR",
      value: inet4Address,
      help: "(-n) bind to an IPv4 address",
    },
    inet6: {
      short: "6",
      long: "inet6",
      metavar: "ADDR",
      value: inet6Address,
      help: "(-n) bind to an IPv6 address",
    },
    raw: {
      short: "z",
      long: "raw-address",
      metavar: "HEX",
      value: rawAddress,
      help: "(-n) bind to a socket address given as bytes, from its family on",
    },
    listen: {
      short: "l",
      long: "listen",
      metavar: "BACKLOG",
      value: backlog,
      default: "do not listen",
      help: "(-n) listen; 0 or less: with the system's maximum",
    },
    bindDevice: {
      long: "bind-device",
      metavar: "INTERFACE",
      value: interfaceName,
      help: "(-n) use this network interface only",
      added: true,
    },
    mark: {
      long: "mark",
      metavar: "N",
      value: unsigned(U32_MAX),
      help: "(-n) mark of its packets",
      added: true,
    },
    unlink: { long: "unlink", help: "(-n -P) remove a socket that is there already", added: true },
    socketMode: {
      long: "socket-mode",
      metavar: "MODE",
      value: octalMode(0o777),
      help: "(-n -P) permissions of the socket's file, whatever the umask",
      added: true,
    },
    socketOwner: {
      long: "socket-owner",
      metavar: "UID[:GID]",
      value: owner,
      help: "(-n -P) owner of the socket's file",
      added: true,
    },
    loopback: { long: "loopback-up", help: "(-n -A) bring up the loopback interface", added: true },
    saveNamespace: {
      long: "namespace-to-register",
      metavar: "REG",
      value: decimal(registerCount - 1),
      help: "(-n) put the socket's network namespace into a register, for later requests",
      added: true,
    },

    create: {
      long: "create",
      metavar: "tun|tap",
      value: tunMode,
      help: "(-T) make the interface, or attach to it",
      added: true,
    },
    tunName: {
      long: "name",
      metavar: "NAME",
      value: interfaceName,
      default: "tun0, tap0 and so on",
      help: "(-T) its name; %d in it becomes a number",
      added: true,
    },
    multiQueue: { long: "multi-queue", help: "(-T) several descriptors for one interface", added: true },
    noPacketInfo: {
      long: "no-packet-info",
      help: "(-T) packets without the four bytes before them",
      added: true,
    },
    vnetHeader: { long: "vnet-header", help: "(-T) packets with a virtio header before them", added: true },
    persist: { long: "persist", help: "(-T) the interface stays when the descriptor is closed", added: true },
    tunOwner: {
      long: "tun-owner",
      metavar: "UID",
      value: id,
      help: "(-T) who may attach to it",
      added: true,
    },
    tunGroup: {
      long: "tun-group",
      metavar: "GID",
      value: id,
      help: "(-T) the same for a group",
      added: true,
    },
    up: { long: "up", help: "(-T) bring the interface up", added: true },
  },
  details: [
    {
      title: "Requests",
      lines: [
        "Options after -m, -n, -T or -f belong to that request. The program finds the descriptor of request n,",
        "counted from 0, in CTRTOOL_NS_OPEN_FILE_FD_n, and the name of an interface that was made in",
        "CTRTOOL_NS_OPEN_FILE_IFNAME_n. Registers 0 to 7 carry descriptors from one request to the next; that of",
        "a process (pidfd) stands for its namespaces, and with -U for its user namespace.",
      ],
    },
    {
      title: "ADDR",
      lines: [
        "ADDRESS,PORT[,FLAGS[,SCOPE]]   SCOPE is an interface, for IPv6",
        "  a SO_REUSEADDR   p SO_REUSEPORT   f IP_FREEBIND   t IP_TRANSPARENT   d TCP_DEFER_ACCEPT",
        "  e TCP_NODELAY    o IPV6_V6ONLY on   O off   I SCOPE is a number   : nothing",
      ],
    },
    {
      title: "FDSPEC",
      lines: [
        "N      descriptor N      /NAME  the one in variable NAME",
        ":NAME  the same; it and the variable do not reach PROGRAM",
      ],
    },
  ],
  examples: [
    "ns_open_file -n -N /run/netns/blue -6 ::,443,a -l 0 server",
    "ns_open_file -L 0,:PIDFD -n -i 0 -U -4 127.0.0.1,80,a -l 0 -T -i 0 -U --create tun --up server",
    "ns_open_file -m -N /proc/4711/ns/mnt -P /etc/hosts sh -c 'cat <&$CTRTOOL_NS_OPEN_FILE_FD_0'",
  ],
});

type Options = Input<typeof spec>["options"];
type Occurrence = Input<typeof spec>["sequence"][number];
type Key = Occurrence["key"];
type Values = { readonly [K in Key]: Extract<Occurrence, { readonly key: K }>["value"] };
type Kind = "m" | "n" | "T" | "f";

/** The options that begin a request. */
const beginnings: { readonly [K in Key]?: Kind } = { open: "m", socket: "n", tun: "T", file: "f" };

/** Those that belong to a request, by the kinds that they make sense for, and what they are called. */
const belongings: { readonly [K in Key]?: readonly [kinds: string, shown: string] } = {
  namespace: ["mnTf", "-N"],
  withOwner: ["mnT", "-U"],
  anonymous: ["n", "-A"],
  fromRegister: ["mnT", "-i"],
  toRegister: ["mnTf", "-s"],
  pidfd: ["mnT", "--pidfd"],
  nsenter: ["mnT", "--nsenter"],
  path: ["mn", "-P"],
  flags: ["mf", "-O"],
  resolve: ["m", "-R"],
  openat2: ["m", "-2"],
  mode: ["mTf", "-M"],
  domain: ["mn", "-d"],
  type: ["n", "-t"],
  protocol: ["n", "-p"],
  inet4: ["n", "-4"],
  inet6: ["n", "-6"],
  raw: ["n", "-z"],
  listen: ["n", "-l"],
  bindDevice: ["n", "--bind-device"],
  mark: ["n", "--mark"],
  unlink: ["n", "--unlink"],
  socketMode: ["n", "--socket-mode"],
  socketOwner: ["n", "--socket-owner"],
  loopback: ["n", "--loopback-up"],
  saveNamespace: ["n", "--namespace-to-register"],
  create: ["T", "--create"],
  tunName: ["T", "--name"],
  multiQueue: ["T", "--multi-queue"],
  noPacketInfo: ["T", "--no-packet-info"],
  vnetHeader: ["T", "--vnet-header"],
  persist: ["T", "--persist"],
  tunOwner: ["T", "--tun-owner"],
  tunGroup: ["T", "--tun-group"],
  up: ["T", "--up"],
};

const interfaceOptions = [
  "tunName",
  "multiQueue",
  "noPacketInfo",
  "vnetHeader",
  "persist",
  "tunOwner",
  "tunGroup",
  "up",
] as const satisfies readonly Key[];

/** What a request's options say; of one that is repeated the last, unless they add up. */
interface Request {
  readonly kind: Kind;
  /** For messages. */
  readonly name: string;
  readonly settings: { -readonly [K in Key]?: Values[K] };
  flags: number;
  resolve: number;
  readonly entries: EntryWord[];
  readonly addresses: SocketAddress[];
  /** -d of -m, and --pidfd. */
  directory: Descriptor;
  process?: Descriptor;
}

/** Stores an option's value under its own key. */
function put<K extends Key>(
  settings: Request["settings"],
  { key, value }: { readonly [P in Key]: { readonly key: P; readonly value: Values[P] } }[K],
): void {
  settings[key] = value;
}

/** The command line as requests. */
class Requests {
  readonly list: Request[] = [];
  readonly registers: (Descriptor | undefined)[] = new Array(registerCount).fill(undefined);
  readonly environment: ExportedEnvironment;
  /** What is done to descriptors that were given, before the first request. */
  readonly prelude: Step[] = [];

  constructor(given: Given) {
    this.environment = new ExportedEnvironment(given.environment);
  }

  read(sequence: readonly Occurrence[]): void {
    for (const option of sequence) {
      const kind = beginnings[option.key];
      if (kind !== undefined) this.begin(kind);
      else if (option.key === "loads") this.load(option.value);
      else if (option.key !== "offset") this.add(option);
    }
  }

  private begin(kind: Kind): void {
    this.list.push({
      kind,
      name: `request ${this.list.length} (-${kind})`,
      settings: {},
      flags: 0,
      resolve: 0,
      entries: [],
      addresses: [],
      directory: AT_FDCWD,
    });
  }

  private load({ register, source }: Values["loads"]): void {
    if (this.list.length > 0) throw new UsageError("-L must be before -m, -n, -T and -f");
    this.registers[register] = this.use(source);
  }

  private use(source: DescriptorSpec): Descriptor {
    const { fd, step } = useDescriptor(source, this.environment);
    this.prelude.push(step);
    return fd;
  }

  private add(option: Occurrence): void {
    const [kinds, shown] = belongings[option.key] ?? ["", option.key];
    const request = this.list.at(-1);
    if (request === undefined) throw new UsageError(`${shown} must be after -m, -n, -T or -f`);
    const { kind, name } = request;
    if (!kinds.includes(kind)) {
      throw new UsageError(`${name}: ${shown} goes with ${kinds.replaceAll(/./g, " -$&").trim()} only`);
    }
    const once = option.key === "fromRegister" || option.key === "toRegister";
    if (once && request.settings[option.key] !== undefined)
      throw new UsageError(`${name}: ${shown} is given twice`);
    put(request.settings, option);
    this.accumulate(request, option);
  }

  private accumulate(request: Request, option: Occurrence): void {
    switch (option.key) {
      case "flags":
        request.flags |= option.value;
        break;
      case "resolve":
        request.resolve |= option.value;
        break;
      case "nsenter":
        request.entries.push(option.value);
        break;
      case "pidfd":
        request.process = this.use(option.value);
        break;
      case "domain":
        if (request.kind === "m") request.directory = this.directory(option.value, request.name);
        break;
      case "inet4":
      case "inet6":
      case "raw":
        request.addresses.push(option.value);
        break;
    }
  }

  /** Only one that comes from a variable is looked at; openat(2) itself says whether the others are any good. */
  private directory(word: string, name: string): Descriptor {
    const source = within(`${name}: -d`, () => readBy(directoryDescriptor, word));
    if (source.form === "cwd") return AT_FDCWD;
    if (source.form !== "number") return this.use(source);
    return resolveDescriptor(source, { environment: [] });
  }
}

/** Complaints get to say what they are about. */
function within<T>(subject: string, read: () => T): T {
  try {
    return read();
  } catch (problem) {
    if (!(problem instanceof UsageError)) throw problem;
    throw new UsageError(`${subject}: ${problem.message}`);
  }
}

function refuse(condition: boolean, { name }: Request, reason: string): void {
  if (condition) throw new UsageError(`${name}: ${reason}`);
}

/** Where a request is to be carried out; undefined: here. */
function placeOf(request: Request, registers: Requests["registers"], given: Given): Elsewhere | undefined {
  const { kind, settings, entries, process } = request;
  const handle = handleOf(request, registers);
  const { anonymous = false, withOwner = false } = settings;
  const { fromRegister } = settings;
  refuse(fromRegister?.flag === "d" && kind !== "m", request, "-i: the flag d goes with -m only");
  refuse(withOwner && !handle && !anonymous, request, "-U needs a namespace (-N, -i or --pidfd)");
  refuse(process !== undefined && handle?.form !== "process", request, "--pidfd excludes -N and -i");
  refuse(settings.loopback !== undefined && !anonymous, request, "--loopback-up needs -A");
  if (!handle && !anonymous && entries.length === 0) return undefined;
  return {
    kind: kind === "m" ? "mount" : "network",
    ...(handle ? { handle } : {}),
    // Without a namespace, -U has nothing to enter: a new one is the caller's.
    withOwner: withOwner && handle !== undefined,
    anonymous,
    entries: entries.map((word) => ({ entry: resolveEntry(word, given), text: word.text })),
  };
}

/** The register wins over the file, as in the original. */
function handleOf(request: Request, registers: Requests["registers"]): Handle | undefined {
  const { kind, settings, process } = request;
  const { fromRegister, namespace } = settings;
  if (fromRegister !== undefined && fromRegister.flag !== "d") {
    return { form: "descriptor", fd: fromRegisters(fromRegister.register, registers, request) };
  }
  if (namespace !== undefined && kind !== "f") return { form: "file", path: namespace };
  return process === undefined ? undefined : { form: "process", fd: process };
}

function fromRegisters(register: number, registers: Requests["registers"], request: Request): Descriptor {
  const fd = registers[register];
  if (fd === undefined) throw new UsageError(`${request.name}: -i: register ${register} is not set`);
  return fd;
}

/** What a request does, wherever it is done. */
interface Job extends Work {
  /** Descriptors that it uses. */
  readonly needed: readonly { readonly into: Variable; readonly fd: Descriptor }[];
}

function jobOf(request: Request, registers: Requests["registers"], into: Variable): Job {
  switch (request.kind) {
    case "m":
      return openJob(request, registers, into);
    case "n":
      return socketJob(request, into);
    case "T":
      return {
        steps: openTun(deviceOf(request), interfaceOf(request), into, request.name),
        results: [into],
        needed: [],
      };
    case "f":
      return { steps: [openFile(request, into)], results: [into], needed: [] };
  }
}

function modeOf({ settings, name }: Request, flags: number): number {
  const mode =
    settings.mode === undefined
      ? defaultMode
      : within(`${name}: -M`, () => readBy(octalMode(), settings.mode ?? ""));
  const makesFile = (flags & O_CREAT) !== 0 || (flags & O_TMPFILE) === O_TMPFILE;
  return makesFile ? mode : 0;
}

function openFile(request: Request, into: Variable): Step {
  const { settings, name, flags } = request;
  const { namespace: file } = settings;
  if (file === undefined) throw new UsageError(`${name}: -f needs -N FILE`);
  const args = [AT_FDCWD, file, flags | O_NOCTTY | O_CLOEXEC, modeOf(request, flags)];
  return call("openat", args, `${name}: ${file}`, { into });
}

function openJob(request: Request, registers: Requests["registers"], into: Variable): Job {
  const { settings, name, directory, resolve } = request;
  const { path: file = "/", fromRegister } = settings;
  refuse(file === "", request, "-P: the path is empty");
  const plain = [settings.path, settings.flags, settings.resolve, settings.openat2].every(
    (it) => it === undefined,
  );
  const flags = plain ? O_PATH | O_DIRECTORY : request.flags;
  const mode = modeOf(request, flags);
  const start =
    fromRegister?.flag === "d" ? fromRegisters(fromRegister.register, registers, request) : directory;
  const from = variable("directory");
  const needed = start === AT_FDCWD ? [] : [{ into: from, fd: start }];
  const at: Value = start === AT_FDCWD ? AT_FDCWD : from;
  const what = `${name}: ${file}`;
  const how = open_how.pack({ flags: flags | O_CLOEXEC, mode, resolve });
  const step =
    settings.openat2 || settings.resolve !== undefined
      ? call("openat2", [at, file, how, how.length], what, { into })
      : call("openat", [at, file, flags | O_CLOEXEC, mode], what, { into });
  return { steps: [step], results: [into], needed };
}

function addressOf(request: Request): SocketAddress | undefined {
  const { settings, addresses } = request;
  const { path: name, unlink = false, socketMode, socketOwner } = settings;
  const isFile = name !== undefined && name !== "" && !name.startsWith("@");
  const changesFile = unlink || socketMode !== undefined || socketOwner !== undefined;
  refuse(changesFile && !isFile, request, "--unlink, --socket-mode and --socket-owner need -P PATH");
  refuse(addresses.length + (name === undefined ? 0 : 1) > 1, request, "it has an address already");
  if (name === undefined) return addresses[0];
  refuse(name.length > UNIX_PATH_MAX, request, `-P: a unix address has at most ${UNIX_PATH_MAX} bytes`);
  return {
    form: "unix",
    path: name,
    unlink,
    ...(socketMode === undefined ? {} : { mode: socketMode }),
    ...(socketOwner === undefined ? {} : { owner: socketOwner }),
  };
}

/** That of the address, if there is one. */
function domainOf(request: Request, address: SocketAddress | undefined): number {
  const { settings, name } = request;
  const { domain: word } = settings;
  const asked =
    word === undefined
      ? undefined
      : within(`${name}: -d`, () => readNumberOrName(word, "socket domain", domains, I32_MAX));
  if (address === undefined) return asked ?? AF_INET6;
  if (address.form === "raw") return asked ?? (address.bytes[0] ?? 0) | ((address.bytes[1] ?? 0) << 8);
  const own = address.form === "unix" ? AF_UNIX : address.family;
  refuse(asked !== undefined && asked !== own, request, `-d ${word ?? ""}: the address is of another domain`);
  return own;
}

function socketJob(request: Request, into: Variable): Job {
  const { settings, name } = request;
  const {
    type = SOCK_STREAM,
    protocol = 0,
    mark,
    bindDevice: device,
    listen,
    loopback,
    saveNamespace,
  } = settings;
  const address = addressOf(request);
  const socket = {
    domain: domainOf(request, address),
    type,
    protocol,
    ...(mark === undefined ? {} : { mark }),
    ...(device === undefined ? {} : { device }),
    ...(address === undefined ? {} : { address }),
    ...(listen === undefined ? {} : { backlog: listen }),
  };
  const namespace = variable(`network namespace of ${name}`);
  return {
    steps: [
      ...(loopback ? [bringUpLoopback(name)] : []),
      ...openSocket(socket, into, name),
      ...(saveNamespace === undefined ? [] : [openSocketNamespace(into, namespace, name)]),
    ],
    results: saveNamespace === undefined ? [into] : [into, namespace],
    needed: [],
  };
}

function deviceOf(request: Request): string {
  const { mode: device = "/dev/net/tun" } = request.settings;
  return within(`${request.name}: -M`, () => readBy(path, device));
}

function interfaceOf(request: Request): TunInterface | undefined {
  const { settings } = request;
  const { create, tunName: name = "", tunOwner, tunGroup } = settings;
  const others = interfaceOptions.some((key) => settings[key] !== undefined);
  refuse(create === undefined && others, request, "an interface is made by --create tun or --create tap");
  if (create === undefined) return undefined;
  return {
    mode: create,
    name,
    multiQueue: settings.multiQueue ?? false,
    packetInfo: !settings.noPacketInfo,
    vnetHeader: settings.vnetHeader ?? false,
    persist: settings.persist ?? false,
    up: settings.up ?? false,
    ...(tunOwner === undefined ? {} : { owner: tunOwner }),
    ...(tunGroup === undefined ? {} : { group: tunGroup }),
  };
}

/** Carries a request out, and tells program and registers of the result. */
function carryOut(request: Request, number: bigint, requests: Requests, given: Given): Step[] {
  const { registers, environment } = requests;
  const { settings, name } = request;
  const into = variable(name);
  const place = placeOf(request, registers, given);
  const job = jobOf(request, registers, into);
  const before = job.needed.map(({ into: needed, fd }) => set(needed, fd));
  const needed = job.needed.map(({ into: variable }) => variable);
  const done = place ? [doElsewhere(place, job, needed, job.results, name)] : [group(name, job.steps)];
  const internal = settings.toRegister?.flag === "i";
  environment.set(`CTRTOOL_NS_OPEN_FILE_FD_${number}`, internal ? -1 : into);
  if (settings.toRegister) registers[settings.toRegister.register] = into;
  if (settings.saveNamespace !== undefined) registers[settings.saveNamespace] = job.results[1];
  return [
    ...before,
    ...done,
    ...(internal ? [] : [call("fcntl", [into, F_SETFD, 0], name)]),
    ...tellName(request, number, into, environment),
  ];
}

/** An interface's name may be the kernel's choice. */
function tellName(request: Request, number: bigint, fd: Variable, environment: ExportedEnvironment): Step[] {
  if (request.settings.create === undefined) return [];
  const variableName = `CTRTOOL_NS_OPEN_FILE_IFNAME_${number}`;
  const { text: entry, step } = tunName(fd, `${variableName}=`, request.name);
  environment.setText(variableName, entry);
  return [step];
}

export function plan({ options, operands, sequence }: Input<typeof spec>, given: Given): Program {
  const requests = new Requests(given);
  requests.read(sequence);
  const steps = allRequests(requests, options, given);
  const { entries, steps: compose } = requests.environment.entries();
  return {
    applet: spec.name,
    failure: spec.usageStatus,
    steps: [
      ...requests.prelude,
      ...keepChildStatus(given),
      ...steps,
      ...restoreInherited(given),
      ...compose,
      ...exec({
        file: operands[0],
        argv: operands,
        environment: entries,
        searchPath: requests.environment.searchPath ?? defaultPath,
      }),
    ],
  };
}

function allRequests(requests: Requests, { offset = 0n }: Options, given: Given): Step[] {
  return requests.list.flatMap((request, index) =>
    carryOut(request, (offset + BigInt(index)) & U64_MAX, requests, given),
  );
}

export default applet({ spec, plan });
