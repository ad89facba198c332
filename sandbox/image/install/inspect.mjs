import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installedVersions } from "./apt.mjs";
import { systemNginx } from "./nginx.mjs";
import { findCommand } from "./run.mjs";
import { isWhole } from "./store.mjs";
import { isAtLeast, systemTtyd } from "./ttyd.mjs";

/** The list of parts. */
export const PARTS = JSON.parse(readFileSync(new URL("../parts.json", import.meta.url), "utf8"));

/** Parts without which no session can run. */
export const ESSENTIAL = ["git", "opencode", "node"];

/** System parts that this platform can have. */
export const SYSTEM_PARTS = PARTS.system.filter((part) => !part.linux || process.platform === "linux");

const machine = `${process.platform}-${process.arch}`;

/** Names of the parts' folders. Two architectures may share one cache folder. */
export const FOLDERS = {
  opencode: `opencode-${PARTS.opencode.version}-${machine}`,
  node: `node-${PARTS.node.version}-${machine}`,
  "code-server": `code-server-${PARTS["code-server"].version}-trim${PARTS["code-server"].trim}-${machine}`,
  ttyd: `ttyd-${PARTS.ttyd.version}-${machine}`,
  nginx: `nginx-${machine}`,
};

const ENTRIES = {
  opencode: "bin/opencode",
  node: "bin/node",
  "code-server": "node_modules/code-server/out/node/entry.js",
  ttyd: "bin/ttyd",
  nginx: "bin/nginx",
};

/**
 * The path of a system part, or null.
 * @param {{ command?: string, also?: string[], file?: string }} part `also` are programs that do as well
 */
export function findSystemPart(part) {
  if (part.file) return existsSync(part.file) ? part.file : null;
  for (const command of [part.command, ...(part.also ?? [])]) {
    const path = findCommand(command);
    if (path) return path;
  }
  return null;
}

/**
 * What is there now. The schema and its meaning stand in ../report.ts.
 * @param {string} parts the parts' folder
 * @param {Map<string, string>} reasons why a part could not be had, by its name
 */
export async function inspect(parts, reasons) {
  const report = {};
  const versions = await installedVersions([...new Set(SYSTEM_PARTS.flatMap((part) => part.apt))]);
  const missing = (name) => ({ available: false, path: null, version: null, reason: reasons.get(name) ?? "not installed" });
  for (const part of PARTS.system) {
    const path = SYSTEM_PARTS.includes(part) ? findSystemPart(part) : null;
    if (path) report[part.name] = { available: true, path, version: versions.get(part.apt[0]) ?? null, reason: null };
    else
      report[part.name] = SYSTEM_PARTS.includes(part)
        ? missing(part.name)
        : { ...missing(part.name), reason: `exists on Linux only, not on ${process.platform}` };
  }
  for (const name of Object.keys(FOLDERS)) {
    const isThere = isWhole(join(parts, FOLDERS[name]));
    report[name] = isThere
      ? { available: true, path: `${FOLDERS[name]}/${ENTRIES[name]}`, version: PARTS[name].version ?? null, reason: null }
      : missing(name);
  }
  const system = await systemTtyd();
  if (system && isAtLeast(system.version, PARTS.ttyd.minimum))
    report.ttyd = { available: true, path: system.path, version: system.version, reason: null };
  const nginx = await systemNginx();
  if (nginx) report.nginx = { available: true, path: nginx.path, version: nginx.version, reason: null };
  return report;
}

/**
 * Writes the report, if it differs from what stands there.
 * @param {string} parts
 * @param {Record<string, object>} report
 */
export function writeReport(parts, report) {
  const file = join(parts, "report.json");
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (existsSync(file) && readFileSync(file, "utf8") === text) return;
  mkdirSync(parts, { recursive: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, text);
  renameSync(temporary, file);
}
