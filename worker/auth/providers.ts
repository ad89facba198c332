/** Whom people sign in with: which providers are set up, and what each answers. */
import type { Settings, SignInRules, TokenKeys } from "../settings.ts";
import type { Random } from "./token.ts";

export const PROVIDERS = ["github", "google"] as const;
export type Provider = (typeof PROVIDERS)[number];
/** What people call each. */
export const PROVIDER_NAMES: Record<Provider, string> = { github: "GitHub", google: "Google" };

/** Our client at a provider. The secret goes to its token endpoint alone. */
export type Client = { id: string; secret: string };
export type GitHubClient = Client & { webUrl: string; apiUrl: string };
export type GoogleClient = Client & { issuer: string };

/** Everything sign-in needs of the settings. */
export type SignIn = {
  origin: string;
  keys: TokenKeys;
  rules: SignInRules;
  github: GitHubClient | null;
  google: GoogleClient | null;
};

/** What the provider's end needs of the world. `now` in ms since 1970. */
export type Ports = { fetch: typeof fetch; now: () => number; random: Random };

const pair = (id: string | null, secret: string | null): Client | null => (id !== null && secret !== null ? { id, secret } : null);

/** Sign-in as it is set up; or the settings that are missing, none where nobody began to set it up. */
export function signInOf(settings: Settings): ({ ok: true } & SignIn) | { ok: false; missing: string[] } {
  const github = pair(settings.GITHUB_CLIENT_ID, settings.GITHUB_CLIENT_SECRET);
  const google = pair(settings.GOOGLE_CLIENT_ID, settings.GOOGLE_CLIENT_SECRET);
  const { PUBLIC_ORIGIN: origin, TOKEN_KEYS: keys, SIGN_IN_RULES: rules } = settings;
  if (origin !== null && keys !== null && (github || google)) {
    const webUrl = settings.GITHUB_WEB_URL ?? "https://github.com";
    const apiUrl = settings.GITHUB_API_URL ?? "https://api.github.com";
    return {
      ok: true,
      origin,
      keys,
      rules,
      github: github && { ...github, webUrl, apiUrl },
      google: google && { ...google, issuer: settings.GOOGLE_ISSUER ?? "https://accounts.google.com" },
    };
  }
  const begun = [
    ["GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET"],
    ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"],
  ] as const;
  const missing: string[] = begun
    .filter((names) => names.some((name) => settings[name] !== null))
    .flatMap((names) => names.filter((name) => settings[name] === null));
  if ((github || google || missing.length > 0) && keys === null) missing.push("TOKEN_KEYS");
  if (missing.length > 0 && origin === null) missing.push("PUBLIC_ORIGIN");
  return { ok: false, missing };
}

/** Who may have work done from Slack, as `SLACK_PROMPTS` of the settings means it. A setting that goes missing lets in nobody more. */
export function slackPromptsOf(settings: Settings): "linked" | "channel" {
  const signIn = signInOf(settings);
  const isMeant = signIn.ok ? signIn.github !== null : signIn.missing.length > 0;
  return settings.SLACK_PROMPTS ?? (isMeant ? "linked" : "channel");
}

/** What a provider lets us do in somebody's name. Times in ms since 1970; null: it does not end. */
export type Tokens = { access: string; expiresAt: number | null; refresh: string | null };

/** An account at a provider. `email` is one that the provider vouches for, in lower case, or null. */
export type Account = { provider: Provider; subject: string; login: string | null; name: string; email: string | null };

/**
 * Why a provider gave nothing. `cancelled`: the person said no there. `refused`: the provider said no, in its own words. `away`: it did not
 * answer as it should, and trying again may help.
 */
export type ProviderFault = { kind: "cancelled" | "refused" | "away"; why: string };
export type FromProvider<T> = ({ ok: true } & T) | { ok: false; fault: ProviderFault };

/** The secrets of one sign-in: the PKCE verifier (RFC 7636), the state and, for OpenID Connect, the nonce. */
export type Begun = { state: string; verifier: string; nonce: string };
