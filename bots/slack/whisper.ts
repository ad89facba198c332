/** What errand says in Slack to one person alone, and what it asks Slack about them. Each call is made once. */
import * as z from "zod";
import type { Outcome } from "../surface.ts";
import type { SlackContent } from "./blocks.ts";
import { type Access, slackClient } from "./client.ts";
import { sortError } from "./errors.ts";

/** Where a person is spoken to: in a thread, or in the channel where `thread` is null. */
export type Ear = { channel: string; thread: string | null; user: string };

/** Slack's own address for answers to a click. Source: Slack's reference of interaction payloads. */
const ANSWERS = "https://hooks.slack.com/";
/** An answer to a click that takes longer than this, in ms, is left. */
const ANSWER_MS = 3_000;

const User = z.object({
  name: z.string().optional(),
  deleted: z.boolean().optional(),
  profile: z.object({ display_name: z.string().optional(), real_name: z.string().optional() }).optional(),
});

export type Whisper = {
  /** Says something that only this person sees. */
  say(to: Ear, content: SlackContent): Promise<Outcome>;
  /** Puts something in place of the message of ours that somebody clicked in. Whether Slack took it. */
  replace(responseUrl: string, content: SlackContent): Promise<boolean>;
  /** What Slack calls a person, and whether they are deactivated; null where it does not say, as without the scope `users:read`. */
  person(user: string): Promise<{ name: string; deleted: boolean } | null>;
  /** What Slack calls the workspace; null where it does not say. */
  workspace(): Promise<string | null>;
};

/** Speaks with a workspace's bot token. */
export function slackWhisper(options: Access & { token: string }): Whisper {
  const client = slackClient(options.token, options);
  const outer = options.fetch ?? ((...args: Parameters<typeof fetch>) => fetch(...args));
  /** A local Slack answers at its own address. */
  const answers = options.apiUrl === null ? ANSWERS : `${new URL(options.apiUrl).origin}/`;
  return {
    async say({ channel, thread, user }, content) {
      try {
        const place = thread === null ? {} : { thread_ts: thread };
        const { message_ts: ts } = await client.chat.postEphemeral({
          ...content,
          ...place,
          channel,
          user,
          parse: "none",
          link_names: false,
        });
        return { kind: "sent", id: ts ?? "" };
      } catch (error) {
        return sortError(error, "chat.postEphemeral");
      }
    },
    async replace(responseUrl, content) {
      // Signed by Slack with the click, and all the same nothing but Slack is called by it.
      if (!responseUrl.startsWith(answers)) return false;
      try {
        const answer = await outer(responseUrl, {
          method: "POST",
          redirect: "manual",
          headers: { "content-type": "application/json; charset=utf-8" },
          body: JSON.stringify({ ...content, replace_original: true }),
          signal: AbortSignal.timeout(ANSWER_MS),
        });
        await answer.body?.cancel();
        return answer.ok;
      } catch {
        return false;
      }
    },
    async person(user) {
      try {
        const parsed = User.parse((await client.users.info({ user })).user);
        const name = parsed.profile?.display_name || parsed.profile?.real_name || parsed.name;
        return name ? { name, deleted: parsed.deleted === true } : null;
      } catch {
        return null;
      }
    },
    async workspace() {
      try {
        return (await client.auth.test()).team ?? null;
      } catch {
        return null;
      }
    },
  };
}
