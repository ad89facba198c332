/**
 * `npm run bench`: what errand costs, as ratios to something simple measured in the same run, so that a busy or slow
 * machine changes them little. Missing a goal is told and is no failure; a measurement that could not be taken is.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { batch } from "./batch.ts";
import { bundle } from "./bundle.ts";
import { growth } from "./growth.ts";
import { inbound } from "./inbound.ts";
import { latency } from "./latency.ts";
import { prompt } from "./prompt.ts";
import { type Measurement, table } from "./report.ts";
import { rows } from "./rows.ts";
import { type Bundles, buildAll } from "./stand.ts";

const BENCHMARKS: Record<string, { about: string; run: (bundles: Bundles, rounds: number) => Promise<Measurement[]> }> = {
  bundle: { about: "size of the Worker", run: bundle },
  inbound: { about: "an inbound Slack delivery over a bare Worker response", run: inbound },
  batch: { about: "an event in a batch of 20 over a WebSocket echo", run: batch },
  latency: { about: "event to viewer over an echo's round trip", run: latency },
  growth: { about: "appending, resuming and waking at 10⁵ events over 2·10³", run: growth },
  rows: { about: "rows written by a ten-minute turn", run: rows },
  prompt: { about: "mention to first model request, over OpenCode alone", run: prompt },
};

const HELP = `npm run bench                   every benchmark; results go to artefacts/bench.json too
npm run bench -- --only NAME    one of them, or several (--only NAME --only NAME)
npm run bench -- --rounds 7     rounds of each, of which the median is taken (default 5)

${Object.entries(BENCHMARKS)
  .map(([name, { about }]) => `  ${name.padEnd(9)} ${about}`)
  .join("\n")}

The exit code is 0 also when a goal is missed; 1 when something could not be measured, 2 for wrong arguments.
CPU time is read from /proc, and memory is a folder in /dev/shm: Linux only.
`;

const say = (line: string) => process.stdout.write(`${line}\n`);

function settings(argv: string[]): { only: string[]; rounds: number } | string {
  try {
    const { values } = parseArgs({
      args: argv,
      options: { only: { type: "string", multiple: true }, rounds: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
    if (values.help) return "";
    const only = values.only ?? Object.keys(BENCHMARKS);
    const unknown = only.find((name) => !(name in BENCHMARKS));
    if (unknown !== undefined) return `--only knows ${Object.keys(BENCHMARKS).join(", ")}, not “${unknown}”`;
    const rounds = Number(values.rounds ?? 5);
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
      return `--rounds must be a whole number from 1 to 100, not “${values.rounds}”`;
    return { only, rounds };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function main(): Promise<number> {
  const wanted = settings(process.argv.slice(2));
  if (typeof wanted === "string") {
    process.stderr.write(wanted === "" ? HELP : `bench: ${wanted}\n`);
    return wanted === "" ? 0 : 2;
  }
  if (process.platform !== "linux") {
    process.stderr.write("bench: CPU time is read from /proc, so this runs on Linux only\n");
    return 1;
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  const began = new Date();
  const dir = mkdtempSync(join(tmpdir(), "errand-bench-build-"));
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  const taken: Measurement[] = [];
  const failures: { name: string; why: string }[] = [];
  try {
    process.stderr.write("bench: building the Worker\n");
    const bundles = await buildAll(dir);
    for (const name of wanted.only) {
      const since = Date.now();
      process.stderr.write(`bench: ${name} … `);
      try {
        taken.push(...((await BENCHMARKS[name]?.run(bundles, wanted.rounds)) ?? []));
        process.stderr.write(`${((Date.now() - since) / 1000).toFixed(0)} s\n`);
      } catch (error) {
        failures.push({ name, why: error instanceof Error ? error.message : String(error) });
        process.stderr.write(`could not be measured: ${error instanceof Error ? error.stack : String(error)}\n`);
      }
    }
  } catch (error) {
    failures.push({ name: "build", why: error instanceof Error ? error.message : String(error) });
  }
  say("");
  for (const line of table(taken)) say(line);
  for (const { name, why } of failures) say(`${name}: could not be measured: ${why.split("\n")[0]}`);
  const folder = resolve(import.meta.dirname, "../../artefacts");
  mkdirSync(folder, { recursive: true });
  const machine = { node: process.version, cpus: availableParallelism(), load: loadavg().map((each) => Number(each.toFixed(1))) };
  const report = {
    at: began.toISOString(),
    seconds: Math.round((Date.now() - began.getTime()) / 1000),
    machine,
    rounds: wanted.rounds,
    measurements: taken,
    failures,
  };
  writeFileSync(join(folder, "bench.json"), `${JSON.stringify(report, null, 2)}\n`);
  say(`\nDetails: artefacts/bench.json`);
  return failures.length > 0 ? 1 : 0;
}

process.exitCode = await main();
