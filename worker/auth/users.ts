/** People and their accounts in D1. D1 has one writer, so what one statement or one batch does, no other comes between. */
import { and, asc, eq, gt, isNull, or, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type IdentityRow, type InvitationRow, identities, invitations, type UserRow, users } from "../db/schema.ts";
import type { Account } from "./providers.ts";

/** The user an account belongs to, and whether it is the first ever; null for an account that nobody has. */
export async function userOf(db: D1Database, account: Account): Promise<{ user: UserRow; first: boolean } | null> {
  const d1 = drizzle(db);
  const [row] = await d1
    .select({ user: users })
    .from(identities)
    .innerJoin(users, eq(users.id, identities.userId))
    .where(and(eq(identities.provider, account.provider), eq(identities.subject, account.subject)));
  if (!row) return null;
  const [first] = await d1.select({ id: users.id }).from(users).orderBy(asc(users.createdAt), sql`rowid`).limit(1);
  return { user: row.user, first: first?.id === row.user.id };
}

/** On what condition a new user is made. `first`: there is none yet. `invitation`: it is still open, and used up by this. */
type Condition = { kind: "first" } | { kind: "admitted" } | { kind: "invited"; invitation: InvitationRow };

/**
 * Makes a user of a new account if the condition holds, all at once: of two that would be the first, one is. Null where it does not hold, or
 * the account has become somebody's meanwhile.
 */
export async function createUser(db: D1Database, account: Account, id: string, condition: Condition, now: number): Promise<UserRow | null> {
  const d1 = drizzle(db);
  const role = condition.kind === "first" ? "admin" : condition.kind === "invited" ? condition.invitation.role : "member";
  const { provider, subject, login, name, email } = account;
  const isNew = sql`not exists (select 1 from ${identities} where ${identities.provider} = ${provider} and ${identities.subject} = ${subject})`;
  const holds =
    condition.kind === "first"
      ? sql`not exists (select 1 from ${users})`
      : condition.kind === "invited"
        ? sql`exists (select 1 from ${invitations} where ${invitations.id} = ${condition.invitation.id} and ${invitations.usedBy} is null and ${invitations.expiresAt} > ${now})`
        : sql`1`;
  const made = sql`exists (select 1 from ${users} where ${users.id} = ${id})`;
  // Later statements of the batch only do something if the first one did.
  await d1.batch([
    d1.insert(users).select(sql`select ${id}, ${name}, ${email}, ${role}, ${now}, null where ${isNew} and ${holds}`),
    d1.insert(identities).select(sql`select ${provider}, ${subject}, ${id}, ${login}, ${email}, ${now} where ${made}`),
    d1
      .update(invitations)
      .set({ usedBy: id })
      .where(and(eq(invitations.id, condition.kind === "invited" ? condition.invitation.id : ""), made)),
  ]);
  const [user] = await d1.select().from(users).where(eq(users.id, id));
  return user ?? null;
}

/** The invitation that is for this account, if one is open: by its verified address, or by its login at GitHub. */
export async function invitationFor(db: D1Database, account: Account, now: number): Promise<InvitationRow | null> {
  const names = [
    ...(account.email === null ? [] : [eq(invitations.email, account.email)]),
    ...(account.provider === "github" && account.login !== null ? [eq(invitations.login, account.login.toLowerCase())] : []),
  ];
  if (names.length === 0) return null;
  const open = and(or(...names), isNull(invitations.usedBy), gt(invitations.expiresAt, now));
  const [row] = await drizzle(db).select().from(invitations).where(open).orderBy(asc(invitations.createdAt)).limit(1);
  return row ?? null;
}

/** Whether a user came by an invitation: that lets them in until they are disabled. */
export async function wasInvited(db: D1Database, userId: string): Promise<boolean> {
  return (await drizzle(db).select({ id: invitations.id }).from(invitations).where(eq(invitations.usedBy, userId)).limit(1)).length > 0;
}

/** Notes what the provider says of somebody now. An address that nobody vouches for any more is forgotten with the account that had it. */
export async function noteAccount(db: D1Database, user: UserRow, account: Account): Promise<UserRow> {
  const d1 = drizzle(db);
  const { provider, subject, login, email } = account;
  const name = account.name;
  const mail = email ?? user.email;
  const one = and(eq(identities.provider, provider), eq(identities.subject, subject));
  await d1.batch([
    d1.update(identities).set({ login, email }).where(one),
    d1.update(users).set({ name, email: mail }).where(eq(users.id, user.id)),
  ]);
  return { ...user, name, email: mail };
}

/** Adds an account to a user. `taken`: it is somebody else's. `another`: the user has another one at this provider, and can have but one. */
export async function addAccount(db: D1Database, userId: string, account: Account, now: number): Promise<"added" | "taken" | "another"> {
  const { provider, subject, login, email } = account;
  const d1 = drizzle(db);
  const free = sql`not exists (select 1 from ${identities} where ${identities.provider} = ${provider} and (${identities.userId} = ${userId} or ${identities.subject} = ${subject}))`;
  await d1.insert(identities).select(sql`select ${provider}, ${subject}, ${userId}, ${login}, ${email}, ${now} where ${free}`);
  const own = and(eq(identities.provider, provider), or(eq(identities.subject, subject), eq(identities.userId, userId)));
  const rows = await d1.select({ userId: identities.userId, subject: identities.subject }).from(identities).where(own);
  const same = rows.find((row) => row.subject === subject);
  if (!same) return "another";
  return same.userId === userId ? "added" : "taken";
}

/** A user's accounts, the oldest first. */
export async function accountsOf(db: D1Database, userId: string): Promise<IdentityRow[]> {
  return drizzle(db).select().from(identities).where(eq(identities.userId, userId)).orderBy(asc(identities.createdAt));
}

/** A user by id. */
export async function userById(db: D1Database, id: string): Promise<UserRow | null> {
  const [user] = await drizzle(db).select().from(users).where(eq(users.id, id));
  return user ?? null;
}
