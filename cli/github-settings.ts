/** Which GitHub errand works with, from the environment: the local world's, or a real one by the keys of an App. */
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { toPkcs8Pem } from "../bots/github/key.ts";

export type GitHubSettings =
  /** No account: the local GitHub, with the sample repository. */
  | { kind: "local" }
  /** No account, and repositories that the local GitHub does not have. */
  | { kind: "none" }
  /** A server of one's own, on which the App is yet to be registered. */
  | { kind: "unregistered"; apiUrl: string; webUrl: string }
  | {
      kind: "real";
      appId: string;
      slug: string;
      /** PKCS#8 PEM. */
      privateKey: string;
      webhookSecret: string;
      /** A channel that webhooks come by where GitHub can't reach this machine. */
      webhookProxy: string | null;
      /** Null: github.com. */
      server: { apiUrl: string; webUrl: string } | null;
      /** JSON, as GITHUB_ALLOWED_BOTS of worker/settings.ts. */
      allowedBots: string;
    };

type Env = Record<string, string | undefined>;

const text = (value: string | undefined) => (value?.trim() ? value.trim() : null);

const AllowedBots = z.array(z.strictObject({ login: z.string().min(1), id: z.number().int().positive() }));

/** Reads the settings; what is wrong goes to `mistakes`, what is worth a word to `remarks`. `read` reads a file as text. */
export function readGitHub(env: Env, mistakes: string[], remarks: string[], read = readText): GitHubSettings {
  const server = readServer(env, mistakes);
  const [appId, slug, secret] = [text(env.ERRAND_GITHUB_APP_ID), text(env.ERRAND_GITHUB_APP_SLUG), text(env.ERRAND_GITHUB_WEBHOOK_SECRET)];
  const [given, file] = [text(env.ERRAND_GITHUB_PRIVATE_KEY), text(env.ERRAND_GITHUB_PRIVATE_KEY_FILE)];
  const [proxy, bots] = [text(env.ERRAND_GITHUB_WEBHOOK_PROXY), text(env.ERRAND_GITHUB_ALLOWED_BOTS)];
  const elsewhere = text(env.ERRAND_REPOSITORY_BASE_URL);
  if (!appId && !slug && !secret && !given && !file) {
    for (const name of ["ERRAND_GITHUB_WEBHOOK_PROXY", "ERRAND_GITHUB_ALLOWED_BOTS"])
      if (text(env[name])) remarks.push(`${name} is for a GitHub App of your own: without ERRAND_GITHUB_APP_ID it does nothing.`);
    if (server) return { kind: "unregistered", ...server };
    return elsewhere || text(env.ERRAND_REPOSITORY) ? { kind: "none" } : { kind: "local" };
  }
  const web = server?.webUrl ?? "https://github.com";
  if (elsewhere && elsewhere.replace(/\/+$/, "") !== web.replace(/\/+$/, ""))
    mistakes.push(`ERRAND_REPOSITORY_BASE_URL must be left out with a GitHub App: repositories are cloned from ${web}`);
  if (!appId || !/^\d{1,15}$/.test(appId)) mistakes.push("ERRAND_GITHUB_APP_ID must be the App's number (App ID on the App's page)");
  if (!slug || !/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i.test(slug))
    mistakes.push(
      "ERRAND_GITHUB_APP_SLUG must be the App's name as its address has it (github.com/apps/<name>): people mention it by that",
    );
  if (!secret) mistakes.push("ERRAND_GITHUB_WEBHOOK_SECRET must hold the secret set for the App's webhook");
  if (proxy && !isWebAddress(proxy))
    mistakes.push("ERRAND_GITHUB_WEBHOOK_PROXY must be the address of a channel, such as one that https://smee.io/new makes");
  if (bots && !isAllowedBots(bots)) mistakes.push('ERRAND_GITHUB_ALLOWED_BOTS must be JSON such as [{"login":"name[bot]","id":123}]');
  const privateKey = readKey(given, file, mistakes, read);
  if (!proxy)
    remarks.push("ERRAND_GITHUB_WEBHOOK_PROXY is not set: GitHub's webhooks arrive only where it can reach this machine, as by a tunnel.");
  return {
    kind: "real",
    appId: appId ?? "",
    slug: slug ?? "",
    privateKey,
    webhookSecret: secret ?? "",
    webhookProxy: proxy,
    server,
    allowedBots: bots ?? "",
  };
}

const isWebAddress = (address: string): boolean => /^https?:$/.test(URL.parse(address)?.protocol ?? "");

/** A server of one's own has two addresses; one without the other can't be guessed for every kind of it. */
function readServer(env: Env, mistakes: string[]): { apiUrl: string; webUrl: string } | null {
  const [apiUrl, webUrl] = [text(env.ERRAND_GITHUB_API_URL), text(env.ERRAND_GITHUB_WEB_URL)];
  if (!apiUrl && !webUrl) return null;
  for (const [name, url, example] of [
    ["ERRAND_GITHUB_WEB_URL", webUrl, "https://github.example.com"],
    ["ERRAND_GITHUB_API_URL", apiUrl, "https://github.example.com/api/v3"],
  ] as const)
    if (!url || !isWebAddress(url))
      mistakes.push(`${name} must be an address such as ${example}; a GitHub Enterprise Server needs both, github.com needs neither`);
  return { apiUrl: apiUrl ?? "", webUrl: webUrl ?? "" };
}

function isAllowedBots(json: string): boolean {
  try {
    return AllowedBots.safeParse(JSON.parse(json)).success;
  } catch {
    return false;
  }
}

function readText(path: string): string {
  return readFileSync(path, "utf8");
}

/** The App's private key as PKCS#8 PEM, or "" and why not. */
function readKey(given: string | null, file: string | null, mistakes: string[], read: (path: string) => string): string {
  if (given && file) {
    mistakes.push("ERRAND_GITHUB_PRIVATE_KEY and ERRAND_GITHUB_PRIVATE_KEY_FILE are both set: set one of them");
    return "";
  }
  let pem = given;
  if (file) {
    try {
      pem = read(resolve(file));
    } catch (error) {
      const why = error instanceof Error && "code" in error ? error.code : "unreadable";
      mistakes.push(`ERRAND_GITHUB_PRIVATE_KEY_FILE: ${resolve(file)} can't be read (${why})`);
      return "";
    }
  }
  const name = file ? "ERRAND_GITHUB_PRIVATE_KEY_FILE" : "ERRAND_GITHUB_PRIVATE_KEY";
  try {
    const key = toPkcs8Pem(pem ?? "");
    if (createPrivateKey(key).asymmetricKeyType === "rsa") return key;
  } catch {
    // Whatever is wrong with it, what to do is the same; what it holds is not repeated.
  }
  mistakes.push(
    `${name} must hold the App's private key: the whole .pem file that GitHub's page gave (with \\n for line ends where it is one line)`,
  );
  return "";
}
