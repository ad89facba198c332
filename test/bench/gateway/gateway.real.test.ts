/** That the benchmark of the gateway runs and tells what it should; its figures mean nothing in a test. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { GatewayReport } from "../gateway.ts";
import { CONTENDERS, METRICS } from "./goals.ts";

const REPOSITORY = join(import.meta.dirname, "../../..");

test("a quick run measures every contender, and judges the gateway by every goal", async () => {
  const child = spawn(process.execPath, ["test/bench/main.ts", "gateway", "--quick"], {
    cwd: REPOSITORY,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [code] = await once(child, "exit");
  expect(code).toBe(0);
  const file = readFileSync(join(REPOSITORY, "artefacts/bench-quick-gateway.json"), "utf8");
  const { nginx, samples, verdicts } = JSON.parse(file) as GatewayReport;
  const compared = "version" in nginx;
  if (!compared) expect(said).toContain(nginx.missing);
  expect(Object.keys(samples).sort()).toEqual(CONTENDERS.filter((name) => compared || !name.startsWith("nginx")).sort());
  expect(Object.keys(samples.gateway ?? {}).sort()).toEqual(Object.keys(METRICS).sort());
  // Two for each and two stretched, what the check costs, and memory twice.
  expect(verdicts).toHaveLength((compared ? 2 * Object.keys(METRICS).length + 2 : 0) + 1 + 2);
  for (const { name } of verdicts) expect(said).toContain(name);
});
