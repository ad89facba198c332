/**
 * The sandbox's way to the Worker: an HTTP server on a UNIX socket that looks at every request, also the second one of a
 * connection, and passes only the routes of its own session. See worker-target.ts for the rule.
 */
import { Agent, createServer, request as httpRequest, type IncomingMessage, type RequestOptions, type ServerResponse } from "node:http";
import { request as httpsRequest, Agent as TlsAgent } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Listening, listening, splice } from "./relay.ts";
import { framing, passedHeaders, refusal } from "./worker-target.ts";

/** At most this many requests of one sandbox are open at the Worker at once; more wait. */
const MAX_SOCKETS = 64;

/** Starts the relay of one session's sandbox at `path`. `worker` is the Worker's origin on the host. */
export async function relayToWorker(path: string, worker: URL, session: string): Promise<Listening> {
  const tls = worker.protocol === "https:";
  const agent = tls ? new TlsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }) : new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  const ask = tls ? httpsRequest : httpRequest;
  const options = (req: IncomingMessage, headers: [string, string][]): RequestOptions => ({
    hostname: worker.hostname.replace(/^\[|\]$/g, ""),
    port: worker.port || (tls ? 443 : 80),
    method: req.method ?? "GET",
    path: req.url ?? "/",
    headers: [...headers, ["Host", worker.host] as [string, string]].flat(),
  });

  const server = createServer({ maxHeaderSize: 32 * 1024, insecureHTTPParser: false, requestTimeout: 0, headersTimeout: 10_000 });

  server.on("request", (req: IncomingMessage, res: ServerResponse) => {
    const why = refusal(session, req.method, req.url);
    const frame = framing(req.headers);
    if (why !== null || frame === null) return refuse(res, why === null ? 400 : 403, why ?? "this transfer coding is not passed on");
    const upstream = ask({ ...options(req, [...passedHeaders(req.rawHeaders), ...Object.entries(frame)]), agent });
    upstream.on("response", (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.statusMessage, answerHeaders(answer));
      // An event stream's head must not wait for its first event.
      res.flushHeaders();
      answer.on("error", () => res.destroy());
      answer.pipe(res);
    });
    upstream.on("error", () => {
      if (res.headersSent) res.destroy();
      else refuse(res, 502, "the Worker does not answer");
    });
    res.on("close", () => upstream.destroy());
    req.pipe(upstream);
  });

  server.on("upgrade", (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => undefined);
    const why = refusal(session, req.method, req.url);
    const isWebSocket = req.method === "GET" && req.headers.upgrade?.toLowerCase() === "websocket";
    const isBare = req.headers["transfer-encoding"] === undefined && (req.headers["content-length"] ?? "0") === "0";
    if (why !== null || !isWebSocket || !isBare) return end(socket, 403, why ?? "only WebSocket upgrades without a body are passed on");
    const headers: [string, string][] = [...passedHeaders(req.rawHeaders), ["Connection", "Upgrade"], ["Upgrade", "websocket"]];
    const upstream = ask({ ...options(req, headers), agent: false });
    upstream.on("upgrade", (answer, other, rest) => {
      const lines = Object.entries(flat(answer.rawHeaders)).map(([name, value]) => `${name}: ${value}`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("\r\n")}\r\n\r\n`);
      if (rest.length > 0) socket.write(rest);
      if (head.length > 0) other.write(head);
      splice(socket as Socket, other as Socket);
    });
    upstream.on("response", (answer) => {
      answer.resume();
      end(socket, answer.statusCode ?? 502, `the Worker answered ${answer.statusCode ?? "nothing"} to the upgrade`);
    });
    upstream.on("error", () => end(socket, 502, "the Worker does not answer"));
    socket.on("close", () => upstream.destroy());
    upstream.end();
  });

  server.on("connect", (_req: IncomingMessage, socket: Duplex) => {
    socket.on("error", () => undefined);
    end(socket, 403, "CONNECT is not passed on to the Worker");
  });

  const open = await listening(server, { path });
  return {
    port: null,
    close: async () => {
      await open.close();
      agent.destroy();
    },
  };
}

function flat(raw: readonly string[]): Record<string, string> {
  return Object.fromEntries(raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1] ?? ""]] : [])));
}

/** The answer's headers without hop-by-hop ones; Node frames the body anew. */
function answerHeaders(answer: IncomingMessage): Record<string, string | string[]> {
  const hop = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "trailer", "upgrade"]);
  return Object.fromEntries(
    Object.entries(answer.headers).flatMap(([name, value]) => (value === undefined || hop.has(name) ? [] : [[name, value]])),
  );
}

function refuse(res: ServerResponse, status: number, message: string): void {
  const body = `${message}\n`;
  res.writeHead(status, { "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(body), connection: "close" });
  res.end(body);
}

function end(socket: Duplex, status: number, message: string): void {
  const body = `${message}\n`;
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
