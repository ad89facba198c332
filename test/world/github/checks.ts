/** Check runs and suites, one suite for each App and commit. */
import { git } from "../bare.ts";
import { invalid } from "./access.ts";
import { appView, folderOf, type Hub, nodeId, type Row, stamp } from "./hub.ts";
import type { CheckRun, CheckSuite, Json, Repo } from "./records.ts";

/** Apps of the scripted CI; what they are allowed and told is nobody's business here. */
const CI = { "github-actions": 15_368, ci: 771_003 } as const;
/** An App of the scripted CI. */
export type CiSlug = keyof typeof CI;
/** The App id of one of them. */
export const ciApp = (slug: CiSlug): number => CI[slug];

/** The longest summary or text of a check run, in characters. */
const MAX_OUTPUT = 65_535;
/** From the best to the worst; a suite has the worst conclusion of its runs. */
const RANKS = ["success", "neutral", "skipped", "stale", "cancelled", "timed_out", "action_required", "failure"];

/** What a suite's runs make of it. Pure. */
export function suiteState(runs: Pick<CheckRun, "status" | "conclusion">[]): Pick<CheckSuite, "status" | "conclusion"> {
  if (runs.length === 0 || runs.every((run) => run.status === "queued")) return { status: "queued", conclusion: null };
  if (runs.some((run) => run.status !== "completed")) return { status: "in_progress", conclusion: null };
  const worst = Math.max(...runs.map((run) => RANKS.indexOf(run.conclusion ?? "neutral")));
  return { status: "completed", conclusion: RANKS[worst] ?? "neutral" };
}

function appById(hub: Hub, id: number): Parameters<typeof appView>[1] {
  const slug = id === CI.ci ? "ci" : id === CI["github-actions"] ? "github-actions" : null;
  return slug ? { app_id: id, slug, name: slug, permissions: {}, events: [] } : hub.tables.apps.findOneBy("app_id", id);
}

/** Pull requests of the same repository whose head a commit is; GitHub leaves those of forks out. */
function pullsOf(hub: Hub, repo: Row<Repo>, sha: string): Json[] {
  const end = (ref: string, at: string) => ({
    ref,
    sha: at,
    repo: { id: repo.id, name: repo.name, url: `${hub.known.apiUrl}/repos/${repo.full_name}` },
  });
  return hub.tables.pullRequests
    .findBy("repo_id", repo.id)
    .filter((one) => one.state === "open" && one.head_sha === sha && one.head_repo_id === repo.id)
    .map((one) => ({
      id: one.id,
      number: one.number,
      url: `${hub.known.apiUrl}/repos/${repo.full_name}/pulls/${one.number}`,
      head: end(one.head_ref, one.head_sha),
      base: end(one.base_ref, one.base_sha),
    }));
}

/** A suite as GitHub shows it. */
export function suiteView(hub: Hub, repo: Row<Repo>, suite: Row<CheckSuite>): Json {
  const runs = hub.tables.checkRuns.findBy("repo_id", repo.id).filter((one) => one.check_suite_id === suite.id);
  const { id, node_id, head_branch, head_sha, status, conclusion, before, after } = suite;
  return {
    ...{ id, node_id, head_branch, head_sha, status, conclusion, before, after },
    url: `${hub.known.apiUrl}/repos/${repo.full_name}/check-suites/${id}`,
    check_runs_url: `${hub.known.apiUrl}/repos/${repo.full_name}/check-suites/${id}/check-runs`,
    latest_check_runs_count: runs.length,
    pull_requests: pullsOf(hub, repo, head_sha),
    app: appView(hub, appById(hub, suite.app_id)),
    created_at: suite.created_at,
    updated_at: suite.updated_at,
  };
}

/** A run as GitHub shows it. */
export function runView(hub: Hub, repo: Row<Repo>, run: Row<CheckRun>): Json {
  const page = `${hub.known.webUrl}/${repo.full_name}`;
  const { id, node_id, head_sha, name, status, conclusion, started_at, completed_at, external_id } = run;
  const { annotations, ...output } = run.output;
  const url = `${hub.known.apiUrl}/repos/${repo.full_name}/check-runs/${id}`;
  const html_url = run.run_id ? `${page}/actions/runs/${run.run_id}/job/${id}` : `${page}/runs/${id}`;
  const suite = hub.tables.checkSuites.get(run.check_suite_id);
  return {
    ...{ id, node_id, head_sha, name, status, conclusion, started_at, completed_at, external_id, url, html_url },
    details_url: run.details_url ?? html_url,
    output: { ...output, annotations_count: annotations.length, annotations_url: `${url}/annotations` },
    check_suite: suite ? { id: suite.id, node_id: suite.node_id, head_branch: suite.head_branch, head_sha } : null,
    app: appView(hub, appById(hub, run.app_id)),
    pull_requests: pullsOf(hub, repo, head_sha),
  };
}

async function suiteOf(hub: Hub, repo: Row<Repo>, sha: string, appId: number): Promise<Row<CheckSuite>> {
  const before = hub.tables.checkSuites.findBy("repo_id", repo.id).find((one) => one.head_sha === sha && one.app_id === appId);
  if (before) return before;
  const branches = await git(folderOf(hub, repo), ["for-each-ref", "--format=%(refname:lstrip=2)", `--points-at=${sha}`, "refs/heads/"]);
  const pull = hub.tables.pullRequests.findBy("repo_id", repo.id).find((one) => one.head_sha === sha && one.head_repo_id === repo.id);
  const head_branch = pull?.head_ref ?? (branches.split("\n")[0] || null);
  const blank = { node_id: "", repo_id: repo.id, before: "0".repeat(40), after: sha };
  const row = hub.tables.checkSuites.insert({ ...blank, head_branch, head_sha: sha, status: "queued", conclusion: null, app_id: appId });
  return hub.tables.checkSuites.update(row.id, { node_id: nodeId("CheckSuite", row.id) }) ?? row;
}

/** Brings a suite up to date with its runs, and tells when that completes it. */
async function settle(hub: Hub, repo: Row<Repo>, suiteId: number, sender: Json | null): Promise<void> {
  const before = hub.tables.checkSuites.get(suiteId);
  if (!before) return;
  const runs = hub.tables.checkRuns.findBy("repo_id", repo.id).filter((one) => one.check_suite_id === suiteId);
  const after = hub.tables.checkSuites.update(suiteId, suiteState(runs)) ?? before;
  if (after.status !== "completed" || (before.status === "completed" && before.conclusion === after.conclusion)) return;
  await hub.tell("check_suite", repo, { action: "completed", check_suite: suiteView(hub, repo, after), sender });
}

const tellRun = (
  hub: Hub,
  repo: Row<Repo>,
  run: Row<CheckRun>,
  action: string,
  sender: Json | null,
  more: { only?: number; add?: Json } = {},
) => hub.tell("check_run", repo, { action, check_run: runView(hub, repo, run), sender, ...more.add }, more.only);

/** What a call says of a run, checked as GitHub does. */
export function readRun(body: Json): Partial<CheckRun> {
  const change: Partial<CheckRun> = {};
  const text = (key: string) => (typeof body[key] === "string" ? String(body[key]) : undefined);
  const status = text("status");
  if (status === "queued" || status === "in_progress" || status === "completed") change.status = status;
  const conclusion = text("conclusion");
  if (conclusion !== undefined) {
    if (!RANKS.includes(conclusion)) throw invalid("CheckRun", "conclusion", "invalid");
    Object.assign(change, { conclusion, status: "completed" });
  }
  if (change.status === "completed" && conclusion === undefined) throw invalid("CheckRun", "conclusion", "missing_field");
  for (const key of ["name", "details_url", "external_id", "started_at", "completed_at"] as const) {
    const value = text(key);
    if (value !== undefined) change[key] = value;
  }
  if (Array.isArray(body.actions)) {
    if (body.actions.length > 3) throw invalid("CheckRun", "actions", "custom", "Only three actions are allowed");
    change.actions = body.actions.map((one: Json) => {
      const [label, description, identifier] = [String(one.label ?? ""), String(one.description ?? ""), String(one.identifier ?? "")];
      const fits = label.length <= 20 && description.length <= 40 && identifier.length <= 20;
      if (!fits || !label || !description || !identifier)
        throw invalid("CheckRun", "actions", "invalid", "label 20, description 40, identifier 20");
      return { label, description, identifier };
    });
  }
  const output = body.output;
  if (typeof output === "object" && output !== null) {
    const field = (key: string) => (key in output ? String(Reflect.get(output, key) ?? "") : null);
    for (const key of ["summary", "text"]) {
      if ((field(key)?.length ?? 0) > MAX_OUTPUT)
        throw invalid("CheckRun", key, "custom", `${key} exceeds a maximum length of ${MAX_OUTPUT}`);
    }
    const annotations: unknown = Reflect.get(output, "annotations");
    change.output = {
      title: field("title"),
      summary: field("summary"),
      text: field("text"),
      annotations: Array.isArray(annotations) ? annotations : [],
    };
  }
  return change;
}

/** Makes a run and tells of it. `by`: the App it is of, and who is named as its sender. */
export async function addRun(
  hub: Hub,
  repo: Row<Repo>,
  by: { appId: number; sender: Json | null },
  given: { name: string; head_sha: string; log?: string; run_id?: number } & Partial<CheckRun>,
): Promise<Row<CheckRun>> {
  const suite = await suiteOf(hub, repo, given.head_sha, by.appId);
  const done = given.status === "completed";
  const row = hub.tables.checkRuns.insert({
    node_id: "",
    repo_id: repo.id,
    status: "queued",
    conclusion: null,
    started_at: stamp(hub),
    completed_at: done ? stamp(hub) : null,
    external_id: "",
    details_url: null,
    actions: null,
    output: { title: null, summary: null, text: null, annotations: [] },
    check_suite_id: suite.id,
    app_id: by.appId,
    ...given,
  });
  const run = hub.tables.checkRuns.update(row.id, { node_id: nodeId("CheckRun", row.id) }) ?? row;
  await tellRun(hub, repo, run, "created", by.sender);
  if (done) await tellRun(hub, repo, run, "completed", by.sender);
  await settle(hub, repo, suite.id, by.sender);
  hub.changed();
  return run;
}

/** Changes a run and tells when that completes it. */
export async function changeRun(
  hub: Hub,
  repo: Row<Repo>,
  run: Row<CheckRun>,
  change: Partial<CheckRun>,
  sender: Json | null,
): Promise<Row<CheckRun>> {
  const done = change.status === "completed" && run.status !== "completed";
  const open = change.status !== undefined && change.status !== "completed";
  const times = done ? { completed_at: change.completed_at ?? stamp(hub) } : open ? { completed_at: null, conclusion: null } : {};
  const output = change.output
    ? { ...run.output, ...change.output, annotations: [...run.output.annotations, ...change.output.annotations] }
    : run.output;
  const fresh = hub.tables.checkRuns.update(run.id, { ...change, ...times, output }) ?? run;
  if (done) await tellRun(hub, repo, fresh, "completed", sender);
  await settle(hub, repo, run.check_suite_id, sender);
  hub.changed();
  return fresh;
}

/** A person presses one of a run's buttons: only its own App hears of it. False where there is no such button. */
export async function press(hub: Hub, repo: Row<Repo>, runId: number, identifier: string, sender: Json | null): Promise<boolean> {
  const run = hub.tables.checkRuns.get(runId);
  if (!run || run.repo_id !== repo.id || !run.actions?.some((one) => one.identifier === identifier)) return false;
  await tellRun(hub, repo, run, "requested_action", sender, { only: run.app_id, add: { requested_action: { identifier } } });
  return true;
}

/** A person asks for a run again: only its own App hears of it. */
export async function rerequest(hub: Hub, repo: Row<Repo>, run: Row<CheckRun>, sender: Json | null): Promise<void> {
  await tellRun(hub, repo, run, "rerequested", sender, { only: run.app_id });
}
