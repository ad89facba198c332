/** The doors: every route that needs a person goes through one of these. Who that person is says `identity.ts`. */
import type { MiddlewareHandler } from "hono";
import { accessPage } from "../pages/problem.tsx";
import { type App, type AppContext, isUpgrade } from "../routes/app.ts";
import { problem } from "../routes/errors.ts";
import { pageOfOurs } from "./go-to.ts";
import { type Identity, identityOf } from "./identity.ts";
import { tooOften } from "./rate-limit.ts";

/** Where a key is let in: sessions, and who it is. Everything else takes a person, and so does a route that nobody thought of here. */
const FOR_KEYS = /^\/api\/(?:sessions(?:\/|$)|auth\/me$)/;

/** The refusal of a program that comes with a key where none is let in; null: go on. */
function noPlaceForKeys(c: AppContext, { via }: Identity): Response | null {
  if (via !== "key" || FOR_KEYS.test(c.req.path)) return null;
  return problem(c, 403, "key_not_here", "A key opens /api/sessions and /api/auth/me. This takes a person who is signed in.");
}

/** For JSON, streams and sockets: 401 with the reason unless somebody asks who is recognised. What that person may do is asked elsewhere. */
export const signedInAt =
  (now: () => number): MiddlewareHandler<App> =>
  async (c, next) => {
    const identified = await identityOf(c, "data", now());
    if (!identified.ok) {
      const { code, message } = identified.refusal;
      return problem(c, 401, code, message);
    }
    const { identity } = identified;
    const refusal = noPlaceForKeys(c, identity) ?? tooOften(c, identity, now());
    if (refusal) return refusal;
    c.set("identity", identity);
    c.set("person", identity.person);
    await next();
  };

/**
 * For pages: who is not signed in is sent to do so and comes back here. Another loopback name is sent to the address that links, forms and
 * grants are made for.
 */
export const signedInPageAt =
  (now: () => number): MiddlewareHandler<App> =>
  async (c, next) => {
    const identified = await identityOf(c, "page", now());
    if (!identified.ok) {
      const { refusal } = identified;
      if (refusal.code !== "not_signed_in" && refusal.code !== "session_ended") return accessPage(c, refusal);
      const query = new URLSearchParams({ to: pageOfOurs(c.req.path + (c.req.query("watch") === undefined ? "" : "?watch")) });
      if (refusal.code === "session_ended") query.set("why", "session-ended");
      return c.redirect(`/sign-in?${query}`, 302);
    }
    const noKeys = noPlaceForKeys(c, identified.identity);
    if (noKeys) return noKeys;
    const { settings } = c.var;
    const { pathname, search, origin } = new URL(c.req.url);
    if (settings.PUBLIC_ORIGIN && origin !== settings.PUBLIC_ORIGIN && c.req.method === "GET" && !isUpgrade(c.req.raw.headers))
      return c.redirect(settings.PUBLIC_ORIGIN + pathname + search, 302);
    c.set("identity", identified.identity);
    c.set("person", identified.identity.person);
    await next();
  };

/** `signedInAt` by the Worker's clock. */
export const signedIn = signedInAt(Date.now);

/** `signedInPageAt` by the Worker's clock. */
export const signedInPage = signedInPageAt(Date.now);
