/**
 * The strict check of a request target, and the routes. Both work on the raw bytes: nothing is decoded or normalised, and
 * what was checked is what is forwarded, so that the gateway and an upstream can't read one path in two ways.
 */
import { ROUTES, type Service } from "../protocol/grant.ts";

/** Longest request target taken, in bytes. */
export const TARGET_BYTES = 8_192;

/** A target that passed: `path` and `query` (with its `?`, or empty) are the raw text. */
export type Target = { ok: true; path: string; query: string } | { ok: false; status: 400 | 414 };

/** Visible ASCII without backslash and `#`: what a browser may send in the origin form. */
const ORIGIN_FORM = /^\/[!-~]*$/;
const FORBIDDEN = /[\\#]/;
/** A per cent sign without two hex digits, or an encoded dot, slash, backslash, NUL, line break or per cent sign. */
const BAD_ESCAPE = /%(?![0-9a-f]{2})|%(?:2e|2f|5c|00|0a|0d|25)/i;

/** Whether a request target can mean only one thing. `status` is what to answer if not. */
export function checkTarget(raw: string): Target {
  if (raw.length > TARGET_BYTES) return { ok: false, status: 414 };
  if (!ORIGIN_FORM.test(raw) || FORBIDDEN.test(raw) || raw.startsWith("//")) return { ok: false, status: 400 };
  const mark = raw.indexOf("?");
  const path = mark < 0 ? raw : raw.slice(0, mark);
  if (BAD_ESCAPE.test(path) || path.split("/").some(isDotSegment)) return { ok: false, status: 400 };
  return { ok: true, path, query: mark < 0 ? "" : raw.slice(mark) };
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
 * First path segments of OpenCode 1.18.33's API (from its SDK). Its web interface needs an origin of its own and answers every
 * unknown path with a page, so only these pass. Left out: `auth` (model credentials), `tui`, `sync` and `experimental`.
 */
const OPENCODE_API: ReadonlySet<string> = new Set(
  `agent api command config event file find formatter global instance log lsp mcp path permission project provider pty question
  session skill vcs`.split(/\s+/),
);

const PREFIXES = Object.entries(ROUTES).map(([service, prefix]) => ({ service: service as Service, prefix }));

/** The route of a checked path. Case counts, and a prefix ends at a slash or not at all. */
export function routeOf(path: string, grantPath: string): Route {
  if (path === HEALTH_PATH) return { to: "health" };
  if (path === grantPath) return { to: "exchange" };
  for (const { service, prefix } of PREFIXES) {
    if (path === prefix) return { to: "slash", service };
    if (!path.startsWith(`${prefix}/`)) continue;
    const rest = path.slice(prefix.length);
    // A second slash would make the upstream's target start with two, which some servers take for a host name.
    if (rest.startsWith("//")) return { to: "nowhere" };
    if (service === "opencode" && !OPENCODE_API.has(rest.split("/", 2)[1] ?? "")) return { to: "nowhere" };
    return { to: "service", service, path: rest };
  }
  return { to: "nowhere" };
}
