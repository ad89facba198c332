/**
 * The doors of sessions and of administration: who asks is told by `guard.ts`, whether they may by `mayThey`. A route behind one of these has
 * `c.var.rights`, which decides further rights from the same facts.
 */
import type { MiddlewareHandler } from "hono";
import { noSessionPage } from "../pages/problem.tsx";
import { refusedPage } from "../pages/refused.tsx";
import { type App, type AppContext, agentOf } from "../routes/app.ts";
import { noSuchSession, problem } from "../routes/errors.ts";
import { asksToWatch, isWatched, openedBy } from "../routes/services.ts";
import type { Whose } from "../session/contract.ts";
import type { Viewer } from "../session/viewers.ts";
import { saidAsAdmin } from "./as-admin.ts";
import { type AuditEntry, whence, write } from "./audit.ts";
import { Asker } from "./facts.ts";
import { signedIn, signedInPage } from "./guard.ts";
import type { Identity } from "./identity.ts";
import { limiter } from "./rate-limit.ts";
import { type By, type Decision, type Facts, mayThey, type Refusal, type Right } from "./rights.ts";

/** What a route may ask about the person and the session it is for. */
export type Rights = {
  decide: (right: Right) => Decision;
  /** By which right and by what the person came in. */
  right: Right;
  by: By;
  /** Every id the person is known by. */
  people: readonly string[];
  /** The person as a viewer that is asked about again; null for the machine's owner. */
  viewer: Viewer | null;
};

type Kind = "data" | "page";

/** Writes an entry about what the person of a request does. Rejects where it cannot be written, but never for the machine's owner. */
export async function tellOf(c: AppContext, what: Pick<AuditEntry, "action" | "target" | "detail">): Promise<void> {
  const { identity } = c.var;
  try {
    await write(c.env.DB, { at: Date.now(), userId: identity.userId, name: identity.person.name, ...what, ...whence(c.req.raw.headers) });
  } catch (error) {
    if (identity.via !== "owner") throw error;
    console.warn("audit: not written", what.action);
  }
}

/** The same refusal, and the same use of an admin's power, of one person on one thing is told once in this many seconds; a person's refusals are told so often. */
const SAME_SECONDS = { refused: 600, used: 60 } as const;
const refusals = limiter({ burst: 1, perSecond: 1 / SAME_SECONDS.refused });
const refusalsOfOne = limiter({ burst: 30, perSecond: 1 / 60 });
const uses = limiter({ burst: 1, perSecond: 1 / SAME_SECONDS.used });

async function tellRefusal(c: AppContext, right: Right, target: string, { code }: Refusal): Promise<void> {
  const now = Date.now();
  const { userId } = c.var.identity;
  if (userId === null || refusals.take(`${userId} ${right} ${target}`, now) > 0 || refusalsOfOne.take(userId, now) > 0) return;
  await tellOf(c, { action: "right.refused", target, detail: { right, code } });
}

/** Told before it happens: what cannot be told is not done. */
async function tellUse(c: AppContext, right: Right, target: string): Promise<void> {
  if (uses.take(`${c.var.identity.userId} ${right} ${target}`, Date.now()) > 0) return;
  await tellOf(c, { action: "admin.used", target, detail: { right, method: c.req.method, path: c.req.path } });
}

/** Who asks, with what is linked to them. The request's person gets the address for their commits. */
export async function askerOf(c: AppContext): Promise<Asker> {
  const { identity, settings } = c.var;
  const asker = await Asker.of({ settings, db: c.env.DB }, identity);
  c.set("person", { ...identity.person, ...asker.commitEmail });
  return asker;
}

/** Until when the person uses an admin's power for the session; null: not now, or they are no admin. */
async function adminUntil(c: AppContext, identity: Identity, session: string | null): Promise<number | null> {
  return identity.role === "admin" ? saidAsAdmin(c, identity, session, Date.now()) : null;
}

/** Of several rights the first that somebody has, else the first with its refusal. */
function firstOf([right, ...instead]: readonly [Right, ...Right[]], facts: Facts): { right: Right; decision: Decision } {
  const decision = mayThey(right, facts);
  const other = decision.ok ? undefined : instead.find((one) => mayThey(one, facts).ok);
  return other === undefined ? { right, decision } : { right: other, decision: mayThey(other, facts) };
}

/** Decides, tells what is to be told, and hands on the rights; or the refusal. Of several rights one will do. */
async function decided(
  c: AppContext,
  rights: Right | readonly [Right, ...Right[]],
  about: { target: string; whose: Whose | null; session: string | null },
): Promise<Refusal | null> {
  const { identity } = c.var;
  const asker = await askerOf(c);
  const until = await adminUntil(c, identity, about.session);
  const facts: Facts = await asker.facts(about.whose, until !== null);
  const { right, decision } = firstOf(typeof rights === "string" ? [rights] : rights, facts);
  if (!decision.ok) {
    await tellRefusal(c, right, about.target, decision);
    return decision;
  }
  if (decision.by === "admin" && right !== "administer") await tellUse(c, right, about.target);
  const { sessionHash } = identity;
  const viewer = sessionHash === null ? null : { sessionHash, adminUntil: decision.by === "admin" ? until : null };
  c.set("rights", { decide: (other) => mayThey(other, facts), right, by: decision.by, people: asker.people, viewer });
  return null;
}

/** Whether somebody may begin a session that works in `repository` (as people name it; null: none), as one that they would prompt. */
export async function mayBegin(c: AppContext, repository: string | null): Promise<Refusal | null> {
  const { id } = c.var.identity.person;
  const whose = { thread: "page:new", repository, began: id, members: [id], closed: false };
  return decided(c, "prompt", { target: repository === null ? "session" : `repository:${repository}`, whose, session: null });
}

/** Whether somebody may say something in the session of an id, as for a door. Null also where there is no such session. */
export async function mayPrompt(c: AppContext, session: string, whose: Whose): Promise<Refusal | null> {
  return decided(c, "prompt", { target: `session:${session}`, whose, session });
}

/** 403 with the reason, for programs. */
export const refusal = (c: AppContext, { code, why }: Refusal): Response => problem(c, 403, code, why);

type SessionRight = Exclude<Right, "administer">;

function sessionDoor(rights: (c: AppContext) => SessionRight | readonly [SessionRight, SessionRight], kind: Kind): MiddlewareHandler<App> {
  return async (c, next) => {
    const enter = async (): Promise<Response | undefined> => {
      const session = c.req.param("id") ?? "";
      // The owner may all: the session is looked at once, by the route.
      const owner = c.var.identity.via === "owner";
      const whose = owner ? null : ((await agentOf(c.env, session)?.whose()) ?? null);
      if (!owner && !whose) return kind === "page" ? noSessionPage(c) : noSuchSession(c);
      const refused = await decided(c, rights(c), { target: `session:${session}`, whose, session });
      if (!refused) return void (await next());
      return kind === "page" ? refusedPage(c, refused, session) : refusal(c, refused);
    };
    return within(c, kind, enter);
  };
}

/** Asks who it is first. */
async function within(c: AppContext, kind: Kind, enter: () => Promise<Response | undefined>): Promise<Response | undefined> {
  let entered: Response | undefined;
  const answer = await (kind === "page" ? signedInPage : signedIn)(c, async () => {
    entered = await enter();
  });
  return answer ?? entered;
}

/** For JSON, streams and sockets of the session `:id`. */
export const may = (right: SessionRight): MiddlewareHandler<App> => sessionDoor(() => right, "data");
/** For pages of the session `:id`. */
export const mayPage = (right: SessionRight): MiddlewareHandler<App> => sessionDoor(() => right, "page");

/** For what the address opens in the sandbox of the session `:id`: who may use it does, unless they ask to look on; who may not looks on where that is possible. */
export const mayOpen = (kind: Kind): MiddlewareHandler<App> =>
  sessionDoor((c) => {
    const opened = openedBy(c);
    if (!opened || !isWatched(opened)) return "drive";
    return asksToWatch(c) ? "watch" : ["drive", "watch"];
  }, kind);

function adminDoor(kind: Kind): MiddlewareHandler<App> {
  return async (c, next) =>
    within(c, kind, async () => {
      const refused = await decided(c, "administer", { target: `path:${c.req.path}`, whose: null, session: null });
      if (!refused) return void (await next());
      return kind === "page" ? refusedPage(c, refused, null) : refusal(c, refused);
    });
}

/** For JSON and pages of those who run this installation. */
export const administer: MiddlewareHandler<App> = adminDoor("data");
export const administerPage: MiddlewareHandler<App> = adminDoor("page");
