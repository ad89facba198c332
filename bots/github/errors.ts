/**
 * How a failed call to GitHub is to be taken: as the outcome of a write to a thread, or of a call about a repository. Pure.
 * Meanings are from GitHub's REST documentation: "Rate limits", "Best practices", "Troubleshooting".
 */
import type { Unsettled } from "../forge.ts";
import type { Outcome } from "../surface.ts";
import { unreachedBy } from "../unreached.ts";
import { WrongKey } from "./key.ts";

/** A failed write or look. */
export type Failed = Exclude<Outcome, { kind: "sent" }>;

/** What went wrong, before it is said for whom. */
type Trouble =
  | { kind: "limited"; ms: number }
  | { kind: "unreached"; why: string }
  /** No answer, or one that says nothing about what happened before it. */
  | { kind: "lost"; why: string }
  | { kind: "answered"; status: number; message: string; needed: string | null }
  | { kind: "settings"; why: string }
  /** Neither an answer nor a lost connection: an answer that could not be read, or a fault of ours. */
  | { kind: "odd"; why: string };

/** Milliseconds to wait where GitHub did not carry out a call and names no time. It asks for at least a minute after a secondary limit. */
const RATE_PAUSE = 60_000;
const PAUSE = 5_000;
/** GitHub's limits end within the hour; more is a clock that differs. */
const LONGEST_PAUSE = 65 * 60_000;

const LIMITED = /rate limit|abuse detection|submitted too quickly/i;

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
const inObject = (value: unknown, key: string): unknown => (isObject(value) && key in value ? Reflect.get(value, key) : undefined);
const short = (text: string) => text.replace(/\s+/g, " ").trim().slice(0, 300);

function header(answer: unknown, name: string): string | null {
  const value = inObject(inObject(answer, "headers"), name);
  return typeof value === "string" || typeof value === "number" ? String(value) : null;
}

/** Milliseconds to wait by `retry-after` (seconds or a date) or, when nothing is left, by `x-ratelimit-reset` (seconds since 1970); null where neither says. */
function pauseOf(answer: unknown, now: number): number | null {
  const after = header(answer, "retry-after");
  const reset =
    header(answer, "x-ratelimit-remaining") === "0" ? Number(header(answer, "x-ratelimit-reset") ?? Number.NaN) * 1000 : Number.NaN;
  const ms = after === null ? reset - now : /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - now;
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 1_000), LONGEST_PAUSE);
}

/** What the answer says went wrong: the message, and of a 422 what of each field. */
function messageOf(answer: unknown, fallback: string): string {
  const data = inObject(answer, "data");
  const message = inObject(data, "message");
  const errors = inObject(data, "errors");
  const details = Array.isArray(errors)
    ? errors.slice(0, 5).map((one: unknown) => {
        if (typeof one === "string") return one;
        const said = inObject(one, "message");
        return typeof said === "string"
          ? said
          : [inObject(one, "field"), inObject(one, "code")].filter((part) => typeof part === "string").join(" ");
      })
    : [];
  const text = [typeof message === "string" ? message : typeof data === "string" ? "" : fallback, ...details].filter((part) => part !== "");
  return short(text.join(": "));
}

function troubleOf(error: unknown, now: number): Trouble {
  if (error instanceof WrongKey) return { kind: "settings", why: error.message };
  const name = inObject(error, "name");
  const answer = inObject(error, "response");
  if (name === "GraphqlResponseError") {
    const first: unknown = [inObject(error, "errors")].flat()[0];
    const message = short(String(inObject(first, "message") ?? "the query failed"));
    const type = inObject(first, "type");
    if (type === "RATE_LIMITED" || LIMITED.test(message))
      return { kind: "limited", ms: pauseOf({ headers: inObject(error, "headers") }, now) ?? RATE_PAUSE };
    return { kind: "answered", status: type === "NOT_FOUND" ? 404 : type === "FORBIDDEN" ? 403 : 422, message, needed: null };
  }
  const status = inObject(error, "status");
  if (name === "HttpError" && typeof status === "number" && isObject(answer)) {
    const message = messageOf(answer, `GitHub answered ${status}`);
    const pause = pauseOf(answer, now);
    if (status === 429 || ((status === 403 || status === 422) && (LIMITED.test(message) || (status === 403 && pause !== null)))) {
      return { kind: "limited", ms: pause ?? RATE_PAUSE };
    }
    // 503 with a time to come back at is a refusal; every other error of a server says nothing about what happened before it.
    if (status >= 500)
      return pause !== null && status === 503 ? { kind: "limited", ms: pause } : { kind: "lost", why: `GitHub answered ${status}` };
    return { kind: "answered", status, message, needed: header(answer, "x-accepted-github-permissions") };
  }
  if (!(error instanceof Error)) return { kind: "odd", why: "an unknown error" };
  const code = unreachedBy(error);
  if (code !== null) return { kind: "unreached", why: `GitHub could not be reached: ${code}` };
  const timedOut = [error, error.cause].some((one) => inObject(one, "name") === "TimeoutError" || inObject(one, "name") === "AbortError");
  if (name !== "HttpError" && !timedOut)
    return { kind: "odd", why: `GitHub's answer could not be used: ${short(`${error.name}: ${error.message}`)}` };
  return { kind: "lost", why: timedOut ? "no answer from GitHub: timed out" : `no answer from GitHub: ${short(error.message)}` };
}

/** Why a call that GitHub answered with a refusal was refused, and what a person can do. `repository`: `owner/name`, where the call was about one. */
function wordsFor(
  trouble: Extract<Trouble, { kind: "answered" }>,
  app: { slug: string; webUrl: string },
  repository: string | null,
): string {
  const { status, message } = trouble;
  const where = repository ?? "the repository";
  const settings = `${app.webUrl}/apps/${app.slug}/installations/new`;
  if (/suspended/i.test(message))
    return `The installation of the ${app.slug} App for ${where} is suspended. Its owner can take that back at ${settings}.`;
  if (/archived/i.test(message)) return `${where} is archived, so nothing can be written to it. Take it out of the archive to go on.`;
  if (/locked/i.test(message)) return "The conversation is locked, and errand may not write there. Unlock it to go on.";
  if (/without [`'"]?workflows?[`'"]? permission/i.test(message)) return workflowWords(app.slug);
  if (status === 401)
    return "GitHub does not take errand's credentials. Check GITHUB_APP_ID and GITHUB_PRIVATE_KEY, and the clock of this machine.";
  if (status === 403 || (status === 422 && /permissions? requested/i.test(message))) {
    const needed = trouble.needed ? ` (needed: ${short(trouble.needed)})` : "";
    return `The ${app.slug} App may not do this on ${where}${needed}: ${message}. Its owner can accept the App's newest permissions at ${settings}.`;
  }
  if (status === 404)
    return `GitHub shows errand nothing here: ${where} or what was asked of it does not exist, or the ${app.slug} App is not installed on it. Install it at ${settings}.`;
  if (status === 410) return `This was deleted or switched off in ${where}: ${message}.`;
  if (status === 451) return `GitHub has blocked ${where} for legal reasons.`;
  return `GitHub refused (${status}): ${message}.`;
}

/** What is said where the App is not installed on the repository. */
export const notInstalled = (repository: string, app: { slug: string; webUrl: string }): string =>
  `The ${app.slug} App is not installed on ${repository}. Somebody who owns the repository can install it at ${app.webUrl}/apps/${app.slug}/installations/new and choose the repository there.`;

/** What is said where a push changed files under `.github/workflows/`, which GitHub takes from Apps with that permission only. */
const workflowWords = (slug: string): string =>
  `GitHub does not let the ${slug} App change files under .github/workflows/. Apply that part by hand, or give the App the permission "Workflows: write".`;

/** The call a failure is sorted for. `write`: it may have changed something even if no answer came. */
export type Call = { app: { slug: string; webUrl: string }; repository: string | null; write: boolean; now: number };

/** Sorts what a call about a repository threw. What is neither an answer nor a lost connection has failed. */
export function sortCall(error: unknown, call: Call): Unsettled {
  const trouble = troubleOf(error, call.now);
  switch (trouble.kind) {
    case "limited":
      return { kind: "wait", ms: trouble.ms, why: "GitHub limits how much errand may do in a while" };
    case "unreached":
      return { kind: "wait", ms: PAUSE, why: trouble.why };
    case "lost":
      // What only reads can be done again without looking.
      return call.write ? { kind: "failed", why: trouble.why } : { kind: "wait", ms: PAUSE, why: trouble.why };
    case "odd":
      return { kind: "failed", why: trouble.why };
    case "settings":
      return { kind: "denied", why: trouble.why };
    case "answered":
      return { kind: "denied", why: wordsFor(trouble, call.app, call.repository) };
  }
}

/** Sorts what a write to a thread threw. `method` names the limit it counts against; `edits`: it changes a message of ours, which can be gone. */
export function sortWrite(error: unknown, call: Omit<Call, "write">, method: string, edits: boolean): Failed {
  const trouble = troubleOf(error, call.now);
  switch (trouble.kind) {
    case "limited":
      return { kind: "wait", ms: trouble.ms, method, why: "GitHub limits how much errand may write in a while" };
    case "unreached":
      return { kind: "wait", ms: PAUSE, method: null, why: trouble.why };
    case "lost":
    case "odd":
      return { kind: "unknown", why: trouble.why };
    case "settings":
      return { kind: "refused", code: "settings", why: trouble.why };
    case "answered":
      if (edits && (trouble.status === 404 || trouble.status === 410)) return { kind: "gone", why: `GitHub answered ${trouble.status}` };
      return { kind: "refused", code: `http_${trouble.status}`, why: wordsFor(trouble, call.app, call.repository) };
  }
}

/** The status GitHub answered with; null where the error is no answer of GitHub's. */
export function statusOf(error: unknown): number | null {
  const status = inObject(error, "status");
  return inObject(error, "name") === "HttpError" && typeof status === "number" && isObject(inObject(error, "response")) ? status : null;
}

/** What GitHub said with a refusal, in one line; empty where the error is no answer of GitHub's. */
export function saidBy(error: unknown): string {
  return statusOf(error) === null ? "" : messageOf(inObject(error, "response"), "");
}
