/**
 * Who asks, for every route: somebody who signed in, by cookie or by bearer token, a program with a key of theirs, or the owner of the machine by loopback. What a request
 * shows of itself counts before where it comes from: who sends a token that is not one is nobody, also on loopback.
 */
import type { Person } from "../../protocol/request.ts";
import type { ApiKeyRow, UserRow } from "../db/schema.ts";
import { type AppContext, isUpgrade } from "../routes/app.ts";
import { findApiKey, isApiKey, KEY_ROLE } from "./api-keys.ts";
import { findAuthSession } from "./auth-sessions.ts";
import { cookieOf, sessionCookie } from "./cookies.ts";
import { type Asked, identify, isSameSite, type Refusal as OwnerRefusal } from "./owner.ts";
import { signInOf } from "./providers.ts";
import { isToken, sha256 } from "./token.ts";

/** Why nobody was recognised. `code` is stable, for programs; `message` is for people. */
export type Refusal = OwnerRefusal | { code: "not_signed_in" | "session_ended"; message: string };

/**
 * Somebody who was recognised. `person.id`: `user:<id>` or `owner`. `userId` and `sessionHash` (SHA-256 of the token, or of the key) are null for the
 * owner, who is an admin. `scope`: how far a key goes; null: by no key.
 */
export type Identity = {
  person: Person & { name: string };
  role: UserRow["role"];
  via: "owner" | "cookie" | "bearer" | "key";
  userId: string | null;
  sessionHash: string | null;
  scope: ApiKeyRow["scope"] | null;
};

export type Identified = { ok: true; identity: Identity } | { ok: false; refusal: Refusal };

const refused = (code: Refusal["code"], message: string): Identified => ({ ok: false, refusal: { code, message } });

/** A request that changes something, or a socket by which that may be done. */
const changes = (request: Request): boolean => (request.method !== "GET" && request.method !== "HEAD") || isUpgrade(request.headers);

/**
 * Whether a page of ours made the request. A cookie comes along with what any page makes a browser send, so what changes something needs a
 * sign of ours that no other page can give: browsers set `Origin` and `Sec-Fetch-Site` themselves.
 */
function isOurs(request: Request, origin: string, asked: Asked): boolean {
  if (!isSameSite(request, origin, asked)) return false;
  if (!changes(request)) return true;
  return request.headers.get("origin") === origin || request.headers.get("sec-fetch-site") === "same-origin";
}

/** The user as routes know people. Without an address: the one a person signs in with need not be meant for commits. */
const personOf = (user: UserRow): Identity["person"] => ({ id: `user:${user.id}`, name: user.name });

async function signedIn(c: AppContext, token: string, via: "cookie" | "bearer", now: number): Promise<Identity | null> {
  if (!isToken(token)) return null;
  const sessionHash = await sha256(token);
  const found = await findAuthSession(c.env.DB, sessionHash, now);
  return found && { person: personOf(found.user), role: found.user.role, via, userId: found.user.id, sessionHash, scope: null };
}

async function byKey(c: AppContext, key: string, now: number): Promise<Identity | null> {
  const hash = await sha256(key);
  const found = await findApiKey(c.env.DB, hash, now);
  if (!found) return null;
  return { person: personOf(found.user), role: KEY_ROLE, via: "key", userId: found.user.id, sessionHash: hash, scope: found.key.scope };
}

/**
 * The person behind a request, or why there is none. `asked`: a `page` may be reached by a link on another site, `data` may not. `now` in ms.
 * Rejects where D1 cannot be read and it would have to be.
 */
export async function identityOf(c: AppContext, asked: Asked = "data", now = Date.now()): Promise<Identified> {
  const { settings } = c.var;
  const request = c.req.raw;
  const bearer = request.headers.get("authorization");
  if (bearer !== null) {
    const shown = /^Bearer +(\S+)$/i.exec(bearer)?.[1] ?? "";
    if (isApiKey(shown)) {
      const identity = await byKey(c, shown, now);
      return identity
        ? { ok: true, identity }
        : refused("session_ended", "The key is not known, was revoked, or has expired. Make another at /account/keys.");
    }
    const identity = await signedIn(c, shown, "bearer", now);
    return identity
      ? { ok: true, identity }
      : refused("session_ended", "The token is not one of a session, or the session has ended. Sign in again.");
  }
  const cookie = cookieOf(request.headers, sessionCookie(settings));
  const identity = cookie === null ? null : await signedIn(c, cookie, "cookie", now);
  if (identity) {
    if (settings.PUBLIC_ORIGIN !== null && isOurs(request, settings.PUBLIC_ORIGIN, asked)) return { ok: true, identity };
    return refused(
      "other_site",
      "The request was not made by a page of this installation. Programs send a bearer token instead of a cookie.",
    );
  }
  const owner = identify(request, settings, asked);
  if (owner.person) {
    const person = { ...owner.person, name: owner.person.name ?? "owner" };
    return { ok: true, identity: { person, role: "admin", via: "owner", userId: null, sessionHash: null, scope: null } };
  }
  if (!signInOf(settings).ok) return { ok: false, refusal: owner.refusal };
  if (cookie !== null) return refused("session_ended", "You were signed in; that has ended. Sign in again.");
  return refused("not_signed_in", "Sign in to go on.");
}
