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
});
export type Settings = z.infer<typeof Schema>;

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
