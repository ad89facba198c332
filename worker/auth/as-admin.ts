/**
 * An admin's power over a session that is not theirs: used by saying so and in no other way, for one session, for a quarter of an hour. Programs
 * say so with every request; for a browser the confirmation sets a cookie, bound to the sign-in and the session.
 */
import { hmacKey } from "../../protocol/hmac.ts";
import type { AppContext } from "../routes/app.ts";
import { cookieOf, keepCookie } from "./cookies.ts";
import type { Identity } from "./identity.ts";

/** How long a confirmation holds, in ms. */
export const AS_ADMIN_MS = 15 * 60_000;
/** With this header, and the value `admin`, a program says so. */
export const AS_HEADER = "x-errand-as";

const nameOf = (c: AppContext): string =>
  c.var.settings.PUBLIC_ORIGIN?.startsWith("https:") ? "__Host-errand-as-admin" : "errand-as-admin";

const textOf = (identity: Identity, session: string, until: number) =>
  new TextEncoder().encode(`as-admin:${identity.sessionHash}:${session}:${until}`);

const hex = (bytes: ArrayBuffer): string => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Keeps a confirmation in the browser, until a time in ms since 1970. Nothing is kept where there is no key to sign it with, or no sign-in to bind it to. */
export async function confirmAsAdmin(c: AppContext, identity: Identity, session: string, until: number): Promise<void> {
  const { SESSION_KEY } = c.var.settings;
  if (SESSION_KEY === null || identity.sessionHash === null) return;
  const mac = hex(await crypto.subtle.sign("HMAC", await hmacKey(SESSION_KEY), textOf(identity, session, until)));
  keepCookie(c, nameOf(c), `${session}.${until}.${mac}`, AS_ADMIN_MS / 1000);
}

/** Until when somebody has said that they use an admin's power for this session, ms since 1970; null: they have not. Says nothing of whether they are one. */
export async function saidAsAdmin(c: AppContext, identity: Identity, session: string | null, now: number): Promise<number | null> {
  if (c.req.header(AS_HEADER) === "admin") return now + AS_ADMIN_MS;
  const { SESSION_KEY } = c.var.settings;
  const [, id, time, mac] = /^([a-z2-7]{26})\.(\d{13,15})\.([0-9a-f]{64})$/.exec(cookieOf(c.req.raw.headers, nameOf(c)) ?? "") ?? [];
  if (SESSION_KEY === null || identity.sessionHash === null || session === null || id !== session || !mac) return null;
  const until = Number(time);
  if (until <= now) return null;
  const bytes = Uint8Array.from(mac.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  return (await crypto.subtle.verify("HMAC", await hmacKey(SESSION_KEY), bytes, textOf(identity, session, until))) ? until : null;
}
