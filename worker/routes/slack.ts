/** `POST /slack/events`: events and clicks from Slack, handed to their sessions before Slack hears 200. */
import { App as Bolt, type Context } from "@slack/bolt";
import type { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { clientOptions, slackClient } from "../../bots/slack/client.ts";
import { type AccountAct, receiveClick, receiveEvent, type Self, type Verdict } from "../../bots/slack/receive.ts";
import { sessionIdOf } from "../../protocol/thread.ts";
import type { SessionRpc } from "../session/contract.ts";
import { type App, type AppContext, agentOf, routes, waitUntil } from "./app.ts";
import { actOnAccount } from "./slack-accounts.ts";
import { type Delivery, type Ending, isSignedBySlack, type Payload, parsePayload, WorkerReceiver } from "./slack-receiver.ts";

/** Slack waits 3 s; a hand-over that is slower than this, in ms, is answered with 503, so that Slack sends it again. */
const CAP = 2_500;
/** Slack's messages have at most 40,000 characters; nothing it sends comes near this many bytes. */
const LARGEST = 1024 * 1024;

/** What the route can be given in tests instead of the real thing. */
export type SlackRouteOptions = {
  /** The session of an id; null where there can be none. The Durable Object of that name unless given. */
  agent?: (env: Env, id: string) => Pick<SessionRpc, "accept" | "whose" | "linked"> | null;
  now?: () => number;
  fetch?: typeof fetch;
  /** Takes one line for each request, without what people wrote. */
  log?: (line: Record<string, string | number | null>) => void;
  capMs?: number;
};

/** Hands a verdict's request to its session, and says how that ended. */
type HandOver = (verdict: Verdict) => Promise<Ending>;

type Slack = { key: string; receiver: WorkerReceiver<HandOver> };

const selfOf = (context: Context): Self => ({ userId: context.botUserId ?? "", botId: context.botId ?? null });

async function listen(context: Context, verdict: Verdict): Promise<void> {
  const delivery: Delivery<HandOver> = context.delivery;
  delivery.ending = await delivery.handed(verdict);
}

/** Makes Bolt's App. It does no I/O here, and asks Slack who we are at the first payload. */
function makeSlack(key: string, token: string, access: { apiUrl: string | null; fetch?: typeof fetch }): Slack {
  const receiver = new WorkerReceiver<HandOver>();
  // Only the answer is kept, never the promise: a promise of one request that another waits for would hang in a Worker.
  let self: { botToken: string; botId?: string; botUserId: string; teamId?: string } | undefined;
  const app = new Bolt({
    receiver,
    convoStore: false,
    // What our own bot does is told apart in receive.ts, which sees edits and deletions too.
    ignoreSelf: false,
    clientOptions: clientOptions(access),
    authorize: async () => {
      if (self) return self;
      const who = await slackClient(token, { ...access, timeoutMs: 2_000 }).auth.test();
      if (!who.user_id) throw new Error("auth.test names no user: SLACK_BOT_TOKEN has to be a bot token (xoxb-…)");
      self = {
        botToken: token,
        botUserId: who.user_id,
        ...(who.bot_id ? { botId: who.bot_id } : {}),
        ...(who.team_id ? { teamId: who.team_id } : {}),
      };
      return self;
    },
  });
  app.error(async (error) => {
    throw error;
  });
  app.event(/.*/, ({ context, body }) => listen(context, receiveEvent(body, selfOf(context))));
  app.action(/.*/, async ({ context, body, ack }) => {
    await ack();
    await listen(context, receiveClick(body));
  });
  return { key, receiver };
}

/** The route. Refuses with 503 where there is no signing secret or no token, 401 what Slack did not sign, 400 what is not in Slack's form. */
export function slackRoutes(options: SlackRouteOptions = {}): Hono<App> {
  const agent = options.agent ?? agentOf;
  const now = options.now ?? Date.now;
  const log = options.log ?? ((line) => console.log(JSON.stringify(line)));
  let slack: Slack | undefined;

  function slackFor(token: string, apiUrl: string | null): Slack {
    const key = `${token}\n${apiUrl ?? ""}`;
    if (slack?.key !== key) slack = makeSlack(key, token, { apiUrl, ...(options.fetch ? { fetch: options.fetch } : {}) });
    return slack;
  }

  function handOverTo(c: AppContext, sessionKey: string): HandOver {
    const { env } = c;
    return async (verdict) => {
      if (verdict.kind === "malformed") return { status: 400, outcome: "malformed", why: verdict.why };
      if (verdict.kind === "ignored") return { status: 200, outcome: "ignored", why: verdict.why };
      if (verdict.kind === "account") return account(c, verdict.act, sessionKey);
      const session = agent(env, await sessionIdOf(verdict.request.thread, sessionKey));
      if (!session) throw new Error("the thread's session id is not one");
      const accepted = await session.accept(verdict.request);
      return { status: 200, outcome: accepted.status, why: accepted.why };
    };
  }

  async function account(c: AppContext, act: AccountAct, sessionKey: string): Promise<Ending> {
    const { env } = c;
    const only = "onlyIn" in act ? act.onlyIn : null;
    if (only !== null && !(await agent(env, await sessionIdOf(only, sessionKey))?.whose()))
      return { status: 200, outcome: "ignored", why: "there is no session in this thread" };
    const outer = options.fetch ? { fetch: options.fetch } : {};
    const ports = { settings: c.var.settings, db: env.DB, now, timeoutMs: 2_000, ...outer };
    return actOnAccount({ ...ports, agent: (id) => agent(env, id), later: (work) => waitUntil(c, work) }, act);
  }

  /** Works on a payload that Slack signed, and answers when that is done or took too long. */
  function take(c: AppContext, payload: Payload, slackApp: Slack, sessionKey: string): Promise<Response> {
    const isEvent = payload.type === "event_callback";
    const about = { at: "slack", id: String(isEvent ? payload.event_id : payload.type).slice(0, 100) };
    const answered = slackApp.receiver.process(payload, c.req.raw.headers, handOverTo(c, sessionKey)).then(
      (ending) => {
        log({ ...about, ...ending });
        return ending.status === 200 ? c.body(null, 200) : c.text(ending.why ?? "", ending.status);
      },
      (error: unknown) => {
        log({ ...about, status: 500, outcome: "failed", why: reasonOf(error) });
        return c.text("The request was not taken. Send it again.", 500);
      },
    );
    waitUntil(c, answered);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<Response>((resolve) => {
      timer = setTimeout(() => {
        log({ ...about, status: isEvent ? 503 : 200, outcome: "slow", why: null });
        // A click is not sent again; its work goes on, and what it changes will show.
        resolve(isEvent ? c.text("Not taken in time. Send it again.", 503) : c.body(null, 200));
      }, options.capMs ?? CAP);
    });
    return Promise.race([answered, late]).finally(() => clearTimeout(timer));
  }

  const tooLarge = bodyLimit({ maxSize: LARGEST, onError: (c) => c.text("Larger than anything Slack sends (1 MiB).", 413) });
  return routes().post("/slack/events", tooLarge, async (c) => {
    const { SLACK_SIGNING_SECRET: secret, SLACK_BOT_TOKEN: token, SLACK_API_URL: apiUrl, SESSION_KEY: sessionKey } = c.var.settings;
    if (!secret || !token || !sessionKey) {
      const settings = Object.entries({ SLACK_SIGNING_SECRET: secret, SLACK_BOT_TOKEN: token, SESSION_KEY: sessionKey });
      const missing = settings.filter(([, value]) => !value).map(([name]) => name);
      return c.text(`Slack is not set up. Set ${missing.join(", ")}.`, 503);
    }
    const body = new Uint8Array(await c.req.arrayBuffer());
    const { headers } = c.req.raw;
    if (!(await isSignedBySlack(secret, headers, body, now()))) return c.text("Not signed by Slack, or too old.", 401);
    const payload = parsePayload(headers.get("content-type"), body);
    if (!payload) return c.text("Neither JSON nor a form of Slack's.", 400);
    if (payload.type === "url_verification") {
      return typeof payload.challenge === "string" ? c.json({ challenge: payload.challenge }) : c.text("challenge: missing", 400);
    }
    if (payload.ssl_check) return c.body(null, 200);
    const wrong = formError(payload);
    return wrong ? c.text(wrong, 400) : take(c, payload, slackFor(token, apiUrl), sessionKey);
  });
}

/** What Bolt takes for granted and would fall over: that an event has a type, and a click says who clicked what. */
function formError(payload: Payload): string | null {
  if (payload.type === "event_callback") return Event.safeParse(payload).success ? null : "event.type: missing";
  if (payload.type === "block_actions") return Click.safeParse(payload).success ? null : "user or actions: missing";
  return typeof payload.type === "string" || typeof payload.command === "string" ? null : "type: missing";
}
const Event = z.object({ event: z.object({ type: z.string() }) });
const Click = z.object({ user: z.object({}), actions: z.array(z.object({})).min(1) });

/** The cause in words, without what Slack sent. Bolt wraps what a listener threw. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const inner = "original" in error && error.original instanceof Error ? error.original : error;
  return `${inner.name}: ${inner.message}`.slice(0, 300);
}
