/**
 * The Worker's settings, parsed once from its environment and passed down as a plain object. Empty text means "not set".
 */
import { z } from "zod";

const optional = z
  .string()
  .optional()
  .transform((text) => (text === undefined || text.trim() === "" ? null : text.trim()));
const origin = optional
  .refine((text) => text === null || URL.canParse(text), "must be an absolute URL")
  .transform((text) => text && new URL(text).origin);
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

/** Parses the environment. Throws an error that names each wrong setting. */
export function settingsOf(env: object): Settings {
  const parsed = Schema.safeParse(env);
  if (parsed.success) return parsed.data;
  throw new Error(`wrong settings: ${parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`).join("; ")}`);
}
