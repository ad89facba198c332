/**
 * What the installer found and put in place: `report.json` in the parts' folder.
 *
 * The folder is mounted at another path inside a sandbox, so a part that lies in it has a path relative to it; a part of the system has
 * an absolute path, and is at the same place inside, since a sandbox gets the host's /usr.
 */
import { readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { z } from "zod";

/** Every part by name, as parts.json lists them. Parts that are no program (`fonts`, `ca-certificates`) report a file. */
export const PART_NAMES = [
  "git",
  "bwrap",
  "prlimit",
  "rg",
  "curl",
  "ca-certificates",
  "tmux",
  "Xvnc",
  "openbox",
  "xterm",
  "xsetroot",
  "xdotool",
  "fonts",
  "chromium",
  "opencode",
  "node",
  "code-server",
  "ttyd",
  "nginx",
] as const;
export type PartName = (typeof PART_NAMES)[number];

/** One part as the file has it. `path` is null exactly when the part is not available; then `reason` says why. */
export const ReportedPart = z.object({
  available: z.boolean(),
  path: z.string().nullable(),
  version: z.string().nullable(),
  reason: z.string().nullable(),
});

/** The whole file. Names that this version does not know are let through, so that an older reader can use a newer file. */
export const ReportFile = z.record(z.string(), ReportedPart);

/** A part as seen from where the folder is now. For `code-server` the path is a script to be run by the part `node`. */
export type Part = { available: true; path: string; version: string | null } | { available: false; reason: string };

/**
 * Reads a report's text for a parts' folder at `partsDir`. Never throws: where the text is unusable, every part is unavailable with the
 * reason, so that each service can say it.
 */
export function parsePartsReport(text: string, partsDir: string): Record<PartName, Part> {
  const parsed = parseFile(text);
  return everyPart((name) => {
    if (!parsed.ok) return { available: false, reason: `the report of the sandbox's parts is unreadable: ${parsed.reason}` };
    const part = parsed.file[name];
    if (part === undefined)
      return { available: false, reason: "the installer that wrote the report does not know this part; run it again" };
    if (!part.available || part.path === null) return { available: false, reason: part.reason ?? "not installed" };
    return { available: true, path: isAbsolute(part.path) ? part.path : join(partsDir, part.path), version: part.version };
  });
}

/** The parts in a folder, with absolute paths. Where there is no report, every part is unavailable and the reason says what to run. */
export function partsReport(partsDir: string): Record<PartName, Part> {
  let text: string;
  try {
    text = readFileSync(join(partsDir, "report.json"), "utf8");
  } catch {
    return everyPart(() => ({
      available: false,
      reason: `the sandbox's parts are not installed in ${partsDir}; run: node sandbox/image/install.mjs`,
    }));
  }
  return parsePartsReport(text, partsDir);
}

function parseFile(text: string): { ok: true; file: z.infer<typeof ReportFile> } | { ok: false; reason: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { ok: false, reason: "it is not JSON" };
  }
  const file = ReportFile.safeParse(json);
  return file.success ? { ok: true, file: file.data } : { ok: false, reason: z.prettifyError(file.error) };
}

function everyPart(make: (name: PartName) => Part): Record<PartName, Part> {
  return Object.fromEntries(PART_NAMES.map((name) => [name, make(name)])) as Record<PartName, Part>;
}
