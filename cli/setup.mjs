#!/usr/bin/env node
/**
 * Sets up a clone: packages from npm, the sandbox image's parts, the programs that run in a sandbox. Runs before
 * `npm start` and `npm test` on whatever Node the system has (20 or newer), so it is plain JavaScript and needs nothing installed.
 * Running it again takes a moment and does only what is missing.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const args = process.argv.slice(2);
const bin = join(root, "node_modules/.bin");
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, npm_config_fund: "false", npm_config_audit: "false" };

if (args.includes("--help")) {
  process.stdout.write(
    "Installs what errand needs in this clone; `npm start` and `npm test` call it.\n\n  node cli/setup.mjs [--tests]\n\n--tests also installs what only tests and the benchmark need (a browser, nginx).\nERRAND_PARTS names the folder for the sandbox image's parts (default: errand/parts in the user's cache folder).\n",
  );
  process.exit(0);
}

const major = Number(process.versions.node.split(".")[0]);
if (major < 20) {
  process.stderr.write(
    `errand needs Node 20 or newer to set itself up; this is ${process.version}. Install a newer one and run the command again.\n`,
  );
  process.exit(1);
}

/** Runs a step and ends with a clear text when it fails. */
function step(what, command, argv, remedy) {
  const began = Date.now();
  const done = spawnSync(command, argv, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
  if (done.status === 0) return Date.now() - began;
  const why = done.error ? done.error.message : `it ended with ${done.signal ?? `exit code ${done.status}`}`;
  process.stderr.write(`\nSetting up failed at: ${what} (${why}).\n${remedy}\n`);
  return process.exit(1);
}

const hash = createHash("sha256");
for (const file of ["package.json", "package-lock.json"]) if (existsSync(join(root, file))) hash.update(readFileSync(join(root, file)));
const wanted = hash.digest("hex");
const marker = join(root, "node_modules/.errand-packages");
const installed = existsSync(marker) && readFileSync(marker, "utf8") === wanted && existsSync(join(bin, "node"));
if (!installed) {
  process.stdout.write("errand: installing packages with npm (about half a minute) …\n");
  // Not `npm ci`: a lock made where some platforms' optional binaries could not be had fails there, and an install leaves the lock as it is.
  const ms = step(
    "npm install",
    process.platform === "win32" ? "npm.cmd" : "npm",
    ["install", "--no-audit", "--no-fund", "--loglevel=error"],
    "Look at npm's own message above: is the registry reachable, is there room on the disk?",
  );
  mkdirSync(dirname(marker), { recursive: true });
  const after = createHash("sha256");
  for (const file of ["package.json", "package-lock.json"]) after.update(readFileSync(join(root, file)));
  writeFileSync(marker, after.digest("hex"));
  process.stdout.write(`errand: packages are there (${(ms / 1000).toFixed(0)} s)\n`);
}

step(
  "the sandbox image's parts",
  join(bin, "node"),
  ["sandbox/image/install.mjs", ...(args.includes("--tests") ? ["--tests"] : [])],
  "The text above says which part is missing and how to get it; then run the command again.",
);
step(
  "bundling what runs in a sandbox",
  join(bin, "node"),
  ["sandbox/image/runtime.mjs"],
  "This is a fault of the source: run `npm run check`.",
);
