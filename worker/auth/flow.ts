/** A sign-in from the click to the session. Every failure is a value with a reason that can be told. */
import { and, eq, lt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import * as z from "zod";
import { base32 } from "../../protocol/thread.ts";
import { authCodes, authFlows, type UserRow } from "../db/schema.ts";
import { auditing, type Whence, write } from "./audit.ts";
import { beginning } from "./auth-sessions.ts";
import { gitHubAccount, gitHubUrl, membershipsOf } from "./github-account.ts";
import { pageOfOurs } from "./go-to.ts";
import { googleAccount, googleUrl } from "./google-account.ts";
import { keepTokens } from "./oauth-tokens.ts";
import type { Account, Begun, FromProvider, Ports, Provider, SignIn, Tokens } from "./providers.ts";
import { admittedBy, toAsk } from "./rules.ts";
import { seal, unseal } from "./sealed.ts";
import { isToken, newToken, sha256 } from "./token.ts";
import { addAccount, createUser, invitationFor, noteAccount, userById, userOf, wasInvited } from "./users.ts";

/** How long a person may take at the provider, in ms. */
export const FLOW_MS = 10 * 60_000;
/** How long the page after a sign-in may take to fetch its token, in ms. */
export const CODE_MS = 60_000;

/** Why a sign-in came to nothing: stable, for addresses and the audit log. */
export type Refused =
  | "not-set-up"
  | "stale"
  | "cancelled"
  | "provider-refused"
  | "provider-away"
  | "not-admitted"
  | "disabled"
  | "account-taken"
  | "account-another";

export type FlowPorts = Ports & { db: D1Database; signIn: SignIn; whence: Whence };

const callbackOf = (origin: string, provider: Provider): string => `${origin}/auth/${provider}/callback`;
const flowPurpose = (state: string): string => `errand:flow:${state}`;
const codePurpose = (hash: string): string => `errand:code:${hash}`;
const Secrets = z.object({ verifier: z.string(), nonce: z.string() });

/** base64url of 32 random bytes: 43 characters, the least that RFC 7636 section 4.1 allows of a verifier. */
const newVerifier = ({ random }: Ports): string =>
  btoa(String.fromCharCode(...random(32)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

/**
 * Begins one: where the browser has to go. `browser` is the value of its cookie, `linkTo` the user that the account is to be added to; null is a
 * sign-in. `goTo` may be anything a person sent: what is no page of ours becomes the first page.
 */
export async function beginFlow(
  ports: FlowPorts,
  wanted: { provider: Provider; goTo: string | undefined; browser: string; linkTo: string | null },
): Promise<{ ok: true; url: string } | { ok: false; why: Refused }> {
  const { provider, linkTo } = wanted;
  const client = ports.signIn[provider];
  if (!client) return { ok: false, why: "not-set-up" };
  const begun: Begun = { state: newToken(ports.random), verifier: newVerifier(ports), nonce: newToken(ports.random) };
  const url = await urlOf(ports, provider, begun);
  if (!url.ok) {
    console.warn("auth: no sign-in begun", provider, url.fault.kind, url.fault.why);
    return { ok: false, why: "provider-away" };
  }
  const now = ports.now();
  const state = await sha256(begun.state);
  const secrets = JSON.stringify({ verifier: begun.verifier, nonce: begun.nonce });
  const sealed = await seal(ports.signIn.keys, secrets, flowPurpose(state), ports.random);
  const row = {
    state,
    browser: await sha256(wanted.browser),
    provider,
    ...sealed,
    goTo: pageOfOurs(wanted.goTo),
    linkTo,
    expiresAt: now + FLOW_MS,
  };
  const d1 = drizzle(ports.db);
  await d1.batch([d1.delete(authFlows).where(lt(authFlows.expiresAt, now)), d1.insert(authFlows).values(row)]);
  return { ok: true, url: url.url };
}

async function urlOf(ports: FlowPorts, provider: Provider, begun: Begun): Promise<FromProvider<{ url: string }>> {
  const { github, google, origin } = ports.signIn;
  if (provider === "github" && github) return { ok: true, url: await gitHubUrl(github, callbackOf(origin, provider), begun) };
  if (provider === "google" && google) return googleUrl(google, callbackOf(origin, provider), begun, ports);
  throw new Error(`${provider} is not set up`);
}

/** The flow of a state, for the browser that began it: it is gone after that. Null where there is none, it is another browser's, or its time is over. */
async function takeFlow(ports: FlowPorts, provider: Provider, state: string | null, browser: string | null) {
  if (!isToken(state ?? undefined) || !isToken(browser ?? undefined) || state === null || browser === null) return null;
  const hash = await sha256(state);
  const mine = and(eq(authFlows.state, hash), eq(authFlows.browser, await sha256(browser)), eq(authFlows.provider, provider));
  const [row] = await drizzle(ports.db).delete(authFlows).where(mine).returning();
  if (!row || row.expiresAt <= ports.now()) return null;
  const text = await unseal(ports.signIn.keys, row, flowPurpose(hash));
  return text === null ? null : { row, begun: { state, ...Secrets.parse(JSON.parse(text)) } };
}

/** What came of a callback. `token` and `code` are secrets: the session's token for the cookie, and what the page fetches it with. */
export type Finished =
  | { ok: true; user: UserRow; token: string; code: string; goTo: string }
  | { ok: true; linked: UserRow; goTo: string }
  | { ok: false; why: Refused; goTo: string };

/** Ends one at the provider's callback: `query` as it came, `browser` the value of the browser's cookie. */
export async function finishFlow(ports: FlowPorts, provider: Provider, query: URLSearchParams, browser: string | null): Promise<Finished> {
  const taken = await takeFlow(ports, provider, query.get("state"), browser);
  if (!taken) {
    await tell(ports, "sign-in.refused", null, "somebody", { provider, why: "stale" });
    return { ok: false, why: "stale", goTo: "/" };
  }
  const { row, begun } = taken;
  const { goTo, linkTo } = row;
  const answer = await accountOf(ports, provider, query, begun);
  if (!answer.ok) {
    const why = ({ cancelled: "cancelled", refused: "provider-refused", away: "provider-away" } as const)[answer.fault.kind];
    await tell(ports, "sign-in.refused", null, "somebody", { provider, why, said: answer.fault.why });
    return { ok: false, why, goTo };
  }
  const { account, tokens } = answer;
  const named = { provider, account: account.login ?? account.email ?? account.subject };
  if (linkTo !== null) return link(ports, linkTo, account, tokens, goTo);
  const admitted = await admit(ports, account, tokens);
  if (!admitted.ok) {
    await tell(ports, "sign-in.refused", admitted.userId, account.name, { ...named, why: admitted.why, ...admitted.detail });
    return { ok: false, why: admitted.why, goTo };
  }
  const { user } = admitted;
  await keepTokens(ports, user.id, provider, tokens);
  const session = await startSession(ports, user, goTo, { ...named, by: admitted.by });
  return { ok: true, user, ...session, goTo };
}

function accountOf(
  ports: FlowPorts,
  provider: Provider,
  query: URLSearchParams,
  begun: Begun,
): Promise<FromProvider<{ account: Account; tokens: Tokens }>> {
  const { github, google, origin } = ports.signIn;
  const redirect = callbackOf(origin, provider);
  if (provider === "github" && github) return gitHubAccount(github, redirect, query, begun, ports);
  if (provider === "google" && google) return googleAccount(google, redirect, query, begun, ports);
  return Promise.resolve({ ok: false, fault: { kind: "away", why: "it is not set up any more" } });
}

type Admitted =
  | { ok: true; user: UserRow; by: string }
  | { ok: false; why: Refused; userId: string | null; detail?: Record<string, string> };

/** Whether an account may sign in, and as whom. Rules are asked at every sign-in: who left the organisation is not let in again. */
async function admit(ports: FlowPorts, account: Account, tokens: Tokens): Promise<Admitted> {
  const { db } = ports;
  const now = ports.now();
  const known = await userOf(db, account);
  if (known && known.user.disabledAt !== null) return { ok: false, why: "disabled", userId: known.user.id };
  if (known && (known.first || (await wasInvited(db, known.user.id))))
    return { ok: true, user: await noteAccount(db, known.user, account), by: known.first ? "first user" : "invitation" };
  const id = base32(ports.random(16));
  if (!known) {
    const first = await createUser(db, account, id, { kind: "first" }, now);
    if (first) return { ok: true, user: first, by: "first user" };
  }
  const ruled = await ruling(ports, account, tokens);
  if (!ruled.ok) return { ok: false, why: "provider-away", userId: known?.user.id ?? null, detail: { said: ruled.why } };
  if (known) {
    if (ruled.by === null) return { ok: false, why: "not-admitted", userId: known.user.id };
    return { ok: true, user: await noteAccount(db, known.user, account), by: ruled.by };
  }
  const invitation = await invitationFor(db, account, now);
  const condition = invitation ? ({ kind: "invited", invitation } as const) : ruled.by === null ? null : ({ kind: "admitted" } as const);
  const user = condition && (await createUser(db, account, id, condition, now));
  if (user) return { ok: true, user, by: condition.kind === "invited" ? "invitation" : (ruled.by ?? "") };
  // Made by another sign-in of the same person meanwhile: that one passed the same question.
  const twin = await userOf(db, account);
  if (twin && twin.user.disabledAt === null) return { ok: true, user: twin.user, by: "another sign-in at once" };
  return { ok: false, why: "not-admitted", userId: null };
}

async function ruling(
  ports: FlowPorts,
  account: Account,
  tokens: Tokens,
): Promise<{ ok: true; by: string | null } | { ok: false; why: string }> {
  const { rules, github } = ports.signIn;
  const asked = toAsk(rules, account.email);
  const alone = { email: account.email, organisations: [], teams: [] };
  if (!asked || account.provider !== "github" || !github || account.login === null) return { ok: true, by: admittedBy(rules, alone) };
  const found = await membershipsOf(github, tokens.access, account.login, asked, ports);
  return found.ok ? { ok: true, by: admittedBy(rules, { ...alone, ...found }) } : { ok: false, why: found.fault.why };
}

/** Adds the account to whoever asked for it, while that person may still sign in. */
async function link(ports: FlowPorts, userId: string, account: Account, tokens: Tokens, goTo: string): Promise<Finished> {
  const user = await userById(ports.db, userId);
  if (!user || user.disabledAt !== null) return { ok: false, why: "disabled", goTo };
  const { provider } = account;
  const added = await addAccount(ports.db, userId, account, ports.now());
  const named = { provider, account: account.login ?? account.email ?? account.subject };
  if (added !== "added") {
    const why = added === "taken" ? "account-taken" : "account-another";
    await tell(ports, "account.refused", userId, user.name, { ...named, why });
    return { ok: false, why, goTo };
  }
  await keepTokens(ports, userId, provider, tokens);
  await tell(ports, "account.added", userId, user.name, named);
  return { ok: true, linked: user, goTo };
}

const tell = (ports: FlowPorts, action: string, userId: string | null, name: string, detail: Record<string, string>): Promise<void> =>
  write(ports.db, { at: ports.now(), userId, name, action, detail, ...ports.whence });

/** A session with its token, and a code for the page to fetch it with. The sign-in is in the audit log, or there is none. */
async function startSession(ports: FlowPorts, user: UserRow, goTo: string, detail: Record<string, string>) {
  const [token, code] = [newToken(ports.random), newToken(ports.random)];
  const [hash, codeHash] = [await sha256(token), await sha256(code)];
  const now = ports.now();
  const sealed = await seal(ports.signIn.keys, token, codePurpose(codeHash), ports.random);
  const d1 = drizzle(ports.db);
  await d1.batch([
    ...beginning(ports.db, { hash, userId: user.id, agent: ports.whence.agent }, now),
    d1.delete(authCodes).where(lt(authCodes.expiresAt, now)),
    d1.insert(authCodes).values({ hash: codeHash, sessionHash: hash, ...sealed, goTo, expiresAt: now + CODE_MS }),
    auditing(ports.db, { at: now, userId: user.id, name: user.name, action: "sign-in.done", detail, ...ports.whence }),
  ]);
  return { token, code };
}

/** Where the sign-in of a code was going, without using it up: for the page that is shown without a script. */
export async function goToOf(db: D1Database, code: string | undefined, sessionHash: string): Promise<string> {
  if (!isToken(code)) return "/";
  const mine = and(eq(authCodes.hash, await sha256(code)), eq(authCodes.sessionHash, sessionHash));
  const [row] = await drizzle(db).select({ goTo: authCodes.goTo }).from(authCodes).where(mine);
  return pageOfOurs(row?.goTo);
}

/**
 * Takes a code: the session's token and where to go on, once, for the browser that has the session's cookie. Who only saw the address, in a
 * history or a log, has nothing.
 */
export async function exchangeCode(
  ports: Pick<FlowPorts, "db" | "signIn" | "now">,
  code: string,
  sessionHash: string,
): Promise<{ token: string; to: string } | null> {
  const hash = await sha256(code);
  const mine = and(eq(authCodes.hash, hash), eq(authCodes.sessionHash, sessionHash));
  const [row] = await drizzle(ports.db).delete(authCodes).where(mine).returning();
  if (!row || row.expiresAt <= ports.now()) return null;
  const token = await unseal(ports.signIn.keys, row, codePurpose(hash));
  return token === null ? null : { token, to: pageOfOurs(row.goTo) };
}
