/**
 * What is outside the Worker, as small as it can be: a Slack that takes every call and a backend whose sandboxes run at
 * once. Their own cost is in the benchmark's process, not in the Worker's.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { SandboxView } from "../../protocol/backend.ts";

export const BOT_USER = "UERRAND";
export const TEAM = "TBENCH";

export type Outside = {
  url: string;
  /** Calls answered so far, by Slack method. */
  calls: Map<string, number>;
  /** Slack's answers to posts wait until the returned function is called. */
  holdPosts: () => () => void;
  stop: () => Promise<void>;
};

/** Starts it on a free port of 127.0.0.1. */
export async function startOutside(): Promise<Outside> {
  const calls = new Map<string, number>();
  let held: Promise<void> = Promise.resolve();
  let ts = 0;
  const slack = async (method: string, response: ServerResponse) => {
    if (method === "chat.postMessage") await held;
    calls.set(method, (calls.get(method) ?? 0) + 1);
    ts += 1;
    const answer = { ok: true, ts: `1800000000.${String(ts).padStart(6, "0")}`, user_id: BOT_USER, bot_id: "BERRAND", team_id: TEAM };
    response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
  };
  const server = createServer((request, response) => {
    request.resume().once("end", () => {
      const method = /^\/api\/([\w.]+)/.exec(request.url ?? "")?.[1];
      if (method) void slack(method, response);
      else backend(request, response);
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    calls,
    holdPosts: () => {
      let release: () => void = () => undefined;
      held = new Promise((done) => {
        release = done;
      });
      return () => release();
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** The backend's contract, for a sandbox that always runs (protocol/backend.ts). */
function backend(request: IncomingMessage, response: ServerResponse): void {
  const named = /^\/v1\/sessions\/([^/]+)\/generations\/(\d+)$/.exec(request.url ?? "");
  if (request.method === "DELETE" || !named?.[1]) return void response.writeHead(request.method === "DELETE" ? 204 : 404).end();
  const view: SandboxView = {
    sandboxId: `bench-${named[1]}`,
    provider: "bench",
    session: named[1],
    generation: Number(named[2]),
    state: "running",
    exitCode: null,
    reason: null,
    sites: { ide: "http://127.0.0.1:9", opencode: null, preview: null },
    createdAt: Date.now(),
  };
  response.writeHead(request.method === "PUT" ? 201 : 200, { "content-type": "application/json" }).end(JSON.stringify(view));
}
