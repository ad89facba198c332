/** The command that prints the surfaces' manifests, and the Slack app's manifest for an address. `--help` says how to use it. */
import { parseArgs } from "node:util";
import * as z from "zod";
import { MAX_NAME, nameMistake, renderGitHubManifest, webhookAddress } from "./github.ts";
import template from "./slack.json" with { type: "json" };

/** Where the app's events go: to an address that Slack can reach, or over a socket that `errand start` holds. */
export type Reach = { kind: "http"; origin: string } | { kind: "socket" };

const Manifest = z.looseObject({
  display_information: z.looseObject({ name: z.string().max(35) }),
  features: z.looseObject({ bot_user: z.looseObject({ display_name: z.string().max(80) }) }),
  settings: z.looseObject({
    event_subscriptions: z.looseObject({ request_url: z.string().optional(), bot_events: z.array(z.string()) }),
    interactivity: z.looseObject({ request_url: z.string().optional() }),
    socket_mode_enabled: z.boolean(),
  }),
});
export type SlackManifest = z.infer<typeof Manifest>;

/**
 * The manifest for one way of reaching the Worker. Slack allows one per app, so the app for development has another name.
 * Throws for an address that Slack could not call.
 */
export function renderSlackManifest(reach: Reach): SlackManifest {
  const manifest = Manifest.parse(structuredClone(template));
  const { settings, display_information: about, features } = manifest;
  if (reach.kind === "socket") {
    about.name = `${about.name} (dev)`;
    features.bot_user.display_name = `${features.bot_user.display_name}-dev`;
    settings.socket_mode_enabled = true;
    delete settings.event_subscriptions.request_url;
    delete settings.interactivity.request_url;
    return manifest;
  }
  const url = URL.canParse(reach.origin) ? new URL(reach.origin) : undefined;
  if (url?.protocol !== "https:")
    throw new Error(`"${reach.origin}" is not an address Slack can call. Give one like https://errand.example.com`);
  const events = `${url.origin}/slack/events`;
  settings.event_subscriptions.request_url = events;
  settings.interactivity.request_url = events;
  return manifest;
}

const HELP = `Prints the manifests with which the apps of errand's surfaces are made, for an address.

  node manifest/render.ts <address>              both, under "slack" and "github"
  node manifest/render.ts slack <address>        Slack's: paste it where an app is created "from a manifest"
  node manifest/render.ts slack --socket         Slack's for development, by Socket Mode, without an address
  node manifest/render.ts github <address>       GitHub's; errand's page /setup/github sends it there by itself

  --name <name>         the GitHub App's name, at most ${MAX_NAME} characters and unique in GitHub (default: errand)
  --webhook <address>   where GitHub finds errand when that is not <address>: a proxy's channel, a tunnel
  --help                this text

<address> is where browsers find errand, such as https://errand.example.com.
`;

/** What the command prints, or throws with a sentence for a person. */
export function command(argv: string[]): string {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { socket: { type: "boolean" }, name: { type: "string" }, webhook: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) return HELP;
  const [first, ...rest] = positionals;
  const only = first === "slack" || first === "github" ? first : values.socket ? "slack" : null;
  const [origin, tooMuch] = first === only ? rest : positionals;
  if (tooMuch !== undefined) throw new Error(`“${tooMuch}” is one word too many. See --help`);
  const slack = () => renderSlackManifest(values.socket ? { kind: "socket" } : { kind: "http", origin: addressOf(origin) });
  const github = () => {
    const name = values.name ?? "errand";
    const mistake = nameMistake(name);
    if (mistake) throw new Error(mistake);
    const address = addressOf(origin);
    const webhook = webhookAddress(values.webhook ?? address, "github.com");
    if (!webhook.ok) throw new Error(`${webhook.why} Give one that it reaches: --webhook https://smee.io/… (a channel of smee.io)`);
    return renderGitHubManifest({ name, origin: address, webhook: webhook.url });
  };
  const manifest = only === "slack" ? slack() : only === "github" ? github() : { slack: slack(), github: github() };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

function addressOf(given: string | undefined): string {
  if (given === undefined)
    throw new Error("Say where the Worker is, like https://errand.example.com, or --socket for development. See --help");
  if (!/^https?:$/.test(URL.parse(given)?.protocol ?? ""))
    throw new Error(`“${given}” is not an address such as https://errand.example.com`);
  return given;
}

if (import.meta.main) {
  try {
    process.stdout.write(command(process.argv.slice(2)));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  }
}
