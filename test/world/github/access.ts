/** Who calls, and what they may do: tokens and App tokens to actors, and GitHub's rules for people and installations. */
import { createPublicKey } from "node:crypto";
import { HTTPException } from "hono/http-exception";
import { decodeJwt, jwtVerify } from "jose";
import type { EmulatorCaller, EmulatorToken, GitHubTables } from "./emulator.ts";
import type { PersonToken } from "./oauth.ts";
import type { App, Collaborator, Installation, Repo, User } from "./records.ts";
import { tokenOf } from "./seed.ts";

type Row<T> = T & { id: number };

/** Whoever makes a call. */
export type Actor =
  | { kind: "anonymous" }
  | { kind: "app"; app: App }
  | { kind: "installation"; app: App; installation: Installation; user: Row<User>; token: EmulatorToken }
  /** A person, by a token of their own or by one that an App holds for them: `through`. */
  | { kind: "user"; user: Row<User>; through: App | null };

/** A minted token of an installation. `expiresAt` in ms since 1970. */
export interface Minted {
  token: EmulatorToken;
  expiresAt: number;
}

/** All tokens that were handed out and are good, by token: of installations, and of people for an App. */
export interface Tokens {
  minted: Map<string, Minted>;
  people: Map<string, PersonToken>;
}

/** A refusal in GitHub's form, to be thrown by a route. */
export function refusal(status: 400 | 401 | 403 | 404 | 405 | 409 | 410 | 422, message: string, errors?: object[]): HTTPException {
  const body = { message, ...(errors ? { errors } : {}), documentation_url: "https://docs.github.com/rest", status: String(status) };
  return new HTTPException(status, { res: Response.json(body, { status }) });
}

/** GitHub's 422 for one field. */
export const invalid = (resource: string, field: string, code: string, message?: string) =>
  refusal(422, message ? `Validation Failed: ${JSON.stringify({ resource, field, code, message })}` : "Validation Failed", [
    { resource, field, code, ...(message ? { message } : {}) },
  ]);

/** The longest text GitHub takes in a comment, issue, review or pull request, in characters. */
export const MAX_BODY = 65_536;

/** Refuses a text that GitHub finds too long. */
export function checkLength(resource: string, body: unknown): void {
  if (typeof body !== "string" || body.length <= MAX_BODY) return;
  throw invalid(resource, "body", "custom", `body is too long (maximum is ${MAX_BODY} characters)`);
}

/** The App behind a signed App token; null where the token is bad. As GitHub, at most ten minutes long, by App id or client id. */
export async function appOf(tables: GitHubTables, jwt: string, now: number): Promise<App | null> {
  try {
    const issuer = String(decodeJwt(jwt).iss ?? "");
    const app = tables.apps.all().find((one) => String(one.app_id) === issuer || one.client_id === issuer);
    if (!app) return null;
    const options = { algorithms: ["RS256"], currentDate: new Date(now), requiredClaims: ["exp", "iat"] };
    const { payload } = await jwtVerify(jwt, createPublicKey(app.private_key), options);
    return (payload.exp ?? 0) - now / 1000 > 600 ? null : app;
  } catch {
    return null;
  }
}

/** Finds who a token belongs to; null where GitHub says "Bad credentials". */
export async function actorOf(tables: GitHubTables, tokens: Tokens, token: string | undefined, now: number): Promise<Actor | null> {
  if (token === undefined) return { kind: "anonymous" };
  if (/^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(token)) {
    const app = await appOf(tables, token, now);
    return app ? { kind: "app", app } : null;
  }
  return holderOf(tables, tokens, token, now);
}

/** As `actorOf`, for tokens of people and installations: those that git takes too. */
export function holderOf(tables: GitHubTables, { minted, people }: Tokens, token: string, now: number): Actor | null {
  const login = /^gho_local_(.+)$/.exec(token)?.[1];
  const user = login === undefined ? undefined : tables.users.findOneBy("login", login);
  if (user) return user.type === "User" && tokenOf(user.login) === token ? { kind: "user", user, through: null } : null;
  const lent = people.get(token);
  if (lent) {
    const [person, app] = [tables.users.get(lent.userId), tables.apps.all().find((one) => one.client_id === lent.clientId)];
    return person && app && lent.expiresAt > now ? { kind: "user", user: person, through: app } : null;
  }
  const found = minted.get(token);
  if (!found || found.expiresAt <= now) return null;
  return installationActor(tables, found.token);
}

/** The actor of an installation's token; null where the App or its installation is gone. */
export function installationActor(tables: GitHubTables, token: EmulatorToken): Actor | null {
  const app = tables.apps.findOneBy("app_id", token.installation?.appId ?? 0);
  const installation = tables.appInstallations.findOneBy("installation_id", token.installation?.installationId ?? 0);
  const user = app && tables.users.findOneBy("login", `${app.slug}[bot]`);
  return app && installation && user ? { kind: "installation", app, installation, user, token } : null;
}

/** The actor in the emulator's words. */
export function callerOf(actor: Actor): EmulatorCaller {
  if (actor.kind === "app") return { app: { appId: actor.app.app_id, slug: actor.app.slug, name: actor.app.name } };
  if (actor.kind === "installation") return { user: actor.token };
  if (actor.kind === "user") return { user: { login: actor.user.login, id: actor.user.id, scopes: ["repo", "user"] } };
  return {};
}

/** A person's role in a repository; null where the repository is hidden from them. */
export function roleOf(tables: GitHubTables, repo: Row<Repo>, user: Row<User>): Collaborator["permission"] | null {
  if (repo.owner_type === "User" && repo.owner_id === user.id) return "admin";
  const given = tables.collaborators.findBy("repo_id", repo.id).find((one) => one.user_id === user.id)?.permission;
  return given ?? (repo.private ? null : "pull");
}

/** GitHub's two words for a role: the old one, of which there are four, and the exact one. */
export function permissionOf(role: Collaborator["permission"] | null): { permission: string; role_name: string } {
  if (role === null) return { permission: "none", role_name: "none" };
  const old = { admin: "admin", maintain: "write", push: "write", triage: "read", pull: "read" }[role];
  const exact = { push: "write", pull: "read" }[role as string] ?? role;
  return { permission: old, role_name: exact };
}

/** Whether an installation's token is for a repository. */
export function covers(actor: Extract<Actor, { kind: "installation" }>, repo: Row<Repo>): boolean {
  const { installation, token } = actor;
  if (installation.account_id !== repo.owner_id || installation.account_type !== repo.owner_type) return false;
  const within = (selection: string, ids: number[]) => selection === "all" || ids.includes(repo.id);
  const scope = token.installation;
  return (
    within(installation.repository_selection, installation.repository_ids) &&
    !!scope &&
    within(scope.repositorySelection, scope.repositoryIds)
  );
}

/** The installation of an App on a repository; undefined where there is none that works. */
export function installationOn(tables: GitHubTables, app: App, repo: Row<Repo>): Row<Installation> | undefined {
  return tables.appInstallations
    .findBy("app_id", app.app_id)
    .find(
      (one) =>
        one.account_id === repo.owner_id &&
        one.account_type === repo.owner_type &&
        !one.suspended_at &&
        (one.repository_selection === "all" || one.repository_ids.includes(repo.id)),
    );
}

/** Whether the repository is there for the actor at all. An App that acts for a person sees of what is hidden only where it is installed. */
export function maySee(tables: GitHubTables, actor: Actor, repo: Row<Repo>): boolean {
  if (!repo.private) return true;
  if (actor.kind === "user")
    return roleOf(tables, repo, actor.user) !== null && (!actor.through || !!installationOn(tables, actor.through, repo));
  return actor.kind === "installation" && covers(actor, repo);
}

/** Whether the actor may change contents: what a collaborator with write access may, and an installation with that right. */
export function mayPush(tables: GitHubTables, actor: Actor, repo: Row<Repo>): boolean {
  if (actor.kind === "user") {
    const granted = actor.through ? installationOn(tables, actor.through, repo)?.permissions.contents : "write";
    return granted === "write" && ["push", "maintain", "admin"].includes(roleOf(tables, repo, actor.user) ?? "");
  }
  return actor.kind === "installation" && mayAs(actor, repo, ["contents"], "write");
}

/** Whether an installation has one of these rights in a repository. */
export function mayAs(
  actor: Extract<Actor, { kind: "installation" }>,
  repo: Row<Repo>,
  permissions: string[],
  level: "read" | "write",
): boolean {
  if (!covers(actor, repo)) return level === "read" && !repo.private;
  const enough = level === "write" ? ["write"] : ["read", "write"];
  return permissions.some((name) => enough.includes(actor.token.installation?.permissions[name] ?? ""));
}

/** What somebody without write access may do in a repository they see, beside reading: what is everyone's, and what is their own. */
const EVERYONES = [
  /^POST \/issues$/,
  /^POST \/issues\/\d+\/comments$/,
  /^POST \/pulls$/,
  /^POST \/pulls\/\d+\/(comments|reviews)$/,
  /^POST \/pulls\/\d+\/comments\/\d+\/replies$/,
  /^POST \/pulls\/\d+\/reviews\/\d+\/events$/,
  /^POST \/forks$/,
  /^(POST|DELETE) \/(issues|pulls)(\/comments)?\/\d+\/reactions(\/\d+)?$/,
];

/**
 * Refuses what a person may not do, which the emulator would let pass in every public repository. `path` is what comes after
 * the repository's name, `body` what is sent.
 */
export function guardPerson(
  tables: GitHubTables,
  { user, through }: Extract<Actor, { kind: "user" }>,
  repo: Row<Repo>,
  call: { method: string; path: string; body: object },
): void {
  if (call.method === "GET") return;
  // What an App does for somebody, both must be allowed to.
  if (through && !installationOn(tables, through, repo)) throw refusal(403, "Resource not accessible by integration");
  if (mayPush(tables, { kind: "user", user, through: null }, repo)) return;
  const line = `${call.method} ${call.path}`;
  if (EVERYONES.some((one) => one.test(line))) return;
  const comment = /^(?:PATCH|DELETE) \/(?:issues|pulls)\/comments\/(\d+)$/.exec(line)?.[1];
  if (comment && tables.comments.get(Number(comment))?.user_id === user.id) return;
  const number = Number(/^PATCH \/(?:issues|pulls)\/(\d+)$/.exec(line)?.[1]);
  const own = tables.issues.findBy("repo_id", repo.id).some((one) => one.number === number && one.user_id === user.id);
  if (own && Object.keys(call.body).every((key) => ["title", "body", "state", "state_reason"].includes(key))) return;
  throw refusal(403, `Must have push access to ${repo.full_name}.`);
}
