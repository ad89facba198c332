/** `POST /github/webhook`: deliveries of the GitHub App, handed to their sessions before GitHub hears 202. */
import type { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { type GitHubCache, gitHubApp } from "../../bots/github/client.ts";
import type { KnownRights } from "../../bots/github/gate.ts";
import { receiveGitHub } from "../../bots/github/receive.ts";
import type { SessionRpc } from "../session/contract.ts";
import { githubOf } from "../settings.ts";
import { type App, type AppContext, agentOf, routes, waitUntil } from "./app.ts";
import { type Delivery, deliveryOf, dispatch, isSignedByGitHub, type Payload, payloadOf } from "./github-receiver.ts";
import { CALL_MS, type Ending, take } from "./github-take.ts";

/** GitHub waits 10 s; what is slower than this, in ms, is answered with 500, so that it is listed as failed and comes again. */
const CAP = 9_000;
/** GitHub sends no payload above 25 MB. */
const LARGEST = 25 * 1024 * 1024;

/** What the route can be given in tests instead of the real thing. */
export type GitHubRouteOptions = {
  /** The session of an id; null where there can be none. The Durable Object of that name unless given. */
  agent?: (env: Env, id: string) => Pick<SessionRpc, "accept"> | null;
  now?: () => number;
  fetch?: typeof fetch;
  /** Takes one line for each delivery, without what people wrote. */
  log?: (line: Record<string, string | number | null>) => void;
  capMs?: number;
  /** What is known of rights and tokens; one for the whole isolate unless given. */
  known?: KnownRights;
  cache?: GitHubCache;
};

/**
 * The route. Refuses with 503 where the App is not set up, 400 what is no delivery, 401 what was not signed with the webhook's secret. What is
 * signed and merely odd gets 202; 500 only where the same delivery can do better later.
 */
export function githubRoutes(options: GitHubRouteOptions = {}): Hono<App> {
  const agent = options.agent ?? agentOf;
  const now = options.now ?? Date.now;
  const log = options.log ?? ((line) => console.log(JSON.stringify(line)));

  async function work(c: AppContext, delivery: Delivery, payload: Payload, about: Line): Promise<Ending> {
    const { settings } = c.var;
    const github = githubOf(settings);
    const sessionKey = settings.SESSION_KEY;
    if (!github.ok || !sessionKey) throw new Error("asked for without settings");
    const self = { appId: github.appId, slug: github.slug, allowedBots: settings.GITHUB_ALLOWED_BOTS };
    let ending: Ending = { status: 202, outcome: "ignored", why: null };
    await dispatch(delivery, payload, github.webhookSecret, async (event, id, received) => {
      const app = gitHubApp({
        ...github,
        timeoutMs: CALL_MS,
        now,
        ...(options.fetch ? { fetch: options.fetch } : {}),
        ...(options.cache ? { cache: options.cache } : {}),
      });
      ending = await take(receiveGitHub(event, id, received, self), {
        app,
        allowedBots: settings.GITHUB_ALLOWED_BOTS,
        sessionKey,
        agent: (session) => agent(c.env, session),
        db: c.env.DB,
        known: options.known,
        now,
        later: (what, doing) =>
          waitUntil(
            c,
            doing().catch((error: unknown) => log({ ...about, outcome: `no ${what}`, why: reasonOf(error) })),
          ),
      });
    });
    return ending;
  }

  const tooLarge = bodyLimit({ maxSize: LARGEST, onError: (c) => c.text("Larger than anything GitHub sends (25 MB).", 413) });
  return routes().post("/github/webhook", tooLarge, async (c) => {
    const began = now();
    const github = githubOf(c.var.settings);
    const missing = [...(github.ok ? [] : github.missing), ...(c.var.settings.SESSION_KEY ? [] : ["SESSION_KEY"])];
    if (!github.ok || missing.length > 0) return c.text(`GitHub is not set up. Set ${missing.join(", ")}.`, 503);
    const { headers } = c.req.raw;
    const delivery = deliveryOf(headers);
    if ("wrong" in delivery) return c.text(delivery.wrong, 400);
    const body = new Uint8Array(await c.req.arrayBuffer());
    if (!(await isSignedByGitHub(github.webhookSecret, delivery.signature, body)))
      return c.text("Not signed with GITHUB_WEBHOOK_SECRET.", 401);
    const payload = payloadOf(body);
    if (!payload) return c.text("Not a JSON object. Set the App's webhook to the content type application/json.", 400);
    const about = lineOf(delivery, payload);

    const answered = work(c, delivery, payload, about).then(
      (ending) => ending,
      (error: unknown): Ending => ({ status: 500, outcome: "failed", why: reasonOf(error) }),
    );
    const told = answered.then((ending) => {
      log({ ...about, ...ending, ms: now() - began });
      return c.text(
        ending.status === 500 ? "Not taken. It has to be delivered again." : [ending.outcome, ending.why].filter(Boolean).join(": "),
        ending.status,
      );
    });
    waitUntil(c, told);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<Response>((resolve) => {
      timer = setTimeout(() => {
        log({ ...about, status: 500, outcome: "slow", why: null, ms: now() - began });
        resolve(c.text("Not taken in time. It has to be delivered again.", 500));
      }, options.capMs ?? CAP);
    });
    return Promise.race([told, late]).finally(() => clearTimeout(timer));
  });
}

type Line = { at: "github"; id: string; event: string; action: string | null; repository: number | null };

/** What the log says of every delivery. */
function lineOf({ id, event }: Delivery, payload: Payload): Line {
  const { action, repository } = payload;
  const repositoryId = typeof repository === "object" && repository !== null && "id" in repository ? repository.id : null;
  return {
    at: "github",
    id,
    event,
    action: typeof action === "string" ? action.slice(0, 60) : null,
    repository: typeof repositoryId === "number" ? repositoryId : null,
  };
}

/** The cause in words. What GitHub answers to a call is in no message of Octokit's that people wrote. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 300) : "unknown";
}
