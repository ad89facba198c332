/** What `errand start` is to do, from its arguments and the environment, checked at once so that every mistake is named. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { SANDBOX_HOSTS, type SandboxHost } from "../sandbox/providers/local-sites.ts";
import { type GitHubSettings, readGitHub } from "./github-settings.ts";
import { readSignIn, type SignInSettings } from "./sign-in-settings.ts";

/** What `npm start -- --help` says; a file of its own, since it is read before anything is installed. */
export const HELP = readFileSync(join(import.meta.dirname, "help.txt"), "utf8");

/** Every variable of errand's own: those that the help tells of. */
const VARIABLES = new Set(HELP.match(/ERRAND_[A-Z_]+/g));

export type SlackSettings = { kind: "local" } | { kind: "real"; botToken: string; appToken: string; signingSecret: string };
export type ModelSettings =
  | { kind: "demonstration" }
  | { kind: "real"; url: string; key: string; name: string; price: string; context: string };

/** How much the model may be used, by the names of the Worker's settings; empty: as the Worker has it. */
export const MODEL_CAPS = ["MODEL_CALLS_PER_TURN", "MODEL_TOKENS_PER_TURN", "MODEL_TOKENS_PER_SESSION", "MODEL_TOKENS_PER_DAY"] as const;
export type ModelCaps = Record<(typeof MODEL_CAPS)[number], string>;

export type StartSettings = {
  port: number;
  data: string;
  slack: SlackSettings;
  /** Who may have work done from Slack, as SLACK_PROMPTS of worker/settings.ts; empty: as the Worker decides by itself. */
  slackPrompts: "linked" | "channel" | "";
  github: GitHubSettings;
  model: ModelSettings;
  modelCaps: ModelCaps;
  signIn: SignInSettings;
  /** What browsers reach sandboxes by. */
  sandboxHost: SandboxHost;
  /** Null: the sample repository of the local git host. */
  repository: string | null;
  repositoryBaseUrl: string | null;
  /** What is worth a word before the start, though it is no mistake. */
  remarks: string[];
};

/** Ports used, counted from `--port`. */
export const PORTS = { worker: 0, page: 1, git: 2, slack: 3, model: 4, backend: 5, github: 6, google: 7 } as const;

/** What each port is for, in words. */
export const PORT_USES: Record<keyof typeof PORTS, string> = {
  worker: "the Worker",
  page: "the page of the local Slack and GitHub",
  git: "the local git host",
  slack: "the local Slack",
  model: "the demonstration model",
  backend: "the sandbox backend",
  github: "the local GitHub",
  google: "the local Google",
};

type Env = Record<string, string | undefined>;

/** The settings, or the mistakes in them; `help` when only that was asked for. */
export function readSettings(
  argv: string[],
  env: Env,
): { ok: true; settings: StartSettings } | { ok: false; mistakes: string[] } | { ok: "help" } {
  const mistakes: string[] = [];
  const remarks: string[] = [];
  let values: { port?: string; data?: string; help?: boolean };
  try {
    values = parseArgs({
      args: argv,
      options: { port: { type: "string" }, data: { type: "string" }, help: { type: "boolean", short: "h" } },
    }).values;
  } catch (error) {
    return { ok: false, mistakes: [error instanceof Error ? error.message : String(error)] };
  }
  if (values.help) return { ok: "help" };
  const port = Number(values.port ?? 8787);
  const highest = 65_535 - Math.max(...Object.values(PORTS));
  if (!Number.isInteger(port) || port < 1_024 || port > highest)
    mistakes.push(`--port must be a whole number from 1024 to ${highest}, not “${values.port}”`);
  const settings: StartSettings = {
    port,
    data: resolve(values.data ?? ".errand"),
    slack: readSlack(env, mistakes),
    slackPrompts: readSlackPrompts(env, mistakes),
    github: readGitHub(env, mistakes, remarks),
    model: readModel(env, mistakes, remarks),
    modelCaps: readCaps(env, mistakes),
    signIn: readSignIn(env, mistakes, remarks),
    sandboxHost: readSandboxHost(env, mistakes),
    repository: text(env.ERRAND_REPOSITORY),
    repositoryBaseUrl: text(env.ERRAND_REPOSITORY_BASE_URL),
    remarks,
  };
  for (const name of Object.keys(env))
    if (name.startsWith("ERRAND_") && !VARIABLES.has(name))
      remarks.push(`${name} is set, but errand knows no such setting. See npm start -- --help`);
  if (settings.repository && !/^[\w.-]+\/[\w.-]+$/.test(settings.repository))
    mistakes.push(`ERRAND_REPOSITORY must look like owner/name, not “${settings.repository}”`);
  return mistakes.length > 0 ? { ok: false, mistakes } : { ok: true, settings };
}

const text = (value: string | undefined) => (value?.trim() ? value.trim() : null);

function readSandboxHost(env: Env, mistakes: string[]): SandboxHost {
  const wanted = text(env.ERRAND_SANDBOX_HOST) ?? "localhost";
  const found = SANDBOX_HOSTS.find((one) => one === wanted);
  if (!found) mistakes.push(`ERRAND_SANDBOX_HOST must be ${SANDBOX_HOSTS.join(" or ")}, not “${wanted}”`);
  return found ?? "localhost";
}

function readSlack(env: Env, mistakes: string[]): SlackSettings {
  const [botToken, appToken, signingSecret] = [text(env.SLACK_BOT_TOKEN), text(env.SLACK_APP_TOKEN), text(env.SLACK_SIGNING_SECRET)];
  if (!botToken && !appToken && !signingSecret) return { kind: "local" };
  if (!botToken?.startsWith("xoxb-"))
    mistakes.push("a real Slack needs SLACK_BOT_TOKEN, which starts with xoxb- (OAuth & Permissions of your Slack app)");
  if (!appToken?.startsWith("xapp-"))
    mistakes.push(
      "a real Slack needs SLACK_APP_TOKEN, which starts with xapp- and has the scope connections:write (Basic Information, App-Level Tokens)",
    );
  // Over Socket Mode nothing is signed by Slack; the bridge signs with whatever secret both sides share.
  return { kind: "real", botToken: botToken ?? "", appToken: appToken ?? "", signingSecret: signingSecret ?? "" };
}

/** The local Slack is one person's own, who need not prove to themselves who they are. */
function readSlackPrompts(env: Env, mistakes: string[]): StartSettings["slackPrompts"] {
  const prompts = text(env.ERRAND_SLACK_PROMPTS);
  const local = !text(env.SLACK_BOT_TOKEN) && !text(env.SLACK_APP_TOKEN) && !text(env.SLACK_SIGNING_SECRET);
  if (prompts === null) return local ? "channel" : "";
  if (prompts === "linked" || prompts === "channel") return prompts;
  mistakes.push(`ERRAND_SLACK_PROMPTS must be linked or channel, not “${prompts}”`);
  return "";
}

function readModel(env: Env, mistakes: string[], remarks: string[]): ModelSettings {
  const [url, key, name] = [text(env.ERRAND_MODEL_URL), text(env.ERRAND_MODEL_KEY), text(env.ERRAND_MODEL)];
  if (!url && !key && !name) {
    const other = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"].find((variable) => text(env[variable]));
    if (other)
      remarks.push(
        `${other} is set, but errand sends code only to a model that was chosen for it: set ERRAND_MODEL_URL, ERRAND_MODEL_KEY and ERRAND_MODEL.`,
      );
    for (const variable of ["ERRAND_MODEL_PRICE", "ERRAND_MODEL_CONTEXT"])
      if (text(env[variable])) remarks.push(`${variable} is for a model of your own: without ERRAND_MODEL_URL it does nothing.`);
    return { kind: "demonstration" };
  }
  if (!url || !/^https?:\/\//.test(url) || !URL.canParse(url))
    mistakes.push("ERRAND_MODEL_URL must be the base URL of an OpenAI-compatible API, such as https://api.openai.com/v1");
  if (!name) mistakes.push("ERRAND_MODEL must name the model");
  if (!key) mistakes.push("ERRAND_MODEL_KEY must hold the key (any text where the server wants none)");
  const price = text(env.ERRAND_MODEL_PRICE) ?? "";
  if (price && !isPrice(price)) mistakes.push('ERRAND_MODEL_PRICE must be JSON such as {"input":3,"output":15}');
  if (!price) remarks.push("ERRAND_MODEL_PRICE is not set: tokens are shown, costs are not.");
  const context = text(env.ERRAND_MODEL_CONTEXT) ?? "";
  if (context && !/^[1-9]\d{2,8}$/.test(context)) mistakes.push("ERRAND_MODEL_CONTEXT must be a number of tokens");
  return { kind: "real", url: url ?? "", key: key ?? "", name: name ?? "", price, context };
}

function readCaps(env: Env, mistakes: string[]): ModelCaps {
  const read = (name: (typeof MODEL_CAPS)[number]): string => {
    const cap = text(env[`ERRAND_${name}`]) ?? "";
    if (cap && !/^[1-9]\d{0,14}$/.test(cap)) mistakes.push(`ERRAND_${name} must be a whole number from 1, not “${cap}”`);
    return cap;
  };
  return Object.fromEntries(MODEL_CAPS.map((name) => [name, read(name)])) as ModelCaps;
}

function isPrice(json: string): boolean {
  try {
    const price: unknown = JSON.parse(json);
    return (
      typeof price === "object" &&
      price !== null &&
      "input" in price &&
      "output" in price &&
      typeof price.input === "number" &&
      typeof price.output === "number"
    );
  } catch {
    return false;
  }
}
