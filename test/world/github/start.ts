/**
 * A GitHub on this machine: the real `emulate` GitHub with what it lacks or gets wrong put right, its REST API on a loopback
 * port, its repositories in the git host, its webhooks posted to the App, its data kept over a restart.
 *
 * How to use it:
 * - `apiUrl`, `appId`, `privateKey`, `webhookSecret` are what errand is given; its GITHUB_WEB_URL is the git host's address, which
 *   sends browsers on to `webUrl`, where the page shows issues and pull requests.
 * - People act by the REST API with `tokenOf(login)` (ada and grace may write in acme/sample, mallory may not and has the fork
 *   mallory/sample), over HTTP as everyone, or by `call(login, method, path, body)` in this process.
 * - `push`, `pullFromFork`, `check`, `pressAction`, `installation`, `installationRepository`, `register` are what has no REST call.
 * - People sign in at `/login/oauth/authorize` of the git host, with `clientId` and `clientSecret`.
 * - `faults` makes calls of errand go wrong and logs all calls; `deliveries` is the log of webhooks, with `settled()` and
 *   `failed()`. A failed delivery stays failed until it is sent again by `POST /app/hook/deliveries/{id}/attempts`.
 * - `tables` may be read; writing them tells nobody.
 */
import { randomBytes } from "node:crypto";
import { git as runGit } from "../bare.ts";
import type { GitHost } from "../git-host.ts";
import { isFromOtherPage } from "../loopback.ts";
import { seedAccounts } from "./accounts.ts";
import { beginRegistration, newKey } from "./apps.ts";
import { authorizePage } from "./authorize-page.ts";
import { DELIVERY_TIMEOUT_MS, makeDeliveries } from "./deliveries.ts";
import { makeFaults } from "./faults.ts";
import { serveApi } from "./http.ts";
import { measure } from "./hub.ts";
import { completed, makeKeeper, readKept } from "./keep.ts";
import { pushed, syncBranches } from "./pulls.ts";
import type { Email, Json } from "./records.ts";
import { makeScript } from "./script.ts";
import { APP, clientIdOf, LEDGER_FILES, PEOPLE, REPOSITORIES, seedApp, seedWorld, tokenOf } from "./seed.ts";
import { makeSite } from "./site.ts";

/** Where a program changes a code for a token, on the git host as on github.com. */
const TOKEN_PATH = "/login/oauth/access_token";

/** Whom one can be. */
const USERS = [
  { login: PEOPLE.you, about: "you" },
  { login: PEOPLE.colleague, about: "colleague" },
  { login: PEOPLE.outsider, about: "outsider" },
];

/** How a GitHub is started. */
export interface GitHubOptions {
  /** The port of the REST API on 127.0.0.1; 0 takes a free one. */
  port?: number;
  /** Where it is kept; null keeps it in memory only. */
  dataDir: string | null;
  /** Where the page shows what is on GitHub, without a slash at the end; every `html_url` begins with it. `setWebUrl` changes it. */
  webUrl: string;
  /** Where webhooks are posted; null while there is nobody. `setWebhookUrl` changes it. */
  webhookUrl: string | null;
  webhookSecret: string;
  git: GitHost;
  /** The App; one of the world's own unless given. `privateKey`: PEM, PKCS#1. */
  app?: { appId?: number; slug?: string; privateKey?: string };
  /** Where people who sign in may be sent back to, exactly; none unless given. */
  callbackUrls?: readonly string[];
  /** How long an answer to a delivery is waited for, in ms; GitHub's 10,000 unless given. */
  deliveryTimeoutMs?: number;
  /** The clock, in ms since 1970; rows of the emulator's own have the machine's time. */
  now?: () => number;
  fetch?: typeof fetch;
}

/** Starts a GitHub and waits until it listens. Throws where the port is taken or the kept data cannot be read. */
export async function startGitHub(options: GitHubOptions) {
  const now = options.now ?? Date.now;
  const { git } = options;
  const kept = options.dataDir ? readKept(options.dataDir) : undefined;
  const slug = options.app?.slug ?? APP.slug;
  const faults = makeFaults(now, [slug, `${slug}[bot]`]);
  const listeners = new Set<() => void>();
  let webUrl = options.webUrl.replace(/\/+$/, "");
  let ready = false;

  // The address is needed before the emulator can be made, which writes it into links; until then calls get 503.
  const api = await serveApi({
    port: options.port ?? 0,
    ready: () => ready,
    now,
    faults,
    handle: (request) => site.handle(request),
    who: (authorization) => site.who(authorization),
  });
  const timeoutMs = options.deliveryTimeoutMs ?? DELIVERY_TIMEOUT_MS;
  const deliveries = makeDeliveries({ now, fetch: options.fetch ?? fetch, timeoutMs, changed: () => changed() }, kept?.deliveries ?? []);
  const making = makeSite({ apiUrl: api.url, webUrl: () => webUrl, git, now, changed: () => changed(), deliveries });
  const site = await making.catch(async (error: unknown) => {
    await api.close();
    throw error;
  });
  const { hub, emulator } = site;
  const { tables } = hub;
  const keeper = makeKeeper(options.dataDir, () => ({
    version: 1,
    store: emulator.store.snapshot(),
    minted: [...site.minted],
    people: [...site.people],
    deliveries: deliveries.log,
  }));
  const script = makeScript(site, deliveries);

  function changed() {
    keeper.mark();
    for (const listener of listeners) listener();
  }

  if (kept) emulator.store.restore(completed(kept.store, emulator.store.snapshot()));
  else seedWorld(tables);
  for (const [token, one] of kept?.minted ?? []) site.minted.set(token, one);
  for (const [token, one] of kept?.people ?? []) site.people.set(token, one);
  const appId = options.app?.appId ?? APP.id;
  const before = tables.apps.findOneBy("slug", slug);
  const privateKey = options.app?.privateKey ?? before?.private_key ?? newKey();
  const clientSecret = before?.client_secret ?? randomBytes(20).toString("hex");
  const { webhookUrl, webhookSecret } = options;
  seedApp(tables, { appId, slug, privateKey, webhookUrl, webhookSecret, clientSecret, callbackUrls: [...(options.callbackUrls ?? [])] });
  seedAccounts(tables);

  const there = await git.repositories();
  if (!there.includes(REPOSITORIES.private)) await git.createRepository(REPOSITORIES.private, LEDGER_FILES);
  if (!there.includes(REPOSITORIES.fork)) await git.forkRepository(REPOSITORIES.sample, REPOSITORIES.fork);
  for (const repo of tables.repos.all()) await syncBranches(hub, repo);
  for (const pull of tables.pullRequests.all()) await measure(hub, pull);
  const signInPages = authorizePage({ oauth: site.oauth, people: USERS });
  /** By way of the API's port, so that faults happen to it too. */
  async function exchange(request: Request): Promise<Response> {
    if (request.method !== "POST" || isFromOtherPage(Object.fromEntries(request.headers))) return new Response(null, { status: 404 });
    const { signal } = request;
    const headers = [...request.headers].filter(([name]) => ["accept", "authorization", "content-type"].includes(name));
    const answer = await fetch(`${api.url}${TOKEN_PATH}`, { method: "POST", headers, signal, body: await request.arrayBuffer() });
    const type = answer.headers.get("content-type") ?? "text/plain";
    return new Response(await answer.arrayBuffer(), {
      status: answer.status,
      headers: { "content-type": type, "cache-control": "no-store" },
    });
  }
  const detach = git.attach({
    admit: site.admit,
    async pushed(repository, pushes, login) {
      const repo = site.repoBy(repository);
      if (repo) await pushed(hub, repo, pushes, login);
    },
    pageOf: (path) => (path === "/" ? null : `${webUrl}${path}`),
    serves: (path) => {
      if (path === TOKEN_PATH) return exchange;
      return path.startsWith("/login/oauth/") ? (request) => signInPages.fetch(request) : null;
    },
  });
  ready = true;

  return {
    ...script,
    /** The REST API's address, without a slash at the end; GraphQL is at `/graphql` below it. */
    apiUrl: api.url,
    appId: String(appId),
    slug,
    privateKey,
    webhookSecret,
    /** What an App proves itself with where people sign in: at `/login/oauth/authorize` and `/login/oauth/access_token` of the git host. */
    clientId: clientIdOf(appId),
    clientSecret,
    installationId: APP.installation,
    tokenOf,
    /** Whom one can be; the first is the one in front of the machine. */
    users: USERS,
    /** The repositories that are shown. */
    repositories: [REPOSITORIES.sample, REPOSITORIES.private, REPOSITORIES.fork],
    /** A repository's number. Throws for one that is not there. */
    repositoryId(name: string): number {
      const repo = site.repoBy(name);
      if (!repo) throw new Error(`There is no repository ${name} on the local GitHub.`);
      return repo.id;
    },
    tables,
    faults,
    deliveries,
    /** Makes a repository in the installation, with one commit on `main`; `role` is what ada may do in it. */
    async createRepository(name: string, files: Record<string, string>, more: { private?: boolean } = {}): Promise<number> {
      const sample = site.repoBy(REPOSITORIES.sample);
      if (!sample) throw new Error(`${REPOSITORIES.sample} is gone.`);
      await git.createRepository(name, files);
      const { id: _, ...row } = sample;
      const hidden = { private: more.private === true, visibility: more.private === true ? ("private" as const) : ("public" as const) };
      const made = tables.repos.insert({
        ...row,
        ...hidden,
        name: name.split("/")[1] ?? name,
        full_name: name,
        fork: false,
        open_issues_count: 0,
      });
      for (const one of tables.collaborators.findBy("repo_id", sample.id)) {
        tables.collaborators.insert({ repo_id: made.id, user_id: one.user_id, permission: one.permission });
      }
      for (const one of tables.appInstallations.all())
        tables.appInstallations.update(one.id, { repository_ids: [...one.repository_ids, made.id] });
      await syncBranches(hub, made);
      changed();
      return made.id;
    },
    /** Begins the registration of an App, as the button on GitHub's page does. The code is for one conversion, within the hour. */
    register: (manifest: Json, login: string = PEOPLE.you): string => beginRegistration(hub, site.codes, manifest, login),
    /** Ends every installation token at once, as after an hour. */
    expireTokens: () => site.minted.clear(),
    /** Writes down a person's addresses in place of those there are. */
    setEmails(login: string, emails: readonly Omit<Email, "user_id">[]): void {
      const user = tables.users.findOneBy("login", login);
      if (!user) throw new Error(`There is nobody called ${login} on the local GitHub.`);
      for (const row of tables.emails.findBy("user_id", user.id)) tables.emails.delete(row.id);
      for (const email of emails) tables.emails.insert({ ...email, user_id: user.id });
      changed();
    },
    /** The commit of a branch in the real repository. Throws where there is none. */
    head: async (repository: string, branch: string): Promise<string> =>
      (await runGit(git.pathOf(repository), ["rev-parse", "--verify", `refs/heads/${branch}`])).trim(),
    setWebhookUrl(url: string | null) {
      const app = tables.apps.findOneBy("slug", slug);
      if (app) tables.apps.update(app.id, { webhook_url: url });
      keeper.mark();
    },
    setWebUrl(url: string) {
      webUrl = url.replace(/\/+$/, "");
    },
    /** Hears that something changed, without saying what; the result ends that. */
    onChange(listener: () => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    /** Ends it; what was kept is on disk when this resolves. */
    async stop() {
      detach();
      await api.close();
      keeper.flush();
    },
  };
}

/** A running GitHub. */
export type GitHub = Awaited<ReturnType<typeof startGitHub>>;
