/** Resource limits: getrlimit(2). */
import { rlimitNumbers } from "../../sys/constants.ts";
import { quote, UsageError } from "../failure.ts";
import { suggestion } from "../nearest.ts";
import { readNumber, U64_MAX } from "./number.ts";
import { type Reader, reader } from "./reader.ts";

/** A side that is not given stays as it is. Units are the kernel's: bytes, seconds, microseconds. */
export interface ResourceLimit {
  /** RLIMIT_… */
  readonly resource: number;
  readonly soft?: bigint;
  /** RLIM_INFINITY is 2^64-1. */
  readonly hard?: bigint;
}

function readSide(side: string, name: string, text: string): bigint {
  if (text.toLowerCase() === "unlimited") return U64_MAX;
  if (text === "") throw new UsageError(`${name}: the ${side} is missing`);
  try {
    return readNumber(text, "c", U64_MAX);
  } catch (problem) {
    if (!(problem instanceof UsageError)) throw problem;
    throw new UsageError(`${name}: ${side} ${problem.message}`);
  }
}

function readSides(name: string, text: string): Pick<ResourceLimit, "soft" | "hard"> {
  const colon = text.indexOf(":");
  if (colon < 0) {
    const both = readSide("limit", name, text);
    return { soft: both, hard: both };
  }
  const soft = text.slice(0, colon);
  const hard = text.slice(colon + 1);
  return {
    ...(soft === "" ? {} : { soft: readSide("soft limit", name, soft) }),
    ...(hard === "" ? {} : { hard: readSide("hard limit", name, hard) }),
  };
}

/** `NAME=VALUE` for both limits, `NAME=SOFT:HARD` for each that is not empty; VALUE may be `unlimited`. */
export const resourceLimit: Reader<ResourceLimit> = reader((text) => {
  const equals = text.indexOf("=");
  if (equals < 0) throw new UsageError(`${quote(text)} is not of the form NAME=VALUE or NAME=SOFT:HARD`);
  const name = text.slice(0, equals).toLowerCase();
  const numbers = rlimitNumbers();
  const resource = Object.hasOwn(numbers, name) ? numbers[name] : undefined;
  if (resource === undefined) {
    throw new UsageError(`${quote(name)} is not a resource${suggestion(name, Object.keys(numbers))}`);
  }
  const { soft, hard } = readSides(name, text.slice(equals + 1));
  if (soft !== undefined && hard !== undefined && soft > hard) {
    throw new UsageError(`${name}: the soft limit ${soft} is above the hard limit ${hard}`);
  }
  return { resource, ...(soft === undefined ? {} : { soft }), ...(hard === undefined ? {} : { hard }) };
});
