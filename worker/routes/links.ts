/**
 * Links into sandboxes. A link holds no right: the click is checked here, the sandbox is woken if need be, and only then
 * a grant of 60 s is made and posted to the sandbox's gateway.
 */
import { authSessionId } from "../auth/auth-sessions.ts";
import { mayOpen, tellOf } from "../auth/doors.ts";
import { mintGrant, parseGrantKey, publicGrantKey } from "../auth/grants.ts";
import { handOverPage, type Opens, waitingPage } from "../pages/open.tsx";
import { noSessionPage, problemPage } from "../pages/problem.tsx";
import { phaseLines, sandboxWords } from "../pages/wording.ts";
import { type AppContext, agentOf, routes } from "./app.ts";
import { noSuchSession, problem } from "./errors.ts";
import { asksToWatch, isWatched, LINKED_SERVICES, openedBy, SERVICE_TITLES, titleOfOpened } from "./services.ts";

/** Chat programs, mail scanners and browsers that guess follow links too: they get nothing, and nothing is woken for them. */
export function isOnlyLooking(c: AppContext): Response | null {
  if (c.req.method === "HEAD") return c.body(null, 200);
  const purpose = `${c.req.header("sec-purpose") ?? ""} ${c.req.header("purpose") ?? ""} ${c.req.header("x-moz") ?? ""}`;
  return /prefetch|prerender/i.test(purpose) ? c.body(null, 403) : null;
}

export const linkRoutes = routes();

linkRoutes.get("/.well-known/jwks.json", (c) => {
  const parsed = parseGrantKey(c.var.settings.GRANT_KEY);
  c.header("cache-control", "public, max-age=300");
  return c.json({ keys: parsed.key ? [publicGrantKey(parsed.key)] : [] });
});

/** What a click on a link gets. */
async function open(c: AppContext): Promise<Response> {
  const opened = openedBy(c);
  if (!opened) {
    const known = LINKED_SERVICES.map((name) => SERVICE_TITLES[name]).join(", ");
    return problemPage(
      c,
      404,
      "There is no such service",
      `A session's sandbox has ${known}, and what is served in it on a port from 1 to 65535.`,
    );
  }
  const title = titleOfOpened(opened);
  if (asksToWatch(c) && !isWatched(opened)) {
    return problemPage(c, 400, `${title} can only be used`, "The desktop and the terminal can be looked at without input; this can't.");
  }
  const session = c.req.param("id") ?? "";
  const agent = agentOf(c.env, session);
  const snapshot = await agent?.snapshot();
  if (!agent || !snapshot) return noSessionPage(c);
  const { PUBLIC_ORIGIN, GRANT_KEY } = c.var.settings;
  const parsed = parseGrantKey(GRANT_KEY);
  if (!parsed.key) return problemPage(c, 503, "Links are not set up", `${parsed.why}.`);
  const { person, identity, rights } = c.var;
  const mode = rights.right === "watch" ? "watch" : "drive";
  const { service, port } = opened;
  const opens = (view = snapshot.view): Opens => ({ session, view, opened, mode });
  const opening = await agent.open(service, true, port ?? undefined);
  switch (opening.state) {
    case "unknown":
      return noSessionPage(c);
    case "unavailable":
      return problemPage(c, 503, `${title} cannot be opened`, opening.reason);
    case "silent":
    case "starting":
      return waitingPage(c, opens(opening.view), opening.state, Date.now());
    case "ready": {
      const sid = identity.sessionHash === null ? null : authSessionId(identity.sessionHash);
      const what = { session, person, service, mode, port, sid, until: rights.viewer?.adminUntil ?? null } as const;
      const nonce = crypto.getRandomValues(new Uint8Array(16));
      const token = await mintGrant(parsed.key, { issuer: PUBLIC_ORIGIN ?? "", ...what, now: Date.now(), nonce });
      const detail = { service, ...(port === null ? {} : { port }), mode, by: rights.by };
      await tellOf(c, { action: "link.opened", target: `session:${session}`, detail });
      return handOverPage(c, opens(), opening.origin, token);
    }
  }
}

/** What the waiting page asks every second. */
async function state(c: AppContext): Promise<Response> {
  const opened = openedBy(c);
  const agent = agentOf(c.env, c.req.param("id") ?? "");
  if (!agent || !opened) return noSuchSession(c);
  const opening = await agent.open(opened.service, true, opened.port ?? undefined);
  if (opening.state === "unknown") return noSuchSession(c);
  if (opening.state === "unavailable") return problem(c, 503, "unavailable", opening.reason);
  if (opening.state === "ready") return c.json({ state: "ready" });
  const { sandbox } = opening.view;
  return c.json({ state: opening.state, words: sandboxWords(sandbox), phases: phaseLines(sandbox, Date.now()) });
}

for (const path of ["/s/:id/open/preview/:port", "/s/:id/open/:service"] as const) {
  linkRoutes.get(path, async (c, next) => isOnlyLooking(c) ?? (await next()), mayOpen("page"), open);
  linkRoutes.get(`${path}/state`, mayOpen("data"), state);
}
