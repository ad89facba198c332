/**
 * The whole way on the real parts: a mention in the Slack, a receipt, the real OpenCode editing a file and running the
 * tests in a sandbox, plan and answer in the thread, the three links in a real browser, a follow-up, and Stop.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ARTEFACTS, Errand, launchBrowser, MENTION } from "./errand.ts";

const errand = new Errand();
let browser: Browser;
let thread = "";
let session = "";

beforeAll(async () => {
  browser = await launchBrowser();
  await errand.start();
});
afterAll(async () => {
  await browser?.close();
  await errand.remove();
});

async function open(service: "vscode" | "desktop" | "terminal"): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, permissions: ["clipboard-read"] });
  const page = await context.newPage();
  await page.goto(`${errand.origin}/s/${session}/open/${service}`);
  await page.waitForURL((url) => url.pathname.startsWith(`/${service}/`), { timeout: 60_000 });
  expect(page.url()).not.toContain("token");
  return page;
}

/** Runs in the page: how many colours the desktop's canvas has. */
const COLOURS = `(() => {
  const canvas = document.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
})()`;

const shot = (page: Page, name: string) => page.screenshot({ path: join(ARTEFACTS, `${name}.png`) });

describe("a mention", () => {
  it("is answered at once with repository, branch and boot phases", async () => {
    const said = Date.now();
    thread = await errand.say(`${MENTION} add a --version option and run the tests`);
    const receipt = await errand.message(thread, "turn:1:progress", /acme\/sample/, 5_000);
    const ms = Date.now() - said;
    session = receipt.session;
    expect(receipt.all).toMatch(/errand\/add-a-version-option-and-run-the-tests-[a-z2-7]{4}/);
    expect(receipt.all).toContain(`/s/${session}/open/vscode`);
    // The promise is one second; a busy machine that runs this test is given more.
    expect(ms).toBeLessThan(3_000);
    await errand.message(thread, "turn:1:progress", /clone \d/);
  });

  it("becomes work: plan, steps, and one outcome with files, tokens, cost and time", async () => {
    await errand.message(thread, "turn:1:progress", /Run the tests/);
    const outcome = await errand.message(thread, "turn:1:final");
    expect(outcome.all).toMatch(/--version/);
    expect(outcome.all).toMatch(/scripted demonstration model/);
    expect(outcome.all).toMatch(/3 files changed/);
    expect(outcome.all).toMatch(/tokens in/);
    expect(outcome.all).toMatch(/out · \$0/);
    const living = await errand.message(thread, "turn:1:progress", /Worked for/);
    expect(living.all).not.toContain("in_progress");
    expect(living.all).not.toContain("errand_stop");
    expect((await errand.replies(thread)).filter((reply) => reply.key === "turn:1:final")).toHaveLength(1);
    expect(readFileSync(join(errand.data, "sandboxes/sandboxes", session, "work/repo/src/run.js"), "utf8")).toContain("--version");
  });

  it("VS Code shows the edited file", async () => {
    const page = await open("vscode");
    const folder = page.locator(".explorer-folders-view .monaco-list-row", { hasText: /^src$/ });
    await folder.click({ timeout: 60_000 });
    await page.locator(".explorer-folders-view .monaco-list-row", { hasText: "run.js" }).first().dblclick();
    await page.locator(".editor-instance .view-lines", { hasText: "--version" }).waitFor({ timeout: 60_000 });
    await shot(page, "vscode");
    await page.context().close();
  });

  it("the terminal runs a typed command", async () => {
    const page = await open("terminal");
    await page.locator(".xterm-helper-textarea").waitFor({ state: "attached" });
    await page.waitForTimeout(1_000);
    await page.keyboard.type("echo $((6*7)) > typed-here; git status --short; pwd\n");
    const typed = join(errand.data, "sandboxes/sandboxes", session, "work/repo/typed-here");
    await expect
      .poll(
        () => {
          try {
            return readFileSync(typed, "utf8");
          } catch {
            return "";
          }
        },
        { timeout: 20_000 },
      )
      .toBe("42\n");
    await shot(page, "terminal");
    await page.context().close();
  });

  it("the desktop paints a window", async () => {
    const page = await open("desktop");
    await page.locator("canvas").waitFor({ timeout: 30_000 });
    // A window is more than a background: many colours.
    await expect.poll(() => page.evaluate<number>(COLOURS), { timeout: 30_000 }).toBeGreaterThan(10);
    await shot(page, "desktop");
    await page.context().close();
  });

  it("the session page shows it, and the thread's page too", async () => {
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 1000 } })).newPage();
    await page.goto(`${errand.origin}/s/${session}`);
    await page.locator("summary", { hasText: "3 files changed" }).waitFor();
    await shot(page, "session");
    await page.setViewportSize({ width: 390, height: 844 });
    await shot(page, "session-phone");
    await page.setViewportSize({ width: 1280, height: 1100 });
    await page.goto(`${errand.pageUrl}c/${errand.channel}/t/${thread}`);
    await page.getByText("3 files changed").first().waitFor();
    await shot(page, "slack");
    await page.context().close();
  });

  it("a follow-up goes on in the same session and workspace, and the agent remembers", async () => {
    await errand.say("what did you do before?", thread);
    const outcome = await errand.message(thread, "turn:2:final");
    expect(outcome.session).toBe(session);
    expect(outcome.all).toMatch(/--version|run\.js/);
    expect((await errand.view(session)).sandbox.generation).toBe(1);
  });

  it("Stop stops within two seconds, and the session goes on", async () => {
    await errand.say("do something slow, sleep for 120 seconds", thread);
    const living = await errand.message(thread, "turn:3:progress", /sleep/);
    const pressed = Date.now();
    await errand.press(living.ts, "errand_stop");
    const outcome = await errand.message(thread, "turn:3:final", /Stopped/, 10_000);
    expect(Date.now() - pressed).toBeLessThan(4_000);
    expect(outcome.all).toMatch(/Reply to continue/);
    await errand.say("what did you do before?", thread);
    await errand.message(thread, "turn:4:final");
  });

  it("a question is a reply with buttons; its answer goes on", async () => {
    await errand.say("ask me something", thread);
    const ask = await errand.message(thread, /^ask:/, /errand_choice/);
    await errand.press(ask.ts, "errand_choice:0");
    await errand.message(thread, "turn:5:final");
    const settled = await errand.message(thread, ask.key);
    expect(settled.all).not.toContain("errand_choice");
  });

  it("a permission ask is rejected by a plain reply with a reason", async () => {
    await errand.say("try to push this", thread);
    await errand.message(thread, /^ask:permission/, /push/);
    await errand.say("no, leave it", thread);
    await errand.message(thread, "turn:6:final");
  });
});

describe("a restart", () => {
  it("ends everything with Ctrl-C, and continues every session", async () => {
    expect(await errand.stop()).toBe(0);
    await expect(fetch(`${errand.origin}/healthz`)).rejects.toThrow();
    await errand.start();
    await errand.say("what did you do before?", thread);
    const outcome = await errand.message(thread, "turn:7:final");
    expect(outcome.all).toMatch(/--version|run\.js/);
    expect((await errand.view(session)).sandbox.generation).toBe(2);
  });
});
