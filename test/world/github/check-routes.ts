/** The routes of check runs and suites, of the jobs of a workflow, and of the older commit statuses. */
import { resolve } from "../bare.ts";
import { invalid, refusal } from "./access.ts";
import { addRun, changeRun, readRun, rerequest, runView, suiteView } from "./checks.ts";
import { type Api, acting, type C, folderOf, type Hub, nodeId, paged, personOf, type Row, reading } from "./hub.ts";
import type { CheckRun, Json, Repo } from "./records.ts";

function jobView(hub: Hub, repo: Row<Repo>, run: Row<CheckRun>): Json {
  const { id, run_id, head_sha, status, conclusion, started_at, completed_at, name } = run;
  const at = `${hub.known.apiUrl}/repos/${repo.full_name}`;
  const step = { name: `Run ${name}`, status, conclusion, number: 2, started_at, completed_at };
  return {
    ...{ id, run_id, head_sha, status, conclusion, started_at, completed_at, name, run_attempt: 1, labels: ["ubuntu-latest"] },
    node_id: nodeId("WorkflowJob", id),
    workflow_name: name,
    head_branch: hub.tables.checkSuites.get(run.check_suite_id)?.head_branch ?? null,
    url: `${at}/actions/jobs/${id}`,
    run_url: `${at}/actions/runs/${run_id}`,
    check_run_url: `${at}/check-runs/${id}`,
    html_url: `${hub.known.webUrl}/${repo.full_name}/actions/runs/${run_id}/job/${id}`,
    steps: [{ ...step, name: "Set up job", conclusion: "success", number: 1 }, step],
  };
}

/** Adds the routes of checks, workflow jobs and statuses. */
export function checkRoutes(api: Api, hub: Hub): void {
  const at = "/repos/:owner/:repo";
  const runOf = (c: C) => {
    const row = hub.tables.checkRuns.get(Number(c.req.param("id")));
    if (!row || row.repo_id !== c.get("repo").id) throw refusal(404, "Not Found");
    return row;
  };
  const shaOf = async (c: C) => {
    const sha = await resolve(folderOf(hub, c.get("repo")), c.req.param("ref") ?? "");
    if (!sha) throw refusal(422, `No commit found for SHA: ${c.req.param("ref")}`);
    return sha;
  };
  const ownApp = (c: C) => {
    const user = acting(c, ["checks"]);
    const actor = c.get("actor");
    if (actor.kind !== "installation") throw refusal(403, "You must authenticate via a GitHub App.");
    return { appId: actor.app.app_id, sender: personOf(hub, user) };
  };
  const listRuns = (c: C, rows: Row<CheckRun>[]) => {
    const status = c.req.query("status");
    const name = c.req.query("check_name");
    const appId = c.req.query("app_id");
    let found = rows.filter(
      (one) => (!status || one.status === status) && (!name || one.name === name) && (!appId || one.app_id === Number(appId)),
    );
    if (c.req.query("filter") !== "all") found = [...new Map(found.map((one) => [`${one.app_id}:${one.name}`, one])).values()];
    found.sort((a, b) => b.id - a.id);
    return c.json({ total_count: found.length, check_runs: paged(c, found).map((one) => runView(hub, c.get("repo"), one)) });
  };

  api.post(`${at}/check-runs`, async (c) => {
    const by = ownApp(c);
    const { name, head_sha } = c.get("body");
    if (typeof name !== "string" || !name) throw invalid("CheckRun", "name", "missing_field");
    const sha = typeof head_sha === "string" ? await resolve(folderOf(hub, c.get("repo")), head_sha) : null;
    if (!sha) throw refusal(422, `No commit found for SHA: ${String(head_sha)}`);
    const run = await addRun(hub, c.get("repo"), by, { ...readRun(c.get("body")), name, head_sha: sha });
    return c.json(runView(hub, c.get("repo"), run), 201);
  });
  api.patch(`${at}/check-runs/:id{[0-9]+}`, async (c) => {
    const by = ownApp(c);
    if (runOf(c).app_id !== by.appId)
      throw refusal(403, "Invalid app_id - check run can only be modified by the GitHub App that created it.");
    return c.json(runView(hub, c.get("repo"), await changeRun(hub, c.get("repo"), runOf(c), readRun(c.get("body")), by.sender)));
  });
  api.get(`${at}/check-runs/:id{[0-9]+}`, (c) => {
    reading(c, ["checks"]);
    return c.json(runView(hub, c.get("repo"), runOf(c)));
  });
  api.get(`${at}/check-runs/:id{[0-9]+}/annotations`, (c) => {
    reading(c, ["checks"]);
    return c.json(paged(c, runOf(c).output.annotations));
  });
  api.post(`${at}/check-runs/:id{[0-9]+}/rerequest`, async (c) => {
    await rerequest(hub, c.get("repo"), runOf(c), personOf(hub, acting(c, ["checks"])));
    return c.json({}, 201);
  });
  api.get(`${at}/commits/:ref{.+}/check-runs`, async (c) => {
    reading(c, ["checks"]);
    const sha = await shaOf(c);
    return listRuns(
      c,
      hub.tables.checkRuns.findBy("repo_id", c.get("repo").id).filter((one) => one.head_sha === sha),
    );
  });
  api.get(`${at}/commits/:ref{.+}/check-suites`, async (c) => {
    reading(c, ["checks"]);
    const sha = await shaOf(c);
    const rows = hub.tables.checkSuites.findBy("repo_id", c.get("repo").id).filter((one) => one.head_sha === sha);
    return c.json({ total_count: rows.length, check_suites: paged(c, rows).map((one) => suiteView(hub, c.get("repo"), one)) });
  });
  api.get(`${at}/check-suites/:id{[0-9]+}`, (c) => {
    reading(c, ["checks"]);
    const row = hub.tables.checkSuites.get(Number(c.req.param("id")));
    if (!row || row.repo_id !== c.get("repo").id) throw refusal(404, "Not Found");
    return c.json(suiteView(hub, c.get("repo"), row));
  });
  api.get(`${at}/check-suites/:id{[0-9]+}/check-runs`, (c) => {
    reading(c, ["checks"]);
    return listRuns(
      c,
      hub.tables.checkRuns.findBy("repo_id", c.get("repo").id).filter((one) => one.check_suite_id === Number(c.req.param("id"))),
    );
  });

  api.get(`${at}/actions/runs/:run{[0-9]+}/jobs`, (c) => {
    reading(c, ["actions"]);
    const rows = hub.tables.checkRuns.findBy("repo_id", c.get("repo").id).filter((one) => one.run_id === Number(c.req.param("run")));
    if (rows.length === 0) throw refusal(404, "Not Found");
    return c.json({ total_count: rows.length, jobs: paged(c, rows).map((one) => jobView(hub, c.get("repo"), one)) });
  });
  api.get(`${at}/actions/jobs/:id{[0-9]+}`, (c) => {
    reading(c, ["actions"]);
    if (!runOf(c).run_id) throw refusal(404, "Not Found");
    return c.json(jobView(hub, c.get("repo"), runOf(c)));
  });
  api.get(`${at}/actions/jobs/:id{[0-9]+}/logs`, (c) => {
    reading(c, ["actions"]);
    if (!runOf(c).run_id) throw refusal(404, "Not Found");
    // The log itself asks for no token: its address is the secret, as GitHub's is.
    return c.redirect(`${hub.known.apiUrl}/_logs/${runOf(c).node_id}`, 302);
  });
  api.get("/_logs/:node", (c) => {
    const run = hub.tables.checkRuns.all().find((one) => one.node_id === c.req.param("node"));
    return run?.log === undefined ? c.text("gone", 404) : c.text(run.log);
  });
  statusRoutes(api, hub, shaOf);
}

function statusRoutes(api: Api, hub: Hub, shaOf: (c: C) => Promise<string>): void {
  const at = "/repos/:owner/:repo";
  const latest = (repo: Row<Repo>, sha: string) => {
    const rows = hub.tables.statuses.findBy("sha", sha).filter((one) => one.repo_id === repo.id);
    return [...new Map(rows.map((one) => [one.context, one])).values()];
  };
  api.post(`${at}/statuses/:ref`, async (c) => {
    const by = acting(c, ["statuses"]);
    const sha = await shaOf(c);
    const { state, context, description, target_url } = c.get("body");
    if (state !== "error" && state !== "failure" && state !== "pending" && state !== "success") throw invalid("Status", "state", "invalid");
    const text = (value: unknown) => (typeof value === "string" ? value : null);
    const said = { context: text(context) ?? "default", description: text(description), target_url: text(target_url) };
    const row = hub.tables.statuses.insert({ repo_id: c.get("repo").id, sha, state, ...said, user_id: by.id });
    await hub.tell("status", c.get("repo"), { id: row.id, sha, state, ...said, sender: personOf(hub, by) });
    return c.json({ ...row, creator: personOf(hub, by) }, 201);
  });
  api.get(`${at}/commits/:ref{.+}/status`, async (c) => {
    reading(c, ["statuses"]);
    const sha = await shaOf(c);
    const rows = latest(c.get("repo"), sha);
    const bad = rows.some((one) => one.state === "failure" || one.state === "error");
    const green = rows.length > 0 && rows.every((one) => one.state === "success");
    return c.json({ state: bad ? "failure" : green ? "success" : "pending", sha, total_count: rows.length, statuses: paged(c, rows) });
  });
  api.get(`${at}/commits/:ref{.+}/statuses`, async (c) => {
    reading(c, ["statuses"]);
    const sha = await shaOf(c);
    return c.json(paged(c, hub.tables.statuses.findBy("sha", sha).reverse()));
  });
}
