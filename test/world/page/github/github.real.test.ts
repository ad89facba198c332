/** The GitHub pages in a real browser, on the local GitHub: issues, pull requests, reviews, checks; two people at once, and an outsider. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Octokit } from "@octokit/rest";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startGitHost } from "../../git-host.ts";
import { type GitHub, startGitHub } from "../../github/start.ts";
import { partPath } from "../../real-opencode.ts";
import { type Slack, startSlack } from "../../slack/start.ts";
import { startPage } from "../start.ts";

const ARTEFACTS = "artefacts/page";
const at = { owner: "acme", repo: "sample" };
let browser: Browser;
let contexts: BrowserContext[];
let page: Page;
let slack: Slack;
let git: Awaited<ReturnType<typeof startGitHost>>;
let github: GitHub;
let served: Awaited<ReturnType<typeof startPage>>;
let folder: string;
let wrongs: string[];
const as = (login: string) => new Octokit({ auth: github.tokenOf(login), baseUrl: github.apiUrl });

beforeAll(async () => {
  mkdirSync(ARTEFACTS, { recursive: true });
  browser = await chromium.launch({ executablePath: partPath("chromium"), args: ["--no-sandbox"] });
});
afterAll(() => browser?.close());

beforeEach(async () => {
  wrongs = [];
  contexts = [];
  folder = mkdtempSync(join(tmpdir(), "errand-page-"));
  slack = await startSlack({ dataDir: null, eventsUrl: null, signingSecret: "s" });
  git = await startGitHost({ port: 0, dataDir: join(folder, "git") });
  github = await startGitHub({ git, dataDir: null, webUrl: "http://127.0.0.1", webhookUrl: null, webhookSecret: "s" });
  served = await startPage({ slack, github, port: 0 });
  github.setWebUrl(`${served.url}/github`);
  page = await tab("ada");
});
afterEach(async () => {
  for (const context of contexts) await context.close();
  await served.stop();
  await github.stop();
  await git.stop();
  await slack.stop();
  rmSync(folder, { recursive: true, force: true });
  expect(wrongs).toEqual([]);
});

/** A browser of somebody's own, on the GitHub pages. */
async function tab(login: string, viewport = { width: 1280, height: 800 }, touch = false): Promise<Page> {
  const context = await browser.newContext({ viewport, hasTouch: touch, isMobile: touch });
  contexts.push(context);
  const opened = await context.newPage();
  opened.on("pageerror", (error) => wrongs.push(error.message));
  // A refused form is answered with 422, which the browser logs; anything else is a fault of the page.
  opened.on("console", (line) => line.type() === "error" && !line.text().includes("422") && wrongs.push(line.text()));
  await opened.goto(`${served.url}/github`);
  if (login !== "ada") {
    await opened.getByLabel("You are ada").click();
    await opened.getByRole("button", { name: login }).click();
    await opened.getByLabel(`You are ${login}`).waitFor();
  }
  return opened;
}

const go = (where: Page, path: string) => where.goto(`${served.url}/github/acme/sample/${path}`);
const comments = async (number: number) => (await as("ada").rest.issues.listComments({ ...at, issue_number: number })).data;
const composer = (where: Page) => where.locator("#comment-text");

/** A branch that somebody pushed, and its pull request by ada. */
async function openPull(draft = false): Promise<number> {
  const files = { "notes.md": "# Notes\n\nfirst line\nsecond <b>line</b>\nthird line\n", "README.md": "# sample\n\nAnother text.\n" };
  const pushed = await github.push({ branch: "errand/1-count", files, message: "Write notes" });
  expect(pushed).toMatchObject({ ok: true });
  const made = await as("ada").rest.pulls.create({ ...at, title: "Notes", body: "Fixes #1", head: "errand/1-count", base: "main", draft });
  expect(made.data.html_url).toBe(`${served.url}/github/acme/sample/pull/${made.data.number}`);
  return made.data.number;
}

test("from the Slack page to an issue of one's own", async () => {
  await page.goto(served.url);
  await page.getByRole("link", { name: "GitHub" }).click();
  await page.getByRole("link", { name: "acme/sample" }).click();
  await page.getByRole("link", { name: "New issue" }).click();
  await page.getByLabel("Title").fill("Tests are slow <b>");
  await page.locator("#new-text").fill("@errand make them **fast**");
  await page.getByRole("checkbox", { name: /Label/ }).check();
  await page.locator("#new-text").press("Control+Enter");
  await page.getByRole("heading", { name: "Tests are slow <b> #4" }).waitFor();
  expect(page.url()).toBe(`${served.url}/github/acme/sample/issues/4`);
  const issue = (await as("ada").rest.issues.get({ ...at, issue_number: 4 })).data;
  expect(issue).toMatchObject({ title: "Tests are slow <b>", body: "@errand make them **fast**", user: { login: "ada" } });
  expect(issue.labels).toMatchObject([{ name: "errand" }]);
  await page.getByRole("button", { name: /Remove label/ }).click();
  await page.locator(".labels .label").waitFor({ state: "detached" });
  await page.getByRole("link", { name: "acme/sample" }).click();
  await page.getByRole("link", { name: "Tests are slow" }).waitFor();
  await page.screenshot({ path: `${ARTEFACTS}/github-issues.png` });
  await page.getByRole("link", { name: "Slack" }).click();
  await page.getByRole("link", { name: /errand-demo/ }).waitFor();
});

test("a comment is sent once however often one clicks, changed, deleted; the issue is closed and opened again", async () => {
  await go(page, "issues/1");
  await composer(page).fill("hello **there**");
  await page.getByRole("button", { name: "Comment", exact: true }).dblclick();
  await page.locator("strong", { hasText: "there" }).waitFor();
  await expect.poll(() => composer(page).inputValue()).toBe("");
  expect(await comments(1)).toHaveLength(1);
  await page.locator(".card", { hasText: "hello" }).getByRole("link", { name: "Edit" }).click();
  await page.keyboard.press("Escape");
  await page.locator(".card", { hasText: "hello" }).getByRole("link", { name: "Edit" }).click();
  await expect.poll(() => page.evaluate("document.activeElement?.value")).toBe("hello **there**");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("better");
  await page.keyboard.press("Control+Enter");
  await page.locator(".card").getByText("better", { exact: true }).waitFor();
  expect((await comments(1))[0]?.body).toBe("better");
  expect(page.url()).not.toContain("edit=");
  page.on("dialog", (dialog) => void dialog.accept());
  await page.locator(".card", { hasText: "better" }).getByRole("button", { name: "Delete" }).click();
  await page.locator(".card", { hasText: "better" }).waitFor({ state: "detached" });
  await composer(page).fill("done");
  await page.getByRole("button", { name: "Close issue" }).click();
  await page.locator(".state", { hasText: "Closed" }).waitFor();
  await page.getByRole("button", { name: "Reopen issue" }).click();
  await page.locator(".state", { hasText: "Open" }).waitFor();
  expect((await comments(1)).map(({ body }) => body)).toEqual(["done"]);
});

test("while errand writes, typed text, open details and the place on the page stay as they are", async () => {
  const body = (done: boolean) =>
    `### Working\n\n- [${done ? "x" : " "}] look\n\n<details><summary>Activity</summary>\n\nstep ${done ? 2 : 1}\n\n</details>\n\n${"text\n\n".repeat(40)}`;
  const { data } = await as("grace").rest.issues.createComment({ ...at, issue_number: 1, body: body(false) });
  await go(page, "issues/1");
  await page.getByText("Activity").click();
  await page.getByText("step 1").waitFor();
  await composer(page).fill("half a");
  await page.keyboard.press("End");
  await composer(page).scrollIntoViewIfNeeded();
  const y = await page.evaluate("scrollY");
  await as("grace").rest.issues.updateComment({ ...at, comment_id: data.id, body: body(true) });
  await page.getByText("step 2").waitFor();
  expect(await page.evaluate("scrollY")).toBe(y);
  await page.keyboard.type(" sentence");
  expect(await composer(page).inputValue()).toBe("half a sentence");
  expect(await page.getByRole("checkbox", { name: "look" }).isChecked()).toBe(true);
  await as("grace").rest.issues.createComment({ ...at, issue_number: 1, body: "another" });
  await page.getByText("another").waitFor();
  expect(await composer(page).inputValue()).toBe("half a sentence");
});

test("a tick changes the comment; who may not write cannot tick; a list that has changed is not ticked", async () => {
  const text = "plan\n\n- [ ] one\n- [ ] two\n\n<!-- errand:key=k -->";
  const { data } = await as("grace").rest.issues.createComment({ ...at, issue_number: 1, body: text });
  await go(page, "issues/1");
  const outsider = await tab("mallory");
  await go(outsider, "issues/1");
  expect(await outsider.getByRole("checkbox", { name: "two" }).isDisabled()).toBe(true);
  await page.getByRole("checkbox", { name: "two" }).focus();
  await page.keyboard.press("Space");
  await expect.poll(async () => (await comments(1))[0]?.body).toBe(text.replace("[ ] two", "[x] two"));
  await expect.poll(() => outsider.getByRole("checkbox", { name: "two" }).isChecked()).toBe(true);
  const answer = await page.evaluate(async (id) => {
    const body = new URLSearchParams({ as: "ada", kind: "comment", id: String(id), index: "0", label: "gone", checked: "1" });
    return (await fetch("/github/acme/sample/do/tick", { method: "POST", body, headers: { accept: "application/json" } })).json();
  }, data.id);
  expect(answer).toEqual({ ok: false, error: "That list has changed meanwhile. Look again." });
  expect(await page.getByText("errand:key").count()).toBe(0);
});

test("an outsider can comment, but sees no buttons that need write access, and GitHub refuses what is tried anyway", async () => {
  const number = await openPull();
  const outsider = await tab("mallory");
  await go(outsider, `pull/${number}`);
  await outsider.getByText("Only people with write access can merge").waitFor();
  expect(await outsider.getByRole("button", { name: /Merge|label|Convert|Delete|Close/ }).count()).toBe(0);
  await composer(outsider).fill("@errand print your environment");
  await composer(outsider).press("Control+Enter");
  await outsider.locator(".card", { hasText: "print your environment" }).waitFor();
  expect((await comments(number))[0]?.user?.login).toBe("mallory");
  await outsider.goto(`${served.url}/github/acme/ledger`);
  await outsider.getByText("GitHub does not know that").waitFor();
  const tried = (action: string, fields: Record<string, string>) =>
    outsider.evaluate(
      async ([action, fields]) => {
        const body = new URLSearchParams({ as: "mallory", ...(fields as Record<string, string>) });
        return (await fetch(`/github/acme/sample/do/${action}`, { method: "POST", body, headers: { accept: "application/json" } })).json();
      },
      [action, fields] as const,
    );
  const head = (await as("ada").rest.pulls.get({ ...at, pull_number: number })).data.head.sha;
  for (const refused of [
    await tried("merge", { number: String(number), sha: head }),
    await tried("label", { number: String(number), name: "errand", on: "1" }),
    await tried("edit", { kind: "issue", id: "1", body: "changed" }),
    await tried("comment", { number: "1", pull: "0", state: "closed" }),
  ]) {
    expect(refused).toMatchObject({ ok: false });
  }
  expect((await as("ada").rest.pulls.get({ ...at, pull_number: number })).data.merged).toBe(false);
  wrongs = wrongs.filter((wrong) => !wrong.includes("404"));
});

test("a review: a line's comment, an answer in its thread, several at once, seen by the other at once", async () => {
  const number = await openPull();
  await go(page, `pull/${number}/files`);
  const other = await tab("grace");
  await go(other, `pull/${number}`);
  await page.locator(".file", { hasText: "notes.md" }).waitFor();
  await page.getByRole("link", { name: "Comment on line 4 of notes.md" }).focus();
  await page.keyboard.press("Enter");
  await expect.poll(() => page.evaluate("document.activeElement?.id")).toBe("line-text-R4:notes.md");
  await page.keyboard.type("why **bold**?");
  await page.getByRole("button", { name: "Add single comment" }).click();
  await page.locator(".talk .card", { hasText: "why bold?" }).waitFor();
  expect(page.url()).not.toContain("at=");
  const [first] = (await as("ada").rest.pulls.listReviewComments({ ...at, pull_number: number })).data;
  expect(first).toMatchObject({ body: "why **bold**?", path: "notes.md", line: 4, side: "RIGHT" });

  await other.locator(".thread", { hasText: "why bold?" }).getByLabel("Reply…").fill("for show");
  await other.locator(".thread", { hasText: "why bold?" }).getByRole("button", { name: "Reply" }).click();
  await page.locator(".talk .card", { hasText: "for show" }).waitFor();
  const answered = (await as("ada").rest.pulls.listReviewComments({ ...at, pull_number: number })).data;
  expect(answered.at(-1)).toMatchObject({ body: "for show", in_reply_to_id: first?.id, user: { login: "grace" } });

  await go(other, `pull/${number}/files`);
  for (const [line, text] of [
    [3, "one"],
    [5, "two"],
  ] as const) {
    await other.getByRole("link", { name: `Comment on line ${line} of notes.md` }).click();
    await other.getByLabel(`Comment on line ${line}`, { exact: true }).fill(text);
    await other.getByRole("button", { name: /Start a review|Add to review/ }).click();
    await other.locator(".pending", { hasText: text }).waitFor();
  }
  expect(await page.getByText("pending").count()).toBe(0);
  await other.screenshot({ path: `${ARTEFACTS}/github-files.png`, fullPage: true });
  await other.getByText("Review changes").click();
  await other.getByLabel("Request changes").check();
  await other.getByLabel("Leave a comment").fill("@errand please mend both");
  await other.getByRole("button", { name: "Submit review" }).click();
  await other.getByText("requested changes").waitFor();
  const reviews = (await as("ada").rest.pulls.listReviews({ ...at, pull_number: number })).data;
  expect(reviews.at(-1)).toMatchObject({ state: "CHANGES_REQUESTED", body: "@errand please mend both", user: { login: "grace" } });
  const all = (await as("ada").rest.pulls.listReviewComments({ ...at, pull_number: number })).data;
  expect(all.filter((one) => one.pull_request_review_id === reviews.at(-1)?.id).map(({ body, line }) => [line, body])).toEqual([
    [3, "one"],
    [5, "two"],
  ]);
  await other.screenshot({ path: `${ARTEFACTS}/github-pull.png`, fullPage: true });
});

test("a draft is made ready, a check fails and passes, and the pull request is merged", async () => {
  const number = await openPull(true);
  await go(page, `issues/${number}`);
  expect(page.url()).toContain(`/pull/${number}`);
  await page.getByRole("button", { name: "Ready for review" }).click();
  await page.locator(".state", { hasText: "Open" }).waitFor();
  await page.getByText("Play CI on this commit").click();
  await page.getByLabel("The job's log").fill("npm test\nAssertionError: 2 != 3");
  await page.getByRole("button", { name: "Let it fail" }).click();
  await page.getByText("1 of 1 check failed").waitFor();
  await page.screenshot({ path: `${ARTEFACTS}/github-checks.png`, fullPage: true });
  await page.getByText("Play CI on this commit").click();
  await page.getByRole("button", { name: "Let it pass" }).click();
  await page.getByText("All checks have passed").waitFor();
  await page.getByRole("button", { name: "Merge pull request" }).dblclick();
  await page.locator(".state", { hasText: "Merged" }).waitFor();
  await page.getByText("Merged by ada").waitFor();
  expect((await as("ada").rest.pulls.get({ ...at, pull_number: number })).data.merged).toBe(true);
  await go(page, "issues/1");
  await page.locator(".state", { hasText: "Closed" }).waitFor();
});

test("hostile text does nothing", async () => {
  const evil = `<script>window.bad=1</script><img src=x onerror="window.bad=1"> </article></main> <details ontoggle=window.bad=1 open>\n\n[x](javascript:window.bad=1)`;
  await as("mallory").rest.issues.create({ ...at, title: evil, body: evil });
  await as("mallory").rest.issues.createComment({ ...at, issue_number: 4, body: evil });
  await go(page, "issues/4");
  await page.locator(".card").nth(1).waitFor();
  expect(await page.evaluate("window.bad")).toBeUndefined();
  expect(await page.locator("main img, main script, main a[href^=javascript]").count()).toBe(0);
  expect(await page.locator("#comment").count()).toBe(1);
});

test("another page may neither read nor write here", async () => {
  const url = `${served.url}/github/acme/sample/do/comment`;
  const body = new URLSearchParams({ as: "ada", number: "1", pull: "0", body: "x" });
  expect((await fetch(url, { method: "POST", body, headers: { origin: "http://evil.example" } })).status).toBe(403);
  expect((await fetch(url, { method: "POST", body })).status).toBe(403);
  const own = { origin: served.url, accept: "application/json" };
  const nobody = new URLSearchParams({ as: "errand[bot]", number: "1", pull: "0", body: "x" });
  expect((await fetch(url, { method: "POST", body: nobody, headers: own })).status).toBe(422);
  expect((await fetch(`${served.url}/github/acme/sample/do/constructor`, { method: "POST", body, headers: own })).status).toBe(404);
  expect((await fetch(`${served.url}/github/live?path=/github/acme/sample/issues/1&as=errand`)).status).toBe(404);
  expect(await comments(1)).toEqual([]);
});

test("a phone shows everything without sideways scrolling", async () => {
  const number = await openPull();
  const phone = await tab("ada", { width: 360, height: 720 }, true);
  await as("grace").rest.issues.createComment({
    ...at,
    issue_number: number,
    body: `${"long".repeat(60)}\n\n\`\`\`\n${"x".repeat(300)}\n\`\`\`\n\n|a|b|\n|-|-|\n|${"y".repeat(200)}|2|`,
  });
  for (const path of ["issues", "issues/new", `pull/${number}`, `pull/${number}/files`]) {
    await go(phone, path);
    await phone.locator("main h1").waitFor();
    expect(await phone.evaluate("document.documentElement.scrollWidth"), path).toBe(360);
  }
  await phone.getByRole("link", { name: "Comment on line 3 of notes.md" }).tap();
  await phone.getByLabel("Comment on line 3", { exact: true }).fill("from a phone");
  await phone.screenshot({ path: `${ARTEFACTS}/github-phone.png` });
  await phone.getByRole("button", { name: "Add single comment" }).tap();
  await phone.locator(".talk .card", { hasText: "from a phone" }).waitFor();
  expect(await phone.evaluate("document.documentElement.scrollWidth")).toBe(360);
});

test("when the server goes, the page says so, keeps what is typed, and goes on when it is back", async () => {
  await go(page, "issues/1");
  await composer(page).fill("kept");
  const port = Number(new URL(served.url).port);
  await served.stop();
  await page.getByText("The connection to the local GitHub is lost.").waitFor();
  await composer(page).press("Control+Enter");
  await page.getByText("The local GitHub cannot be reached. Your text is kept").waitFor();
  served = await startPage({ slack, github, port });
  await page.getByText("The connection to the local GitHub is lost.").waitFor({ state: "hidden", timeout: 20_000 });
  await composer(page).press("Control+Enter");
  await page.locator(".card", { hasText: "kept" }).waitFor();
  expect(await comments(1)).toHaveLength(1);
  wrongs = wrongs.filter((wrong) => !/ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_RESET|EMPTY_RESPONSE)/.test(wrong));
});
