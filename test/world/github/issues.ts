/** Issues where a pull request is one too: by number, in lists, with comments since a time; and reactions to everything. */
import { checkLength, invalid, refusal } from "./access.ts";
import { type Api, acting, type C, type Hub, nodeId, paged, personOf, type Row, reading, stamp } from "./hub.ts";
import { issueOfPull, present } from "./present.ts";
import { tellPull } from "./pulls.ts";
import type { Comment, Issue, Json, Reaction, Repo } from "./records.ts";

const CONTENTS = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

function issueRow(hub: Hub, repo: Row<Repo>, number: number): Row<Issue> {
  const row = hub.tables.issues.findBy("repo_id", repo.id).find((one) => one.number === number);
  if (!row) throw refusal(404, "Not Found");
  return row;
}

/** The issue of a pull request, as GitHub gives it. */
export async function pullAsIssue(hub: Hub, repo: Row<Repo>, row: Row<Issue>): Promise<Json> {
  const issue = present(hub.known, issueOfPull(await hub.view(repo, `/pulls/${row.number}`), row));
  return typeof issue === "object" && issue !== null ? { ...issue } : {};
}

const issueView = (hub: Hub, repo: Row<Repo>, row: Row<Issue>) =>
  row.is_pull_request ? pullAsIssue(hub, repo, row) : hub.view(repo, `/issues/${row.number}`);

async function list(hub: Hub, c: C): Promise<Response> {
  reading(c, ["issues"]);
  const repo = c.get("repo");
  const state = c.req.query("state") ?? "open";
  const since = Date.parse(c.req.query("since") ?? "") || 0;
  const names = (c.req.query("labels") ?? "").split(",").filter(Boolean);
  const creator = c.req.query("creator");
  const labelled = (row: Row<Issue>, name: string) => row.label_ids.some((id) => hub.tables.labels.get(id)?.name === name);
  const rows = hub.tables.issues
    .findBy("repo_id", repo.id)
    .filter((row) => state === "all" || row.state === state)
    .filter((row) => Date.parse(row.updated_at ?? "") >= since && names.every((name) => labelled(row, name)))
    .filter((row) => creator === undefined || hub.tables.users.get(row.user_id)?.login === creator);
  const sort = c.req.query("sort") === "updated" ? "updated_at" : "created_at";
  const sign = c.req.query("direction") === "asc" ? 1 : -1;
  rows.sort((a, b) => sign * (Date.parse(a[sort] ?? "") - Date.parse(b[sort] ?? "") || a.number - b.number));
  return c.json(await Promise.all(paged(c, rows).map((row) => issueView(hub, repo, row))));
}

/** Comments of one conversation, or of the whole repository, changed at or after `since`: GitHub looks at whole seconds. */
async function listComments(hub: Hub, c: C, number: number | null): Promise<Response> {
  reading(c, ["issues", "pull_requests"]);
  const repo = c.get("repo");
  if (number !== null) issueRow(hub, repo, number);
  const since = Date.parse(c.req.query("since") ?? "") || 0;
  const seconds = (time: string | undefined) => Math.floor(Date.parse(time ?? "") / 1000) * 1000;
  const rows = hub.tables.comments
    .findBy("repo_id", repo.id)
    .filter((row) => row.comment_type === "issue" && (number === null || row.issue_number === number) && seconds(row.updated_at) >= since)
    .sort((a, b) => (c.req.query("direction") === "desc" && number === null ? b.id - a.id : a.id - b.id));
  return c.json(await Promise.all(paged(c, rows).map((row) => hub.view(repo, `/issues/comments/${row.id}`))));
}

/** People a pull request is given to; the emulator knows only those of issues. */
async function assign(hub: Hub, c: C, row: Row<Issue>, adding: boolean): Promise<Response> {
  const by = acting(c, ["issues", "pull_requests"]);
  const repo = c.get("repo");
  const named = c.get("body").assignees;
  const users = (Array.isArray(named) ? named : []).flatMap((login) => hub.tables.users.findOneBy("login", String(login)) ?? []);
  const pull = hub.tables.pullRequests.findBy("repo_id", repo.id).find((one) => one.number === row.number);
  const changed = users.filter((user) => user.type === "User" && row.assignee_ids.includes(user.id) !== adding);
  const ids = changed.map((user) => user.id);
  const assignee_ids = adding ? [...row.assignee_ids, ...ids] : row.assignee_ids.filter((id) => !ids.includes(id));
  hub.tables.issues.update(row.id, { assignee_ids });
  const fresh = pull && hub.tables.pullRequests.update(pull.id, { assignee_ids });
  for (const user of changed) {
    if (fresh) await tellPull(hub, fresh, adding ? "assigned" : "unassigned", by, { assignee: personOf(hub, user) });
  }
  return c.json(await pullAsIssue(hub, repo, issueRow(hub, repo, row.number)), adding ? 201 : 200);
}

function reactionRoutes(api: Api, hub: Hub, path: string, permissions: string[], subjectOf: (c: C) => string): void {
  const view = (c: C, row: Row<Reaction>) => ({
    id: row.id,
    node_id: nodeId("Reaction", row.id),
    user: personOf(hub, hub.tables.users.get(row.user_id)),
    content: row.content,
    created_at: row.created_at ?? stamp(hub),
    subject: c.req.path,
  });
  api.get(`${path}/reactions`, (c) => {
    reading(c, permissions);
    return c.json(paged(c, hub.tables.reactions.findBy("subject", subjectOf(c))).map((row) => view(c, row)));
  });
  api.post(`${path}/reactions`, (c) => {
    const by = acting(c, permissions);
    const content = String(c.get("body").content);
    if (!CONTENTS.includes(content)) throw invalid("Reaction", "content", "invalid");
    const subject = subjectOf(c);
    const before = hub.tables.reactions.findBy("subject", subject).find((row) => row.user_id === by.id && row.content === content);
    return c.json(view(c, before ?? hub.tables.reactions.insert({ subject, content, user_id: by.id })), before ? 200 : 201);
  });
  api.delete(`${path}/reactions/:reaction`, (c) => {
    const by = acting(c, permissions);
    const row = hub.tables.reactions.get(Number(c.req.param("reaction")));
    if (!row || row.subject !== subjectOf(c)) throw refusal(404, "Not Found");
    if (row.user_id !== by.id) throw refusal(403, "Must be the author of the reaction.");
    hub.tables.reactions.delete(row.id);
    return c.body(null, 204);
  });
}

/** Adds the routes of issues in which the emulator is not enough. */
export function issueRoutes(api: Api, hub: Hub): void {
  const at = "/repos/:owner/:repo/issues";
  const rowOf = (c: C) => issueRow(hub, c.get("repo"), Number(c.req.param("number")));
  const commentOf = (c: C, type: Comment["comment_type"]) => {
    const row = hub.tables.comments.get(Number(c.req.param("id")));
    if (!row || row.repo_id !== c.get("repo").id || row.comment_type !== type) throw refusal(404, "Not Found");
    return `comment:${row.id}`;
  };

  api.get(at, (c) => list(hub, c));
  api.post(at, (c) => {
    checkLength("Issue", c.get("body").body);
    return hub.forward(c);
  });
  api.get(`${at}/comments`, (c) => listComments(hub, c, null));
  reactionRoutes(api, hub, `${at}/comments/:id{[0-9]+}`, ["issues", "pull_requests"], (c) => commentOf(c, "issue"));
  reactionRoutes(api, hub, "/repos/:owner/:repo/pulls/comments/:id{[0-9]+}", ["pull_requests"], (c) => commentOf(c, "review"));
  reactionRoutes(api, hub, `${at}/:number{[0-9]+}`, ["issues", "pull_requests"], (c) => `issue:${rowOf(c).id}`);
  api.patch(`${at}/comments/:id{[0-9]+}`, (c) => {
    checkLength("IssueComment", c.get("body").body);
    return hub.forward(c);
  });
  api.get(`${at}/:number{[0-9]+}/comments`, (c) => listComments(hub, c, Number(c.req.param("number"))));
  api.post(`${at}/:number{[0-9]+}/comments`, (c) => {
    checkLength("IssueComment", c.get("body").body);
    if (rowOf(c).locked && c.get("actor").kind === "user") throw refusal(403, "Unable to create comment because issue is locked.");
    return hub.forward(c);
  });
  api.get(`${at}/:number{[0-9]+}`, async (c) => {
    reading(c, ["issues", "pull_requests"]);
    const row = rowOf(c);
    return row.is_pull_request ? c.json(await pullAsIssue(hub, c.get("repo"), row)) : hub.forward(c);
  });
  api.patch(`${at}/:number{[0-9]+}`, async (c) => {
    const row = rowOf(c);
    checkLength("Issue", c.get("body").body);
    if (!row.is_pull_request) return hub.forward(c);
    const { labels, assignees: _, milestone: __, ...body } = c.get("body");
    const path = `/repos/${c.get("repo").full_name}`;
    if (Array.isArray(labels)) await hub.forward(c, { method: "PUT", path: `${path}/issues/${row.number}/labels`, body: { labels } });
    if (Object.keys(body).length > 0) {
      const answer = await hub.forward(c, { path: `${path}/pulls/${row.number}`, body });
      if (!answer.ok) return answer;
    }
    return c.json(await pullAsIssue(hub, c.get("repo"), issueRow(hub, c.get("repo"), row.number)));
  });
  api.post(`${at}/:number{[0-9]+}/assignees`, async (c) => {
    const row = rowOf(c);
    if (row.is_pull_request) return assign(hub, c, row, true);
    const answer = await hub.forward(c);
    return answer.ok ? new Response(answer.body, { status: 201, headers: answer.headers }) : answer;
  });
  api.delete(`${at}/:number{[0-9]+}/assignees`, (c) => {
    const row = rowOf(c);
    return row.is_pull_request ? assign(hub, c, row, false) : hub.forward(c);
  });
}
