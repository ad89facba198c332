/** One HTTP request through to an upstream and its response back, streamed both ways with back-pressure. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Dispatcher } from "undici";
import { type Fields, fieldsOf, flat } from "./fields.ts";
import { responseFields, type Upstream } from "./headers.ts";

/** Why nothing came back: `down` where no connection could be made, `broken` for everything after. */
export type ProxyFailure = "down" | "broken";

export interface Way {
  connections: Dispatcher;
  /** Origin for the connections: those of one upstream ignore it. */
  origin: string;
  /** Path and query for the upstream. */
  path: string;
  /** The rebuilt list for the upstream. */
  fields: Fields;
  hasBody: boolean;
  from: Upstream;
  /** Called when the upstream begins to answer. */
  answered(): void;
  /** Called at most once, and only while nothing was answered yet. */
  failed(why: ProxyFailure, code: string): void;
}

/**
 * Sends the request on and the answer back. A failure in the middle of an answer cuts the client's connection, so that it sees the
 * answer is not whole.
 */
export function proxy(req: IncomingMessage, res: ServerResponse, to: Way): void {
  let controller: Dispatcher.DispatchController | undefined;
  res.once("close", () => {
    if (!res.writableFinished) controller?.abort(new Error("client left"));
  });

  const options: Dispatcher.DispatchOptions = {
    origin: to.origin,
    method: req.method ?? "GET",
    path: to.path,
    headers: flat(to.fields),
    body: to.hasBody ? req : null,
    // A connection that carried a body is not used again: no server can then read a part of it as the next person's request.
    reset: to.hasBody,
  };
  to.connections.dispatch(options, {
    onRequestStart(started) {
      controller = started;
      if (res.destroyed) started.abort(new Error("client left"));
    },
    onResponseStart(started, status) {
      // Interim answers (103) are the upstream's business with us.
      if (status < 200) return;
      to.answered();
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
