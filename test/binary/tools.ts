/** The C programs of test/tools, compiled for the tests that look at the binary from outside. */

import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const sources = join(import.meta.dir, "..", "tools");

/** A directory that everybody may enter, and that is gone after the test file. */
export function ownDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "ctrtool-binary-"));
  Bun.spawnSync(["chmod", "755", directory]);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Compiles test/tools/NAME.c into a static executable in `directory`; returns its path. */
export function compile(name: string, directory: string): string {
  const file = join(directory, name);
  const command = ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", file];
  const { success, stderr } = Bun.spawnSync([...command, join(sources, `${name}.c`)]);
  if (!success) throw new Error(`${name}.c does not compile:\n${stderr}`);
  return file;
}

async function withWorkers<Item, Result>(
  workers: number,
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const left = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of left) results[index] = await act(item);
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return results;
}

/** Calls `act` for each item, two at a time, in no particular order; the results are in the items' order. */
export function inParallel<Item, Result>(
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  return withWorkers(2, items, act);
}

/** Calls `act` for each item, one after the other. */
export function inSequence<Item, Result>(
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  return withWorkers(1, items, act);
}
