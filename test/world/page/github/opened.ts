/** What the tests of the GitHub pages in a browser need: the local GitHub, its page, and a browser for each person. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Octokit } from "@octokit/rest";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { startGitHost } from "../../git-host.ts";
import { startGitHub } from "../../github/start.ts";
import { partPath } from "../../real-opencode.ts";
import { startSlack } from "../../slack/start.ts";
import { startPage } from "../start.ts";

/** Where pictures of the pages are put. */
export const ARTEFACTS = "artefacts/page";
/** The repository of the tests. */
export const at = { owner: "acme", repo: "sample" };

/** Chromium, without any page. */
export function startBrowser(): Promise<Browser> {
  mkdirSync(ARTEFACTS, { recursive: true });
  return chromium.launch({ executablePath: partPath("chromium"), args: ["--no-sandbox"] });
}

/** A local GitHub with its page. `wrongs` gathers what goes wrong in the pages. */
export async function openGitHub(browser: Browser) {
  const folder = mkdtempSync(join(tmpdir(), "errand-page-"));
  const contexts: BrowserContext[] = [];
  const wrongs: string[] = [];
  const slack = await startSlack({ dataDir: null, eventsUrl: null, signingSecret: "s" });
  const git = await startGitHost({ port: 0, dataDir: join(folder, "git") });
  // Nobody takes the webhooks; they are only looked for in the log.
  const hook = { webhookUrl: "http://127.0.0.1:1/", webhookSecret: "s" };
  const github = await startGitHub({ git, dataDir: null, webUrl: "http://127.0.0.1", ...hook });
  let served = await startPage({ slack, github, port: 0 });
  const { url } = served;
  github.setWebUrl(`${url}/github`);
  const as = (login: string) => new Octokit({ auth: github.tokenOf(login), baseUrl: github.apiUrl });

  return {
    github,
    url,
    wrongs,
    /** The REST API as one person. */
    as,
    /** A browser of somebody's own, on the GitHub pages. */
    async tab(login: string, viewport = { width: 1280, height: 800 }, touch = false): Promise<Page> {
      const context = await browser.newContext({ viewport, hasTouch: touch, isMobile: touch });
      contexts.push(context);
      const page = await context.newPage();
      page.on("pageerror", (error) => wrongs.push(error.message));
      // A refused form is answered with 422, which the browser logs; anything else is a fault of the page.
      page.on("console", (line) => line.type() === "error" && !line.text().includes("422") && wrongs.push(line.text()));
      await page.goto(`${url}/github`);
      if (login !== "ada") await become(page, login);
      return page;
    },
    go: (page: Page, path: string) => page.goto(`${url}/github/acme/sample/${path}`),
    comments: async (number: number) => (await as("ada").rest.issues.listComments({ ...at, issue_number: number })).data,
    /** A branch that somebody pushed, and its pull request by ada. */
    async openPull(draft = false): Promise<number> {
      const notes = "# Notes\n\nfirst line\nsecond <b>line</b>\nthird line\n";
      const files = { "notes.md": notes, "README.md": "# sample\n\nAnother text.\n" };
      const pushed = await github.push({ branch: "errand/1-count", files, message: "Write notes" });
      if (!pushed.ok) throw new Error(pushed.error);
      const ends = { head: "errand/1-count", base: "main" };
      return (await as("ada").rest.pulls.create({ ...at, ...ends, title: "Notes", body: "Fixes #1", draft })).data.number;
    },
    /** Ends the page's server, and starts it again at the same address. */
    endPage: () => served.stop(),
    async startPageAgain() {
      served = await startPage({ slack, github, port: Number(new URL(url).port) });
    },
    async close() {
      for (const context of contexts) await context.close();
      await served.stop();
      await github.stop();
      await git.stop();
      await slack.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Switches who one is. */
export async function become(page: Page, login: string): Promise<void> {
  await page.locator(".who summary").click();
  await page.locator(".who button", { hasText: login }).click();
  await page.getByLabel(`You are ${login}`).waitFor();
}

/** See `openGitHub`. */
export type Opened = Awaited<ReturnType<typeof openGitHub>>;
