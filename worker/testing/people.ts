/** People who are signed in, for the Worker's tests: rows as a sign-in leaves them, and what GitHub says of each. */
import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { base32, sessionIdOf } from "../../protocol/thread.ts";
import { makeApiKey } from "../auth/api-keys.ts";
import { authSessionId, beginning } from "../auth/auth-sessions.ts";
import { newToken, random, sha256 } from "../auth/token.ts";
import { identities, users } from "../db/schema.ts";
import type { Agent } from "../routes/app.ts";
import { fresh } from "./deliveries.ts";
import { ask, type World } from "./world.ts";

export type Someone = {
  userId: string;
  name: string;
  github: { id: number; login: string } | null;
  slack: string | null;
  /** Signs in once more: a bearer token. */
  token(): Promise<string>;
  /** Signs in once more: the name of the sign-in. */
  signIn(): Promise<string>;
  /** A key for a program, one of each scope. */
  key(scope: "read" | "prompt"): Promise<string>;
};

/** A user with accounts that no other test has. */
export async function someone(
  change: { role?: "admin" | "member"; github?: boolean; slack?: boolean; name?: string } = {},
): Promise<Someone> {
  const userId = base32(random(16));
  const { name = `somebody ${userId.slice(0, 4)}`, role = "member" } = change;
  const id = fresh();
  const github = change.github === false ? null : { id, login: `person-${id}` };
  const slack = change.slack ? `T1:U${fresh()}` : null;
  const d1 = drizzle(env.DB);
  const createdAt = Date.now();
  await d1.insert(users).values({ id: userId, name, role, createdAt });
  if (github)
    await d1.insert(identities).values({ provider: "github", subject: String(github.id), userId, login: github.login, createdAt });
  if (slack) await d1.insert(identities).values({ provider: "slack", subject: slack, userId, createdAt });
  const token = async () => {
    const secret = newToken();
    await d1.batch([...beginning(env.DB, { hash: await sha256(secret), userId, agent: "test" }, Date.now())]);
    return secret;
  };
  const signIn = async () => authSessionId(await sha256(await token()));
  const keys: { read?: string; prompt?: string } = {};
  const key = async (scope: "read" | "prompt") => {
    keys[scope] ??= (await makeApiKey(env.DB, { userId, name: "test", scope, days: 1 }, Date.now()))?.key ?? "";
    return keys[scope];
  };
  return { userId, name, github, slack, token, signIn, key };
}

/** A request with somebody's token, to the Worker unless another one is asked. */
export async function askAs(person: Someone, path: string, init: RequestInit = {}, asking = ask): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${await person.token()}`);
  return asking(path, { ...init, headers });
}

export type Repositories = Map<string, { private: boolean; people: Map<string, string> }>;

/** GitHub as the App sees it: repositories by `owner/name`, with the permission of each login; `away`: it answers nothing that helps. */
export function gitHubWith(outside: World): { repositories: Repositories; away: boolean } {
  const state = { repositories: new Map() as Repositories, away: false };
  outside.gitHub = (request) => {
    if (state.away) return Response.json({ message: "Server Error" }, { status: 502 });
    const [, owner, name, rest = ""] = /^\/repos\/([^/]+)\/([^/]+)(\/.*)?$/.exec(new URL(request.url).pathname) ?? [];
    const repository = state.repositories.get(`${owner}/${name}`);
    const missing = () => Response.json({ message: "Not Found" }, { status: 404 });
    if (!repository) return missing();
    if (rest === "") return Response.json({ id: 1, full_name: `${owner}/${name}`, private: repository.private, default_branch: "main" });
    if (rest === "/installation") return Response.json({ id: 100 });
    const one = /^\/collaborators\/([^/]+)$/.exec(rest)?.[1];
    if (one !== undefined) return (repository.people.get(one) ?? "none") === "none" ? missing() : new Response(null, { status: 204 });
    const login = /^\/collaborators\/([^/]+)\/permission$/.exec(rest)?.[1];
    // Of a public repository GitHub says `read` of everybody.
    const permission = login === undefined ? undefined : (repository.people.get(login) ?? (repository.private ? undefined : "read"));
    if (login === undefined || permission === undefined) return missing();
    return Response.json({ permission, user: { id: Number(login.split("-").at(-1)), login } });
  };
  return state;
}

/** A session begun in a thread, in a repository on the forge. */
export async function sessionIn(repository: string, thread = `github:${fresh()}:7`, who = "github:1"): Promise<string> {
  const id = await sessionIdOf(thread, env.SESSION_KEY);
  const accepted = await (env.SESSIONS.getByName(id) as unknown as Agent).accept({
    kind: "prompt",
    deliveryId: `${thread}:1`,
    contentKey: `${thread}:1`,
    thread,
    who: { id: who, name: "beginner" },
    at: Date.now(),
    text: "fix it",
    options: { repository },
    joins: false,
  });
  if (accepted.status !== "accepted") throw new Error(`not begun: ${accepted.why}`);
  return id;
}
