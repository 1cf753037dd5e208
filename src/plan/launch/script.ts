/** The script on the host side: run and waited for while the container's first process waits, or in our place. */

import { type Area, call, type Step, set, type Value, type Variable, variable } from "../../program/steps.ts";
import { F_DUPFD, F_SETFD, O_RDONLY } from "../../sys/constants.ts";
import type { Given } from "../../sys/given.ts";
import { flatMap, map } from "../../sys/lists.ts";
import type { Ends } from "../channel.ts";
import { variableValue, withoutVariables } from "../environment.ts";
import { defaultPath, exec } from "../exec.ts";
import { restoreInherited } from "../inherit.ts";
import { namespaceKinds } from "../namespaces.ts";
import { runScript } from "../scripts.ts";
import { numberText } from "../text.ts";
import { type Launch, launcherVariables, namespaceVariable, type Script } from "./launch.ts";

/** What the script is told of: numbers and descriptors, known when the program runs. */
export interface ScriptLinks {
  readonly pid: Variable;
  readonly process: Variable;
  readonly socket?: Variable;
  readonly pidfd?: Variable;
  readonly executed?: number | Variable;
  readonly lock?: Variable;
  readonly release: Variable;
  /** Near ends of terminal or pipes, if the script relays. */
  readonly near?: Ends;
}

/** After standard input, output and error. */
const firstFree = 3;

/** Runs the script; unless it exits 0, that is the launch's failure, with the script's status. */
export function runLaunchScript(launch: Launch, script: Script, links: ScriptLinks, given: Given): Step[] {
  return runScript(script.words[0], scriptProcess(launch, script, links, given, []));
}

/** Replaces the launcher by the script, which gets the lock and the pipe that releases the program. */
export function becomeScript(launch: Launch, script: Script, links: ScriptLinks, given: Given): Step[] {
  return scriptProcess(launch, script, links, given, [links.lock ?? -1, links.release]);
}

function scriptProcess(
  launch: Launch,
  script: Script,
  links: ScriptLinks,
  given: Given,
  extra: readonly (Variable | -1)[],
): Step[] {
  const args = [links.pid, links.process, links.socket ?? -1, ...extra];
  const numbers = map(args, (value) => numberText("", value));
  const environment = scriptEnvironment(launch, links);
  const { near } = links;
  const channel = near === undefined ? [] : [...new Set([near.input, near.output, near.error])];
  const handedOn = [links.process, links.socket, links.pidfd, links.executed, ...extra];
  return [
    ...restoreInherited(given),
    ...flatMap(channel, handOnLow),
    ...environment.steps,
    ...flatMap(handedOn, (fd) => (fd === undefined || fd === -1 ? [] : [inheritable(fd)])),
    ...flatMap(numbers, ({ steps }) => steps),
    ...exec({
      file: script.words[0],
      argv: [...script.words, ...map(numbers, ({ text }) => text)],
      environment: environment.entries,
      searchPath: variableValue(launch.scriptEnvironment, "PATH") ?? defaultPath,
    }),
  ];
}

/** Some shells redirect only to and from descriptors of one digit: the lowest number that is free. */
function handOnLow(fd: Variable): Step[] {
  const before = variable(fd.name);
  return [
    set(before, fd),
    call("fcntl", [before, F_DUPFD, firstFree], fd.name, { into: fd, label: "F_DUPFD" }),
    call("close", [before], fd.name),
  ];
}

function inheritable(fd: Value): Step {
  return call("fcntl", [fd, F_SETFD, 0], "a descriptor for the script");
}

function scriptEnvironment(
  launch: Launch,
  links: ScriptLinks,
): { entries: (string | Area)[]; steps: Step[] } {
  const { socket: _, ...ours } = launcherVariables;
  const stale = [...Object.values(ours), ...allNamespaceVariables()];
  const opened = map(launch.openNamespaces, (letter) => {
    const { file } = namespaceKinds[letter];
    const fd = variable(`${file} namespace`);
    const open = call("openat", [links.process, `ns/${file}`, O_RDONLY], `ns/${file}`, { into: fd });
    return { open, entry: numberText(`${namespaceVariable(file)}=`, fd) };
  });
  const numbers = [
    ...map(opened, ({ entry }) => entry),
    ...(links.executed === undefined ? [] : [numberText(`${launcherVariables.executed}=`, links.executed)]),
    ...(links.pidfd === undefined ? [] : [numberText(`${launcherVariables.pidfd}=`, links.pidfd)]),
    ...(links.near === undefined
      ? []
      : [
          numberText(`${launcherVariables.childInput}=`, links.near.input),
          numberText(`${launcherVariables.childOutput}=`, links.near.output),
          numberText(`${launcherVariables.childError}=`, links.near.error),
        ]),
  ];
  return {
    entries: [...withoutVariables(launch.scriptEnvironment, stale), ...map(numbers, ({ text }) => text)],
    steps: [...map(opened, ({ open }) => open), ...flatMap(numbers, ({ steps }) => steps)],
  };
}

function allNamespaceVariables(): string[] {
  return map(Object.values(namespaceKinds), ({ file }) => namespaceVariable(file));
}
