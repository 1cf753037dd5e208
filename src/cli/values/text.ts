/** Texts that are handed on as they are. */
import { quote, UsageError } from "../failure.ts";
import { type Reader, reader } from "./reader.ts";

/** PATH_MAX less the NUL: path_resolution(7). */
const PATH_BYTES = 4095;

/** Any bytes, at most `max` of them. The default is what mount(2) takes as data: a page less the NUL. */
export function text(max = 4095): Reader<string> {
  return reader((bytes) => {
    if (bytes.length > max) throw new UsageError(`${quote(bytes)} is longer than ${max} bytes`);
    return bytes;
  });
}

/** A path: not empty, and no longer than the kernel takes. */
export const path: Reader<string> = reader((bytes) => {
  if (bytes === "") throw new UsageError("the path is empty");
  if (bytes.length > PATH_BYTES)
    throw new UsageError(`path ${quote(bytes)} is longer than ${PATH_BYTES} bytes`);
  return bytes;
});

/** The name of an environment variable: not empty, without `=`. */
export const variableName: Reader<string> = reader((name) => {
  if (name === "" || name.includes("=")) {
    throw new UsageError(`${quote(name)} cannot be the name of an environment variable`);
  }
  return name;
});
