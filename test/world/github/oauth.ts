/**
 * The web flow by which people let an App act for them: what the page of `/login/oauth/authorize` decides, and
 * `/login/oauth/access_token`. The emulator has one, but knows no PKCE, takes addresses that only look alike, and hands out tokens that
 * never end. As GitHub does: errors of the token endpoint come with 200 and an `error`; a token lives eight hours, its refresh token half
 * a year and works once. https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { emailsOf } from "./accounts.ts";
import type { GitHubTables } from "./emulator.ts";
import type { App, Json, User } from "./records.ts";

/** How long a code is good, in ms. */
const CODE_MS = 10 * 60_000;
/** How long a person's token is good, in seconds. */
const TOKEN_SECONDS = 8 * 3_600;
/** How long its refresh token is good, in seconds: six months, as GitHub counts them. */
const REFRESH_SECONDS = 15_897_600;
const DOCS = "https://docs.github.com/apps/managing-oauth-apps";

/** What an App asks of whoever opens the page. */
export interface Asking {
  app: App;
  redirectUri: string;
  state: string | null;
  /** The S256 challenge; null where the App sent none. */
  challenge: string | null;
}

/** What the page shows: the question, or why there is none. */
export type Page = { kind: "ask"; asking: Asking } | { kind: "refused"; status: 400 | 404; title: string; text: string };

/** A person's token for an App. Times in ms since 1970. */
export interface PersonToken {
  clientId: string;
  userId: number;
  expiresAt: number;
  refresh: string;
  refreshUntil: number;
  createdAt: number;
}

interface Code {
  clientId: string;
  userId: number;
  redirectUri: string;
  challenge: string | null;
  until: number;
}

const random = (bytes: number) => randomBytes(bytes).toString("hex");
const same = (a: string, b: string) => timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest());
/** RFC 7636: 43 characters of base64url are what SHA-256 makes. */
const CHALLENGE = /^[\w-]{43}$/;
const VERIFIER = /^[\w.~-]{43,128}$/;

/** Makes the flow. `people` are the tokens that are good, by token. */
export function makeOAuth(parts: { tables: GitHubTables; people: Map<string, PersonToken>; now: () => number }) {
  const { tables, people, now } = parts;
  const codes = new Map<string, Code>();
  const appBy = (clientId: string) => tables.apps.all().find((one) => one.client_id === clientId);
  /** The App that a client id and secret belong to. */
  const clientOf = (clientId: string, secret: string): App | null => {
    const app = appBy(clientId);
    return app?.client_secret && same(app.client_secret, secret) ? app : null;
  };

  /** What the page at `/login/oauth/authorize` has to show for these parameters. */
  function ask(query: URLSearchParams): Page {
    const app = appBy(query.get("client_id") ?? "");
    if (!app) return { kind: "refused", status: 404, title: "Not found", text: "There is no App with this client id." };
    const callbacks = app.callback_urls ?? [];
    const redirectUri = query.get("redirect_uri") ?? callbacks[0];
    // To send somebody on to an address that nobody registered would hand the code to whoever asks for it.
    if (redirectUri === undefined || !callbacks.includes(redirectUri)) {
      const text = `The redirect_uri is not associated with ${app.name}.`;
      return { kind: "refused", status: 400, title: "Be careful!", text };
    }
    const [challenge, method] = [query.get("code_challenge"), query.get("code_challenge_method")];
    if ((challenge !== null && (method !== "S256" || !CHALLENGE.test(challenge))) || (challenge === null && method !== null)) {
      const text = "The code_challenge must be sent with the code_challenge_method S256, the only one there is.";
      return { kind: "refused", status: 400, title: "This request can't be used", text };
    }
    return { kind: "ask", asking: { app, redirectUri, state: query.get("state"), challenge } };
  }

  const back = (asking: Asking, answer: Record<string, string>): string => {
    const url = new URL(asking.redirectUri);
    for (const [name, value] of Object.entries(answer)) url.searchParams.set(name, value);
    if (asking.state !== null) url.searchParams.set("state", asking.state);
    return url.href;
  };

  /** Somebody agrees: where the browser goes with the code. Null where there is no such person. */
  function agree(asking: Asking, login: string): string | null {
    const user = tables.users.findOneBy("login", login);
    if (user?.type !== "User" || !asking.app.client_id) return null;
    for (const [code, one] of codes) if (one.until <= now()) codes.delete(code);
    const code = random(10);
    const { redirectUri, challenge } = asking;
    codes.set(code, { clientId: asking.app.client_id, userId: user.id, redirectUri, challenge, until: now() + CODE_MS });
    return back(asking, { code });
  }

  /** Somebody cancels: where the browser goes. */
  const decline = (asking: Asking): string =>
    back(asking, {
      error: "access_denied",
      error_description: "The user has denied your application access.",
      error_uri: `${DOCS}/troubleshooting-authorization-request-errors/#access-denied`,
    });

  const wrong = (error: string, description: string): Json => ({
    error,
    error_description: description,
    error_uri: `${DOCS}/troubleshooting-oauth-app-access-token-request-errors/#${error.replaceAll("_", "-")}`,
  });
  const badCode = () => wrong("bad_verification_code", "The code passed is incorrect or expired.");

  function issue(app: App, user: User & { id: number }): Json {
    const [token, refresh] = [`ghu_${random(18)}`, `ghr_${random(38)}`];
    const at = now();
    for (const [old, one] of people) if (one.refreshUntil <= at) people.delete(old);
    people.set(token, {
      clientId: app.client_id ?? "",
      userId: user.id,
      expiresAt: at + TOKEN_SECONDS * 1_000,
      refresh,
      refreshUntil: at + REFRESH_SECONDS * 1_000,
      createdAt: at,
    });
    const ends = { expires_in: TOKEN_SECONDS, refresh_token: refresh, refresh_token_expires_in: REFRESH_SECONDS };
    return { access_token: token, ...ends, scope: "", token_type: "bearer" };
  }

  /** What `/login/oauth/access_token` answers, always with 200. */
  function exchange(form: URLSearchParams): Json {
    const app = clientOf(form.get("client_id") ?? "", form.get("client_secret") ?? "");
    if (!app) return wrong("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.");
    const kind = form.get("grant_type") ?? "authorization_code";
    if (kind === "refresh_token") return renew(app, form.get("refresh_token") ?? "");
    if (kind !== "authorization_code") return wrong("unsupported_grant_type", `The grant type ${kind} is not supported.`);
    const given = form.get("code") ?? "";
    const code = codes.get(given);
    if (!code || code.clientId !== app.client_id) return badCode();
    // Whatever comes of it, a code is looked at once.
    codes.delete(given);
    if (code.until <= now()) return badCode();
    const redirectUri = form.get("redirect_uri");
    if (redirectUri !== null && redirectUri !== code.redirectUri) {
      return wrong("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application.");
    }
    if (!proves(form.get("code_verifier"), code.challenge)) return badCode();
    const user = tables.users.get(code.userId);
    if (!user) return badCode();
    const primary = emailsOf(tables, user).find((one) => one.primary);
    if (!primary?.verified) return wrong("unverified_user_email", "The user must have a verified primary email.");
    return issue(app, user);
  }

  function renew(app: App, refresh: string): Json {
    const [token, one] = [...people].find(([, each]) => each.refresh === refresh && each.clientId === app.client_id) ?? [];
    const user = one && tables.users.get(one.userId);
    if (token === undefined || !user || one.refreshUntil <= now()) {
      return wrong("bad_refresh_token", "The refresh token passed is incorrect or expired.");
    }
    // The old pair ends with it.
    people.delete(token);
    return issue(app, user);
  }

  return {
    ask,
    agree,
    decline,
    exchange,
    clientOf,
    /** The same token's person under a new token: what `PATCH /applications/{client_id}/token` does. */
    reset(app: App, token: string): string | null {
      const one = people.get(token);
      if (!one || one.clientId !== app.client_id) return null;
      people.delete(token);
      const fresh = `ghu_${random(18)}`;
      people.set(fresh, { ...one, createdAt: now(), expiresAt: now() + TOKEN_SECONDS * 1_000 });
      return fresh;
    },
  };
}

/** See `makeOAuth`. */
export type OAuth = ReturnType<typeof makeOAuth>;

/** RFC 7636, 4.6. A verifier for a code that was asked for without a challenge is refused too: somebody took the challenge out (RFC 9700, 2.1.1). */
function proves(verifier: string | null, challenge: string | null): boolean {
  if (challenge === null) return verifier === null;
  return verifier !== null && VERIFIER.test(verifier) && createHash("sha256").update(verifier).digest("base64url") === challenge;
}
