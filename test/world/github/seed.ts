/** What the local GitHub starts with: who is on it, its repositories, their first issues, and the App. */
import { EVENTS, PERMISSIONS } from "../../../manifest/github.ts";
import type { GitHubTables } from "./emulator.ts";
import type { Label, User } from "./records.ts";

/** Logins, names and ids of everything seeded. They stay the same on every start, so that kept data and tests can name them. */
export const PEOPLE = {
  /** The person in front of the machine: may write. */
  you: "ada",
  /** Someone else who may write. */
  colleague: "grace",
  /** May read what everyone may, and has a fork. */
  outsider: "mallory",
} as const;

/** Repositories by what they are for. All but the fork are in the installation. */
export const REPOSITORIES = { sample: "acme/sample", private: "acme/ledger", fork: "mallory/sample" } as const;

/** Where row numbers begin: far from 1, as GitHub's are, and different for each kind, so that a mix-up shows. */
const IDS = { user: 58_100_001, bot: 58_190_001, org: 9_100_001, repo: 710_400_001, issue: 2_410_000_001, comment: 1_880_000_001 } as const;
const IDS_MORE = { pull: 1_650_000_001, review: 1_330_000_001, check: 24_700_000_001, suite: 23_900_000_001 } as const;

/** The App and its installation. */
export const APP = { id: 904_211, slug: "errand", name: "errand", installation: 48_110_027 } as const;

/** The token of a person. It opens this GitHub only, which listens on loopback only. */
export const tokenOf = (login: string) => `gho_local_${login}`;

/** The private repository's files. */
export const LEDGER_FILES: Record<string, string> = {
  "README.md": "# ledger\n\nWhat acme owes, and to whom. Not for everyone.\n",
  "accounts.csv": "account,balance\npaper,120\nink,45\n",
};

const ISSUES = [
  {
    by: "grace",
    title: "Add a --characters option",
    body: "There is `--lines` and `--words`, but no way to get only the number of characters.\n\nIt should print just the number, as the other two do, and be in `--help` and the README.",
    labels: ["enhancement"],
  },
  {
    by: "ada",
    title: "A file that does not exist is reported in Node's words",
    body: "```\n$ node src/cli.js nothing.txt\ntally: ENOENT: no such file or directory, open 'nothing.txt'\n```\n\nI would like: `tally: there is no file nothing.txt`.",
    labels: ["bug"],
  },
  {
    by: "mallory",
    title: "Only the first file is counted",
    body: "`tally a.txt b.txt` counts `a.txt` and says nothing about `b.txt`. It should count both and add a line with the sum.",
    labels: [],
  },
] as const;

const LABELS: Omit<Label, "node_id" | "repo_id">[] = [
  { name: "bug", description: "Something isn't working", color: "d73a4a", default: true },
  { name: "enhancement", description: "New feature or request", color: "a2eeef", default: true },
  { name: "errand", description: "Hands the issue to errand", color: "5319e7", default: false },
];

const nodeId = (kind: string, id: number) => Buffer.from(`0:${kind}${id}`).toString("base64").replace(/=+$/, "");

/** Makes a user's row. `id` decides its number. */
export function addUser(tables: GitHubTables, id: number, login: string, name: string, type: "User" | "Bot"): number {
  const email = type === "Bot" ? null : `${login}@acme.example`;
  const blank = { gravatar_id: "", company: null, blog: "", location: null, hireable: null, bio: null, twitter_username: null };
  const counts = { public_repos: 0, public_gists: 0, followers: 0, following: 0 };
  const row: Omit<User, "id"> = {
    login,
    name,
    email,
    type,
    node_id: nodeId(type, id),
    avatar_url: "",
    site_admin: false,
    ...blank,
    ...counts,
  };
  return tables.users.insert({ ...row, id }).id;
}

function addRepository(tables: GitHubTables, id: number, full: string, owner: { id: number; type: "User" | "Organization" }, more: object) {
  const flags = {
    has_issues: true,
    has_projects: false,
    has_wiki: false,
    has_pages: false,
    has_downloads: true,
    has_discussions: false,
    archived: false,
    disabled: false,
    allow_rebase_merge: false,
    allow_squash_merge: true,
    allow_merge_commit: true,
    allow_auto_merge: false,
    delete_branch_on_merge: false,
    allow_forking: true,
    is_template: false,
  };
  const counts = { forks_count: 0, stargazers_count: 0, watchers_count: 0, size: 1, open_issues_count: 0 };
  return tables.repos.insert({
    id,
    node_id: nodeId("Repository", id),
    name: full.split("/")[1] ?? full,
    full_name: full,
    owner_id: owner.id,
    owner_type: owner.type,
    private: false,
    visibility: "public",
    description: null,
    fork: false,
    forked_from_id: null,
    default_branch: "main",
    homepage: null,
    language: null,
    languages: {},
    topics: [],
    license: null,
    pushed_at: null,
    ...flags,
    ...counts,
    ...more,
  }).id;
}

/** Fills a fresh store. The App's key and where its webhooks go are put in place on every start, see `seedApp`. */
export function seedWorld(tables: GitHubTables): void {
  for (const user of tables.users.all()) if (user.login !== "ghost") tables.users.delete(user.id);
  const people = [
    [PEOPLE.you, "Ada"],
    [PEOPLE.colleague, "Grace"],
    [PEOPLE.outsider, "Mallory"],
  ] as const;
  const ids = new Map(people.map(([login, name], index) => [login, addUser(tables, IDS.user + index, login, name, "User")]));
  const idOf = (login: (typeof people)[number][0]) => ids.get(login) ?? 0;
  addUser(tables, IDS.bot, `${APP.slug}[bot]`, APP.name, "Bot");
  addUser(tables, IDS.bot + 1, "ci[bot]", "ci", "Bot");
  addUser(tables, IDS.bot + 2, "github-actions[bot]", "github-actions", "Bot");
  const more = {
    description: null,
    name: "acme",
    company: null,
    blog: "",
    location: null,
    email: null,
    default_repository_permission: "none",
  };
  const org = tables.orgs.insert(Object.assign({ id: IDS.org, login: "acme", node_id: nodeId("Organization", IDS.org) }, more));
  const acme = { id: org.id, type: "Organization" as const };
  const sample = addRepository(tables, IDS.repo, REPOSITORIES.sample, acme, {
    description: "Counts the lines, words and characters of a text",
    language: "JavaScript",
    forks_count: 1,
    open_issues_count: ISSUES.length,
  });
  const ledger = addRepository(tables, IDS.repo + 1, REPOSITORIES.private, acme, { private: true, visibility: "private" });
  addRepository(tables, IDS.repo + 2, REPOSITORIES.fork, { id: idOf("mallory"), type: "User" }, { fork: true, forked_from_id: sample });
  tables.collaborators.insert({ repo_id: sample, user_id: idOf("ada"), permission: "push" });
  tables.collaborators.insert({ repo_id: sample, user_id: idOf("grace"), permission: "push" });
  tables.collaborators.insert({ repo_id: ledger, user_id: idOf("ada"), permission: "push" });
  tables.collaborators.insert({ repo_id: ledger, user_id: idOf("grace"), permission: "pull" });
  for (const label of LABELS) {
    const row = tables.labels.insert({ ...label, repo_id: sample, node_id: "" });
    tables.labels.update(row.id, { node_id: nodeId("Label", row.id) });
  }
  for (const [index, issue] of ISSUES.entries()) {
    const id = IDS.issue + index;
    const labels = issue.labels.flatMap((name) => tables.labels.findOneBy("name", name)?.id ?? []);
    tables.issues.insert({
      id,
      node_id: nodeId("Issue", id),
      number: index + 1,
      repo_id: sample,
      title: issue.title,
      body: issue.body,
      state: "open",
      state_reason: null,
      locked: false,
      active_lock_reason: null,
      user_id: idOf(issue.by),
      assignee_ids: [],
      label_ids: labels,
      milestone_id: null,
      comments: 0,
      closed_at: null,
      closed_by_id: null,
      is_pull_request: false,
    });
  }
  raiseNumbers(tables);
}

/** Rows made from now on get numbers like GitHub's: a row put in and taken out leaves the table counting on from there. */
function raiseNumbers(tables: GitHubTables) {
  const raise = <Row extends object>(table: { insert(row: Row): { id: number }; delete(id: number): boolean }, row: Row) =>
    table.delete(table.insert(row).id);
  const none = { node_id: "", repo_id: 0 };
  raise(tables.comments, {
    ...none,
    id: IDS.comment,
    issue_number: null,
    pull_number: null,
    commit_sha: null,
    body: "",
    user_id: 0,
    in_reply_to_id: null,
    path: null,
    position: null,
    line: null,
    side: null,
    subject_type: null,
    comment_type: "issue" as const,
    review_id: null,
  });
  const review = { ...none, pull_number: 0, user_id: 0, body: null, state: "PENDING" as const, commit_id: "", submitted_at: null };
  raise(tables.reviews, { ...review, id: IDS_MORE.review });
  const state = { status: "queued" as const, conclusion: null };
  const suite = { ...none, ...state, head_branch: null, head_sha: "", before: "", after: "", app_id: 0 };
  raise(tables.checkSuites, { ...suite, id: IDS_MORE.suite });
  const output = { title: null, summary: null, text: null, annotations: [] };
  const run = { ...none, ...state, head_sha: "", name: "", started_at: null, completed_at: null, external_id: "", details_url: null };
  raise(tables.checkRuns, { ...run, id: IDS_MORE.check, actions: null, output, check_suite_id: 0, app_id: 0 });
  const pull = { ...none, number: 0, title: "", body: null, state: "open" as const, user_id: 0, assignee_ids: [], label_ids: [] };
  const ends = { head_ref: "", head_sha: "", head_repo_id: 0, base_ref: "", base_sha: "", base_repo_id: 0 };
  const merge = { merged: false, merged_at: null, merged_by_id: null, merge_commit_sha: null, mergeable: null, mergeable_state: "unknown" };
  const sizes = { review_comments: 0, commits: 0, additions: 0, deletions: 0, changed_files: 0 };
  const rest = { draft: false, closed_at: null, requested_reviewer_ids: [] };
  raise(tables.pullRequests, { ...pull, ...ends, ...merge, ...sizes, ...rest, id: IDS_MORE.pull });
}

/** The first App's own settings. */
export interface AppSettings {
  appId: number;
  slug: string;
  /** PEM, PKCS#1. */
  privateKey: string;
  webhookUrl: string | null;
  webhookSecret: string;
  /** With what it proves who it is where people sign in, and where they may be sent back to. */
  clientSecret: string;
  callbackUrls: string[];
}

/** The client id of the first App. */
export const clientIdOf = (appId: number) => `Iv1.local${appId}`;

/** Puts the App in place, or brings it up to date, on every start. Its installation on `acme` stays as it was left, but for rights it lacks. */
export function seedApp(tables: GitHubTables, settings: AppSettings): void {
  const permissions = Object.fromEntries(Object.entries(PERMISSIONS).map(([name, { access }]) => [name, access]));
  const row = {
    app_id: settings.appId,
    slug: settings.slug,
    name: APP.name,
    private_key: settings.privateKey,
    permissions,
    events: [...EVENTS],
    webhook_url: settings.webhookUrl,
    webhook_secret: settings.webhookSecret,
    description: null,
    client_id: clientIdOf(settings.appId),
    client_secret: settings.clientSecret,
    callback_urls: settings.callbackUrls,
  };
  const before = tables.apps.findOneBy("slug", settings.slug);
  if (before) tables.apps.update(before.id, row);
  else tables.apps.insert(row);
  const bot = tables.users.findOneBy("login", `${settings.slug}[bot]`);
  if (!bot) addUser(tables, IDS.bot + 10, `${settings.slug}[bot]`, settings.slug, "Bot");
  const acme = tables.orgs.findOneBy("login", "acme");
  const installed = tables.appInstallations.findBy("app_id", settings.appId);
  // What the App newly asks for is granted at once: nobody sits at the organisation's settings here.
  for (const one of installed) tables.appInstallations.update(one.id, { permissions: { ...one.permissions, ...permissions } });
  if (!acme || installed.length > 0) return;
  tables.appInstallations.insert({
    installation_id: APP.installation,
    app_id: settings.appId,
    account_type: "Organization",
    account_id: acme.id,
    account_login: acme.login,
    repository_selection: "selected",
    repository_ids: [REPOSITORIES.sample, REPOSITORIES.private].flatMap((name) => tables.repos.findOneBy("full_name", name)?.id ?? []),
    permissions,
    events: [...EVENTS],
    suspended_at: null,
  });
}
