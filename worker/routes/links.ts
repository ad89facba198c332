/**
 * Links into sandboxes. A link holds no right: the click is checked here, the sandbox is woken if need be, and only then
 * a grant of 60 s is made and posted to the sandbox's gateway.
 */
import { authSessionId } from "../auth/auth-sessions.ts";
import { may, mayPage, tellOf } from "../auth/doors.ts";
import { mintGrant, parseGrantKey, publicGrantKey } from "../auth/grants.ts";
import { handOverPage, waitingPage } from "../pages/open.tsx";
import { noSessionPage, problemPage } from "../pages/problem.tsx";
import { phaseLines, sandboxWords } from "../pages/wording.ts";
import { type AppContext, agentOf, routes } from "./app.ts";
import { noSuchSession, problem } from "./errors.ts";
import { LINKED_SERVICES, type LinkedService, SERVICE_TITLES } from "./services.ts";

const serviceOf = (c: AppContext): LinkedService | undefined => LINKED_SERVICES.find((service) => service === c.req.param("service"));

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

linkRoutes.get(
  "/s/:id/open/:service",
  async (c, next) => isOnlyLooking(c) ?? (await next()),
  mayPage("drive"),
  async (c) => {
    const service = serviceOf(c);
    if (!service) {
      const known = LINKED_SERVICES.map((name) => SERVICE_TITLES[name]).join(", ");
      return problemPage(c, 404, "There is no such service", `A session's sandbox has ${known}.`);
    }
    const id = c.req.param("id");
    const agent = agentOf(c.env, id);
    const snapshot = await agent?.snapshot();
    if (!agent || !snapshot) return noSessionPage(c);
    const { PUBLIC_ORIGIN, GRANT_KEY } = c.var.settings;
    const parsed = parseGrantKey(GRANT_KEY);
    if (!parsed.key) return problemPage(c, 503, "Links are not set up", `${parsed.why}.`);
    const opening = await agent.open(service, true);
    switch (opening.state) {
      case "unknown":
        return noSessionPage(c);
      case "unavailable":
        return problemPage(c, 503, `${SERVICE_TITLES[service]} cannot be opened`, opening.reason);
      case "silent":
      case "starting":
        return waitingPage(c, id, service, opening.view, Date.now());
      case "ready": {
        const nonce = crypto.getRandomValues(new Uint8Array(16));
        const { person, identity, rights } = c.var;
        const sid = identity.sessionHash === null ? null : authSessionId(identity.sessionHash);
        const until = rights.viewer?.adminUntil ?? null;
        const what = { session: id, person, service, mode: "drive", port: null, sid, until } as const;
        const grant = { issuer: PUBLIC_ORIGIN ?? "", ...what, now: Date.now(), nonce };
        await tellOf(c, { action: "link.opened", target: `session:${id}`, detail: { service, by: c.var.rights.by } });
        return handOverPage(c, id, service, snapshot.view, opening.origin, await mintGrant(parsed.key, grant));
      }
    }
  },
);

/** What the waiting page asks every second. */
linkRoutes.get("/s/:id/open/:service/state", may("drive"), async (c) => {
  const service = serviceOf(c);
  const agent = agentOf(c.env, c.req.param("id"));
  if (!agent || !service) return noSuchSession(c);
  const opening = await agent.open(service, true);
  if (opening.state === "unknown") return noSuchSession(c);
  if (opening.state === "unavailable") return problem(c, 503, "unavailable", opening.reason);
  if (opening.state === "ready") return c.json({ state: "ready" });
  const { sandbox } = opening.view;
  return c.json({ state: "starting", words: sandboxWords(sandbox), phases: phaseLines(sandbox, Date.now()) });
});
