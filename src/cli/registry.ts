/**
 * The applets, a line each. A loader imports the applet's file when it is called, and only then.
 * A test compares this list with the files in src/applets.
 */
import type { Suite } from "./suite.ts";

export const suite: Suite = {
  applets: [
    { name: "launcher", aliases: ["container-launcher"], load: () => import("../applets/launcher.ts") },
  ],
  commands: [
    { name: "completion", aliases: [], load: () => import("../applets/completion.ts") },
    { name: "help", aliases: ["--help"], load: () => import("../applets/help.ts") },
    { name: "install", aliases: [], load: () => import("../applets/install.ts") },
    { name: "list", aliases: ["--list"], load: () => import("../applets/list.ts") },
    { name: "version", aliases: ["--version"], load: () => import("../applets/version.ts") },
  ],
};
