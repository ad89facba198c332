/** The page on which a person reads and writes in the local Slack. */
import type { Slack } from "../slack/start.ts";

/** Starts the page's server. */
export async function startPage(options: { slack: Slack; port: number }): Promise<{ url: string; stop: () => Promise<void> }> {
  return { url: options.slack.url, stop: async () => undefined };
}
