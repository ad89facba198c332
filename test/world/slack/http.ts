/** The HTTP side of the local Slack: reads calls, lets faults happen at the right moments, writes answers. Loopback only. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isFromOtherPage, isLoopbackHost } from "../loopback.ts";
import { parseArguments } from "./corrections.ts";
import type { Call, Fault, Faults } from "./faults.ts";
import type { Json } from "./records.ts";

/** The largest body taken, in bytes; uploads of the emulator included. */
const MAX_BODY = 32 * 1024 * 1024;

/** What the HTTP side hands on. */
export interface ApiHandlers {
  port: number;
  /** Whether calls can be taken yet. */
  ready: () => boolean;
  faults: Faults;
  call: (method: string, args: Json, token: string | undefined) => Promise<Json>;
  raw: (request: Request) => Promise<Response>;
  respond: (id: string, body: Json) => Promise<Json>;
  userOf: (token: string | undefined) => string | undefined;
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const bearer = (header: string | undefined) => /^(?:Bearer|token)\s+(\S+)$/i.exec(header ?? "")?.[1];

function finish(response: ServerResponse, status: number, headers: Record<string, string>, body: string | Buffer): Promise<void> {
  return new Promise((resolve) => {
    response.once("close", resolve);
    response.writeHead(status, headers).end(body);
  });
}

/** Listens on 127.0.0.1. Rejects where the port is taken. */
export async function serveApi(handlers: ApiHandlers): Promise<{ url: string; close: () => Promise<void> }> {
  const { faults } = handlers;

  const answer = async (response: ServerResponse, call: Call, status: number, body: Json, headers: Record<string, string> = {}) => {
    call.status = status;
    call.answer = body;
    await finish(response, status, { "content-type": "application/json; charset=utf-8", ...headers }, JSON.stringify(body));
    await faults.tell(call, "replied");
  };

  /** Faults that answer, or do not, without applying the call. Tells whether it was one. */
  const refused = async (response: ServerResponse, call: Call, fault: Fault | undefined): Promise<boolean> => {
    switch (fault?.kind) {
      case "429": {
        const error = call.method === "chat.postMessage" ? "rate_limited" : "ratelimited";
        await answer(response, call, 429, { ok: false, error }, { "retry-after": String(fault.retryAfterSeconds ?? 1) });
        return true;
      }
      case "500":
        await answer(response, call, 500, { ok: false, error: "internal_error" });
        return true;
      case "error":
        await answer(response, call, 200, { ok: false, error: fault.error });
        return true;
      case "hang":
        await new Promise((resolve) => response.once("close", resolve));
        return true;
      default:
        return false;
    }
  };

  const serveCall = async (method: string, request: IncomingMessage, response: ServerResponse, body: string, query: URLSearchParams) => {
    const parsed = parseArguments(request.headers["content-type"] ?? "", body);
    const { token: named, ...args } = { ...Object.fromEntries(query), ...parsed };
    const token = bearer(request.headers.authorization) ?? (typeof named === "string" ? named : undefined);
    const { call, fault } = faults.begin(method, handlers.userOf(token), args);
    await faults.tell(call, "before");
    const before = performance.now();
    if (await refused(response, call, fault)) return;
    const result: Json = parsed ? await handlers.call(method, args, token) : { ok: false, error: "invalid_json" };
    call.ms = performance.now() - before;
    await faults.tell(call, "after");
    if (fault?.kind === "slow") await sleep(fault.ms);
    if (fault?.kind === "lost reply") {
      call.answer = result;
      request.socket.destroy();
      return;
    }
    await answer(response, call, 200, result);
  };

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    if (!isLoopbackHost(request.headers.host))
      return finish(response, 403, { "content-type": "text/plain" }, "Only this machine is served.");
    // The tokens of the people here are no secret, so a call must not come from whatever page their browser shows.
    if (isFromOtherPage(request.headers)) return finish(response, 403, { "content-type": "text/plain" }, "Only programs are served.");
    if (!handlers.ready()) return finish(response, 503, { "retry-after": "1" }, "Starting.");
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const body = await readBody(request);
    if (!body) return finish(response, 413, { "content-type": "text/plain" }, `At most ${MAX_BODY} bytes are taken.`);
    const method = /^\/api\/([\w.]+)$/.exec(url.pathname)?.[1];
    if (method) return serveCall(method, request, response, body.toString("utf8"), url.searchParams);
    const action = /^\/actions\/(\w+)$/.exec(url.pathname)?.[1];
    if (action) {
      const result = await handlers.respond(action, parseArguments("application/json", body.toString("utf8")) ?? {});
      return finish(response, result.ok ? 200 : 404, { "content-type": "application/json" }, JSON.stringify(result));
    }
    const headers = new Headers();
    for (const [name, value] of Object.entries(request.headers)) headers.set(name, String(value));
    const init = { method: request.method ?? "GET", headers, ...(body.length > 0 ? { body: new Uint8Array(body) } : {}) };
    const result = await handlers.raw(new Request(url, init));
    return finish(response, result.status, Object.fromEntries(result.headers), Buffer.from(await result.arrayBuffer()));
  };

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      // The caller going away in the middle is no fault of ours; anything else must be seen.
      if (!request.socket.destroyed) console.error("local Slack:", error);
      request.socket.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(handlers.port, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
