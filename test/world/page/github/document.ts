/** The frame of every GitHub page. Pure. */
import { Html, html } from "../html.ts";
import { tabs } from "../tabs.ts";
import type { Person } from "./offer.ts";
import { addressOf } from "./place.ts";

/** Where the script's one library is. */
const IMPORTS = new Html('{"imports":{"idiomorph":"/github/morph.js"}}');

function whoMenu(people: readonly Person[], me: string, back: string): Html {
  const one = ({ login, about }: Person) =>
    html`<button type="submit" name="login" value="${login}" class="choice"${login === me ? html` aria-current="true"` : null}><b>${login}</b> <span class="quiet">${about}</span></button>`;
  return html`<details class="menu who"><summary class="button small" aria-label="You are ${me}. Be someone else">${me} <span aria-hidden="true">▾</span></summary><div><form method="post" action="/github/as"><input type="hidden" name="back" value="${back}">${people.map(one)}</form></div></details>`;
}

/** A page. `main` is what stands in it; `path` is its own address; `live`: it is kept up to date. */
export function githubDocument(options: {
  title: string;
  main: Html;
  nonce: string;
  people: readonly Person[];
  me: string;
  path: string;
  repository: string | null;
  live: boolean;
}): Html {
  const { title, main, nonce, people, me, path, repository, live } = options;
  const crumb = repository
    ? html` <a href="${addressOf({ page: "list", repository, of: "issues", state: "open" })}" class="crumb">${repository}</a>`
    : null;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/github/page.css" nonce="${nonce}">
<script type="importmap" nonce="${nonce}">${IMPORTS}</script>
<script type="module" src="/github/page.js" nonce="${nonce}"></script>
</head>
<body class="github">
${tabs("github", html`${crumb}${whoMenu(people, me, path)}`)}
<div class="banner" data-banner role="alert" hidden></div>
<main data-main data-as="${me}"${live ? html` data-live` : null}>${main}</main>
</body>
</html>`;
}
