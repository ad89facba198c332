/** This installation's own secrets: made at the first start, kept in the data folder, readable by its owner only. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportJWK, generateKeyPair } from "jose";
import { z } from "zod";

const Secrets = z.object({
  /** Names this installation to its backend. */
  deployment: z.string().min(8),
  sessionKey: z.string().min(32),
  backendKey: z.string().min(32),
  /** Signs what the local Slack, or the Socket Mode bridge, posts to the Worker. */
  slackSigningSecret: z.string().min(32),
  /** Private ES256 key in JWK form that signs grants. */
  grantKey: z.record(z.string(), z.unknown()),
});
export type Secrets = z.infer<typeof Secrets>;

/** Reads the secrets of a data folder, making them the first time. Throws with a clear text when the file is damaged. */
export async function loadSecrets(data: string): Promise<Secrets> {
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const file = join(data, "secrets.json");
  if (existsSync(file)) {
    const json = parse(readFileSync(file, "utf8"));
    const parsed = Secrets.safeParse(json);
    if (parsed.success) return parsed.data;
    const wrong = json === undefined ? "it is not JSON" : `wrong: ${parsed.error.issues.map((issue) => issue.path.join(".")).join(", ")}`;
    throw new Error(
      `${file} is damaged (${wrong}). Restore it from a copy, or remove the whole folder ${data} to start anew: without these secrets its sessions can't be continued.`,
    );
  }
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const secret = () => randomBytes(32).toString("hex");
  const secrets: Secrets = {
    deployment: `local-${randomBytes(6).toString("hex")}`,
    sessionKey: secret(),
    backendKey: secret(),
    slackSigningSecret: secret(),
    grantKey: { ...(await exportJWK(privateKey)), kid: randomBytes(6).toString("hex"), alg: "ES256" },
  };
  writeFileSync(`${file}.new`, JSON.stringify(secrets), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return secrets;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
