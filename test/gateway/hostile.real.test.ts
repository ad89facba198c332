/** Pages that mean harm, in a real browser: of a sibling sandbox, of another site, of a rebound name, and what the agent serves. */
import { mkdirSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Service } from "../../protocol/grant.ts";
import { type Door, openDoor, SESSION, servePages } from "./browser.ts";
import { type Services, startServices } from "./services.ts";

const FOREIGN = "evil.example";
const REBOUND = "rebound.example";
/** Names under it are one site, as those of a provider's tunnels are: cookies come along. */
const DOMAIN = "sandbox.localhost";
const SIBLING = `zzzzzzzzzzzz.${DOMAIN}`;

let services: Services;
let door: Door;
/** Pages of a sibling's host name (same-site) and of another site. */
let hostile: Awaited<ReturnType<typeof servePages>>;
/** What the agent serves: any path is a page, and `asked` tells which were fetched. */
let served: Awaited<ReturnType<typeof servePages>> & { asked: string[] };
const pages: Partial<Record<Service, Page>> = {};

beforeAll(async () => {
  services = await startServices();
  hostile = await servePages(async () => ({ html: "<title>hostile</title>" }));
  const asked: string[] = [];
  const agent = await servePages(async (path) => {
    asked.push(path);
    if (path === "/worker.js") {
      return {
        html: "addEventListener('fetch', (event) => event.respondWith(new Response('from the worker')))",
        headers: { "content-type": "text/javascript" },
      };
    }
    return { html: `<title>served ${path}</title>`, headers: { "access-control-allow-origin": "*", "set-cookie": "theirs=1; Path=/" } };
  });
  served = { ...agent, asked };
  door = await openDoor({ upstreams: services.upstreams }, { domain: DOMAIN, elsewhere: [FOREIGN, REBOUND] });
  for (const service of ["vscode", "terminal", "desktop", "opencode"] as const) pages[service] = await door.open(service);
  pages.preview = await door.open("preview", served.port);
  mkdirSync("artefacts", { recursive: true });
});
beforeEach(() => {
  served.asked.length = 0;
});
afterAll(async () => {
  await door?.close();
  for (const server of [hostile?.server, served?.server]) server?.close();
  await services?.close();
});

/** Closes a page and does not wait: Chromium on a busy machine does not always say that one is closed whose form was refused. */
const leave = (page: Page): void => void page.close().catch(() => undefined);
const own = (port: number) => door.origin("preview", port);
const statusOf = (service: Service, path: string) => pages[service]?.evaluate((to) => fetch(to).then((response) => response.status), path);
const sessionsOfOpenCode = () => pages.opencode?.evaluate(() => fetch("/session").then((response) => response.json()));

/** What a hostile page tries at one origin, all with the browser's cookies. Its result says what it got. */
const ATTACKS = `(async ({ origin, path, socket, changes, image }) => {
  const joined = await new Promise((resolve) => {
    const ws = new WebSocket(origin.replace("http", "ws") + socket, ["tty"]);
    ws.onopen = () => resolve("open");
    ws.onerror = () => resolve("refused");
  });
  const refused = () => "refused";
  const read = await fetch(origin + path, { credentials: "include" }).then((response) => response.status, refused);
  const posted = await fetch(origin + changes, { method: "POST", credentials: "include", body: "{}" }).then((response) => response.status, refused);
  await fetch(origin + changes, { method: "POST", credentials: "include", mode: "no-cors", body: "{}" }).catch(refused);
  const seen = await new Promise((resolve) => {
    const img = new Image();
    img.onload = () => resolve("loaded");
    img.onerror = () => resolve("refused");
    img.src = origin + image;
  });
  const script = await new Promise((resolve) => {
    const element = document.createElement("script");
    element.onload = () => resolve("loaded");
    element.onerror = () => resolve("refused");
    element.src = origin + path;
    document.head.append(element);
  });
  const frame = document.createElement("iframe");
  frame.src = origin + path;
  await new Promise((resolve) => {
    frame.onload = resolve;
    document.body.append(frame);
  });
  let framed = "refused";
  try {
    if (frame.contentDocument?.title) framed = "read " + frame.contentDocument.title;
  } catch {}
  return [joined, read, posted, seen, script, framed];
})`;
const NOTHING = ["refused", "refused", "refused", "refused", "refused", "refused"];

const targets = () => [
  {
    origin: door.origin("vscode"),
    path: "/vscode/",
    socket: "/terminal/ws",
    changes: "/vscode/x",
    image: "/vscode/_static/src/browser/media/favicon.svg",
  },
  { origin: door.origin("terminal"), path: "/terminal/", socket: "/terminal/ws", changes: "/terminal/x", image: "/desktop/page.css" },
  { origin: door.origin("opencode"), path: "/session", socket: "/pty/x/connect", changes: "/session", image: "/favicon-v3.svg" },
  { origin: own(served.port), path: "/", socket: "/hmr", changes: "/x", image: "/x.svg" },
];

/** Runs all attacks from a page, and gives the statuses that its navigations got: Playwright shows no others of a cross-origin page. */
async function attackFrom(page: Page, all = targets()): Promise<number[]> {
  const statuses: number[] = [];
  page.on("response", (response) => {
    if (response.request().resourceType() === "document") statuses.push(response.status());
  });
  for (const target of all) {
    expect([target.origin, await page.evaluate(`${ATTACKS}(${JSON.stringify(target)})`)]).toEqual([target.origin, NOTHING]);
  }
  return statuses;
}

/** Tries to plant our cookies, from a page's script, for its own host and for every parent. */
const TOSS = `(() => {
  for (const name of ["vscode", "terminal", "desktop", "opencode", "preview-3000"]) {
    for (const more of ["", "; Domain=localhost", "; Domain=" + location.hostname, "; Domain=sandbox.localhost", "; Domain=abcdefghijkl.sandbox.localhost", "; Domain=127.0.0.1"]) {
      document.cookie = "__Host-errand-" + name + "-abcdefgh=tossed; Path=/; Secure" + more;
      document.cookie = "__HOST-errand-" + name + "-abcdefgh=tossed; Path=/; Secure" + more;
      document.cookie = "errand=tossed; Path=/" + more;
    }
  }
})()`;

/** That nothing has happened to what is open. */
async function allStillFine(sessions: unknown): Promise<void> {
  for (const [service, path] of [
    ["vscode", "/vscode/healthz"],
    ["terminal", "/terminal/token"],
    ["desktop", "/desktop/healthz"],
    ["opencode", "/global/health"],
    ["preview", "/"],
  ] as const) {
    expect([service, await statusOf(service, path)]).toEqual([service, 200]);
  }
  expect(await sessionsOfOpenCode()).toEqual(sessions);
}

test("78, 79: pages of a sibling sandbox and of another site get nothing, and plant no cookie", async () => {
  const sessions = await sessionsOfOpenCode();
  for (const [from, statuses] of [
    // Only where the request comes from stops it.
    [`http://${SIBLING}:${hostile.port}`, [403, 403, 403, 403]],
    // No cookie comes along.
    [`http://zzzzzzzzzzzz.localhost:${hostile.port}`, [401, 401, 401, 401]],
    [`http://${FOREIGN}:${hostile.port}`, [401, 401, 401, 401]],
  ] as const) {
    const page = await door.context.newPage();
    await page.goto(from);
    await page.evaluate(TOSS);
    expect([from, await attackFrom(page)]).toEqual([from, statuses]);
    await page.close();
  }
  // Their own page asks for its icon by itself.
  expect(served.asked.filter((path) => path !== "/favicon.ico")).toEqual([]);
  await allStillFine(sessions);
});

test("79: a form of another site is not posted, a link is a link", async () => {
  const sessions = await sessionsOfOpenCode();
  for (const from of [`http://${SIBLING}:${hostile.port}`, `http://${FOREIGN}:${hostile.port}`, own(served.port)]) {
    const page = await door.context.newPage();
    await page.goto(from);
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url() === `${door.sites.opencode}/session`),
      page.evaluate(`document.body.innerHTML = '<form method="post" action="${door.sites.opencode}/session" enctype="text/plain"></form>';
        setTimeout(() => document.forms[0].submit())`),
    ]);
    // Without a cookie there is no right to ask about.
    expect([from, answer.status()]).toEqual([from, from.includes(FOREIGN) ? 401 : 403]);
    leave(page);
    const linking = await door.context.newPage();
    await linking.goto(from);
    await linking.evaluate(`void setTimeout(() => location.assign("${door.sites.ide}/terminal/"))`);
    await linking.locator(".xterm").waitFor({ timeout: 15_000 });
    leave(linking);
  }
  expect(await sessionsOfOpenCode()).toEqual(sessions);
});

test("81: a name that was rebound to this machine is none of the gateway's", async () => {
  const page = await door.context.newPage();
  for (const path of ["/vscode/", "/terminal/", "/session", "/_errand/health", "/"]) {
    const answer = await page.goto(`http://${REBOUND}:${door.gateway.port}${path}`);
    expect([path, answer?.status()]).toEqual([path, 421]);
  }
  // A page that was loaded while the name still led elsewhere.
  await page.route("**/before", (route) => route.fulfill({ contentType: "text/html", body: "<title>before</title>" }));
  await page.goto(`http://${REBOUND}:${door.gateway.port}/before`);
  for (const path of ["/vscode/", "/terminal/token", "/session", "/_errand/health"])
    expect([path, await page.evaluate((to) => fetch(to).then((response) => response.status), path)]).toEqual([path, 421]);
  await page.close();
});

test("82: what the agent serves gets nothing of its own sandbox's other services", async () => {
  const sessions = await sessionsOfOpenCode();
  const page = await door.open("preview", served.port);
  expect(await page.title()).toBe("served /");
  await page.evaluate(TOSS);
  const others = targets().filter(({ origin }) => origin !== own(served.port));
  const otherPort = { origin: own(served.port + 1), path: "/", socket: "/", changes: "/", image: "/x.svg" };
  expect(await attackFrom(page, [...others, otherPort])).toEqual([403, 403, 403, 401]);
  // The same paths on its own origin are the agent's own server.
  served.asked.length = 0;
  for (const path of ["/vscode/", "/desktop/", "/terminal/token", "/session"]) {
    expect(await page.evaluate((to) => fetch(to).then((response) => response.text()), path)).toContain(`<title>served ${path}</title>`);
  }
  expect(served.asked).toEqual(["/vscode/", "/desktop/", "/terminal/token", "/session"]);
  await allStillFine(sessions);
});

test("82: a service worker of what the agent serves rules its own origin alone", async () => {
  const sessions = await sessionsOfOpenCode();
  const page = pages.preview;
  await page?.evaluate(
    'navigator.serviceWorker.register("/worker.js", { scope: "/" }).then(() => navigator.serviceWorker.ready).then(() => 1)',
  );
  await page?.reload();
  expect(await page?.locator("body").innerText()).toBe("from the worker");
  for (const service of ["vscode", "terminal", "opencode"] as const) {
    const scopes = await pages[service]?.evaluate<string[]>(
      "navigator.serviceWorker.getRegistrations().then((all) => all.map((one) => one.scope))",
    );
    expect(scopes?.filter((scope) => scope.includes(String(served.port)))).toEqual([]);
    await pages[service]?.reload();
  }
  await page?.evaluate("navigator.serviceWorker.getRegistrations().then((all) => Promise.all(all.map((one) => one.unregister())))");
  await page?.reload();
  await allStillFine(sessions);
});

test("82: nothing of errand's is a preview, whoever asks", async () => {
  const { vscode, terminal, opencode } = services.upstreams;
  const ours = [vscode, terminal, opencode].flatMap((upstream) => ("port" in upstream ? upstream.port : []));
  expect(ours).toHaveLength(3);
  for (const port of [...ours, door.gateway.port]) {
    const page = await door.context.newPage();
    expect((await page.goto(`${own(port)}/`))?.status()).toBe(404);
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url().endsWith("/_errand/auth")),
      page.goto(`${door.workerOrigin}/s/${SESSION}/open/preview/${port}`),
    ]);
    expect([port, answer.status()]).toEqual([port, 403]);
    await page.close();
  }
});
