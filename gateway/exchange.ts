/** The exchange of a grant for a session: the only way to get a cookie. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { GrantClaims, Service } from "../protocol/grant.ts";
import { prefixOf } from "../protocol/sites.ts";
import { cookieHeader, cookieName } from "./cookies.ts";
import { fieldsOf, single } from "./fields.ts";
import { type GrantKeys, type Ledger, verifyGrant } from "./grant.ts";
import type { GatewayConfig } from "./ipc.ts";
import type { Log } from "./log.ts";
import { reply } from "./replies.ts";
import type { Sessions } from "./sessions.ts";

/** Largest form taken, in bytes; a grant has about 500. */
export const FORM_BYTES = 8_192;
/** A larger form is read up to here, so that its sender hears the refusal before the connection ends. */
const DISCARDED_BYTES = 65_536;
/** Time for the form to arrive, in ms. */
const FORM_MS = 10_000;

export interface Exchange {
  session: string;
  workerOrigin: string;
  keys: GrantKeys;
  ledger: Ledger;
  sessions: Sessions;
  landing: GatewayConfig["landing"];
  /** Why a grant opens nothing at the origin at which it is handed in, for the log; undefined where it does. */
  problem(claims: GrantClaims): string | undefined;
  now(): number;
  log: Log;
  opened(service: Service): void;
}

/**
 * Answers `POST /_errand/auth`: 303 to the service with a fresh cookie, or a refusal that does not tell why. Only the Worker's
 * origin may post, so that nobody is put into a sandbox by another page.
 */
export async function exchange(req: IncomingMessage, res: ServerResponse, desk: Exchange): Promise<void> {
  const refuse = (status: 403 | 408 | 413, reason: string) => {
    desk.log({ event: "exchange refused", reason });
    reply(res, { status, close: true });
  };
  const fields = fieldsOf(req.rawHeaders);
  const type = single(fields, "content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  const form = await readForm(req);
  if (form === "late") return refuse(408, "form did not arrive in time");
  if (form === "large") return refuse(413, "form too large");
  if (form === "broken") {
    res.destroy();
    return;
  }
  if (single(fields, "origin") !== desk.workerOrigin) return refuse(403, "foreign or missing Origin");
  if (type !== "application/x-www-form-urlencoded") return refuse(403, "not a form");
  const [token, ...more] = new URLSearchParams(form).getAll("token");
  if (token === undefined || more.length > 0) return refuse(403, "not exactly one token");

  const verified = await verifyGrant(token, { keys: desk.keys, issuer: desk.workerOrigin, session: desk.session, now: desk.now() });
  if (!verified.ok) return refuse(403, verified.reason);
  const { sub, sid, svc, port, mode, until, jti } = verified.claims;
  const problem = until !== undefined && until * 1_000 <= desk.now() ? "until is over" : desk.problem(verified.claims);
  if (problem) return refuse(403, problem);
  // Nothing may be awaited from here to the cookie: two requests with one token would both pass.
  const burnt = desk.ledger.burn(verified.claims, desk.now());
  if (burnt) return refuse(403, burnt);
  const opens = { service: svc, port };
  // Only an admin's power has an end of its own.
  const guest = { sub, sid, mode, admin: until !== undefined };
  const value = desk.sessions.open(guest, opens, until === undefined ? undefined : until * 1_000);
  desk.log({ event: "exchange", sub, service: svc, mode, jti, ...(port !== undefined && { port }) });
  desk.opened(svc);
  const location = `${prefixOf(svc)}${desk.landing?.[svc] ?? "/"}`;
  reply(res, { status: 303, headers: { location, "set-cookie": cookieHeader(cookieName(opens, desk.session), value) } });
}

async function readForm(req: IncomingMessage): Promise<string | "late" | "large" | "broken"> {
  const chunks: Buffer[] = [];
  let size = 0;
  const { promise, resolve } = Promise.withResolvers<string | "late" | "large" | "broken">();
  const deadline = setTimeout(() => resolve("late"), FORM_MS);
  req.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= FORM_BYTES) chunks.push(chunk);
    else if (size > DISCARDED_BYTES) resolve("large");
  });
  req.once("end", () => resolve(size > FORM_BYTES ? "large" : Buffer.concat(chunks).toString("utf8")));
  req.once("error", () => resolve("broken"));
  req.once("close", () => resolve("broken"));
  const form = await promise;
  clearTimeout(deadline);
  return form;
}
