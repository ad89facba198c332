/**
 * `npm test`: the checks and every test, from the fast to the slow, stopping at the first kind that fails. Prints how
 * many passed, and keeps screenshots and reports in artefacts/.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import { z } from "zod";

const root = resolvePath(import.meta.dirname, "..");
const artefacts = join(root, "artefacts");

const HELP = `Runs errand's checks and tests.

  npm test                    everything
  npm test -- unit worker     only these kinds: check, unit, worker, real, end-to-end

Kinds: check (types, lint, format, import directions, dead code), unit (Node, seconds), worker (inside workerd),
real (real OpenCode, services, browser and bubblewrap), end-to-end (the whole system, and faults).
`;

const KINDS = ["check", "unit", "worker", "real", "end-to-end"] as const;
type Kind = (typeof KINDS)[number];
/**
 * What is not over after this many minutes hangs: it is ended, and begun once more. About five times what each takes on a machine
 * with two cores. A runtime that never ends would otherwise hold up whoever waits for the result, for ever and without a word.
 */
const PATIENCE: Record<Kind, number> = { check: 10, unit: 5, worker: 8, real: 35, "end-to-end": 60 };
const HUNG = 124;
const Report = z.object({ numPassedTests: z.number(), numFailedTests: z.number(), numPendingTests: z.number() });

const asked = process.argv.slice(2);
if (asked.includes("--help")) {
  process.stdout.write(HELP);
  process.exit(0);
}
const unknown = asked.filter((kind) => !KINDS.some((known) => known === kind));
if (unknown.length > 0) {
  process.stderr.write(`There is no kind of test called ${unknown.join(", ")}.\n\n${HELP}`);
  process.exit(2);
}

/** Runs a command of node_modules/.bin or npm in a process group of its own. Returns its exit code, `HUNG` where it took too long. */
function run(command: string, argv: string[], minutes: number): Promise<number> {
  const bin = join(root, "node_modules/.bin");
  const child = spawn(command, argv, {
    cwd: root,
    detached: true,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  });
  const kill = (signal: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // It has ended.
    }
  };
  const interrupted = (signal: NodeJS.Signals) => {
    kill(signal);
    process.exit(130);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, interrupted);
  const { promise, resolve } = Promise.withResolvers<number>();
  const deadline = setTimeout(() => {
    kill("SIGKILL");
    resolve(HUNG);
  }, minutes * 60_000);
  child.once("error", () => resolve(127));
  child.once("exit", (code) => resolve(code ?? 1));
  return promise.finally(() => {
    clearTimeout(deadline);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, interrupted);
  });
}

/** Runs one kind; what hangs is begun once more. */
async function runKind(kind: Kind, report: string): Promise<number> {
  const config = kind === "worker" ? "vitest.config.ts" : "vitest.node.config.ts";
  const argv = ["run", "--config", config, "--project", kind, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const once = () => (kind === "check" ? run("npm", ["run", "--silent", "check"], PATIENCE[kind]) : run("vitest", argv, PATIENCE[kind]));
  const code = await once();
  if (code !== HUNG) return code;
  process.stdout.write(
    `── ${kind}: not over after ${PATIENCE[kind]} minutes and ended; what is not listed above was running. Once more:\n`,
  );
  return once();
}

mkdirSync(artefacts, { recursive: true });
const totals = { passed: 0, failed: 0, skipped: 0 };
let failedKind: string | undefined;
for (const kind of KINDS) {
  if (asked.length > 0 && !asked.includes(kind)) continue;
  const began = Date.now();
  process.stdout.write(`\n── ${kind}\n`);
  const report = join(artefacts, `${kind}.json`);
  const code = await runKind(kind, report);
  if (kind !== "check") {
    const counts = Report.safeParse(readReport(report));
    if (counts.success) {
      totals.passed += counts.data.numPassedTests;
      totals.failed += counts.data.numFailedTests;
      totals.skipped += counts.data.numPendingTests;
    }
  }
  process.stdout.write(`── ${kind}: ${code === 0 ? "good" : "FAILED"} after ${((Date.now() - began) / 1000).toFixed(0)} s\n`);
  if (code !== 0) {
    failedKind = kind;
    break;
  }
}
if (failedKind) process.stdout.write(`\nStopped at: ${failedKind}. Run it alone with: npm test -- ${failedKind}\n`);
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ""}\n`);
process.exit(failedKind ? 1 : 0);

function readReport(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
