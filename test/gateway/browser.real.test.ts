/** The gateway as people meet it: the real services behind it, a real browser before it, and pages that mean harm. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from "jose";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GRANT_PATH, GRANT_TYP, ROUTES, type Service } from "../../protocol/grant.ts";
import { partsFolder } from "../../sandbox/image/install/folder.mjs";
import { partsReport } from "../../sandbox/image/report.ts";
import { type GatewayProcess, type Services, startGatewayProcess, startServices } from "./services.ts";

const SESSION = "abcdefghijklmnopqrstuvwxyz";
let services: Services;
let gateway: GatewayProcess;
let origin: string;
let worker: { server: Server; origin: string };
/** A page of another port on the same host (same-site), and one of another site. */
let hostile: { server: Server; sibling: string; elsewhere: string };
let context: BrowserContext;
let key: CryptoKey;
let opens = 0;

async function serve(
  page: (path: string) => Promise<{ html: string; headers?: Record<string, string> }>,
): Promise<{ server: Server; port: number }> {
  const server = createServer(async (req, res) => {
    const { html, headers } = await page(req.url ?? "/");
    res.writeHead(200, { "content-type": "text/html", ...headers }).end(html);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server, port: address.port };
}

/** What the Worker answers to `/s/<session>/open/<service>`: a form that posts a fresh grant. */
async function handOver(path: string) {
  opens++;
  const service = path.split("/").at(-1) ?? "";
  const iat = Math.floor(Date.now() / 1000);
  const token = await new SignJWT({
    svc: service,
    jti: randomBytes(16).toString("hex"),
    iss: worker.origin,
    aud: SESSION,
    sub: "ada",
    iat,
    exp: iat + 60,
  })
    .setProtectedHeader({ alg: "ES256", kid: "k1", typ: GRANT_TYP })
    .sign(key);
  return {
    html: `<form method="post" action="${origin}${GRANT_PATH}"><input name="token" value="${token}"></form><script nonce="n">document.forms[0].submit()</script>`,
    headers: {
      "referrer-policy": "strict-origin",
      "content-security-policy": `default-src 'none'; script-src 'nonce-n'; form-action ${origin}; frame-ancestors 'none'`,
    },
  };
}

beforeAll(async () => {
  services = await startServices();
  const pair = await generateKeyPair("ES256");
  key = pair.privateKey;
  const { x = "", y = "" } = await exportJWK(pair.publicKey);
  const { server, port } = await serve(handOver);
  worker = { server, origin: `http://127.0.0.1:${port}` };
  gateway = await startGatewayProcess({
    t: "config",
    session: SESSION,
    workerOrigin: worker.origin,
    grantKeys: [{ kid: "k1", kty: "EC", crv: "P-256", x, y }],
    publicOrigin: null,
    listen: { port: 0, host: "127.0.0.1", socket: null },
    upstreams: services.upstreams,
    landing: { vscode: `/?folder=${services.workspace}` },
    local: true,
  });
  origin = `http://127.0.0.1:${gateway.port}`;
  gateway.say({ t: "origin", publicOrigin: origin });
  const other = await serve(async () => ({ html: "<title>hostile</title>" }));
  hostile = { server: other.server, sibling: `http://127.0.0.1:${other.port}`, elsewhere: `http://localhost:${other.port}` };
  const part = partsReport(partsFolder(process.env)).chromium;
  if (!part.available) throw new Error(`chromium is needed: ${part.reason}`);
  const browser = await chromium.launch({ executablePath: part.path, args: ["--no-sandbox"] });
  context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
  mkdirSync("artefacts", { recursive: true });
});

afterAll(async () => {
  await context?.browser()?.close();
  await gateway?.close();
  for (const server of [worker?.server, hostile?.server]) server?.close();
  await services?.close();
});

const pages: Partial<Record<Service, Page>> = {};
/** Refusals of the gateway that the page ran into. */
const refusals: string[] = [];

async function open(service: Service): Promise<Page> {
  const page = await context.newPage();
  pages[service] = page;
  page.on("response", (response) => {
    const status = response.status();
    if (response.url().startsWith(origin) && status >= 400) refusals.push(`${status} ${response.url().slice(origin.length).split("?")[0]}`);
  });
  await page.goto(`${worker.origin}/s/${SESSION}/open/${service}`);
  await page.waitForURL(`${origin}${ROUTES[service]}/**`);
  return page;
}

test("VS Code opens the workspace, and edits reach the disk", async () => {
  const page = await open("vscode");
  expect(page.url()).toBe(`${origin}/vscode/?folder=${services.workspace}`);
  expect(await page.evaluate<string>("document.referrer")).not.toContain("token");
  await page.locator(".explorer-folders-view").getByText("hello.txt").dblclick({ timeout: 60_000 });
  const text = page.locator(".editor-instance .view-lines").first();
  await expect.poll(() => text.textContent(), { timeout: 30_000 }).toContain("written");
  await text.click();
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("Edited and ");
  await page.keyboard.press("Control+S");
  await expect.poll(() => readFileSync(join(services.workspace, "hello.txt"), "utf8")).toMatch(/^Edited and written/);
  await page.screenshot({ path: "artefacts/gateway-vscode.png" });
  expect(refusals.filter((line) => !/^404 .*vsda/.test(line))).toEqual([]);
  const scopes = "navigator.serviceWorker.getRegistrations().then((all) => all.map((one) => new URL(one.scope).pathname))";
  for (const scope of await page.evaluate<string[]>(scopes)) expect(scope).toMatch(/^\/vscode\//);
});

test("the terminal runs what is typed", async () => {
  const page = await open("terminal");
  await page.locator(".xterm-helper-textarea").waitFor({ state: "attached", timeout: 30_000 });
  await page.waitForTimeout(1_000);
  await page.locator(".xterm").click();
  await page.keyboard.type("echo $((6*7)) > typed.txt\n");
  await expect.poll(() => existsSync(join(services.workspace, "typed.txt")), { timeout: 15_000 }).toBe(true);
  await page.screenshot({ path: "artefacts/gateway-terminal.png" });
});

test("the desktop paints", async () => {
  const page = await open("desktop");
  await page.locator("canvas").first().waitFor({ timeout: 30_000 });
  await expect
    .poll(
      () =>
        page.evaluate<number>(`(() => {
          const canvas = document.querySelector("canvas");
          const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          return new Set(new Uint32Array(pixels.buffer)).size;
        })()`),
      { timeout: 30_000 },
    )
    .toBeGreaterThan(1);
  await page.screenshot({ path: "artefacts/gateway-desktop.png" });
});

test("OpenCode's API answers, its password stays inside", async () => {
  const page = await open("opencode");
  expect(await page.evaluate(() => fetch("/opencode/session").then((response) => response.json()))).toEqual([]);
  const made = await page.evaluate(() =>
    fetch("/opencode/session", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" }).then((response) =>
      response.json(),
    ),
  );
  expect(made).toHaveProperty("id");
  expect(await page.evaluate(() => fetch("/opencode/assets/x.js").then((response) => response.status))).toBe(404);
  const first = await page.evaluate(async () => {
    const reader = (await fetch("/opencode/event")).body?.getReader();
    return new TextDecoder().decode((await reader?.read())?.value);
  });
  expect(first).toContain("server.connected");
});

test("80: all of them stay usable beside each other", async () => {
  for (const [service, path] of [
    ["vscode", "/vscode/healthz"],
    ["terminal", "/terminal/token"],
    ["desktop", "/desktop/healthz"],
    ["opencode", "/opencode/session"],
  ] as const) {
    expect([service, await pages[service]?.evaluate((to) => fetch(to).then((response) => response.status), path)]).toEqual([service, 200]);
  }
  const cookies = await context.cookies(origin);
  expect(cookies.map((cookie) => [cookie.name, cookie.httpOnly, cookie.secure, cookie.sameSite]).sort()).toEqual(
    ["desktop", "opencode", "terminal", "vscode"].map((service) => [`__Host-errand-${service}-abcdefgh`, true, true, "Lax"]),
  );
});

/** What a hostile page tries, all with the browser's cookies. Its result says what it got. */
const ATTACKS = `(async (to) => {
  const socket = await new Promise((resolve) => {
    const ws = new WebSocket(to.replace("http", "ws") + "/terminal/ws", ["tty"]);
    ws.onopen = () => resolve("open");
    ws.onerror = () => resolve("refused");
  });
  const read = await fetch(to + "/vscode/", { credentials: "include" }).then((response) => response.status, () => "refused");
  await fetch(to + "/opencode/session", { method: "POST", credentials: "include", mode: "no-cors", body: "{}" }).catch(() => {});
  const image = await new Promise((resolve) => {
    const img = new Image();
    img.onload = () => resolve("loaded");
    img.onerror = () => resolve("refused");
    img.src = to + "/vscode/_static/src/browser/media/favicon.svg";
  });
  document.cookie = "__Host-errand-terminal-abcdefgh=tossed; Path=/; Secure";
  const frame = document.createElement("iframe");
  frame.src = to + "/terminal/";
  await new Promise((resolve) => {
    frame.onload = resolve;
    document.body.append(frame);
  });
  return { socket, read, image };
})`;

test("78, 79: pages of a sibling and of another site get nothing", async () => {
  for (const [from, status] of [
    [hostile.sibling, 403],
    [hostile.elsewhere, 401],
  ] as const) {
    const page = await context.newPage();
    await page.goto(from);
    const answers: [string, number][] = [];
    page.on("response", (response) => answers.push([new URL(response.url()).pathname, response.status()]));
    expect(await page.evaluate(`${ATTACKS}(${JSON.stringify(origin)})`)).toEqual({ socket: "refused", read: "refused", image: "refused" });
    // Playwright shows the frame's answer alone. A same-site page's requests carry the cookie: only where they come from stops them.
    expect(answers).toEqual([["/terminal/", status]]);
    await page.close();
  }
  const sessions = await pages.opencode?.evaluate(() => fetch("/opencode/session").then((response) => response.json()));
  expect(sessions).toHaveLength(1);
  expect(await pages.terminal?.evaluate(() => fetch("/terminal/token").then((response) => response.status))).toBe(200);
});

test("a revocation cuts the terminal; a reload goes by the Worker again", async () => {
  const before = opens;
  const page = pages.terminal;
  const shell = page?.locator(".xterm");
  gateway.say({ t: "revoke", sub: "ada" });
  await expect.poll(() => page?.evaluate(() => fetch("/terminal/token").then((response) => response.status))).toBe(401);
  await page?.screenshot({ path: "artefacts/gateway-revoked.png" });
  // A grant of the same second as the revocation would be refused.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  await page?.reload();
  await shell?.waitFor();
  expect([page?.url(), opens]).toEqual([`${origin}/terminal/`, before + 1]);
});

test("what it told the supervisor, and its end with the channel", async () => {
  for (const service of ["vscode", "desktop", "terminal", "opencode"] as const) {
    expect(gateway.heard).toContainEqual({ t: "open", service });
    expect(gateway.heard.filter((message) => message.t === "used" && message.service === service).length).toBeGreaterThan(0);
  }
  const gone = new Promise((resolve) => gateway.child.once("exit", resolve));
  gateway.child.disconnect();
  expect(await gone).toBe(1);
  await expect(fetch(`${origin}/_errand/health`)).rejects.toThrow();
});
