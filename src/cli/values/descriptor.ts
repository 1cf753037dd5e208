/**
 * FDSPEC: which open descriptor is meant. Read here to data; nothing is looked up or changed while the
 * command line is read.
 */

import { variableValue } from "../../plan/environment.ts";
import type { ExportedEnvironment } from "../../plan/exported.ts";
import { call, type Step, type Variable } from "../../program/steps.ts";
import { AT_FDCWD, F_SETFD, FD_CLOEXEC } from "../../sys/constants.ts";
import { clipped, quote, UsageError } from "../failure.ts";
import { I32_MAX, type Notation, readNumber } from "./number.ts";
import { type Reader, reader } from "./reader.ts";

/**
 * - `number`: this one; it stays open for the program.
 * - `keep`: the one whose number is in the variable; both stay for the program.
 * - `take`: the same, and neither the variable nor (from 3 up) the descriptor reaches the program.
 */
export type DescriptorSpec =
  | { readonly form: "number"; readonly fd: number }
  | { readonly form: "keep" | "take"; readonly variable: string; readonly notation: Notation };

/** The working directory, where a directory descriptor may be given. */
export interface WorkingDirectory {
  readonly form: "cwd";
}

function readDescriptor(text: string, notation: Notation): DescriptorSpec {
  if (text.startsWith("/") || text.startsWith(":")) {
    const variable = text.slice(1);
    if (variable === "" || variable.includes("=")) {
      throw new UsageError(`${quote(text)} names no environment variable`);
    }
    return { form: text.startsWith("/") ? "keep" : "take", variable, notation };
  }
  if (!/^[0-9]/.test(text)) throw new UsageError(`${quote(text)} is not a descriptor (N, /NAME or :NAME)`);
  return { form: "number", fd: Number(readNumber(text, notation, BigInt(I32_MAX))) };
}

/** `N` in C base 0, `/NAME` or `:NAME`. */
export const descriptor: Reader<DescriptorSpec> = reader((text) => readDescriptor(text, "c"));

/** `N` in decimal, `/NAME` or `:NAME`, where the original read decimal numbers (set_fds). */
export const decimalDescriptor: Reader<DescriptorSpec> = reader((text) => readDescriptor(text, "decimal"));

/** `N` in C base 0, `/NAME`, `:NAME`, or `cwd`. */
export const directoryDescriptor: Reader<DescriptorSpec | WorkingDirectory> = reader((text) =>
  text.toLowerCase() === "cwd" ? { form: "cwd" } : readDescriptor(text, "c"),
);

/**
 * The number a spec stands for, given the environment of this process; AT_FDCWD for `cwd`. Whether it is
 * open is for the first system call that uses it to say.
 * @throws UsageError if the variable is not set, or is not the number of a descriptor.
 */
export function resolveDescriptor(
  spec: DescriptorSpec | WorkingDirectory,
  given: { readonly environment: readonly string[] },
): number {
  if (spec.form === "cwd") return AT_FDCWD;
  if (spec.form === "number") return spec.fd;
  const value = variableValue(given.environment, spec.variable);
  if (value === undefined) throw new UsageError(`$${clipped(spec.variable)} is not set`);
  try {
    return Number(readNumber(value, spec.notation, BigInt(I32_MAX)));
  } catch (problem) {
    if (!(problem instanceof UsageError)) throw problem;
    throw new UsageError(`$${clipped(spec.variable)}: ${problem.message}`);
  }
}

/** The variables that are used up by `:NAME`: no program gets them. */
export function takenVariables(specs: readonly (DescriptorSpec | WorkingDirectory)[]): string[] {
  return specs.flatMap((spec) => (spec.form === "take" ? [spec.variable] : []));
}

const firstNonStandard = 3;

/**
 * Uses a descriptor as FDSPEC has it: it stays open for the program that is executed later, or with `:NAME`
 * neither it (from 3 up) nor the variable gets there. The step fails if it is not open.
 * @throws UsageError as `resolveDescriptor` does.
 */
export function useDescriptor(
  spec: DescriptorSpec,
  environment: ExportedEnvironment,
): { readonly fd: number | Variable; readonly step: Step } {
  const exported = spec.form === "number" ? undefined : environment.number(spec.variable);
  const fd = exported ?? resolveDescriptor(spec, { environment: environment.given });
  if (spec.form === "take") environment.remove(spec.variable);
  const standard = typeof fd === "number" && fd < firstNonStandard;
  const flag = spec.form === "take" && !standard ? FD_CLOEXEC : 0;
  const name = spec.form === "number" ? `descriptor ${spec.fd}` : `the descriptor in $${spec.variable}`;
  return { fd, step: call("fcntl", [fd, F_SETFD, flag], name) };
}
