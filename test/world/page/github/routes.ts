/** The GitHub pages on the page's server: reading, acting, and telling open pages what changed. */
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Context, Hono } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { streamSSE } from "hono/streaming";
import { html } from "../html.ts";
import { contentPolicy } from "../policy.ts";
import { type Outcome, perform } from "./actions.ts";
import { githubDocument } from "./document.ts";
import { type Made, makePage } from "./make.ts";
import type { GitHubOffer } from "./offer.ts";
import { makePending } from "./pending.ts";
import { placeAt } from "./place.ts";

/** How long changes are gathered before a page is made anew, in ms. */
const GATHER_MS = 60;
/** How often an open page is looked at when the world does not say what changed, in ms. */
const POLL_MS = 1_000;
/** How often a line goes to an open page though nothing changed, so that one that is gone is noticed, in ms. */
const QUIET_MS = 15_000;
/** How many actions are remembered, so that one that comes twice is done once. */
const REMEMBERED = 1_000;
const COOKIE = "errand_world_github_as";

const file = (name: string) => readFileSync(fileURLToPath(new URL(name, import.meta.url)), "utf8");
/** The style sheets, in the order in which they build on each other. */
const STYLES = [
  "../styles/base.css",
  "../styles/message.css",
  "../styles/blocks.css",
  "../styles/writing.css",
  "../styles/tabs.css",
  "page.css",
  "markdown.css",
  "diff.css",
  "small.css",
];

/** Adds the pages under `/github`; the result ends the listening to what changes. */
export function addGitHub(app: Hono, github: GitHubOffer): () => void {
  const pending = makePending(randomUUID);
  const listeners = new Set<() => void>();
  const changed = () => {
    for (const listener of listeners) listener();
  };
  const end = github.onChange?.(changed);
  const known = (login: string | undefined) => github.users.find((person) => person.login === login)?.login;
  const meOf = (c: Context) => known(getCookie(c, COOKIE)) ?? github.users[0]?.login ?? "";

  const originOf = (c: Context) => `http://${c.req.header("host") ?? ""}`;

  const script = file("./github.client.js");
  const styles = STYLES.map((name) => file(name.startsWith("..") ? name : `./styles/${name}`)).join("");
  const morph = readFileSync(createRequire(import.meta.url).resolve("idiomorph/dist/idiomorph.esm.js"), "utf8");
  const asset = (path: string, text: string, type: string) =>
    app.get(path, (c) => c.body(text, 200, { "content-type": `${type}; charset=utf-8` }));
  asset("/github/page.js", script, "text/javascript");
  asset("/github/morph.js", morph, "text/javascript");
  asset("/github/page.css", styles, "text/css");

  app.get("/github/live", (c) => {
    const url = new URL(c.req.query("path") ?? "", originOf(c));
    const place = placeAt(url.pathname, url.searchParams);
    const me = known(c.req.query("as"));
    if (!place || !me) return c.text("There is no such page.", 404);
    const origin = originOf(c);
    return streamSSE(c, async (stream) => {
      let last: string | undefined;
      let wake: () => void = () => undefined;
      let dirty = true;
      let said = Date.now();
      const listener = () => {
        dirty = true;
        wake();
      };
      listeners.add(listener);
      stream.onAbort(() => {
        listeners.delete(listener);
        wake();
      });
      try {
        while (!stream.aborted) {
          if (!dirty) {
            const timer = setTimeout(() => wake(), github.onChange ? QUIET_MS : POLL_MS);
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
            clearTimeout(timer);
            if (stream.aborted) break;
            if (dirty) await stream.sleep(GATHER_MS);
          }
          dirty = false;
          const made = await makePage(github, pending, { place, me, origin });
          // What cannot be read for the moment stays as it was shown.
          if ("redirect" in made || (made.status === 502 && last !== undefined)) continue;
          const { text } = made.main;
          if (last !== text || Date.now() - said > QUIET_MS) {
            said = Date.now();
            await stream.writeSSE(last === text ? { event: "quiet", data: "" } : { event: "main", data: JSON.stringify(text) });
          }
          last = text;
        }
      } finally {
        listeners.delete(listener);
      }
    });
  });

  app.post("/github/as", async (c) => {
    const { login, back } = await c.req.parseBody();
    const person = known(typeof login === "string" ? login : undefined);
    if (!person) return c.text("There is no such person.", 422);
    setCookie(c, COOKIE, person, { httpOnly: true, sameSite: "Strict", path: "/github" });
    const url = new URL(typeof back === "string" ? back : "/github", originOf(c));
    return c.redirect(placeAt(url.pathname, url.searchParams) ? url.pathname + url.search : "/github", 303);
  });

  /** Actions that are under way or done, by the id the page gave them. */
  const done = new Map<string, Promise<Outcome>>();

  app.post("/github/:owner/:repo/do/:action", async (c) => {
    const body = await c.req.parseBody();
    const form = Object.fromEntries(
      Object.entries(body).flatMap(([name, value]) => (typeof value === "string" ? [[name, value] as const] : [])),
    );
    const repository = `${c.req.param("owner")}/${c.req.param("repo")}`;
    const login = known(form.as);
    if (!login || !github.repositories.includes(repository)) return c.text("There is no such person or repository.", 422);
    const once = form.once ? JSON.stringify([login, repository, c.req.param("action"), form.once]) : undefined;
    const known_ = once ? done.get(once) : undefined;
    const doing = known_ ?? perform(c.req.param("action"), form, { github, login, repository, pending });
    if (!doing) return c.text("There is no such action.", 404);
    if (once && !known_) {
      done.set(once, doing);
      // One that failed may be tried again under its id.
      void doing.then((outcome) => (outcome.ok ? undefined : done.delete(once)));
      if (done.size > REMEMBERED) done.delete(done.keys().next().value ?? "");
    }
    const outcome = await doing;
    changed();
    if (c.req.header("accept")?.includes("application/json")) return c.json(outcome, outcome.ok ? 200 : 422);
    if (!outcome.ok) return c.text(outcome.error, 422);
    const from = c.req.header("referer");
    return c.redirect(outcome.go ?? (from?.startsWith(`${originOf(c)}/github`) ? from : "/github"), 303);
  });

  const show = async (c: Context) => {
    const url = new URL(c.req.url);
    const place = placeAt(url.pathname, url.searchParams);
    const me = meOf(c);
    const made: Made = place
      ? await makePage(github, pending, { place, me, origin: originOf(c) })
      : { title: "Not here", main: html`<p class="empty">There is no such page.</p>`, status: 404 };
    if ("redirect" in made) return c.redirect(made.redirect);
    const nonce = randomBytes(16).toString("base64");
    c.header("content-security-policy", contentPolicy(nonce));
    const repository = place && place.page !== "home" ? place.repository : null;
    const path = url.pathname + url.search;
    return c.html(githubDocument({ ...made, nonce, people: github.users, me, path, repository }).text, made.status);
  };
  app.get("/github", show);
  app.get("/github/*", show);
  return () => end?.();
}
