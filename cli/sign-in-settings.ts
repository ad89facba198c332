/** Who may sign in to errand and by which providers, from the environment. */
import { z } from "zod";

/** What errand proves itself with at a provider. */
export type OAuthClient = { id: string; secret: string };

export type SignInSettings = {
  /** Of the GitHub App that is set; null: nobody signs in with a real GitHub. */
  github: OAuthClient | null;
  /** Null: nobody signs in with the real Google. */
  google: OAuthClient | null;
  /** JSON, as SIGN_IN_RULES of worker/settings.ts; null: not set. */
  rules: string | null;
};

type Env = Record<string, string | undefined>;

const text = (value: string | undefined) => (value?.trim() ? value.trim() : null);

const RULES = '{"githubOrganisations":["acme"],"githubTeams":["acme/core"],"emailDomains":["acme.example"],"open":false}';
const Rules = z.strictObject({
  githubOrganisations: z.array(z.string().regex(/^[a-z\d][a-z\d-]{0,38}$/i)).optional(),
  githubTeams: z.array(z.string().regex(/^[a-z\d][a-z\d-]{0,38}\/[a-z\d_-]{1,100}$/i)).optional(),
  emailDomains: z.array(z.string().regex(/^[a-z\d-]+(\.[a-z\d-]+)+$/i)).optional(),
  open: z.boolean().optional(),
});

/** Reads the settings; what is wrong goes to `mistakes`, what is worth a word to `remarks`. */
export function readSignIn(env: Env, mistakes: string[], remarks: string[]): SignInSettings {
  const github = readClient(env, "GITHUB", "Client ID and a client secret on the App's page", mistakes);
  const google = readClient(env, "GOOGLE", "an OAuth client of the kind “Web application” in Google's console", mistakes);
  const rules = text(env.ERRAND_SIGN_IN_RULES);
  if (github && !text(env.ERRAND_GITHUB_APP_ID))
    remarks.push("ERRAND_GITHUB_CLIENT_ID is for a GitHub App of your own: without ERRAND_GITHUB_APP_ID it does nothing.");
  if (rules && !isRules(rules)) mistakes.push(`ERRAND_SIGN_IN_RULES must be JSON such as ${RULES}; what is left out lets nobody in`);
  if (!rules && (google || (github && text(env.ERRAND_GITHUB_APP_ID))))
    remarks.push("ERRAND_SIGN_IN_RULES is not set: besides the first person who signs in, only who is invited may.");
  return { github, google, rules };
}

/** A client's two settings, which go together. */
function readClient(env: Env, provider: "GITHUB" | "GOOGLE", where: string, mistakes: string[]): OAuthClient | null {
  const names = [`ERRAND_${provider}_CLIENT_ID`, `ERRAND_${provider}_CLIENT_SECRET`] as const;
  const [id, secret] = names.map((one) => text(env[one]));
  if (!id && !secret) return null;
  if (!id || !secret) mistakes.push(`${id ? names[1] : names[0]} must be set together with ${id ? names[0] : names[1]} (${where})`);
  return { id: id ?? "", secret: secret ?? "" };
}

function isRules(json: string): boolean {
  try {
    return Rules.safeParse(JSON.parse(json)).success;
  } catch {
    return false;
  }
}
