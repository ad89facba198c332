/** People and invitations as admins look after them. What would leave nobody to answer for an installation does not happen. */
import { and, asc, desc, eq, gt, isNotNull, isNull, ne, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type IdentityRow, type InvitationRow, identities, invitations, type UserRow, users } from "./schema.ts";

/** How long an invitation is open, in ms. */
export const INVITATION_MS = 14 * 24 * 3600_000;
/** The most people and invitations listed. */
export const PEOPLE_LISTED = 500;

export type PersonRow = UserRow & { accounts: IdentityRow[] };

/** Everybody who ever signed in, the first first, with their accounts. */
export async function listPeople(db: D1Database): Promise<PersonRow[]> {
  const d1 = drizzle(db);
  const [people, accounts] = await d1.batch([
    d1.select().from(users).orderBy(asc(users.createdAt)).limit(PEOPLE_LISTED),
    d1.select().from(identities).orderBy(asc(identities.createdAt)),
  ]);
  return people.map((user) => ({ ...user, accounts: accounts.filter((account) => account.userId === user.id) }));
}

/** Invitations that are open, the newest first. */
export async function openInvitations(db: D1Database, now: number): Promise<InvitationRow[]> {
  const open = and(isNull(invitations.usedBy), gt(invitations.expiresAt, now));
  return drizzle(db).select().from(invitations).where(open).orderBy(desc(invitations.createdAt)).limit(PEOPLE_LISTED);
}

/** Whom an invitation is for, as a person types it: an e-mail address or a GitHub login; null where it is neither. */
export function inviteeOf(text: string): { email: string | null; login: string | null } | null {
  const name = text.trim().toLowerCase().replace(/^@/, "");
  if (/^[^\s@"<>]{1,64}@[a-z\d-]+(\.[a-z\d-]+)+$/.test(name)) return { email: name, login: null };
  // GitHub's rule for logins; a company's own accounts there have an underscore and its short name at the end.
  return /^[a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38}(?:_[a-z\d]{1,20})?$/.test(name) ? { email: null, login: name } : null;
}

/** Keeps an invitation. */
export async function invite(db: D1Database, row: Omit<InvitationRow, "usedBy" | "expiresAt">): Promise<void> {
  await drizzle(db)
    .insert(invitations)
    .values({ ...row, expiresAt: row.createdAt + INVITATION_MS });
}

/** Takes an invitation back; null where it is not open any more. */
export async function withdraw(db: D1Database, id: string): Promise<InvitationRow | null> {
  const [row] = await drizzle(db)
    .delete(invitations)
    .where(and(eq(invitations.id, id), isNull(invitations.usedBy)))
    .returning();
  return row ?? null;
}

/** What may be changed of a person. */
export type Change = { role: "admin" | "member" } | { disabledAt: number | null };

/** Changes a person; null where there is none, nothing would change, or the last admin would be none any more. */
export async function changePerson(db: D1Database, id: string, change: Change): Promise<UserRow | null> {
  const takesAdmin = "role" in change ? change.role === "member" : change.disabledAt !== null;
  const differs =
    "role" in change ? ne(users.role, change.role) : change.disabledAt === null ? isNotNull(users.disabledAt) : isNull(users.disabledAt);
  const others = sql`exists (select 1 from users as other where other.id != ${id} and other.role = 'admin' and other.disabled_at is null)`;
  const may = takesAdmin ? sql`(${users.role} != 'admin' or ${users.disabledAt} is not null or ${others})` : undefined;
  const [row] = await drizzle(db)
    .update(users)
    .set(change)
    .where(and(eq(users.id, id), differs, may))
    .returning();
  return row ?? null;
}
