/** `/healthz`: that the Worker runs, its version, and which parts are set up. Says no secret and no address. */
import { version } from "../../package.json";
import { githubOf } from "../settings.ts";
import { routes } from "./app.ts";

export const healthRoutes = routes().get("/healthz", (c) => {
  const { settings } = c.var;
  return c.json({
    ok: true,
    version,
    slack: settings.SLACK_SIGNING_SECRET !== null && settings.SLACK_BOT_TOKEN !== null,
    github: githubOf(settings).ok,
    backend: settings.BACKEND_URL !== null && settings.BACKEND_KEY !== null,
    model: settings.MODEL_URL !== null && settings.MODEL_NAME !== null,
    links: settings.GRANT_KEY !== null,
    sessions: settings.SESSION_KEY !== null,
  });
});
