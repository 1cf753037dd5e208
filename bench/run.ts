/**
 * Measures ctrtool beside other programs, on this machine and in one go.
 *
 *     bun bench/run.ts [--runs N] [PART]...
 *
 * Needs root, a C compiler, and the programs to compare with; one that is missing or cannot run is said to be.
 * Everything happens in mount namespaces of its own and in a temporary directory.
 */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { parts } from "./parts.ts";
import { format } from "./table.ts";
import { BenchProblem, withBench } from "./timing.ts";

const fewestRuns = 20;

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));

async function main(words: string[]): Promise<number> {
  try {
    const { runs, chosen } = parse(words);
    const [load = 0] = loadavg();
    console.log(`${cpus().length} processors, load ${load.toFixed(2)}, ${runs} runs of each, in turn\n`);
    await withBench(async (bench) => {
      for (const name of chosen) {
        const part = parts[name];
        if (part) console.log(`${format(await part({ bench, runs }))}\n`);
      }
    });
    return 0;
  } catch (problem) {
    if (!(problem instanceof BenchProblem)) throw problem;
    console.error(`bench: ${problem.message}`);
    return 1;
  }
}

function parse(words: string[]): { runs: number; chosen: string[] } {
  const { values, positionals } = parseArgs({
    args: words,
    options: { runs: { type: "string", default: "40" } },
    allowPositionals: true,
  });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < fewestRuns)
    throw new BenchProblem(`--runs is ${values.runs}, not ${fewestRuns} or more`);
  for (const name of positionals)
    if (!Object.hasOwn(parts, name))
      throw new BenchProblem(`${name} is not one of ${Object.keys(parts).join(", ")}`);
  return { runs, chosen: positionals.length > 0 ? positionals : Object.keys(parts) };
}
