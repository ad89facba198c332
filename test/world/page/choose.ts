/** What the sign-in pages of the local GitHub and the local Google share: a question, and a button for each person one can be. No script. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Html, html } from "./html.ts";

const file = (name: string) => readFileSync(fileURLToPath(new URL(`./styles/${name}.css`, import.meta.url)), "utf8");

/** The style sheet of these pages. */
export const chooseStyles = (): string => ["base", "blocks", "choose"].map(file).join("");

/** A page. `styles` is where its style sheet is. Pure. */
export function chooseDocument(page: { title: string; main: Html; nonce: string; styles: string }): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${page.styles}" nonce="${page.nonce}">
</head>
<body class="choose"><main>${page.main}</main></body>
</html>`;
}

/** One form of one button for each person and one to cancel; it brings the page's own query along, to be looked at again. Pure. */
export function chooseForm(form: {
  action: string;
  query: URLSearchParams;
  /** The field's name. */
  name: string;
  people: readonly { value: string; label: Html; about: string | undefined }[];
  /** Who is most likely meant. */
  hint: string | null;
}): Html {
  const one = ({ value, label, about }: (typeof form.people)[number]) =>
    html`<button type="submit" name="${form.name}" value="${value}" class="button${value === form.hint ? " primary" : ""}">${label} <span class="quiet">${about}</span></button>`;
  return html`<form method="post" action="${form.action}"><input type="hidden" name="query" value="${form.query.toString()}">${form.people.map(one)}<button type="submit" class="button">Cancel</button></form>`;
}
