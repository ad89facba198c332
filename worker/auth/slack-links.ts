/**
 * Linking a Slack account to a user, by proof from both sides. A link that only the Slack account sees leads to a page; there somebody who is signed in
 * says that the account is theirs, and gets a number; the number goes back to Slack, from that account. Who was handed somebody else's link can confirm what they like: without
 * the number, which only their own page shows, nothing comes of it. docs/security.md says why.
 */
import { and, eq, exists, gt, isNull, like, lt, or, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { hmacKey } from "../../protocol/hmac.ts";
import { audit, type IdentityRow, identities, type SlackLinkRow, slackLinks, type UserRow, users } from "../db/schema.ts";
import { type Whence, write } from "./audit.ts";
import { newToken, type Random, sha256 } from "./token.ts";

/** How long a link can be used, in ms. */
export const LINK_MS = 15 * 60_000;
/** Wrong numbers after which a link is over: of a million numbers, three are tried. */
export const TRIES = 3;
/** Digits of the number. */
export const DIGITS = 6;

/** An account of Slack: of identities its `subject`, without its prefix the id of a person of Slack. */
export type SlackAccount = { team: string; user: string };

export const subjectOf = ({ team, user }: SlackAccount): string => `${team}:${user}`;

/** The account of a person's id as requests have it (`slack:<team>:<user>`); null for a person of another surface. */
export function slackAccountOf(person: string): SlackAccount | null {
  const [, team, user] = /^slack:([A-Z0-9]+):([A-Z0-9]+)$/.exec(person) ?? [];
  return team && user ? { team, user } : null;
}

type Ports = { db: D1Database; now: number };

/** Makes a link for a Slack account: its code, which is told nobody else. An earlier one of the account is over. */
export async function newLink(
  { db, now, random }: Ports & { random: Random },
  account: SlackAccount,
  names: { name: string; workspace: string },
): Promise<string> {
  const code = newToken(random);
  const fresh = {
    hash: await sha256(code),
    name: names.name.slice(0, 200),
    workspace: names.workspace.slice(0, 200),
    madeAt: now,
    expiresAt: now + LINK_MS,
    userId: null,
    tries: 0,
    linkedAt: null,
  };
  const d1 = drizzle(db);
  await d1.batch([
    d1.delete(slackLinks).where(lt(slackLinks.expiresAt, now)),
    d1
      .insert(slackLinks)
      .values({ subject: subjectOf(account), ...fresh })
      .onConflictDoUpdate({ target: slackLinks.subject, set: fresh }),
  ]);
  return code;
}

const lives = (now: number) => gt(slackLinks.expiresAt, now);

/** The link of a code's hash, also once it was used; null where there is none, it was replaced, or its time is over. */
export async function linkOf({ db, now }: Ports, hash: string): Promise<SlackLinkRow | null> {
  const [row] = await drizzle(db)
    .select()
    .from(slackLinks)
    .where(and(eq(slackLinks.hash, hash), lives(now)));
  return row ?? null;
}

/** The newest link of an account, if its time is not over. */
export async function linkFor({ db, now }: Ports, account: SlackAccount): Promise<SlackLinkRow | null> {
  const [row] = await drizzle(db)
    .select()
    .from(slackLinks)
    .where(and(eq(slackLinks.subject, subjectOf(account)), lives(now)));
  return row ?? null;
}

/** Whether the link was used up by wrong numbers. */
export const isSpent = (link: SlackLinkRow): boolean => link.tries >= TRIES && link.linkedAt === null;

/** A user says that the link's account is theirs. Of several the first one is heard. Null: it is somebody else's claim, or the link is over. */
export async function claimLink({ db, now }: Ports, hash: string, userId: string): Promise<SlackLinkRow | null> {
  const free = or(isNull(slackLinks.userId), eq(slackLinks.userId, userId));
  const [row] = await drizzle(db)
    .update(slackLinks)
    .set({ userId })
    .where(and(eq(slackLinks.hash, hash), lives(now), lt(slackLinks.tries, TRIES), free))
    .returning();
  return row ?? null;
}

/** The number that goes back to Slack: of this link and this user alone, and kept nowhere. `key`: SESSION_KEY. */
export async function numberOf(key: string, hash: string, userId: string): Promise<string> {
  const mac = new Uint8Array(
    await crypto.subtle.sign("HMAC", await hmacKey(key), new TextEncoder().encode(`slack-link:${hash}:${userId}`)),
  );
  // 48 bits: that some numbers are likelier than others by one in 280 million changes nothing.
  const value = mac.subarray(0, 6).reduce((sum, byte) => sum * 256 + byte, 0);
  return String(value % 10 ** DIGITS).padStart(DIGITS, "0");
}

/** The user whom a Slack account is linked to, also one who is disabled. */
export async function userOfSlack(db: D1Database, account: SlackAccount): Promise<UserRow | null> {
  const [row] = await drizzle(db)
    .select({ user: users })
    .from(identities)
    .innerJoin(users, eq(users.id, identities.userId))
    .where(and(eq(identities.provider, "slack"), eq(identities.subject, subjectOf(account))));
  return row?.user ?? null;
}

/** What came of a number. `wrong`: `left` more may be tried. `other`: the account is another user's already. `another`: the user has another one in that workspace. */
export type Entered =
  | { kind: "linked"; user: UserRow }
  | { kind: "wrong"; left: number }
  | { kind: "none" | "not-claimed" | "other" | "another" };

/** Somebody says a number from a Slack account. Links the account if it is the one that the page shows; the same number once more changes nothing. */
export async function enterNumber(ports: Ports & { key: string; whence: Whence }, account: SlackAccount, number: string): Promise<Entered> {
  const { db, now, key } = ports;
  const link = await linkFor(ports, account);
  if (!link) return { kind: "none" };
  const { userId, hash } = link;
  if (userId === null) return { kind: "not-claimed" };
  // A try is taken before it is looked at: many at once are no more tries than one after the other.
  const left = link.linkedAt === null ? await takeTry(db, hash) : 0;
  if (left === null) return { kind: "none" };
  if (number.replace(/\D/g, "") !== (await numberOf(key, hash, userId))) return { kind: "wrong", left };
  return join({ db, now, whence: ports.whence }, account, link, userId);
}

/** Takes one of the tries: how many are left then; null where there was none. */
async function takeTry(db: D1Database, hash: string): Promise<number | null> {
  const [row] = await drizzle(db)
    .update(slackLinks)
    .set({ tries: sql`${slackLinks.tries} + 1` })
    .where(and(eq(slackLinks.hash, hash), lt(slackLinks.tries, TRIES)))
    .returning();
  return row ? TRIES - row.tries : null;
}

async function join(ports: Ports & { whence: Whence }, account: SlackAccount, link: SlackLinkRow, userId: string): Promise<Entered> {
  const { db, now, whence } = ports;
  const d1 = drizzle(db);
  const subject = subjectOf(account);
  const [user] = await d1
    .select()
    .from(users)
    .where(and(eq(users.id, userId), isNull(users.disabledAt)));
  if (!user) return { kind: "none" };
  const open = sql`exists (select 1 from ${slackLinks} where ${slackLinks.hash} = ${link.hash} and ${slackLinks.userId} = ${userId} and ${slackLinks.expiresAt} > ${now})`;
  const free = sql`not exists (select 1 from ${identities} where ${identities.provider} = 'slack' and (${identities.subject} = ${subject} or (${identities.userId} = ${userId} and ${identities.subject} like ${`${account.team}:%`})))`;
  const detail = JSON.stringify({ provider: "slack", account: subject, name: link.name, workspace: link.workspace });
  await d1.batch([
    d1.insert(identities).select(sql`select 'slack', ${subject}, ${userId}, ${shown(link)}, null, ${now} where ${open} and ${free}`),
    // An entry if, and only if, the statement before it did something.
    d1
      .insert(audit)
      .select(
        sql`select null, ${now}, ${userId}, ${user.name}, 'account.added', ${`slack:${subject}`}, ${detail}, ${whence.ip}, ${whence.agent} where changes() = 1`,
      ),
    d1
      .update(slackLinks)
      .set({ linkedAt: now })
      .where(
        and(
          eq(slackLinks.hash, link.hash),
          sql`exists (select 1 from ${identities} where ${identities.provider} = 'slack' and ${identities.subject} = ${subject} and ${identities.userId} = ${userId})`,
        ),
      ),
  ]);
  const owner = await userOfSlack(db, account);
  if (owner?.id === userId) return { kind: "linked", user };
  return { kind: owner ? "other" : "another" };
}

/** What an account is called where accounts are listed. */
const shown = ({ name, workspace }: SlackLinkRow): string => `${name} in ${workspace}`;

/** Who ends a link, for the audit log: a user, or Slack by what it told. */
export type By = { userId: string | null; name: string; why: string } & Whence;

/** Ends the link of an account, and tells it. `userId`: only where it is that user's. Null where there was none. */
export async function unlinkSlack(ports: Ports, account: SlackAccount, by: By, userId?: string): Promise<IdentityRow | null> {
  const { db, now } = ports;
  const subject = subjectOf(account);
  const one = and(eq(identities.provider, "slack"), eq(identities.subject, subject));
  const theirs = userId === undefined ? one : and(one, eq(identities.userId, userId));
  const d1 = drizzle(db);
  const [, [row]] = await d1.batch([
    // What is under way for the account would bring it back; what is under way for somebody else's is not to be ended by whoever knows its name.
    d1
      .delete(slackLinks)
      .where(
        and(
          eq(slackLinks.subject, subject),
          userId === undefined ? undefined : exists(d1.select({ one: sql`1` }).from(identities).where(theirs)),
        ),
      ),
    d1.delete(identities).where(theirs).returning(),
  ]);
  if (!row) return null;
  await told(db, now, row, by);
  return row;
}

/** Ends all links of a workspace: errand hears nothing of its people any more. Those that were ended. */
export async function unlinkWorkspace({ db, now }: Ports, team: string, by: By): Promise<IdentityRow[]> {
  const d1 = drizzle(db);
  const all = and(eq(identities.provider, "slack"), like(identities.subject, `${team}:%`));
  const [rows] = await d1.batch([
    d1.delete(identities).where(all).returning(),
    d1.delete(slackLinks).where(like(slackLinks.subject, `${team}:%`)),
  ]);
  for (const row of rows) await told(db, now, row, by);
  return rows;
}

async function told(db: D1Database, now: number, row: IdentityRow, { why, ...by }: By): Promise<void> {
  const detail = { provider: "slack", account: row.subject, of: row.userId, why };
  await write(db, { at: now, ...by, action: "account.removed", target: `slack:${row.subject}`, detail });
}
