/** Resource limits of a process: prlimit(2). */
import { area, call, type Step, store, type Value, variable, when } from "../program/steps.ts";
import { flatMap } from "../sys/lists.ts";
import { rlimit64 } from "../sys/structs.ts";

/** A side that is not given stays as it is. */
export interface Limit {
  /** RLIMIT_... */
  readonly resource: number;
  readonly soft?: bigint;
  readonly hard?: bigint;
}

/** Sets limits of a process (0: this one). After an error in `accept`, `refused` is done. */
export function setLimits(
  pid: Value,
  limits: readonly Limit[],
  accept: readonly number[] = [],
  refused: readonly Step[] = [],
): Step[] {
  const result = variable("result");
  return flatMap(limits, ({ resource, soft, hard }) => {
    const both = area("limits", rlimit64.size);
    const what = `limit ${resource}`;
    return [
      call("prlimit64", [pid, resource, 0, both], what, { accept, into: result }),
      ...(soft === undefined ? [] : [store(both, rlimit64.offset("rlim_cur"), 8, soft)]),
      ...(hard === undefined ? [] : [store(both, rlimit64.offset("rlim_max"), 8, hard)]),
      when(result, ">=", 0, [call("prlimit64", [pid, resource, both, 0], what, { accept, into: result })]),
      ...(refused.length > 0 ? [when(result, "<", 0, refused)] : []),
    ];
  });
}
