/** From what the process was given to the applet that was meant. */
import { withoutVariables } from "../plan/environment.ts";
import type { Given } from "../sys/given.ts";
import { suite } from "./registry.ts";
import { choose, overrideVariable } from "./suite.ts";

/** Runs what this process was started for; the exit status, if the process did not become a program. */
export async function dispatch(given: Given): Promise<number> {
  try {
    const { entry, words } = choose(suite, given.argv, given.environment);
    const { default: applet } = await entry.load();
    // Applets that are started by a link's name inside a container must not be looked up by their first word.
    const environment = withoutVariables(given.environment, [overrideVariable]);
    return await applet.run(words, { ...given, environment }, suite);
  } catch (problem) {
    const { report } = await import("./report.ts");
    return report(problem, "ctrtool", { usage: 2, failure: 1 });
  }
}
