/** The gateway as people meet it: the real services behind it, a real browser before it. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Service } from "../../protocol/grant.ts";
import { type Door, openDoor } from "./browser.ts";
import { type Services, startServices } from "./services.ts";

const SOON = { timeout: 15_000 };
let services: Services;
let door: Door;
const pages: Partial<Record<Service, Page>> = {};

beforeAll(async () => {
  services = await startServices();
  door = await openDoor({ upstreams: services.upstreams, landing: { vscode: `/?folder=${services.workspace}` } });
  mkdirSync("artefacts", { recursive: true });
});
afterAll(async () => {
  await door?.close();
  await services?.close();
});

async function open(service: Service): Promise<Page> {
  const page = await door.open(service);
  pages[service] = page;
  return page;
}
const statusOf = (page: Page | undefined, path: string) => page?.evaluate((to) => fetch(to).then((response) => response.status), path);

test("VS Code opens the workspace, and edits reach the disk", async () => {
  const page = await open("vscode");
  expect(page.url()).toBe(`${door.sites.ide}/vscode/?folder=${services.workspace}`);
  expect(await page.evaluate<string>("document.referrer")).not.toContain("token");
  await page.locator(".explorer-folders-view").getByText("hello.txt").dblclick({ timeout: 60_000 });
  const text = page.locator(".editor-instance .view-lines").first();
  await expect.poll(() => text.textContent(), { timeout: 30_000 }).toContain("written");
  await text.click();
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("Edited and ");
  await expect.poll(() => text.textContent(), { timeout: 15_000 }).toContain("Edited");
  await page.keyboard.press("Control+S");
  await expect.poll(() => readFileSync(join(services.workspace, "hello.txt"), "utf8"), { timeout: 15_000 }).toMatch(/^Edited and written/);
  await page.screenshot({ path: "artefacts/gateway-vscode.png" });
  expect(door.refusals.filter((line) => !/^404 .*vsda/.test(line))).toEqual([]);
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

const colours = (page: Page) =>
  page.evaluate<number>(`(() => {
    const canvas = document.querySelector("canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(new Uint32Array(pixels.buffer)).size;
  })()`);

test("the desktop paints", async () => {
  const page = await open("desktop");
  await page.locator("canvas").first().waitFor({ timeout: 30_000 });
  await expect.poll(() => colours(page), { timeout: 30_000 }).toBeGreaterThan(1);
  await page.screenshot({ path: "artefacts/gateway-desktop.png" });
});

test("OpenCode's own page works at its own origin: a session, its events, a terminal in it", async () => {
  const page = await open("opencode");
  const failures: string[] = [];
  page.on("pageerror", (error) => failures.push(error.message));
  const { workspace } = services;
  const made = await page.evaluate(async (folder) => {
    const options = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    const response = await fetch(`/session?directory=${encodeURIComponent(folder)}`, options);
    return (await response.json()) as { id: string };
  }, workspace);
  await page.goto(`${door.sites.opencode}/${Buffer.from(workspace).toString("base64url")}/session/${made.id}`);
  await page.getByText("Ask anything").waitFor({ timeout: 30_000 });
  await page.keyboard.press("Control+Backquote");
  await expect.poll(() => door.sockets.some((socket) => /opencode-.*\/pty\//.test(socket.url())), { timeout: 30_000 }).toBe(true);
  // Typed again until its page is ready to take it.
  const typed = async () => {
    await page.keyboard.type("echo $((6*7)) > opencode.txt\n");
    await page.waitForTimeout(1_000);
    return existsSync(join(workspace, "opencode.txt"));
  };
  await expect.poll(typed, { timeout: 60_000, interval: 2_000 }).toBe(true);
  await page.screenshot({ path: "artefacts/gateway-opencode.png" });
  const first = await page.evaluate(async () => {
    const reader = (await fetch("/event")).body?.getReader();
    return new TextDecoder().decode((await reader?.read())?.value);
  });
  expect(first).toContain("server.connected");
  expect([failures, door.refusals.filter((line) => line.includes("opencode-"))]).toEqual([[], []]);
});

test("nothing of OpenCode's credentials is reached, and neither origin has the other's services", async () => {
  const put = (path: string) =>
    pages.opencode?.evaluate(
      (to) =>
        fetch(to, { method: "PUT", headers: { "content-type": "application/json" }, body: '{"type":"api","key":"planted"}' }).then(
          (response) => response.status,
        ),
      path,
    );
  for (const path of ["/auth/openai", "/AUTH/openai", "/%61uth/openai", "/auth//openai", "/auth/openai;x", "/auth/openai/"])
    expect([path, await put(path)]).toEqual([path, 404]);
  expect(existsSync(join(services.home, ".local/share/opencode/auth.json"))).toBe(false);
  for (const path of ["/vscode/", "/desktop/", "/terminal/", "/terminal/token"]) {
    // OpenCode answers what it does not know with its own page.
    const text = await pages.opencode?.evaluate((to) => fetch(to).then((response) => response.text()), path);
    expect(text).toContain("<title>OpenCode</title>");
  }
  for (const path of ["/opencode/", "/opencode/session", "/session"])
    expect([path, await statusOf(pages.vscode, path)]).toEqual([path, 404]);
});

test("80: all of them stay usable beside each other", async () => {
  for (const [service, path] of [
    ["vscode", "/vscode/healthz"],
    ["terminal", "/terminal/token"],
    ["desktop", "/desktop/healthz"],
    ["opencode", "/session"],
  ] as const) {
    expect([service, await statusOf(pages[service], path)]).toEqual([service, 200]);
  }
  const { ide, opencode } = door.sites;
  const cookies = await door.context.cookies([ide, opencode ?? ide]);
  const ours = cookies.filter((cookie) => cookie.name.includes("errand"));
  expect(ours.map((cookie) => [cookie.name, cookie.domain, cookie.httpOnly, cookie.secure, cookie.sameSite]).sort()).toEqual(
    ["desktop", "opencode", "terminal", "vscode"].map((service) => [
      `__Host-errand-${service}-abcdefgh`,
      new URL(service === "opencode" ? (opencode ?? "") : ide).hostname,
      ...[true, true, "Lax"],
    ]),
  );
});

test("who watches the terminal sees it and changes nothing", async () => {
  door.grants = { sub: "bob", mode: "watch" };
  const bob = await door.newcomer();
  const page = await door.open("terminal", undefined, bob);
  const seen = page.locator(".xterm");
  await seen.waitFor({ timeout: 30_000 });
  await pages.terminal?.bringToFront();
  await pages.terminal?.keyboard.type("clear; echo shown-to-$((40+2))\n");
  // ttyd paints on a canvas; its page keeps the terminal, with what it shows, in `term`.
  const screen = `(() => { const { active } = window.term.buffer; return Array.from({ length: active.length }, (_, at) => active.getLine(at).translateToString(true)).join("\\n"); })()`;
  await expect.poll(() => page.evaluate<string>(screen), { timeout: 15_000 }).toContain("shown-to-42");
  await page.bringToFront();
  await seen.click();
  await page.keyboard.type("echo $((6*7)) > watched.txt\n");
  await page.waitForTimeout(2_000);
  expect(existsSync(join(services.workspace, "watched.txt"))).toBe(false);
  expect(await page.evaluate(() => fetch("/terminal/token", { method: "POST" }).then((response) => response.status))).toBe(403);
  for (const path of ["/vscode/", "/desktop/"]) expect([path, await statusOf(page, path)]).toEqual([path, 401]);
  door.grants = {};
});

test("whose right was taken away is put out by the next answer; a reload goes by the Worker again", async () => {
  const before = door.asked.length;
  const page = pages.terminal;
  const who = () => door.gateway.heard.findLast((message) => message.t === "guests");
  const places = () => who()?.guests.map(({ sub, mode, admin }) => `${sub} ${mode} ${admin}`) ?? [];
  await expect.poll(places, { timeout: 40_000 }).toEqual(expect.arrayContaining(["ada drive false", "bob watch false"]));
  door.gateway.say({ t: "guests", id: who()?.id ?? 0, gone: [places().indexOf("ada drive false")] });
  await expect.poll(() => statusOf(page, "/terminal/token"), SOON).toBe(401);
  // Bob's stays open.
  await expect.poll(() => door.sockets.filter((socket) => !socket.isClosed() && socket.url().includes("/terminal/")).length, SOON).toBe(1);
  expect(await statusOf(pages.opencode, "/session")).toBe(401);
  await page?.screenshot({ path: "artefacts/gateway-revoked.png" });
  await page?.reload();
  await page?.locator(".xterm").waitFor();
  expect([page?.url(), door.asked.length]).toEqual([`${door.sites.ide}/terminal/`, before + 1]);
});

test("a revocation cuts at once", async () => {
  door.gateway.say({ t: "revoke", sub: "ada" });
  await expect.poll(() => statusOf(pages.terminal, "/terminal/token"), SOON).toBe(401);
});

test("what it told the supervisor, and its end with the channel", async () => {
  for (const service of ["vscode", "desktop", "terminal", "opencode"] as const) {
    expect(door.gateway.heard).toContainEqual({ t: "open", service });
    expect(door.gateway.heard.filter((message) => message.t === "used" && message.service === service).length).toBeGreaterThan(0);
  }
  const gone = new Promise((resolve) => door.gateway.child.once("exit", resolve));
  door.gateway.child.disconnect();
  expect(await gone).toBe(1);
  await expect(fetch(`http://127.0.0.1:${door.gateway.port}/_errand/health`)).rejects.toThrow();
});
