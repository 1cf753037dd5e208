/** Shared memory segments of System V: shmget(2). */
import type { SharedMemory } from "../../plan/namespace-settings.ts";
import { quote, UsageError } from "../failure.ts";
import { octalMode, readNumber, U32_MAX, U64_MAX } from "./number.ts";
import { type Reader, readBy, reader } from "./reader.ts";

const permissions = octalMode(0o777);
const ownerOnly = 0o600;

/** `KEY:SIZE[:MODE]`: a key that is not 0 (IPC_PRIVATE), bytes, permissions in octal (600 if not given). */
export const sharedMemory: Reader<SharedMemory> = reader((text) => {
  const [key, size, mode, ...more] = text.split(":");
  if (key === undefined || size === undefined || more.length > 0) {
    throw new UsageError(`${quote(text)} is not KEY:SIZE[:MODE]`);
  }
  return {
    key: Number(readNumber(key, "c", BigInt(U32_MAX), 1n)),
    size: readNumber(size, "c", U64_MAX >> 1n, 1n),
    mode: mode === undefined ? ownerOnly : readBy(permissions, mode),
  };
});
