/** Runs the real OpenCode on a folder against a model, as tests of the stand-in models need it. Not a sandbox. */

import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createOpencodeClient } from "@opencode-ai/sdk/v2";
import { OPENCODE_FLAGS } from "../../sandbox/boot/environment.ts";
import { partsFolder } from "../../sandbox/image/install/folder.mjs";
import { OPENCODE_NO_INSTALL, opencodeConfig } from "../../sandbox/image/opencode-config.ts";
import { partsReport } from "../../sandbox/image/report.ts";

/** A program of the sandbox's parts. Throws, saying how to install them, where it is not there. */
export function partPath(name: "opencode" | "chromium"): string {
  const part = partsReport(partsFolder(process.env))[name];
  if (!part.available) throw new Error(`${name} is needed: ${part.reason}`);
  return part.path;
}

/** Starts OpenCode on a folder. `url` and `key` are of an OpenAI-compatible model server. */
export async function startOpenCode(options: { folder: string; url: string; key?: string }) {
  const home = await mkdtemp(join(tmpdir(), "errand-opencode-"));
  const write = async (folder: string, files: Record<string, string>) => {
    await mkdir(join(folder, "node_modules"), { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  };
  const models = [{ id: "main", name: "main", context: 200_000, output: 32_000, price: null }];
  const config = JSON.stringify(opencodeConfig({ models, modelBaseUrl: options.url, workspace: options.folder }));
  await write(join(home, "config"), { ...OPENCODE_NO_INSTALL, "opencode.json": config });
  await write(join(home, ".config", "opencode"), OPENCODE_NO_INSTALL);
  const child = spawn(partPath("opencode"), ["serve", "--hostname", "127.0.0.1", "--port", "0"], {
    cwd: options.folder,
    env: {
      PATH: process.env.PATH ?? "",
      HOME: home,
      OPENCODE_CONFIG_DIR: join(home, "config"),
      ...OPENCODE_FLAGS,
      ERRAND_MODEL_TOKEN: options.key ?? "none",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const address = await new Promise<string>((resolve, reject) => {
    const listen = (chunk: Buffer) => {
      said += chunk.toString();
      const found = /listening on (http:\/\/\S+)/.exec(said)?.[1];
      if (found) resolve(found);
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.on("error", reject);
    child.on("exit", () => reject(new Error(`OpenCode ended: ${said.slice(-1000)}`)));
  });
  return {
    client: createOpencodeClient({ baseUrl: address }),
    async stop() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
      await rm(home, { recursive: true, force: true });
    },
  };
}
