/**
 * Text to the user, by write(2) itself: complete, and with its failure noticed. Loading the binding costs
 * less than half of what node:fs does at start, and the console tells nobody when it could not write.
 * Programs that are run in place of this process never need this: import it where there is something to say.
 */
import { nativeArch } from "../sys/arch.ts";
import { EAGAIN, EINTR } from "../sys/errno.ts";
import { OperationError } from "../sys/failure.ts";
import type { Given } from "../sys/given.ts";
import { syscall } from "../sys/libc.ts";
import { syscallNumbers } from "../sys/syscalls.ts";

const STDOUT = 1;
const STDERR = 2;

/** How long to leave a reader to empty a pipe that does not block; rare enough for a plain pause. */
const PAUSE_MS = 1;

/** A byte string as bytes. Not by Buffer, whose first use takes as long as all the rest. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** Writes all of `text`, one char one byte. */
function writeAll(fd: number, text: string): void {
  const { write } = syscallNumbers[nativeArch()];
  const bytes = bytesOf(text);
  let written = 0;
  while (written < bytes.length) {
    const result = syscall(write, fd, bytes.subarray(written), bytes.length - written);
    if (result === -EAGAIN) Bun.sleepSync(PAUSE_MS);
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
