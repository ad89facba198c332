/** Issues in a real browser: writing, ticking, living comments, hostile text, failures. */
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { ARTEFACTS, at, become, type Opened, openGitHub, startBrowser } from "./opened.ts";

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

test("from the Slack page to an issue of one's own", async () => {
  await page.goto(world.url);
  await page.getByRole("link", { name: "GitHub" }).click();
  await page.getByRole("link", { name: "acme/sample" }).click();
  await page.getByRole("link", { name: "New issue" }).click();
  await page.getByLabel("Title").fill("Tests are slow <b>");
  await page.locator("#new-text").fill("@errand make them **fast**");
  await page.getByRole("checkbox", { name: /Label/ }).check();
  await page.locator("#new-text").press("Control+Enter");
  await page.getByRole("heading", { name: "Tests are slow <b> #4" }).waitFor();
  expect(page.url()).toBe(`${world.url}/github/acme/sample/issues/4`);
  const issue = (await world.as("ada").rest.issues.get({ ...at, issue_number: 4 })).data;
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
  await world.go(page, "issues/1");
  await composer(page).fill("hello **there**");
  await page.getByRole("button", { name: "Comment", exact: true }).dblclick();
  await page.locator("strong", { hasText: "there" }).waitFor();
  await expect.poll(() => composer(page).inputValue()).toBe("");
  expect(await world.comments(1)).toHaveLength(1);
  const edit = async () => {
    await page.locator(".card", { hasText: "hello" }).getByRole("link", { name: "Edit" }).click();
    // A key goes to what has the focus: the text has it a moment after the click.
    await expect.poll(() => page.evaluate("document.activeElement?.value")).toBe("hello **there**");
  };
  await edit();
  await page.keyboard.press("Escape");
  await edit();
  await page.keyboard.press("Control+a");
  await page.keyboard.type("better");
  await page.keyboard.press("Control+Enter");
  await page.locator(".card").getByText("better", { exact: true }).waitFor();
  expect((await world.comments(1))[0]?.body).toBe("better");
  expect(page.url()).not.toContain("edit=");
  page.on("dialog", (dialog) => void dialog.accept());
  await page.locator(".card", { hasText: "better" }).getByRole("button", { name: "Delete" }).click();
  await page.locator(".card", { hasText: "better" }).waitFor({ state: "detached" });
  await composer(page).fill("done");
  await page.getByRole("button", { name: "Close issue" }).click();
  await page.locator(".state", { hasText: "Closed" }).waitFor();
  await page.getByRole("button", { name: "Reopen issue" }).click();
  await page.locator(".state", { hasText: "Open" }).waitFor();
  expect((await world.comments(1)).map(({ body }) => body)).toEqual(["done"]);
});

test("while errand writes, typed text, open details and the place on the page stay as they are", async () => {
  const body = (done: boolean) =>
    `### Working\n\n- [${done ? "x" : " "}] look\n\n<details><summary>Activity</summary>\n\nstep ${done ? 2 : 1}\n\n</details>\n\n${"text\n\n".repeat(40)}`;
  const { data } = await world.as("grace").rest.issues.createComment({ ...at, issue_number: 1, body: body(false) });
  await world.go(page, "issues/1");
  await page.getByText("Activity").click();
  await page.getByText("step 1").waitFor();
  await composer(page).fill("half a");
  await page.keyboard.press("End");
  await composer(page).scrollIntoViewIfNeeded();
  const y = await page.evaluate("scrollY");
  await world.as("grace").rest.issues.updateComment({ ...at, comment_id: data.id, body: body(true) });
  await page.getByText("step 2").waitFor();
  expect(await page.evaluate("scrollY")).toBe(y);
  await page.keyboard.type(" sentence");
  expect(await composer(page).inputValue()).toBe("half a sentence");
  expect(await page.getByRole("checkbox", { name: "look" }).isChecked()).toBe(true);
  await world.as("grace").rest.issues.createComment({ ...at, issue_number: 1, body: "another" });
  await page.getByText("another").waitFor();
  expect(await composer(page).inputValue()).toBe("half a sentence");
});

test("a tick changes the comment; who may not write cannot tick; a list that has changed is not ticked", async () => {
  const text = "plan\n\n- [ ] one\n- [ ] two\n\n<!-- errand:key=k -->";
  const { data } = await world.as("grace").rest.issues.createComment({ ...at, issue_number: 1, body: text });
  await world.go(page, "issues/1");
  const outsider = await world.tab("mallory");
  await world.go(outsider, "issues/1");
  expect(await outsider.getByRole("checkbox", { name: "two" }).isDisabled()).toBe(true);
  await page.getByRole("checkbox", { name: "two" }).focus();
  await page.keyboard.press("Space");
  await expect.poll(async () => (await world.comments(1))[0]?.body).toBe(text.replace("[ ] two", "[x] two"));
  await expect.poll(() => outsider.getByRole("checkbox", { name: "two" }).isChecked()).toBe(true);
  const answer = await page.evaluate(async (id) => {
    const body = new URLSearchParams({ as: "ada", kind: "comment", id: String(id), index: "0", label: "gone", checked: "1" });
    return (await fetch("/github/acme/sample/do/tick", { method: "POST", body, headers: { accept: "application/json" } })).json();
  }, data.id);
  expect(answer).toEqual({ ok: false, error: "That list has changed meanwhile. Look again." });
  expect(await page.getByText("errand:key").count()).toBe(0);
});

test("hostile text does nothing", async () => {
  const evil = `<script>window.bad=1</script><img src=x onerror="window.bad=1"> </article></main> <details ontoggle=window.bad=1 open>\n\n[x](javascript:window.bad=1)`;
  await world.as("mallory").rest.issues.create({ ...at, title: evil, body: evil });
  await world.as("mallory").rest.issues.createComment({ ...at, issue_number: 4, body: evil });
  await world.go(page, "issues/4");
  await page.locator(".card").nth(1).waitFor();
  expect(await page.evaluate("window.bad")).toBeUndefined();
  expect(await page.locator("main img, main script, main a[href^=javascript]").count()).toBe(0);
  expect(await page.locator("#comment").count()).toBe(1);
});

test("another page may neither read nor write here", async () => {
  const url = `${world.url}/github/acme/sample/do/comment`;
  const body = new URLSearchParams({ as: "ada", number: "1", pull: "0", body: "x" });
  expect((await fetch(url, { method: "POST", body, headers: { origin: "http://evil.example" } })).status).toBe(403);
  expect((await fetch(url, { method: "POST", body })).status).toBe(403);
  const own = { origin: world.url, accept: "application/json" };
  const nobody = new URLSearchParams({ as: "errand[bot]", number: "1", pull: "0", body: "x" });
  expect((await fetch(url, { method: "POST", body: nobody, headers: own })).status).toBe(422);
  expect((await fetch(`${world.url}/github/acme/sample/do/constructor`, { method: "POST", body, headers: own })).status).toBe(404);
  expect((await fetch(`${world.url}/github/live?path=/github/acme/sample/issues/1&as=errand`)).status).toBe(404);
  expect(await world.comments(1)).toEqual([]);
});

test("when the server goes, the page says so, keeps what is typed, and goes on when it is back", async () => {
  await world.go(page, "issues/1");
  await composer(page).fill("kept");
  await world.endPage();
  await page.getByText("The connection to the local GitHub is lost.").waitFor();
  await composer(page).press("Control+Enter");
  await page.getByText("The local GitHub cannot be reached. Your text is kept").waitFor();
  await world.startPageAgain();
  await page.getByText("The connection to the local GitHub is lost.").waitFor({ state: "hidden", timeout: 20_000 });
  await composer(page).press("Control+Enter");
  await page.locator(".card", { hasText: "kept" }).waitFor();
  expect(await world.comments(1)).toHaveLength(1);
  const expected = /ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_RESET|EMPTY_RESPONSE)/;
  expect(world.wrongs.splice(0).filter((wrong) => !expected.test(wrong))).toEqual([]);
});

test("a tab acts as the person it shows, whatever another tab has switched to since", async () => {
  await world.go(page, "issues/1");
  const other = await page.context().newPage();
  await other.goto(`${world.url}/github/acme/sample/issues/1`);
  await become(other, "grace");
  expect(other.url()).toBe(`${world.url}/github/acme/sample/issues/1`);
  await composer(page).fill("from ada");
  await composer(page).press("Control+Enter");
  await other.locator(".card", { hasText: "from ada" }).waitFor();
  await composer(other).fill("from grace");
  await composer(other).press("Control+Enter");
  await expect.poll(async () => (await world.comments(1)).map(({ user }) => user?.login)).toEqual(["ada", "grace"]);
});
