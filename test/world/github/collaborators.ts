/** Who may do what in a repository: what Apps ask about people, and what owners of an organisation change. */
import { permissionOf, refusal, roleOf } from "./access.ts";
import { membershipOf } from "./accounts.ts";
import { type Api, type C, type Hub, personOf, type Row } from "./hub.ts";
import type { Collaborator, User } from "./records.ts";

/** The levels that a collaborator can be given. Docs: "Add a repository collaborator". */
const LEVELS = ["pull", "triage", "push", "maintain", "admin"] as const satisfies Collaborator["permission"][];

/** A repository's `permissions`, as it names them to who asks: each level has those below it. */
const levelsUpTo = (role: Collaborator["permission"] | null) =>
  Object.fromEntries(LEVELS.toReversed().map((one) => [one, role !== null && LEVELS.indexOf(one) <= LEVELS.indexOf(role)]));

/** Adds the routes. */
export function collaboratorRoutes(api: Api, hub: Hub): void {
  const { tables } = hub;
  const personNamed = (c: C): Row<User> => {
    const login = c.req.param("login")?.toLowerCase();
    const user = tables.users.all().find((one) => one.login.toLowerCase() === login);
    if (!user) throw refusal(404, "Not Found");
    if (user.type !== "User") throw refusal(404, `${user.login} is not a user`);
    return user;
  };
  const needsSomebody = (c: C) => {
    const { kind } = c.get("actor");
    if (kind === "anonymous" || kind === "app") throw refusal(401, "Requires authentication");
  };
  /** Those who are in the repository's list, and the owners of its organisation. That it is public makes nobody one. */
  const isCollaborator = (c: C, user: Row<User>): boolean => {
    const repo = c.get("repo");
    const org = repo.owner_type === "Organization" ? tables.orgs.get(repo.owner_id) : undefined;
    if (org ? membershipOf(tables, org, user, null)?.role === "admin" : repo.owner_id === user.id) return true;
    return tables.collaborators.findBy("repo_id", repo.id).some((one) => one.user_id === user.id);
  };
  const needsAdmin = (c: C) => {
    const actor = c.get("actor");
    const repo = c.get("repo");
    const org = repo.owner_type === "Organization" ? tables.orgs.get(repo.owner_id) : undefined;
    const owns = actor.kind === "user" && org !== undefined && membershipOf(tables, org, actor.user, null)?.role === "admin";
    const has = actor.kind === "user" && ["admin", "maintain"].includes(roleOf(tables, repo, actor.user) ?? "");
    if (!owns && !has) throw refusal(403, "Must have admin rights to Repository.");
  };
  const rowOf = (c: C, user: Row<User>) => tables.collaborators.findBy("repo_id", c.get("repo").id).find((one) => one.user_id === user.id);

  // The emulator takes everybody for an admin of an organisation's repositories.
  api.get("/repos/:owner/:repo", async (c) => {
    const answer = await hub.forward(c);
    const actor = c.get("actor");
    if (!answer.ok || actor.kind !== "user") return answer;
    const body: unknown = await answer.json();
    return c.json(Object.assign({}, body, { permissions: levelsUpTo(roleOf(tables, c.get("repo"), actor.user)) }));
  });
  api.get("/repos/:owner/:repo/collaborators/:login/permission", (c) => {
    needsSomebody(c);
    const user = personNamed(c);
    const said = permissionOf(roleOf(tables, c.get("repo"), user));
    return c.json({ ...said, user: { ...personOf(hub, user), role_name: said.role_name } });
  });
  api.get("/repos/:owner/:repo/collaborators/:login", (c) => {
    needsSomebody(c);
    if (!isCollaborator(c, personNamed(c))) throw refusal(404, "Not Found");
    return c.body(null, 204);
  });
  // GitHub invites who is not of the organisation; here an invitation is accepted at once: nobody sits at its mailbox.
  api.put("/repos/:owner/:repo/collaborators/:login", (c) => {
    needsAdmin(c);
    const user = personNamed(c);
    const wanted = c.get("body").permission ?? "push";
    const permission = LEVELS.find((one) => one === wanted);
    if (!permission) throw refusal(422, "Validation Failed");
    const row = rowOf(c, user);
    if (row) tables.collaborators.update(row.id, { permission });
    else tables.collaborators.insert({ repo_id: c.get("repo").id, user_id: user.id, permission });
    return c.body(null, 204);
  });
  api.delete("/repos/:owner/:repo/collaborators/:login", (c) => {
    needsAdmin(c);
    const row = rowOf(c, personNamed(c));
    if (row) tables.collaborators.delete(row.id);
    return c.body(null, 204);
  });
}
