/** The entry point: what was given decides what is done. */
import { dispatch } from "./cli/dispatch.ts";
import { readGiven } from "./sys/given.ts";

void dispatch(readGiven()).then((status) => process.exit(status));
