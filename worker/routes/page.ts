/** The pages: the list of sessions, a session, and the forms on them, which work without a script too. */
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { CreateSession, FromClient } from "../../protocol/client.ts";
import type { NumberedEvent } from "../../protocol/events.ts";
import { ownerOnly, ownerOnlyPage } from "../auth/guard.ts";
import { listSessions } from "../db/registry.ts";
import { listPage } from "../pages/list.tsx";
import { noSessionPage, problemPage } from "../pages/problem.tsx";
import { type Shown, sessionFragment, sessionPage } from "../pages/session.tsx";
import { MAX_BODY, newPageId, sayTo, startSession } from "./api.ts";
import { type Agent, type AppContext, agentOf, routes } from "./app.ts";
import { noSuchSession } from "./errors.ts";

/** Events looked at for the steps on a page just opened, newest first; older ones are in the log. */
const STEPS_LOOKED_AT = 600;
/** Events looked at for one refresh of a page. */
const STEPS_PER_REFRESH = 200;

/** What the pages say of an error that the API would answer as JSON. */
async function asPage(c: AppContext, answer: Response): Promise<Response> {
  const parsed = z.object({ error: z.object({ message: z.string() }) }).safeParse(await answer.json());
  const status = answer.status === 400 ? 400 : answer.status === 404 ? 404 : 503;
  return problemPage(c, status, "That did not work", parsed.data?.error.message ?? "The request was not taken.", "Go back and try again.");
}

/** A form's fields as text, without the empty ones: an empty field is one not filled in. */
async function fieldsOf(c: AppContext): Promise<Record<string, string>> {
  const form = await c.req.parseBody();
  return Object.fromEntries(
    Object.entries(form).filter((entry): entry is [string, string] => typeof entry[1] === "string" && entry[1] !== ""),
  );
}

const limited = bodyLimit({
  maxSize: MAX_BODY,
  onError: (c) => problemPage(c as AppContext, 413, "Too long", `A form may have at most ${MAX_BODY} bytes.`),
});

async function shown(agent: Agent, session: string, after: number | undefined): Promise<Shown | null> {
  const snapshot = await agent.snapshot();
  if (!snapshot) return null;
  const { n, view } = snapshot;
  const from = after ?? Math.max(0, n - STEPS_LOOKED_AT);
  const steps =
    n > from ? ((await agent.eventsAfter(from, after === undefined ? STEPS_LOOKED_AT : STEPS_PER_REFRESH)) as NumberedEvent[]) : [];
  return { session, view, n, steps, from: from + 1, to: steps.at(-1)?.n ?? from, now: Date.now() };
}

export const pageRoutes = routes();

pageRoutes.get("/", ownerOnlyPage, async (c) => listPage(c, await listSessions(c.env.DB), newPageId(), Date.now()));

pageRoutes.post("/", ownerOnlyPage, limited, async (c) => {
  const { id, text, ...options } = await fieldsOf(c);
  const parsed = CreateSession.safeParse({ id, text: text ?? "", options });
  if (!parsed.success) return problemPage(c, 400, "That did not work", parsed.error.issues.map((issue) => issue.message).join("; "));
  const started = await startSession(c, parsed.data);
  return started.ok ? c.redirect(`/s/${started.id}`, 303) : asPage(c, started.answer);
});

pageRoutes.get("/s/:id", ownerOnlyPage, async (c) => {
  const id = c.req.param("id");
  const agent = agentOf(c.env, id);
  const all = agent && (await shown(agent, id, undefined));
  return all ? sessionPage(c, all) : noSessionPage(c);
});

const After = z.coerce.number().int().nonnegative().catch(0);

/** The changing part of a session's page. `after`: the number up to which the page has the steps. */
pageRoutes.get("/s/:id/fragment", ownerOnly, async (c) => {
  const id = c.req.param("id");
  const agent = agentOf(c.env, id);
  const changed = agent && (await shown(agent, id, After.parse(c.req.query("after"))));
  return changed ? sessionFragment(c, changed) : noSuchSession(c);
});

/** The forms of a session's page. A form without an id, as one sent without the script, gets one: it can't be told from a second one. */
pageRoutes.post("/s/:id/say", ownerOnlyPage, limited, async (c) => {
  const session = c.req.param("id");
  const { turn, ...fields } = await fieldsOf(c);
  const parsed = FromClient.safeParse({ id: crypto.randomUUID(), ...fields, ...(turn === undefined ? {} : { turn: Number(turn) }) });
  if (!parsed.success) return problemPage(c, 400, "That did not work", parsed.error.issues.map((issue) => issue.message).join("; "));
  const taken = await sayTo(c, session, parsed.data);
  return taken.ok ? c.redirect(`/s/${session}`, 303) : asPage(c, taken.answer);
});
