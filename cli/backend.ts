/** Runs the sandbox backend on this machine; its keys go in by a pipe. */
import { join } from "node:path";
import { z } from "zod";
import type { SandboxHost } from "../sandbox/providers/local-sites.ts";
import { type Child, startChild, withoutSecrets } from "./processes.ts";

const Listening = z.object({ listening: z.string(), provider: z.string(), warning: z.string().nullable() });
export type Listening = z.infer<typeof Listening>;

export type BackendOptions = {
  root: string;
  data: string;
  parts: string;
  port: number;
  keys: Record<string, string>;
  worker: string;
  /** What browsers reach sandboxes by. */
  host: SandboxHost;
  forwards: { port: number; host: string; targetPort: number }[];
  onLine: (line: string) => void;
};

/** Starts the backend and waits until it listens. Throws with its last words when it does not. */
export async function startBackend(options: BackendOptions): Promise<Child & Listening> {
  const settings = {
    keys: options.keys,
    port: options.port,
    data: join(options.data, "sandboxes"),
    parts: options.parts,
    runtime: join(options.root, "dist/runtime"),
    worker: options.worker,
    host: options.host,
    forwards: options.forwards,
  };
  const last: string[] = [];
  let heard: (listening: Listening) => void = () => undefined;
  const listening = new Promise<Listening>((resolve) => {
    heard = resolve;
  });
  const child = startChild("backend", process.execPath, [join(options.root, "sandbox/main.ts")], {
    cwd: options.root,
    env: withoutSecrets(process.env),
    input: `${JSON.stringify(settings)}\n`,
    onLine: (line) => {
      const parsed = parseListening(line);
      if (parsed) return heard(parsed);
      last.push(line);
      if (last.length > 20) last.shift();
      options.onLine(line);
    },
  });
  const first = await Promise.race([listening, child.ended]);
  if (typeof first === "string")
    throw new Error(`The sandbox backend did not start (${first}):\n${last.map((line) => `  ${line}`).join("\n")}`);
  return { ...child, ...first };
}

/** The one line of JSON in which the backend says where it listens. */
function parseListening(line: string): Listening | undefined {
  try {
    return Listening.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
