/** Header lists rebuilt in both directions: what an upstream gets, and what a browser gets back. */
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
  `host cookie authorization proxy-* forwarded x-forwarded-* x-real-ip x-client-ip true-client-ip cf-* x-errand-* x-original-* x-rewrite-*
  x-http-method* x-method-override`,
);

/** Fields by which an upstream would speak for the whole origin, tell on itself, or undo what the gateway promises. */
const NOT_FROM_UPSTREAMS = pattern(
  `access-control-* clear-site-data strict-transport-security public-key-pins* alt-svc refresh report-to reporting-endpoints nel server
  www-authenticate proxy-* x-errand-* referrer-policy x-content-type-options cross-origin-resource-policy x-robots-tag`,
);

/** Set on every proxied response. The policy comes beside the upstream's own, and both hold. */
const ADDED: Fields = [
  ["referrer-policy", "same-origin"],
  ["x-content-type-options", "nosniff"],
  ["cross-origin-resource-policy", "same-origin"],
  ["content-security-policy", "frame-ancestors 'self'"],
  ["x-robots-tag", "noindex"],
];

/**
 * The request's fields for an upstream: without what belongs to the connection, without what only a proxy may say, without
 * our cookies, and with the public host and the upstream's own credential. Host and Connection are set first and by us.
 */
export function requestFields(client: Fields, publicOrigin: URL, authorization: string | undefined): Fields {
  const named = new Set(tokensOf(client, "connection").filter((name) => !KEPT.has(name)));
  const fields: [string, string][] = [
    ["host", publicOrigin.host],
    ["x-forwarded-host", publicOrigin.host],
    ["x-forwarded-proto", publicOrigin.protocol.slice(0, -1)],
  ];
  if (authorization !== undefined) fields.push(["authorization", authorization]);
  const cookie = foreignCookies(client);
  if (cookie !== undefined) fields.push(["cookie", cookie]);
  for (const [name, value] of client) {
    // CGI-like servers read an underscore as a hyphen, so `X_Forwarded_Host` would be `X-Forwarded-Host` to them.
    if (HOP_BY_HOP.has(name) || named.has(name) || name.includes("_") || NOT_FROM_CLIENTS.test(name)) continue;
    fields.push([name, value]);
  }
  return fields;
}

/** Where a response comes from, as far as its fields depend on it. */
export interface Origin {
  /** Public prefix of the service, such as `/vscode`. */
  prefix: string;
  /** Path that the upstream was asked for: relative redirects start there. */
  path: string;
  /** The upstream's port on loopback. */
  port: number;
  publicOrigin: URL;
}

/** The response's fields for the browser. */
export function responseFields(upstream: Fields, from: Origin): Fields {
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

function responseValue(name: string, value: string, from: Origin): string | undefined {
  switch (name) {
    case "location":
      return rewriteLocation(value, from);
    case "set-cookie":
      return maySetCookie(value) ? value : undefined;
    case "set-cookie2":
      return undefined;
    case "service-worker-allowed":
      return `${from.prefix}/`;
    case "cache-control":
      return value.replace(/\bpublic\b/gi, "private");
    default:
      return value;
  }
}

/**
 * A redirect as an absolute path under the service's prefix, or undefined where it leads anywhere but to the upstream itself:
 * by a relative address, its loopback address, or our public host.
 */
export function rewriteLocation(value: string, from: Origin): string | undefined {
  const base = `http://upstream.invalid${from.path}`;
  if (!URL.canParse(value, base)) return undefined;
  const to = new URL(value, base);
  if ((to.protocol !== "http:" && to.protocol !== "https:") || to.username !== "" || to.password !== "") return undefined;
  const loopback = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"].includes(to.hostname) && to.port === String(from.port);
  if (to.host !== "upstream.invalid" && to.host !== from.publicOrigin.host && !loopback) return undefined;
  return `${from.prefix}${to.pathname}${to.search}${to.hash}`;
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
