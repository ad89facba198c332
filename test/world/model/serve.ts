/** A server for stand-in models: `POST /v1/chat/completions`, streaming or whole, and `GET /v1/models`. Loopback only. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isFromOtherPage, isLoopbackHost } from "../loopback.ts";
import { ChatRequest, type Reply, tokens } from "./chat.ts";

/**
 * What can go wrong instead of, or in the middle of, an answer. `cut` resets the connection after `afterPieces` pieces; `no finish`
 * ends the stream cleanly without a `finish_reason`; `empty` answers nothing; `hang` never answers; `stall` stops in the middle.
 */
export type ModelFault =
  | { kind: "status"; status: number; message?: string; retryAfterSeconds?: number }
  | { kind: "cut"; afterPieces: number }
  | { kind: "stall"; afterPieces: number }
  | { kind: "no finish" }
  | { kind: "empty" }
  | { kind: "hang" };

/** How a stand-in model answers one request. */
export type Respond = (request: ChatRequest) => { reply: Reply; fault?: ModelFault | undefined };

/** One request as the log keeps it. Times are ms since 1970; `ended` is missing while it is being answered. */
export interface ModelCall {
  at: number;
  ended?: number;
  request: ChatRequest;
  headers: IncomingMessage["headers"];
  /** Of the request's body. */
  bytes: number;
  reply?: Reply;
  fault?: ModelFault["kind"];
  /** The other side went away before the end. */
  aborted?: boolean;
}

/** How a model server is started. */
export interface ModelOptions {
  /** The port on 127.0.0.1; 0 takes a free one. */
  port?: number;
  respond: Respond;
  /** The names `/v1/models` lists. */
  models?: string[];
  /** When given, requests need `Authorization: Bearer <key>`. */
  key?: string;
  /** The waiting time between two pieces of text, in ms; 0 unless given. */
  paceMs?: number;
  /** The clock, in ms since 1970. */
  now?: () => number;
  /** What the requests in the log may have together, in bytes: a sandbox decides how large its requests are. 64 MiB unless given. */
  logBytes?: number;
}

/** The largest request taken, in bytes. */
const MAX_BODY = 32 * 1024 * 1024;
const LOG_BYTES = 64 * 1024 * 1024;

/** A text in pieces of one or two words, as a model streams it. Together they are the text. Pure. */
export function pieces(text: string): string[] {
  return text.match(/\s*\S+(?:[^\S\n]+\S{1,4}(?=\s))?\s*/g) ?? (text ? [text] : []);
}

/** The stream's deltas of a reply, in order. Pure. */
export function deltas(reply: Reply, id: string): Record<string, unknown>[] {
  const out: Record<string, unknown>[] = [{ role: "assistant", content: "" }];
  for (const piece of pieces(reply.reasoning ?? "")) out.push({ reasoning_content: piece });
  for (const piece of pieces(reply.text ?? "")) out.push({ content: piece });
  for (const [index, call] of (reply.calls ?? []).entries()) {
    out.push({ tool_calls: [{ index, id: `${id}_${index}`, type: "function", function: { name: call.name, arguments: "" } }] });
    out.push({ tool_calls: [{ index, function: { arguments: JSON.stringify(call.args) } }] });
  }
  return out;
}

const finishOf = (reply: Reply) => reply.finish ?? ((reply.calls?.length ?? 0) > 0 ? "tool_calls" : "stop");

function usageOf(request: ChatRequest, reply: Reply) {
  const answer = tokens((reply.reasoning ?? "") + (reply.text ?? "") + JSON.stringify(reply.calls ?? []));
  const usage = reply.usage ?? { prompt_tokens: tokens(JSON.stringify(request.messages)), completion_tokens: answer };
  return { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens };
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** What OpenAI's API calls an error of that status; OpenCode decides by it whether to try again. */
const errorType = (status: number) => (status >= 500 ? "server_error" : status === 429 ? "rate_limit_error" : "invalid_request_error");

const wrong = (message: string, type: string) => ({ error: { message, type } });

/** Starts a model server. Throws where the port is taken. */
export async function startModel(options: ModelOptions) {
  const { now = Date.now, logBytes = LOG_BYTES } = options;
  const calls: ModelCall[] = [];
  let kept = 0;
  let count = 0;

  async function stream(
    response: ServerResponse,
    request: ChatRequest,
    reply: Reply,
    fault: ModelFault | undefined,
    id: string,
    closed: AbortSignal,
  ) {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const send = (choices: unknown[], more: object = {}) =>
      response.write(
        `data: ${JSON.stringify({ id, object: "chat.completion.chunk", created: 0, model: request.model, choices, ...more })}\n\n`,
      );
    for (const [i, delta] of deltas(reply, id).entries()) {
      if (closed.aborted) return;
      if (fault?.kind === "cut" && i >= fault.afterPieces) return void response.destroy();
      if (fault?.kind === "stall" && i >= fault.afterPieces)
        return void (await new Promise((resolve) => closed.addEventListener("abort", resolve)));
      send([{ index: 0, delta, finish_reason: null }]);
      if (options.paceMs) await sleep(options.paceMs, undefined, { signal: closed }).catch(() => undefined);
    }
    if (closed.aborted) return;
    if (fault?.kind !== "no finish") {
      send([{ index: 0, delta: {}, finish_reason: finishOf(reply) }]);
      send([], { usage: usageOf(request, reply) });
    }
    response.end("data: [DONE]\n\n");
  }

  function whole(response: ServerResponse, request: ChatRequest, reply: Reply, id: string) {
    const made = (reply.calls ?? []).map((call, i) => ({
      id: `${id}_${i}`,
      type: "function",
      function: { name: call.name, arguments: JSON.stringify(call.args) },
    }));
    const message = { role: "assistant", content: reply.text ?? "", ...(made.length > 0 ? { tool_calls: made } : {}) };
    const choices = [{ index: 0, message, finish_reason: finishOf(reply) }];
    json(response, 200, { id, object: "chat.completion", created: 0, model: request.model, choices, usage: usageOf(request, reply) });
  }

  async function complete(request: IncomingMessage, response: ServerResponse) {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BODY) return json(response, 413, wrong(`At most ${MAX_BODY} bytes are taken.`, "invalid_request_error"));
      chunks.push(chunk);
    }
    let body: unknown;
    try {
      body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    } catch {
      return json(response, 400, wrong("The body is not JSON.", "invalid_request_error"));
    }
    const parsed = ChatRequest.safeParse(body);
    if (!parsed.success) return json(response, 400, wrong(parsed.error.message, "invalid_request_error"));
    const call: ModelCall = { at: now(), request: parsed.data, headers: request.headers, bytes: size };
    calls.push(call);
    kept += size;
    while (calls.length > 5_000 || kept > logBytes) kept -= calls.shift()?.bytes ?? 0;
    const gone = new AbortController();
    response.on("close", () => {
      call.ended = now();
      if (!response.writableFinished) call.aborted = true;
      gone.abort();
    });
    count += 1;
    const id = `call_${now().toString(36)}_${count}`;
    const { reply, fault } = options.respond(parsed.data);
    call.reply = reply;
    if (fault) call.fault = fault.kind;
    switch (fault?.kind) {
      case "status": {
        const retry = fault.retryAfterSeconds === undefined ? {} : { "retry-after": String(fault.retryAfterSeconds) };
        return json(response, fault.status, wrong(fault.message ?? `answered ${fault.status} on purpose`, errorType(fault.status)), retry);
      }
      case "hang":
        return void (await new Promise((resolve) => gone.signal.addEventListener("abort", resolve)));
    }
    const said = fault?.kind === "empty" ? {} : reply;
    if (parsed.data.stream) await stream(response, parsed.data, said, fault, id, gone.signal);
    else whole(response, parsed.data, said, id);
  }

  async function serve(request: IncomingMessage, response: ServerResponse) {
    if (!isLoopbackHost(request.headers.host) || isFromOtherPage(request.headers))
      return json(response, 403, wrong("Only programs of this machine are served.", "forbidden"));
    if (options.key !== undefined && request.headers.authorization !== `Bearer ${options.key}`) {
      return json(response, 401, wrong("Incorrect API key provided.", "invalid_request_error"));
    }
    const path = new URL(request.url ?? "/", "http://127.0.0.1").pathname;
    if (request.method === "GET" && path === "/v1/models") {
      const data = (options.models ?? ["main"]).map((id) => ({ id, object: "model", created: 0, owned_by: "errand" }));
      return json(response, 200, { object: "list", data });
    }
    if (request.method === "POST" && path === "/v1/chat/completions") return complete(request, response);
    return json(
      response,
      404,
      wrong(`There is no ${request.method} ${path} here; there are POST /v1/chat/completions and GET /v1/models.`, "not_found"),
    );
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      if (!response.destroyed) console.error("local model:", error);
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  return {
    /** The base address for an OpenAI-compatible client, with `/v1`. */
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    /** Every request so far, oldest first (the last 5,000, and the last 64 MiB). */
    calls,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A running model server. */
export type ModelServer = Awaited<ReturnType<typeof startModel>>;
