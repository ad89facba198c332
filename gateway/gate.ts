/**
 * What becomes of a request: one pure decision, in a fixed order, made before anything is forwarded. Checks that need no
 * right come first and look the same with and without one.
 */
import { cookieName, onlyCookie, previewPorts } from "./cookies.ts";
import { type Fields, single, tokensOf, valuesOf } from "./fields.ts";
import type { Opens, Session } from "./sessions.ts";
import type { Origins, Place } from "./sites.ts";
import { checkPreviewTarget, checkTarget, HEALTH_PATH, type Route, routeOf } from "./target.ts";

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const CHANGING: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);
/** Most header fields taken; browsers send about 20. Far below Node's limit of 2,000, beyond which it leaves fields out without a word. */
export const FIELDS = 200;

/** The head of a request, as it came. */
export interface Head {
  method: string;
  target: string;
  fields: Fields;
  /** Whether the client asks to leave HTTP (`Connection: upgrade`). */
  upgrade: boolean;
}

/** What the gate must know of the gateway. */
export interface Gateway {
  session: string;
  workerOrigin: string;
  /** Null until they are known. */
  origins: Origins | null;
  /** `127.0.0.1:<port>` of the listener: a probe inside the sandbox may ask for health under this name. */
  probeHost: string;
  find(opens: Opens, cookie: string): Session | undefined;
  /** Whether a port is the agent's to serve on. */
  mayPreview(port: number): boolean;
}

export type Verdict =
  | { do: "refuse"; status: 400 | 401 | 403 | 404 | 414 | 421 | 431 | 503; why: string }
  | { do: "refuse"; status: 405; why: "method"; allow: string }
  | { do: "health" }
  | { do: "exchange"; place: Place }
  | { do: "redirect"; status: 302 | 308; location: string }
  | { do: "forward"; session: Session; place: Place; path: string; query: string };

const refuse = (status: Exclude<Extract<Verdict, { do: "refuse" }>["status"], 405>, why: string): Verdict => ({
  do: "refuse",
  status,
  why,
});
const notAllowed = (allow: string): Verdict => ({ do: "refuse", status: 405, why: "method", allow });

/** The verdict on a request. */
export function judge(head: Head, gateway: Gateway): Verdict {
  const { fields } = head;
  if (fields.length > FIELDS) return refuse(431, "too many fields");
  const host = single(fields, "host");
  if (typeof host !== "string") return refuse(400, "not exactly one Host");
  const place = gateway.origins?.placeOf(host);
  const probe = head.target === HEALTH_PATH && (gateway.origins === null || host === gateway.probeHost);
  if (!place && !probe) return gateway.origins === null ? refuse(503, "origins not known yet") : refuse(421, "other Host");
  if (!METHODS.has(head.method)) return notAllowed([...METHODS].join(", "));
  const target = place?.site === "preview" ? checkPreviewTarget(head.target) : checkTarget(head.target);
  if (!target.ok) return refuse(target.status, "target");
  const framing = framingProblem(head);
  if (framing) return refuse(400, framing);
  const shape = head.upgrade ? upgradeProblem(head) : undefined;
  if (shape) return refuse(400, shape);

  const route: Route = place ? routeOf(place.site, target.path) : { to: "health" };
  switch (route.to) {
    case "nowhere":
      return refuse(404, "no such route");
    case "health":
      return head.method === "GET" || head.method === "HEAD" ? { do: "health" } : notAllowed("GET, HEAD");
    case "exchange":
      if (!place) return refuse(404, "no such route");
      return head.method === "POST" ? { do: "exchange", place } : notAllowed("POST");
    case "slash":
      return head.upgrade ? refuse(404, "no such route") : { do: "redirect", status: 308, location: `${target.path}/${target.query}` };
    case "service":
      return place ? admit(head, { ...route, place, query: target.query }, gateway) : refuse(404, "no such route");
  }
}

type Wanted = Extract<Route, { to: "service" }> & { place: Place; query: string };

/** The part that needs a right: cookie, then where the request comes from, then what the right allows. */
function admit(head: Head, wanted: Wanted, gateway: Gateway): Verdict {
  const { service, place, path, query } = wanted;
  const ports = place.site === "preview" ? portsOf(place, head, gateway) : [undefined];
  if (ports.some((port) => port !== undefined && !gateway.mayPreview(port))) return refuse(404, "no preview of that port");
  const session = ports
    .map((port) => sessionAt({ service, port }, head, gateway))
    .reduce((newest, one) => (one && one.number > (newest?.number ?? 0) ? one : newest), undefined);
  if (!session) {
    if (head.upgrade || !isNavigation(head)) return refuse(401, "no session");
    return { do: "redirect", status: 302, location: doorOf(wanted, ports, gateway) };
  }
  const foreign = foreignSource(head, place.origin.origin);
  if (foreign) return refuse(403, foreign);
  // What a watcher may not do, that reads: a WebSocket's input is held back behind, by the service that is made for watching.
  if (session.guest.mode === "watch" && head.method !== "GET" && head.method !== "HEAD") return refuse(403, "watching");
  return { do: "forward", session, place, path, query };
}

/** The ports that a request at an origin of previews can be for: that of the origin, or where all share one, those of its cookies. */
function portsOf(place: Extract<Place, { site: "preview" }>, head: Head, gateway: Gateway): number[] {
  return place.port === null ? previewPorts(head.fields, gateway.session) : [place.port];
}

function sessionAt(opens: Opens, head: Head, gateway: Gateway): Session | undefined {
  const value = onlyCookie(head.fields, cookieName(opens, gateway.session));
  return value === undefined ? undefined : gateway.find(opens, value);
}

/** Where the Worker gives out the right that is missing. Without a single port to ask for: the session's page, which lists them. */
function doorOf({ service }: Wanted, ports: readonly (number | undefined)[], gateway: Gateway): string {
  const session = `${gateway.workerOrigin}/s/${gateway.session}`;
  if (service !== "preview") return `${session}/open/${service}`;
  const [port, ...more] = ports;
  return port === undefined || more.length > 0 ? session : `${session}/open/preview/${port}`;
}

/**
 * Why a request with a valid cookie may not have been meant by its user, or undefined. Cookies are sent along by pages of other
 * origins (a sibling sandbox is same-site), so the origin decides: always for WebSockets and changing methods, and
 * wherever the browser tells it. Only a top-level navigation by GET may come from elsewhere: that is a link.
 */
function foreignSource(head: Head, own: string): string | undefined {
  const origin = single(head.fields, "origin");
  const needed = head.upgrade || CHANGING.has(head.method);
  if (origin === undefined ? needed : origin !== own) return "foreign or missing Origin";
  const site = single(head.fields, "sec-fetch-site");
  if (site === undefined || site === "same-origin" || site === "none") return undefined;
  return !head.upgrade && isTopLevel(head) ? undefined : "Sec-Fetch-Site";
}

function isTopLevel(head: Head): boolean {
  return (
    head.method === "GET" && single(head.fields, "sec-fetch-mode") === "navigate" && single(head.fields, "sec-fetch-dest") === "document"
  );
}

/** Whether a person waits in front of a tab for this: then a page or a redirect is worth more than a status. */
export function isNavigation(head: Head): boolean {
  if (head.fields.some(([name]) => name.startsWith("sec-fetch-"))) return isTopLevel(head);
  return head.method === "GET" && valuesOf(head.fields, "accept").some((value) => value.includes("text/html"));
}

/** Whether the head announces a body. */
export function hasBody(fields: Fields): boolean {
  const length = single(fields, "content-length");
  return valuesOf(fields, "transfer-encoding").length > 0 || length === null || (length !== undefined && !/^0+$/.test(length));
}

function framingProblem(head: Head): string | undefined {
  const coding = single(head.fields, "transfer-encoding");
  if (coding !== undefined && coding !== "chunked") return "Transfer-Encoding";
  if (coding !== undefined && valuesOf(head.fields, "content-length").length > 0) return "two lengths";
  // Servers that don't expect a body here take it for the next request on the connection.
  if ((head.method === "GET" || head.method === "HEAD") && hasBody(head.fields)) return "body without meaning";
  return undefined;
}

/** Why an upgrade is not a well-formed WebSocket opening handshake (RFC 6455 section 4.1), or undefined. */
function upgradeProblem(head: Head): string | undefined {
  const { fields } = head;
  if (head.method !== "GET" || hasBody(fields)) return "upgrade with a body or another method";
  if (single(fields, "upgrade")?.toLowerCase() !== "websocket") return "upgrade to something else";
  if (!tokensOf(fields, "connection").includes("upgrade")) return "upgrade not in Connection";
  if (single(fields, "sec-websocket-version") !== "13") return "WebSocket version";
  if (!/^[A-Za-z0-9+/]{22}==$/.test(single(fields, "sec-websocket-key") ?? "")) return "WebSocket key";
  return undefined;
}
