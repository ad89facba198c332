#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { run } from "./run.js";

try {
  process.stdout.write(run(process.argv.slice(2), (file) => readFileSync(file, "utf8")));
} catch (error) {
  process.stderr.write(`tally: ${error.message}\n`);
  process.exitCode = 1;
}
