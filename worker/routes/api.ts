/** The API for programs and for the session page: sessions, messages in, events out. */
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { CreateSession, EVENTS_PER_FRAME, FromClient } from "../../protocol/client.ts";
import type { Person } from "../../protocol/request.ts";
import { base32, sessionIdOf, threadKey } from "../../protocol/thread.ts";
import type { View } from "../../protocol/view.ts";
import { may, mayBegin, mayPrompt, type Rights, refusal } from "../auth/doors.ts";
import { signedIn } from "../auth/guard.ts";
import { visibleSessions } from "../auth/visible.ts";
import { linksOf } from "../session/messages.ts";
import { viewerQuery } from "../session/viewers.ts";
import { type Agent, type App, type AppContext, agentOf, isUpgrade, routes, upgradeFor } from "./app.ts";
import { invalid, noSuchSession, problem } from "./errors.ts";
import { emptiness, opening, said } from "./said.ts";
import { eventStream } from "./stream.ts";

/** The largest body taken, in bytes. */
export const MAX_BODY = 256 * 1024;
/** The most events in one JSON answer. */
const MAX_EVENTS = 1_000;

const number = z.coerce.number({ error: "must be a whole number from 0" }).int().nonnegative();
const EventsQuery = z.object({
  after: number.optional(),
  limit: z.coerce
    .number({ error: `must be a whole number from 1 to ${MAX_EVENTS}` })
    .int()
    .min(1)
    .max(MAX_EVENTS)
    .optional(),
});

const jsonOnly: MiddlewareHandler<App> = async (c, next) => {
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") return problem(c, 415, "not_json", "Send the body as `content-type: application/json`.");
  await next();
};

const limited = bodyLimit({
  maxSize: MAX_BODY,
  onError: (c) => problem(c as AppContext, 413, "too_large", `A body may have at most ${MAX_BODY} bytes.`, { limit: MAX_BODY }),
});

/** The body by a schema, or the answer that says what is wrong with it. */
async function bodyOf<T extends z.ZodType>(
  c: AppContext,
  schema: T,
): Promise<{ ok: true; body: z.output<T> } | { ok: false; answer: Response }> {
  let json: unknown;
  try {
    json = await c.req.json();
  } catch {
    return { ok: false, answer: problem(c, 400, "not_json", "The body is not JSON.") };
  }
  const parsed = schema.safeParse(json);
  return parsed.success ? { ok: true, body: parsed.data } : { ok: false, answer: invalid(c, parsed.error) };
}

/** A new id for a session started without one. */
export const newPageId = (): string => base32(crypto.getRandomValues(new Uint8Array(16)));

/** What came of a request that an object took or could not take. */
async function accept(c: AppContext, agent: Agent, request: Parameters<Agent["accept"]>[0]) {
  try {
    return { ok: true as const, ...(await agent.accept(request)) };
  } catch (error) {
    console.error("api: request not stored", error instanceof Error ? error.message : "unknown");
    return {
      ok: false as const,
      answer: problem(c, 503, "not_stored", "The request could not be stored. Send it again with the same id."),
    };
  }
}

/**
 * Starts a session, or finds it started. Without a first prompt it exists and waits for one. Shared by the API and the
 * form on the list page.
 */
export async function startSession(c: AppContext, wanted: CreateSession) {
  const { SESSION_KEY, PUBLIC_ORIGIN } = c.var.settings;
  if (SESSION_KEY === null)
    return { ok: false as const, answer: problem(c, 503, "not_set_up", "SESSION_KEY is not set, so sessions can't be named.") };
  const pageId = wanted.id ?? newPageId();
  const id = await sessionIdOf(threadKey({ surface: "page", id: pageId }), SESSION_KEY);
  const agent = agentOf(c.env, id);
  if (!agent) throw new Error("a session id has not the form of one");
  // Somebody else's session may have this name: then it is theirs to say who prompts it.
  const whose = await agent.whose();
  const { DEFAULT_REPOSITORY } = c.var.settings;
  const named = wanted.options?.repository;
  // A session without a workspace goes where its next prompt says: the right to this one is none to that repository.
  const refused =
    (whose && (await mayPrompt(c, id, whose))) ?? (whose && named === undefined ? null : await mayBegin(c, named ?? DEFAULT_REPOSITORY));
  if (refused) return { ok: false as const, answer: refusal(c, refused), refused };
  const accepted = await accept(c, agent, opening(pageId, wanted.text ?? "", wanted.options ?? {}, c.var.person, Date.now()));
  return accepted.ok ? { ...accepted, id, url: linksOf(PUBLIC_ORIGIN ?? "", id).session } : accepted;
}

/**
 * Who says it. An ask is for whoever asked for its turn, wherever that was: who has that account linked answers as it.
 */
function speaker(message: FromClient, view: View, { person, rights }: { person: Person; rights: Rights }): Person {
  if (message.t !== "answer") return person;
  const asked = view.turns.find((turn) => turn.asks.some((ask) => ask.id === message.ask));
  return asked && rights.people.includes(asked.who.id) ? { ...person, id: asked.who.id } : person;
}

/** Hands a message to a session, or answers why not. Shared by the API and the forms of the session page. */
export async function sayTo(c: AppContext, id: string, message: FromClient) {
  const lacks = emptiness(message);
  if (lacks !== null) return { ok: false as const, answer: problem(c, 400, "invalid", lacks) };
  const agent = agentOf(c.env, id);
  const snapshot = await agent?.snapshot();
  if (!agent || !snapshot) return { ok: false as const, answer: noSuchSession(c) };
  return accept(c, agent, said(message, snapshot.view.thread, speaker(message, snapshot.view, c.var), Date.now()));
}

export const apiRoutes = routes();
apiRoutes
  .get("/api/sessions", signedIn, async (c) => {
    const listed = await visibleSessions(c);
    if (!listed.rows) return problem(c, 503, "no_registry", listed.why);
    const origin = c.var.settings.PUBLIC_ORIGIN ?? "";
    const sessions = listed.rows.map((row) => ({ ...row, url: linksOf(origin, row.id).session }));
    return c.json({ sessions, ...(listed.gap === null ? {} : { gap: listed.gap }) });
  })
  .post("/api/sessions", signedIn, jsonOnly, limited, async (c) => {
    const parsed = await bodyOf(c, CreateSession);
    if (!parsed.ok) return parsed.answer;
    const started = await startSession(c, parsed.body);
    if (!started.ok) return started.answer;
    const { id, url, status, why } = started;
    c.header("location", `/api/sessions/${id}`);
    return c.json({ id, url, status, why }, 201);
  })
  .get("/api/sessions/:id", may("see"), async (c) => {
    const id = c.req.param("id");
    const agent = agentOf(c.env, id);
    const [snapshot, model] = await Promise.all([agent?.snapshot(), agent?.modelUse()]);
    if (!snapshot) return noSuchSession(c);
    return c.json({ id, links: linksOf(c.var.settings.PUBLIC_ORIGIN ?? "", id), n: snapshot.n, view: snapshot.view, model });
  })
  .post("/api/sessions/:id/messages", may("prompt"), jsonOnly, limited, async (c) => {
    const parsed = await bodyOf(c, FromClient);
    if (!parsed.ok) return parsed.answer;
    const taken = await sayTo(c, c.req.param("id"), parsed.body);
    return taken.ok ? c.json({ status: taken.status, why: taken.why }, taken.status === "accepted" ? 202 : 200) : taken.answer;
  })
  .get("/api/sessions/:id/events", may("see"), async (c) => {
    const agent = agentOf(c.env, c.req.param("id"));
    if (!agent) return noSuchSession(c);
    const { headers } = c.req.raw;
    // A browser's EventSource comes back to the address it began with; what it has seen since stands in the header.
    const after = headers.get("last-event-id") || c.req.query("after") || undefined;
    const query = EventsQuery.safeParse({ after, limit: c.req.query("limit") });
    if (!query.success) return invalid(c, query.error);
    const { limit = EVENTS_PER_FRAME } = query.data;
    const from: [string, string][] = query.data.after === undefined ? [] : [["after", String(query.data.after)]];
    const viewer = `/viewer?${new URLSearchParams([...from, ...(c.var.rights.viewer ? viewerQuery(c.var.rights.viewer) : [])])}`;
    if (isUpgrade(headers)) return agent.fetch(upgradeFor(viewer, headers));
    if (headers.get("accept")?.includes("text/event-stream")) {
      const answer = await agent.fetch(upgradeFor(viewer, new Headers({ upgrade: "websocket" })));
      return answer.webSocket ? eventStream(answer.webSocket) : noSocket(c, answer);
    }
    if (!(await agent.snapshot())) return noSuchSession(c);
    return c.json({ events: await agent.eventsAfter(query.data.after ?? 0, limit) });
  })
  .all("/api/*", signedIn, (c) => problem(c, 404, "no_such_route", `There is no ${c.req.method} ${c.req.path}.`));

/** The object took no viewer: unknown session, or too many of them. */
function noSocket(c: AppContext, answer: Response): Response {
  if (answer.status === 404) return noSuchSession(c);
  if (answer.status === 429) return problem(c, 429, "too_many_viewers", "This session has as many viewers as it can take.");
  return problem(c, 503, "no_stream", "The session gave no stream. Try again.");
}
