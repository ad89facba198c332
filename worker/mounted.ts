/** All routes in their order, what stands before each of them, and what answers where there is none. */
import { Hono } from "hono";
import { limitedByAddress } from "./auth/rate-limit.ts";
import { problemPage } from "./pages/problem.tsx";
import { adminRoutes } from "./routes/admin.ts";
import { apiRoutes } from "./routes/api.ts";
import { type App, safeHeaders, withSettings } from "./routes/app.ts";
import { assetRoutes } from "./routes/assets.ts";
import { authRoutes } from "./routes/auth.ts";
import { problem } from "./routes/errors.ts";
import { githubRoutes } from "./routes/github.ts";
import { healthRoutes } from "./routes/health.ts";
import { keyRoutes } from "./routes/keys.ts";
import { linkRoutes } from "./routes/links.ts";
import { modelRoutes } from "./routes/model.ts";
import { pageRoutes } from "./routes/page.ts";
import { peopleRoutes } from "./routes/people.ts";
import { runnerRoutes } from "./routes/runner.ts";
import { setupRoutes } from "./routes/setup.ts";
import { slackRoutes } from "./routes/slack.ts";
import { slackLinkRoutes } from "./routes/slack-link.ts";

/** The Worker's routes. */
export const app = new Hono<App>();

app.use(safeHeaders, withSettings);
app.use("/api/*", limitedByAddress());
for (const routes of [
  healthRoutes,
  slackRoutes(),
  githubRoutes(),
  assetRoutes,
  authRoutes(),
  slackLinkRoutes,
  adminRoutes,
  peopleRoutes,
  keyRoutes,
  apiRoutes,
  modelRoutes,
  runnerRoutes,
  linkRoutes,
  setupRoutes,
  pageRoutes,
])
  app.route("/", routes);

/** Whether the answer is for a person's browser rather than for a program. */
const wantsPage = (headers: Headers) => headers.get("accept")?.includes("text/html") === true;

app.notFound((c) => {
  if (wantsPage(c.req.raw.headers)) return problemPage(c, 404, "There is nothing here", "The address may be cut short.");
  return problem(c, 404, "no_such_route", `There is no ${c.req.method} ${c.req.path}.`);
});

app.onError((error, c) => {
  // The stack is for the operator's log; the person gets a sentence.
  console.error(JSON.stringify({ part: "worker", path: c.req.path, error: error.stack ?? String(error) }));
  const message = "Something broke in errand. The log of the Worker says what; trying again may help.";
  if (wantsPage(c.req.raw.headers)) return problemPage(c, 500, "That did not work", message);
  return problem(c, 500, "internal", message);
});
