/** How the REST API shows commits and changed files. */
import type { CommitRow, Signature } from "../bare.ts";
import { type Hub, personOf, type Row } from "./hub.ts";
import type { FileChange } from "./patch.ts";
import type { Installation, Json, Repo, User } from "./records.ts";

/** How commits name a user: by GitHub's address for those who keep theirs private. */
export const signatureOf = (user: Row<User>): Signature => ({
  name: user.name ?? user.login,
  email: `${user.id}+${user.login}@users.noreply.github.com`,
});

function userBy(hub: Hub, email: string): Json | null {
  const login = /^(?:\d+\+)?(.+)@users\.noreply\.github\.com$/.exec(email)?.[1];
  const user = login === undefined ? hub.tables.users.all().find((one) => one.email === email) : hub.tables.users.findOneBy("login", login);
  return personOf(hub, user);
}

/** A commit as lists show it. */
export function commitView(hub: Hub, repo: Row<Repo>, commit: CommitRow): Json {
  const at = `${hub.known.apiUrl}/repos/${repo.full_name}`;
  const page = `${hub.known.webUrl}/${repo.full_name}/commit`;
  const utc = (date: string) => new Date(date).toISOString().replace(/\.\d+Z$/, "Z");
  return {
    sha: commit.sha,
    url: `${at}/commits/${commit.sha}`,
    html_url: `${page}/${commit.sha}`,
    commit: {
      author: { ...commit.author, date: utc(commit.author.date) },
      committer: { ...commit.committer, date: utc(commit.committer.date) },
      message: commit.message,
      tree: { sha: commit.tree, url: `${at}/git/trees/${commit.tree}` },
      comment_count: 0,
      verification: { verified: false, reason: "unsigned", signature: null, payload: null, verified_at: null },
    },
    author: userBy(hub, commit.author.email),
    committer: userBy(hub, commit.committer.email),
    parents: commit.parents.map((sha) => ({ sha, url: `${at}/commits/${sha}`, html_url: `${page}/${sha}` })),
  };
}

/** A changed file as comparisons and pull requests show it. */
export function fileView(hub: Hub, repo: Row<Repo>, change: FileChange, head: string): Json {
  const path = change.filename.split("/").map(encodeURIComponent).join("/");
  return {
    filename: change.filename,
    status: change.status,
    additions: change.additions,
    deletions: change.deletions,
    changes: change.additions + change.deletions,
    ...(change.previous ? { previous_filename: change.previous } : {}),
    ...(change.patch === null ? {} : { patch: change.patch }),
    blob_url: `${hub.known.webUrl}/${repo.full_name}/blob/${head}/${path}`,
    raw_url: `${hub.known.webUrl}/${repo.full_name}/raw/${head}/${path}`,
    contents_url: `${hub.known.apiUrl}/repos/${repo.full_name}/contents/${path}?ref=${head}`,
  };
}

/** An installation of an App. */
export function installationView(hub: Hub, row: Row<Installation>): Json {
  const at = `${hub.known.apiUrl}/app/installations/${row.installation_id}`;
  const org = hub.tables.orgs.get(row.account_id);
  const { app_id, account_type, permissions, events, repository_selection, suspended_at, created_at, updated_at } = row;
  return {
    ...{ app_id, permissions, events, repository_selection, suspended_at, created_at, updated_at },
    id: row.installation_id,
    account: { login: row.account_login, id: row.account_id, node_id: org?.node_id ?? "", type: account_type },
    app_slug: hub.tables.apps.findOneBy("app_id", app_id)?.slug,
    access_tokens_url: `${at}/access_tokens`,
    repositories_url: `${hub.known.apiUrl}/installation/repositories`,
    html_url: `${hub.known.webUrl}/organizations/${row.account_login}/settings/installations/${row.installation_id}`,
    target_id: row.account_id,
    target_type: account_type,
  };
}
