/** The runner's way to its session's object: a WebSocket upgrade and nothing else. The object checks token and generation. */
import * as z from "zod";
import { agentOf, isUpgrade, routes, upgradeFor } from "./app.ts";
import { problem } from "./errors.ts";

const Generation = z.coerce.number().int().positive();

export const runnerRoutes = routes().get("/sandbox/:session/runner", async (c) => {
  const { headers } = c.req.raw;
  if (!isUpgrade(headers)) {
    c.header("upgrade", "websocket");
    return problem(c, 426, "upgrade_required", "This address takes a runner's WebSocket only.");
  }
  if (!/^Bearer \S+$/i.test(headers.get("authorization") ?? ""))
    return problem(c, 401, "no_token", "A runner shows its token as `Authorization: Bearer`.");
  const agent = agentOf(c.env, c.req.param("session"));
  if (!agent) return problem(c, 404, "no_such_session", "This is not a session id.");
  const generation = Generation.safeParse(c.req.query("generation"));
  if (!generation.success) return problem(c, 400, "invalid", "`generation` must be a whole number from 1.");
  return agent.fetch(upgradeFor(`/runner?generation=${generation.data}`, headers, ["authorization"]));
});
