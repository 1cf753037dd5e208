/**
 * The applets, a line each. A loader imports the applet's file when it is called, and only then.
 * A test compares this list with the files in src/applets.
 */
import type { Suite } from "./suite.ts";

export const suite: Suite = {
  applets: [
    { name: "chroot_pivot", aliases: [], load: () => import("../applets/chroot_pivot.ts") },
    { name: "cmd", aliases: [], load: () => import("../applets/cmd.ts") },
    { name: "env", aliases: [], shadows: true, load: () => import("../applets/env.ts") },
    { name: "launcher", aliases: ["container-launcher"], load: () => import("../applets/launcher.ts") },
    { name: "make_ns", aliases: [], load: () => import("../applets/make_ns.ts") },
    { name: "mount_seq", aliases: [], load: () => import("../applets/mount_seq.ts") },
    { name: "nsenter", aliases: [], shadows: true, load: () => import("../applets/nsenter.ts") },
    { name: "pidns_run", aliases: [], load: () => import("../applets/pidns_run.ts") },
    { name: "ns_open_file", aliases: [], load: () => import("../applets/ns_open_file.ts") },
    { name: "pidfd_ctl", aliases: [], load: () => import("../applets/pidfd_ctl.ts") },
    { name: "ppid_check", aliases: [], load: () => import("../applets/ppid_check.ts") },
    { name: "renameat2", aliases: ["simple-renameat2"], load: () => import("../applets/renameat2.ts") },
    { name: "reset_cgroup", aliases: [], load: () => import("../applets/reset_cgroup.ts") },
    {
      name: "rootfs-mount",
      aliases: ["container-rootfs-mount"],
      load: () => import("../applets/rootfs-mount.ts"),
    },
    { name: "set_fds", aliases: [], load: () => import("../applets/set_fds.ts") },
    { name: "tty_proxy", aliases: [], load: () => import("../applets/tty_proxy.ts") },
    { name: "unlock", aliases: [], load: () => import("../applets/unlock.ts") },
  ],
  commands: [
    { name: "completion", aliases: [], load: () => import("../applets/completion.ts") },
    { name: "help", aliases: ["--help"], load: () => import("../applets/help.ts") },
    { name: "install", aliases: [], load: () => import("../applets/install.ts") },
    { name: "list", aliases: ["--list"], load: () => import("../applets/list.ts") },
    { name: "version", aliases: ["--version"], load: () => import("../applets/version.ts") },
  ],
};
