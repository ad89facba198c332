/** What the agent serves, with a real dev server: its page, and a change of a file that reaches the page by itself. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Door, openDoor } from "./browser.ts";
import { freePort } from "./services.ts";

const VITE = join(import.meta.dirname, "../../node_modules/vite/bin/vite.js");
let door: Door;
let folder: string;
let vite: ChildProcess | undefined;

beforeAll(async () => {
  const [vscode, desktop, terminal, opencode] = [await freePort(), await freePort(), await freePort(), await freePort()];
  door = await openDoor({
    upstreams: { vscode: { port: vscode }, desktop: { port: desktop }, terminal: { port: terminal }, opencode: { port: opencode } },
  });
  folder = await mkdtemp(join(tmpdir(), "errand-preview-"));
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  await writeFile(join(folder, "index.html"), '<!doctype html><div id="app"></div><script type="module" src="/main.js"></script>');
  await writeFile(
    join(folder, "main.js"),
    `import { greeting } from "./greeting.js";
window.loads = (window.loads ?? 0) + 1;
document.querySelector("#app").textContent = greeting;
import.meta.hot?.accept("./greeting.js", (next) => { document.querySelector("#app").textContent = next.greeting; });`,
  );
  mkdirSync("artefacts", { recursive: true });
});
afterEach(async () => {
  if (!vite) return;
  const gone = once(vite, "exit");
  vite.kill();
  await gone;
  vite = undefined;
});
afterAll(async () => {
  await door?.close();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const listens = (port: number, host: string) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, host);
    socket.once("connect", () => socket.destroy() && resolve(true));
    socket.once("error", () => resolve(false));
  });

test.each([
  ["as it is started", undefined, "localhost"],
  ["on IPv4", "127.0.0.1", "127.0.0.1"],
  ["on IPv6", "::1", "::1"],
])("Vite %s: the page paints, and a change arrives without a reload", async (name, bind, host) => {
  const port = await freePort();
  await writeFile(join(folder, "greeting.js"), 'export const greeting = "first";');
  const args = [folder, "--port", String(port), "--strictPort", ...(bind === undefined ? [] : ["--host", bind])];
  vite = spawn(process.execPath, [VITE, ...args], { cwd: folder, stdio: "ignore" });
  await expect.poll(() => listens(port, host), { timeout: 30_000 }).toBe(true);

  const before = door.sockets.length;
  const page = await door.open("preview", port);
  expect(page.url()).toBe(`${door.origin("preview", port)}/`);
  const app = page.locator("#app");
  await expect.poll(() => app.textContent(), { timeout: 30_000 }).toBe("first");
  await expect.poll(() => door.sockets.length, { timeout: 15_000 }).toBeGreaterThan(before);
  await page.waitForTimeout(1_000);
  await writeFile(join(folder, "greeting.js"), 'export const greeting = "second";');
  await expect.poll(() => app.textContent(), { timeout: 30_000 }).toBe("second");
  expect(await page.evaluate("window.loads")).toBe(1);
  // Vite's page would go past the gateway, straight to its own port, if it could not get through.
  expect(door.sockets.slice(before).map((socket) => new URL(socket.url()).host)).toEqual([new URL(door.origin("preview", port)).host]);
  expect(await page.evaluate((to) => fetch(to).then((response) => response.status), `/@fs${folder}/greeting.js`)).toBe(200);
  expect(door.refusals).toEqual([]);
  await page.screenshot({ path: `artefacts/gateway-preview-${name.split(" ").at(-1)}.png` });
  await page.close();
});

test("where nothing answers any more, the page says so and asks again", async () => {
  const port = await freePort();
  const page = await door.context.newPage();
  await page.goto(`${door.workerOrigin}/s/x/open/preview/${port}`);
  await page.getByText(`Nothing answers on port ${port} of the sandbox.`).waitFor({ timeout: 15_000 });
  await writeFile(join(folder, "greeting.js"), 'export const greeting = "back";');
  vite = spawn(process.execPath, [VITE, folder, "--port", String(port), "--strictPort"], { cwd: folder, stdio: "ignore" });
  await page.getByText("back").waitFor({ timeout: 30_000 });
});
