/** Attacks by who may only watch, and by who was an admin. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fieldsOf, valuesOf } from "./fields.ts";
import { type Ask, HANDSHAKE, PUBLIC, SESSION, startWorld, type World } from "./testing.ts";

let world: World;
let port: number;
let watching: Record<"terminal" | "desktop", string>;
let driving: Record<"terminal" | "desktop", string>;
beforeAll(async () => {
  world = await startWorld();
  port = world.upstreams.preview.port;
  const bob = { sub: "bob", mode: "watch" } as const;
  watching = { terminal: await world.signIn("terminal", bob), desktop: await world.signIn("desktop", bob) };
  driving = { terminal: await world.signIn("terminal"), desktop: await world.signIn("desktop") };
});
afterAll(() => world.close());
beforeEach(() => {
  for (const upstream of Object.values(world.upstreams)) upstream.seen.length = 0;
});

const statusOf = (ask: Ask) => world.statusOf(ask);
const secretOf = (line: string) => line.slice(line.indexOf("=") + 1);

describe("who watches", () => {
  test.each(["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("can't send by %s", async (method) => {
    for (const service of ["terminal", "desktop"] as const) {
      const headers = [watching[service], `Origin: ${PUBLIC}`];
      expect(await statusOf({ method, target: `/${service}/x`, headers, ...(method !== "OPTIONS" && { body: "x" }) })).toBe(403);
    }
    expect(world.arrived()).toEqual([]);
  });

  test("reads by GET and HEAD, of another terminal than who drives", async () => {
    for (const method of ["GET", "HEAD"]) expect(await statusOf({ method, target: "/terminal/", headers: [watching.terminal] })).toBe(200);
    expect(await statusOf({ target: "/terminal/", headers: [driving.terminal] })).toBe(200);
    expect(world.arrived().sort()).toEqual(["terminal: GET /", "terminalWatch: GET /", "terminalWatch: HEAD /"]);
  });

  test("joins the terminal of watchers by WebSocket, never the one that takes input", async () => {
    const join = (cookie: string) => statusOf({ target: "/terminal/ws", headers: [...HANDSHAKE, `Origin: ${PUBLIC}`, cookie] });
    expect([await join(watching.terminal), await join(driving.terminal)]).toEqual([101, 101]);
    expect(world.arrived().sort()).toEqual(["terminal: GET /ws", "terminalWatch: GET /ws"]);
  });

  test("is said to watch to the desktop, whatever the request says of itself", async () => {
    const said = async (cookie: string, more: string[]) => {
      await statusOf({ target: "/desktop/websockify", headers: [...HANDSHAKE, `Origin: ${PUBLIC}`, cookie, ...more] });
      return valuesOf(fieldsOf(world.upstreams.desktop.lastFields), "x-errand-mode");
    };
    for (const more of [[], ["X-Errand-Mode: drive"], ["x-errand-mode: drive", "X-Errand-Mode: drive"], ["X_Errand_Mode: drive"]])
      expect(await said(watching.desktop, more)).toEqual(["watch"]);
    expect(await said(watching.desktop, ["Connection: Upgrade, x-errand-mode"])).toEqual(["watch"]);
    expect(await said(driving.desktop, ["X-Errand-Mode: watch"])).toEqual(["drive"]);
  });

  test("has nothing else: not by the cookie as it is, not by its value under another name", async () => {
    const short = SESSION.slice(0, 8);
    for (const service of ["vscode", "desktop", "opencode", "preview"] as const) {
      const name = `__Host-errand-${service}${service === "preview" ? `-${port}` : ""}-${short}`;
      for (const headers of [[watching.terminal], [`Cookie: ${name}=${secretOf(watching.terminal)}`]])
        expect([
          service,
          await statusOf({
            host: world.hostOf(service),
            target: ["opencode", "preview"].includes(service) ? "/" : `/${service}/`,
            headers,
          }),
        ]).toEqual([service, 401]);
    }
    expect(world.arrived()).toEqual([]);
  });

  test("gets no grant for what can't be watched", async () => {
    for (const service of ["vscode", "opencode", "preview"] as const) {
      const token = await world.mint({ svc: service, mode: "watch", ...(service === "preview" && { port }) });
      expect([service, (await world.redeem(token, { host: world.hostOf(service) })).status]).toEqual([service, 403]);
    }
    for (const mode of ["", "DRIVE", "admin", null, undefined, ["drive"]]) {
      expect([mode, (await world.redeem(await world.mint({ svc: "terminal", mode }))).status]).toEqual([mode, 403]);
    }
    const without = await startWorld();
    const { terminalWatch: _none, ...others } = Object.fromEntries(
      Object.entries(without.upstreams).map(([name, upstream]) => [name, { port: upstream.port }]),
    ) as Record<keyof World["upstreams"], { port: number }>;
    const bare = await startWorld({ upstreams: others });
    expect((await bare.redeem(await bare.mint({ svc: "terminal", mode: "watch" }))).status).toBe(403);
    expect((await bare.redeem(await bare.mint({ svc: "terminal" }))).status).toBe(303);
    await Promise.all([without.close(), bare.close()]);
  });

  test("and later drives, or the other way round, has the newer right alone", async () => {
    const drive = await world.signIn("terminal", { sub: "carol" });
    const watch = await world.signIn("terminal", { sub: "carol", mode: "watch" });
    // One name, so that a browser keeps one of them.
    expect(drive.split("=")[0]).toBe(watch.split("=")[0]);
    expect(await statusOf({ method: "POST", target: "/terminal/", headers: [watch, `Origin: ${PUBLIC}`], body: "x" })).toBe(403);
    expect(await statusOf({ target: "/terminal/", headers: [drive, watch] })).toBe(401);
  });
});

test("an admin's session ends with the admin's power, one that is over opens nothing", async () => {
  const other = await startWorld();
  const now = Math.floor(other.clock.ms / 1000);
  expect((await other.redeem(await other.mint({ until: now - 1 }))).status).toBe(403);
  for (const until of ["soon", 1.5, null]) expect((await other.redeem(await other.mint({ until }))).status).toBe(403);
  const cookie = await other.signIn("vscode", { until: now + 60 });
  other.clock.ms = (now + 60) * 1_000 - 1;
  expect((await other.ask({ target: "/vscode/", headers: [cookie] })).status).toBe(200);
  other.clock.ms += 1;
  expect((await other.ask({ target: "/vscode/", headers: [cookie] })).status).toBe(401);
  await other.close();
});
