/** Writes messages into Slack threads, once per call, and says truthfully how it ended. */
import type { WebClient } from "@slack/web-api";
import * as z from "zod";
import { parseThreadKey, type Thread } from "../../protocol/thread.ts";
import type { Content, Found, Outcome, Pace, Surface } from "../surface.ts";
import type { SlackContent } from "./blocks.ts";
import { type Access, slackClient } from "./client.ts";
import { sortError } from "./errors.ts";
import { hasNewBlocks, withoutNewBlocks } from "./fallback.ts";
import { renderSlack } from "./render.ts";

/** Marks our messages, so that a post whose answer was lost can be found again. Visible to every app of the workspace. */
const EVENT_TYPE = "errand_message";
/** How far Slack's clock may be behind ours, in ms. */
const SKEW = 60_000;
/** Replies asked for at once, and how many times: a thread of 4,000 replies is searched whole. */
const PAGE = 200;
const PAGES = 20;

const METHOD = { post: "chat.postMessage", edit: "chat.update", find: "conversations.replies" } as const;

const Marked = z.object({
  ts: z.string(),
  metadata: z.object({ event_type: z.literal(EVENT_TYPE), event_payload: z.object({ key: z.string() }) }),
});
const NotBlocks = z.object({ code: z.literal("slack_webapi_platform_error"), data: z.object({ error: z.literal("invalid_blocks") }) });
const IsContent = z.custom<SlackContent>(
  (value) => typeof value === "object" && value !== null && "text" in value && typeof value.text === "string" && "blocks" in value,
);

type Place = Extract<Thread, { surface: "slack" }>;

/** The place of a thread. Throws for one of another surface, which is a fault in the caller. */
function placeOf(thread: string): Place {
  const place = parseThreadKey(thread);
  if (place?.surface !== "slack") throw new Error(`${thread} is not a Slack thread`);
  return place;
}

/** Slack's own guidance is an edit about every 3 s; text in progress may be slower the longer a turn takes. */
function pace(elapsed: number): Pace {
  return { gap: 3_000, trailing: elapsed < 60_000 ? 5_000 : elapsed < 600_000 ? 10_000 : 30_000 };
}

/** Errand's Slack, speaking with a workspace's bot token. Makes each call once; waiting and trying again are the caller's. */
export function slackSurface(options: Access & { token: string }): Surface {
  const client = slackClient(options.token, options);
  // Learnt when Slack refuses such a block; forgotten with the isolate, which costs one refused call.
  let oldBlocks = false;

  /** Runs a write; where Slack does not know the new blocks, once more without them. */
  async function write(method: string, content: Content, call: (content: SlackContent) => Promise<{ ts?: string }>): Promise<Outcome> {
    const full = IsContent.parse(content);
    const sent = async (what: SlackContent): Promise<Outcome> => {
      const { ts } = await call(what);
      return ts ? { kind: "sent", id: ts } : { kind: "unknown", why: "Slack's answer names no message" };
    };
    try {
      return await sent(oldBlocks ? withoutNewBlocks(full) : full);
    } catch (error) {
      if (oldBlocks || !hasNewBlocks(full) || !NotBlocks.safeParse(error).success) return sortError(error, method);
    }
    try {
      const outcome = await sent(withoutNewBlocks(full));
      oldBlocks = true;
      return outcome;
    } catch (error) {
      return sortError(error, method);
    }
  }

  return {
    name: "slack",
    // A thread has no place beside a commit.
    shows: (kind) => kind !== "status",
    pace,
    render: renderSlack,
    budget({ thread }, kind) {
      const { team, channel } = placeOf(thread);
      return { workspace: `slack:${team}`, method: METHOD[kind], channel };
    },
    post({ thread }, key, content) {
      const { channel, ts } = placeOf(thread);
      return write(METHOD.post, content, (what) =>
        client.chat.postMessage({ ...what, ...common(key), channel, thread_ts: ts, unfurl_links: false, unfurl_media: false }),
      );
    },
    edit({ thread }, id, key, content) {
      const { channel } = placeOf(thread);
      return write(METHOD.edit, content, (what) => client.chat.update({ ...what, ...common(key), channel, ts: id }));
    },
    find: ({ thread }, key, since) => find(client, placeOf(thread), key, since),
  };
}

/** Names in plain text are not looked up, so `@here` in an answer stays text. */
const common = (key: string) => ({
  metadata: { event_type: EVENT_TYPE, event_payload: { key } },
  parse: "none" as const,
  link_names: false,
});

async function find(client: WebClient, { channel, ts }: Place, key: string, since: number): Promise<Found> {
  let cursor: string | undefined;
  const oldest = (Math.max(0, since - SKEW) / 1000).toFixed(6);
  for (let page = 0; page < PAGES; page += 1) {
    try {
      const answer = await client.conversations.replies({
        channel,
        ts,
        oldest,
        inclusive: true,
        include_all_metadata: true,
        limit: PAGE,
        ...(cursor ? { cursor } : {}),
      });
      for (const message of answer.messages ?? []) {
        const marked = Marked.safeParse(message);
        if (marked.success && marked.data.metadata.event_payload.key === key) return { kind: "found", id: marked.data.ts };
      }
      cursor = answer.response_metadata?.next_cursor;
      if (!cursor) return { kind: "absent" };
    } catch (error) {
      const failed = sortError(error, METHOD.find);
      return failed.kind === "gone" ? { kind: "absent" } : failed;
    }
  }
  return { kind: "unknown", why: `more than ${PAGE * PAGES} replies since then; the rest of the thread was not searched` };
}
