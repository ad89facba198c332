/** The pages' style and scripts, as files of their own. They hold nothing about anyone, so everybody may have them. */
import callback from "../pages/client/callback.client.js";
import copy from "../pages/client/copy.client.js";
import link from "../pages/client/link.client.js";
import open from "../pages/client/open.client.js";
import session from "../pages/client/session.client.js";
import submit from "../pages/client/submit.client.js";
import { STYLE } from "../pages/style.ts";
import { routes } from "./app.ts";

const SCRIPTS: ReadonlyMap<string, string> = new Map([
  ["session.js", session],
  ["open.js", open],
  ["submit.js", submit],
  ["copy.js", copy],
  ["callback.js", callback],
  ["link.js", link],
]);

export const assetRoutes = routes();

assetRoutes.get("/assets/:file", (c, next) => {
  const file = c.req.param("file");
  const script = SCRIPTS.get(file);
  if (file !== "page.css" && script === undefined) return next();
  c.header("cache-control", "no-cache");
  c.header("content-type", script === undefined ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8");
  return Promise.resolve(c.body(script ?? STYLE));
});
