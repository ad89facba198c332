#!/usr/bin/env node
/**
 * Installs what a sandbox consists of: `node sandbox/image/install.mjs [--check] [--tests] [--help]`.
 * Plain JavaScript for Node 20, since it runs before anything else is there. Running it again is cheap and does only what is missing.
 */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { partsFolder } from "./install/folder.mjs";
import { ESSENTIAL, FOLDERS, inspect, PARTS, SYSTEM_PARTS, writeReport } from "./install/inspect.mjs";
import { fillNginx } from "./install/nginx.mjs";
import { fillCodeServer, fillNode, fillOpencode } from "./install/npm.mjs";
import { say, sayTook } from "./install/say.mjs";
import { lock, makePart, sweep } from "./install/store.mjs";
import { installSystem } from "./install/system.mjs";
import { fillTtyd } from "./install/ttyd.mjs";

const HELP = `Installs the parts of errand's sandboxes that are missing on this machine.

  node sandbox/image/install.mjs            install
  node sandbox/image/install.mjs --tests    install, with what only tests and the benchmark need (a browser, nginx)
  node sandbox/image/install.mjs --check    install nothing, say what is there and what is not

Programs from npm and a built ttyd go to $ERRAND_PARTS, or errand/parts in the user's cache folder; system packages come by apt, where
this user is root or may use sudo without a password. What was found is written to report.json in that folder.
It ends with 0 when ${ESSENTIAL.join(", ")} are there, with 1 when one of them is missing, with 2 when it was called wrongly.
`;

/** Parts that a person would miss: the tests' ones count only where tests were asked for. */
function wanted(tests) {
  const system = SYSTEM_PARTS.filter((part) => tests || !part.tests).map((part) => part.name);
  return [...system, ...Object.keys(FOLDERS).filter((name) => tests || !PARTS[name].tests)];
}

/** Installs one part into its folder and says how long it took. */
async function installPart(parts, name, fill, reasons) {
  const began = Date.now();
  const what = [name, PARTS[name].version ?? []].flat().join(" ");
  try {
    await makePart(join(parts, FOLDERS[name]), fill);
    sayTook(what, began);
  } catch (error) {
    reasons.set(name, error.message);
    sayTook(`${what} failed`, began);
  }
  writeReport(parts, await inspect(parts, reasons));
}

async function install(parts, tests) {
  const before = await inspect(parts, new Map());
  const missing = wanted(tests).filter((name) => !before[name].available);
  if (missing.length === 0) return { report: before, worked: false };
  say(`Installing the sandbox's parts into ${parts}; missing: ${missing.join(", ")}`);
  mkdirSync(parts, { recursive: true });
  const unlock = await lock(parts, (holder) => say(`  waiting for process ${holder}, which is installing too`));
  const reasons = new Map();
  try {
    sweep(parts);
    const now = await inspect(parts, reasons);
    const lacks = (name) => !now[name].available;
    const repository = resolve(fileURLToPath(import.meta.url), "../../..");
    const fromNpm = async () => {
      if (lacks("opencode")) await installPart(parts, "opencode", (folder) => fillOpencode(folder, PARTS.opencode.version), reasons);
      if (lacks("node")) await installPart(parts, "node", (folder) => fillNode(folder, PARTS.node.version, repository), reasons);
      if (lacks("code-server"))
        await installPart(parts, "code-server", (folder) => fillCodeServer(folder, PARTS["code-server"].version), reasons);
    };
    const fromSystem = async () => {
      const canBuildTtyd = await installSystem({ tests, needsTtyd: lacks("ttyd"), reasons });
      writeReport(parts, await inspect(parts, reasons));
      if (canBuildTtyd) await installPart(parts, "ttyd", (folder) => fillTtyd(folder, PARTS.ttyd), reasons);
      if (tests && lacks("nginx")) await installPart(parts, "nginx", fillNginx, reasons);
    };
    await Promise.all([fromNpm(), fromSystem()]);
    return { report: await inspect(parts, reasons), worked: true };
  } finally {
    unlock();
  }
}

/** What a part is for, as parts.json says. */
function purpose(name) {
  return (PARTS.system.find((part) => part.name === name) ?? PARTS[name]).for;
}

async function main(args) {
  if (args.includes("--help") || args.includes("-h")) {
    say(HELP);
    return 0;
  }
  const unknown = args.filter((arg) => arg !== "--check" && arg !== "--tests");
  if (unknown.length > 0) {
    process.stderr.write(`Unknown argument ${unknown.join(" ")}; allowed are --check, --tests and --help.\n`);
    return 2;
  }
  const parts = partsFolder(process.env);
  const tests = args.includes("--tests");
  const check = args.includes("--check");
  const began = Date.now();
  const { report, worked } = check ? { report: await inspect(parts, new Map()), worked: false } : await install(parts, tests);
  if (!check) writeReport(parts, report);
  const missing = wanted(tests).filter((name) => !report[name].available);
  if (check)
    for (const name of wanted(tests))
      if (report[name].available) say(`  ${name.padEnd(16)} ${report[name].version ?? ""}  ${report[name].path}`);
  for (const name of missing)
    say(`  ${ESSENTIAL.includes(name) ? "MISSING" : "warning: no"} ${name} (${purpose(name)}): ${report[name].reason}`);
  if (worked) sayTook("the sandbox's parts", began);
  else if (missing.length === 0) say(`The sandbox's parts are all there (${parts})`);
  return missing.some((name) => ESSENTIAL.includes(name)) ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
