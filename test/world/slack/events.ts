/** What Slack's Events API sends for what happened: the whole envelope, and the events the emulator does not make. Pure. */
import type { Channel, Json } from "./records.ts";
import { WORKSPACE } from "./workspace.ts";

/** The events errand's manifest subscribes to; Slack delivers no others. */
export const SUBSCRIBED: ReadonlySet<string> = new Set([
  "agent_session_stopped",
  "agent_session_title_changed",
  "app_context_changed",
  "app_home_opened",
  "app_mention",
  "app_uninstalled",
  "link_shared",
  "message",
  "tokens_revoked",
  "user_change",
]);

/** A delivery as it is sent: Slack's `event_callback` envelope. */
export interface Envelope {
  token: string;
  team_id: string;
  context_team_id: string;
  context_enterprise_id: null;
  api_app_id: string;
  event: Json & { type: string };
  type: "event_callback";
  event_id: string;
  event_time: number;
  authorizations: Json[];
  is_ext_shared_channel: boolean;
  event_context: string;
}

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value: unknown) => (typeof value === "string" ? value : "");

/** `channel_type` of a message event. */
export function channelType(channel: Pick<Channel, "is_im" | "is_mpim" | "is_private"> | undefined): string {
  if (channel?.is_im) return "im";
  if (channel?.is_mpim) return "mpim";
  return channel?.is_private ? "group" : "channel";
}

/** Wraps an event as Slack does. `id` must be new for every event; `now` in ms. */
export function envelope(event: Json & { type: string }, id: string, now: number): Envelope {
  return {
    token: "local",
    team_id: WORKSPACE.team,
    context_team_id: WORKSPACE.team,
    context_enterprise_id: null,
    api_app_id: WORKSPACE.app,
    event,
    type: "event_callback",
    event_id: id,
    event_time: Math.floor(now / 1000),
    authorizations: [{ enterprise_id: null, team_id: WORKSPACE.team, user_id: WORKSPACE.bot, is_bot: true, is_enterprise_install: false }],
    is_ext_shared_channel: false,
    event_context: `4-${Buffer.from(JSON.stringify({ et: event.type, tid: WORKSPACE.team, aid: WORKSPACE.app })).toString("base64url")}`,
  };
}

/**
 * The events Slack sends for one event of the emulator, in order: itself with the fields it lacks, and `app_mention`
 * beside a message of a person that names the bot in a channel the bot is in. Nothing for what is not subscribed, or
 * for a channel the bot is not in.
 */
export function eventsFor(raw: unknown, channelOf: (id: string) => Channel | undefined): (Json & { type: string })[] {
  const event = isJson(raw) && isJson(raw.event) ? raw.event : undefined;
  const type = text(event?.type);
  if (!event || !SUBSCRIBED.has(type)) return [];
  if (type !== "message") return [{ ...event, type, event_ts: event.event_ts ?? event.ts }];
  const channel = channelOf(text(event.channel));
  if (!channel?.members.includes(WORKSPACE.bot)) return [];
  const ts = text(event.event_ts) || text(event.ts);
  const whole = { ...event, type, event_ts: ts, channel_type: channelType(channel), ...(event.subtype ? {} : { team: WORKSPACE.team }) };
  const mentions = !event.subtype && !event.bot_id && text(event.text).includes(`<@${WORKSPACE.bot}>`) && channelType(channel) !== "im";
  if (!mentions) return [whole];
  const { channel_type: _, ...mention } = whole;
  return [whole, { ...mention, type: "app_mention" }];
}
