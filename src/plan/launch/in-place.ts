/** A launch without a clone: this process itself enters, unshares, and becomes the program. */

import { call, type Step } from "../../program/steps.ts";
import { CLONE_NEWUSER } from "../../sys/constants.ts";
import type { Given } from "../../sys/given.ts";
import { enter, namespaceFlags } from "../namespaces.ts";
import { inChild } from "./child.ts";
import { executedFile } from "./executed.ts";
import type { InPlace } from "./launch.ts";

export function inPlaceSteps(launch: InPlace, given: Given): Step[] {
  const { userNamespace } = launch;
  const flags = namespaceFlags(launch.namespaces);
  const executed = executedFile(launch.inside.payload);
  return [
    ...executed.open,
    ...(userNamespace === undefined
      ? []
      : [call("setns", [userNamespace, CLONE_NEWUSER], `user namespace on descriptor ${userNamespace}`)]),
    ...(flags === 0 ? [] : [call("unshare", [flags], "new namespaces")]),
    ...launch.entriesFirst.map(({ entry, text }) => enter(entry, text)),
    ...inChild(
      launch.inside,
      {
        closeOthers: [],
        meet: [],
        closeBeforeFork: [],
        ...(executed.fd === undefined ? {} : { executed: executed.fd }),
      },
      given,
    ),
  ];
}
