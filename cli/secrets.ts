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
  /** What providers' tokens are encrypted with in the database: keys of 32 bytes in base64 by id, and the id of the one for new ones. */
  tokenKeys: z.object({ current: z.string().min(1), keys: z.record(z.string(), z.string().length(44)) }),
});
/** A file of an earlier version, which had no such keys. */
const Kept = Secrets.extend({ tokenKeys: Secrets.shape.tokenKeys.optional() });
export type Secrets = z.infer<typeof Secrets>;

/** Reads the secrets of a data folder, making them the first time. Throws with a clear text when the file is damaged. */
export async function loadSecrets(data: string): Promise<Secrets> {
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const file = join(data, "secrets.json");
  if (existsSync(file)) {
    const json = parse(readFileSync(file, "utf8"));
    const parsed = Kept.safeParse(json);
    if (parsed.success) {
      const { tokenKeys, ...rest } = parsed.data;
      return tokenKeys ? { ...rest, tokenKeys } : write(file, { ...rest, tokenKeys: newTokenKeys() });
    }
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
    tokenKeys: newTokenKeys(),
  };
  return write(file, secrets);
}

const newTokenKeys = (): Secrets["tokenKeys"] => ({ current: "k1", keys: { k1: randomBytes(32).toString("base64") } });

function write(file: string, secrets: Secrets): Secrets {
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
