/** An HTTP listener with the gateway's limits, and the answers to what is not HTTP. */
import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { replyRaw } from "./replies.ts";

/** Connections taken at a time by one listener. */
const CONNECTIONS = 2_000;

export interface Handlers {
  onRequest(req: IncomingMessage, res: ServerResponse): void;
  onUpgrade(req: IncomingMessage, socket: Duplex, early: Buffer): void;
}

export interface Listener {
  /** 0 for a UNIX socket. */
  port: number;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

/** Listens on a port, or on a UNIX socket that only this user may open (a stale one is replaced). Rejects where that fails. */
export async function listenOn(where: { port: number; host: string } | { path: string }, handlers: Handlers): Promise<Listener> {
  const server = createServer({
    maxHeaderSize: 32_768,
    // The time for a head is only as exact as the interval of the checks.
    headersTimeout: 10_000,
    connectionsCheckingInterval: 2_000,
    // Uploads may take their time.
    requestTimeout: 0,
    keepAliveTimeout: 30_000,
    requireHostHeader: true,
    insecureHTTPParser: false,
  });
  server.maxConnections = CONNECTIONS;

  const sockets = new Set<Socket>();
  const answering = new WeakMap<Duplex, Set<ServerResponse>>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    answering.set(socket, new Set());
    socket.once("close", () => sockets.delete(socket));
  });
  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    const open = answering.get(req.socket);
    open?.add(res);
    res.once("close", () => open?.delete(res));
    handlers.onRequest(req, res);
  };
  server.on("request", onRequest);
  // Without these two Node would ask for the body before anyone has looked at the head, or answer by itself.
  server.on("checkContinue", onRequest);
  server.on("checkExpectation", onRequest);
  server.on("upgrade", (req: IncomingMessage, socket: Duplex, early: Buffer) => {
    // An answer still under way would be written into the middle of the WebSocket.
    if (answering.get(socket)?.size) socket.destroy();
    else handlers.onUpgrade(req, socket, early);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    // A second head in the middle of an answer would be read as a part of it.
    if ([...(answering.get(socket) ?? [])].some((res) => res.headersSent)) return void socket.destroy();
    replyRaw(socket, statusOf(error.code));
  });

  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.once("listening", listening.resolve);
  if ("path" in where) await rm(where.path, { force: true });
  server.listen(where);
  await listening.promise;
  if ("path" in where) await chmod(where.path, 0o600);

  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : 0,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The status for an error of Node's HTTP parser. */
function statusOf(code: string | undefined): number {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return 431;
    case "HPE_INVALID_METHOD":
      return 405;
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return 408;
    default:
      return 400;
  }
}
