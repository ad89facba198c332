/** The page on which somebody lets an App act for them, as GitHub's own: below `/login/oauth/` of where its pages are. Needs no script. */
import { randomBytes } from "node:crypto";
import { type Context, Hono } from "hono";
import { isFromOtherPage } from "../loopback.ts";
import { chooseDocument, chooseForm, chooseStyles } from "../page/choose.ts";
import { type Html, html } from "../page/html.ts";
import { contentPolicy } from "../page/policy.ts";
import type { Asking, OAuth, Page } from "./oauth.ts";

const PATH = "/login/oauth/authorize";
const STYLES = "/login/oauth/page.css";

/** Whom one can be, and who that is in a few words. */
export type People = readonly { login: string; about: string }[];

/** Makes the page and what its form posts to. */
export function authorizePage({ oauth, people }: { oauth: Pick<OAuth, "ask" | "agree" | "decline">; people: People }): Hono {
  const app = new Hono();
  app.use("*", async (c, next) => {
    // A page of any origin may lead to this one, and nothing but this one may post.
    if (c.req.method !== "GET" && isFromOtherPage(Object.fromEntries(c.req.raw.headers)))
      return c.text("Only this page itself may write.", 403);
    await next();
    c.header("x-content-type-options", "nosniff");
    c.header("referrer-policy", "same-origin");
    c.header("cache-control", "no-store");
  });
  const show = (c: Context, query: URLSearchParams, page: Page) => {
    const nonce = randomBytes(16).toString("base64");
    c.header("content-security-policy", contentPolicy(nonce, page.kind === "ask" ? new URL(page.asking.redirectUri).origin : undefined));
    return c.html(authorizeDocument(page, { query, people, nonce }).text, page.kind === "ask" ? 200 : page.status);
  };
  app.get(STYLES, (c) => c.body(chooseStyles(), 200, { "content-type": "text/css; charset=utf-8" }));
  app.get(PATH, (c) => {
    const query = new URL(c.req.url).searchParams;
    return show(c, query, oauth.ask(query));
  });
  app.post(PATH, async (c) => {
    const { query: asked, login } = await c.req.parseBody();
    const query = new URLSearchParams(typeof asked === "string" ? asked : "");
    // Nothing that the form says is believed before it was looked at again.
    const page = oauth.ask(query);
    if (page.kind === "refused") return show(c, query, page);
    const to = typeof login === "string" && login !== "" ? oauth.agree(page.asking, login) : oauth.decline(page.asking);
    return to === null ? c.text("There is no such person.", 422) : c.redirect(to, 302);
  });
  return app;
}

function authorizeDocument(page: Page, with_: { query: URLSearchParams; people: People; nonce: string }): Html {
  const title = page.kind === "ask" ? `Authorize ${page.asking.app.name}` : page.title;
  const main = page.kind === "ask" ? question(page.asking, with_) : html`<h1>${page.title}</h1><p>${page.text}</p>`;
  return chooseDocument({ title: `${title} · GitHub`, main, nonce: with_.nonce, styles: STYLES });
}

function question({ app, redirectUri }: Asking, { query, people }: { query: URLSearchParams; people: People }): Html {
  return html`<h1>Authorize ${app.name}</h1>
<p>${app.name} wants to know who you are on this local GitHub, and to act on your behalf where it is installed. You go on to <b>${new URL(redirectUri).origin}</b>.</p>
${chooseForm({
  action: PATH,
  query,
  name: "login",
  people: people.map(({ login, about }) => ({ value: login, label: html`Continue as <b>${login}</b>`, about })),
  hint: query.get("login"),
})}`;
}
