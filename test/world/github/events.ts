/** The emulator's events to GitHub's: the right kind of event, and the fields it leaves out. Pure. */
import { type Known, present } from "./present.ts";
import type { Json } from "./records.ts";

/** An event to be told. */
export interface Told {
  event: string;
  payload: Json;
}

/** What the call that caused an event said, and what it changed. */
export interface Cause {
  body: Json;
  before: { title?: string; body?: string | null } | undefined;
}

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

/** `changes` of an edit: what was there before, for each text that is another one now. */
export function changesOf(before: Cause["before"], subject: Json): Json {
  const changes: Json = {};
  for (const key of ["title", "body"] as const) {
    if (before && key in before && before[key] !== subject[key]) changes[key] = { from: before[key] ?? "" };
  }
  return changes;
}

/** What GitHub would tell where the emulator told this. `labelOf` finds a label's whole form. */
export function repairEvent(
  known: Known,
  event: string,
  raw: unknown,
  cause: Cause,
  labelOf: (repo: Json, name: string) => Json | null,
): Told[] {
  if (!isJson(raw)) return [];
  const payload = present(known, raw);
  if (!isJson(payload)) return [];
  const repo = isJson(payload.repository) ? payload.repository : {};
  if (isJson(payload.label)) payload.label = labelOf(repo, String(payload.label.name)) ?? payload.label;
  if (event === "issues" && isJson(payload.issue) && payload.issue.head) {
    const { issue, ...rest } = payload;
    return [{ event: "pull_request", payload: { ...rest, number: issue.number, pull_request: issue } }];
  }
  if (payload.action === "edited") {
    const subject = payload.comment ?? payload.review ?? payload.pull_request ?? payload.issue;
    payload.changes = isJson(subject) ? changesOf(cause.before, subject) : {};
  }
  if (event === "pull_request" && isJson(payload.pull_request)) {
    payload.number = payload.pull_request.number;
    if (payload.action === "review_requested") {
      const asked = Array.isArray(cause.body.reviewers) ? cause.body.reviewers : [];
      const reviewers = Array.isArray(payload.pull_request.requested_reviewers) ? payload.pull_request.requested_reviewers : [];
      return reviewers
        .filter((one) => isJson(one) && asked.includes(one.login))
        .map((one) => ({ event, payload: { ...payload, requested_reviewer: one } }));
    }
  }
  return [{ event, payload }];
}
