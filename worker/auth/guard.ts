/** The doors: every route that needs a person goes through one of these, and both ask `identify`. */
import type { MiddlewareHandler } from "hono";
import { accessPage } from "../pages/problem.tsx";
import { type App, isUpgrade } from "../routes/app.ts";
import { problem } from "../routes/errors.ts";
import { identify } from "./owner.ts";

/** For JSON, streams and sockets: 401 with the reason unless the owner asks. */
export const ownerOnly: MiddlewareHandler<App> = async (c, next) => {
  const identity = identify(c.req.raw, c.var.settings, "data");
  if (!identity.person) return problem(c, 401, identity.refusal.code, identity.refusal.message);
  c.set("person", identity.person);
  await next();
};

/**
 * For pages: 401 with a page that says who may open this. Another loopback name is sent to the address that links,
 * forms and grants are made for.
 */
export const ownerOnlyPage: MiddlewareHandler<App> = async (c, next) => {
  const { settings } = c.var;
  const identity = identify(c.req.raw, settings, "page");
  if (!identity.person) return accessPage(c, identity.refusal);
  const { pathname, search, origin } = new URL(c.req.url);
  if (settings.PUBLIC_ORIGIN && origin !== settings.PUBLIC_ORIGIN && c.req.method === "GET" && !isUpgrade(c.req.raw.headers))
    return c.redirect(settings.PUBLIC_ORIGIN + pathname + search, 302);
  c.set("person", identity.person);
  await next();
};
