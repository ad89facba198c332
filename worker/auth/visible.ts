/** The sessions that somebody may see, for a list. */
import { listSessions, SESSIONS_LISTED, sessionsOf } from "../db/registry.ts";
import type { SessionRow } from "../db/schema.ts";
import type { AppContext } from "../routes/app.ts";
import { saidAsAdmin } from "./as-admin.ts";
import { askerOf, tellOf } from "./doors.ts";
import { onForge } from "./facts.ts";
import { mayThey } from "./rights.ts";

/** Rows looked at for somebody who need not see all of them. */
const LOOKED_AT = 400;
/** Repositories that the forge is asked about for one list, and how many at once. */
const MOST_ASKED = 40;
const AT_ONCE = 8;

/** `gap`: what is left out of the list beyond what the person may not see, in words; null where nothing is. */
export type Visible = { rows: SessionRow[]; gap: string | null } | { rows: null; why: string };

/** The newest sessions that the person of the request may see. All of them for an admin who says so, which is told. */
export async function visibleSessions(c: AppContext): Promise<Visible> {
  const { identity, settings } = c.var;
  const asAdmin = identity.role === "admin" && (await saidAsAdmin(c, identity, null, Date.now())) !== null;
  if (identity.userId === null || asAdmin) {
    if (identity.userId !== null) await tellOf(c, { action: "admin.used", target: "sessions", detail: { right: "see" } });
    const listed = await listSessions(c.env.DB);
    return listed.rows ? { rows: listed.rows, gap: null } : listed;
  }
  const listed = await listSessions(c.env.DB, LOOKED_AT);
  if (!listed.rows) return listed;
  const asker = await askerOf(c);
  const mine = await sessionsOf(
    c.env.DB,
    asker.people,
    listed.rows.map(({ id }) => id),
  );
  // Rows of one repository are decided one after the other, so that the forge is asked about it once.
  const groups = new Map<string, SessionRow[]>();
  for (const row of listed.rows) {
    const name = onForge(row.repository, settings)?.toLowerCase() ?? "";
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  const asked = [...groups.values()].slice(0, MOST_ASKED);
  const shown = new Set<string>();
  let unknown = groups.size > asked.length;
  const decide = async (row: SessionRow): Promise<void> => {
    const members = mine.has(row.id) ? asker.people.slice(0, 1) : [];
    const whose = { thread: row.thread, repository: row.repository, began: null, members, closed: row.closed };
    const decision = mayThey("see", await asker.facts(whose));
    if (decision.ok) shown.add(row.id);
    else if (decision.code === "not_known") unknown = true;
  };
  const decideAll = async (rows: readonly SessionRow[]): Promise<void> => {
    for (const row of rows) await decide(row);
  };
  for (let i = 0; i < asked.length; i += AT_ONCE) await Promise.all(asked.slice(i, i + AT_ONCE).map(decideAll));
  const rows = listed.rows.filter(({ id }) => shown.has(id)).slice(0, SESSIONS_LISTED);
  const gap = "Sessions in repositories of which GitHub did not say now whether you may read them are left out.";
  return { rows, gap: unknown ? gap : null };
}
