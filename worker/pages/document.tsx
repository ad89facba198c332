/** The frame of every page, and the one way to answer with one: strict headers, a nonce for the one script it may run. */
import type { Child } from "hono/jsx";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { AppContext } from "../routes/app.ts";

/** What a page may do beyond showing itself. `script`: an asset of ours it runs; `formsTo`: what its forms go to, where that is not us: an origin or a whole address. */
export type PageOptions = {
  status?: ContentfulStatusCode;
  script?: "session" | "open" | "submit" | "copy" | "callback" | "link";
  formsTo?: string;
  refreshSeconds?: number;
  /** Without a script, where the page goes on to by itself, instead of loading itself again. A path of ours. */
  refreshTo?: string;
};

function contentSecurityPolicy(c: AppContext, nonce: string, options: PageOptions): string {
  const { host } = new URL(c.req.url);
  return [
    "default-src 'none'",
    options.script ? `script-src 'nonce-${nonce}'` : "",
    "style-src 'self'",
    "img-src 'self' data:",
    // Older Safari does not count its own WebSocket as 'self'.
    options.script ? `connect-src 'self' ws://${host} wss://${host}` : "",
    `form-action ${options.formsTo ?? "'self'"}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
    .filter((part) => part !== "")
    .join("; ");
}

const ICON = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#2f5bd8"/><path d="M9 10h14M9 16h9M9 22h12" stroke="#fff" stroke-width="3" stroke-linecap="round"/></svg>',
)}`;

/** Answers with a page. Everything in `content` is escaped by JSX unless it is JSX itself. */
export function page(c: AppContext, title: string, content: Child, options: PageOptions = {}): Response {
  const nonce = crypto.randomUUID();
  c.header("content-security-policy", contentSecurityPolicy(c, nonce, options));
  c.header("cache-control", "no-store");
  const html = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{title}</title>
        <link rel="icon" href={ICON} />
        <link rel="stylesheet" href="/assets/page.css" />
        {options.refreshSeconds === undefined ? null : (
          <noscript>
            <meta
              http-equiv="refresh"
              content={
                options.refreshTo === undefined ? String(options.refreshSeconds) : `${options.refreshSeconds}; url=${options.refreshTo}`
              }
            />
          </noscript>
        )}
        {options.script ? <script nonce={nonce} src={`/assets/${options.script}.js`} defer></script> : null}
      </head>
      <body>{content}</body>
    </html>
  );
  return c.html(`<!doctype html>${html.toString()}`, options.status ?? 200);
}

/** The line at the top of a page. */
export function Bar(props: { children?: Child }) {
  return (
    <header class="bar">
      <a class="brand" href="/">
        errand
      </a>
      {props.children}
    </header>
  );
}
