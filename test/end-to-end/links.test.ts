/**
 * What opens beside VS Code: what the agent serves, OpenCode's own page, and a terminal that is only looked at. On the real parts, in a real browser,
 * over the host names that each has.
 */
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ARTEFACTS, Errand, freePorts, launchBrowser, MENTION } from "./errand.ts";

const errand = new Errand();
let browser: Browser;
let thread = "";
let session = "";
let port = 0;
let driven: Page;

beforeAll(async () => {
  browser = await launchBrowser();
  await errand.start();
  port = await freePorts();
  thread = await errand.say(`${MENTION} what is in this repository?`);
  session = (await errand.message(thread, "turn:1:final")).session;
});
afterAll(async () => {
  await browser?.close();
  await errand.remove();
});

async function open(what: string): Promise<Page> {
  const page = await (await browser.newContext({ viewport: { width: 1000, height: 700 } })).newPage();
  await page.goto(`${errand.origin}/s/${session}/open/${what}`);
  return page;
}

/** What a terminal shows. */
const screen = (page: Page) =>
  page.evaluate<string>(
    "[...term.buffer.active.getLine ? Array(term.rows).keys() : []].map((n) => term.buffer.active.getLine(term.buffer.active.viewportY + n)?.translateToString(true) ?? '').join('\\n')",
  );
const shot = (page: Page, name: string) => page.screenshot({ path: join(ARTEFACTS, `${name}.png`) });
const short = () => session.slice(0, 12);

it("a preview waits until something answers on the port, and goes on by itself", async () => {
  const waiting = await open(`preview/${port}`);
  await waiting.getByRole("heading", { name: `Nothing answers on port ${port} yet` }).waitFor();
  await shot(waiting, "preview-waiting");
  driven = await open("terminal");
  await driven.waitForURL((url) => url.hostname === `${short()}.localhost`);
  await driven.locator(".xterm-helper-textarea").waitFor({ state: "attached" });
  await driven.waitForTimeout(1_000);
  const page = "<title>Shop & more</title><h1>Hello from the sandbox</h1>";
  await driven.keyboard.type(
    `node -e 'require("http").createServer((q,r)=>r.setHeader("content-type","text/html").end("${page}")).listen(${port})' & echo ser''ving\n`,
  );
  await waiting.waitForURL((url) => url.hostname === `${port}-${short()}.localhost`, { timeout: 30_000 });
  await waiting.getByRole("heading", { name: "Hello from the sandbox" }).waitFor();
  expect(new URL(waiting.url()).pathname).toBe("/");
  await shot(waiting, "preview");
});

it("what is served is listed in the thread and on the session's page", async () => {
  const reply = await errand.message(thread, "turn:1:final", /Served/);
  expect(reply.all).toContain(`/s/${session}/open/preview/${port}|Port ${port}: Shop &amp; more>`);
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${errand.origin}/s/${session}`);
  await page.getByRole("link", { name: `Port ${port}` }).waitFor();
  await shot(page, "session-served");
  await page.context().close();
});

it("who looks on at the terminal sees it, and types nothing", async () => {
  const watching = await open("terminal?watch");
  await watching.waitForURL((url) => url.hostname === `${short()}.localhost` && url.pathname.startsWith("/terminal/"));
  await watching.locator(".xterm-helper-textarea").waitFor({ state: "attached" });
  await expect.poll(() => screen(watching), { timeout: 20_000 }).toContain("serving");
  await watching.keyboard.type("echo in''truded\n");
  await driven.keyboard.type("echo dri''ven\n");
  await expect.poll(() => screen(watching), { timeout: 20_000 }).toContain("driven");
  expect(await screen(driven)).not.toContain("intruded");
  await shot(watching, "terminal-watched");
  await watching.context().close();
});

it("OpenCode's own page opens at its own origin", async () => {
  const page = await open("opencode");
  await page.waitForURL((url) => url.hostname === `opencode-${short()}.localhost`, { timeout: 60_000 });
  await page.locator("#root > *").first().waitFor({ timeout: 30_000 });
  await page.waitForTimeout(2_000);
  await shot(page, "opencode");
  await page.context().close();
});

it("what has ended is listed no more", async () => {
  await driven.keyboard.type("kill %1\n");
  await expect.poll(async () => (await errand.message(thread, "turn:1:final")).all, { timeout: 30_000 }).not.toContain("Served");
  const page = await open(`preview/${port}`);
  await page.getByRole("heading", { name: `Nothing answers on port ${port} yet` }).waitFor();
});
