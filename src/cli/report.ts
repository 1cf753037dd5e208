/** Failures in words: one line on stderr and an exit status, whatever was thrown. */
import { errnoName, errnoText } from "../sys/errno.ts";
import { OperationError, oneLine } from "../sys/failure.ts";
import { UsageError } from "./failure.ts";
import { printError } from "./output.ts";

/** Exit statuses of the failures that JavaScript reports. */
export interface FailureStatuses {
  readonly usage: number;
  readonly failure: number;
}

function describe(problem: unknown): string {
  if (problem instanceof UsageError) return `usage: ${problem.message}`;
  if (problem instanceof OperationError) {
    const { step, what, errno } = problem;
    return `${step}: ${what}: ${errnoName(errno)} (${errnoText(errno)})`;
  }
  return `internal error: ${problem instanceof Error ? problem.message : String(problem)}`;
}

/** Prints the line, which begins with `who`, and returns the exit status. */
export function report(problem: unknown, who: string, statuses: FailureStatuses): number {
  printError(`${who}: ${oneLine(describe(problem))}\n`);
  return problem instanceof UsageError ? statuses.usage : statuses.failure;
}
