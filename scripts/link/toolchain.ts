/** The compiler, the linker and the static C library for an architecture, from Debian's packages. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Arch, nativeArch } from "../../src/sys/arch.ts";
import { BuildProblem } from "./problem.ts";

export interface Toolchain {
  readonly arch: Arch;
  readonly compiler: string;
  readonly linker: string;
  /** What goes in front of and behind the objects on the linker's command line. */
  readonly startFile: string;
  readonly libraries: readonly string[];
  readonly endFile: string;
}

const triplets: Readonly<Record<Arch, string>> = {
  x86_64: "x86_64-linux-gnu",
  aarch64: "aarch64-linux-gnu",
};

/** Debian packages that a foreign architecture's parts come from; they say amd64 and arm64. */
const crossPackages: Readonly<Record<Arch, Packages>> = {
  x86_64: {
    compiler: "gcc-x86-64-linux-gnu",
    linker: "binutils-x86-64-linux-gnu",
    library: "libc6-dev-amd64-cross",
  },
  aarch64: {
    compiler: "gcc-aarch64-linux-gnu",
    linker: "binutils-aarch64-linux-gnu",
    library: "libc6-dev-arm64-cross",
  },
};
const nativePackages: Packages = { compiler: "gcc", linker: "binutils", library: "libc6-dev" };

interface Packages {
  readonly compiler: string;
  readonly linker: string;
  readonly library: string;
}

/** Finds everything, or throws a BuildProblem that names the package to install. */
export function findToolchain(arch: Arch): Toolchain {
  const packages = arch === nativeArch() ? nativePackages : crossPackages[arch];
  const compiler = findProgram(`${triplets[arch]}-gcc`, packages.compiler);
  const linker = findProgram(`${triplets[arch]}-ld`, packages.linker);
  const find = (file: string, package_: string) => findFile(compiler, file, package_);
  return {
    arch,
    compiler,
    linker,
    startFile: find("crti.o", packages.library),
    libraries: [
      find("libc.a", packages.library),
      find("libm.a", packages.library),
      find("libgcc.a", packages.compiler),
      find("libgcc_eh.a", packages.compiler),
    ],
    endFile: find("crtn.o", packages.library),
  };
}

/** Runs a tool in `directory` and returns what it said on stderr. Throws a BuildProblem if it fails. */
export function run(directory: string, explain: (said: string) => string, ...command: string[]): string {
  const { exitCode, stderr } = Bun.spawnSync(command, {
    cwd: directory,
    stdout: "ignore",
    env: environment(),
  });
  const said = stderr.toString();
  if (exitCode !== 0) throw new BuildProblem(explain(said));
  return said;
}

/** Messages are read by us, so they have to be in English; and nothing but the source decides the output. */
function environment(): Record<string, string> {
  return { PATH: process.env.PATH ?? "", LC_ALL: "C", SOURCE_DATE_EPOCH: "0" };
}

function findProgram(name: string, package_: string): string {
  const found = Bun.which(name);
  if (!found) throw new BuildProblem(`${name} is missing: install the Debian package ${package_}`);
  return found;
}

/** The compiler knows where its and the C library's files are; for one that it does not find it echoes the name. */
function findFile(compiler: string, name: string, package_: string): string {
  const { stdout } = Bun.spawnSync([compiler, `-print-file-name=${name}`], { env: environment() });
  const path = join(stdout.toString().trim());
  if (path === name || !existsSync(path))
    throw new BuildProblem(`${name} is missing: install the Debian package ${package_}`);
  return path;
}
