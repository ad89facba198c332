/** What the routes of the local GitHub share: its tables, how it shows things, and how it tells of what happened. */
import type { Context, Hono } from "hono";
import { log, mergeBase, mergedTree, patchBetween, resolve, tryGit } from "../bare.ts";
import type { GitHost } from "../git-host.ts";
import { type Actor, mayAs, refusal } from "./access.ts";
import type { GitHubTables } from "./emulator.ts";
import type { FileChange } from "./patch.ts";
import { parsePatch } from "./patch.ts";
import type { Known } from "./present.ts";
import { wholeSeconds } from "./present.ts";
import type { App, Json, Pull, Repo, User } from "./records.ts";

/** A row with its number. */
export type Row<T> = T & { id: number };

/** What middleware puts beside a request: who calls, the body as an object, and the repository of the path. */
export type Env = { Variables: { actor: Actor; body: Json; repo: Row<Repo> } };
export type Api = Hono<Env>;
export type C = Context<Env>;

/** What every route may use. */
export interface Hub {
  tables: GitHubTables;
  git: GitHost;
  known: Known;
  now: () => number;
  /** Something of a repository as the API gives it to whoever may see everything; `path` is what comes after the repository's name. */
  view(repo: Row<Repo>, path: string): Promise<Json>;
  /** Lets the emulator answer the call that is being made, with another body or method if given; `quiet`: without telling Apps. */
  forward(c: C, change?: { method?: string; path?: string; body?: Json; quiet?: boolean }): Promise<Response>;
  /** Tells Apps of an event; `repository`, `organization` and `installation` are added. `only`: no other App than this. */
  tell(event: string, repo: Row<Repo>, payload: Json, only?: number): Promise<void>;
  /** Notes that something changed. */
  changed(): void;
}

/** The time as GitHub writes it. */
export const stamp = (hub: Pick<Hub, "now">) => wholeSeconds(new Date(hub.now()).toISOString());
/** A node id, of which one can see what it is for. */
export const nodeId = (kind: string, id: number) => Buffer.from(`0:${kind}${id}`).toString("base64").replace(/=+$/, "");
/** The bare repository of a repository. */
export const folderOf = (hub: Hub, repo: Repo) => hub.git.pathOf(repo.full_name);

/** A person as GitHub shows one in passing. */
export function personOf(hub: Hub, user: Row<User> | undefined): Json | null {
  if (!user) return null;
  const { login, id, node_id, type, site_admin } = user;
  const page = type === "Bot" ? `apps/${login.replace("[bot]", "")}` : login;
  return {
    login,
    id,
    node_id,
    type,
    site_admin,
    avatar_url: `${hub.known.webUrl}/avatars/u/${login}`,
    url: `${hub.known.apiUrl}/users/${encodeURIComponent(login)}`,
    html_url: `${hub.known.webUrl}/${page}`,
  };
}

/** An App as GitHub shows one in passing. */
export function appView(hub: Hub, app: Pick<App, "app_id" | "slug" | "name" | "permissions" | "events"> | undefined): Json | null {
  if (!app) return null;
  return {
    id: app.app_id,
    slug: app.slug,
    node_id: nodeId("App", app.app_id),
    name: app.name,
    html_url: `${hub.known.webUrl}/apps/${app.slug}`,
    permissions: app.permissions,
    events: app.events,
  };
}

/** Who acts in a call that changes something. Refuses installations without one of these rights, and nobody. */
export function acting(c: C, permissions: string[], level: "read" | "write" = "write"): Row<User> {
  const actor = c.get("actor");
  if (actor.kind === "user") return actor.user;
  if (actor.kind !== "installation") throw refusal(401, "Requires authentication");
  if (!mayAs(actor, c.get("repo"), permissions, level)) throw refusal(403, "Resource not accessible by integration");
  return actor.user;
}

/** Refuses installations that may not read this. */
export function reading(c: C, permissions: string[]): void {
  const actor = c.get("actor");
  if (actor.kind === "installation" && !mayAs(actor, c.get("repo"), permissions, "read")) {
    throw refusal(403, "Resource not accessible by integration");
  }
}

/** The page of a list that the call asks for, with GitHub's `Link` header set. */
export function paged<T>(c: C, items: T[]): T[] {
  const url = new URL(c.req.url);
  const size = Math.min(100, Math.max(1, Number(url.searchParams.get("per_page")) || 30));
  const at = Math.max(1, Number(url.searchParams.get("page")) || 1);
  const last = Math.max(1, Math.ceil(items.length / size));
  const link = (page: number, rel: string) => {
    url.searchParams.set("page", String(page));
    return `<${url.href}>; rel="${rel}"`;
  };
  const links = [
    ...(at > 1 ? [link(at - 1, "prev"), link(1, "first")] : []),
    ...(at < last ? [link(at + 1, "next"), link(last, "last")] : []),
  ];
  if (links.length > 0) c.header("link", links.join(", "));
  return items.slice((at - 1) * size, at * size);
}

/** The pull request of a path's `:number`. */
export function pullOf(hub: Hub, c: C): Row<Pull> {
  const number = Number(c.req.param("number"));
  const row = hub.tables.pullRequests.findBy("repo_id", c.get("repo").id).find((one) => one.number === number);
  if (!row) throw refusal(404, "Not Found");
  return row;
}

/** What lies between a pull request's base and head, in the real repository. */
export async function sizeOf(folder: string, base: string, head: string): Promise<{ commits: number; files: FileChange[]; patch: string }> {
  const [commits, patch] = await Promise.all([log(folder, `${base}..${head}`), patchBetween(folder, base, head)]);
  return { commits: commits.length, files: parsePatch(patch), patch };
}

/** Brings a pull request's row up to date with the repository: its head, sizes, and whether it can be merged. */
export async function measure(hub: Hub, pull: Row<Pull>): Promise<Row<Pull>> {
  const base = hub.tables.repos.get(pull.base_repo_id);
  const head = hub.tables.repos.get(pull.head_repo_id);
  if (!base || !head || pull.state === "closed") return pull;
  const folder = folderOf(hub, base);
  const [tip, headSha] = await Promise.all([
    resolve(folder, `refs/heads/${pull.base_ref}`),
    resolve(folderOf(hub, head), `refs/heads/${pull.head_ref}`),
  ]);
  if (!tip || !headSha) return pull;
  const ref = `refs/pull/${pull.number}/head`;
  if (head.id !== base.id) await tryGit(folder, ["fetch", "--quiet", folderOf(hub, head), `+refs/heads/${pull.head_ref}:${ref}`]);
  else await tryGit(folder, ["update-ref", ref, headSha]);
  const [size, tree] = await Promise.all([sizeOf(folder, tip, headSha), mergedTree(folder, tip, headSha)]);
  const sum = (key: "additions" | "deletions") => size.files.reduce((all, one) => all + one[key], 0);
  const change = {
    head_sha: headSha,
    base_sha: (await mergeBase(folder, tip, headSha)) === null ? pull.base_sha : tip,
    commits: size.commits,
    additions: sum("additions"),
    deletions: sum("deletions"),
    changed_files: size.files.length,
    mergeable: tree !== null,
  };
  const same = Object.entries(change).every(([key, value]) => pull[key as keyof typeof change] === value);
  return same ? pull : (hub.tables.pullRequests.update(pull.id, change) ?? pull);
}
