/** Failures in words: one line on stderr and an exit status, whatever was thrown. */
import { errnoName, errnoText } from "../sys/errno.ts";
import { OperationError, oneLine, UsageError } from "./failure.ts";
import { printError } from "./output.ts";
import type { Spec } from "./spec.ts";

/** What a failure costs: the parts of a spec that say so. */
export type Statuses = Pick<Spec, "name" | "usageStatus" | "failureStatus">;

function describe(problem: unknown): string {
  if (problem instanceof UsageError) return `usage: ${problem.message}`;
  if (problem instanceof OperationError) {
    const { step, what, errno } = problem;
    return `${step}: ${what}: ${errnoName(errno)} (${errnoText(errno)})`;
  }
  return `internal error: ${problem instanceof Error ? problem.message : String(problem)}`;
}

/** Prints the line and returns the exit status. */
export function report(problem: unknown, { name, usageStatus, failureStatus }: Statuses): number {
  printError(`ctrtool ${name}: ${oneLine(describe(problem))}\n`);
  if (problem instanceof UsageError) return usageStatus;
  return failureStatus ?? (usageStatus === 125 ? 125 : 1);
}
