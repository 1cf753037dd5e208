/** Words that say how a process is to be set up. */
import { MS_PRIVATE, MS_SHARED, MS_SLAVE } from "../../sys/constants.ts";
import { UsageError } from "../failure.ts";
import { I32_MAX, readNumber } from "./number.ts";
import { type Reader, readBy, reader } from "./reader.ts";
import { path } from "./text.ts";

/** Only the first letters count, as in the original. Undefined: leave it. */
export const propagation: Reader<number | "unchanged"> = reader((word) => {
  if (word.startsWith("sh")) return MS_SHARED;
  if (word.startsWith("sl")) return MS_SLAVE;
  if (word.startsWith("p")) return MS_PRIVATE;
  if (word.startsWith("u")) return "unchanged";
  throw new UsageError("propagation is shared, slave, private or unchanged");
});

/** `--seccomp`: a descriptor, or a file (with a slash if its name is a number). */
export const filterSource: Reader<number | string> = reader((word) =>
  /^[0-9]+$/.test(word) ? Number(readNumber(word, "decimal", BigInt(I32_MAX))) : readBy(path, word),
);
