/**
 * The built page in a real browser, behind a proxy that strips a path prefix and says who may drive, as the gateway does, with a real X
 * server: it paints, takes keys, fits the window, shares the clipboard, comes back after the X server died; and who looks on changes
 * nothing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { partsFolder } from "../image/install/folder.mjs";
import { type PartName, partsReport } from "../image/report.ts";
import { buildRuntime } from "../image/runtime.mjs";

/** What the proxy says of each prefix. `/cheat` is a page that believes to drive, on the connection of somebody who looks on. */
const MODES: Record<string, { page: string; socket: string }> = {
  "/desktop": { page: "drive", socket: "drive" },
  "/watch": { page: "watch", socket: "watch" },
  "/cheat": { page: "drive", socket: "watch" },
};
const soon = { timeout: 20_000, interval: 200 };
const folder = mkdtempSync(join(tmpdir(), "errand-desktop-real-"));
const rfbSocket = join(folder, "rfb.sock");
const running: ChildProcess[] = [];
let browser: Browser;
let proxy: Server;
let page: Page;

function program(name: PartName): string {
  const part = partsReport(partsFolder(process.env))[name];
  if (!part.available) throw new Error(`this test needs ${name}: ${part.reason}`);
  return part.path;
}

function start(command: string, args: string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(command, args, {
    env: { PATH: "/usr/bin:/bin", HOME: folder, LANG: "C.UTF-8", ...env },
    stdio: ["ignore", "pipe", "ignore"],
  });
  running.push(child);
  return child;
}

/** The first line that a program writes. */
async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("no output to read");
  const [line] = await once(createInterface(child.stdout), "line");
  return String(line);
}

/** Starts an X server with a window on it; returns it with its display, which it chooses itself. */
async function startDisplay(): Promise<{ server: ChildProcess; display: string }> {
  const server = start(program("Xvnc"), [
    ...["-displayfd", "1", "-geometry", "800x600", "-depth", "24", "-SecurityTypes", "None", "-AlwaysShared", "-desktop", "errand"],
    ...["-rfbunixpath", rfbSocket, "-rfbunixmode", "0600", "-rfbport", "-1"],
  ]);
  const display = `:${await firstLine(server)}`;
  start(program("openbox"), [], { DISPLAY: display });
  // xterm's own way to set a selection (OSC 52) stands for a program that copies.
  start(program("xterm"), ["-geometry", "80x24+40+40", "-xrm", "XTerm*allowWindowOps: true", "-e", "/bin/sh"], { DISPLAY: display });
  return { server, display };
}

/** Forwards `/desktop/x` as `/x`, as the gateway does, with its word on who may drive. */
function startProxy(port: number): Server {
  const parts = ({ url = "/" }: IncomingMessage) => {
    const [, prefix = "", path = "/"] = /^(\/[a-z]+)(.*)$/.exec(url) ?? [];
    return { path, mode: MODES[prefix] };
  };
  const server = createServer((from, to) => {
    const { path, mode } = parts(from);
    const headers = { ...from.headers, "x-errand-mode": mode?.page };
    const forward = request({ host: "127.0.0.1", port, path, headers }, (response) => {
      to.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(to);
    });
    from.pipe(forward);
  });
  server.on("upgrade", (from: IncomingMessage, socket: Socket) => {
    const { path, mode } = parts(from);
    const upstream = connect(port, "127.0.0.1");
    const lines = Object.entries({ ...from.headers, "x-errand-mode": mode?.socket }).map(([name, value]) => `${name}: ${String(value)}`);
    upstream.write(`GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    for (const [one, other] of [
      [upstream, socket],
      [socket, upstream],
    ] as const) {
      one.pipe(other);
      one.on("error", () => other.destroy());
    }
  });
  return server.listen(0, "127.0.0.1");
}

/** How many different colours the page's canvas shows. */
function coloursOnCanvas(of = page): Promise<number> {
  return of.evaluate<number>(`(() => {
    const canvas = document.querySelector("canvas");
    const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return new Set(pixels).size;
  })()`);
}

beforeAll(async () => {
  const { out } = await buildRuntime({ out: join(folder, "runtime"), partial: true });
  const desktop = start(process.execPath, [join(out, "desktop.mjs")], { ERRAND_DESKTOP_PORT: "0", ERRAND_RFB_SOCKET: rfbSocket });
  const port = Number(/:(\d+)$/.exec(await firstLine(desktop))?.[1]);
  proxy = startProxy(port);
  await once(proxy, "listening");
  browser = await chromium.launch({ executablePath: program("chromium"), args: ["--no-sandbox"] });
  page = await browser.newPage({ viewport: { width: 1000, height: 640 } });
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  mkdirSync("artefacts", { recursive: true });
});

afterAll(async () => {
  await browser?.close();
  proxy?.close();
  proxy?.closeAllConnections();
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

test("waits for the desktop, paints it, takes keys, fits the window, and returns after a cut", async () => {
  // An earlier try of this test may have left its display running.
  for (const child of running.splice(1)) child.kill("SIGKILL");
  await page.setViewportSize({ width: 1000, height: 640 });
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  const notice = page.locator("#notice");

  await page.goto(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}/desktop/`);
  await expect.poll(() => notice.textContent(), soon).toMatch(/not running yet.*Trying again in \d+ s/);
  const first = await startDisplay();
  await notice.waitFor({ state: "hidden", timeout: 30_000 });
  await expect.poll(() => coloursOnCanvas(), soon).toBeGreaterThan(4);

  const proof = join(folder, "typed");
  rmSync(proof, { force: true });
  await expect
    .poll(async () => {
      // The first click may come before the window has: what is painted by then is the desktop behind it.
      await page.locator("canvas").click({ position: { x: 200, y: 200 } });
      await page.keyboard.type(`touch ${proof}\n`);
      return existsSync(proof);
    }, soon)
    .toBe(true);
  await expect.poll(() => page.evaluate("document.querySelector('canvas').width"), soon).toBe(1000);
  await page.setViewportSize({ width: 1200, height: 700 });
  await expect.poll(() => page.evaluate("document.querySelector('canvas').width"), soon).toBe(1200);
  expect(await page.title()).toBe("errand – desktop");
  await page.screenshot({ path: "artefacts/desktop.png" });

  first.server.kill("SIGKILL");
  await notice.waitFor({ state: "visible" });
  await page.screenshot({ path: "artefacts/desktop-gone.png" });
  await startDisplay();
  await notice.waitFor({ state: "hidden", timeout: 60_000 });
  await expect.poll(() => coloursOnCanvas(), soon).toBeGreaterThan(4);
  expect(problems).toEqual([]);
});

/** Opens the desktop in a window of its own, and waits until it shows. */
async function open(prefix: string, viewport = { width: 1000, height: 640 }): Promise<Page> {
  const context = await browser.newContext({ viewport });
  const opened = await context.newPage();
  await opened.goto(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}${prefix}/`);
  await opened.locator("#notice").waitFor({ state: "hidden", timeout: 30_000 });
  await expect.poll(() => coloursOnCanvas(opened), soon).toBeGreaterThan(4);
  return opened;
}

/** Types a command into the desktop's xterm until its effect is there. A shell that is still starting loses some of the keys: each attempt leaves behind what the one before typed. */
async function run(on: Page, command: string, isDone: () => boolean | Promise<boolean>): Promise<void> {
  await expect
    .poll(async () => {
      await on.locator("canvas").click({ position: { x: 200, y: 200 } });
      await on.keyboard.press("Control+C");
      await on.keyboard.type(`${command}\n`);
      await on.waitForTimeout(300);
      return isDone();
    }, soon)
    .toBe(true);
}
const width = (of: Page) => of.evaluate<number>("document.querySelector('canvas').width");
const clipboardOf = (of: Page) => of.locator("#clipboard-text").inputValue();

test("shares the clipboard with this device, by itself and by the panel", async () => {
  for (const child of running.splice(1)) child.kill("SIGKILL");
  await startDisplay();
  await page.setViewportSize({ width: 1000, height: 640 });
  await page.goto(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}/desktop/`);
  await page.locator("#notice").waitFor({ state: "hidden", timeout: 30_000 });
  const proof = join(folder, "pasted");

  const copied = Buffer.from("copied on the desktop – ü").toString("base64");
  await run(
    page,
    `printf '\\033]52;c;${copied}\\a'`,
    async () => (await page.evaluate("navigator.clipboard.readText()")) === "copied on the desktop – ü",
  );

  await page.locator("#clipboard-toggle").click();
  expect(await clipboardOf(page)).toBe("copied on the desktop – ü");
  await page.screenshot({ path: "artefacts/desktop-clipboard.png" });
  await page.locator("#clipboard-text").fill(`touch ${proof}`);
  await page.getByRole("button", { name: "Put on the desktop's clipboard" }).click();
  await page.locator("#clipboard-note", { hasText: "It is on the desktop's clipboard." }).waitFor();
  await page.locator("#clipboard-text").press("Escape");
  await expect
    .poll(async () => {
      await page.locator("canvas").click({ position: { x: 200, y: 200 } });
      await page.keyboard.press("Shift+Insert");
      await page.keyboard.press("Enter");
      return existsSync(proof);
    }, soon)
    .toBe(true);

  // What was copied on this device meanwhile is on the desktop when somebody comes back.
  rmSync(proof);
  await page.evaluate(`navigator.clipboard.writeText("touch ${proof}")`);
  await page.evaluate("window.dispatchEvent(new Event('focus'))");
  await expect.poll(() => clipboardOf(page), soon).toBe(`touch ${proof}`);

  await page.setViewportSize({ width: 360, height: 640 });
  await page.locator("#clipboard-toggle").click();
  const box = await page.locator("#clipboard").boundingBox();
  expect(box && box.x >= 0 && box.x + box.width <= 360).toBe(true);
  await page.screenshot({ path: "artefacts/desktop-clipboard-phone.png" });
  await page.locator("#clipboard-text").press("Escape");
  // A page that is still there would fit the next screen to itself.
  await page.context().close();
});

test("who looks on sees everything, is told so, and changes nothing: not even with a page that cheats", async () => {
  for (const child of running.splice(1)) child.kill("SIGKILL");
  await startDisplay();
  const driver = await open("/desktop");
  await expect.poll(() => width(driver), soon).toBe(1000);
  const watcher = await open("/watch", { width: 500, height: 400 });
  const cheat = await open("/cheat", { width: 700, height: 500 });
  expect(await watcher.locator("#view-only").isVisible()).toBe(true);
  expect(await watcher.locator("#clipboard-toggle").isVisible()).toBe(false);
  expect(await driver.locator("#view-only").isVisible()).toBe(false);
  expect(await cheat.locator("#clipboard-toggle").isVisible()).toBe(true);
  await watcher.screenshot({ path: "artefacts/desktop-watching.png" });

  // The screen stands still: only then is an unchanged picture worth something.
  await run(driver, `clear; touch ${join(folder, "driven")}`, () => existsSync(join(folder, "driven")));
  await driver.mouse.move(900, 600);
  const picture = () => driver.evaluate<string>("document.querySelector('canvas').toDataURL()");
  await driver.waitForTimeout(500);
  const before = await picture();
  const proof = join(folder, "by-watcher");
  for (const guest of [watcher, cheat]) {
    const canvas = guest.locator("canvas");
    // A press on the window's content, keys; then the window manager's menu, which a press of the right button beside it opens.
    await canvas.click({ position: { x: 200, y: 200 }, force: true });
    await guest.keyboard.type(`touch ${proof}\n`);
    await canvas.click({ position: { x: 480, y: 380 }, button: "right", force: true });
    await guest.mouse.wheel(0, 200);
    await guest.setViewportSize({ width: 640, height: 480 });
    await guest.waitForTimeout(700);
    expect(existsSync(proof)).toBe(false);
    expect(await width(driver)).toBe(1000);
    expect(await picture()).toBe(before);
  }
  await cheat.locator("#clipboard-toggle").click();
  await cheat.locator("#clipboard-text").fill("from somebody who looks on");
  await cheat.getByRole("button", { name: "Put on the desktop's clipboard" }).click();
  await cheat.waitForTimeout(700);
  await driver.locator("#clipboard-toggle").click();
  expect(await clipboardOf(driver)).toBe("");
  await driver.locator("#clipboard-text").press("Escape");

  // And the same by somebody who may.
  await driver.locator("canvas").click({ position: { x: 900, y: 600 }, button: "right" });
  await expect.poll(async () => (await picture()) !== before, soon).toBe(true);
  await driver.keyboard.press("Escape");
  await run(driver, `touch ${proof}`, () => existsSync(proof));
  await driver.setViewportSize({ width: 1100, height: 700 });
  for (const one of [driver, watcher]) await expect.poll(() => width(one), soon).toBe(1100);
  for (const one of [driver, watcher, cheat]) await one.context().close();
});
