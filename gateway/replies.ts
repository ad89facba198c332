/** The gateway's own answers: short, the same for every cause of one status, and never with a detail from inside. */
import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Service } from "../protocol/grant.ts";
import type { Opens } from "./sessions.ts";

const OWN_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-robots-tag": "noindex",
};

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  /** Body. Without `html` and `text` it is the status in words. */
  html?: string;
  text?: string;
  /** Ends the connection after the answer, because what follows on it can't be trusted or is not wanted. */
  close?: boolean;
}

/** Answers a request with one of our own replies. Does nothing where a head was sent already. */
export function reply(res: ServerResponse, { status, headers, html, text, close }: Reply): void {
  if (res.headersSent || res.destroyed) return;
  const body = html ?? text ?? `${STATUS_CODES[status] ?? "Error"}\n`;
  res.writeHead(status, {
    ...OWN_HEADERS,
    "content-type": `${html === undefined ? "text/plain" : "text/html"}; charset=utf-8`,
    "content-length": String(Buffer.byteLength(body)),
    ...(status === 503 && { "retry-after": "1" }),
    ...(close && { connection: "close" }),
    ...headers,
  });
  res.end(body);
}

/** Answers on a raw socket, where there is no response object, and closes it. */
export function replyRaw(socket: Duplex, status: number): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${STATUS_CODES[status] ?? "Error"}\n`;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Error"}`,
    "Connection: close",
    "Cache-Control: no-store",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 503 || status === 429 ? ["Retry-After: 1"] : []),
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

const NAMES: Record<Exclude<Service, "preview">, string> = {
  vscode: "VS Code",
  desktop: "The desktop",
  terminal: "The terminal",
  opencode: "OpenCode",
};

/** A page for someone who came before the service was up, or whose preview has ended: it asks again by itself, every second, without script. */
export function waitingPage({ service, port }: Opens): string {
  const what = service === "preview" ? `Nothing answers on port ${port} of the sandbox.` : `${NAMES[service]} is starting.`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="1"><title>Starting …</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>body{font:16px system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;margin:0}</style></head>
<body><p>${what} This page asks again every second.</p></body></html>
`;
}
