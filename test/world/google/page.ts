/** The page on which somebody says who they are at the local Google. Pure; needs no script. */
import { type Html, html } from "../page/html.ts";
import type { Page } from "./flow.ts";
import { ABOUT } from "./people.ts";

/** The page. `action` is where its form posts to. */
export function accountPage(page: Exclude<Page, { kind: "back" }>, with_: { query: URLSearchParams; nonce: string; action: string }): Html {
  const title = page.kind === "ask" ? "Choose an account" : page.title;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Google</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css" nonce="${with_.nonce}">
</head>
<body class="google"><main>${page.kind === "ask" ? choice(page, with_) : html`<h1>${page.title}</h1><p>${page.text}</p>`}</main></body>
</html>`;
}

function choice(page: Extract<Page, { kind: "ask" }>, { query, action }: { query: URLSearchParams; action: string }): Html {
  const hint = query.get("login_hint");
  const one = ({ email, name }: (typeof page.people)[number]) =>
    html`<button type="submit" name="email" value="${email}" class="button${email === hint ? " primary" : ""}"><b>${name}</b> ${email} <span class="quiet">${ABOUT[email]}</span></button>`;
  return html`<h1>Choose an account</h1>
<p>of this local Google, to go on to <b>${page.asking.client.name}</b> at <b>${new URL(page.asking.redirectUri).origin}</b>.</p>
<form method="post" action="${action}"><input type="hidden" name="query" value="${query.toString()}">${page.people.map(one)}<button type="submit" class="button plain">Cancel</button></form>`;
}
