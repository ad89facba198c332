/** Who did what, for the people who answer for an installation. Entries are only ever added, and deleted when they are old. */
import { desc, lt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type AuditRow, audit } from "../db/schema.ts";

/** The longest text kept of what a browser or a provider said of itself, in characters. */
const LONGEST = 300;

/** Where a request came from, as far as it says. */
export type Whence = { ip: string | null; agent: string | null };

/**
 * One entry. `userId` null and a name: somebody who is not known, or the owner of the machine. `action` is `area.what`. `detail` becomes
 * JSON: facts, never a token, a code or a cookie.
 */
export type AuditEntry = {
  at: number;
  userId: string | null;
  name: string;
  action: string;
  target?: string | null;
  detail?: Record<string, string | number | boolean | null | readonly string[]>;
} & Whence;

const clipped = (text: string | null): string | null => text?.slice(0, LONGEST) ?? null;

/** The statement that adds an entry, for a batch with what it tells of. */
export function auditing(db: D1Database, entry: AuditEntry) {
  const { at, userId, name, action, target = null, detail = {}, ip, agent } = entry;
  return drizzle(db)
    .insert(audit)
    .values({
      at,
      userId,
      name: name.slice(0, LONGEST),
      action,
      target: clipped(target),
      detail: JSON.stringify(detail),
      ip: clipped(ip),
      agent: clipped(agent),
    });
}

/** Adds an entry. Rejects where D1 cannot be written: what must not happen untold then does not happen. */
export async function write(db: D1Database, entry: AuditEntry): Promise<void> {
  await auditing(db, entry).run();
}

/**
 * Where a request came from. `cf-connecting-ip` is Cloudflare's word in a deployment; where no edge stands before the Worker it may be the
 * client's own, so an entry made there says only what it said.
 */
export function whence(headers: Headers): Whence {
  return { ip: headers.get("cf-connecting-ip"), agent: headers.get("user-agent") };
}

/** How long entries are kept, in days. */
export const AUDIT_DAYS = 400;

/** Deletes entries that are older than that. */
export async function forgetOld(db: D1Database, now: number): Promise<void> {
  await drizzle(db)
    .delete(audit)
    .where(lt(audit.at, now - AUDIT_DAYS * 24 * 3600_000));
}

/** Entries before a number, newest first. */
export async function readAudit(db: D1Database, before: number | undefined, limit: number): Promise<AuditRow[]> {
  return drizzle(db)
    .select()
    .from(audit)
    .where(before === undefined ? undefined : lt(audit.id, before))
    .orderBy(desc(audit.id))
    .limit(limit);
}

/** RFC 4180. A cell that a spreadsheet would take for a formula is marked as text: what people and browsers call themselves stands in it. */
const cell = (value: string | number | null): string => {
  const text = value === null ? "" : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** Entries as CSV with a line of names. Times are in UTC. */
export function auditCsv(rows: readonly AuditRow[]): string {
  const lines = rows.map(({ id, at, userId, name, action, target, detail, ip, agent }) =>
    [id, new Date(at).toISOString(), userId, name, action, target, detail, ip, agent].map(cell).join(","),
  );
  return `${["id,at,user,name,action,target,detail,ip,agent", ...lines].join("\r\n")}\r\n`;
}
