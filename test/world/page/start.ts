/**
 * The page on which a person reads and writes in the local Slack. It reads the store, and writes through the Web API as any
 * client would, so that what one does here goes the same way as in the real Slack.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ServerType, serve } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { z } from "zod";
import { isLoopbackHost } from "../loopback.ts";
import type { Typed } from "../slack/interactivity.ts";
import type { Slack } from "../slack/start.ts";
import { TOKENS, WORKSPACE } from "../slack/workspace.ts";
import { documentOf } from "./document.ts";
import type { GitHubOffer } from "./github/offer.ts";
import { addGitHub } from "./github/routes.ts";
import { toSlackText } from "./names.ts";
import { contentPolicy } from "./policy.ts";
import { namesOf, type Panes, type Place, panesOf, patchOf, type Snapshot } from "./view.ts";

/** How long changes are gathered before a page hears of them, in ms. */
const GATHER_MS = 40;
/** How long the Slack may take to answer what a person does here, in ms. */
const SLACK_TIMEOUT_MS = 10_000;

const file = (name: string) => readFileSync(fileURLToPath(new URL(name, import.meta.url)), "utf8");
/** The style sheets, in the order in which they build on each other. */
const STYLES = ["base", "tabs", "message", "blocks", "writing", "small"];
const asText = (value: unknown) => (typeof value === "string" ? value : "");

/** Words for what the Slack refuses; others are shown as they come. */
const WORDS: Record<string, string> = {
  no_text: "An empty message is not sent.",
  message_not_found: "That message is not there any more.",
  channel_not_found: "There is no such channel.",
  msg_too_long: "That is too long: a changed message may have 4,000 characters.",
  rate_limited: "Slack takes no more messages for the moment. Try again in a few seconds.",
};

/** The fields of a message as the page's script sends them; none where that is something else. */
function typedFields(json: string): Typed {
  try {
    return Fields.parse(JSON.parse(json));
  } catch {
    return {};
  }
}
const Fields = z.record(z.string(), z.record(z.string(), z.string()));

function snapshotOf(slack: Slack): Snapshot {
  const me = WORKSPACE.you;
  return {
    me,
    users: slack.tables.users.all(),
    channels: slack.tables.channels.all(),
    messages: slack.tables.messages.all(),
    ephemeral: slack.tables.ephemeralMessages.all().filter((message) => message.target_user === me),
    sessionOf: slack.sessionOf,
  };
}

function placeOf(slack: Slack, channel: string | undefined, thread: string | undefined): Place | undefined {
  if (!channel || !slack.tables.channels.findOneBy("channel_id", channel)) return undefined;
  if (!thread) return { channel, thread: null };
  return /^\d+\.\d+$/.test(thread) && slack.thread(channel, thread).length > 0 ? { channel, thread } : undefined;
}

/** What the page shows, and where. Without a GitHub there is the Slack alone. */
export interface PageOptions {
  slack: Slack;
  github?: GitHubOffer | null;
  port: number;
}

/** Starts the page's server on 127.0.0.1; a port of 0 takes a free one. Throws where the port is taken. */
export async function startPage({ slack, github = null, port }: PageOptions): Promise<{ url: string; stop: () => Promise<void> }> {
  const app = new Hono();
  const script = file("./page.client.js");
  const styles = STYLES.map((name) => file(`./styles/${name}.css`)).join("");

  app.use("*", async (c, next) => {
    if (!isLoopbackHost(c.req.header("host"))) return c.text("Only this machine is served.", 403);
    if (c.req.method === "POST") {
      const origin = c.req.header("origin");
      if (origin !== `http://${c.req.header("host")}`) return c.text("Only this page itself may write.", 403);
    }
    await next();
    c.header("x-content-type-options", "nosniff");
    // Browsers tell nothing of where a form comes from under "no-referrer", not even to the page itself, which asks for it.
    c.header("referrer-policy", "same-origin");
    c.header("cross-origin-opener-policy", "same-origin");
    if (!c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
  });

  const show = (c: Context, place: Place | undefined) => {
    if (!place) return c.redirect(`/c/${WORKSPACE.channels.demo}`);
    const nonce = randomBytes(16).toString("base64");
    c.header("content-security-policy", contentPolicy(nonce));
    return c.html(
      documentOf(snapshotOf(slack), place, { nonce, newId: randomUUID, workspace: WORKSPACE.name, tabs: github !== null }).text,
    );
  };

  const endGitHub = github ? addGitHub(app, github) : undefined;
  app.get("/", (c) => show(c, undefined));
  app.get("/c/:channel", (c) => show(c, placeOf(slack, c.req.param("channel"), undefined)));
  app.get("/c/:channel/t/:thread", (c) => show(c, placeOf(slack, c.req.param("channel"), c.req.param("thread"))));
  app.get("/page.js", (c) => c.body(script, 200, { "content-type": "text/javascript; charset=utf-8" }));
  app.get("/page.css", (c) => c.body(styles, 200, { "content-type": "text/css; charset=utf-8" }));

  app.get("/live", (c) => {
    const place = placeOf(slack, c.req.query("channel"), c.req.query("thread"));
    if (!place) return c.text("There is no such place.", 404);
    return streamSSE(c, async (stream) => {
      let shown: Panes | undefined;
      let wake: () => void = () => undefined;
      let dirty = true;
      const end = slack.onChange(() => {
        dirty = true;
        wake();
      });
      stream.onAbort(() => {
        end();
        wake();
      });
      while (!stream.aborted) {
        if (!dirty) {
          // A line now and then, so that a connection that is gone is noticed.
          const quiet = setTimeout(() => wake(), 15_000);
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          clearTimeout(quiet);
          if (stream.aborted) break;
          if (!dirty) await stream.writeSSE({ event: "quiet", data: "" });
          await stream.sleep(GATHER_MS);
          if (!dirty) continue;
        }
        dirty = false;
        const panes = panesOf(snapshotOf(slack), place);
        const patch = patchOf(shown, panes);
        shown = panes;
        if (patch) await stream.writeSSE({ event: "patch", data: JSON.stringify(patch) });
      }
    });
  });

  /** One Web API call as the person at the page. */
  async function asYou(method: string, args: object): Promise<{ ok: true; ts: string } | { ok: false; error: string }> {
    try {
      const response = await fetch(`${slack.apiUrl}${method}`, {
        method: "POST",
        headers: { authorization: `Bearer ${TOKENS.you}`, "content-type": "application/json; charset=utf-8" },
        body: JSON.stringify(args),
        signal: AbortSignal.timeout(SLACK_TIMEOUT_MS),
      });
      const answer: unknown = await response.json();
      const body = typeof answer === "object" && answer !== null ? answer : {};
      if ("ok" in body && body.ok === true) return { ok: true, ts: "ts" in body ? asText(body.ts) : "" };
      const error = "error" in body ? asText(body.error) : `error ${response.status}`;
      return { ok: false, error: WORDS[error] ?? `Slack refused: ${error}.` };
    } catch {
      return { ok: false, error: "Slack cannot be reached. Your text is kept; try again." };
    }
  }

  type Outcome = { ok: true; ts?: string } | { ok: false; error: string };
  const act = (path: string, handle: (form: Record<string, string>) => Promise<Outcome>) =>
    app.post(path, async (c) => {
      const body = await c.req.parseBody();
      const form = Object.fromEntries(Object.entries(body).map(([name, value]) => [name, asText(value)]));
      const outcome = await handle(form);
      if (c.req.header("accept")?.includes("application/json")) return c.json(outcome, outcome.ok ? 200 : 422);
      if (!outcome.ok) return c.text(outcome.error, 422);
      const thread = form.thread_ts ? `/t/${form.thread_ts}` : "";
      return c.redirect(`/c/${form.channel}${thread}`, 303);
    });

  const slackText = (typed: string) => toSlackText(typed.trim(), namesOf(snapshotOf(slack)));
  /** Posts that are under way or done, by the id the page gave them: the same one twice is one message. */
  const posted = new Map<string, Promise<Outcome>>();

  act("/post", (form) => {
    const { channel = "", thread_ts, text = "", client_msg_id: id = "" } = form;
    if (text.trim() === "") return Promise.resolve({ ok: false, error: WORDS.no_text ?? "" });
    const known = id ? posted.get(id) : undefined;
    if (known) return known;
    const thread = thread_ts ? { thread_ts } : {};
    const post = asYou("chat.postMessage", { channel, ...thread, text: slackText(text), ...(id ? { client_msg_id: id } : {}) });
    if (id) {
      posted.set(id, post);
      // One that failed may be tried again under its id.
      void post.then((outcome) => (outcome.ok ? undefined : posted.delete(id)));
      if (posted.size > 1_000) posted.delete(posted.keys().next().value ?? "");
    }
    return post;
  });
  act("/edit", (form) => {
    const { channel = "", ts = "", text = "" } = form;
    if (text.trim() === "") return Promise.resolve({ ok: false, error: "An empty message is not sent. Delete it instead." });
    return asYou("chat.update", { channel, ts, text: slackText(text) });
  });
  act("/delete", ({ channel = "", ts = "" }) => asYou("chat.delete", { channel, ts }));
  act("/click", async (form) => {
    const { channel = "", ts = "", action = "", block, value, typed } = form;
    const fields = typed ? typedFields(typed) : {};
    const detail = { ...(block ? { blockId: block } : {}), ...(value !== undefined ? { value } : {}), typed: fields };
    const outcome = await slack.click({ channel, messageTs: ts, actionId: action, ...detail });
    return outcome.ok ? { ok: true } : outcome;
  });
  act("/stop", async ({ channel = "", thread_ts = "" }) => {
    slack.pressStop(channel, thread_ts);
    return { ok: true };
  });

  const server = await new Promise<ServerType>((resolve, reject) => {
    const starting = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }, () => resolve(starting));
    starting.once("error", reject);
  });
  const address = server.address();
  const bound = typeof address === "object" && address ? address.port : port;
  return {
    url: `http://127.0.0.1:${bound}`,
    stop: () =>
      new Promise((resolve) => {
        endGitHub?.();
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}
