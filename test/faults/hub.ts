/** The rig of these tests with a GitHub beside the Slack, and hands to use it as a person. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGitHost } from "../world/git-host.ts";
import { startGitHub } from "../world/github/start.ts";
import { startRig, until } from "./rig.ts";

/** A comment as a person sees it, with errand's own name of it, without the session. */
export type Comment = { id: number; by: string; body: string; key: string; place: "conversation" | "review" };

/** Starts the rig with a GitHub. `vars` changes settings of the Worker. */
export async function startHub(vars: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "errand-hub-"));
  const git = await startGitHost({ dataDir: join(folder, "git") });
  const secret = "hub-webhook-secret-0123456789abcdef";
  let github: Awaited<ReturnType<typeof startGitHub>> | undefined;
  const rig = await startRig(async (workerUrl) => {
    github = await startGitHub({
      dataDir: null,
      webUrl: `${git.url}/page`,
      webhookUrl: `${workerUrl}/github/webhook`,
      webhookSecret: secret,
      git,
    });
    return {
      GITHUB_APP_ID: github.appId,
      GITHUB_APP_SLUG: github.slug,
      GITHUB_PRIVATE_KEY: github.privateKey,
      GITHUB_WEBHOOK_SECRET: secret,
      GITHUB_API_URL: github.apiUrl,
      GITHUB_WEB_URL: git.url,
      REPOSITORY_BASE_URL: git.url,
      ...vars,
    };
  });
  if (!github) throw new Error("the GitHub was not started");
  const hub = github;
  const repository = "acme/sample";

  /** Calls the API as a person. Throws for an answer that is no success. */
  async function as(login: string, method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const answer = await hub.call(login, method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path} as ${login}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as Record<string, unknown>;
  }

  const read = (item: Record<string, unknown>, place: Comment["place"]): Comment => ({
    id: Number(item.id),
    by: String((item.user as { login?: unknown } | null)?.login),
    body: String(item.body),
    key: decodeURIComponent(/<!-- errand:key=(\S+) -->/.exec(String(item.body))?.[1] ?? "").replace(/^[^:]+:/, ""),
    place,
  });

  return {
    ...rig,
    git,
    github: hub,
    as,
    /** Opens an issue. Returns its number. */
    issue: async (title: string, body = "", login = "ada") =>
      Number((await as(login, "POST", `/repos/${repository}/issues`, { title, body })).number),
    /** Comments on an issue or pull request. Returns the comment's id. */
    comment: async (number: number, body: string, login = "ada") =>
      Number((await as(login, "POST", `/repos/${repository}/issues/${number}/comments`, { body })).id),
    /** All comments of an issue or pull request, those in reviews included. */
    async comments(number: number): Promise<Comment[]> {
      const { items } = await as("ada", "GET", `/repos/${repository}/issues/${number}/comments?per_page=100`);
      const pull = await hub.call("ada", "GET", `/repos/${repository}/pulls/${number}/comments?per_page=100`);
      const list = (value: unknown) => (Array.isArray(value) ? (value as Record<string, unknown>[]) : []);
      return [
        ...list(items).map((item) => read(item, "conversation")),
        ...(pull.status === 200 ? list(pull.body.items).map((item) => read(item, "review")) : []),
      ];
    },
    /** Errand's message of that name, once it looks like `pattern`. */
    async message(number: number, key: string, pattern = /./, ms = 15_000): Promise<Comment> {
      return until(
        `${key} like ${pattern} on #${number}`,
        async () => (await this.comments(number)).find((one) => one.by === "errand[bot]" && one.key === key && pattern.test(one.body)),
        ms,
      );
    },
    /** Sends a delivery once more, as the owner of the App can. */
    async redeliver(guid: string): Promise<void> {
      const app = hub.tables.apps.findOneBy("slug", hub.slug);
      const delivery = hub.deliveries.log.findLast((one) => one.guid === guid);
      if (!app || !delivery) throw new Error(`there is no delivery ${guid}`);
      await hub.deliveries.redeliver(delivery.id, app);
    },
    async stop(): Promise<void> {
      await rig.stop();
      await hub.stop();
      await git.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
export type Hub = Awaited<ReturnType<typeof startHub>>;
