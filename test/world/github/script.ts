/** What happens on GitHub without a REST call of errand's: a CI that reports, people who push, and what an App's owner does. */
import { commitFiles, resolve } from "../bare.ts";
import { addRun, type CiSlug, ciApp, press, rerequest } from "./checks.ts";
import type { Deliveries } from "./deliveries.ts";
import { appView, folderOf, nodeId, personOf, type Row, stamp } from "./hub.ts";
import { present } from "./present.ts";
import { pushed } from "./pulls.ts";
import type { CheckRun, Installation, Json, Repo } from "./records.ts";
import { PEOPLE, REPOSITORIES } from "./seed.ts";
import type { Site } from "./site.ts";
import { installationView, signatureOf } from "./views.ts";

/** The outcome of something done here: what came of it, or why it could not be. */
export type Done<T = object> = ({ ok: true } & T) | { ok: false; error: string };

/** What a CI reports of a commit. */
export interface Report {
  /** `acme/sample` unless given. */
  repository?: string;
  /** A commit or a branch. */
  sha: string;
  name: string;
  conclusion: "success" | "failure" | "neutral" | "cancelled" | "timed_out";
  /** What the job printed. With it the check is one of GitHub Actions, with a workflow run whose job has this log. */
  log?: string;
  /** Whose check it is: `github-actions` with a log, else `ci`, unless given. */
  app?: CiSlug;
  /** What a check without a log says of itself. */
  summary?: string;
}

/** Makes the actions of a site. */
export function makeScript(site: Site, deliveries: Deliveries) {
  const { hub } = site;
  const { tables } = hub;
  const no = (error: string) => ({ ok: false, error }) as const;
  const userBy = (login: string) => tables.users.findOneBy("login", login);

  /** A CI service reports a finished check: `check_run.created`, `.completed` and, when it was the last, `check_suite.completed`. */
  async function check(report: Report): Promise<Done<{ checkRun: number; runId: number | null }>> {
    const repo = site.repoBy(report.repository ?? REPOSITORIES.sample);
    if (!repo) return no(`There is no repository ${report.repository}.`);
    const sha = await resolve(folderOf(hub, repo), report.sha);
    if (!sha) return no(`There is no commit or branch ${report.sha} in ${repo.full_name}.`);
    const slug = report.app ?? (report.log === undefined ? "ci" : "github-actions");
    const sender = personOf(hub, userBy(`${slug}[bot]`));
    const runId = slug === "github-actions" ? 17_400_000_000 + tables.checkRuns.all().length : undefined;
    const summary = report.summary ?? (slug === "ci" ? (report.log ?? null) : null);
    const run = await addRun(
      hub,
      repo,
      { appId: ciApp(slug), sender },
      {
        name: report.name,
        head_sha: sha,
        status: "completed",
        conclusion: report.conclusion,
        output: { title: `${report.name}: ${report.conclusion}`, summary, text: null, annotations: [] },
        ...(report.log === undefined ? {} : { log: report.log }),
        ...(runId === undefined ? {} : { run_id: runId }),
      },
    );
    if (runId !== undefined) await tellWorkflow(repo, run, runId, sender);
    return { ok: true, checkRun: run.id, runId: runId ?? null };
  }

  async function tellWorkflow(repo: Row<Repo>, run: Row<CheckRun>, id: number, sender: Json | null) {
    const view = await hub.view(repo, "");
    const at = `${hub.known.apiUrl}/repos/${repo.full_name}/actions/runs/${id}`;
    const suite = tables.checkSuites.get(run.check_suite_id);
    const pulls = tables.pullRequests
      .findBy("repo_id", repo.id)
      .filter((one) => one.head_sha === run.head_sha && one.head_repo_id === repo.id);
    const end = (ref: string, sha: string) => ({ ref, sha, repo: { id: repo.id, name: repo.name, url: view.url } });
    const workflow_run = {
      id,
      name: run.name,
      node_id: nodeId("WorkflowRun", id),
      check_suite_id: run.check_suite_id,
      head_branch: suite?.head_branch ?? null,
      head_sha: run.head_sha,
      path: ".github/workflows/ci.yml",
      event: "push",
      status: "completed",
      conclusion: run.conclusion,
      run_number: 1,
      run_attempt: 1,
      url: at,
      jobs_url: `${at}/jobs`,
      html_url: `${hub.known.webUrl}/${repo.full_name}/actions/runs/${id}`,
      created_at: stamp(hub),
      updated_at: stamp(hub),
      actor: sender,
      triggering_actor: sender,
      pull_requests: pulls.map((one) => ({
        id: one.id,
        number: one.number,
        head: end(one.head_ref, one.head_sha),
        base: end(one.base_ref, one.base_sha),
      })),
      repository: view,
      head_repository: view,
    };
    await hub.tell("workflow_run", repo, { action: "completed", workflow_run, workflow: { name: run.name }, sender });
  }

  /** Somebody pushes a commit. `files` by path, null for one that is removed; a new branch begins at `from`, else at the default branch. */
  async function push(what: {
    repository?: string;
    branch: string;
    files: Record<string, string | null>;
    message: string;
    by?: string;
    from?: string;
  }): Promise<Done<{ sha: string }>> {
    const repo = site.repoBy(what.repository ?? REPOSITORIES.sample);
    const by = userBy(what.by ?? PEOPLE.you);
    if (!repo || !by) return no(`There is no repository ${what.repository} or nobody called ${what.by}.`);
    const folder = folderOf(hub, repo);
    const before = await resolve(folder, `refs/heads/${what.branch}`);
    const from = before ?? (await resolve(folder, what.from ?? repo.default_branch));
    if (!from) return no(`There is no ${what.from} in ${repo.full_name}.`);
    const seconds = Math.floor(hub.now() / 1000);
    const sha = await commitFiles(folder, {
      branch: what.branch,
      from,
      files: what.files,
      message: what.message,
      by: signatureOf(by),
      seconds,
    });
    await pushed(hub, repo, [{ ref: `refs/heads/${what.branch}`, before: before ?? "0".repeat(40), after: sha }], by.login);
    return { ok: true, sha };
  }

  /** Calls the API as a person (null: as nobody), in this process: without faults and log. */
  async function call(login: string | null, method: string, path: string, body?: object): Promise<{ status: number; body: Json }> {
    const authorization = login === null ? {} : { authorization: `Bearer gho_local_${login}` };
    const headers = { ...authorization, "content-type": "application/json" };
    const sent = body ? { body: JSON.stringify(body) } : {};
    const answer = await site.handle(new Request(`${hub.known.apiUrl}${path}`, { method, headers, ...sent }));
    const text = await answer.text();
    const value: unknown = text && answer.headers.get("content-type")?.includes("json") ? JSON.parse(text) : { text };
    return { status: answer.status, body: Array.isArray(value) ? { items: value } : Object.assign({}, value) };
  }

  /** A stranger commits to the fork and opens a pull request from it. */
  async function pullFromFork(what: {
    title: string;
    body?: string;
    files: Record<string, string>;
    branch?: string;
  }): Promise<Done<{ number: number; sha: string }>> {
    const branch = what.branch ?? "patch-1";
    const committed = await push({ repository: REPOSITORIES.fork, branch, files: what.files, message: what.title, by: PEOPLE.outsider });
    if (!committed.ok) return committed;
    const head = `${PEOPLE.outsider}:${branch}`;
    const given = { title: what.title, body: what.body ?? "", head, base: "main" };
    const made = await call(PEOPLE.outsider, "POST", `/repos/${REPOSITORIES.sample}/pulls`, given);
    return made.status === 201 ? { ok: true, number: Number(made.body.number), sha: committed.sha } : no(String(made.body.message));
  }

  const installationOf = (): Row<Installation> | undefined => tables.appInstallations.all()[0];
  const brief = (repo: Row<Repo>) => ({
    id: repo.id,
    node_id: repo.node_id,
    name: repo.name,
    full_name: repo.full_name,
    private: repo.private,
  });

  function tellApp(event: string, payload: Json, row: Row<Installation>) {
    const app = tables.apps.findOneBy("app_id", row.app_id);
    const sender = personOf(hub, userBy(PEOPLE.you));
    const whole = present(hub.known, { ...payload, installation: installationView(hub, row), sender });
    if (app) deliveries.deliver({ app, event, payload: Object.assign({}, whole), installation: row, repositoryId: null });
    hub.changed();
  }

  let removed: Row<Installation> | undefined;
  /** The owner of the account suspends the installation, ends that, removes the App, installs it again, or grants what it newly asks for. */
  function installation(action: "suspend" | "unsuspend" | "deleted" | "created" | "new_permissions_accepted"): Done {
    if (action === "created" && removed) {
      tables.appInstallations.insert(removed);
      removed = undefined;
    }
    const row = installationOf();
    if (!row) return no("The App is not installed.");
    const suspended_at = action === "suspend" ? new Date(hub.now()).toISOString() : null;
    const fresh = tables.appInstallations.update(row.id, { suspended_at }) ?? row;
    if (action === "suspend" || action === "deleted") {
      for (const [token, one] of site.minted) if (one.token.installation?.installationId === row.installation_id) site.minted.delete(token);
    }
    const covered = fresh.repository_ids.flatMap((id) => tables.repos.get(id) ?? []).map(brief);
    tellApp("installation", { action, ...(action === "created" || action === "deleted" ? { repositories: covered } : {}) }, fresh);
    if (action === "deleted") {
      removed = fresh;
      tables.appInstallations.delete(fresh.id);
    }
    return { ok: true };
  }

  /** The owner adds a repository to the installation or takes it out. */
  function installationRepository(action: "added" | "removed", name: string): Done {
    const [row, repo] = [installationOf(), site.repoBy(name)];
    if (!row || !repo) return no(`The App is not installed, or there is no repository ${name}.`);
    const others = row.repository_ids.filter((id) => id !== repo.id);
    const fresh = tables.appInstallations.update(row.id, { repository_ids: action === "added" ? [...others, repo.id] : others }) ?? row;
    const lists = {
      repositories_added: action === "added" ? [brief(repo)] : [],
      repositories_removed: action === "removed" ? [brief(repo)] : [],
    };
    tellApp("installation_repositories", { action, repository_selection: "selected", ...lists, requester: null }, fresh);
    return { ok: true };
  }

  return {
    check,
    push,
    call,
    pullFromFork,
    installation,
    installationRepository,
    /** The buttons of a check run, which GitHub shows on its page and does not give out. */
    actionsOf: (repository: string, checkRun: number) => {
      const run = tables.checkRuns.get(checkRun);
      return run && run.repo_id === site.repoBy(repository)?.id ? (run.actions ?? []) : [];
    },
    /** Somebody presses one of them. */
    async pressAction(what: { repository: string; checkRun: number; identifier: string; login: string }): Promise<Done> {
      const repo = site.repoBy(what.repository);
      const done = repo && (await press(hub, repo, what.checkRun, what.identifier, personOf(hub, userBy(what.login))));
      return done ? { ok: true } : no("That button is no longer there.");
    },
    /** Somebody asks for a check run again. */
    async rerequest(repository: string, checkRun: number, login: string = PEOPLE.you): Promise<Done> {
      const [repo, run] = [site.repoBy(repository), tables.checkRuns.get(checkRun)];
      if (!repo || !run) return no("There is no such check run.");
      await rerequest(hub, repo, run, personOf(hub, userBy(login)));
      return { ok: true };
    },
    /** The App as GitHub shows it in passing. */
    app: () => appView(hub, tables.apps.all()[0]),
  };
}
