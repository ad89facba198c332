/** The gateway's cookies: their names, how one is read from a request, and how they are kept from the upstreams. */
import { type Fields, valuesOf } from "./fields.ts";
import type { Opens } from "./sessions.ts";

/**
 * Name of a service's cookie. One per service, because each exchange would overwrite a shared one; for the same reason one per
 * port of the previews, which may share an origin; with the session in it, because cookies ignore ports and several gateways may
 * share 127.0.0.1. Watching and driving have the same name, so that of two links the newer counts.
 */
export function cookieName({ service, port }: Opens, session: string): string {
  return `__Host-errand-${service}-${port === undefined ? "" : `${port}-`}${session.slice(0, 8)}`;
}

/** The ports for which the request has a cookie of a preview, once each, whether or not the cookie is good for anything. */
export function previewPorts(fields: Fields, session: string): number[] {
  const ports = pieces(fields).flatMap((piece) => {
    const port = Number(/^__Host-errand-preview-([1-9][0-9]{0,4})-/.exec(nameOf(piece))?.[1]);
    return nameOf(piece) === cookieName({ service: "preview", port }, session) ? [port] : [];
  });
  return [...new Set(ports)];
}

/** The `Set-Cookie` value of a new session. No Max-Age: it ends with the browser, or with the session here. */
export function cookieHeader(name: string, value: string): string {
  return `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Lax`;
}

/** The value of a cookie that occurs exactly once in the request; undefined otherwise, since one of two may be planted. */
export function onlyCookie(fields: Fields, name: string): string | undefined {
  const found = pieces(fields).filter((piece) => nameOf(piece) === name);
  return found.length === 1 ? found[0]?.slice(name.length + 1) : undefined;
}

/**
 * The `Cookie` value an upstream may see, or undefined where nothing is left. Every name of ours goes, in any case and of any
 * session, and the Worker's too: on 127.0.0.1 the browser sends those along.
 */
export function foreignCookies(fields: Fields): string | undefined {
  const kept = pieces(fields).filter((piece) => !isOurs(nameOf(piece)));
  return kept.length > 0 ? kept.join("; ") : undefined;
}

const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Whether an upstream may set this cookie: a well-formed name that is not ours, for this host alone. */
export function maySetCookie(header: string): boolean {
  const [pair = "", ...attributes] = header.split(";");
  const name = nameOf(pair.trim());
  // A cookie without a name is stored by browsers and comes back as its bare value, which could spell one of ours.
  if (!pair.includes("=") || !COOKIE_NAME.test(name) || isOurs(name)) return false;
  return !attributes.some((attribute) => nameOf(attribute.trim()).toLowerCase() === "domain");
}

function pieces(fields: Fields): string[] {
  return valuesOf(fields, "cookie")
    .flatMap((value) => value.split(";"))
    .map((piece) => piece.trim())
    .filter((piece) => piece !== "");
}

function nameOf(piece: string): string {
  return (piece.split("=", 1)[0] ?? "").trim();
}

function isOurs(name: string): boolean {
  return /^(?:__(?:host|secure|http|host-http)-)?errand/i.test(name);
}
