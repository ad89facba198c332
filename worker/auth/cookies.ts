/** Our cookies. Over https their names begin with `__Host-`: no other host, and nothing without encryption, can set those. */
import { setCookie } from "hono/cookie";
import type { AppContext } from "../routes/app.ts";
import type { Settings } from "../settings.ts";

type Origin = Pick<Settings, "PUBLIC_ORIGIN">;

const isSecure = ({ PUBLIC_ORIGIN }: Origin): boolean => PUBLIC_ORIGIN?.startsWith("https:") === true;

/** The cookie that holds a session's token. */
export const sessionCookie = (settings: Origin): string => (isSecure(settings) ? "__Host-errand" : "errand");

/** The cookie that tells a browser that began a sign-in from all others. */
export const browserCookie = (settings: Origin): string => (isSecure(settings) ? "__Host-errand-browser" : "errand-browser");

/** The cookie that keeps the code of a link to a Slack account while its person signs in. */
export const linkCookie = (settings: Origin): string => (isSecure(settings) ? "__Host-errand-link" : "errand-link");

/**
 * The value of a cookie; null where it is missing or there twice. A browser sends two of one name when somebody else on a name like ours set
 * one of them, and which is ours cannot be told.
 */
export function cookieOf(headers: Headers, name: string): string | null {
  const values = (headers.get("cookie") ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`));
  return values.length === 1 ? (values[0]?.slice(name.length + 1) ?? null) : null;
}

/** Sets one of our cookies for so many seconds; 0 takes it away. */
export function keepCookie(c: AppContext, name: string, value: string, seconds: number): void {
  // Lax and not Strict: a link in a chat has to bring it along.
  setCookie(c, name, value, { path: "/", httpOnly: true, sameSite: "Lax", maxAge: seconds, secure: isSecure(c.var.settings) });
}
