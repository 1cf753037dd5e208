/** The architectures that ctrtool runs on and assembles for, under the names that uname(2) gives them. */
export type Arch = "x86_64" | "aarch64";

/** Every `Arch`, for tables and tests that go through all of them. */
export const arches: readonly Arch[] = ["x86_64", "aarch64"];

/** The architecture of this process. Throws on any other: nothing here would hold there. */
export function nativeArch(): Arch {
  if (process.arch === "x64") return "x86_64";
  if (process.arch === "arm64") return "aarch64";
  throw new Error(`ctrtool does not know the architecture ${process.arch}`);
}
