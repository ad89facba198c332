/** What the REST API says of a repository's git: branches, commits, files, comparisons. Read from the real repository. */
import { entries, file, git, log, mergeBase, resolve } from "../bare.ts";
import { mayPush, refusal } from "./access.ts";
import { type Api, type C, folderOf, type Hub, paged, type Row, reading, sizeOf } from "./hub.ts";
import { pushed } from "./pulls.ts";
import type { Repo } from "./records.ts";
import { commitView, fileView } from "./views.ts";

async function contents(hub: Hub, c: C, path: string): Promise<Response> {
  reading(c, ["contents"]);
  const repo = c.get("repo");
  const folder = folderOf(hub, repo);
  const commit = await resolve(folder, c.req.query("ref") || repo.default_branch);
  if (!commit) throw refusal(404, `No commit found for the ref ${c.req.query("ref") ?? ""}`);
  const shown = (one: { path: string; sha: string }, type: string, size: number) => ({
    type,
    size,
    name: one.path.split("/").at(-1),
    path: one.path,
    sha: one.sha,
    url: `${hub.known.apiUrl}/repos/${repo.full_name}/contents/${one.path}?ref=${commit}`,
    html_url: `${hub.known.webUrl}/${repo.full_name}/${type === "dir" ? "tree" : "blob"}/${commit}/${one.path}`,
    download_url: null,
  });
  const found = path ? await file(folder, commit, path) : null;
  if (found) {
    if (/application\/vnd\.github\.(v3\.)?raw/.test(c.req.header("accept") ?? ""))
      return c.body(new Uint8Array(Buffer.from(found.base64, "base64")));
    return c.json({
      ...shown({ path, sha: found.sha }, "file", found.size),
      encoding: "base64",
      content: found.base64.replace(/.{60}/g, "$&\n"),
    });
  }
  const list = await entries(folder, commit, path);
  if (list.length === 0) throw refusal(404, "Not Found");
  return c.json(list.map((one) => shown(one, { tree: "dir", commit: "submodule", blob: "file" }[one.type], one.size ?? 0)));
}

async function compare(hub: Hub, c: C): Promise<Response> {
  reading(c, ["contents"]);
  const repo = c.get("repo");
  const folder = folderOf(hub, repo);
  const [from = "", to = ""] = (c.req.param("range") ?? "").split("...").map((one) => one.replace(/^[^:]+:/, ""));
  const [base, head] = await Promise.all([resolve(folder, from), resolve(folder, to)]);
  const common = base && head && (await mergeBase(folder, base, head));
  if (!base || !head || !common) throw refusal(404, "Not Found");
  const [ahead, behind, { files }] = await Promise.all([
    log(folder, `${base}..${head}`),
    log(folder, `${head}..${base}`),
    sizeOf(folder, base, head),
  ]);
  const status = ahead.length === 0 ? (behind.length === 0 ? "identical" : "behind") : behind.length === 0 ? "ahead" : "diverged";
  const [baseCommit, commonCommit] = await Promise.all([log(folder, base, 1), log(folder, common, 1)]);
  return c.json({
    url: c.req.url,
    html_url: `${hub.known.webUrl}/${repo.full_name}/compare/${from}...${to}`,
    base_commit: baseCommit.map((one) => commitView(hub, repo, one))[0],
    merge_base_commit: commonCommit.map((one) => commitView(hub, repo, one))[0],
    status,
    ahead_by: ahead.length,
    behind_by: behind.length,
    total_commits: ahead.length,
    commits: ahead.reverse().map((one) => commitView(hub, repo, one)),
    files: files.map((one) => fileView(hub, repo, one, head)),
  });
}

async function refs(hub: Hub, repo: Row<Repo>, prefix: string): Promise<{ ref: string; sha: string }[]> {
  const text = await git(folderOf(hub, repo), ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/", "refs/tags/"]);
  const all = text
    .split("\n")
    .filter(Boolean)
    .map((line) => ({ sha: line.slice(0, 40), ref: line.slice(41) }));
  return all.filter((one) => one.ref.startsWith(prefix));
}

/** Adds the routes that read a repository's git, and the one that removes a branch. */
export function repositoryRoutes(api: Api, hub: Hub): void {
  const at = "/repos/:owner/:repo";
  const branchView = (repo: Row<Repo>, name: string, sha: string) => ({
    name,
    commit: { sha, url: `${hub.known.apiUrl}/repos/${repo.full_name}/commits/${sha}` },
    protected: name === repo.default_branch,
  });
  const refView = (repo: Row<Repo>, one: { ref: string; sha: string }) => {
    const url = `${hub.known.apiUrl}/repos/${repo.full_name}/git`;
    return { ref: one.ref, url: `${url}/${one.ref}`, object: { sha: one.sha, type: "commit", url: `${url}/commits/${one.sha}` } };
  };

  api.get(`${at}/contents`, (c) => contents(hub, c, ""));
  api.get(`${at}/contents/:path{.+}`, (c) => contents(hub, c, (c.req.param("path") ?? "").replace(/\/+$/, "")));
  api.get(`${at}/readme`, (c) => contents(hub, c, "README.md"));
  api.get(`${at}/branches`, async (c) => {
    reading(c, ["contents"]);
    const repo = c.get("repo");
    const found = await refs(hub, repo, "refs/heads/");
    return c.json(paged(c, found).map((one) => branchView(repo, one.ref.slice(11), one.sha)));
  });
  api.get(`${at}/branches/:branch{.+}`, async (c) => {
    reading(c, ["contents"]);
    const repo = c.get("repo");
    const sha = await resolve(folderOf(hub, repo), `refs/heads/${c.req.param("branch")}`);
    if (!sha) throw refusal(404, "Branch not found");
    return c.json(branchView(repo, c.req.param("branch") ?? "", sha));
  });
  api.get(`${at}/git/ref/:ref{.+}`, async (c) => {
    reading(c, ["contents"]);
    const found = (await refs(hub, c.get("repo"), `refs/${c.req.param("ref")}`)).find((one) => one.ref === `refs/${c.req.param("ref")}`);
    if (!found) throw refusal(404, "Not Found");
    return c.json(refView(c.get("repo"), found));
  });
  api.get(`${at}/git/matching-refs/:ref{.+}`, async (c) => {
    reading(c, ["contents"]);
    const found = await refs(hub, c.get("repo"), `refs/${c.req.param("ref")}`);
    return c.json(found.map((one) => refView(c.get("repo"), one)));
  });
  api.get(`${at}/git/trees/:sha`, async (c) => {
    reading(c, ["contents"]);
    const commit = await resolve(folderOf(hub, c.get("repo")), c.req.param("sha"));
    if (!commit) throw refusal(404, "Not Found");
    const list = await entries(folderOf(hub, c.get("repo")), commit, "", c.req.query("recursive") !== undefined);
    return c.json({ sha: c.req.param("sha"), truncated: false, tree: list });
  });
  api.delete(`${at}/git/refs/:ref{.+}`, async (c) => {
    const repo = c.get("repo");
    const actor = c.get("actor");
    if (!mayPush(hub.tables, actor, repo)) throw refusal(403, "Resource not accessible by integration");
    const ref = `refs/${c.req.param("ref")}`;
    const before = await resolve(folderOf(hub, repo), ref);
    if (!before) throw refusal(422, "Reference does not exist");
    if (ref === `refs/heads/${repo.default_branch}`) throw refusal(422, `Protected branch update failed for ${ref}.`);
    await git(folderOf(hub, repo), ["update-ref", "-d", ref, before]);
    const login = actor.kind === "user" || actor.kind === "installation" ? actor.user.login : null;
    await pushed(hub, repo, [{ ref, before, after: "0".repeat(40) }], login);
    return c.body(null, 204);
  });
  // What the emulator would write into a store of its own, and git would never see.
  for (const method of ["POST", "PATCH", "PUT", "DELETE"]) {
    for (const path of [`${at}/git/:rest{.+}`, `${at}/contents/:rest{.+}`, `${at}/merges`]) {
      api.on(method, path, (c) => c.json({ message: "The local GitHub has no writing of git by its API: use git itself." }, 404));
    }
  }
  api.get(`${at}/compare/:range{.+}`, (c) => compare(hub, c));
  api.get(`${at}/commits`, async (c) => {
    reading(c, ["contents"]);
    const repo = c.get("repo");
    const sha = await resolve(folderOf(hub, repo), c.req.query("sha") || repo.default_branch);
    if (!sha) throw refusal(404, "Not Found");
    return c.json(paged(c, await log(folderOf(hub, repo), sha, 1_000)).map((one) => commitView(hub, repo, one)));
  });
}

/** Adds the route of one commit; to be added after all others below `/commits/`. */
export function commitRoute(api: Api, hub: Hub): void {
  api.get("/repos/:owner/:repo/commits/:ref{.+}", async (c) => {
    reading(c, ["contents"]);
    const repo = c.get("repo");
    const folder = folderOf(hub, repo);
    const sha = await resolve(folder, c.req.param("ref") ?? "");
    const commit = sha ? (await log(folder, sha, 1))[0] : undefined;
    if (!sha || !commit) throw refusal(422, `No commit found for SHA: ${c.req.param("ref")}`);
    const { files } = await sizeOf(folder, commit.parents[0] ?? sha, sha);
    const sum = (key: "additions" | "deletions") => files.reduce((all, one) => all + one[key], 0);
    const stats = { additions: sum("additions"), deletions: sum("deletions"), total: sum("additions") + sum("deletions") };
    return c.json({ ...commitView(hub, repo, commit), stats, files: files.map((one) => fileView(hub, repo, one, sha)) });
  });
}
