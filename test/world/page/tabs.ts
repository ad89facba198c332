/** The bar at the top of all pages, with a tab for each place people talk to errand from. Pure. */
import { type Html, html, type Value } from "./html.ts";

/** The bar. `more` stands at its right. */
export function tabs(current: "slack" | "github", more?: Value): Html {
  const tab = (name: typeof current, href: string, label: string) =>
    html`<a href="${href}"${current === name ? html` aria-current="page"` : null}>${label}</a>`;
  return html`<header class="worlds"><nav aria-label="Places">${tab("slack", "/", "Slack")}${tab("github", "/github", "GitHub")}</nav>${more ?? null}</header>`;
}
