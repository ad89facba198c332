/** The whole local world at once, and a command to run it alone: a Slack, a GitHub, a page to use both, a Google, a git host, a model. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startGitHost } from "./git-host.ts";
import { type GitHubOptions, startGitHub } from "./github/start.ts";
import { type GoogleOptions, startGoogle } from "./google/start.ts";
import { demonstrationModel, startModel } from "./model.ts";
import { startPage } from "./page/start.ts";
import { startSlack } from "./slack/start.ts";

/** How a world is started. */
export interface WorldOptions {
  /** The folder everything is kept in; made when it is not there. */
  dataDir: string;
  /** Where the Slack posts events and clicks; null while there is no app (`slack.setEventsUrl` changes it). */
  slackEventsUrl: string | null;
  signingSecret: string;
  /** The bot's token; the world's own unless given. */
  botToken?: string;
  /** Ports on 127.0.0.1; each that is missing is a free one. */
  ports?: { slack?: number; page?: number; git?: number; model?: number; github?: number; google?: number };
  /**
   * The GitHub, whose repositories are the git host's; null or missing starts none, and the git host then asks nobody to sign in.
   * `webhookUrl` is null while there is no App that listens.
   */
  github?: Pick<GitHubOptions, "webhookUrl" | "webhookSecret" | "app" | "callbackUrls"> | null;
  /** The Google to sign in with; null or missing starts none. */
  google?: Pick<GoogleOptions, "redirectUris"> | null;
  /** `demonstration` starts the scripted model; null starts none. */
  model: "demonstration" | null;
  /** The waiting time between two pieces of the model's text, in ms. */
  paceMs?: number;
}

/** Starts the world. When a part cannot start, those that did are ended again and the error is thrown. */
export async function startWorld(options: WorldOptions) {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    while (stops.length > 0) await stops.pop()?.();
  };
  try {
    const ports = options.ports ?? {};
    mkdirSync(options.dataDir, { recursive: true });
    const slack = await startSlack({
      port: ports.slack ?? 0,
      dataDir: options.dataDir,
      eventsUrl: options.slackEventsUrl,
      signingSecret: options.signingSecret,
      ...(options.botToken ? { botToken: options.botToken } : {}),
    });
    stops.push(slack.stop);
    const git = await startGitHost({ port: ports.git ?? 0, dataDir: join(options.dataDir, "git") });
    stops.push(git.stop);
    const github = options.github
      ? await startGitHub({ ...options.github, port: ports.github ?? 0, dataDir: options.dataDir, webUrl: git.url, git })
      : null;
    if (github) stops.push(github.stop);
    const page = await startPage({ slack, github, port: ports.page ?? 0 });
    stops.push(page.stop);
    github?.setWebUrl(new URL("github", page.url).href);
    const google = options.google ? await startGoogle({ ...options.google, port: ports.google ?? 0, dataDir: options.dataDir }) : null;
    if (google) stops.push(google.stop);
    const model =
      options.model === null
        ? null
        : await startModel({ port: ports.model ?? 0, respond: demonstrationModel(), paceMs: options.paceMs ?? 25 });
    if (model) stops.push(model.stop);
    return { slack, github, page, google, git, model, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A running world. */
export type World = Awaited<ReturnType<typeof startWorld>>;

const HELP = `The local world of errand, alone: a Slack and a GitHub, a page to use both, a git host and a scripted model.

Usage: node test/world/main.ts [options]

  --data <folder>     where it is kept (default: .errand/world)
  --events <url>      where the Slack posts events and clicks, such as http://127.0.0.1:8787/slack/events
  --secret <text>     the signing secret of those posts (default: a random one, printed)
  --webhooks <url>    where the GitHub posts webhooks, such as http://127.0.0.1:8787/github/webhook
  --webhook-secret <text>  what they are signed with (default: a random one, printed)
  --page <port>       port of the page; --slack, --github, --google, --git and --model set the others (default: free ones)
  --no-github         without the GitHub; the git host then takes branches that begin with errand/ from everyone
  --sign-in <origin>  errand's own, such as http://127.0.0.1:8787: with it a Google is started too, and people who sign in there or at
                      the GitHub are sent back to /auth/google/callback and /auth/github/callback of it
  --no-model          without the scripted model

  With the GitHub, its API's address, the App's id and the file with its key are printed.
  --help              this text

Everything listens on 127.0.0.1 only. Ctrl-C ends it.
`;

async function command(args: string[]): Promise<number | undefined> {
  const port = { type: "string" } as const;
  let values: ReturnType<typeof parse>["values"];
  function parse() {
    const texts = { data: port, events: port, secret: port, webhooks: port, "webhook-secret": port, "sign-in": port } as const;
    const options = { ...texts, page: port, slack: port, github: port, google: port, git: port, model: port } as const;
    const flag = { type: "boolean" } as const;
    return parseArgs({ args, options: { ...options, "no-model": flag, "no-github": flag, help: flag } });
  }
  try {
    values = parse().values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const ports: Record<string, number> = {};
  for (const name of ["page", "slack", "github", "google", "git", "model"] as const) {
    const value = values[name];
    if (value === undefined) continue;
    const number = Number(value);
    if (!Number.isInteger(number) || number < 0 || number > 65_535) {
      process.stderr.write(`--${name} takes a port from 0 to 65535, not ${value}.\n`);
      return 2;
    }
    ports[name] = number;
  }
  const secret = values.secret ?? randomBytes(16).toString("hex");
  const webhookSecret = values["webhook-secret"] ?? randomBytes(16).toString("hex");
  const dataDir = values.data ?? ".errand/world";
  const origin = URL.parse(values["sign-in"] ?? "")?.origin;
  if (values["sign-in"] !== undefined && !origin) {
    process.stderr.write(`--sign-in takes an address such as http://127.0.0.1:8787, not ${values["sign-in"]}.\n`);
    return 2;
  }
  const back = (provider: string) => (origin ? [`${origin}/auth/${provider}/callback`] : []);
  const world = await startWorld({
    dataDir,
    slackEventsUrl: values.events ?? null,
    signingSecret: secret,
    ports,
    github: values["no-github"] ? null : { webhookUrl: values.webhooks ?? null, webhookSecret, callbackUrls: back("github") },
    google: origin ? { redirectUris: back("google") } : null,
    model: values["no-model"] ? null : "demonstration",
  });
  const keyFile = join(dataDir, "github-app.pem");
  if (world.github) writeFileSync(keyFile, world.github.privateKey, { mode: 0o600 });
  const lines = [
    ["page", world.page.url],
    ["Slack Web API", world.slack.apiUrl],
    ["bot token", world.slack.botToken],
    ...(values.secret ? [] : [["signing secret", secret]]),
    ...(world.github
      ? [
          ["GitHub API", world.github.apiUrl],
          ["GitHub App", `${world.github.appId} (${world.github.slug}), key in ${keyFile}`],
          ...(origin ? [["GitHub client", `${world.github.clientId}, secret ${world.github.clientSecret}`]] : []),
          ...(values["webhook-secret"] ? [] : [["webhook secret", webhookSecret]]),
        ]
      : []),
    ...(world.google
      ? [
          ["Google", world.google.url],
          ["Google client", `${world.google.clientId}, secret ${world.google.clientSecret}`],
        ]
      : []),
    ["git host", world.git.url],
    ...(world.model ? [["model", world.model.url]] : []),
  ];
  for (const [name, value] of lines) process.stdout.write(`${`${name}:`.padEnd(16)}${value}\n`);
  const end = () => void world.stop().then(() => process.exit(0));
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  return undefined;
}

if (import.meta.main) {
  try {
    const code = await command(process.argv.slice(2));
    if (code !== undefined) process.exitCode = code;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const hint = code === "EADDRINUSE" ? " Another program has that port; choose another one or leave it out." : "";
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}${hint}\n`);
    process.exitCode = 1;
  }
}
