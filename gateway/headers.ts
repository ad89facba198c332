/** Header lists rebuilt in both directions: what an upstream gets, and what a browser gets back. */
import type { Mode, Service } from "../protocol/grant.ts";
import { prefixOf } from "../protocol/sites.ts";
import { foreignCookies, maySetCookie } from "./cookies.ts";
import { type Fields, tokensOf, valuesOf } from "./fields.ts";

/** Fields that belong to one connection (RFC 9110 section 7.6.1, and the old ones still seen). */
const HOP_BY_HOP: ReadonlySet<string> = new Set(
  "connection keep-alive proxy-connection te trailer transfer-encoding upgrade http2-settings expect".split(" "),
);

/** Fields that a client can't have taken away by naming them in `Connection`: upstreams decide by them. */
const KEPT: ReadonlySet<string> = new Set("cookie origin content-length content-type sec-websocket-key sec-websocket-version".split(" "));

/** Fields that only a proxy may set, or that turn a request into another one. A trailing `*` stands for any ending. */
const NOT_FROM_CLIENTS = pattern(
  `host cookie proxy-* forwarded x-forwarded-* x-real-ip x-client-ip true-client-ip cf-* x-errand-* x-original-* x-rewrite-*
  x-http-method* x-method-override`,
);

/** Fields by which an upstream would speak for the whole origin, tell on itself, or undo what the gateway promises. */
const NOT_FROM_UPSTREAMS = pattern(
  `access-control-* clear-site-data strict-transport-security public-key-pins* alt-svc refresh report-to reporting-endpoints nel server
  proxy-* x-errand-* referrer-policy x-content-type-options cross-origin-resource-policy x-robots-tag`,
);

/** Set on every proxied response. The policy comes beside the upstream's own, and both hold. */
const ADDED: Fields = [
  ["referrer-policy", "same-origin"],
  ["x-content-type-options", "nosniff"],
  ["cross-origin-resource-policy", "same-origin"],
  ["content-security-policy", "frame-ancestors 'self'"],
  ["x-robots-tag", "noindex"],
];

/** What a request goes to, as far as the fields of both directions depend on it. */
export interface Upstream {
  service: Service;
  /** On loopback; null for a UNIX socket, which a preview never is. */
  port: number | null;
  /** Our origin, as the browser knows it. */
  origin: URL;
  /** Path that the upstream is asked for: relative redirects start there. */
  path: string;
  mode: Mode;
  /** The whole value of the `Authorization` header that the upstream wants. */
  authorization: string | undefined;
}

/**
 * The request's fields for an upstream: without what belongs to the connection, without what only a proxy may say, without
 * our cookies, and with the host and the credential that the upstream expects. Host and Connection are set first and by us.
 */
export function requestFields(client: Fields, to: Upstream): Fields {
  const named = new Set(tokensOf(client, "connection").filter((name) => !KEPT.has(name)));
  const preview = to.service === "preview";
  const fields: [string, string][] = [["host", preview ? localOf(to).host : to.origin.host]];
  // Servers that compare Origin with a host prefer the forwarded one (Next, Rails), so a request with the local Origin goes without.
  if (!preview || valuesOf(client, "origin").length === 0) {
    fields.push(["x-forwarded-host", to.origin.host], ["x-forwarded-proto", to.origin.protocol.slice(0, -1)]);
  }
  if (to.service === "desktop") fields.push(["x-errand-mode", to.mode]);
  if (to.authorization !== undefined) fields.push(["authorization", to.authorization]);
  const cookie = foreignCookies(client);
  if (cookie !== undefined) fields.push(["cookie", cookie]);
  for (const [name, value] of client) {
    // CGI-like servers read an underscore as a hyphen, so `X_Forwarded_Host` would be `X-Forwarded-Host` to them.
    if (HOP_BY_HOP.has(name) || named.has(name) || name.includes("_") || NOT_FROM_CLIENTS.test(name)) continue;
    // Pages in a preview sign in to their own server with this; elsewhere it is ours to set.
    if (name === "authorization" && !preview) continue;
    fields.push([name, preview && name === "origin" ? localOrigin(value, to) : value]);
  }
  return fields;
}

/** A dev server as it knows itself: what checks the host or the origin of a request (Vite, Next) takes this one and no public one. */
function localOf({ port }: Upstream): URL {
  return new URL(`http://localhost:${port ?? 80}`);
}

function localOrigin(value: string, to: Upstream): string {
  return value === to.origin.origin ? localOf(to).origin : value;
}

/** The response's fields for the browser. */
export function responseFields(upstream: Fields, from: Upstream): Fields {
  const named = new Set(tokensOf(upstream, "connection"));
  const location = valuesOf(upstream, "location");
  const fields: [string, string][] = [];
  for (const [name, value] of upstream) {
    if (HOP_BY_HOP.has(name) || named.has(name) || NOT_FROM_UPSTREAMS.test(name)) continue;
    const kept = location.length > 1 && name === "location" ? undefined : responseValue(name, value, from);
    if (kept !== undefined) fields.push([name, kept]);
  }
  return [...fields, ...ADDED];
}

function responseValue(name: string, value: string, from: Upstream): string | undefined {
  switch (name) {
    case "location":
      return rewriteLocation(value, from);
    case "set-cookie":
      return maySetCookie(value) ? value : undefined;
    case "set-cookie2":
      return undefined;
    case "service-worker-allowed":
      return `${prefixOf(from.service)}/`;
    case "www-authenticate":
      // A preview may ask for a password of its own. Anything else has its credential from us, and a question for it is a fault.
      return from.service === "preview" ? value : undefined;
    case "cache-control":
      return value.replace(/\bpublic\b/gi, "private");
    default:
      return value;
  }
}

/**
 * A redirect to the upstream itself (by a relative address, its loopback address, or our host) as an address under which the
 * browser finds it. One to anywhere else is undefined, except for a preview: pages there may lead anywhere by script, so it would
 * hold back nothing but an app's sign-in with somebody else.
 */
export function rewriteLocation(value: string, from: Upstream): string | undefined {
  const base = `${from.origin.protocol}//upstream.invalid${from.path}`;
  if (!URL.canParse(value, base)) return undefined;
  const to = new URL(value, base);
  if ((to.protocol !== "http:" && to.protocol !== "https:") || to.username !== "" || to.password !== "") return undefined;
  const loopback = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"].includes(to.hostname) && portOf(to) === from.port;
  if (to.host !== "upstream.invalid" && to.host !== from.origin.host && !loopback) {
    return from.service === "preview" ? to.href : undefined;
  }
  // Without a prefix the path alone could begin with two slashes, and lead to another host.
  return `${prefixOf(from.service) || from.origin.origin}${to.pathname}${to.search}${to.hash}`;
}

function portOf(url: URL): number {
  return Number(url.port || (url.protocol === "https:" ? 443 : 80));
}

/** One expression for a list of names, where a trailing `*` matches any ending. */
function pattern(names: string): RegExp {
  return new RegExp(
    `^(?:${names
      .trim()
      .split(/\s+/)
      .map((name) => name.replace(/\*$/, ".*"))
      .join("|")})$`,
  );
}
