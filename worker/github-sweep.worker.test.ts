import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { gitHubApp } from "../bots/github/client.ts";
import { sweepDeliveries } from "./github-sweep.ts";

const MINUTE = 60_000;
const START = Date.parse("2026-11-20T12:00:00Z");

type Attempt = { id: string; guid: string; delivered_at: string; status_code: number; redelivery: boolean };

type Hub = {
  log: Attempt[];
  /** What was asked for again, by the attempt's number. */
  again: string[];
  pages: number;
  /** Calls left this hour, as it says. */
  left: number;
  /** What it says to a path instead; undefined: the truth. */
  say: ((path: string) => Response | undefined) | undefined;
  /** An event was tried, or again under the same GUID. */
  tried(guid: string, at: number, status: number, redelivery?: boolean): void;
  fetch: typeof fetch;
};

/** GitHub's log of deliveries: pages of it by cursor, newest first, and attempts that were asked for. */
function gitHub(): Hub {
  const self: Hub = {
    log: [],
    again: [],
    pages: 0,
    left: 5_000,
    say: undefined,
    tried(guid: string, at: number, status: number, redelivery = false) {
      self.log.push({
        // Beyond what a double holds.
        id: String(9_007_199_254_740_993n + BigInt(self.log.length) * 2n),
        guid,
        delivered_at: new Date(at).toISOString(),
        status_code: status,
        redelivery,
      });
    },
    fetch: (async (input: RequestInfo | URL, init?: RequestInit) => {
      const request = new Request(input, init);
      const url = new URL(request.url);
      expect(request.headers.get("authorization")).toMatch(/^Bearer ey/);
      const said = self.say?.(url.pathname);
      if (said) return said;
      const asked = /^\/app\/hook\/deliveries\/(\d+)\/attempts$/.exec(url.pathname)?.[1];
      if (asked && request.method === "POST") {
        self.again.push(asked);
        return Response.json({}, { status: 202 });
      }
      if (url.pathname !== "/app/hook/deliveries") return new Response(null, { status: 404 });
      self.pages += 1;
      const newestFirst = self.log.toSorted((one, other) => other.delivered_at.localeCompare(one.delivered_at));
      const from = Number(url.searchParams.get("cursor") ?? 0);
      const size = Number(url.searchParams.get("per_page"));
      const items = newestFirst
        .slice(from, from + size)
        .map((one) => JSON.stringify({ ...one, event: "issues", id: 0 }).replace('"id":0', `"id":${one.id}`));
      const more = from + size < newestFirst.length;
      return new Response(`[${items.join(",")}]`, {
        headers: {
          "content-type": "application/json; charset=utf-8",
          "x-ratelimit-remaining": String(self.left),
          ...(more ? { link: `<https://github-api.test/app/hook/deliveries?per_page=${size}&cursor=${from + size}>; rel="next"` } : {}),
        },
      });
    }) as typeof fetch,
  };
  return self;
}

let hub: Hub;
beforeEach(async () => {
  hub = gitHub();
  await env.DB.batch([env.DB.prepare("DELETE FROM github_sweep"), env.DB.prepare("DELETE FROM github_missed")]);
});

const sweep = (at: number) =>
  sweepDeliveries(
    gitHubApp({
      appId: "1",
      slug: "errand",
      privateKey: env.GITHUB_PRIVATE_KEY,
      apiUrl: "https://github-api.test",
      webUrl: "https://github.test",
      fetch: hub.fetch,
      now: () => at,
      cache: new Map(),
    }),
    env.DB,
    at,
  );
const missing = async () =>
  (await env.DB.prepare("SELECT guid FROM github_missed ORDER BY guid").all<{ guid: string }>()).results.map(({ guid }) => guid);

describe("the sweep", () => {
  it("asks again for what never arrived: also for what nobody answered", async () => {
    hub.tried("arrived", START - 20 * MINUTE, 202);
    hub.tried("refused", START - 19 * MINUTE, 500);
    hub.tried("unanswered", START - 18 * MINUTE, 0);
    hub.tried("second-time", START - 17 * MINUTE, 503);
    hub.tried("second-time", START - 12 * MINUTE, 202, true);
    expect(await sweep(START)).toEqual({ seen: 5, missed: 2, again: 2, givenUp: [], late: false, why: null });
    const ids = hub.log.filter(({ guid }) => guid === "refused" || guid === "unanswered").map(({ id }) => id);
    expect(hub.again).toEqual(ids);
  });

  it("does not ask twice for the same, and forgets what has arrived", async () => {
    hub.tried("a", START - 5 * MINUTE, 500);
    await sweep(START);
    expect(await sweep(START + 5 * MINUTE)).toMatchObject({ again: 0 });
    expect(await missing()).toEqual(["a"]);
    hub.tried("a", START + 6 * MINUTE, 202, true);
    expect(await sweep(START + 10 * MINUTE)).toMatchObject({ again: 0 });
    expect([hub.again.length, await missing()]).toEqual([1, []]);
  });

  it("tries three times, further and further apart, then gives up and says so", async () => {
    hub.tried("a", START - 5 * MINUTE, 500);
    const asked: number[] = [];
    let givenUp: string[] = [];
    for (let minute = 0; minute < 15 * 60; minute += 15) {
      const now = START + minute * MINUTE;
      const swept = await sweep(now);
      if (swept?.again) {
        asked.push(minute);
        hub.tried("a", now + 1_000, 500, true);
      }
      givenUp = [...givenUp, ...(swept?.givenUp ?? [])];
    }
    expect([asked, givenUp]).toEqual([[0, 15, 105], ["a"]]);
    // Written down until GitHub's log can't show it any more.
    expect(await missing()).toEqual(["a"]);
    expect(await sweep(START + 3 * 24 * 60 * MINUTE)).toMatchObject({ again: 0, givenUp: [] });
    await sweep(START + 7 * 24 * 60 * MINUTE);
    expect(await missing()).toEqual([]);
  });

  it("leaves alone what is older than three days, and what has only just been tried", async () => {
    hub.tried("old", START - 73 * 60 * MINUTE, 500);
    hub.tried("young", START - 10_000, 500);
    expect(await sweep(START)).toMatchObject({ missed: 0, again: 0 });
    expect(await sweep(START + 5 * MINUTE)).toMatchObject({ missed: 1, again: 1 });
  });

  it("reads back to where it was, and no further", async () => {
    for (let i = 0; i < 950; i += 1) hub.tried(`g${i}`, START - (950 - i) * MINUTE, 202);
    await sweep(START);
    // An hour at first: the first of the pages of 100 goes further back than that.
    expect(hub.pages).toBe(1);
    for (let i = 0; i < 150; i += 1) hub.tried(`h${i}`, START + i * 1_000, 202);
    await sweep(START + 5 * MINUTE);
    expect(hub.pages).toBe(1 + 2);
  });

  it("after an outage goes back to the last time, in parts where it is much, and misses nothing", async () => {
    hub.tried("before", START - MINUTE, 202);
    await sweep(START);
    const back = START + 24 * 60 * MINUTE;
    // A day in which nobody answered, more than one sweep reads.
    for (let i = 0; i < 2_600; i += 1) hub.tried(`g${i}`, START + MINUTE + i * 30_000, i === 3 || i === 2_500 ? 0 : 202);
    expect(await sweep(back)).toMatchObject({ late: true, missed: 1 });
    expect(await sweep(back + 5 * MINUTE)).toMatchObject({ late: false, missed: 2, again: 1 });
    expect(await sweep(back + 10 * MINUTE)).toMatchObject({ late: false, again: 0 });
    expect(hub.again).toEqual([hub.log.find(({ guid }) => guid === "g2500")?.id, hub.log.find(({ guid }) => guid === "g3")?.id]);
  });

  it("stays where it was while GitHub does not answer", async () => {
    hub.tried("a", START - 5 * MINUTE, 500);
    hub.say = () => new Response("{}", { status: 502, headers: { "content-type": "application/json" } });
    expect(await sweep(START)).toMatchObject({ seen: 0, again: 0, why: "GitHub answered 502" });
    hub.say = undefined;
    expect(await sweep(START + 3 * 60 * MINUTE)).toMatchObject({ missed: 1, again: 1 });
  });

  it("leaves calls to others when few are left, and stops at a limit", async () => {
    for (let i = 0; i < 150; i += 1) hub.tried(`g${i}`, START - 50 * MINUTE + i * 1_000, i === 0 ? 500 : 202);
    hub.left = 100;
    expect(await sweep(START)).toMatchObject({ late: true, again: 0, why: "only 100 calls are left this hour" });
    hub.left = 5_000;
    hub.say = (path) => (path.endsWith("/attempts") ? Response.json({ message: "API rate limit exceeded" }, { status: 403 }) : undefined);
    expect(await sweep(START + 5 * MINUTE)).toMatchObject({ late: false, missed: 1, again: 0, why: expect.stringContaining("limits") });
    hub.say = undefined;
    expect(await sweep(START + 10 * MINUTE)).toMatchObject({ again: 1 });
  });

  it("begins once where two come at the same time", async () => {
    hub.tried("a", START - 5 * MINUTE, 500);
    const both = await Promise.all([sweep(START), sweep(START)]);
    expect(both.filter((one) => one !== null)).toHaveLength(1);
    expect(hub.again).toHaveLength(1);
  });

  it("gives up what GitHub does not have any more", async () => {
    hub.tried("a", START - 5 * MINUTE, 500);
    hub.say = (path) => (path.endsWith("/attempts") ? Response.json({ message: "Not Found" }, { status: 404 }) : undefined);
    for (const minute of [0, 15, 105]) expect(await sweep(START + minute * MINUTE)).toMatchObject({ again: 0, givenUp: [] });
    expect(await sweep(START + 600 * MINUTE)).toMatchObject({ givenUp: ["a"] });
  });
});
