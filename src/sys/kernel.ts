/** System calls by name, for the little that JavaScript itself does. */
import { nativeArch } from "./arch.ts";
import { bytesOf } from "./bytes.ts";
import { EINTR } from "./errno.ts";
import { OperationError } from "./failure.ts";
import { syscall } from "./libc.ts";
import { map } from "./lists.ts";
import { type SyscallName, syscallNumbers } from "./syscalls.ts";

/** A byte string is passed as a C string. */
export type KernelArgument = number | string | Uint8Array;

/** Makes a system call once and returns its result, or -errno. */
export function tryKernel(name: SyscallName, ...args: readonly KernelArgument[]): number {
  const words = map(args, (arg) => (typeof arg === "string" ? bytesOf(`${arg}\0`) : arg));
  return syscall(syscallNumbers[nativeArch()][name], ...words);
}

/**
 * Makes a system call, again after EINTR, and returns its result. Not for close(2), which must not be repeated.
 * @throws OperationError that names the call and `what` it acts on
 */
export function kernel(name: SyscallName, what: string, ...args: readonly KernelArgument[]): number {
  for (;;) {
    const result = tryKernel(name, ...args);
    if (result >= 0) return result;
    if (result !== -EINTR) throw new OperationError(name, what, -result);
  }
}
