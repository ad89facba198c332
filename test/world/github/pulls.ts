/** Pull requests, with what the real repository says of them: making, looking, merging, and what a push does to them. */
import { commitTree, git, log, mergedTree, resolve } from "../bare.ts";
import type { Push } from "../git-host.ts";
import { checkLength, invalid, mayPush, refusal } from "./access.ts";
import { type Api, acting, type C, folderOf, type Hub, measure, paged, personOf, pullOf, type Row, reading, sizeOf } from "./hub.ts";
import type { Pull, Repo, User } from "./records.ts";
import { commitView, fileView, signatureOf } from "./views.ts";

const NOTHING = "0".repeat(40);

/** Writes the repository's branches into the emulator's table. */
export async function syncBranches(hub: Hub, repo: Row<Repo>): Promise<void> {
  const { branches } = hub.tables;
  const listed = await git(folderOf(hub, repo), ["for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads/"]);
  const real = new Map(
    listed
      .split("\n")
      .filter(Boolean)
      .map((line) => [line.slice(41), line.slice(0, 40)]),
  );
  for (const row of branches.findBy("repo_id", repo.id)) {
    const sha = real.get(row.name);
    if (sha === undefined) branches.delete(row.id);
    else if (sha !== row.sha) branches.update(row.id, { sha });
    real.delete(row.name);
  }
  for (const [name, sha] of real) branches.insert({ repo_id: repo.id, name, sha, protected: name === repo.default_branch });
}

/** A pull request of these ends that is open; undefined where there is none. */
const openOf = (hub: Hub, head: Row<Repo>, ref: string) =>
  hub.tables.pullRequests.all().filter((one) => one.state === "open" && one.head_repo_id === head.id && one.head_ref === ref);

/** Tells of something that happened to a pull request. */
export async function tellPull(hub: Hub, pull: Row<Pull>, action: string, by: Row<User> | undefined, more: object = {}): Promise<void> {
  const repo = hub.tables.repos.get(pull.repo_id);
  if (!repo) return;
  const view = await hub.view(repo, `/pulls/${pull.number}`);
  await hub.tell("pull_request", repo, { action, number: pull.number, pull_request: view, sender: personOf(hub, by), ...more });
}

/** What follows from a push: pull requests of the branches get new heads, or are closed where theirs is gone. */
export async function pushed(hub: Hub, repo: Row<Repo>, pushes: Push[], login: string | null): Promise<void> {
  await syncBranches(hub, repo);
  const by = login === null ? undefined : hub.tables.users.findOneBy("login", login);
  for (const { ref, before, after } of pushes) {
    const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1];
    if (branch === undefined) continue;
    for (const pull of openOf(hub, repo, branch)) {
      if (after === NOTHING) {
        const closed = close(hub, pull, by);
        await tellPull(hub, closed, "closed", by);
      } else {
        const fresh = await measure(hub, pull);
        if (fresh.head_sha !== pull.head_sha) await tellPull(hub, fresh, "synchronize", by, { before, after });
      }
    }
    for (const pull of hub.tables.pullRequests.all()) {
      if (pull.state === "open" && pull.base_repo_id === repo.id && pull.base_ref === branch) await measure(hub, pull);
    }
  }
  hub.changed();
}

function close(hub: Hub, pull: Row<Pull>, by: Row<User> | undefined, merged: Partial<Pull> = {}): Row<Pull> {
  const at = new Date(hub.now()).toISOString();
  const issue = hub.tables.issues.findBy("repo_id", pull.repo_id).find((one) => one.number === pull.number);
  if (issue) hub.tables.issues.update(issue.id, { state: "closed", closed_at: at, closed_by_id: by?.id ?? null });
  return hub.tables.pullRequests.update(pull.id, { state: "closed", closed_at: at, ...merged }) ?? pull;
}

/** The numbers of issues that a text closes when it is merged, as `Fixes #3`. Pure. */
export function closing(text: string): number[] {
  const found = text.matchAll(/\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)\b/gi);
  return [...new Set([...found].map((one) => Number(one[1])))];
}

async function create(hub: Hub, c: C): Promise<Response> {
  const repo = c.get("repo");
  acting(c, ["pull_requests"]);
  const body = c.get("body");
  checkLength("PullRequest", body.body);
  const given = typeof body.head === "string" ? body.head : "";
  const [owner = "", ref = ""] = given.includes(":") ? given.split(":") : [repo.full_name.split("/")[0], given];
  const named = (one: Row<Repo>) => one.full_name.split("/")[0]?.toLowerCase() === owner.toLowerCase();
  const head = hub.tables.repos.all().find((one) => named(one) && (one.id === repo.id || one.forked_from_id === repo.id));
  const headSha = head && ref ? await resolve(folderOf(hub, head), `refs/heads/${ref}`) : null;
  if (!head || !headSha) throw invalid("PullRequest", "head", "invalid");
  const base = typeof body.base === "string" ? body.base : "";
  const tip = base ? await resolve(folderOf(hub, repo), `refs/heads/${base}`) : null;
  if (!tip) throw invalid("PullRequest", "base", "invalid");
  if (openOf(hub, head, ref).some((one) => one.base_repo_id === repo.id && one.base_ref === base)) {
    throw invalid("PullRequest", "base", "custom", `A pull request already exists for ${owner}:${ref}.`);
  }
  await syncBranches(hub, repo);
  if (head.id !== repo.id) {
    await syncBranches(hub, head);
    await git(folderOf(hub, repo), ["fetch", "--quiet", folderOf(hub, head), `refs/heads/${ref}`]);
  }
  if ((await log(folderOf(hub, repo), `${tip}..${headSha}`, 1)).length === 0) {
    throw invalid("PullRequest", "base", "custom", `No commits between ${base} and ${ref}`);
  }
  const answer = await hub.forward(c, { body: { ...body, head: `${head.full_name.split("/")[0]}:${ref}` }, quiet: true });
  if (answer.status !== 201) return answer;
  const made: unknown = await answer.json();
  const number = typeof made === "object" && made !== null && "number" in made ? made.number : 0;
  const row = hub.tables.pullRequests.findBy("repo_id", repo.id).find((one) => one.number === number);
  if (!row) return c.json({ message: "Server Error" }, 500);
  const pull = await measure(hub, row);
  await tellPull(hub, pull, "opened", hub.tables.users.get(pull.user_id));
  return c.json(await hub.view(repo, `/pulls/${pull.number}`), 201);
}

async function merge(hub: Hub, c: C): Promise<Response> {
  const repo = c.get("repo");
  const by = acting(c, ["contents"]);
  const pull = await measure(hub, pullOf(hub, c));
  const body = c.get("body");
  const method = typeof body.merge_method === "string" ? body.merge_method : "merge";
  const folder = folderOf(hub, repo);
  if (pull.state === "closed") throw refusal(405, "Pull Request is not mergeable");
  if (pull.draft) throw refusal(405, "Pull Request is still a draft");
  if (method !== "merge" && method !== "squash") throw refusal(405, "Rebase merges are not allowed on this repository.");
  if (typeof body.sha === "string" && body.sha !== pull.head_sha)
    throw refusal(409, "Head branch was modified. Review and try the merge again.");
  const tip = await resolve(folder, `refs/heads/${pull.base_ref}`);
  const tree = tip && (await mergedTree(folder, tip, pull.head_sha));
  if (!tip || !tree) throw refusal(405, "Pull Request has merge conflicts");
  const from = `${hub.tables.repos.get(pull.head_repo_id)?.full_name.split("/")[0]}/${pull.head_ref}`;
  const usual =
    method === "squash" ? `${pull.title} (#${pull.number})` : `Merge pull request #${pull.number} from ${from}\n\n${pull.title}`;
  const said = typeof body.commit_title === "string" ? `${body.commit_title}\n\n${String(body.commit_message ?? "")}`.trim() : usual;
  const parents = method === "squash" ? [tip] : [tip, pull.head_sha];
  const sha = await commitTree(folder, { tree, parents, message: said, by: signatureOf(by), seconds: Math.floor(hub.now() / 1000) });
  await git(folder, ["update-ref", `refs/heads/${pull.base_ref}`, sha, tip]);
  await syncBranches(hub, repo);
  const merged_at = new Date(hub.now()).toISOString();
  const done = close(hub, pull, by, { merged: true, merged_at, merged_by_id: by.id, merge_commit_sha: sha, mergeable: null });
  note(hub, done, "merged", by);
  note(hub, done, "closed", by);
  await tellPull(hub, done, "closed", by);
  if (pull.base_ref === repo.default_branch) await closeIssues(hub, repo, done, by);
  return c.json({ sha, merged: true, message: "Pull Request successfully merged" });
}

/** Adds a line to the thread's history. */
function note(hub: Hub, pull: Row<Pull>, event: string, by: Row<User>) {
  const blank = {
    node_id: "",
    commit_id: null,
    commit_url: null,
    label_name: null,
    assignee_id: null,
    milestone_title: null,
    rename: null,
  };
  hub.tables.issueEvents.insert({ ...blank, repo_id: pull.repo_id, issue_number: pull.number, event, actor_id: by.id });
}

async function closeIssues(hub: Hub, repo: Row<Repo>, pull: Row<Pull>, by: Row<User>) {
  for (const number of closing(`${pull.title}\n${pull.body ?? ""}`)) {
    const issue = hub.tables.issues.findBy("repo_id", repo.id).find((one) => one.number === number && one.state === "open");
    if (!issue || issue.is_pull_request) continue;
    hub.tables.issues.update(issue.id, {
      state: "closed",
      state_reason: "completed",
      closed_at: new Date(hub.now()).toISOString(),
      closed_by_id: by.id,
    });
    note(hub, { ...pull, number }, "closed", by);
    await hub.tell("issues", repo, { action: "closed", issue: await hub.view(repo, `/issues/${number}`), sender: personOf(hub, by) });
  }
}

/** Sets whether a pull request is a draft, and tells of it. */
export async function setDraft(hub: Hub, pull: Row<Pull>, draft: boolean, by: Row<User>): Promise<void> {
  if (pull.draft === draft) return;
  const fresh = hub.tables.pullRequests.update(pull.id, { draft });
  note(hub, pull, draft ? "convert_to_draft" : "ready_for_review", by);
  if (fresh) await tellPull(hub, fresh, draft ? "converted_to_draft" : "ready_for_review", by);
}

/** Adds the routes of pull requests. */
export function pullRoutes(api: Api, hub: Hub): void {
  const at = "/repos/:owner/:repo/pulls";
  api.post(at, (c) => create(hub, c));
  api.get(`${at}/:number{[0-9]+}`, async (c) => {
    reading(c, ["pull_requests"]);
    const pull = await measure(hub, pullOf(hub, c));
    const kind = /application\/vnd\.github\.(?:v3\.)?(diff|patch)/.exec(c.req.header("accept") ?? "")?.[1];
    if (!kind) return hub.forward(c);
    return c.text((await sizeOf(folderOf(hub, c.get("repo")), pull.base_sha, pull.head_sha)).patch);
  });
  api.patch(`${at}/:number{[0-9]+}`, async (c) => {
    checkLength("PullRequest", c.get("body").body);
    // A draft is made and ended by GraphQL only.
    const { draft: _, ...body } = c.get("body");
    return hub.forward(c, { body });
  });
  api.put(`${at}/:number{[0-9]+}/merge`, (c) => merge(hub, c));
  api.get(`${at}/:number{[0-9]+}/merge`, (c) => c.body(null, pullOf(hub, c).merged ? 204 : 404));
  api.get(`${at}/:number{[0-9]+}/commits`, async (c) => {
    reading(c, ["pull_requests"]);
    const pull = pullOf(hub, c);
    const commits = await log(folderOf(hub, c.get("repo")), `${pull.base_sha}..${pull.head_sha}`);
    return c.json(
      paged(
        c,
        commits.reverse().map((one) => commitView(hub, c.get("repo"), one)),
      ),
    );
  });
  api.get(`${at}/:number{[0-9]+}/files`, async (c) => {
    reading(c, ["pull_requests"]);
    const pull = pullOf(hub, c);
    const { files } = await sizeOf(folderOf(hub, c.get("repo")), pull.base_sha, pull.head_sha);
    return c.json(
      paged(
        c,
        files.map((one) => fileView(hub, c.get("repo"), one, pull.head_sha)),
      ),
    );
  });
  api.get("/repos/:owner/:repo/commits/:sha/pulls", async (c) => {
    reading(c, ["pull_requests"]);
    const repo = c.get("repo");
    const sha = await resolve(folderOf(hub, repo), c.req.param("sha"));
    const found = [];
    for (const pull of hub.tables.pullRequests.findBy("repo_id", repo.id)) {
      const own = await log(folderOf(hub, repo), `${pull.base_sha}..${pull.head_sha}`);
      if (sha && (pull.merge_commit_sha === sha || own.some((one) => one.sha === sha))) found.push(pull);
    }
    return c.json(await Promise.all(paged(c, found).map((one) => hub.view(repo, `/pulls/${one.number}`))));
  });
  api.put(`${at}/:number{[0-9]+}/update-branch`, (c) => {
    const may = mayPush(hub.tables, c.get("actor"), c.get("repo"));
    return c.json({ message: may ? "The local GitHub does not merge into pull requests: use git." : "Not Found" }, may ? 422 : 404);
  });
}
