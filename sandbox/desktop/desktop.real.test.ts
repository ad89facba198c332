/**
 * The built page in a real browser, behind a proxy that strips a path prefix, with a real X server: it paints, takes keys, fits the
 * window, and comes back after the X server died.
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

const PREFIX = "/desktop";
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
  const child = spawn(command, args, { env: { PATH: "/usr/bin:/bin", HOME: folder, ...env }, stdio: ["ignore", "pipe", "ignore"] });
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
  start(program("xterm"), ["-geometry", "80x24+40+40", "-e", "/bin/sh"], { DISPLAY: display });
  return { server, display };
}

/** Forwards `/desktop/x` as `/x`, as the gateway does. */
function startProxy(port: number): Server {
  const stripped = ({ url = "/" }: IncomingMessage) => url.slice(PREFIX.length);
  const server = createServer((from, to) => {
    const forward = request({ host: "127.0.0.1", port, path: stripped(from), headers: from.headers }, (response) => {
      to.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(to);
    });
    from.pipe(forward);
  });
  server.on("upgrade", (from: IncomingMessage, socket: Socket) => {
    const upstream = connect(port, "127.0.0.1");
    const lines = Object.entries(from.headers).map(([name, value]) => `${name}: ${String(value)}`);
    upstream.write(`GET ${stripped(from)} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
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
function coloursOnCanvas(): Promise<number> {
  return page.evaluate<number>(`(() => {
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

  await page.goto(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}${PREFIX}/`);
  await expect.poll(() => notice.textContent(), soon).toMatch(/not running yet.*Trying again in \d+ s/);
  const first = await startDisplay();
  await notice.waitFor({ state: "hidden", timeout: 30_000 });
  await expect.poll(coloursOnCanvas, soon).toBeGreaterThan(4);

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
  await expect.poll(coloursOnCanvas, soon).toBeGreaterThan(4);
  expect(problems).toEqual([]);
});
