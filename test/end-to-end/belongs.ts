/** Where secrets of a run belong, with the reason; and the places beside files that are searched for them. */
import { readdirSync, readlinkSync } from "node:fs";
import { z } from "zod";
import type { Errand } from "./errand.ts";
import type { Hub, Json } from "./hub.ts";
import { processesOf } from "./processes.ts";
import type { Places } from "./secrets.ts";
import type { Kind } from "./trail.ts";

/** Every kind of secret that a run has to have, so that it is searched for. */
export const KINDS: readonly Kind[] = [
  ...(["session token", "cookie of a browser", "cookie of a gateway", "grant", "one-time code", "key for a program"] as const),
  ...([
    "Slack token",
    "Slack signing secret",
    "GitHub App's key",
    "GitHub webhook secret",
    "installation token",
    "person's token",
  ] as const),
  ...(["OAuth client's secret", "model key", "session key", "backend key", "grant key", "token key"] as const),
  ...(["runner token", "model token", "password of OpenCode"] as const),
];

/** What may stand where, and why. Everything else is a leak; what is not found any more is to be deleted here. */
export const ALLOWED: readonly { what: RegExp; where: RegExp; why: string }[] = [
  {
    what: /^(session key|backend key|grant key|token key|Slack signing secret)$/,
    where: /^data\/secrets\.json$/,
    why: "the installation's own secrets, which it made and has to find again; its owner alone can read the file",
  },
  {
    what: /^(session|backend|grant|token|model) key$|^Slack |^GitHub |^OAuth /,
    where: /^data\/worker\.env$/,
    why: "the Worker's settings, which wrangler takes from a file; its owner alone can read it",
  },
  {
    what: /^model key$/,
    where: /^process main\.ts, environment$/,
    why: "who starts errand gives it the key that way; nothing that it starts has it",
  },
  {
    what: /^(GitHub |installation token|person's token|OAuth |something like gh[rs]_)/,
    where: /^data\/world\/github\.json$/,
    why: "the local GitHub's own disk: it made them and has to know them",
  },
  { what: /^OAuth /, where: /^data\/world\/google\.json$/, why: "the local Google's own disk" },
  { what: /^Slack token$/, where: /^data\/world\/slack\.json$/, why: "the local Slack's own disk" },
  {
    what: /^(model token|password of OpenCode)$/,
    where: /^process OpenCode, environment$/,
    why: "OpenCode reads them nowhere else; the token opens the model's route for this session and generation alone",
  },
  { what: /^grant$/, where: /^shown GET \/s\/\w+\/open\/\w+$/, why: "the form that hands it over, once, for a minute" },
  { what: /^session token$/, where: /^shown POST \/api\/auth\/exchange$/, why: "the page's own token, in the answer to its code" },
  { what: /^key for a program$/, where: /^(shown POST|open page http:\/\/[\d.:]+)\s?\/account\/keys$/, why: "shown to its maker, once" },
  {
    what: /^one-time code$/,
    where: /\/(login\/oauth\/authorize|o\/oauth2\/v2\/auth)$/,
    why: "the state, in the form of the provider's page",
  },
  {
    what: /^cookie of a browser$/,
    where: /^shown GET http:\/\/[\d.:]+\/c\/\w+\/t\/[\d.]+$/,
    why: "the link for a Slack account, in the message that only its person sees; while they sign in a cookie keeps its code",
  },
];

/** The folders of running sandboxes that are on no disk. Empty where sandboxes have none of their own. */
export function inside(errand: Errand): Record<string, string> {
  const folders: Record<string, string> = {};
  for (const { pid, command } of processesOf(errand)) {
    if (!/\/gateway\.mjs/.test(command) || readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync("/proc/self/ns/mnt")) continue;
    for (const name of ["tmp", "var", "run", "dev/shm"]) {
      const folder = `/proc/${pid}/root/${name}`;
      // Throws where it cannot be looked at: the search would then prove nothing.
      readdirSync(folder);
      folders[`in a sandbox /${name} of ${pid}`] = folder;
    }
  }
  return folders;
}

const Channels = z.object({ channels: z.array(z.object({ id: z.string() })) });

/** Everything that was said in the local Slack and on the local GitHub. */
export async function messagesOf(errand: Errand, hub: Hub): Promise<Places> {
  const places: Places = new Map();
  const slack = errand.slack();
  for (const { id } of Channels.parse(await slack.conversations.list()).channels) {
    const { messages = [] } = await slack.conversations.history({ channel: id, include_all_metadata: true, limit: 200 });
    const threads = messages.filter(({ reply_count }) => (reply_count ?? 0) > 0).map(({ ts }) => ts ?? "");
    const replies = threads.map((ts) => slack.conversations.replies({ channel: id, ts, include_all_metadata: true, limit: 200 }));
    places.set(`Slack, channel ${id}`, JSON.stringify([messages, await Promise.all(replies)]));
  }
  const at = "/repos/acme/sample";
  for (const list of ["issues?state=all&", "issues/comments?", "pulls?state=all&"])
    places.set(`GitHub, ${list}`, JSON.stringify(await hub.as<Json[]>("ada", "GET", `${at}/${list}per_page=100`)));
  for (const { number, head } of await hub.as<{ number: number; head: { sha: string } }[]>(
    "ada",
    "GET",
    `${at}/pulls?state=all&per_page=100`,
  )) {
    for (const part of ["commits", "comments", "reviews"])
      places.set(`GitHub, ${part} of #${number}`, JSON.stringify(await hub.as("ada", "GET", `${at}/pulls/${number}/${part}`)));
    places.set(`GitHub, checks of #${number}`, JSON.stringify(await hub.as("ada", "GET", `${at}/commits/${head.sha}/check-runs`)));
  }
  return places;
}
