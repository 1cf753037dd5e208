/** A launch without a clone: this process itself enters, unshares, and becomes the program. */

import { call, type Step } from "../../program/steps.ts";
import { CLONE_NEWUSER } from "../../sys/constants.ts";
import type { Given } from "../../sys/given.ts";
import { map } from "../../sys/lists.ts";
import { enter, namespaceFlags } from "../namespaces.ts";
import { inChild } from "./child.ts";
import { executedFile, filterFile } from "./files.ts";
import type { InPlace } from "./launch.ts";

export function inPlaceSteps(launch: InPlace, given: Given): Step[] {
  const { userNamespace } = launch;
  const flags = namespaceFlags(launch.namespaces);
  const executed = executedFile(launch.inside.payload);
  const filter = filterFile(launch.inside.filter);
  return [
    ...executed.open,
    ...filter.open,
    ...(userNamespace === undefined
      ? []
      : [call("setns", [userNamespace, CLONE_NEWUSER], `user namespace on descriptor ${userNamespace}`)]),
    ...(flags === 0 ? [] : [call("unshare", [flags], "new namespaces")]),
    ...map(launch.entriesFirst, ({ entry, text }) => enter(entry, text)),
    ...inChild(
      launch.inside,
      {
        closeOthers: [],
        meet: [],
        closeBeforeFork: [],
        ...filter.links,
        ...(executed.fd === undefined ? {} : { executed: executed.fd }),
      },
      given,
    ),
  ];
}
