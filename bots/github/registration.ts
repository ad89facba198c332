/**
 * The second half of registering an App from a manifest: GitHub sends the browser back with a code, and gives the App's keys for it once,
 * within an hour. https://docs.github.com/en/rest/apps/apps#create-a-github-app-from-a-manifest
 */
import * as z from "zod";
import { toPkcs8Pem, WrongKey } from "./key.ts";

/** How long GitHub may take to answer, in ms. */
const ANSWER_MS = 10_000;

const Conversion = z.object({
  id: z.number().int().positive(),
  slug: z.string().regex(/^[a-z0-9-]{1,100}$/i),
  name: z.string().max(100),
  owner: z.object({ login: z.string().regex(/^[\w-]{1,100}$/), type: z.string().optional() }),
  pem: z.string().min(1),
  webhook_secret: z.string().min(1),
  client_id: z
    .string()
    .regex(/^[\w.-]{1,100}$/)
    .nullish(),
  client_secret: z.string().min(1).nullish(),
});

/** An App just made, with its secrets: never logged or stored here. `privateKey` is PKCS#8 PEM. */
export type NewApp = {
  id: number;
  slug: string;
  name: string;
  owner: { login: string; organisation: boolean };
  privateKey: string;
  webhookSecret: string;
  /** With what people sign in; null where GitHub did not say. */
  client: { id: string; secret: string } | null;
};

/** How asking for the keys ended. `spent`: this code gives none, and never will. `away`: GitHub did not answer, the code may still be good. */
export type Conversion = { kind: "created"; app: NewApp } | { kind: "spent"; why: string } | { kind: "away"; why: string };

/** Whether the text has the form of a code. GitHub's have 40 characters. */
export const isCode = (text: string): boolean => /^[\w-]{8,200}$/.test(text);

/** Gives the code for the App's keys. `apiUrl`: base of the REST API, null = `https://api.github.com`. */
export async function convertCode(
  code: string,
  github: { apiUrl: string | null; fetch?: typeof fetch; timeoutMs?: number },
): Promise<Conversion> {
  const send = github.fetch ?? fetch;
  const url = `${github.apiUrl ?? "https://api.github.com"}/app-manifests/${encodeURIComponent(code)}/conversions`;
  let response: Response;
  let body: unknown;
  try {
    response = await send(url, {
      method: "POST",
      headers: { accept: "application/vnd.github+json", "user-agent": "errand" },
      redirect: "manual",
      signal: AbortSignal.timeout(github.timeoutMs ?? ANSWER_MS),
    });
    body = await response.json().catch(() => undefined);
  } catch {
    return { kind: "away", why: `${new URL(url).host} did not answer.` };
  }
  if (response.status === 404 || response.status === 422)
    return { kind: "spent", why: "GitHub does not know this code any more: it works once, and for an hour." };
  if (!response.ok) return { kind: "away", why: `${new URL(url).host} answered ${response.status}.` };
  const parsed = Conversion.safeParse(body);
  // The names of what is missing, never what was there: the answer is made of secrets.
  if (!parsed.success)
    return {
      kind: "spent",
      why: `GitHub's answer lacks ${parsed.error.issues.map((issue) => issue.path.join(".") || "everything").join(", ")}.`,
    };
  const { id, slug, name, owner, pem, webhook_secret, client_id, client_secret } = parsed.data;
  try {
    const by = { login: owner.login, organisation: owner.type === "Organization" };
    const client = client_id && client_secret ? { id: client_id, secret: client_secret } : null;
    return { kind: "created", app: { id, slug, name, owner: by, privateKey: toPkcs8Pem(pem), webhookSecret: webhook_secret, client } };
  } catch (error) {
    if (error instanceof WrongKey) return { kind: "spent", why: "GitHub's answer holds no private key that errand can read." };
    throw error;
  }
}
