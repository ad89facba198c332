/** How a failed call to Slack is to be taken. Pure. Meanings are from the methods' error lists in Slack's reference. */
import { WebAPIHTTPError, WebAPIPlatformError, WebAPIRateLimitedError, WebAPIRequestError } from "@slack/web-api";
import type { Outcome } from "../surface.ts";
import { unreachedBy } from "../unreached.ts";
import { UnexpectedRedirect } from "./client.ts";

/** A failed write or look. */
export type Failed = Exclude<Outcome, { kind: "sent" }>;

/** Milliseconds to wait where Slack did not carry out a call and names no time. */
const PAUSE = 5_000;
const RATE_PAUSE = 30_000;

/** Slack says it did nothing, and that trying again can work. */
const LATER: Record<string, { ms: number; limited: boolean }> = {
  ratelimited: { ms: RATE_PAUSE, limited: true },
  rate_limited: { ms: RATE_PAUSE, limited: true },
  message_limit_exceeded: { ms: 60_000, limited: true },
  service_unavailable: { ms: PAUSE, limited: false },
  request_timeout: { ms: PAUSE, limited: false },
  team_added_to_org: { ms: 60_000, limited: false },
  accesslimited: { ms: 60_000, limited: false },
};

/** Of these Slack itself says that part of the call may have happened. */
const UNCLEAR = new Set(["internal_error", "fatal_error"]);

/** Our message cannot be edited any more; what it should say has to go into a new one. */
const NOT_EDITABLE = new Set(["message_not_found", "edit_window_closed", "cant_update_message"]);

const REINSTALL = "Install the Slack app again and put the new bot token into SLACK_BOT_TOKEN.";
/** What an operator can do about errors that trying again does not mend. */
const ACTIONS: Record<string, string> = {
  invalid_auth: REINSTALL,
  not_authed: "Set SLACK_BOT_TOKEN.",
  account_inactive: REINSTALL,
  token_revoked: REINSTALL,
  token_expired: REINSTALL,
  no_permission: REINSTALL,
  missing_scope: "Install the Slack app again from the current manifest, so that it gets the missing scope.",
  not_allowed_token_type: "SLACK_BOT_TOKEN has to be a bot token (it starts with xoxb-).",
  channel_not_found: "Invite errand to the channel; the channel may also have been deleted.",
  not_in_channel: "Invite errand to the channel.",
  is_archived: "The channel is archived. Bring it back to continue there.",
  thread_not_found: "The first message of the thread was deleted. Mention errand in a new message.",
  cannot_reply_to_message: "Slack does not take replies to this message. Mention errand in a new one.",
  restricted_action: "The workspace's settings forbid errand to post here. Ask an administrator of the workspace.",
  ekm_access_denied: "An administrator of the workspace has suspended posting.",
  team_access_not_granted: "Install the app in this workspace.",
  org_login_required: "The workspace is being moved to an organisation. Try again when that is done.",
  msg_too_long: "This is a fault of errand: please report it.",
  invalid_blocks: "This is a fault of errand: please report it.",
  unknown_method: "SLACK_API_URL does not point to Slack's Web API.",
};

function refused(code: string, detail = ""): Failed {
  const action = ACTIONS[code] ?? (code.startsWith("restricted_action") ? ACTIONS.restricted_action : undefined);
  return { kind: "refused", code, why: [`Slack refused: ${code}${detail}.`, action].filter(Boolean).join(" ") };
}

/** An answer of Slack's with `ok: false`. */
function sortAnswer(code: string, data: object, method: string): Failed {
  const later = LATER[code];
  if (later) return { kind: "wait", ms: later.ms, method: later.limited ? method : null, why: `Slack said ${code}` };
  if (UNCLEAR.has(code)) return { kind: "unknown", why: `Slack said ${code}` };
  if (method === "chat.update" && NOT_EDITABLE.has(code)) return { kind: "gone", why: `Slack said ${code}` };
  // Codes are words with underscores; anything else is a page of some machine on the way, and says nothing about the call.
  if (!/^[a-z][a-z0-9_-]{1,60}$/.test(code)) return { kind: "unknown", why: "the answer was not Slack's" };
  const needed = "needed" in data && typeof data.needed === "string" ? ` (needed: ${data.needed.slice(0, 200)})` : "";
  return refused(code, needed);
}

function sortConnection(error: Error): Failed {
  if (error instanceof UnexpectedRedirect) {
    return {
      kind: "refused",
      code: "redirect",
      why: `SLACK_API_URL answers with a redirect (${error.message}). Set the address it leads to.`,
    };
  }
  const code = unreachedBy(error);
  if (code !== null) return { kind: "wait", ms: PAUSE, method: null, why: `Slack could not be reached: ${code}` };
  return { kind: "unknown", why: `no answer from Slack: ${error.name === "TimeoutError" ? "timed out" : error.message.slice(0, 200)}` };
}

function codeOfBody(body: unknown): string | undefined {
  try {
    const parsed: unknown = typeof body === "string" ? JSON.parse(body) : body;
    if (typeof parsed !== "object" || parsed === null || !("error" in parsed) || !("ok" in parsed)) return undefined;
    return parsed.ok === false && typeof parsed.error === "string" ? parsed.error : undefined;
  } catch {
    return undefined;
  }
}

/** Sorts what a call of the client threw. `method` is the Web API method that was called. */
export function sortError(error: unknown, method: string): Failed {
  if (error instanceof WebAPIRateLimitedError) {
    return { kind: "wait", ms: Math.max(1, error.retryAfter) * 1000, method, why: `Slack limits ${method}` };
  }
  if (error instanceof WebAPIPlatformError) return sortAnswer(String(error.data.error), error.data, method);
  if (error instanceof WebAPIHTTPError) {
    const code = codeOfBody(error.body);
    if (code !== undefined) return sortAnswer(code, {}, method);
    // Without Slack's own word, an error of a server says nothing about what happened before it.
    if (error.statusCode >= 500) return { kind: "unknown", why: `Slack answered ${error.statusCode}` };
    return { kind: "refused", code: `http_${error.statusCode}`, why: `Slack answered ${error.statusCode}. Check SLACK_API_URL.` };
  }
  if (error instanceof WebAPIRequestError) return sortConnection(error.original);
  return { kind: "unknown", why: error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : "an unknown error" };
}
