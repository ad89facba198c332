/** One HTTP request through to an upstream and its response back, streamed both ways with back-pressure. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Dispatcher, Pool } from "undici";
import { type Fields, fieldsOf, flat } from "./fields.ts";
import { type Origin, responseFields } from "./headers.ts";

/** Longest time an upstream may take to begin its answer, in ms: OpenCode answers a prompt only when the turn is over. */
const ANSWER_MS = 30 * 60_000;

/** The connections to an upstream on loopback. No limit on their number: each belongs to a client's connection, and those are limited. */
export function connectionsTo(port: number): Pool {
  return new Pool(`http://127.0.0.1:${port}`, {
    pipelining: 1,
    allowH2: false,
    headersTimeout: ANSWER_MS,
    // Event streams are silent for as long as nothing happens.
    bodyTimeout: 0,
    // Shorter than the upstreams' own (5 s and more), so that a request is not sent into a connection that just closes.
    keepAliveTimeout: 2_000,
    keepAliveMaxTimeout: 2_000,
    maxHeaderSize: 32_768,
    connect: { timeout: 3_000 },
  });
}

/** Why nothing came back: `down` where no connection could be made, `broken` for everything after. */
export type ProxyFailure = "down" | "broken";

/**
 * Sends the request on and the answer back. `fields` is the rebuilt list for the upstream. `failed` is called at most once and
 * only while nothing was answered yet; a failure after that cuts the client's connection, so that it sees the answer is not whole.
 */
export function proxy(
  req: IncomingMessage,
  res: ServerResponse,
  to: { pool: Pool; path: string; fields: Fields; hasBody: boolean; from: Origin; failed(why: ProxyFailure, code: string): void },
): void {
  let controller: Dispatcher.DispatchController | undefined;
  res.once("close", () => {
    if (!res.writableFinished) controller?.abort(new Error("client left"));
  });

  const options: Dispatcher.DispatchOptions = {
    method: req.method ?? "GET",
    path: to.path,
    headers: flat(to.fields),
    body: to.hasBody ? req : null,
    // A connection that carried a body is not used again: no server can then read a part of it as the next person's request.
    reset: to.hasBody,
  };
  to.pool.dispatch(options, {
    onRequestStart(started) {
      controller = started;
      if (res.destroyed) started.abort(new Error("client left"));
    },
    onResponseStart(started, status) {
      // Interim answers (103) are the upstream's business with us.
      if (status < 200) return;
      // A length on an answer that has no body by its status would be believed by some clients.
      const fields = fieldsOf(rawOf(started)).filter(([name]) => status !== 204 || name !== "content-length");
      res.writeHead(status, flat(responseFields(fields, to.from)));
      // Without a length the body may come much later, as with event streams.
      if (!fields.some(([name]) => name === "content-length")) res.flushHeaders();
    },
    onResponseData(started, chunk) {
      if (res.write(chunk)) return;
      started.pause();
      res.once("drain", () => started.resume());
    },
    onResponseEnd() {
      res.end();
    },
    onResponseError(_started, error) {
      if (res.headersSent || res.destroyed) return void res.destroy();
      const code = codeOf(error);
      to.failed(code === "ECONNREFUSED" || code === "UND_ERR_CONNECT_TIMEOUT" ? "down" : "broken", code);
    },
  });
}

/** undici's merged object would join repeated fields; the raw list keeps them apart. */
function rawOf(controller: Dispatcher.DispatchController): (string | Buffer)[] {
  const raw = controller.rawHeaders;
  if (Array.isArray(raw)) return raw;
  return Object.entries(raw ?? {}).flatMap(([name, value]) => [value ?? ""].flat().flatMap((one) => [name, one]));
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
