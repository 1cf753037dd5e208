/** Children that are known by their process descriptors from birth: clone3(2) with CLONE_PIDFD. */
import {
  area,
  at,
  call,
  fork,
  group,
  load,
  type Step,
  store,
  type Variable,
  variable,
} from "../program/steps.ts";
import {
  AT_FDCWD,
  CLONE_INTO_CGROUP,
  CLONE_PIDFD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  SIG_DFL,
  SIG_IGN,
  SIGCHLD,
  SIGKILL,
} from "../sys/constants.ts";
import { EBADF, EINVAL, ENOSYS } from "../sys/errno.ts";
import { clone_args } from "../sys/structs.ts";
import { type Execution, exec } from "./exec.ts";
import { type Inherited, restoreInherited, setAction } from "./inherit.ts";
import { type NamespaceLetter, namespaceFlags } from "./namespaces.ts";
import { reap } from "./wait.ts";

/** How a child differs from its parent. */
export interface Birth {
  /** New ones. */
  readonly namespaces: readonly NamespaceLetter[];
  /** Directory of a version 2 cgroup that it is born in. */
  readonly cgroup?: string;
  readonly ignoredSignals: readonly number[];
  readonly defaultSignals: readonly number[];
}

export interface Child {
  readonly pid: Variable;
  readonly pidfd: Variable;
  readonly steps: readonly Step[];
  /** Kills the child, which must not go on after a failure, and reaps it. */
  readonly cleanup: readonly Step[];
}

const shared = 8;

/** Starts a child that executes a program; `before` is done in it first. */
export function spawn(
  birth: Birth,
  execution: Execution,
  before: readonly Step[],
  inherited: Inherited,
): Child {
  const pid = variable("child");
  const pidfd = variable("pidfd of the child");
  const number = area("pidfd", shared);
  const arguments_ = area("clone arguments", clone_args.size);
  const cgroup = variable("cgroup");
  const flags = BigInt(namespaceFlags(birth.namespaces) | CLONE_PIDFD);
  const field = (name: Parameters<typeof clone_args.offset>[0], value: Parameters<typeof store>[3]): Step =>
    store(arguments_, clone_args.offset(name), 8, value);
  const { file } = execution;
  const intoCgroup =
    birth.cgroup === undefined
      ? { open: [], close: [], flag: 0n, fields: [] }
      : {
          open: [
            call("openat", [AT_FDCWD, birth.cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC], birth.cgroup, {
              into: cgroup,
            }),
          ],
          close: [call("close", [cgroup], birth.cgroup)],
          flag: BigInt(CLONE_INTO_CGROUP),
          fields: [field("cgroup", cgroup)],
        };
  const steps = [
    ...intoCgroup.open,
    group(`start ${file} as a child`, [
      field("flags", flags | intoCgroup.flag),
      field("pidfd", at(number)),
      field("exit_signal", SIGCHLD),
      ...intoCgroup.fields,
      fork({
        call: "clone3",
        args: [arguments_, clone_args.size],
        what: file,
        stage: "the child",
        into: pid,
        failure: childFailure,
        child: [
          ...before,
          ...restoreInherited(inherited),
          ...birth.defaultSignals.map((signal) => setAction(signal, SIG_DFL)),
          ...birth.ignoredSignals.map((signal) => setAction(signal, SIG_IGN)),
          ...exec(execution),
        ],
        ...(birth.cgroup === undefined ? {} : { hints: cgroupHints }),
      }),
      load(pidfd, number, 0, 4),
    ]),
    ...intoCgroup.close,
  ];
  return { pid, pidfd, steps, cleanup: kill(pid, pidfd) };
}

const childFailure = 125;
const cgroupHints = {
  [EBADF]: "not a directory of a version 2 cgroup",
  [ENOSYS]: "needs Linux 5.7",
  [EINVAL]: "needs Linux 5.7",
};

function kill(pid: Variable, pidfd: Variable): Step[] {
  return [
    call("pidfd_send_signal", [pidfd, SIGKILL, 0, 0], "the child", { accept: "any" }),
    reap(pid, "the child"),
  ];
}
