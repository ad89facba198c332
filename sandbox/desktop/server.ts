/**
 * The desktop's web server: our noVNC page, its readiness, and the bridge to the X server.
 *
 *   GET /             the page (also page.js, page.css)
 *   GET /healthz      200 when the X server answers, else 503
 *   GET /mode         `drive` or `watch`: what the person may do
 *   WS  /websockify   RFB; without input for who looks on
 *
 * Who may use it and not only look on is the gateway's word, in the header `x-errand-mode`; without that header nobody is.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { WebSocketServer } from "ws";
import type { Mode } from "../../protocol/grant.ts";
import { answers, bridge } from "./bridge.ts";
import { isOwnOrigin } from "./origin.ts";

const FILES = {
  "/": { name: "index.html", type: "text/html; charset=utf-8" },
  "/page.js": { name: "page.js", type: "text/javascript; charset=utf-8" },
  "/page.css": { name: "page.css", type: "text/css; charset=utf-8" },
} as const;

/** noVNC paints cursors from data addresses and sets styles on its canvas. */
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** The X server must greet within this, or counts as not running. Milliseconds. */
const GREETING_MS = 2_000;

/** The largest message a browser sends is pasted text, of which noVNC and the X server take far less than this. Bytes. */
const LARGEST_MESSAGE = 16 * 1024 * 1024;

export interface DesktopServer {
  /** 0 where it listens on a socket. */
  port: number;
  close(): Promise<void>;
}

/**
 * Starts the server on 127.0.0.1. `page` is the folder with the built page. Port 0 takes a free one.
 * @throws if a file of the page is missing or the port is taken
 */
export async function serveDesktop(
  options: ({ port: number } | { socket: string }) & { rfbSocket: string; page: string },
): Promise<DesktopServer> {
  const files = new Map<string, { type: string; body: Buffer; etag: string }>();
  for (const [path, { name, type }] of Object.entries(FILES)) {
    const body = readFileSync(join(options.page, name));
    files.set(path, { type, body, etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"` });
  }
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: LARGEST_MESSAGE,
    handleProtocols: (offered) => (offered.has("binary") ? "binary" : false),
  });

  const server = createServer((request, response) => {
    const path = pathOf(request);
    if (path === "/healthz") return void health(response, options.rfbSocket);
    if (path === "/mode") return answer(response, 200, modeOf(request));
    const file = files.get(path);
    if (file === undefined) return answer(response, 404, "There is no such page on the desktop's server.");
    if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, "Only GET is served here.");
    const headers = {
      "content-type": file.type,
      "content-security-policy": POLICY,
      "cache-control": "private, no-cache",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      etag: file.etag,
    };
    if (request.headers["if-none-match"] === file.etag) return void response.writeHead(304, headers).end();
    response.writeHead(200, { ...headers, "content-length": file.body.length });
    response.end(request.method === "HEAD" ? undefined : file.body);
  });

  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    if (pathOf(request) !== "/websockify") return refuse(socket, "404 Not Found");
    if (!isOwnOrigin(request.headers)) return refuse(socket, "403 Forbidden");
    socket.setNoDelay(true);
    sockets.handleUpgrade(request, socket, head, (browser) => bridge(browser, options.rfbSocket, modeOf(request)));
  });

  // The socket of one that was killed is in the way.
  if ("socket" in options) await rm(options.socket, { force: true });
  await new Promise<void>((listening, failed) => {
    server.once("error", failed);
    if ("port" in options) server.listen(options.port, "127.0.0.1", listening);
    else server.listen(options.socket, listening);
  });
  if ("socket" in options) await chmod(options.socket, 0o600);
  return {
    port: "port" in options ? (server.address() as AddressInfo).port : 0,
    close: () =>
      new Promise((closed) => {
        for (const browser of sockets.clients) browser.terminate();
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split("?", 1)[0] ?? "/";
}

/** What the gateway says about who asks; everything but a plain yes means looking on. */
function modeOf(request: IncomingMessage): Mode {
  return request.headers["x-errand-mode"] === "drive" ? "drive" : "watch";
}

async function health(response: ServerResponse, rfbSocket: string): Promise<void> {
  if (await answers(rfbSocket, GREETING_MS)) answer(response, 200, "The desktop answers.");
  else answer(response, 503, "The desktop's X server does not answer.");
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(`${text}\n`);
}

function refuse(socket: Socket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
