/**
 * Who may have work done from Slack, on the real parts: a mention by somebody whom errand does not know, the link that only they see, signing in with the local GitHub, the number that
 * goes back to Slack, and the turn that goes on by itself.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WORKSPACE } from "../world/slack/workspace.ts";
import { ARTEFACTS, Errand, launchBrowser, MENTION } from "./errand.ts";
import { pressAs } from "./sign-in-stand.ts";

const errand = new Errand();
let browser: Browser;
let context: BrowserContext;
let slack: Page;
let thread = "";
let session = "";
/** The links that were sent. */
const codes: string[] = [];

beforeAll(async () => {
  browser = await launchBrowser();
  await errand.start({ ERRAND_SLACK_PROMPTS: "linked" });
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(20_000);
});
afterAll(async () => {
  await browser?.close();
  await errand.remove();
});

const shot = (page: Page, name: string) => page.screenshot({ path: join(ARTEFACTS, `slack-link-${name}.png`) });
const events = async (): Promise<{ type: string; at: number }[]> => {
  const answer = await fetch(`${errand.origin}/api/sessions/${session}/events?after=0&limit=100`);
  return ((await answer.json()) as { events: { event: { type: string; at: number } }[] }).events.map(({ event }) => event);
};
/** Presses the link in the newest message that only the person at the page sees, and takes the page it opens. */
async function followLink(): Promise<Page> {
  const link = slack.locator(".thread .ephemeral").last().getByRole("link", { name: "Link my account" });
  codes.push(new URL((await link.getAttribute("href")) ?? "").searchParams.get("code") ?? "");
  const [opened] = await Promise.all([context.waitForEvent("page"), link.click()]);
  await opened.waitForLoadState();
  return opened;
}
const field = () => slack.locator(".thread .ephemeral").last().getByLabel("The number that the page shows you");

describe("a mention by somebody whom errand does not know", () => {
  it("is taken and held: the thread says for whom it waits, without the link, and no sandbox starts", async () => {
    thread = await errand.say(`${MENTION} add a --version option and run the tests`);
    const held = await errand.message(thread, "turn:1:progress", /Waiting for an account to be linked/, 20_000);
    session = held.session;
    expect(held.all).toContain(`<@${WORKSPACE.you}> has to link their account`);
    expect(held.all).not.toContain("/link/slack");
    const view = await errand.view(session);
    expect(view.turns[0]).toMatchObject({ state: "queued", held: { why: "link" } });
    expect(view.sandbox.state).toBe("none");
  });

  it("only they see the link: it leads to signing in, and from there to a page that names both sides", async () => {
    slack = await context.newPage();
    await slack.goto(`${errand.pageUrl}c/${errand.channel}/t/${thread}`);
    await slack.locator(".thread .ephemeral").last().getByText("Only visible to you").waitFor();
    await shot(slack, "thread");
    const page = await followLink();
    // The code is not in the address any more.
    expect(page.url()).toBe(`${errand.origin}/link/slack`);
    // By loopback one is the owner of the machine, whom GitHub does not know.
    await page.getByRole("link", { name: "Go on with GitHub" }).click();
    await pressAs(page, "github", "ada");
    await page.waitForURL(`${errand.origin}/link/slack`);
    const text = await page.locator("main").innerText();
    expect(text).toContain("Is this Slack account yours?");
    expect(text).toContain("you in Errand Workshop");
    expect(text).toMatch(/the rights of Ada/);
    expect(text).toContain("GitHub: ada");
    await shot(page, "confirm");
    await page.setViewportSize({ width: 360, height: 740 });
    await shot(page, "confirm-phone");
    await page.setViewportSize({ width: 1280, height: 900 });
    // Whoever looks at it only, links nothing.
    expect((await events()).some(({ type }) => type === "turn.released")).toBe(false);
    await page.close();
  });

  it("the number of the page, typed in Slack, links the two, and the request goes on by itself", async () => {
    const page = await followLink();
    await page.getByRole("button", { name: "Yes, that is my Slack account" }).click();
    const number = (await page.locator("#number").innerText()).replace(/\D/g, "");
    expect(number).toMatch(/^\d{6}$/);
    await shot(page, "number");
    await page.setViewportSize({ width: 360, height: 740 });
    await shot(page, "number-phone");
    // A wrong one first.
    await field().fill(String((Number(number) + 1) % 1_000_000).padStart(6, "0"));
    await field().press("Enter");
    await slack.locator(".thread .ephemeral").last().getByText("That is not the number").waitFor();
    expect((await events()).some(({ type }) => type === "turn.released")).toBe(false);
    const message = slack.locator(".thread .ephemeral", { has: slack.getByLabel("The number that the page shows you") });
    await message.getByLabel("The number that the page shows you").fill(number);
    await message.getByRole("button", { name: "Confirm" }).click();
    await expect
      .poll(async () => (await events()).some(({ type }) => type === "turn.started"), { timeout: 10_000, interval: 50 })
      .toBe(true);
    // From the moment that the accounts are linked: a second is promised, and a busy machine is given more.
    const audit = (await (await fetch(`${errand.origin}/api/admin/audit?limit=20`)).json()) as {
      entries: { action: string; at: number }[];
    };
    const linkedAt = audit.entries.find(({ action }) => action === "account.added")?.at ?? 0;
    const startedAt = (await events()).find(({ type }) => type === "turn.started")?.at ?? Number.POSITIVE_INFINITY;
    expect(startedAt - linkedAt).toBeLessThan(3_000);
    // The message that had the field says what came of it.
    await slack.locator(".thread .ephemeral").getByText("This Slack account is linked with Ada").waitFor();
    expect(await slack.locator(".thread .ephemeral").getByRole("link", { name: "Link my account" }).count()).toBe(0);
    await page.getByRole("heading", { name: "Linked" }).waitFor();
    await shot(page, "linked-phone");
    const outcome = await errand.message(thread, "turn:1:final", /--version/, 180_000);
    expect(outcome.all).toMatch(/3 files changed/);
    await shot(slack, "done");
    await page.close();
  });

  it("is not asked again: a reply begins at once", async () => {
    await errand.say("status", thread);
    await errand.say("count the words in README.md", thread);
    await errand.message(thread, "turn:2:progress", /Working|Worked|Starting/, 60_000);
    expect((await events()).filter(({ type }) => type === "turn.held")).toHaveLength(1);
    await errand.message(thread, "turn:2:final", /./, 180_000);
  });
});

describe("the account page", () => {
  it("lists the Slack account and unlinks it: what is said then is held again", async () => {
    const page = await context.newPage();
    await page.goto(`${errand.origin}/account`);
    await page.getByText("you in Errand Workshop").waitFor();
    await page.screenshot({ path: join(ARTEFACTS, "slack-link-account.png"), fullPage: true });
    await page.getByRole("button", { name: "Unlink" }).click();
    await page.getByText("No Slack account is linked").waitFor();
    const other = await errand.say(`${MENTION} look around`);
    await errand.message(other, "turn:1:progress", /Waiting for an account to be linked/, 20_000);
    // It can be withdrawn meanwhile.
    const { ts } = await errand.message(other, "turn:1:progress");
    await errand.press(ts, "errand_stop");
    await errand.message(other, "turn:1:progress", /Withdrawn/, 20_000);
    await page.close();
  });
});

it("no link’s code is in a log, nor in the clear among what the Worker keeps", () => {
  const folder = join(errand.data, "worker");
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  const written = [...errand.output, ...files.map((one) => readFileSync(join(one.parentPath, one.name), "latin1"))].join("\n");
  expect(codes).toHaveLength(2);
  expect(written).toContain("account.added");
  expect(codes.filter((code) => written.includes(code))).toEqual([]);
});
