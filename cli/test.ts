/**
 * `npm test`: the checks and every test, from the fast to the slow, stopping at the first kind that fails. Prints how
 * many passed, and keeps screenshots and reports in artefacts/.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";

const root = resolve(import.meta.dirname, "..");
const artefacts = join(root, "artefacts");

const HELP = `Runs errand's checks and tests.

  npm test                    everything
  npm test -- unit worker     only these kinds: check, unit, worker, real, end-to-end

Kinds: check (types, lint, format, import directions, dead code), unit (Node, seconds), worker (inside workerd),
real (real OpenCode, services, browser and bubblewrap), end-to-end (the whole system, and faults).
`;

const KINDS = ["check", "unit", "worker", "real", "end-to-end"] as const;
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

/** Runs a command of node_modules/.bin or npm. Returns its exit code. */
function run(command: string, argv: string[]): Promise<number> {
  const bin = join(root, "node_modules/.bin");
  const child = spawn(command, argv, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  });
  return new Promise((done) => {
    child.once("error", () => done(127));
    child.once("exit", (code) => done(code ?? 1));
  });
}

mkdirSync(artefacts, { recursive: true });
const totals = { passed: 0, failed: 0, skipped: 0 };
let failedKind: string | undefined;
for (const kind of KINDS) {
  if (asked.length > 0 && !asked.includes(kind)) continue;
  const began = Date.now();
  process.stdout.write(`\n── ${kind}\n`);
  const report = join(artefacts, `${kind}.json`);
  const code =
    kind === "check"
      ? await run("npm", ["run", "--silent", "check"])
      : await run("vitest", ["run", "--project", kind, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`]);
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
