/**
 * Registering the GitHub App in a real browser: whether it lets the form go to GitHub and nowhere else, and brings its cookie back from there.
 * GitHub's pages are answered within the browser, its API by a server here.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ARTEFACTS, freePorts, launchBrowser } from "../test/end-to-end/errand.ts";
import type { Child } from "./processes.ts";
import { startWorker } from "./worker.ts";

const GITHUB = "https://github.acme.example";
const SECRET = "a-webhook-secret-of-forty-characters-now";
const data = mkdtempSync(join(tmpdir(), "errand-setup-"));
const lines: string[] = [];
let worker: Child;
let browser: Browser;
let api: Server;
let origin = "";

beforeAll(async () => {
  const pem = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs1", format: "pem" });
  const made = {
    id: 4711,
    slug: "errand-ada",
    name: "errand-ada",
    owner: { login: "acme", type: "Organization" },
    pem,
    webhook_secret: SECRET,
  };
  api = createServer((request, response) => {
    request.resume();
    const known = request.method === "POST" && request.url === "/app-manifests/0123456789abcdef0123/conversions";
    response.writeHead(known ? 201 : 404, { "content-type": "application/json" }).end(JSON.stringify(known ? made : {}));
  });
  await new Promise<void>((done) => api.listen(0, "127.0.0.1", done));
  const port = await freePorts();
  origin = `http://127.0.0.1:${port}`;
  const vars = {
    PUBLIC_ORIGIN: origin,
    LOCAL_OWNER: "ada",
    GITHUB_WEB_URL: GITHUB,
    GITHUB_API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
  };
  mkdirSync(ARTEFACTS, { recursive: true });
  [worker, browser] = await Promise.all([
    startWorker({ root: resolve(import.meta.dirname, ".."), data, port, vars, onLine: (line) => lines.push(line) }),
    launchBrowser(),
  ]);
});
afterAll(async () => {
  await browser?.close();
  await worker?.stop();
  api?.close();
  rmSync(data, { recursive: true, force: true });
});

/** Answers GitHub's pages: the one that takes a manifest, and its button, which leads back. */
async function answerAsGitHub(context: BrowserContext, posted: URL[], manifests: string[]): Promise<void> {
  await context.route(`${GITHUB}/**`, async (route) => {
    const request = route.request();
    const url = new URL(request.url());
    const state = url.searchParams.get("state");
    if (url.pathname !== "/create") {
      posted.push(url);
      manifests.push(new URLSearchParams(request.postData() ?? "").get("manifest") ?? "");
      const body = `<form method="post" action="/create?state=${state}"><button>Create GitHub App</button></form>`;
      return route.fulfill({ contentType: "text/html", body });
    }
    const location = `${JSON.parse(manifests.at(-1) ?? "{}").redirect_url}?code=0123456789abcdef0123&state=${state}`;
    return route.fulfill({ status: 302, headers: { location } });
  });
}

const shot = (page: Page, name: string) => page.screenshot({ path: join(ARTEFACTS, `setup-${name}.png`), fullPage: true });
const fits = (page: Page) => page.evaluate("document.documentElement.scrollWidth <= innerWidth");

it.each([
  ["wide", { width: 1100, height: 900 }, "light"],
  ["phone", { width: 390, height: 844 }, "dark"],
] as const)("from the form to the keys, %s", async (name, viewport, colorScheme) => {
  const context = await browser.newContext({ viewport, colorScheme });
  const [posted, manifests, wrong]: [URL[], string[], string[]] = [[], [], []];
  try {
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin });
    await answerAsGitHub(context, posted, manifests);
    const page = await context.newPage();
    page.on("pageerror", (error) => wrong.push(error.message));
    page.on("console", (message) => void (/Content Security Policy/.test(message.text()) && wrong.push(message.text())));

    await page.goto(`${origin}/setup/github`);
    expect(await fits(page)).toBe(true);
    await shot(page, `${name}-form`);
    await page.fill("#owner", "acme");
    await page.fill("#webhook", origin);
    await page.click("button[type=submit]");
    await expect.poll(() => page.textContent(".mistakes")).toContain("that is this machine itself");
    await page.fill("#webhook", "https://smee.io/AbCdEfGh");
    await page.click("button[type=submit]");

    await page.click("text=Create GitHub App");
    await page.waitForSelector("h1:has-text('errand-ada is registered')");
    expect(posted.map(({ origin, pathname }) => origin + pathname)).toEqual([`${GITHUB}/organizations/acme/settings/apps/new`]);
    expect(JSON.parse(manifests[0] ?? "")).toMatchObject({ name: "errand-ada", hook_attributes: { url: "https://smee.io/AbCdEfGh" } });
    expect(await fits(page)).toBe(true);
    await page.click("button[data-copy=env]");
    const copied = String(await page.evaluate("navigator.clipboard.readText()"));
    expect(copied).toContain(`ERRAND_GITHUB_WEBHOOK_SECRET='${SECRET}'\n`);
    expect(copied).toMatch(/^ERRAND_GITHUB_PRIVATE_KEY='-----BEGIN PRIVATE KEY-----\\n.*-----END PRIVATE KEY-----'$/m);
    await page.click("summary");
    await shot(page, `${name}-keys`);

    await page.reload();
    await page.waitForSelector("h1:has-text('can’t be ended here')");
    expect(await page.content()).not.toContain(SECRET);
    await shot(page, `${name}-again`);
    expect(wrong).toEqual([]);
    expect(lines.join("\n")).not.toMatch(new RegExp(`${SECRET}|BEGIN PRIVATE|0123456789abcdef0123`));
  } finally {
    await context.close();
  }
});
