import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { RunnerEvent } from "../../protocol/events.ts";
import type { Command } from "../../protocol/runner.ts";
import type { Sites } from "../../protocol/sites.ts";
import type { Link } from "../../runner/link.ts";
import { openLink } from "../../runner/link.ts";
import { readServerSentEvents } from "../../runner/opencode-stream.ts";
import { SITES, startPeer } from "./peer.ts";

const accepted = (turn: number): RunnerEvent => ({ type: "turn.accepted", at: 1, turn });
const delta = (text: string): RunnerEvent => ({ type: "text.delta", at: 1, turn: 1, part: "p", text });

describe("the link", () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  function open(workerUrl: string) {
    const logged: string[] = [];
    const told = {
      logged,
      commands: [] as [number, Command][],
      fenced: [] as string[],
      safe: [] as RunnerEvent[],
      sites: [] as Sites[],
      keys: [] as object[],
    };
    const link: Link = openLink({
      workerUrl,
      session: "s",
      generation: 1,
      token: "t",
      applied: () => told.commands.at(-1)?.[0] ?? 0,
      onCommand: (seq, command) => told.commands.push([seq, command]),
      onSites: (sites) => told.sites.push(sites),
      onGrantKeys: (keys) => told.keys.push(...keys),
      onFenced: (reason) => told.fenced.push(reason),
      onSafe: (events) => told.safe.push(...events),
      log: (line) => logged.push(line),
      now: () => performance.now(),
      random: () => 0.1,
    });
    closing.push(() => link.close(0));
    return { link, told };
  }

  it("sends the first event at once and then at most one frame in 250 ms", async () => {
    const peer = await startPeer("t");
    closing.push(peer.close);
    const { link } = open(peer.url);
    await peer.waitFor("the hello", () => peer.hellos() > 0);
    link.push(accepted(1));
    await peer.waitFor("the first event", () => peer.events.length === 1, 100);
    const ticking = setInterval(() => link.push(delta("x")), 5);
    await new Promise((done) => setTimeout(done, 600));
    clearInterval(ticking);
    link.push(accepted(2));
    await peer.waitFor("the last event", () => peer.of("turn.accepted", 2)[0]);
    const gaps = peer.frames.slice(1).map((frame, index) => frame.at - (peer.frames[index]?.at ?? 0));
    expect(peer.frames.length).toBeLessThanOrEqual(5);
    expect(Math.min(...gaps)).toBeGreaterThan(200);
    expect(peer.of("text.delta").length).toBeLessThanOrEqual(4);
    expect(peer.faults).toEqual([]);
  });

  it("asks over the next connection, and logs nothing of the answer", async () => {
    const secret = { is: "credential", username: "x-access-token", password: "ghs_secret", expiresAt: 1 } as const;
    const peer = await startPeer("t", () => secret);
    closing.push(peer.close);
    const { link, told } = open(peer.url);
    const ask = { what: "credential", url: "https://github.com/acme/sample.git" } as const;
    expect(await link.ask(ask)).toEqual(secret);
    peer.drop();
    expect(await link.ask(ask)).toMatchObject({ is: expect.any(String) });
    await expect.poll(async () => (await link.ask(ask)).is).toBe("credential");
    expect(peer.asks).toContainEqual(ask);
    expect(told.logged.join()).not.toContain("ghs_secret");
  });

  it("comes again after a drop, replays, and gets commands until it has acknowledged them", async () => {
    const peer = await startPeer("t");
    closing.push(peer.close);
    const { link, told } = open(peer.url);
    await peer.waitFor("the hello", () => peer.hellos() > 0);
    link.push(accepted(1));
    await peer.waitFor("the first event", () => peer.events.length === 1);
    peer.drop();
    link.push(accepted(2));
    peer.command({ do: "stop", turn: 1 });
    await peer.waitFor("the second event", () => peer.of("turn.accepted", 2)[0]);
    expect(peer.events).toEqual([accepted(1), accepted(2)]);
    await expect.poll(() => told.commands).toEqual([[1, { do: "stop", turn: 1 }]]);
    await expect.poll(() => told.safe).toEqual([accepted(1), accepted(2)]);
    link.ack(1);
    await peer.waitFor("the acknowledgement", () => peer.unacknowledged() === 0);
    expect(told.sites[0]).toEqual(SITES);
    expect(told.keys[0]).toEqual({ kid: "now" });
  });

  it("ends when it is fenced by a close code", async () => {
    const peer = await startPeer("t");
    closing.push(peer.close);
    const { told } = open(peer.url);
    await peer.waitFor("the hello", () => peer.hellos() > 0);
    peer.fence();
    await expect.poll(() => told.fenced).toEqual(["generation over"]);
    await new Promise((done) => setTimeout(done, 150));
    expect(peer.hellos()).toBe(1);
  });

  it("ends when its generation is refused, and tries again when the server only fails", async () => {
    const asked: (string | undefined)[] = [];
    const server = createServer();
    server.on("upgrade", (request, socket) => {
      asked.push(`${request.url} ${request.headers.authorization}`);
      socket.end(`HTTP/1.1 ${asked.length < 3 ? "503 Busy" : "409 Conflict"}\r\n\r\n`);
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    closing.push(() => server.close());
    const { told } = open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await expect.poll(() => told.fenced).toHaveLength(1);
    expect(asked).toEqual(Array.from({ length: 3 }, () => "/sandbox/s/runner?generation=1 Bearer t"));
  });
});

describe("server-sent events", () => {
  it.each([
    ["whole", ['data: {"a":1}\n\ndata: {"b":2}\n\n']],
    ["in pieces", ["da", 'ta: {"a"', ":1}\n", '\ndata:{"b":2}\n', "\n"]],
    ["with other lines", [": hello\n", 'data: {"a":1}\n\ndata: nonsense\n\ndata: {"b":2}\n\n']],
  ])("%s", async (_, chunks) => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
        controller.close();
      },
    });
    const read: unknown[] = [];
    for await (const data of readServerSentEvents(body)) read.push(data);
    expect(read).toEqual([{ a: 1 }, { b: 2 }]);
  });
});
