/** Runs a command in bubblewrap exactly as a sandbox is, in the folders of a running one, and tells what it could see and reach. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { partsReport } from "../../sandbox/image/report.ts";
import { INSIDE, LIMITS } from "../../sandbox/providers/bwrap-args.ts";
import { wrapper } from "../../sandbox/providers/local.ts";
import type { Folders } from "../../sandbox/providers/provider.ts";

/** Starts the probe in a sandbox's folders and returns what it printed. */
export async function probe(
  places: { data: string; parts: string; runtime: string; uid: number | null },
  folders: Pick<Folders, "home" | "work" | "run">,
  what: "environment" | "reach",
  targets: object = {},
): Promise<string> {
  const node = partsReport(places.parts).node;
  if (!node.available) throw new Error(node.reason);
  const wrap = await wrapper(places, places.uid);
  const script = readFileSync(join(import.meta.dirname, "inside.mjs"), "utf8");
  const inner = [
    ...LIMITS,
    INSIDE.parts + node.path.slice(places.parts.length),
    "--input-type=module",
    "-e",
    script,
    what,
    JSON.stringify(targets),
  ];
  const { command, options } = await wrap(folders, inner);
  const child = spawn(command[0], command.slice(1), {
    cwd: "/",
    env: { PATH: process.env.PATH },
    stdio: ["ignore", "pipe", "inherit", "pipe"],
  });
  const pipe = child.stdio[3] as Writable;
  pipe.end(options);
  let out = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  await new Promise((done) => child.once("close", done));
  return out;
}
