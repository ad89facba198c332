/** Slack's end for the Worker's tests: signed events and clicks, and answers to what errand asks of it. */
import { env } from "cloudflare:workers";
import { hmacKey } from "../../protocol/hmac.ts";
import { fresh } from "./deliveries.ts";
import { ask, type World } from "./world.ts";

/** The Worker that Slack posts to: a test with settings of its own puts another one here. */
export const site = { ask };

/** The workspace, and errand's own user there. */
export const TEAM = "T1";
const BOT = "UBOT";

async function post(body: string, type: string): Promise<Response> {
  const time = String(Math.floor(Date.now() / 1000));
  const mac = await crypto.subtle.sign("HMAC", await hmacKey(env.SLACK_SIGNING_SECRET), new TextEncoder().encode(`v0:${time}:${body}`));
  const signature = [...new Uint8Array(mac)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const headers = { "content-type": type, "x-slack-request-timestamp": time, "x-slack-signature": `v0=${signature}` };
  return site.ask("/slack/events", { method: "POST", headers, body });
}

/** Delivers an event as Slack does. */
export const slackEvent = (event: Record<string, unknown>): Promise<Response> =>
  post(JSON.stringify({ type: "event_callback", team_id: TEAM, event_id: `Ev${fresh()}`, event }), "application/json");

/** A user id and a thread that no other test has. */
export const newUser = (): string => `U${fresh()}`;
export const newThread = (): string => `${fresh()}.000100`;

/** Mentions errand; the thread is a new one unless given. */
export async function mention(user: string, text: string, thread = newThread(), channel = "C1"): Promise<string> {
  const first = { type: "app_mention", channel, user, text: `<@${BOT}> ${text}` };
  const ts = `${fresh()}.000200`;
  await slackEvent({ ...first, ts, thread_ts: thread });
  return `slack:${TEAM}:${channel}:${thread}`;
}

/** Presses the button beside the field of a message, with a number in it. */
export function typeNumber(user: string, number: string, responseUrl = "https://hooks.slack.com/actions/T1/1/x"): Promise<Response> {
  const payload = {
    type: "block_actions",
    team: { id: TEAM },
    user: { id: user, username: "somebody", team_id: TEAM },
    channel: { id: "C1" },
    container: { type: "message", message_ts: `${fresh()}.000300`, is_ephemeral: true },
    response_url: responseUrl,
    state: { values: { "link:number": { errand_number: { type: "plain_text_input", value: number } } } },
    actions: [{ action_id: "errand_number_confirm", block_id: "link:confirm", value: "number", action_ts: `${fresh()}.000400` }],
  };
  return post(new URLSearchParams({ payload: JSON.stringify(payload) }).toString(), "application/x-www-form-urlencoded");
}

/** A Slack that takes everything. */
export function slackWith(outside: World): void {
  let n = 0;
  outside.slack = (method, body) => {
    n += 1;
    if (method === "auth.test") return { ok: true, user_id: BOT, bot_id: "BBOT", team_id: TEAM, team: "Acme" };
    if (method === "users.info") return { ok: true, user: { id: body.user, name: "sam", profile: { display_name: "Sam" } } };
    return { ok: true, ts: `${n}.000100`, message_ts: `${n}.000100` };
  };
}

/** What only this person was shown, the oldest first, as text with all that is in it. */
export const whispersTo = (outside: World, user: string): string[] =>
  outside.slackCalls
    .filter(({ method, body }) => method === "chat.postEphemeral" && body.user === user)
    .map(({ body }) => JSON.stringify(body));

/** The code of the newest link that this person was sent. */
export function codeFor(outside: World, user: string): string {
  const [code] =
    whispersTo(outside, user)
      .join("\n")
      .match(/(?<=\/link\/slack\?code=)[0-9a-f]{64}/g)
      ?.slice(-1) ?? [];
  if (code === undefined) throw new Error(`no link was sent to ${user}`);
  return code;
}
