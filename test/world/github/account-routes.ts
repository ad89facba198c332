/** What the API tells a person, or an App that acts for one, about that person; and what an App does with its people's tokens. */
import { type Actor, installationOn, refusal, roleOf, type Tokens } from "./access.ts";
import { emailsOf, membershipOf } from "./accounts.ts";
import { type Api, type C, type Hub, paged, personOf, type Row } from "./hub.ts";
import type { OAuth } from "./oauth.ts";
import type { App, Json, Membership, Org, Repo } from "./records.ts";
import { installationView } from "./views.ts";

type Person = Extract<Actor, { kind: "user" }>;

/** The largest form taken, in bytes. */
const MAX_FORM = 64 * 1024;

const asPerson = (c: C): Person => {
  const actor = c.get("actor");
  if (actor.kind === "user") return actor;
  if (actor.kind === "anonymous") throw refusal(401, "Requires authentication");
  throw refusal(403, "Resource not accessible by integration");
};

/** An App needs a right for what it reads of the person itself: those are the App's own, granted by whoever lets it act for them. */
function needsOwn(actor: Person, ...names: string[]): void {
  if (actor.through && !names.some((name) => actor.through?.permissions[name]))
    throw refusal(403, "Resource not accessible by integration");
}

/** Adds what is about the person who asks. */
export function accountRoutes(api: Api, hub: Hub): void {
  const { tables } = hub;
  const orgBy = (login: string | undefined) => tables.orgs.all().find((one) => one.login.toLowerCase() === login?.toLowerCase());
  /** An organisation's rights are those that were granted with its installation. */
  const needsMembers = (actor: Person, org: Row<Org>) => {
    const granted = tables.appInstallations
      .findBy("app_id", actor.through?.app_id ?? 0)
      .some((one) => one.account_id === org.id && one.account_type === "Organization" && !one.suspended_at && one.permissions.members);
    if (actor.through && !granted) throw refusal(403, "Resource not accessible by integration");
  };
  const orgView = (org: Row<Org>): Json => ({
    login: org.login,
    id: org.id,
    node_id: org.node_id,
    url: `${hub.known.apiUrl}/orgs/${org.login}`,
    avatar_url: `${hub.known.webUrl}/avatars/o/${org.login}`,
    description: null,
  });
  const membershipView = (org: Row<Org>, row: Membership): Json => {
    const login = tables.users.get(row.user_id)?.login ?? "";
    const at = `${hub.known.apiUrl}/orgs/${org.login}`;
    return {
      url: row.team === null ? `${at}/memberships/${login}` : `${at}/teams/${row.team}/memberships/${login}`,
      state: row.state,
      role: row.role,
      ...(row.team === null
        ? { organization_url: at, organization: orgView(org), user: personOf(hub, tables.users.get(row.user_id)), permissions: null }
        : {}),
    };
  };

  api.get("/user", (c) => {
    asPerson(c);
    return hub.forward(c);
  });
  api.get("/user/emails", (c) => {
    const actor = asPerson(c);
    needsOwn(actor, "emails", "email_addresses");
    return c.json(paged(c, emailsOf(tables, actor.user)));
  });
  api.get("/user/orgs", (c) => {
    const actor = asPerson(c);
    const mine = tables.orgs.all().filter((org) => membershipOf(tables, org, actor.user, null)?.state === "active");
    return c.json(paged(c, mine).map(orgView));
  });
  api.get("/user/memberships/orgs", (c) => {
    const actor = asPerson(c);
    const state = c.req.query("state");
    const rows = tables.orgs.all().flatMap((org) => {
      const row = membershipOf(tables, org, actor.user, null);
      return row && (!state || row.state === state) ? [membershipView(org, row)] : [];
    });
    return c.json(paged(c, rows));
  });
  api.get("/user/memberships/orgs/:org", (c) => {
    const actor = asPerson(c);
    const org = orgBy(c.req.param("org"));
    if (!org) throw refusal(404, "Not Found");
    needsMembers(actor, org);
    const row = membershipOf(tables, org, actor.user, null);
    if (!row) throw refusal(404, "Not Found");
    return c.json(membershipView(org, row));
  });
  api.get("/orgs/:org/memberships/:login", (c) => {
    const actor = asPerson(c);
    const org = orgBy(c.req.param("org"));
    const user = tables.users.findOneBy("login", c.req.param("login"));
    const own = org && membershipOf(tables, org, actor.user, null)?.state === "active";
    if (!org || !user || !own) throw refusal(404, "Not Found");
    needsMembers(actor, org);
    const row = membershipOf(tables, org, user, null);
    if (!row) throw refusal(404, "Not Found");
    return c.json(membershipView(org, row));
  });

  // Teams are seen by the organisation's members, and a pending invitation by who has it.
  api.get("/orgs/:org/teams/:team/memberships/:login", (c) => {
    const actor = asPerson(c);
    const org = orgBy(c.req.param("org"));
    const user = tables.users.findOneBy("login", c.req.param("login"));
    const row = org && user && membershipOf(tables, org, user, c.req.param("team"));
    const member = org && membershipOf(tables, org, actor.user, null)?.state === "active";
    if (!org || !row || !(member || row.user_id === actor.user.id)) throw refusal(404, "Not Found");
    needsMembers(actor, org);
    return c.json(membershipView(org, row));
  });

  /** Of the repositories of an installation, those that the person has a right of their own to. */
  const reached = (actor: Person, id: number): Row<Repo>[] => {
    const row = tables.appInstallations.findOneBy("installation_id", id);
    const app = actor.through;
    if (!row || !app || row.app_id !== app.app_id || row.suspended_at) return [];
    return tables.repos
      .all()
      .filter((repo) => installationOn(tables, app, repo)?.id === row.id)
      .filter((repo) => {
        const role = roleOf(tables, repo, actor.user);
        return role !== null && (role !== "pull" || repo.private);
      });
  };
  const throughApp = (c: C): Person & { through: App } => {
    const actor = asPerson(c);
    if (!actor.through)
      throw refusal(403, "You must authenticate with an access token authorized to a GitHub App in order to list installations");
    return { ...actor, through: actor.through };
  };
  api.get("/user/installations", (c) => {
    const actor = throughApp(c);
    const rows = tables.appInstallations
      .findBy("app_id", actor.through.app_id)
      .filter((one) => reached(actor, one.installation_id).length > 0);
    return c.json({ total_count: rows.length, installations: paged(c, rows).map((row) => installationView(hub, row)) });
  });
  api.get("/user/installations/:id/repositories", async (c) => {
    const actor = throughApp(c);
    const repos = reached(actor, Number(c.req.param("id")));
    if (repos.length === 0) throw refusal(404, "Not Found");
    const shown = await Promise.all(paged(c, repos).map((repo) => hub.view(repo, "")));
    return c.json({ total_count: repos.length, repositories: shown });
  });
}

/** Adds what an App calls with its client id and secret. To be added before anything that asks for a token. */
export function clientRoutes(api: Api, hub: Hub, { oauth, people }: { oauth: OAuth; people: Tokens["people"] }): void {
  api.post("/login/oauth/access_token", async (c) => {
    const text = await c.req.text();
    if (text.length > MAX_FORM) throw refusal(400, "That is too long.");
    const answer = oauth.exchange(formOf(c.req.header("content-type") ?? "", text));
    hub.changed();
    c.header("cache-control", "no-store");
    if (/\bjson\b/.test(c.req.header("accept") ?? "")) return c.json(answer);
    // Who does not ask for JSON gets a form.
    const form = new URLSearchParams(Object.entries(answer).map(([name, value]): [string, string] => [name, String(value)]));
    return c.body(form.toString(), 200, { "content-type": "application/x-www-form-urlencoded; charset=utf-8" });
  });

  /** The App of the call and the token it is about. */
  async function about(c: C): Promise<{ app: App; token: string }> {
    const basic = /^Basic\s+([A-Za-z0-9+/=]+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    const [id = "", ...secret] = Buffer.from(basic ?? "", "base64")
      .toString("utf8")
      .split(":");
    const app = oauth.clientOf(id, secret.join(":"));
    if (!app) throw refusal(401, "Bad credentials");
    if (app.client_id !== c.req.param("client")) throw refusal(404, "Not Found");
    const body: unknown = await c.req.json().catch(() => null);
    const token = typeof body === "object" && body !== null && "access_token" in body ? body.access_token : undefined;
    if (typeof token !== "string") throw refusal(422, "Validation Failed");
    return { app, token };
  }
  const view = (app: App, token: string): Json => {
    const one = people.get(token);
    if (!one || one.clientId !== app.client_id || one.expiresAt <= hub.now()) throw refusal(404, "Not Found");
    const iso = (at: number) => new Date(at).toISOString();
    return {
      token,
      hashed_token: null,
      token_last_eight: token.slice(-8),
      scopes: [],
      app: { name: app.name, url: hub.known.webUrl, client_id: app.client_id },
      note: null,
      created_at: iso(one.createdAt),
      expires_at: iso(one.expiresAt),
      user: personOf(hub, hub.tables.users.get(one.userId)),
    };
  };
  api.post("/applications/:client/token", async (c) => {
    const { app, token } = await about(c);
    return c.json(view(app, token));
  });
  api.patch("/applications/:client/token", async (c) => {
    const { app, token } = await about(c);
    view(app, token);
    const fresh = oauth.reset(app, token);
    hub.changed();
    return c.json(view(app, fresh ?? token));
  });
  api.delete("/applications/:client/token", async (c) => {
    const { app, token } = await about(c);
    if (people.get(token)?.clientId !== app.client_id) throw refusal(404, "Not Found");
    people.delete(token);
    hub.changed();
    return c.body(null, 204);
  });
  /** Ends all that the App may do for the person of that token. */
  api.delete("/applications/:client/grant", async (c) => {
    const { app, token } = await about(c);
    const one = people.get(token);
    if (!one || one.clientId !== app.client_id) throw refusal(404, "Not Found");
    for (const [key, each] of people) if (each.userId === one.userId && each.clientId === one.clientId) people.delete(key);
    hub.changed();
    return c.body(null, 204);
  });
}

function formOf(type: string, text: string): URLSearchParams {
  if (!type.includes("json")) return new URLSearchParams(text);
  try {
    const value: unknown = JSON.parse(text);
    const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
    return new URLSearchParams(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  } catch {
    return new URLSearchParams();
  }
}
