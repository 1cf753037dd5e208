/**
 * Text to the user, by write(2) itself: complete, and with its failure noticed. Loading the binding costs
 * less than half of what node:fs does at start, and the console tells nobody when it could not write.
 */
import { nativeArch } from "../sys/arch.ts";
import { POLLOUT } from "../sys/constants.ts";
import { EAGAIN, EINTR } from "../sys/errno.ts";
import { OperationError } from "../sys/failure.ts";
import type { Given } from "../sys/given.ts";
import { syscall } from "../sys/libc.ts";
import { pollfd } from "../sys/structs.ts";
import { syscallNumbers } from "../sys/syscalls.ts";

const STDOUT = 1;
const STDERR = 2;

/** Writes all of `text`, one char one byte, waiting where a non-blocking descriptor is full. */
function writeAll(fd: number, text: string): void {
  const { write, ppoll } = syscallNumbers[nativeArch()];
  const bytes = Buffer.from(text, "latin1");
  let written = 0;
  while (written < bytes.length) {
    const result = syscall(write, fd, bytes.subarray(written), bytes.length - written);
    if (result === -EAGAIN) syscall(ppoll, pollfd.pack({ fd, events: POLLOUT }), 1, 0, 0, 0);
    else if (result < 0 && result !== -EINTR)
      throw new OperationError("write", fd === STDOUT ? "stdout" : "stderr", -result);
    else if (result > 0) written += result;
  }
}

/**
 * Writes `text` to stdout and returns the exit status, 0. Whoever closed stdout before starting us does not
 * want the text: that is no failure.
 * @throws OperationError
 */
export function print(text: string, given: Pick<Given, "filled">): number {
  try {
    writeAll(STDOUT, text);
  } catch (problem) {
    if ((given.filled & (1 << STDOUT)) === 0) throw problem;
  }
  return 0;
}

/** Writes `text` to stderr; if that fails there is nowhere left to say so. */
export function printError(text: string): void {
  try {
    writeAll(STDERR, text);
  } catch (problem) {
    if (!(problem instanceof OperationError)) throw problem;
  }
}
