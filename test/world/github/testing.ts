/** What the tests of the local GitHub share: one with its git host and an App that listens, and git as a person runs it. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Octokit } from "@octokit/rest";
import { gitHubApp } from "../../../bots/github/client.ts";
import { gitEnvironment } from "../bare.ts";
import { startGitHost } from "../git-host.ts";
import { signature } from "./deliveries.ts";
import type { Json } from "./records.ts";
import { type GitHubOptions, startGitHub } from "./start.ts";

/** A webhook as the App got it. */
export interface Heard {
  event: string;
  guid: string;
  headers: IncomingHttpHeaders;
  payload: Json;
  /** Whether it is signed with the App's secret. */
  signed: boolean;
}

const SECRET = "a-webhook-secret";
export const SAMPLE = { owner: "acme", repo: "sample" } as const;
const quiet = () => undefined;
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };

/** Starts it all. `answer` decides what the App answers to a webhook. */
export async function startBench(options: Partial<GitHubOptions> & { kept?: boolean } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "errand-github-"));
  const heard: Heard[] = [];
  const app = { answer: 202 };
  const hook = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const { headers } = request;
      heard.push({
        event: String(headers["x-github-event"]),
        guid: String(headers["x-github-delivery"]),
        headers,
        payload: JSON.parse(body),
        signed: headers["x-hub-signature-256"] === signature(SECRET, body),
      });
      response.writeHead(app.answer).end("heard");
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  const webhookUrl = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/github/webhook`;
  const git = await startGitHost({ dataDir: join(folder, "git") });
  const dataDir = options.kept ? join(folder, "data") : null;
  const start = () => startGitHub({ dataDir, webUrl: "http://127.0.0.1:1/github", webhookUrl, webhookSecret: SECRET, git, ...options });
  let github = await start();

  const bench = {
    folder,
    git,
    heard,
    app,
    get github() {
      return github;
    },
    /** A client of a person; without a login, of nobody. */
    as: (login?: string) => new Octokit({ ...(login ? { auth: github.tokenOf(login) } : {}), baseUrl: github.apiUrl, log }),
    /** A client of the App, or of its installation. */
    asApp(installationId?: number): Octokit {
      const { appId, slug, privateKey, apiUrl } = github;
      const client = gitHubApp({ appId, slug, privateKey, apiUrl, webUrl: git.url, cache: new Map() });
      return installationId === undefined ? client.asApp() : client.installation(installationId);
    },
    /** The webhooks since the last time this was asked, when all have arrived. */
    async news(): Promise<Heard[]> {
      await github.deliveries.settled();
      return heard.splice(0);
    },
    /** Runs git in a folder of the bench. */
    run: (at: string, ...args: string[]) =>
      new Promise<{ ok: boolean; text: string }>((resolve) => {
        const env = { ...gitEnvironment(), GIT_TERMINAL_PROMPT: "0" };
        execFile("git", ["-c", "user.name=a", "-c", "user.email=a@b.example", ...args], { cwd: join(folder, at), env }, (error, out, err) =>
          resolve({ ok: error === null, text: out + err }),
        );
      }),
    /** A clone address with a token in it. */
    address: (name: string, token: string) => git.cloneUrl(name).replace("//", `//x-access-token:${token}@`),
    /** A token of the installation for pushing to the sample, and nothing else. */
    async pushToken(): Promise<string> {
      const scope = { repositories: ["sample"], permissions: { contents: "write" as const } };
      return (await bench.asApp().rest.apps.createInstallationAccessToken({ installation_id: github.installationId, ...scope })).data.token;
    },
    /** Makes a clone with one more commit; gives the folder's name. */
    async work(name: string, file = "new.txt", text = "one\ntwo\n"): Promise<string> {
      await bench.run(".", "clone", "--quiet", git.cloneUrl("acme/sample"), name);
      await writeFile(join(folder, name, file), text);
      await bench.run(name, "add", "-A");
      await bench.run(name, "commit", "--quiet", "-m", `Add ${file}`);
      return name;
    },
    /** Commits on a branch and opens a pull request of it as the App; gives it. */
    async pull(branch: string, more: { draft?: boolean; body?: string; files?: Record<string, string> } = {}) {
      const { files = { [`${branch.replaceAll("/", "-")}.txt`]: "one\ntwo\n" }, ...rest } = more;
      await github.push({ branch, files, message: `Work on ${branch}` });
      const pulls = bench.asApp(github.installationId).rest.pulls;
      return (await pulls.create({ ...SAMPLE, head: branch, base: "main", title: branch, ...rest })).data;
    },
    async restart() {
      await github.stop();
      github = await start();
    },
    async stop() {
      await github.stop();
      await git.stop();
      await new Promise((resolve) => {
        hook.close(resolve);
        hook.closeAllConnections();
      });
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return bench;
}

/** See `startBench`. */
export type Bench = Awaited<ReturnType<typeof startBench>>;

/** The status of a call that fails; undefined where it does not. */
export async function statusOf(call: Promise<unknown>): Promise<number | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    return typeof error === "object" && error !== null && "status" in error ? Number(error.status) : 0;
  }
}
