/** The HTTP side of the local GitHub: reads calls, lets faults happen at the right moments, writes answers. Loopback only. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isFromOtherPage, isLoopbackHost } from "../loopback.ts";
import { answerOf, type Faults } from "./faults.ts";
import type { Json } from "./records.ts";

/** The largest body taken, in bytes. */
const MAX_BYTES = 8 * 1024 * 1024;

/** What the HTTP side hands on. */
export interface ApiHandlers {
  port: number;
  /** Whether calls can be taken yet. */
  ready: () => boolean;
  now: () => number;
  faults: Faults;
  handle: (request: Request) => Promise<Response>;
  /** A name for who calls, for the log. */
  who: (authorization: string | undefined) => Promise<string | undefined>;
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A body as an object, for the log; anything else is an empty one. */
function objectOf(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

function finish(response: ServerResponse, status: number, headers: Record<string, string>, body: string | Buffer): Promise<void> {
  return new Promise((resolve) => {
    response.once("close", resolve);
    response.writeHead(status, headers).end(body);
  });
}

/** Listens on 127.0.0.1. Rejects where the port is taken. */
export async function serveApi(handlers: ApiHandlers): Promise<{ url: string; close: () => Promise<void> }> {
  const { faults, now } = handlers;

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const plain = { "content-type": "text/plain" };
    if (!isLoopbackHost(request.headers.host)) return finish(response, 403, plain, "Only this machine is served.");
    // The tokens of the people here are no secret, so a call must not come from whatever page their browser shows.
    if (isFromOtherPage(request.headers)) return finish(response, 403, plain, "Only programs are served.");
    if (!handlers.ready()) return finish(response, 503, { "retry-after": "1" }, "Starting.");
    const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
    const body = await readBody(request);
    if (!body) return finish(response, 413, plain, `At most ${MAX_BYTES} bytes are taken.`);
    const method = request.method ?? "GET";
    const who = await handlers.who(request.headers.authorization);
    const { call, fault } = faults.begin(method, url.pathname, who, objectOf(body.toString("utf8")));
    await faults.tell(call, "before");
    const started = performance.now();
    const instead = fault ? answerOf(fault, now()) : null;
    if (instead) {
      call.status = instead.status;
      const headers = { "content-type": "application/json; charset=utf-8", ...instead.headers };
      await finish(response, instead.status, headers, JSON.stringify(instead.body));
      return faults.tell(call, "replied");
    }
    if (fault?.kind === "hang") {
      await new Promise((resolve) => response.once("close", resolve));
      return;
    }
    const headers = new Headers();
    for (const [name, value] of Object.entries(request.headers)) if (value !== undefined) headers.set(name, String(value));
    const init = { method, headers, ...(body.length > 0 && method !== "GET" ? { body: new Uint8Array(body) } : {}) };
    const answer = await handlers.handle(new Request(url, init));
    call.ms = performance.now() - started;
    call.status = answer.status;
    await faults.tell(call, "after");
    if (fault?.kind === "slow") await sleep(fault.ms);
    if (fault?.kind === "lost reply") {
      request.socket.destroy();
      return;
    }
    await finish(response, answer.status, Object.fromEntries(answer.headers), Buffer.from(await answer.arrayBuffer()));
    await faults.tell(call, "replied");
  };

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      // The caller going away in the middle is no fault of ours; anything else must be seen.
      if (!request.socket.destroyed) console.error("local GitHub:", error);
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
