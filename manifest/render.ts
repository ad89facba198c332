/**
 * The Slack app's manifest for an address. Run by hand it prints one to paste into Slack's "create from manifest":
 * `node manifest/render.ts https://errand.example.com`, or `node manifest/render.ts --socket` for development without an address.
 */
import { z } from "zod";
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

if (import.meta.main) {
  const [given] = process.argv.slice(2);
  try {
    if (given === undefined) throw new Error("Say where the Worker is, like https://errand.example.com, or --socket for development.");
    console.log(JSON.stringify(renderSlackManifest(given === "--socket" ? { kind: "socket" } : { kind: "http", origin: given }), null, 2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  }
}
