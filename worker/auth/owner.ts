/**
 * The owner of the machine, who is recognised without signing in: only for requests that came by loopback, directly, and not from another
 * site's page. Pure: the decision is made from the request's headers alone.
 */
import type { Person } from "../../protocol/request.ts";

/** Why nobody was recognised. `code` is stable, for programs; `message` is for people. */
export type Refusal = {
  code: "no_sign_in" | "not_loopback" | "proxied" | "other_site";
  message: string;
};

export type Identity = { person: Person } | { person: null; refusal: Refusal };

/** What is asked for: a `page` may be reached by a link on another site, `data` may not. */
export type Asked = "page" | "data";

const LOOPBACK_HOSTS = new Set(["127.0.0.1", "localhost", "[::1]"]);
/** Headers that proxies, tunnels and Cloudflare's edge add. One of them means that the sender is not who opened the connection. */
const PROXY_HEADERS = [
  "forwarded",
  "via",
  "x-real-ip",
  "x-client-ip",
  "true-client-ip",
  "cf-ray",
  "cf-visitor",
  "cf-ipcountry",
  "cdn-loop",
];

const nobody = (code: Refusal["code"], message: string): Identity => ({ person: null, refusal: { code, message } });

/**
 * The person behind a request, or why there is none. `wrangler dev` keeps the client's `Host` and sets
 * `cf-connecting-ip` to the peer's address unless the client sent one, so that header can refuse but never admit.
 */
export function identify(
  request: { method: string; headers: Headers },
  settings: { PUBLIC_ORIGIN: string | null; LOCAL_OWNER: string | null },
  asked: Asked,
): Identity {
  const { headers } = request;
  if (settings.LOCAL_OWNER === null || settings.PUBLIC_ORIGIN === null)
    return nobody("no_sign_in", "Sign-in is not set up here, so nobody can be recognised.");
  const origin = new URL(settings.PUBLIC_ORIGIN);
  if (!LOOPBACK_HOSTS.has(origin.hostname))
    return nobody("no_sign_in", "This installation is reachable from elsewhere and sign-in is not set up, so nobody can be recognised.");
  if (!isOwnHost(headers.get("host"), origin))
    return nobody("not_loopback", `Only ${settings.PUBLIC_ORIGIN} on the machine itself is served.`);
  const peer = headers.get("cf-connecting-ip");
  if (peer !== null && !isLoopbackAddress(peer)) return nobody("not_loopback", "The request came from another machine.");
  const proxy = proxyHeader(headers);
  if (proxy) return nobody("proxied", `The request came through a proxy or tunnel (it carries ${proxy}).`);
  if (!isSameSite(request, settings.PUBLIC_ORIGIN, asked)) return nobody("other_site", "The request was made by a page of another site.");
  return { person: { id: "owner", name: settings.LOCAL_OWNER } };
}

function isOwnHost(host: string | null, origin: URL): boolean {
  const url = host === null ? null : URL.parse(`http://${host}`);
  if (url?.username !== "" || url.pathname !== "/") return false;
  return LOOPBACK_HOSTS.has(url.hostname) && (url.port || "80") === (origin.port || (origin.protocol === "https:" ? "443" : "80"));
}

function isLoopbackAddress(address: string): boolean {
  return /^(::ffff:)?127(\.\d{1,3}){3}$/.test(address) || address === "::1";
}

function proxyHeader(headers: Headers): string | undefined {
  for (const name of headers.keys()) if (PROXY_HEADERS.includes(name) || name.startsWith("x-forwarded-")) return name;
  return undefined;
}

/**
 * Browsers send `Origin` with every WebSocket upgrade and every request that changes something, and `Sec-Fetch-*` with
 * all of them. Programs send neither. Reading a page may begin at a link elsewhere, but only in the top-level window.
 */
export function isSameSite(request: { method: string; headers: Headers }, publicOrigin: string, asked: Asked): boolean {
  const { method, headers } = request;
  const origin = headers.get("origin");
  if (origin !== null && origin !== publicOrigin) return false;
  const site = headers.get("sec-fetch-site");
  if (site === null || site === "same-origin" || site === "none") return true;
  const reads = (method === "GET" || method === "HEAD") && headers.get("upgrade") === null;
  return asked === "page" && reads && headers.get("sec-fetch-mode") === "navigate" && headers.get("sec-fetch-dest") === "document";
}
