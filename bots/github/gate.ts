/**
 * Who may have errand work in a repository: those who may write to it, by the endpoint that says so. What a payload says of its sender
 * (`author_association`) is never asked: it is computed without a viewer, and a member is no writer.
 */

import type { Octokit } from "@octokit/rest";
import * as z from "zod";
import { splitRepository } from "./client.ts";
import { saidBy, sortCall, statusOf } from "./errors.ts";
import type { Account } from "./events.ts";

/** A bot that may ask for work. Both have to fit: logins are given up and taken. */
export type AllowedBot = { login: string; id: number };

/** `refused` is final for this request; `unsettled`: nobody knows, so the request is to come again. `why` is for the log. */
export type Right = { kind: "granted" } | { kind: "refused"; why: string } | { kind: "unsettled"; why: string };

/** How long an answer holds, in ms. */
export const RIGHT_HOLDS_MS = 60_000;
/** Answers kept; beyond that the oldest go. */
const KEPT = 2_000;

/** Answers of the endpoint. Values, never promises: one request of a Worker must not wait for another's call. */
export type KnownRights = Map<string, { right: Exclude<Right, { kind: "unsettled" }>; until: number }>;

const shared: KnownRights = new Map();

/** `permission` is the base role: `write` includes `maintain`, `read` includes `triage`, and custom roles are reduced to one of these. */
const Answer = z.object({ permission: z.string(), user: z.object({ id: z.number() }).nullish() });
const WRITES = new Set(["admin", "write", "maintain"]);

export type RightPorts = {
  octokit: Octokit;
  /** `name`: `owner/name`. */
  repository: { id: number; name: string };
  allowedBots: readonly AllowedBot[];
  app: { slug: string; webUrl: string };
  /** Milliseconds before the call is given up. */
  timeoutMs: number;
  now: number;
  known?: KnownRights;
};

/**
 * Whether somebody may write to the repository. Closed where in doubt: only a plain yes of GitHub's grants it. Known for a minute a
 * repository and person.
 */
export async function rightOf(actor: Account, ports: RightPorts): Promise<Right> {
  const { repository, now } = ports;
  if (actor.type !== "User") {
    const listed = ports.allowedBots.some((bot) => bot.id === actor.id && bot.login.toLowerCase() === actor.login.toLowerCase());
    return listed
      ? { kind: "granted" }
      : { kind: "refused", why: `the sender is no person (${actor.type}), and not in GITHUB_ALLOWED_BOTS` };
  }
  const known = ports.known ?? shared;
  const key = `${ports.app.webUrl} ${repository.id} ${actor.id}`;
  const found = known.get(key);
  if (found && found.until > now) return found.right;
  const right = await ask(actor, ports);
  if (right.kind === "unsettled") return right;
  known.delete(key);
  known.set(key, { right, until: now + RIGHT_HOLDS_MS });
  for (const oldest of known.keys()) {
    if (known.size <= KEPT) break;
    known.delete(oldest);
  }
  return right;
}

async function ask(actor: Account, { octokit, repository, app, timeoutMs, now }: RightPorts): Promise<Right> {
  try {
    const { data } = await octokit.request("GET /repos/{owner}/{repo}/collaborators/{username}/permission", {
      ...splitRepository(repository.name),
      username: actor.login,
      request: { signal: AbortSignal.timeout(timeoutMs) },
    });
    const answer = Answer.safeParse(data);
    if (!answer.success) return { kind: "refused", why: "the answer about the sender's permission has another form than GitHub's" };
    const { permission, user } = answer.data;
    // A login that changed hands since the event names somebody else.
    if (user?.id !== actor.id) return { kind: "refused", why: "the sender's login is somebody else's by now, or nobody's" };
    return WRITES.has(permission) ? { kind: "granted" } : { kind: "refused", why: `the sender's permission is ${permission.slice(0, 20)}` };
  } catch (error) {
    const unsettled = sortCall(error, { app, repository: repository.name, write: false, now });
    const status = statusOf(error);
    if (unsettled.kind === "denied" && (status === 403 || status === 404))
      return { kind: "refused", why: `GitHub answered ${status}: ${saidBy(error)}` };
    return { kind: "unsettled", why: unsettled.why };
  }
}
