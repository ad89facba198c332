/**
 * The strict check of a request target, and the routes. Both work on the raw bytes, and what was checked is what is forwarded,
 * so that the gateway and an upstream can't read one path in two ways.
 */
import { GRANT_PATH, ROUTES, type Service } from "../protocol/grant.ts";

/** Longest request target taken, in bytes. */
export const TARGET_BYTES = 8_192;

/** A target that passed: `path` and `query` (with its `?`, or empty) are the raw text. */
export type Target = { ok: true; path: string; query: string } | { ok: false; status: 400 | 414 };

/** Visible ASCII without backslash and `#`: what a browser may send in the origin form. */
const ORIGIN_FORM = /^\/[!-~]*$/;
const FORBIDDEN = /[\\#]/;
/** A per cent sign without two hex digits, or an encoded dot, slash, backslash, NUL, line break or per cent sign. */
const BAD_ESCAPE = /%(?![0-9a-f]{2})|%(?:2e|2f|5c|00|0a|0d|25)/i;

/** What no path may hold even where nothing but one server of the agent's lies behind it: encoded NUL and line breaks. */
const CONTROL_ESCAPE = /%0[0ad]/i;

/** Whether a request target can mean only one thing. `status` is what to answer if not. */
export function checkTarget(raw: string): Target {
  const target = split(raw);
  if (target.ok && (BAD_ESCAPE.test(target.path) || target.path.split("/").some(isDotSegment))) return { ok: false, status: 400 };
  return target;
}

/**
 * The same for a preview, whose whole origin is one server's: there is no other service to get to by a path that is read in two
 * ways, and dev servers have odd ones (encoded slashes and per cent signs, dots, such as in `/@fs/`).
 */
export function checkPreviewTarget(raw: string): Target {
  const target = split(raw);
  return target.ok && CONTROL_ESCAPE.test(target.path) ? { ok: false, status: 400 } : target;
}

function split(raw: string): Target {
  if (raw.length > TARGET_BYTES) return { ok: false, status: 414 };
  if (!ORIGIN_FORM.test(raw) || FORBIDDEN.test(raw) || raw.startsWith("//")) return { ok: false, status: 400 };
  const mark = raw.indexOf("?");
  return { ok: true, path: mark < 0 ? raw : raw.slice(0, mark), query: mark < 0 ? "" : raw.slice(mark) };
}

/** `.` and `..`, also with path parameters (`..;x`), which some servers cut off before they resolve the dots. */
function isDotSegment(segment: string): boolean {
  const name = segment.split(";", 1)[0];
  return name === "." || name === "..";
}

export type Route =
  | { to: "health" }
  | { to: "exchange" }
  /** The bare prefix: pages behind it use relative addresses and need the slash. */
  | { to: "slash"; service: Service }
  /** `path` is what the upstream gets: the prefix is cut off. */
  | { to: "service"; service: Service; path: string }
  | { to: "nowhere" };

/** Answers `ok` to whoever asks whether the gateway runs. */
export const HEALTH_PATH = "/_errand/health";

/**
 * What of OpenCode 1.18.33's API would change with what models are called (from its own description at `/doc`): keys, tokens and
 * signing in to providers. Its page works without.
 */
const CREDENTIALS = /^\/(?:auth|provider\/[^/]+\/oauth|api\/credential|api\/integration\/(?:attempt|[^/]+\/connect))(?:[/;]|$)/;

const PREFIXES = Object.entries(ROUTES).map(([service, prefix]) => ({ service: service as Service, prefix }));

/** The route of a checked path at one of the origins. Case counts, and a prefix ends at a slash or not at all. */
export function routeOf(site: "ide" | "opencode" | "preview", path: string): Route {
  if (path === HEALTH_PATH) return { to: "health" };
  if (path === GRANT_PATH) return { to: "exchange" };
  if (path === "/_errand" || path.startsWith("/_errand/")) return { to: "nowhere" };
  if (site === "preview") return { to: "service", service: "preview", path };
  if (site === "opencode") return changesCredentials(path) ? { to: "nowhere" } : { to: "service", service: "opencode", path };
  for (const { service, prefix } of PREFIXES) {
    if (path === prefix) return { to: "slash", service };
    if (!path.startsWith(`${prefix}/`)) continue;
    const rest = path.slice(prefix.length);
    // A second slash would make the upstream's target start with two, which some servers take for a host name.
    return rest.startsWith("//") ? { to: "nowhere" } : { to: "service", service, path: rest };
  }
  return { to: "nowhere" };
}

/** OpenCode's router decodes once, and has no regard to case and doubled slashes. What can't be decoded is refused with the rest. */
function changesCredentials(path: string): boolean {
  try {
    return CREDENTIALS.test(decodeURIComponent(path).toLowerCase().replace(/\/+/g, "/"));
  } catch {
    return true;
  }
}
