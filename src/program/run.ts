/**
 * The two ways to run a program on this machine. In both, the steps run as machine code that has no heap,
 * no threads and no libc: in a process that has become the program, or in a clone of this one.
 */
import { type Arch, nativeArch } from "../sys/arch.ts";
import {
  AT_EMPTY_PATH,
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
  PR_SET_NAME,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  SIGCHLD,
} from "../sys/constants.ts";
import { EINVAL } from "../sys/errno.ts";
import { OperationError } from "../sys/failure.ts";
import type { Given } from "../sys/given.ts";
import { kernel, tryKernel } from "../sys/kernel.ts";
import { bytesAt, callCode } from "../sys/libc.ts";
import { syscallNumbers } from "../sys/syscalls.ts";
import { aarch64 } from "./aarch64.ts";
import { elfImage, imageBase, imageCodeStart } from "./image.ts";
import { type Failure, Lowering } from "./lower.ts";
import { call, type Program, type Step } from "./steps.ts";
import type { Assembler, Entry } from "./target.ts";
import { x86_64 } from "./x86_64.ts";

/** The whole executable that carries out `program` on `arch`. */
export function executable(program: Program, arch: Arch): Uint8Array {
  const assembler = assemblerFor(arch, "process");
  const lowering = new Lowering(assembler, syscallNumbers[arch], program.applet, {
    form: "line",
    ...(program.statusDescriptor === undefined ? {} : { statusDescriptor: program.statusDescriptor }),
  });
  lowering.process([named(program.applet), ...program.steps], program.failure);
  lowering.finish();
  const { code, dataStart } = assembler.assemble(imageCodeStart);
  const data = lowering.data.image(imageBase + dataStart);
  return elfImage(arch, code, imageCodeStart, data, dataStart, imageCodeStart);
}

/**
 * Replaces this process by `program`: same pid, descriptors, arguments and environment, nothing of the
 * runtime. The executable is a sealed memfd, so that /proc/PID/exe leads nobody to a file of the host.
 * Returns only by throwing an OperationError. See memfd_create(2), execveat(2).
 */
export function become(program: Program, given: Given): never {
  const image = executable(program, nativeArch());
  const memfd = createMemfd();
  writeAll(memfd, image);
  const seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  kernel("fcntl", "seals of the program", memfd, F_ADD_SEALS, seals);
  const { argv, envp } = given.vectors();
  const result = tryKernel("execveat", memfd, "", argv, envp, AT_EMPTY_PATH);
  throw new OperationError("execveat", memfdProblem, -result);
}

/** A clone of this process that runs a program. */
export interface Child {
  /** Its pid; the caller waits for it. */
  readonly pid: number;
  /** What failed in it, once it has ended; undefined if nothing did. */
  failure(): (Failure & { readonly errno: number }) | undefined;
  /** Gives back the memory shared with it. To be called after it has ended. */
  release(): void;
}

/**
 * Runs `program` in a clone of this process with the given clone(2) flags; the program says how it ends.
 * A failure in the child is not printed by it but told by `failure()`, to be put into words here.
 * Throws an OperationError if the clone fails.
 */
export function runInClone(program: Program, flags = 0): Child {
  const arch = nativeArch();
  const numbers = syscallNumbers[arch];
  const shared = mapMemory(recordBytes, MAP_SHARED);
  const assembler = assemblerFor(arch, "function");
  const lowering = new Lowering(assembler, numbers, program.applet, { form: "record", address: shared });
  const inParent = assembler.label();
  assembler.syscall(numbers.clone, [flags | SIGCHLD, 0, 0, 0, 0]);
  assembler.branch("!=", 0, inParent);
  lowering.process(program.steps, program.failure);
  assembler.bind(inParent);
  assembler.giveBack();
  lowering.finish();
  const { code, dataStart } = assembler.assemble(0);
  const size = dataStart + lowering.data.size;
  const page = mapMemory(size, MAP_PRIVATE);
  const memory = bytesAt(page, size);
  memory.set(code);
  memory.set(lowering.data.image(page + dataStart), dataStart);
  kernel("mprotect", "the program", page, dataStart, PROT_READ | PROT_EXEC);
  const pid = callCode(page, 0);
  kernel("munmap", "the program", page, size);
  if (pid < 0) {
    kernel("munmap", "the failure record", shared, recordBytes);
    throw new OperationError("clone", program.applet, -pid);
  }
  return {
    pid,
    failure: () => readRecord(bytesAt(shared, recordBytes), lowering.failures),
    release: () => {
      kernel("munmap", "the failure record", shared, recordBytes);
    },
  };
}

const recordBytes = 16;
/** What /proc/PID/exe shows. */
const memfdName = "ctrtool";
const memfdProblem = "the program in a memfd (see the sysctl vm.memfd_noexec)";
const commBytes = 15;

/** The name that ps(1) shows: an executable without a path would be called by its descriptor's number. */
function named(applet: string): Step {
  return call("prctl", [PR_SET_NAME, applet.slice(0, commBytes), 0, 0, 0], "the process name", {
    accept: "any",
  });
}

function assemblerFor(arch: Arch, entry: Entry): Assembler {
  return arch === "x86_64" ? x86_64(entry) : aarch64(entry);
}

/** MFD_EXEC says what older kernels (before 6.3) take for granted, and do not know. */
function createMemfd(): number {
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const fd = tryKernel("memfd_create", memfdName, flags | MFD_EXEC);
  if (fd >= 0) return fd;
  if (fd !== -EINVAL) throw new OperationError("memfd_create", memfdProblem, -fd);
  return kernel("memfd_create", "the program", memfdName, flags);
}

function writeAll(fd: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) {
    written += kernel("write", "the program", fd, bytes.subarray(written), bytes.length - written);
  }
}

function mapMemory(size: number, sharing: number): number {
  const flags = sharing | MAP_ANONYMOUS;
  return kernel("mmap", "memory", 0, size, PROT_READ | PROT_WRITE, flags, -1, 0);
}

function readRecord(
  bytes: Uint8Array,
  failures: readonly Failure[],
): (Failure & { errno: number }) | undefined {
  const [record, error = 0n] = new BigInt64Array(bytes.slice().buffer);
  const failure = failures[Number(record) - 1];
  return failure && { ...failure, errno: Number(-error) };
}
