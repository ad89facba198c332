/** The pages: the list of sessions, a session, and the forms on them, which work without a script too. */
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { CreateSession, FromClient } from "../../protocol/client.ts";
import type { NumberedEvent } from "../../protocol/events.ts";
import { AS_ADMIN_MS, confirmAsAdmin } from "../auth/as-admin.ts";
import { may, mayPage, tellOf } from "../auth/doors.ts";
import { signedInPage } from "../auth/guard.ts";
import { visibleSessions } from "../auth/visible.ts";
import { listPage } from "../pages/list.tsx";
import type { Reach } from "../pages/openings.tsx";
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
  const status = ([400, 403, 404] as const).find((known) => known === answer.status) ?? 503;
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
  const [snapshot, use] = await Promise.all([agent.snapshot(), agent.modelUse()]);
  if (!snapshot) return null;
  const { n, view } = snapshot;
  const from = after ?? Math.max(0, n - STEPS_LOOKED_AT);
  const steps =
    n > from ? ((await agent.eventsAfter(from, after === undefined ? STEPS_LOOKED_AT : STEPS_PER_REFRESH)) as NumberedEvent[]) : [];
  return { session, view, n, steps, from: from + 1, to: steps.at(-1)?.n ?? from, use: use?.session ?? null, now: Date.now() };
}

export const pageRoutes = routes();

pageRoutes.get("/", signedInPage, async (c) => listPage(c, await visibleSessions(c), newPageId(), Date.now()));

pageRoutes.post("/", signedInPage, limited, async (c) => {
  const { id, text, ...options } = await fieldsOf(c);
  const parsed = CreateSession.safeParse({ id, text: text ?? "", options });
  if (!parsed.success) return problemPage(c, 400, "That did not work", parsed.error.issues.map((issue) => issue.message).join("; "));
  const started = await startSession(c, parsed.data);
  return started.ok ? c.redirect(`/s/${started.id}`, 303) : asPage(c, started.answer);
});

const reachOf = ({ var: { rights } }: AppContext): Reach => ({ drive: rights.decide("drive"), watch: rights.decide("watch") });

pageRoutes.get("/s/:id", mayPage("see"), async (c) => {
  const id = c.req.param("id");
  const agent = agentOf(c.env, id);
  const all = agent && (await shown(agent, id, undefined));
  return all ? sessionPage(c, all, c.var.rights.decide("prompt"), reachOf(c)) : noSessionPage(c);
});

const After = z.coerce.number().int().nonnegative().catch(0);

/** The changing part of a session's page. `after`: the number up to which the page has the steps. */
pageRoutes.get("/s/:id/fragment", may("see"), async (c) => {
  const id = c.req.param("id");
  const agent = agentOf(c.env, id);
  const changed = agent && (await shown(agent, id, After.parse(c.req.query("after"))));
  return changed ? sessionFragment(c, changed, reachOf(c)) : noSuchSession(c);
});

/** The forms of a session's page. A form without an id, as one sent without the script, gets one: it can't be told from a second one. */
pageRoutes.post("/s/:id/say", mayPage("prompt"), limited, async (c) => {
  const session = c.req.param("id");
  const { turn, ...fields } = await fieldsOf(c);
  const parsed = FromClient.safeParse({ id: crypto.randomUUID(), ...fields, ...(turn === undefined ? {} : { turn: Number(turn) }) });
  if (!parsed.success) return problemPage(c, 400, "That did not work", parsed.error.issues.map((issue) => issue.message).join("; "));
  const taken = await sayTo(c, session, parsed.data);
  return taken.ok ? c.redirect(`/s/${session}`, 303) : asPage(c, taken.answer);
});

/** An admin says that they open a session that is not theirs, and why. */
pageRoutes.post("/s/:id/as-admin", signedInPage, limited, async (c) => {
  const session = c.req.param("id");
  const { identity } = c.var;
  if (identity.role !== "admin") return problemPage(c, 403, "You may not do that", "Only admins of this errand may.");
  if (!(await agentOf(c.env, session)?.whose())) return noSessionPage(c);
  const { why = "" } = await fieldsOf(c);
  if (why.trim() === "") return problemPage(c, 400, "Say why", "What stands in the audit log needs a reason. Go back and give one.");
  const until = Date.now() + AS_ADMIN_MS;
  await tellOf(c, { action: "admin.confirmed", target: `session:${session}`, detail: { why: why.trim().slice(0, 200), until } });
  await confirmAsAdmin(c, identity, session, until);
  return c.redirect(`/s/${session}`, 303);
});
