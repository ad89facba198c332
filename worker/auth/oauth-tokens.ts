/**
 * What providers let us do in people's names: kept encrypted, refreshed one at a time. A refresh token of GitHub's works once, so whoever uses it
 * holds the row's lease: one conditional update in D1, which has one writer, gives it to one. Who does not get it waits for what the other brings.
 */
import { and, eq, isNull, lte, or } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import * as z from "zod";
import { oauthTokens } from "../db/schema.ts";
import { refreshGitHub } from "./github-account.ts";
import { refreshGoogle } from "./google-account.ts";
import { PROVIDER_MS } from "./oauth.ts";
import type { FromProvider, Ports, Provider, SignIn, Tokens } from "./providers.ts";
import { seal, unseal } from "./sealed.ts";

/** A token with less life than this is refreshed before it is used, in ms. */
const MARGIN_MS = 5 * 60_000;
/** How long a refresh may take, in ms: longer than a provider is waited for, so that nobody takes the lease of one at work. */
const LEASE_MS = PROVIDER_MS + 12_000;
/** How often and how long another's refresh is waited for, in ms. */
const LOOK_MS = 200;
const WAIT_MS = PROVIDER_MS + 2_000;

const Kept = z.object({ access: z.string(), expiresAt: z.number().nullable(), refresh: z.string().nullable() });

/** A row opens only for the user and the provider it was made for. */
const purpose = (userId: string, provider: Provider): string => `errand:oauth:${userId}:${provider}`;
const rowOf = (userId: string, provider: Provider) => and(eq(oauthTokens.userId, userId), eq(oauthTokens.provider, provider));

export type TokenPorts = Ports & { db: D1Database; signIn: SignIn; sleep: (ms: number) => Promise<void> };

/** Keeps the tokens of a sign-in, in place of those before. A refresh that is under way then comes to nothing. */
export async function keepTokens(ports: Omit<TokenPorts, "sleep">, userId: string, provider: Provider, tokens: Tokens): Promise<void> {
  const sealed = await seal(ports.signIn.keys, JSON.stringify(tokens), purpose(userId, provider), ports.random);
  const row = { ...sealed, updatedAt: ports.now(), leasedUntil: null };
  await drizzle(ports.db)
    .insert(oauthTokens)
    .values({ userId, provider, ...row })
    .onConflictDoUpdate({ target: [oauthTokens.userId, oauthTokens.provider], set: row });
}

/** Forgets a user's tokens of a provider. */
export async function forgetTokens(db: D1Database, userId: string, provider: Provider): Promise<void> {
  await drizzle(db).delete(oauthTokens).where(rowOf(userId, provider));
}

type Row = typeof oauthTokens.$inferSelect;

async function read(ports: TokenPorts, userId: string, provider: Provider): Promise<{ row: Row; tokens: Tokens } | null> {
  const [row] = await drizzle(ports.db).select().from(oauthTokens).where(rowOf(userId, provider));
  const text = row ? await unseal(ports.signIn.keys, row, purpose(userId, provider)) : null;
  if (!row || text === null) return null;
  const parsed = Kept.safeParse(JSON.parse(text));
  return parsed.success ? { row, tokens: parsed.data } : null;
}

/**
 * The access token with which something may be done in a user's name. `none`: there is none, or it does not open with our keys; the person signs
 * in again. `ended`: the provider takes it back or it is too old; the same. `away`: trying again may help.
 */
export type Access = { ok: true; token: string } | { ok: false; why: "none" | "ended" | "away" };

/** A token that lasts for `MARGIN_MS` at least, refreshed if need be. */
export async function accessTokenOf(ports: TokenPorts, userId: string, provider: Provider): Promise<Access> {
  const begun = ports.now();
  for (;;) {
    const now = ports.now();
    const found = await read(ports, userId, provider);
    if (!found) return { ok: false, why: "none" };
    const { row, tokens } = found;
    if (tokens.expiresAt === null || tokens.expiresAt > now + MARGIN_MS) return { ok: true, token: tokens.access };
    if (tokens.refresh === null) return tokens.expiresAt > now ? { ok: true, token: tokens.access } : { ok: false, why: "ended" };
    const lease = now + LEASE_MS;
    const free = or(isNull(oauthTokens.leasedUntil), lte(oauthTokens.leasedUntil, now));
    // The row as it was read: somebody who refreshed it meanwhile has used that refresh token up.
    const same = and(rowOf(userId, provider), eq(oauthTokens.sealed, row.sealed), free);
    const got = await drizzle(ports.db).update(oauthTokens).set({ leasedUntil: lease }).where(same).returning({ keyId: oauthTokens.keyId });
    if (got.length > 0) return refresh(ports, row, tokens.refresh, lease);
    if (ports.now() - begun > WAIT_MS) return { ok: false, why: "away" };
    await ports.sleep(LOOK_MS);
  }
}

/** With the lease in hand. What it brings is written only if the lease is still held: after a new sign-in it is not. */
async function refresh(ports: TokenPorts, row: Row, token: string, lease: number): Promise<Access> {
  const { userId, provider } = row;
  const mine = and(rowOf(userId, provider), eq(oauthTokens.leasedUntil, lease), eq(oauthTokens.sealed, row.sealed));
  const d1 = drizzle(ports.db);
  const answer = await ask(ports, provider, token);
  if (answer.ok) {
    const sealed = await seal(ports.signIn.keys, JSON.stringify(answer.tokens), purpose(userId, provider), ports.random);
    await d1
      .update(oauthTokens)
      .set({ ...sealed, updatedAt: ports.now(), leasedUntil: null })
      .where(mine);
    return { ok: true, token: answer.tokens.access };
  }
  // RFC 6749 5.2 and GitHub's own name for it: this refresh token will never work again.
  if (answer.fault.kind === "refused" && /^(invalid_grant|bad_refresh_token)$/.test(answer.fault.why)) {
    await d1.delete(oauthTokens).where(mine);
    return { ok: false, why: "ended" };
  }
  console.warn("auth: token not refreshed", provider, answer.fault.kind, answer.fault.why);
  await d1.update(oauthTokens).set({ leasedUntil: null }).where(mine);
  return { ok: false, why: "away" };
}

function ask(ports: TokenPorts, provider: Provider, token: string): Promise<FromProvider<{ tokens: Tokens }>> {
  const { github, google } = ports.signIn;
  if (provider === "github" && github) return refreshGitHub(github, token, ports);
  if (provider === "google" && google) return refreshGoogle(google, token, ports);
  return Promise.resolve({ ok: false, fault: { kind: "away", why: "it is not set up any more" } });
}
