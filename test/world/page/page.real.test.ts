/** The page in a real browser: writing, threads, buttons, changes and failures, by keyboard and on a phone. */
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebClient } from "@slack/web-api";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { partPath } from "../real-opencode.ts";
import { type Slack, startSlack } from "../slack/start.ts";
import { TOKENS, WORKSPACE } from "../slack/workspace.ts";
import { startPage } from "./start.ts";

const channel = WORKSPACE.channels.demo;
const ARTEFACTS = "artefacts/page";
let browser: Browser;
let context: BrowserContext;
let page: Page;
let slack: Slack;
let served: Awaited<ReturnType<typeof startPage>>;
let bot: WebClient;
/** What the app was sent by clicks, and what went wrong in the page. */
let clicks: { actions: { action_id: string; value?: string }[] }[];
let wrongs: string[];
let app: ReturnType<typeof createServer>;

beforeAll(async () => {
  mkdirSync(ARTEFACTS, { recursive: true });
  browser = await chromium.launch({ executablePath: partPath("chromium"), args: ["--no-sandbox"] });
});
afterAll(() => browser?.close());

beforeEach(async () => {
  clicks = [];
  wrongs = [];
  app = createServer((request, response) => {
    let raw = "";
    request.on("data", (chunk) => {
      raw += chunk;
    });
    request.on("end", () => {
      const payload = new URLSearchParams(raw).get("payload");
      if (payload) clicks.push(JSON.parse(payload));
      response.end();
    });
  });
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  slack = await startSlack({ dataDir: null, eventsUrl: `http://127.0.0.1:${(app.address() as AddressInfo).port}/`, signingSecret: "s" });
  served = await startPage({ slack, port: 0 });
  bot = new WebClient(TOKENS.bot, { slackApiUrl: slack.apiUrl });
  await open({ width: 1280, height: 800 });
});
afterEach(async () => {
  await context.close();
  await served.stop();
  await slack.stop();
  app.closeAllConnections();
  app.close();
  expect(wrongs).toEqual([]);
});

async function open(viewport: { width: number; height: number }, touch = false) {
  await context?.close();
  context = await browser.newContext({ viewport, hasTouch: touch, isMobile: touch });
  page = await context.newPage();
  page.on("pageerror", (error) => wrongs.push(error.message));
  // A refused form is answered with 422, which the browser logs; anything else is a fault of the page.
  page.on("console", (line) => line.type() === "error" && !line.text().includes("422") && wrongs.push(line.text()));
  await page.goto(served.url);
}

const written = () => slack.tables.messages.all().map((row) => row.text);
const composer = (where: "channel" | "thread") => page.locator(`.${where} .composer textarea`);
const inThread = () => page.locator(".thread article");

async function startThread(): Promise<string> {
  await composer("channel").press("Enter");
  await page.locator(".thread article").waitFor();
  return slack.tables.messages.all()[0]?.ts ?? "";
}

test("Enter sends the suggestion once, however often it is pressed, and opens its thread", async () => {
  await expect.poll(() => composer("channel").inputValue()).toMatch(/^@errand add a --version/);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await inThread().waitFor();
  expect(written()).toEqual([`<@${WORKSPACE.bot}> add a --version option to the sample and run its tests`]);
  expect(page.url()).toContain("/t/");
  await page.locator(".thread [data-mention]").click();
  await page.keyboard.type("line one");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("line <two>");
  await page.keyboard.press("Enter");
  await expect.poll(() => inThread().count()).toBe(2);
  expect(written()[1]).toBe(`<@${WORKSPACE.bot}> line one\nline &lt;two&gt;`);
  expect(await inThread().nth(1).locator(".text").innerText()).toBe("@errand line one\nline <two>");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await page.locator(".thread").waitFor({ state: "detached" });
  expect(written()).toHaveLength(2);
  await page.goBack();
  await page.locator(".thread").waitFor();
});

test("a living message lives: plan, status line, buttons, the answer", async () => {
  const root = await startThread();
  const button = (action_id: string, more: object) => ({
    type: "button",
    action_id,
    text: { type: "plain_text", text: action_id },
    ...more,
  });
  const blocks = (status: string) =>
    [
      { type: "plan", title: "Working", tasks: [{ type: "task_card", task_id: "1", title: "Run the tests", status }] },
      { type: "actions", block_id: `b-${status}`, elements: [button("Halt", { value: "7" }), button("Editor", { url: `${served.url}/` })] },
    ] as never;
  await bot.apiCall("agents.sessions.setStatus", { channel_id: channel, thread_ts: root, status: "processing" });
  const { ts = "" } = await bot.chat.postMessage({ channel, thread_ts: root, text: "Working", blocks: blocks("in_progress") });
  await page.getByText("errand is working…").waitFor();
  await page.getByRole("img", { name: "in progress" }).waitFor();
  await page.getByRole("button", { name: "Halt" }).click();
  await expect.poll(() => clicks.length).toBe(1);
  expect(clicks[0]?.actions).toMatchObject([{ action_id: "Halt", value: "7", block_id: "b-in_progress" }]);
  const [tab] = await Promise.all([context.waitForEvent("page"), page.getByRole("link", { name: "Editor" }).click()]);
  await tab.waitForLoadState();
  expect(tab.url()).toContain(served.url);
  await tab.close();
  await expect.poll(() => clicks.at(-1)?.actions[0]?.action_id).toBe("Editor");
  await bot.chat.update({ channel, ts, text: "Worked", blocks: blocks("complete") });
  await page.getByRole("img", { name: "done" }).waitFor();
  await bot.chat.postMessage({
    channel,
    thread_ts: root,
    text: "x",
    blocks: [{ type: "markdown", text: "**Done** `ok`\n\n<script>window.bad=1</script>" }] as never,
  });
  await page.locator(".markdown strong").waitFor();
  expect(await page.evaluate("window.bad")).toBeUndefined();
  await bot.apiCall("agents.sessions.setStatus", { channel_id: channel, thread_ts: root, status: "active" });
  await page.getByText("errand is working…").waitFor({ state: "detached" });
  await page.screenshot({ path: `${ARTEFACTS}/desktop.png` });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: `${ARTEFACTS}/dark.png` });
});

test("one's own message can be changed and deleted", async () => {
  await startThread();
  await inThread().first().hover();
  await page.locator(".thread [data-edit]").click();
  await page.keyboard.press("Escape");
  await page.locator(".thread [data-edit]").click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type("@errand something else");
  await page.keyboard.press("Enter");
  await expect.poll(() => inThread().first().innerText()).toContain("something else (edited)");
  expect(written()).toEqual([`<@${WORKSPACE.bot}> something else`]);
  page.on("dialog", (dialog) => void dialog.accept());
  await page.locator(".thread [data-delete]").click();
  await expect.poll(written).toEqual([]);
});

test("what fails is said, and nothing typed is lost", async () => {
  await page.locator(".channel .composer textarea").fill("hello");
  slack.faults.next("chat.postMessage", { kind: "500" }, { where: () => true });
  await page.keyboard.press("Enter");
  await page.getByText("Slack refused: internal_error.").waitFor();
  expect(await composer("channel").inputValue()).toBe("hello");
  await page.keyboard.press("Enter");
  await expect.poll(written).toEqual(["hello"]);
  await page.getByText("Slack refused").waitFor({ state: "hidden" });
});

test("when the page's server goes, the page says so, and goes on when it is back", async () => {
  const port = Number(new URL(served.url).port);
  await served.stop();
  await page.getByText("The connection to the local Slack is lost.").waitFor();
  await page.locator(".channel .composer textarea").fill("hello");
  await page.keyboard.press("Enter");
  await page.getByText("Slack cannot be reached. Your text is kept").waitFor();
  served = await startPage({ slack, port });
  await page.getByText("The connection to the local Slack is lost.").waitFor({ state: "hidden", timeout: 20_000 });
  await page.keyboard.press("Enter");
  await expect.poll(written, { timeout: 5_000 }).toEqual(["hello"]);
  wrongs = wrongs.filter(
    (wrong) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/.test(wrong),
  );
});

test("a phone shows one thing at a time, without sideways scrolling", async () => {
  await open({ width: 360, height: 720 }, true);
  await page.locator(".channel .composer textarea").fill(`@errand ${"a-very-long-word".repeat(12)}`);
  await page.locator(".channel [type=submit]").tap();
  await page.locator(".thread article").waitFor();
  expect(await page.locator(".channel").isVisible()).toBe(false);
  const root = slack.tables.messages.all()[0]?.ts ?? "";
  await bot.chat.postMessage({ channel, thread_ts: root, text: `\`\`\`\n${"x".repeat(400)}\n\`\`\`` });
  await expect.poll(() => inThread().count()).toBe(2);
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
  await page.screenshot({ path: `${ARTEFACTS}/phone.png` });
  await page.locator("[data-close]").tap();
  await page.locator(".channel article").waitFor();
  expect(await page.locator(".channel .tools a").isVisible()).toBe(true);
});
