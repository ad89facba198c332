/** Sign-in, sign-out and where one is signed in: pages for people, JSON for programs. */
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { whence, write } from "../auth/audit.ts";
import {
  authSessionId,
  endAuthSession,
  listAuthSessions,
  revokeAllAuthSessions,
  revokeAuthSession,
  SESSION_MS,
} from "../auth/auth-sessions.ts";
import { browserCookie, cookieOf, keepCookie, sessionCookie } from "../auth/cookies.ts";
import { beginFlow, exchangeCode, FLOW_MS, type FlowPorts, finishFlow, goToOf, type Refused } from "../auth/flow.ts";
import { revokeGitHub } from "../auth/github-account.ts";
import { pageOfOurs } from "../auth/go-to.ts";
import { signedInAt, signedInPageAt } from "../auth/guard.ts";
import { type Identity, identityOf } from "../auth/identity.ts";
import { accessTokenOf, forgetTokens } from "../auth/oauth-tokens.ts";
import { type Ports, PROVIDERS, type Provider, type SignIn, signInOf } from "../auth/providers.ts";
import { addressOf, limiter, type Rate, SIGN_IN_RATE, tooMany } from "../auth/rate-limit.ts";
import { slackPeopleOf, tellWaiting } from "../auth/slack-letter.ts";
import { isToken, newToken, random, sha256 } from "../auth/token.ts";
import { accountsOf, userById } from "../auth/users.ts";
import { problemPage } from "../pages/problem.tsx";
import { accountPage, callbackPage, REASONS, type Reason, signInPage } from "../pages/sign-in.tsx";
import { type AppContext, agentOf, routes, waitUntil } from "./app.ts";
import { invalid, problem } from "./errors.ts";
import { isOnlyLooking } from "./links.ts";

/** The world, for tests: what is not given is the real one. */
export type AuthRouteOptions = Partial<Ports> & { rate?: Rate };

/** The period that `SIGN_IN_LIMIT` of wrangler.jsonc counts in, in s. */
const LIMIT_SECONDS = 60;
/** The longest body taken, in bytes. */
const MAX_BODY = 4 * 1024;
const Exchange = z.strictObject({ code: z.string().refine(isToken, "must be the code of the address: 64 hex digits") });

const providerOf = (c: AppContext): Provider | undefined => PROVIDERS.find((provider) => provider === c.req.param("provider"));
const reasonOf = (text: string | undefined): Reason | null =>
  text !== undefined && Object.hasOwn(REASONS, text) ? (text as Reason) : null;

/** The sign-in page with a reason; what was in the address of the callback is left behind. */
function refusedTo(c: AppContext, why: Refused, to: string): Response {
  const query = new URLSearchParams({ why });
  if (to !== "/") query.set("to", to);
  return c.redirect(`/sign-in?${query}`, 302);
}

/** The routes. Everything that begins or ends a sign-in counts against its address. */
export function authRoutes(options: AuthRouteOptions = {}) {
  const ports: Ports = {
    fetch: options.fetch ?? ((...args) => fetch(...args)),
    now: options.now ?? Date.now,
    random: options.random ?? random,
  };
  const buckets = limiter(options.rate ?? SIGN_IN_RATE);
  const [signedIn, signedInPage] = [signedInAt(ports.now), signedInPageAt(ports.now)];
  const app = routes();

  const limited = bodyLimit({
    maxSize: MAX_BODY,
    onError: (c) => problem(c as AppContext, 413, "too_large", `A body may have at most ${MAX_BODY} bytes.`, { limit: MAX_BODY }),
  });

  /** Seconds to wait, 0 for none. */
  const tooSoon = async (c: AppContext): Promise<number> => {
    const address = addressOf(c.req.raw.headers);
    const seconds = buckets.take(address, ports.now());
    if (seconds > 0) return seconds;
    // Without this binding, as under another wrangler.jsonc, the isolate's own count remains.
    const limit: RateLimit | undefined = c.env.SIGN_IN_LIMIT;
    return limit === undefined || (await limit.limit({ key: address })).success ? 0 : LIMIT_SECONDS;
  };
  const tooManyPage = (c: AppContext, seconds: number): Response => {
    c.header("retry-after", String(seconds));
    return signInPage(c, { providers: [], missing: [], to: "/", why: "too-many", who: null }, 429);
  };
  const flowPorts = (c: AppContext, signIn: SignIn): FlowPorts => ({ ...ports, db: c.env.DB, signIn, whence: whence(c.req.raw.headers) });
  const tell = (c: AppContext, { userId, person }: Identity, action: string, detail: Record<string, string | number> = {}) =>
    write(c.env.DB, { at: ports.now(), userId, name: person.name, action, detail, ...whence(c.req.raw.headers) });
  const setUp = (c: AppContext): Provider[] => {
    const signIn = signInOf(c.var.settings);
    return signIn.ok ? PROVIDERS.filter((provider) => signIn[provider] !== null) : [];
  };

  app.get("/sign-in", async (c) => {
    const signIn = signInOf(c.var.settings);
    const identified = await identityOf(c, "page", ports.now());
    return signInPage(c, {
      providers: setUp(c),
      missing: signIn.ok ? [] : signIn.missing,
      to: pageOfOurs(c.req.query("to")),
      why: reasonOf(c.req.query("why")),
      who: identified.ok ? identified.identity : null,
    });
  });

  /** Sends a browser to a provider. `linkTo`: the user that the account there is to be added to. */
  async function begin(c: AppContext, provider: Provider, goTo: string | undefined, linkTo: string | null): Promise<Response> {
    const { settings } = c.var;
    const signIn = signInOf(settings);
    if (!signIn.ok) return refusedTo(c, "not-set-up", pageOfOurs(goTo));
    const seconds = await tooSoon(c);
    if (seconds > 0) return tooManyPage(c, seconds);
    const kept = cookieOf(c.req.raw.headers, browserCookie(settings)) ?? undefined;
    const browser = isToken(kept) ? kept : newToken(ports.random);
    const begun = await beginFlow(flowPorts(c, signIn), { provider, goTo, browser, linkTo });
    if (!begun.ok) return refusedTo(c, begun.why, pageOfOurs(goTo));
    keepCookie(c, browserCookie(settings), browser, FLOW_MS / 1000);
    return c.redirect(begun.url, 303);
  }

  app.get("/auth/callback", signedInPage, async (c) => {
    const { identity } = c.var;
    const to = identity.sessionHash === null ? "/" : await goToOf(c.env.DB, c.req.query("token"), identity.sessionHash);
    return callbackPage(c, identity, to);
  });

  app.get(
    "/auth/:provider",
    async (c, next) => isOnlyLooking(c) ?? (await next()),
    async (c, next) => {
      const provider = providerOf(c);
      if (!provider) return next();
      const { PUBLIC_ORIGIN } = c.var.settings;
      const { origin, pathname, search } = new URL(c.req.url);
      // The cookie has to be set where the provider sends people back to.
      if (PUBLIC_ORIGIN !== null && origin !== PUBLIC_ORIGIN) return c.redirect(PUBLIC_ORIGIN + pathname + search, 302);
      return begin(c, provider, c.req.query("to"), null);
    },
  );

  app.post("/auth/:provider/link", limited, signedInPage, async (c, next) => {
    const provider = providerOf(c);
    if (!provider) return next();
    const { userId } = c.var.identity;
    if (userId === null)
      return problemPage(c, 409, "The owner has no accounts", "Who comes from the machine itself needs no account. Sign in first.");
    return begin(c, provider, "/account", userId);
  });

  app.get("/auth/:provider/callback", async (c, next) => {
    const provider = providerOf(c);
    if (!provider) return next();
    const { settings } = c.var;
    const signIn = signInOf(settings);
    if (!signIn.ok) return refusedTo(c, "not-set-up", "/");
    const seconds = await tooSoon(c);
    if (seconds > 0) return tooManyPage(c, seconds);
    const browser = cookieOf(c.req.raw.headers, browserCookie(settings));
    const finished = await finishFlow(flowPorts(c, signIn), provider, new URL(c.req.url).searchParams, browser);
    if (!finished.ok) return refusedTo(c, finished.why, finished.goTo);
    if ("linked" in finished) {
      // What they asked for in Slack may have waited for just that account.
      const told = slackPeopleOf(c.env.DB, finished.linked.id).then((people) =>
        tellWaiting({ db: c.env.DB, agent: (id) => agentOf(c.env, id) }, people),
      );
      waitUntil(
        c,
        told.catch(() => undefined),
      );
      return c.redirect(finished.goTo, 302);
    }
    await endReplaced(c);
    keepCookie(c, sessionCookie(settings), finished.token, SESSION_MS / 1000);
    return c.redirect(`/auth/callback?token=${finished.code}`, 302);
  });

  /** Ends the session whose cookie is about to be replaced: nobody could end it from this browser any more. */
  async function endReplaced(c: AppContext): Promise<void> {
    const before = cookieOf(c.req.raw.headers, sessionCookie(c.var.settings)) ?? undefined;
    if (isToken(before)) await endAuthSession(c.env.DB, await sha256(before), ports.now());
  }

  app.post("/api/auth/exchange", limited, async (c) => {
    const signIn = signInOf(c.var.settings);
    if (!signIn.ok) return problem(c, 503, "not_set_up", "Sign-in is not set up here.");
    const seconds = await tooSoon(c);
    if (seconds > 0) return tooMany(c, seconds);
    const identified = await identityOf(c, "data", ports.now());
    if (!identified.ok)
      return problem(c, identified.refusal.code === "other_site" ? 403 : 401, identified.refusal.code, identified.refusal.message);
    const parsed = Exchange.safeParse(await c.req.json().catch(() => null));
    if (!parsed.success) return invalid(c, parsed.error);
    const { sessionHash, via } = identified.identity;
    const exchanged =
      via === "cookie" && sessionHash !== null ? await exchangeCode({ ...flowPorts(c, signIn) }, parsed.data.code, sessionHash) : null;
    if (exchanged) return c.json(exchanged);
    return problem(c, 400, "no_such_code", "This code was used already, is older than a minute, or belongs to another browser’s sign-in.");
  });

  app.get("/api/auth/me", signedIn, async (c) => {
    const { person, role, userId } = c.var.identity;
    if (userId === null) return c.json({ user: { ...person, role }, providers: [] });
    const [user, accounts] = await Promise.all([userById(c.env.DB, userId), accountsOf(c.env.DB, userId)]);
    const email = user?.email ?? null;
    return c.json({
      user: { ...person, email, role },
      providers: accounts.map(({ provider, login, email }) => ({ provider, login, email })),
    });
  });

  app.get("/api/auth/sessions", signedIn, async (c) => {
    const { userId, sessionHash } = c.var.identity;
    const rows = userId === null ? [] : await listAuthSessions(c.env.DB, userId, ports.now());
    const sessions = rows.map(({ hash, createdAt, expiresAt, seenAt, agent }) => ({
      id: authSessionId(hash),
      createdAt,
      expiresAt,
      seenAt,
      agent,
      current: hash === sessionHash,
    }));
    return c.json({ sessions });
  });

  /** Ends one session of the person, and tells it. Whether there was one. */
  async function end(c: AppContext, id: string): Promise<boolean> {
    const { identity } = c.var;
    const ended = identity.userId !== null && (await revokeAuthSession(c.env.DB, identity.userId, id, ports.now()));
    if (ended) await tell(c, identity, "session.revoked", { session: id });
    return ended;
  }

  app.delete("/api/auth/sessions/:id", signedIn, async (c) => {
    if (await end(c, c.req.param("id"))) return c.body(null, 204);
    return problem(c, 404, "no_such_session", "You have no session under this id. GET /api/auth/sessions lists them.");
  });

  /** Takes away what the browser keeps: the cookie, and by header also the token in its storage. */
  function forgetBrowser(c: AppContext): void {
    keepCookie(c, sessionCookie(c.var.settings), "", 0);
    c.header("clear-site-data", '"storage"');
  }

  async function signOut(c: AppContext): Promise<void> {
    const { identity } = c.var;
    if (identity.userId !== null && identity.sessionHash !== null) {
      await endAuthSession(c.env.DB, identity.sessionHash, ports.now());
      await tell(c, identity, "sign-out.done");
    }
    forgetBrowser(c);
  }

  /** Ends all sessions, and what errand may do in the person's name at the providers. */
  async function signOutEverywhere(c: AppContext): Promise<number> {
    const { identity } = c.var;
    const { userId } = identity;
    forgetBrowser(c);
    if (userId === null) return 0;
    const ended = await revokeAllAuthSessions(c.env.DB, userId, ports.now());
    await tell(c, identity, "sign-out.everywhere", { ended });
    const signIn = signInOf(c.var.settings);
    if (signIn.ok) waitUntil(c, giveBack(c, signIn, userId));
    return ended;
  }

  async function giveBack(c: AppContext, signIn: SignIn, userId: string): Promise<void> {
    try {
      const db = c.env.DB;
      const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
      const access = signIn.github ? await accessTokenOf({ ...ports, db, signIn, sleep }, userId, "github") : null;
      for (const provider of PROVIDERS) await forgetTokens(db, userId, provider);
      if (access?.ok && signIn.github) await revokeGitHub(signIn.github, access.token, ports);
    } catch (error) {
      console.warn("auth: tokens not given back", error instanceof Error ? error.message : "unknown");
    }
  }

  app.post("/api/auth/sign-out", signedIn, async (c) => {
    await signOut(c);
    return c.body(null, 204);
  });
  app.post("/api/auth/sign-out-everywhere", signedIn, async (c) => c.json({ ended: await signOutEverywhere(c) }));

  app.get("/account", signedInPage, async (c) => {
    const { identity } = c.var;
    const { userId } = identity;
    const signIn = signInOf(c.var.settings);
    const now = ports.now();
    const [accounts, sessions] =
      userId === null ? [[], []] : await Promise.all([accountsOf(c.env.DB, userId), listAuthSessions(c.env.DB, userId, now)]);
    const places = signIn.ok ? [signIn.github?.webUrl, signIn.google?.issuer] : [];
    const formsTo = places.filter((place) => place !== undefined).map((place) => new URL(place).origin);
    return accountPage(c, {
      who: identity,
      accounts,
      sessions,
      providers: setUp(c),
      slack: c.var.settings.SLACK_BOT_TOKEN !== null,
      formsTo,
      why: reasonOf(c.req.query("why")),
      now,
    });
  });
  app.post("/account/sign-out", limited, signedInPage, async (c) => {
    await signOut(c);
    return c.redirect("/sign-in?why=signed-out", 303);
  });
  app.post("/account/sign-out-everywhere", limited, signedInPage, async (c) => {
    await signOutEverywhere(c);
    return c.redirect("/sign-in?why=signed-out-everywhere", 303);
  });
  app.post("/account/sessions/:id/end", limited, signedInPage, async (c) => {
    await end(c, c.req.param("id"));
    return c.redirect("/account", 303);
  });

  return app;
}
