/** The audit log, for admins: a page, JSON, and CSV to keep elsewhere. */
import * as z from "zod";
import { auditCsv, readAudit } from "../auth/audit.ts";
import { administer, administerPage } from "../auth/doors.ts";
import { auditPage } from "../pages/audit.tsx";
import { problemPage } from "../pages/problem.tsx";
import { routes } from "./app.ts";
import { invalid } from "./errors.ts";

/** Entries on a page, the most in one JSON answer, and in one file. */
const ON_A_PAGE = 100;
const MOST = 1_000;
const IN_A_FILE = 20_000;

const whole = z.coerce.number({ error: "must be a whole number from 1" }).int().positive();
const Query = z.object({
  /** Only entries with a lower number. */
  before: whole.optional(),
  limit: whole.max(MOST, `at most ${MOST}`).optional(),
});

export const adminRoutes = routes();

adminRoutes.get("/admin/audit", administerPage, async (c) => {
  const query = Query.safeParse(c.req.query());
  if (!query.success) return problemPage(c, 400, "There is no such page", "`before` is the number of an entry.");
  const rows = await readAudit(c.env.DB, query.data.before, ON_A_PAGE);
  return auditPage(c, rows, rows.length === ON_A_PAGE ? (rows.at(-1)?.id ?? null) : null);
});

adminRoutes.get("/api/admin/audit", administer, async (c) => {
  const query = Query.safeParse(c.req.query());
  if (!query.success) return invalid(c, query.error);
  const { before, limit = ON_A_PAGE } = query.data;
  const rows = await readAudit(c.env.DB, before, limit);
  const entries = rows.map((row) => ({ ...row, detail: JSON.parse(row.detail) as unknown }));
  return c.json({ entries, next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null });
});

adminRoutes.get("/admin/audit.csv", administer, async (c) => {
  const query = Query.safeParse(c.req.query());
  if (!query.success) return invalid(c, query.error);
  const rows = await readAudit(c.env.DB, query.data.before, query.data.limit ?? IN_A_FILE);
  c.header("content-type", "text/csv; charset=utf-8");
  c.header("content-disposition", 'attachment; filename="errand-audit.csv"');
  const last = rows.at(-1);
  // A file that is full goes on with the entries before its last one.
  if (last && rows.length === IN_A_FILE) c.header("link", `</admin/audit.csv?before=${last.id}>; rel="next"`);
  return c.body(auditCsv(rows));
});
