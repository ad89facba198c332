/**
 * Which requests of a sandbox may go to the Worker, and with which headers. The Worker takes callers from loopback for the
 * machine's owner, so a request that looks like anything but the sandbox's own routes must not pass.
 */

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
/** Every character of the path is one that no server decodes, merges or treats as a separator. */
const SEGMENT = /^[A-Za-z0-9._~-]+$/;
const QUERY = /^[\x21\x22\x24-\x7e]*$/;

/** Why a request of this session's sandbox is refused, in words for the agent that made it, or null where it may pass. */
export function refusal(session: string, method: string | undefined, target: string | undefined): string | null {
  if (!method || !METHODS.has(method)) return `method ${method ?? ""} is not passed on to the Worker`;
  const prefix = `/sandbox/${session}/`;
  const [path = "", ...query] = (target ?? "").split("?");
  const rest = path.slice(prefix.length).split("/");
  const isPlain = rest.every((segment) => SEGMENT.test(segment) && !/^\.+$/.test(segment));
  if (!path.startsWith(prefix) || !isPlain || !QUERY.test(query.join("?"))) return `a sandbox reaches only ${prefix}… of the Worker`;
  return null;
}

/** Hop-by-hop (RFC 9110, 7.6.1), and what is set anew for the next hop. */
const HOP = new Set([
  ...["connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "te", "trailer", "transfer-encoding"],
  ...["upgrade", "http2-settings", "expect", "host", "content-length"],
]);
/** What a server may believe about who asks and from where. */
const ABOUT_THE_CLIENT = new Set([
  "cookie",
  "forwarded",
  "via",
  "x-real-ip",
  "true-client-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "fastly-client-ip",
]);
const DROPPED_PREFIXES = ["x-forwarded-", "cf-", "x-original-", "x-rewrite-", "x-http-method", "x-method-override", "mf-", "sec-fetch-"];

/** The headers that any proxy passes on, from Node's `rawHeaders`: without hop-by-hop ones and those named by `Connection`. */
export function endToEndHeaders(raw: readonly string[]): [string, string][] {
  const pairs = raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1] ?? ""] as [string, string]] : []));
  const named = new Set(
    pairs
      .filter(([name]) => name.toLowerCase() === "connection")
      .flatMap(([, value]) => value.split(","))
      .map((name) => name.trim().toLowerCase()),
  );
  return pairs.filter(([name]) => !named.has(name.toLowerCase()) && !HOP.has(name.toLowerCase()));
}

/** The headers that a sandbox's request to the Worker keeps: end-to-end ones, without cookies and what speaks of another client. */
export function passedHeaders(raw: readonly string[]): [string, string][] {
  return endToEndHeaders(raw).filter(([name]) => {
    // A server may read x_forwarded_for as x-forwarded-for.
    const plain = name.toLowerCase().replaceAll("_", "-");
    return !ABOUT_THE_CLIENT.has(plain) && !DROPPED_PREFIXES.some((prefix) => plain.startsWith(prefix));
  });
}

/** The framing of the body as headers for the next hop, or null for one that is not passed on. */
export function framing(headers: {
  "transfer-encoding"?: string | undefined;
  "content-length"?: string | undefined;
}): Record<string, string> | null {
  const coding = headers["transfer-encoding"];
  const length = headers["content-length"];
  if (coding !== undefined) return coding.toLowerCase() === "chunked" && length === undefined ? { "transfer-encoding": "chunked" } : null;
  return length === undefined ? {} : { "content-length": length };
}
