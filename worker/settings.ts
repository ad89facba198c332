/**
 * The Worker's settings, parsed once from its environment and passed down as a plain object. Empty text means "not set".
 */
import * as z from "zod";

const optional = z
  .string()
  .optional()
  .transform((text) => (text === undefined || text.trim() === "" ? null : text.trim()));
const origin = optional
  .refine((text) => text === null || URL.canParse(text), "must be an absolute URL")
  .transform((text) => text && new URL(text).origin);
/** An address that may have a path, such as `https://github.example/api/v3`, without a slash at its end. */
const address = optional
  .refine((text) => text === null || /^https?:$/.test(URL.parse(text)?.protocol ?? ""), "must be an absolute http or https URL")
  .transform((text) => text && new URL(text).href.replace(/\/+$/, ""));
const bot = z.strictObject({ login: z.string().min(1), id: z.number().int().positive() });
const price = z.object(
  { input: z.number(), output: z.number(), cacheRead: z.number().default(0), cacheWrite: z.number().default(0) },
  'must be JSON such as {"input":3,"output":15}',
);

const atLeastOne = z.number("must be a whole number from 1").int("must be a whole number from 1").positive("must be a whole number from 1");
const cap = optional.transform((text) => (text === null ? null : Number(text))).pipe(atLeastOne.nullable());

/** 32 bytes in base64: a key for AES-256. */
const key = z.string().transform((text, issue) => {
  try {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    if (bytes.length === 32) return bytes;
  } catch {
    // Not base64, which is said as any other wrong key is.
  }
  issue.addIssue({ code: "custom", message: "must be 32 bytes in base64" });
  return z.NEVER;
});
const tokenKeys = z
  .strictObject(
    { current: z.string().min(1).max(40), keys: z.record(z.string().min(1).max(40), key) },
    'must be JSON such as {"current":"k1","keys":{"k1":"<32 bytes in base64>"}}',
  )
  .refine(({ current, keys }) => Object.hasOwn(keys, current), "must have the current key among its keys");
const lowered = z.string().trim().toLowerCase();
const rules = z.strictObject(
  {
    githubOrganisations: z.array(lowered.regex(/^[a-z\d][a-z\d-]{0,38}$/, "must be names of organisations")).default([]),
    githubTeams: z.array(lowered.regex(/^[a-z\d][a-z\d-]{0,38}\/[a-z\d_-]{1,100}$/, 'must be "organisation/team"')).default([]),
    emailDomains: z.array(lowered.regex(/^[a-z\d-]+(\.[a-z\d-]+)+$/, "must be domains such as example.com")).default([]),
    open: z.boolean().default(false),
  },
  'must be JSON such as {"githubOrganisations":["acme"],"githubTeams":["acme/core"],"emailDomains":["acme.example"],"open":false}',
);

/** JSON, or what no schema takes. */
function parsed(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return undefined;
  }
}

const Schema = z.object({
  /** The Worker's origin as browsers see it; issuer of grants and start of every link. */
  PUBLIC_ORIGIN: origin,
  /** Names this installation to the backend, so that two never reap each other's sandboxes. */
  DEPLOYMENT: optional,
  /** Name of the machine's owner, set only by `errand start`: who comes by loopback is this person. Empty: nobody is signed in. */
  LOCAL_OWNER: optional,
  BACKEND_URL: origin,
  /** `<key id>:<secret>` with which requests to the backend are signed. */
  BACKEND_KEY: optional,
  SLACK_SIGNING_SECRET: optional,
  SLACK_BOT_TOKEN: optional,
  /** Base of Slack's Web API, ending in `/api/`; empty = Slack itself. */
  SLACK_API_URL: optional,
  /**
   * Who may have work done from Slack in a repository on GitHub. `linked`: whose Slack account is linked to a user who may write there. `channel`:
   * whoever is in the channel. Empty: `linked` where people can sign in with GitHub.
   */
  SLACK_PROMPTS: optional.pipe(z.enum(["linked", "channel"], 'must be "linked" or "channel"').nullable()),
  /** The App's number, its name in addresses and mentions, its private key (PEM, also with `\n` for line ends), and what it signs webhooks with. */
  GITHUB_APP_ID: optional.refine(
    (text) => text === null || /^\d{1,15}$/.test(text),
    "must be the App's number, as its settings page has it",
  ),
  GITHUB_APP_SLUG: optional.refine(
    (text) => text === null || /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i.test(text),
    "must be the App's name as in github.com/apps/<name>",
  ),
  GITHUB_PRIVATE_KEY: optional,
  GITHUB_WEBHOOK_SECRET: optional,
  /** Base of GitHub's REST API, `https://<host>/api/v3` on a GitHub Enterprise Server; empty = https://api.github.com. */
  GITHUB_API_URL: address,
  /** Where GitHub's pages and repositories are; empty = https://github.com. */
  GITHUB_WEB_URL: address,
  /** JSON `[{"login":"name[bot]","id":123}]`: the only bots that may ask for work. Both have to fit, since a name can be given up and taken. */
  GITHUB_ALLOWED_BOTS: optional
    .transform((text) => (text === null ? [] : parsed(text)))
    .pipe(z.array(bot, 'must be JSON such as [{"login":"name[bot]","id":123}]')),
  /** The GitHub App's client id and secret, with which people sign in. */
  GITHUB_CLIENT_ID: optional,
  GITHUB_CLIENT_SECRET: optional,
  /** An OAuth client of Google's ("Web application"), and who issues its ID tokens; empty = https://accounts.google.com. */
  GOOGLE_CLIENT_ID: optional,
  GOOGLE_CLIENT_SECRET: optional,
  GOOGLE_ISSUER: address,
  /**
   * JSON `{"current":"k2","keys":{"k1":"<32 bytes in base64>","k2":…}}`: what providers' tokens are encrypted with. To rotate, add a key and make it
   * the current one; what the old one encrypted still opens as long as it stays in the list.
   */
  TOKEN_KEYS: optional.transform(parsed).pipe(tokenKeys.nullable()),
  /**
   * JSON `{"githubOrganisations":[],"githubTeams":["org/team"],"emailDomains":[],"open":false}`: who may sign in besides the first user ever, who is let
   * in and is an admin, and whoever was invited. Empty: nobody else.
   */
  SIGN_IN_RULES: optional.transform((text) => (text === null ? {} : parsed(text))).pipe(rules),
  /** Where `owner/name` is cloned from. */
  REPOSITORY_BASE_URL: optional,
  /** `owner/name` used when nobody names one. */
  DEFAULT_REPOSITORY: optional,
  /** Key of the session ids' hash. Changing it makes every session a new one. */
  SESSION_KEY: optional,
  /** Private ES256 key (JWK with `kid`) that signs grants. */
  GRANT_KEY: optional,
  /** OpenAI-compatible base URL (`…/v1`), key and model name. The key stays in the Worker. */
  MODEL_URL: optional,
  MODEL_KEY: optional,
  MODEL_NAME: optional,
  /** Context window in tokens. */
  MODEL_CONTEXT: optional.transform((text) => (text === null ? 128_000 : Number(text))).pipe(z.number().int().positive()),
  /** JSON `{"input":3,"output":15}`, USD per million tokens; empty: the price is not known and no cost is shown. */
  MODEL_PRICE: optional.transform(parsed).pipe(price.nullable()),
  /** Calls of the model that one turn may make: the default is far above honest work, a stop for runaways. */
  MODEL_CALLS_PER_TURN: optional.transform((text) => Number(text ?? 1_000)).pipe(atLeastOne),
  /** Tokens, of prompts and answers together, that a turn, a session, and all sessions in a day (UTC) may use; empty: as many as they like. */
  MODEL_TOKENS_PER_TURN: cap,
  MODEL_TOKENS_PER_SESSION: cap,
  MODEL_TOKENS_PER_DAY: cap,
});
export type Settings = z.infer<typeof Schema>;

/** Keys by id, and which of them new secrets are encrypted with. */
export type TokenKeys = NonNullable<Settings["TOKEN_KEYS"]>;
/** Who may sign in besides the first user and who was invited. Names are in lower case. */
export type SignInRules = Settings["SIGN_IN_RULES"];

/** What the GitHub App needs to be heard and to write. */
const GITHUB = ["GITHUB_APP_ID", "GITHUB_APP_SLUG", "GITHUB_PRIVATE_KEY", "GITHUB_WEBHOOK_SECRET"] as const;

/** The GitHub App's settings, whole; or the names of those that are missing. With all of them missing GitHub was never set up. */
export function githubOf(
  settings: Settings,
):
  | { ok: true; appId: string; slug: string; privateKey: string; webhookSecret: string; apiUrl: string | null; webUrl: string }
  | { ok: false; missing: string[]; half: boolean } {
  const [appId, slug, privateKey, webhookSecret] = GITHUB.map((name) => settings[name]);
  if (appId && slug && privateKey && webhookSecret)
    return {
      ok: true,
      appId,
      slug,
      privateKey,
      webhookSecret,
      apiUrl: settings.GITHUB_API_URL,
      webUrl: settings.GITHUB_WEB_URL ?? "https://github.com",
    };
  const missing = GITHUB.filter((name) => settings[name] === null);
  return { ok: false, missing, half: missing.length < GITHUB.length };
}

/** Parses the environment. Throws an error that names each wrong setting. */
export function settingsOf(env: object): Settings {
  const parsed = Schema.safeParse(env);
  if (parsed.success) return parsed.data;
  throw new Error(`wrong settings: ${parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`).join("; ")}`);
}
