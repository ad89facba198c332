/** The local GitHub without its port: who calls, which route answers, what is told to Apps, and who may use git. */
import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { PatternRouter } from "hono/router/pattern-router";
import type { Admission, GitHost } from "../git-host.ts";
import { type Actor, actorOf, callerOf, guardPerson, holderOf, mayAs, mayPush, maySee, refusal, type Tokens } from "./access.ts";
import { accountRoutes, clientRoutes } from "./account-routes.ts";
import { appRoutes, type Registration } from "./apps.ts";
import { checkRoutes } from "./check-routes.ts";
import { collaboratorRoutes } from "./collaborators.ts";
import type { Deliveries } from "./deliveries.ts";
import { createEmulatedGitHub, type EmulatorCaller } from "./emulator.ts";
import { type Cause, repairEvent } from "./events.ts";
import { graphqlRoute } from "./graphql.ts";
import { appView, type Env, type Hub, nodeId, type Row } from "./hub.ts";
import { issueRoutes } from "./issues.ts";
import { makeOAuth } from "./oauth.ts";
import { type Known, present } from "./present.ts";
import { pullRoutes } from "./pulls.ts";
import type { Json, Repo } from "./records.ts";
import { commitRoute, repositoryRoutes } from "./repository.ts";
import { reviewRoutes } from "./reviews.ts";

/** The call that is being served, for the emulator's routes and events. */
interface Doing extends Cause {
  caller: EmulatorCaller;
  quiet: boolean;
}

/** How a site is made. */
export interface SiteOptions {
  apiUrl: string;
  webUrl: () => string;
  git: GitHost;
  now: () => number;
  changed: () => void;
  deliveries: Deliveries;
}

/** Events that Apps get without asking for them. */
const UNASKED = ["installation", "installation_repositories", "github_app_authorization", "installation_target"];
const RIGHTS = ["metadata", "contents", "issues", "pull_requests", "checks", "actions", "statuses"];
const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

/** Makes the site. Its tables are empty. */
export async function makeSite(options: SiteOptions) {
  const { apiUrl, git, now, deliveries } = options;
  const doing = new AsyncLocalStorage<Doing>();
  const tokens: Tokens = { minted: new Map(), people: new Map() };
  const { minted, people } = tokens;
  const codes = new Map<string, Registration>();
  const emulator = await createEmulatedGitHub({ baseUrl: apiUrl, caller: () => doing.getStore()?.caller ?? {}, onEvent: happened });
  const { tables } = emulator;

  const repoBy = (name: string) => tables.repos.all().find((one) => one.full_name.toLowerCase() === name.toLowerCase());
  const inRepo = <T extends { number: number }>(rows: T[], number: number) => rows.find((one) => one.number === number);
  const known: Known = {
    apiUrl,
    get webUrl() {
      return options.webUrl();
    },
    gitUrl: git.url,
    issue: (name, number) => inRepo(tables.issues.findBy("repo_id", repoBy(name)?.id ?? 0), number),
    pull: (name, number) => inRepo(tables.pullRequests.findBy("repo_id", repoBy(name)?.id ?? 0), number),
    comment: (id) => tables.comments.get(id),
    reactions(subject) {
      const counts: Record<string, number> = {};
      for (const row of tables.reactions.findBy("subject", subject)) counts[row.content] = (counts[row.content] ?? 0) + 1;
      return counts;
    },
    minimized: (id) => tables.minimized.findOneBy("node_id", id)?.reason ?? null,
    appOf: (login) => (login.endsWith("[bot]") ? appView(hub, tables.apps.findOneBy("slug", login.slice(0, -5))) : null),
  };

  const hub: Hub = { tables, git, known, now, view, forward, tell, changed: options.changed };

  /** Everything is open to whoever asks in the name of the site itself. */
  const siteOf = (repo: Row<Repo>): EmulatorCaller => {
    const permissions = Object.fromEntries(RIGHTS.map((name) => [name, "write"]));
    const account = { accountId: repo.owner_id, accountType: repo.owner_type };
    const installation = { installationId: 0, appId: 0, ...account, permissions, repositoryIds: [], repositorySelection: "all" as const };
    return { user: { login: "ghost", id: 0, scopes: [], installation } };
  };

  async function view(repo: Row<Repo>, path: string): Promise<Json> {
    const request = new Request(`${apiUrl}/repos/${repo.full_name}${path}`);
    const quiet = { caller: siteOf(repo), body: {}, before: undefined, quiet: true };
    const answer = await doing.run(quiet, () => emulator.fetch(request));
    const value = present(known, await answer.json());
    if (!answer.ok || !isJson(value)) throw new Error(`the emulator answered ${answer.status} for ${path} of ${repo.full_name}`);
    return value;
  }

  /** The texts that a call is about to change. */
  function beforeOf(repo: Row<Repo> | undefined, method: string, path: string): Cause["before"] {
    if (method !== "PATCH" || !repo) return undefined;
    const comment = /\/(?:issues|pulls)\/comments\/(\d+)$/.exec(path)?.[1];
    if (comment) return { body: tables.comments.get(Number(comment))?.body ?? null };
    const number = Number(/\/(?:issues|pulls)\/(\d+)$/.exec(path)?.[1]);
    const row = inRepo(tables.issues.findBy("repo_id", repo.id), number);
    return row && { title: row.title, body: row.body };
  }

  async function forward(...[c, change = {}]: Parameters<Hub["forward"]>): Promise<Response> {
    const url = new URL(c.req.url);
    const method = change.method ?? c.req.method;
    const repo = c.get("repo") as Row<Repo> | undefined;
    const path = change.path ?? (repo ? url.pathname.replace(/^\/repos\/[^/]+\/[^/]+/, `/repos/${repo.full_name}`) : url.pathname);
    const body = change.body ?? c.get("body");
    const headers = { "content-type": "application/json", accept: c.req.header("accept") ?? "application/json" };
    const sent = method === "GET" || method === "HEAD" ? {} : { body: JSON.stringify(body) };
    const cause = { caller: callerOf(c.get("actor")), body, before: beforeOf(repo, method, path), quiet: change.quiet === true };
    return doing.run(cause, () => emulator.fetch(new Request(`${apiUrl}${path}${url.search}`, { method, headers, ...sent })));
  }

  const labelOf = (repo: Json, name: string): Json | null => {
    const row = tables.labels.findBy("repo_id", Number(repo.id)).find((one) => one.name === name);
    if (!row) return null;
    const { id, node_id, color, description } = row;
    return { id, node_id, name, color, description, default: row.default, url: `${String(repo.url)}/labels/${encodeURIComponent(name)}` };
  };

  /** Hears of what the emulator would tell. */
  function happened(event: string, raw: unknown) {
    const cause = doing.getStore();
    options.changed();
    if (cause?.quiet) return;
    for (const told of repairEvent(known, event, raw, cause ?? { body: {}, before: undefined }, labelOf)) {
      const repo = isJson(told.payload.repository) ? tables.repos.get(Number(told.payload.repository.id)) : undefined;
      if (repo) send(told.event, repo, told.payload);
    }
  }

  async function tell(event: string, repo: Row<Repo>, payload: Json, only?: number): Promise<void> {
    send(event, repo, { ...payload, repository: await view(repo, "") }, only);
  }

  /** Sends an event to the Apps that are installed on the repository and asked for it. */
  function send(event: string, repo: Row<Repo>, payload: Json, only?: number) {
    options.changed();
    const org = repo.owner_type === "Organization" ? tables.orgs.get(repo.owner_id) : undefined;
    const organization = org
      ? { organization: { login: org.login, id: org.id, node_id: org.node_id, url: `${apiUrl}/orgs/${org.login}` } }
      : {};
    for (const installation of tables.appInstallations.all()) {
      const app = tables.apps.findOneBy("app_id", installation.app_id);
      const owned = installation.account_id === repo.owner_id && installation.account_type === repo.owner_type;
      const selected = installation.repository_selection === "all" || installation.repository_ids.includes(repo.id);
      const asked = app?.events.includes(event) || UNASKED.includes(event);
      if (!app || !owned || !selected || !asked || installation.suspended_at || (only !== undefined && app.app_id !== only)) continue;
      const id = installation.installation_id;
      const whole = present(known, { ...payload, ...organization, installation: { id, node_id: nodeId("IntegrationInstallation", id) } });
      if (isJson(whole)) deliveries.deliver({ app, event, payload: whole, installation, repositoryId: repo.id });
    }
  }

  const oauth = makeOAuth({ tables, people, now });
  const api = new Hono<Env>({ router: new PatternRouter() });
  // These prove who they are by the App's client secret, not by a token.
  clientRoutes(api, hub, { oauth, people });
  api.use("*", async (c, next) => {
    const authorization = c.req.header("authorization");
    const token = /^(?:Bearer|token)\s+(\S+)$/i.exec(authorization ?? "")?.[1];
    const actor = authorization !== undefined && token === undefined ? null : await actorOf(tables, tokens, token, now());
    if (!actor) throw refusal(401, "Bad credentials");
    if (actor.kind === "installation" && actor.installation.suspended_at) throw refusal(403, "This installation has been suspended");
    c.set("actor", actor);
    c.set("body", await bodyOf(c.req.raw));
    const [, name, path = ""] = /^\/repos\/([^/]+\/[^/]+)(\/.*)?$/.exec(new URL(c.req.url).pathname) ?? [];
    if (name !== undefined) {
      const repo = repoBy(decodeURIComponent(name));
      if (!repo || !(actor.kind === "app" || maySee(tables, actor, repo))) throw refusal(404, "Not Found");
      if (actor.kind === "user") guardPerson(tables, actor, repo, { method: c.req.method, path, body: c.get("body") });
      c.set("repo", repo);
    }
    await next();
  });
  accountRoutes(api, hub);
  appRoutes(api, hub, { emulator, minted, deliveries, codes });
  collaboratorRoutes(api, hub);
  pullRoutes(api, hub);
  reviewRoutes(api, hub);
  issueRoutes(api, hub);
  checkRoutes(api, hub);
  repositoryRoutes(api, hub);
  commitRoute(api, hub);
  graphqlRoute(api, hub);
  api.notFound((c) => hub.forward(c));
  api.onError((error) => {
    if (error instanceof HTTPException) return error.getResponse();
    console.error("local GitHub:", error);
    return Response.json({ message: "Server Error" }, { status: 500 });
  });

  /** Serves a call as GitHub's API would. */
  async function handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const byId = /^\/repositories\/(\d+)(\/.+)$/.exec(url.pathname);
    const named = byId ? tables.repos.get(Number(byId[1]))?.full_name : undefined;
    if (named) url.pathname = `/repos/${named}${byId?.[2]}`;
    const answer = await api.fetch(named ? new Request(url, request) : request);
    if (request.method !== "GET" && answer.ok) options.changed();
    return finish(request, answer);
  }

  /** The answer in GitHub's words, with its headers. */
  async function finish(request: Request, answer: Response): Promise<Response> {
    const headers = new Headers(answer.headers);
    headers.set("x-github-request-id", nodeId("Request", Math.floor(now())));
    headers.set("x-github-api-version-selected", "2022-11-28");
    for (const [name, value] of [
      ["limit", "5000"],
      ["remaining", "4999"],
      ["used", "1"],
      ["reset", String(Math.floor(now() / 1000) + 3600)],
      ["resource", "core"],
    ] as const)
      if (!headers.has(`x-ratelimit-${name}`)) headers.set(`x-ratelimit-${name}`, value);
    if (!headers.get("content-type")?.includes("json")) return new Response(answer.body, { status: answer.status, headers });
    let value = present(known, await answer.json());
    if (!answer.ok && isJson(value))
      value = { ...value, message: wordsOf(answer.status, String(value.message)), status: String(answer.status) };
    const text = JSON.stringify(value);
    headers.delete("content-length");
    if (request.method === "GET" && answer.ok) {
      const etag = `"${createHash("sha256").update(text).digest("hex")}"`;
      headers.set("etag", etag);
      const given = request.headers.get("if-none-match")?.replace(/^W\//, "");
      if (given === etag) return new Response(null, { status: 304, headers });
    }
    return new Response(text, { status: answer.status, headers });
  }

  /** Who may use git with a repository, by Basic auth as GitHub takes it: a token as password, any user name. */
  function admit(request: { repository: string; push: boolean; user: string | null; password: string | null }): Admission {
    const repo = repoBy(request.repository);
    if (!repo) return { kind: "unknown" };
    const token = request.password || request.user;
    const actor: Actor | null = token ? holderOf(tables, tokens, token, now()) : { kind: "anonymous" };
    const no = (status: 401 | 403 | 404, message: string): Admission => ({ kind: "refused", status, message });
    if (!actor) return no(401, "Invalid username or token. Password authentication is not supported for Git operations.");
    if (actor.kind === "anonymous" && (request.push || repo.private)) return no(401, "Authentication required.");
    if (actor.kind === "installation" && actor.installation.suspended_at) return no(403, "This installation has been suspended");
    if (!maySee(tables, actor, repo)) return no(404, "Repository not found.");
    const login = actor.kind === "user" || actor.kind === "installation" ? actor.user.login : null;
    const reads = actor.kind !== "installation" || mayAs(actor, repo, ["contents"], "read");
    if (!reads || (request.push && !mayPush(tables, actor, repo))) {
      return no(
        403,
        actor.kind === "installation"
          ? "Write access to repository not granted."
          : `Permission to ${repo.full_name}.git denied to ${login}.`,
      );
    }
    return {
      kind: "admitted",
      login,
      workflows: actor.kind !== "installation" || actor.token.installation?.permissions.workflows === "write",
    };
  }

  /** A name for who makes a call, for the log. */
  async function who(authorization: string | undefined): Promise<string | undefined> {
    const token = /^(?:Bearer|token)\s+(\S+)$/i.exec(authorization ?? "")?.[1];
    const actor = token === undefined ? null : await actorOf(tables, tokens, token, now());
    if (actor?.kind === "app") return actor.app.slug;
    return actor?.kind === "user" || actor?.kind === "installation" ? actor.user.login : undefined;
  }

  return { hub, emulator, minted, people, oauth, codes, handle, admit, who, repoBy };
}

/** The emulator's words of a refusal, as GitHub says them. */
function wordsOf(status: number, message: string): string {
  if (status === 403 && message === "Forbidden") return "Resource not accessible by integration";
  return message === "Validation failed" ? "Validation Failed" : message;
}

async function bodyOf(request: Request): Promise<Json> {
  const text = request.method === "GET" || request.method === "HEAD" ? "" : await request.text();
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : {};
  } catch {
    throw refusal(400, "Problems parsing JSON");
  }
}

/** See `makeSite`. */
export type Site = Awaited<ReturnType<typeof makeSite>>;
