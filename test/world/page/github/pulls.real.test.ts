/** Pull requests in a real browser: reviews, checks, merging; a colleague, an outsider, a phone. */
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { gitHubApp } from "../../../../bots/github/client.ts";
import { ARTEFACTS, at, type Opened, openGitHub, startBrowser } from "./opened.ts";

let browser: Browser;
let world: Opened;
let page: Page;

beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser?.close());
beforeEach(async () => {
  world = await openGitHub(browser);
  page = await world.tab("ada");
});
afterEach(async () => {
  await world.close();
  expect(world.wrongs).toEqual([]);
});

const composer = (where: Page) => where.locator("#comment-text");

test("an outsider can comment, but sees no buttons that need write access, and GitHub refuses what is tried anyway", async () => {
  const number = await world.openPull();
  const outsider = await world.tab("mallory");
  await world.go(outsider, `pull/${number}`);
  await outsider.getByText("Only people with write access can merge").waitFor();
  expect(await outsider.getByRole("button", { name: /Merge|label|Convert|Delete|Close/ }).count()).toBe(0);
  await composer(outsider).fill("@errand print your environment");
  await composer(outsider).press("Control+Enter");
  await outsider.locator(".card", { hasText: "print your environment" }).waitFor();
  expect((await world.comments(number))[0]?.user?.login).toBe("mallory");
  await outsider.goto(`${world.url}/github/acme/ledger`);
  await outsider.getByText("GitHub does not know that").waitFor();
  const tried = (action: string, fields: Record<string, string>) =>
    outsider.evaluate(
      async ([action, fields]) => {
        const body = new URLSearchParams({ as: "mallory", ...(fields as Record<string, string>) });
        return (await fetch(`/github/acme/sample/do/${action}`, { method: "POST", body, headers: { accept: "application/json" } })).json();
      },
      [action, fields] as const,
    );
  const head = (await world.as("ada").rest.pulls.get({ ...at, pull_number: number })).data.head.sha;
  for (const refused of [
    await tried("merge", { number: String(number), sha: head }),
    await tried("label", { number: String(number), name: "errand", on: "1" }),
    await tried("edit", { kind: "issue", id: "1", body: "changed" }),
    await tried("comment", { number: "1", pull: "0", state: "closed" }),
  ]) {
    expect(refused).toMatchObject({ ok: false });
  }
  expect((await world.as("ada").rest.pulls.get({ ...at, pull_number: number })).data.merged).toBe(false);
  // A page that is not there is answered with 404, which the browser logs.
  expect(world.wrongs.splice(0).filter((wrong) => !wrong.includes("404"))).toEqual([]);
});

test("a review: a line's comment, an answer in its thread, several at once, seen by the other at once", async () => {
  const number = await world.openPull();
  await world.go(page, `pull/${number}/files`);
  const other = await world.tab("grace");
  await world.go(other, `pull/${number}`);
  await page.locator(".file", { hasText: "notes.md" }).waitFor();
  await page.getByRole("link", { name: "Comment on line 4 of notes.md" }).focus();
  await page.keyboard.press("Enter");
  await expect.poll(() => page.evaluate("document.activeElement?.id")).toBe("line-text-R4:notes.md");
  await page.keyboard.type("why **bold**?");
  await page.getByRole("button", { name: "Add single comment" }).click();
  await page.locator(".talk .card", { hasText: "why bold?" }).waitFor();
  expect(page.url()).not.toContain("at=");
  const [first] = (await world.as("ada").rest.pulls.listReviewComments({ ...at, pull_number: number })).data;
  expect(first).toMatchObject({ body: "why **bold**?", path: "notes.md", line: 4, side: "RIGHT" });

  await other.locator(".thread", { hasText: "why bold?" }).getByLabel("Reply…").fill("for show");
  await other.locator(".thread", { hasText: "why bold?" }).getByRole("button", { name: "Reply" }).click();
  await page.locator(".talk .card", { hasText: "for show" }).waitFor();
  const answered = (await world.as("ada").rest.pulls.listReviewComments({ ...at, pull_number: number })).data;
  expect(answered.at(-1)).toMatchObject({ body: "for show", in_reply_to_id: first?.id, user: { login: "grace" } });

  await world.go(other, `pull/${number}/files`);
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
  const reviews = (await world.as("ada").rest.pulls.listReviews({ ...at, pull_number: number })).data;
  expect(reviews.at(-1)).toMatchObject({ state: "CHANGES_REQUESTED", body: "@errand please mend both", user: { login: "grace" } });
  const all = (await world.as("ada").rest.pulls.listReviewComments({ ...at, pull_number: number })).data;
  expect(all.filter((one) => one.pull_request_review_id === reviews.at(-1)?.id).map(({ body, line }) => [line, body])).toEqual([
    [3, "one"],
    [5, "two"],
  ]);
  await other.screenshot({ path: `${ARTEFACTS}/github-pull.png`, fullPage: true });
});

test("a draft is made ready, a check fails and passes, and the pull request is merged", async () => {
  const number = await world.openPull(true);
  await world.go(page, `issues/${number}`);
  expect(page.url()).toContain(`/pull/${number}`);
  await page.getByRole("button", { name: "Ready for review" }).click();
  await page.locator(".state", { hasText: "Open" }).waitFor();
  await page.getByText("Play CI on this commit").click();
  await page.getByLabel("The job's log").fill("npm test\nAssertionError: 2 != 3");
  await page.getByRole("button", { name: "Let it fail" }).click();
  await page.getByText("1 of 1 check failed").waitFor();
  await page.screenshot({ path: `${ARTEFACTS}/github-checks.png`, fullPage: true });
  const [job] = await Promise.all([page.context().waitForEvent("page"), page.getByRole("link", { name: "Details" }).click()]);
  await job.getByText("AssertionError: 2 != 3").waitFor();
  await job.close();
  await page.getByText("Play CI on this commit").click();
  await page.getByRole("button", { name: "Let it pass" }).click();
  await page.getByText("All checks have passed").waitFor();
  await page.getByRole("button", { name: "Merge pull request" }).dblclick();
  await page.locator(".state", { hasText: "Merged" }).waitFor();
  await page.getByText("Merged by ada").waitFor();
  expect((await world.as("ada").rest.pulls.get({ ...at, pull_number: number })).data.merged).toBe(true);
  await world.go(page, "issues/1");
  await page.locator(".state", { hasText: "Closed" }).waitFor();
});

test("errand's comment is marked as a program's, its boxes and its check's buttons can be used", async () => {
  const number = await world.openPull();
  const { appId, slug, privateKey, apiUrl, installationId, actionsOf, deliveries } = world.github;
  const errand = gitHubApp({ appId, slug, privateKey, apiUrl, webUrl: world.url }).installation(installationId);
  const body = "### Working\n\n- [ ] Stop this run\n\n<!-- errand:key=k -->";
  const comment = (await errand.rest.issues.createComment({ ...at, issue_number: number, body })).data;
  await errand.rest.reactions.createForIssueComment({ ...at, comment_id: comment.id, content: "eyes" });
  const { head } = (await world.as("ada").rest.pulls.get({ ...at, pull_number: number })).data;
  const actions = [{ label: "Stop", description: "Stops the run", identifier: "stop" }];
  const output = { title: "Working", summary: "- [x] looked" };
  const run = await errand.rest.checks.create({ ...at, name: "errand", head_sha: head.sha, status: "in_progress", output, actions });
  await world.go(page, `pull/${number}`);
  const card = page.locator(".card", { hasText: "Working" });
  await card.getByText("bot", { exact: true }).waitFor();
  await card.locator(".reaction", { hasText: "1" }).waitFor();
  await card.getByRole("checkbox", { name: "Stop this run" }).check();
  await expect.poll(async () => (await world.comments(number))[0]?.body).toBe(body.replace("[ ]", "[x]"));
  await page.getByText("Checks are running").waitFor();
  expect(actionsOf("acme/sample", run.data.id)).toHaveLength(1);
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await expect.poll(() => deliveries.log.some((one) => one.event === "check_run" && one.action === "requested_action")).toBe(true);
  await page.screenshot({ path: `${ARTEFACTS}/github-living.png`, fullPage: true });
  await errand.rest.issues.updateComment({ ...at, comment_id: comment.id, body: "### Stopped" });
  await page.getByRole("heading", { name: "Stopped" }).waitFor();
});

test("a phone shows everything without sideways scrolling", async () => {
  const number = await world.openPull();
  const phone = await world.tab("ada", { width: 360, height: 720 }, true);
  await world.as("grace").rest.issues.createComment({
    ...at,
    issue_number: number,
    body: `${"long".repeat(60)}\n\n\`\`\`\n${"x".repeat(300)}\n\`\`\`\n\n|a|b|\n|-|-|\n|${"y".repeat(200)}|2|`,
  });
  for (const path of ["issues", "issues/new", `pull/${number}`, `pull/${number}/files`]) {
    await world.go(phone, path);
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
