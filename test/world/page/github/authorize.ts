/** The page on which somebody lets an App act for them: who it is, what it asks, and a button for each person one can be. */
import { randomBytes } from "node:crypto";
import type { Context, Hono } from "hono";
import type { Page } from "../../github/oauth.ts";
import { type Html, html } from "../html.ts";
import { contentPolicy } from "../policy.ts";
import type { GitHubOffer, Person } from "./offer.ts";

const PATH = "/github/login/oauth/authorize";

/** Adds the page, which needs no script, and what its form posts to. */
export function addAuthorize(app: Hono, { signIn, users }: Pick<GitHubOffer, "signIn" | "users">): void {
  if (!signIn) return;
  const show = (c: Context, query: URLSearchParams, page: Page) => {
    const nonce = randomBytes(16).toString("base64");
    c.header("content-security-policy", contentPolicy(nonce, page.kind === "ask" ? new URL(page.asking.redirectUri).origin : undefined));
    return c.html(authorizeDocument(page, { query, users, nonce }).text, page.kind === "ask" ? 200 : page.status);
  };
  app.get(PATH, (c) => {
    const query = new URL(c.req.url).searchParams;
    return show(c, query, signIn.ask(query));
  });
  app.post(PATH, async (c) => {
    const { query: asked, login } = await c.req.parseBody();
    const query = new URLSearchParams(typeof asked === "string" ? asked : "");
    // Nothing that the form says is believed before it was looked at again.
    const page = signIn.ask(query);
    if (page.kind === "refused") return show(c, query, page);
    const to = typeof login === "string" && login !== "" ? signIn.agree(page.asking, login) : signIn.decline(page.asking);
    return to === null ? c.text("There is no such person.", 422) : c.redirect(to, 302);
  });
}

/** Pure. */
export function authorizeDocument(page: Page, with_: { query: URLSearchParams; users: readonly Person[]; nonce: string }): Html {
  const title = page.kind === "ask" ? `Authorize ${page.asking.app.name}` : page.title;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · GitHub</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/github/page.css" nonce="${with_.nonce}">
</head>
<body class="github">
<main class="sign-in">${page.kind === "ask" ? question(page.asking, with_) : refused(page)}</main>
</body>
</html>`;
}

const refused = (page: Extract<Page, { kind: "refused" }>): Html => html`<h1>${page.title}</h1><p>${page.text}</p>`;

function question(
  asking: Extract<Page, { kind: "ask" }>["asking"],
  { query, users }: { query: URLSearchParams; users: readonly Person[] },
) {
  const suggested = query.get("login");
  const one = ({ login, about }: Person) =>
    html`<button type="submit" name="login" value="${login}" class="button${login === suggested ? " primary" : ""}">Continue as <b>${login}</b> <span class="quiet">${about}</span></button>`;
  return html`<h1>Authorize ${asking.app.name}</h1>
<p>${asking.app.name} wants to know who you are on this local GitHub, and to act on your behalf where it is installed. You go on to <b>${new URL(asking.redirectUri).origin}</b>.</p>
<form method="post" action="${PATH}"><input type="hidden" name="query" value="${query.toString()}">${users.map(one)}<button type="submit" class="button plain">Cancel</button></form>`;
}
