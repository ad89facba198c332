/** The page on which somebody says who they are at the local Google. Pure. */
import { chooseDocument, chooseForm } from "../page/choose.ts";
import { type Html, html } from "../page/html.ts";
import type { Page } from "./flow.ts";
import { ABOUT } from "./people.ts";

/** The page. `action` is where its form posts to. */
export function accountPage(page: Exclude<Page, { kind: "back" }>, with_: { query: URLSearchParams; nonce: string; action: string }): Html {
  const title = page.kind === "ask" ? "Choose an account" : page.title;
  const main = page.kind === "ask" ? choice(page, with_) : html`<h1>${page.title}</h1><p>${page.text}</p>`;
  return chooseDocument({ title: `${title} · Google`, main, nonce: with_.nonce, styles: "/page.css" });
}

function choice({ asking, people }: Extract<Page, { kind: "ask" }>, { query, action }: { query: URLSearchParams; action: string }): Html {
  return html`<h1>Choose an account</h1>
<p>of this local Google, to go on to <b>${asking.client.name}</b> at <b>${new URL(asking.redirectUri).origin}</b>.</p>
${chooseForm({
  action,
  query,
  name: "email",
  people: people.map(({ email, name }) => ({ value: email, label: html`<b>${name}</b> ${email}`, about: ABOUT[email] })),
  hint: query.get("login_hint"),
})}`;
}
