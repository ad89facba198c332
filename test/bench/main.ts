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
import { sampleTable, verdictTable } from "./gateway/goals.ts";
import { type GatewayReport, gateway } from "./gateway.ts";
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

/** This one needs no Worker, and is judged by goals of its own. */
const GATEWAY = "gateway";
const NAMES = [...Object.keys(BENCHMARKS), GATEWAY];

const HELP = `npm run bench                   every benchmark; results go to artefacts/bench.json and bench-gateway.json too
npm run bench -- NAME           one of them, or several; --only NAME says the same
npm run bench -- --rounds 7     rounds of each, of which the median is taken, or of the gateway's the best (default 5)
npm run bench -- --quick        to see that it runs: one round, the gateway's loads for a moment each, results in bench-quick*.json

${Object.entries(BENCHMARKS)
  .map(([name, { about }]) => `  ${name.padEnd(9)} ${about}`)
  .join("\n")}
  ${GATEWAY.padEnd(9)} the gateway over nginx, nginx with auth_request, and the service itself

The exit code is 0 also when a goal is missed; 1 when something could not be measured, 2 for wrong arguments.
CPU time is read from /proc, and memory is a folder in /dev/shm: Linux only.
`;

/** Above this share of a CPU the load generator may be what limits a figure, rather than what it loads. */
const GENERATOR_BUSY = 0.85;

const say = (line: string) => process.stdout.write(`${line}\n`);

type Settings = { only: string[]; rounds: number; quick: boolean };

function settings(argv: string[]): Settings | string {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        only: { type: "string", multiple: true },
        rounds: { type: "string" },
        quick: { type: "boolean", default: false },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help) return "";
    const named = [...positionals, ...(values.only ?? [])];
    const only = named.length > 0 ? named : NAMES;
    const unknown = only.find((name) => !NAMES.includes(name));
    if (unknown !== undefined) return `there are the benchmarks ${NAMES.join(", ")}, and no “${unknown}”`;
    const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
      return `--rounds must be a whole number from 1 to 100, not “${values.rounds}”`;
    return { only, rounds, quick: values.quick };
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
  const file = wanted.quick ? "bench-quick" : "bench";
  const ofWorker = wanted.only.filter((name) => name !== GATEWAY);
  const missed = ofWorker.length > 0 ? await measureWorker({ ...wanted, only: ofWorker }, `${file}.json`) : 0;
  return missed + (wanted.only.includes(GATEWAY) ? await measureGateway(wanted, `${file}-gateway.json`) : 0) > 0 ? 1 : 0;
}

/** Measures what errand's Worker costs, and tells it. Resolves to how much of it could not be measured. */
async function measureWorker(wanted: Settings, file: string): Promise<number> {
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
  keep(file, began, { rounds: wanted.rounds, measurements: taken, failures });
  return failures.length;
}

/** Measures the gateway and tells it. Resolves to how much of it could not be measured. */
async function measureGateway({ rounds, quick }: Settings, file: string): Promise<number> {
  const began = new Date();
  process.stderr.write("bench: gateway … ");
  try {
    const report = await gateway({ rounds, quick });
    process.stderr.write(`${((Date.now() - began.getTime()) / 1000).toFixed(0)} s\n`);
    tellGateway(report);
    keep(file, began, report);
    return 0;
  } catch (error) {
    process.stderr.write(`could not be measured: ${error instanceof Error ? error.stack : String(error)}\n`);
    return 1;
  }
}

function tellGateway({ nginx, verdicts, samples, rounds, rss, generator }: GatewayReport): void {
  say("");
  for (const line of sampleTable(samples)) say(line);
  say("");
  for (const line of verdictTable(verdicts)) say(line);
  say("");
  if ("missing" in nginx) say(`Without nginx, and what is compared with it: ${nginx.missing}`);
  say(
    `Best of ${rounds} ${rounds === 1 ? "round" : "rounds"}, of CPU time the median; memory grew from ${rss.warm.toFixed(0)} MiB when warm to ${rss.after.toFixed(0)} MiB.`,
  );
  const busy = Object.entries(generator).flatMap(([name, shares]) =>
    Object.entries(shares).flatMap(([contender, share]) =>
      share > GENERATOR_BUSY ? [`${name} on ${contender} (${Math.round(share * 100)} %)`] : [],
    ),
  );
  const most = `more than ${GENERATOR_BUSY * 100} % of a CPU`;
  say(
    busy.length === 0
      ? `The load generator used ${most} for nothing.`
      : `The load generator used ${most}, and may be what was measured, for: ${busy.join(", ")}.`,
  );
}

/** Writes results where programs find them. */
function keep(file: string, began: Date, results: object): void {
  const folder = resolve(import.meta.dirname, "../../artefacts");
  mkdirSync(folder, { recursive: true });
  const machine = { node: process.version, cpus: availableParallelism(), load: loadavg().map((each) => Number(each.toFixed(1))) };
  const report = { at: began.toISOString(), seconds: Math.round((Date.now() - began.getTime()) / 1000), machine, ...results };
  writeFileSync(join(folder, file), `${JSON.stringify(report, null, 2)}\n`);
  say(`\nDetails: artefacts/${file}`);
}

process.exitCode = await main();
