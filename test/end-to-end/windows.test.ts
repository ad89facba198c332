/**
 * The windows into a sandbox, as people who signed in have them, by the whole product and in a real browser: VS Code with its extensions and terminal, the terminal, the desktop; who looks
 * on and changes nothing; whose right ends, and whose does not; a sandbox that comes back by a click. In the end everything that the run left behind is searched for its secrets.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { demonstrationModel, type ModelServer, startModel } from "../world/model.ts";
import { ALLOWED, inside, KINDS, messagesOf } from "./belongs.ts";
import { ARTEFACTS, Errand, launchBrowser, MENTION } from "./errand.ts";
import { Hub } from "./hub.ts";
import { isOpen, Person, pictureOf, screenOf, terminalReady, type Window, windowOf } from "./person.ts";
import { kill } from "./processes.ts";
import { type Found, ProcessWatch, rowsOf, search, settingsOf, shownBy } from "./secrets.ts";
import { pressAs, toProvider } from "./sign-in-stand.ts";
import { Trail } from "./trail.ts";

const MODEL_KEY = "sk-the-key-of-the-model-0123456789abcdef";
/** By the second domain mallory may sign in, who is of no organisation. */
const RULES = JSON.stringify({ githubOrganisations: ["acme"], emailDomains: ["acme.example", "elsewhere.example"] });

const errand = new Errand();
const hub = new Hub(errand);
const trail = new Trail();
let model: ModelServer;
let browser: Browser;
let ada: Person;
let grace: Person;
let mallory: Person;
let session = "";
/** Ada's windows. */
let code: Window;
let terminal: Window;
let desktop: Window;
let slackSession = "";
let apiKey = "";
let watch: ProcessWatch;
/** Mallory's, and the machine's owner's. */
let watchedTerminal: Window;
let watchedDesktop: Window;
let owner: Window;

beforeAll(async () => {
  browser = await launchBrowser();
  model = await startModel({ key: MODEL_KEY, respond: demonstrationModel() });
  await errand.start({
    ...{ ERRAND_SLACK_PROMPTS: "linked", ERRAND_SIGN_IN_RULES: RULES },
    ...{ ERRAND_MODEL_URL: model.url, ERRAND_MODEL_KEY: MODEL_KEY, ERRAND_MODEL: "scripted" },
  });
  watch = new ProcessWatch(errand);
  const issue = await hub.issue("Add a --characters option", "It should print just the number.");
  await hub.comment(issue, "@errand do this, please");
  ada = await Person.arrive(browser, errand, trail, "ada", "203.0.113.1");
  grace = await Person.arrive(browser, errand, trail, "grace", "203.0.113.2");
  mallory = await Person.arrive(browser, errand, trail, "mallory", "203.0.113.3");
  // The first who signs in is the admin.
  for (const person of [ada, grace, mallory]) await (await person.signIn()).close();
  session = (await hub.message(issue, "turn:1:final", /#\d+/)).session;
});
afterAll(async () => {
  watch?.stop();
  await browser?.close();
  await errand.remove();
  await model?.stop();
});

const shot = (page: Page, name: string) => page.screenshot({ path: join(ARTEFACTS, `windows-${name}.png`) });
const inWorkspace = (name: string) => join(errand.data, "sandboxes/sandboxes", session, "work/repo", name);
/** What a file of the workspace holds; empty where there is none. */
const written = (name: string) => (existsSync(inWorkspace(name)) ? readFileSync(inWorkspace(name), "utf8") : "");
/** The terminal of the machine's owner, who does not sign in. */
async function openAsOwner(): Promise<Window> {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  const window = windowOf(page);
  await page.goto(`${errand.origin}/s/${session}/open/terminal`);
  return window;
}
const soon = { timeout: 20_000 };

describe("somebody who may write to the repository", () => {
  it("has a terminal, which keeps its screen over a reload", async () => {
    terminal = await ada.open(session, "terminal");
    await terminalReady(terminal.page);
    await terminal.page.keyboard.type("echo 'const count: number = \"many\";' > wrong.ts; echo kept-$((40+2))\n");
    await expect.poll(() => screenOf(terminal.page), soon).toContain("kept-42");
    await terminal.page.reload();
    await terminalReady(terminal.page);
    await expect.poll(() => screenOf(terminal.page), soon).toContain("kept-42");
    await shot(terminal.page, "terminal");
  });

  it("has VS Code, which shows a type error of its extension, and runs a command in its terminal", async () => {
    code = await ada.open(session, "vscode");
    const { page } = code;
    await page.locator(".explorer-folders-view .monaco-list-row", { hasText: "wrong.ts" }).dblclick({ timeout: 60_000 });
    await page.locator(".editor-instance .view-lines", { hasText: "many" }).waitFor();
    await page.locator(".squiggly-error").first().waitFor({ timeout: 90_000 });
    await page.keyboard.press("Control+Backquote");
    const shell = page.locator(".terminal-wrapper.active .xterm-helper-textarea");
    await shell.waitFor({ state: "attached" });
    // Typed again until the shell is there to take it.
    const typed = async () => {
      await shell.focus();
      await page.keyboard.type("echo $((6*7)) > by-code\n");
      await page.waitForTimeout(1_000);
      return written("by-code");
    };
    await expect.poll(typed, { timeout: 60_000, interval: 1_000 }).toBe("42\n");
    await shot(page, "vscode");
  });

  it("has a desktop that paints a window, takes what is typed and fits the browser's window", async () => {
    desktop = await ada.open(session, "desktop");
    const { page } = desktop;
    await page.locator("canvas").waitFor();
    await expect.poll(async () => (await pictureOf(page)).colours, soon).toBeGreaterThan(10);
    await expect.poll(async () => (await pictureOf(page)).width, soon).toBe(1280);
    // The window of the desktop's own terminal.
    await page.mouse.click(300, 200);
    await page.keyboard.type("echo $((6*7)) > by-desktop\n");
    await expect.poll(() => written("by-desktop"), soon).toBe("42\n");
    await page.setViewportSize({ width: 1000, height: 640 });
    await expect.poll(() => pictureOf(page), soon).toMatchObject({ width: 1000, height: 640 });
    await shot(page, "desktop");
  });

  it("uses all of them side by side", async () => {
    await terminal.page.bringToFront();
    await terminal.page.keyboard.type("clear; echo side-$((10*10))\n");
    await expect.poll(() => screenOf(terminal.page), soon).toContain("side-100");
    await code.page.bringToFront();
    await code.page.locator(".editor-instance .view-lines").first().click();
    await code.page.keyboard.press("Control+End");
    await code.page.keyboard.type("// beside\n");
    await code.page.keyboard.press("Control+S");
    await expect.poll(() => written("wrong.ts"), soon).toContain("// beside");
    expect(desktop.sockets.filter((socket) => !socket.isClosed())).toHaveLength(1);
  });

  it("comes to OpenCode's page at the workspace", async () => {
    const { page } = await ada.open(session, "opencode");
    const prompt = page.getByText("Ask anything");
    await prompt.waitFor({ timeout: 60_000 });
    const inWorkspace = () =>
      page.evaluate<number>("fetch('/session?directory=%2Fworkspace%2Frepo').then((answer) => answer.json()).then((all) => all.length)");
    const before = await inWorkspace();
    await page.keyboard.type("what did you do?\n");
    await expect.poll(inWorkspace, soon).toBe(before + 1);
    // The model works for turns alone, which are begun where people talk to errand.
    await page.getByText("No turn is running: what the model is to do is said in the thread.").waitFor();
    await shot(page, "opencode");
  });
});

describe("somebody who may read the repository", () => {
  it("looks on at the terminal and the desktop, and changes nothing there", async () => {
    await hub.as("ada", "PUT", "/repos/acme/sample/collaborators/mallory", { permission: "pull" });
    watchedTerminal = await mallory.open(session, "terminal");
    await watchedTerminal.page.locator(".xterm-helper-textarea").waitFor({ state: "attached" });
    await expect.poll(() => screenOf(watchedTerminal.page), soon).toContain("side-100");
    await watchedTerminal.page.locator(".xterm").click();
    await watchedTerminal.page.keyboard.type("echo $((6*7)) > by-watcher\n");

    await desktop.page.bringToFront();
    const first = await pictureOf(desktop.page);
    // Beside the window is the menu of the desktop, for who may use it.
    await desktop.page.mouse.click(20, 620, { button: "right" });
    await expect.poll(async () => (await pictureOf(desktop.page)).sum, soon).not.toBe(first.sum);
    const menu = await pictureOf(desktop.page);
    await desktop.page.keyboard.press("Escape");
    await expect.poll(async () => (await pictureOf(desktop.page)).sum, soon).not.toBe(menu.sum);

    watchedDesktop = await mallory.open(session, "desktop");
    const { page } = watchedDesktop;
    await page.locator("#view-only").waitFor();
    await page.locator("canvas").waitFor();
    await expect.poll(async () => (await pictureOf(page)).colours, soon).toBeGreaterThan(10);
    await page.waitForTimeout(1_000);
    const before = await pictureOf(desktop.page);
    const { x = 0, y = 0, width = 0, height = 0 } = (await page.locator("canvas").boundingBox()) ?? {};
    const at = (left: number, top: number) => [x + (left / 1000) * width, y + (top / 640) * height] as const;
    await page.mouse.click(...at(20, 620), { button: "right" });
    await page.mouse.click(...at(954, 61));
    await page.mouse.click(...at(300, 200));
    await page.keyboard.type("echo $((6*7)) > by-watcher\n");
    await page.waitForTimeout(2_000);
    await shot(page, "desktop-watched");
    expect(await pictureOf(desktop.page)).toEqual(before);
    expect([written("by-watcher"), await screenOf(terminal.page)]).toEqual(["", expect.not.stringContaining("by-watcher")]);
  });

  it("has no VS Code, and is told why", async () => {
    const { page } = await mallory.follow(session, "vscode");
    await page.getByRole("heading", { name: "You may not open this" }).waitFor();
    await page.getByText("You may look on, without input").waitFor();
    await shot(page, "watcher-refused");
    await page.close();
  });
});

describe("whose right ends", () => {
  it("loses what they have open within a minute: removed from the repository, or signed out everywhere; others go on", async () => {
    const graces = [await grace.open(session, "vscode"), await grace.open(session, "terminal")];
    const [graceCode, graceTerminal] = graces;
    await graceCode?.page.locator(".explorer-folders-view").getByText("wrong.ts").waitFor({ timeout: 60_000 });
    await terminalReady(graceTerminal?.page ?? terminal.page);
    owner = await openAsOwner();
    await terminalReady(owner.page);
    const all = [...graces, code, terminal, desktop, watchedTerminal, watchedDesktop, owner];
    expect(all.map(isOpen)).toEqual(all.map(() => true));

    const account = await ada.context.newPage();
    await account.goto("/account");
    const began = Date.now();
    await hub.as("ada", "DELETE", "/repos/acme/sample/collaborators/grace");
    await account.getByRole("button", { name: "Sign out everywhere" }).click();
    await account.waitForURL(/\/sign-in/);
    const closed = new Map<string, number>();
    const ending = { graceCode, graceTerminal, code, terminal, desktop };
    const left = () => {
      for (const [name, window] of Object.entries(ending))
        if (window && !isOpen(window) && !closed.has(name)) closed.set(name, Date.now() - began);
      return Object.keys(ending).filter((name) => !closed.has(name));
    };
    await expect.poll(left, { timeout: 60_000, interval: 200 }).toEqual([]);
    expect([watchedTerminal, watchedDesktop, owner].map(isOpen)).toEqual([true, true, true]);
    await owner.page.bringToFront();
    await owner.page.locator(".xterm-helper-textarea").focus();
    await owner.page.keyboard.type("clear; echo still-$((40+2))\n");
    await expect.poll(() => screenOf(watchedTerminal.page), soon).toContain("still-42");

    await graceCode?.page.screenshot({ path: join(ARTEFACTS, "windows-cut-vscode.png") });
    for (const window of graces) {
      await window.page.reload();
      await window.page.getByRole("heading", { name: "You may not open this" }).waitFor();
      expect(new URL(window.page.url()).origin).toBe(errand.origin);
    }
    await shot(graces[0]?.page ?? owner.page, "cut-refused");
    for (const window of [code, terminal, desktop]) {
      await window.page.reload();
      await window.page.getByRole("link", { name: "Go on with GitHub" }).waitFor();
      expect(new URL(window.page.url()).pathname).toBe("/sign-in");
    }
    await shot(code.page, "cut-sign-in");
    expect([watchedTerminal, watchedDesktop, owner].map(isOpen)).toEqual([true, true, true]);
  });
});

describe("a sandbox that has ended", () => {
  it("starts again by a click, after signing in, and the page goes on by itself", async () => {
    kill(errand, /boot\.mjs/);
    await expect.poll(async () => (await errand.view(session)).sandbox.state, { timeout: 60_000 }).not.toMatch(/running|ready/);
    const path = `/s/${session}/open/terminal`;
    const page = await ada.signIn(path);
    await page.getByRole("heading", { name: "Terminal opens as soon as the sandbox runs" }).waitFor();
    await shot(page, "waking");
    await page.waitForURL((url) => url.origin !== errand.origin, { timeout: 90_000 });
    await terminalReady(page);
    await page.keyboard.type("cat wrong.ts\n");
    await expect.poll(() => screenOf(page), soon).toContain("// beside");
    expect((await errand.view(session)).sandbox.generation).toBe(2);
    await shot(page, "woken");
  });
});

describe("what else people do", () => {
  it("links an account of Slack, and has work done from there", async () => {
    const thread = await errand.say(`${MENTION} what did you do?`);
    await errand.message(thread, "turn:1:progress", /Waiting for an account to be linked/, 20_000);
    const slack = await ada.context.newPage();
    await slack.goto(`${errand.pageUrl}c/${errand.channel}/t/${thread}`);
    const letter = slack.locator(".thread .ephemeral").last();
    const [page] = await Promise.all([ada.context.waitForEvent("page"), letter.getByRole("link", { name: "Link my account" }).click()]);
    await page.getByRole("button", { name: "Yes, that is my Slack account" }).click();
    const number = (await page.locator("#number").innerText()).replace(/\D/g, "");
    await letter.getByLabel("The number that the page shows you").fill(number);
    await letter.getByRole("button", { name: "Confirm" }).click();
    slackSession = (await errand.message(thread, "turn:1:final", /./, 180_000)).session;
  });

  it("makes a key for a program, and uses it", async () => {
    const page = await ada.context.newPage();
    await page.goto("/account/keys");
    await page.getByLabel("What it is for").fill("the nightly report");
    await page.getByRole("button", { name: "Make it" }).click();
    apiKey = await page.locator("#key").innerText();
    const asked = await fetch(`${errand.origin}/api/sessions/${session}`, { headers: { authorization: `Bearer ${apiKey}` } });
    expect(asked.status).toBe(200);
  });

  it("is refused at the door", async () => {
    const boss = await Person.arrive(browser, errand, trail, "boss", "203.0.113.4");
    const page = await boss.context.newPage();
    await toProvider(page, "google");
    await pressAs(page, "google", "boss@acme.example");
    await page.waitForURL(/\/sign-in\?why=not-admitted/);
    const wrong = await fetch(`${errand.origin}/api/auth/me`, { headers: { authorization: `Bearer ${apiKey.slice(0, -1)}x` } });
    expect(wrong.status).toBe(401);
  });
});

// Once: the second try would find nothing running.
it("no secret of all this is left anywhere but where it belongs", { retry: 0 }, async () => {
  await trail.settled();
  const secrets = settingsOf(errand, [
    { id: session, generations: 2 },
    { id: slackSession, generations: 1 },
  ]);
  for (const [secret, kind] of trail.secrets) secrets.set(secret, kind);
  secrets.set(apiKey, "key for a program");
  for (const password of watch.passwords) secrets.set(password, "password of OpenCode");
  expect(new Set(secrets.values())).toEqual(new Set(KINDS));

  const texts = new Map([...watch.seen, ...shownBy(trail), ...(await messagesOf(errand, hub))]);
  for (const context of browser.contexts()) for (const page of context.pages()) texts.set(`open page ${page.url()}`, await page.content());
  const found = search(secrets, texts, { data: errand.data, artefacts: ARTEFACTS, ...inside(errand) });
  for (const file of ["secrets.json", "worker.env"]) expect(statSync(join(errand.data, file)).mode & 0o077).toBe(0);
  await errand.stop();
  found.push(...search(secrets, rowsOf(errand).set("log", errand.output.join("")), {}));

  const may = ({ what, where }: Found) => ALLOWED.find((one) => one.what.test(what) && one.where.test(where));
  expect(found.filter((one) => !may(one))).toEqual([]);
  // What is allowed is there: the search finds.
  expect(ALLOWED.filter((one) => !found.some((each) => may(each) === one))).toEqual([]);
});
