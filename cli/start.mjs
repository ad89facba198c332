#!/usr/bin/env node
/**
 * `npm start`: sets the clone up and runs errand on the project's own Node. Plain JavaScript that needs nothing
 * installed, so that `npm start -- --help` answers at once.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const argv = process.argv.slice(2);
if (argv.includes("--help") || argv.includes("-h")) {
  process.stdout.write(readFileSync(join(here, "help.txt"), "utf8"));
  process.exit(0);
}

await import("./setup.mjs");

const bin = join(here, "../node_modules/.bin");
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
// The channel tells errand when this process is gone, however it went.
const child = spawn(join(bin, "node"), [join(here, "main.ts"), "start", ...argv], { stdio: ["inherit", "inherit", "inherit", "ipc"], env });
// Ctrl-C reaches both; errand ends what it started, and this process waits for it.
process.on("SIGINT", () => undefined);
for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name));
child.on("error", (error) => {
  process.stderr.write(`errand: ${error.message}\n`);
  process.exit(1);
});
child.on("exit", (code) => process.exit(code ?? 1));
