/**
 * The HTTP proxy through which a sandbox reaches the public network: CONNECT and absolute-form requests. It resolves names
 * itself and connects to the address it checked, so that a name cannot be looked up again and mean another machine.
 */
import { lookup } from "node:dns/promises";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, isIP, type LookupFunction, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import type { Duplex } from "node:stream";
import { isPublicAddress } from "./addresses.ts";
import { type Listening, listening, splice } from "./relay.ts";
import { endToEndHeaders, framing } from "./worker-target.ts";

/** What the proxy asks of the machine it runs on. */
export type Network = {
  /** The addresses of a name, in the order to try them. Throws when there are none. */
  resolve: (name: string) => Promise<string[]>;
  /** Whether a sandbox may connect to this address. */
  isAllowed: (address: string) => boolean;
};

/** The real network: public addresses, except those of this machine itself, on which it may serve only its neighbours. */
export const PUBLIC_NETWORK: Network = {
  resolve: async (name) => (await lookup(name, { all: true })).map((entry) => entry.address),
  isAllowed: (address) => isPublicAddress(address) && !ownAddresses().has(address),
};

/** Time to connect, in ms: long enough for a slow network, short enough that an agent learns of a dead host. */
const CONNECT_MS = 15_000;

/** The addresses of a host that a sandbox may connect to, or why there are none. */
export async function allowedAddresses(
  host: string,
  network: Network,
): Promise<{ ok: true; addresses: string[] } | { ok: false; status: 403 | 502; message: string }> {
  const name = host.replace(/^\[|\]$/g, "");
  let addresses: string[];
  try {
    addresses = isIP(name) ? [name] : await network.resolve(name);
  } catch {
    return { ok: false, status: 502, message: `the name ${name} was not found` };
  }
  const allowed = addresses.filter(network.isAllowed);
  if (allowed.length === 0)
    return { ok: false, status: 403, message: `${name} is not a public address; a sandbox reaches public ones only` };
  return { ok: true, addresses: allowed };
}

/**
 * Options with which Node connects to the first of these addresses that answers, and to no other: its own look-up is
 * answered with them. The name is only a label.
 */
function dialing(addresses: readonly string[]): { host: string; lookup: LookupFunction; autoSelectFamily: true } {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return { host: "checked.invalid", lookup: (_host, _options, answer) => answer(null, all), autoSelectFamily: true };
}

function ownAddresses(): Set<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map((entry) => entry.address)));
}

/** `host:port` of a CONNECT request, or null where it is not that. */
export function parseAuthority(target: string): { host: string; port: number } | null {
  const found = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(target);
  const port = Number(found?.[2]);
  return found?.[1] && port > 0 && port <= 65_535 ? { host: found[1], port } : null;
}

/** Starts the proxy at `where`. */
export function egressProxy(
  where: { path: string } | { host: string; port: number },
  network: Network = PUBLIC_NETWORK,
): Promise<Listening> {
  const server = createServer({ requestTimeout: 0, headersTimeout: 10_000, maxHeaderSize: 32 * 1024 });

  server.on("connect", async (req: IncomingMessage, client: Duplex, head: Buffer) => {
    client.on("error", () => undefined);
    const target = parseAuthority(req.url ?? "");
    if (!target) return void client.end(plain(400, "CONNECT needs host:port"));
    const found = await allowedAddresses(target.host, network);
    if (!found.ok) return void client.end(plain(found.status, found.message));
    const upstream = connect({ ...dialing(found.addresses), port: target.port, allowHalfOpen: true });
    const failed = () => client.end(plain(502, `${target.host}:${target.port} does not answer`));
    upstream.setTimeout(CONNECT_MS, () => upstream.destroy(new Error("timeout")));
    upstream.once("error", failed);
    upstream.once("connect", () => {
      upstream.setTimeout(0);
      upstream.off("error", failed);
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) upstream.write(head);
      splice(client as Socket, upstream);
    });
    client.on("close", () => upstream.destroy());
  });

  server.on("request", async (req: IncomingMessage, res: ServerResponse) => {
    const url = URL.canParse(req.url ?? "") ? new URL(req.url ?? "") : null;
    const frame = framing(req.headers);
    if (url?.protocol !== "http:" || !frame)
      return refuse(res, 400, "this is an HTTP proxy: give it http:// addresses, or CONNECT for others");
    const found = await allowedAddresses(url.hostname, network);
    if (!found.ok) return refuse(res, found.status, found.message);
    const upstream = httpRequest({
      ...dialing(found.addresses),
      port: url.port || 80,
      method: req.method ?? "GET",
      path: `${url.pathname}${url.search}`,
      headers: [...endToEndHeaders(req.rawHeaders), ...Object.entries(frame), ["Host", url.host]].flat(),
      agent: false,
    });
    upstream.setTimeout(CONNECT_MS, () => {
      if (upstream.socket?.connecting ?? true) upstream.destroy(new Error("timeout"));
    });
    upstream.on("response", (answer) => {
      const { connection: _, "transfer-encoding": __, "keep-alive": ___, ...headers } = answer.headers;
      answer.on("error", () => res.destroy());
      try {
        res.writeHead(answer.statusCode ?? 502, headers);
      } catch {
        // Node reads heads that it does not write, such as status 000. Thrown here it would end the backend, and all sandboxes with it.
        upstream.destroy();
        return refuse(res, 502, `${url.host} gave an answer that is not HTTP`);
      }
      answer.pipe(res);
    });
    upstream.on("error", () => (res.headersSent ? res.destroy() : refuse(res, 502, `${url.host} does not answer`)));
    res.on("close", () => upstream.destroy());
    req.pipe(upstream);
  });

  return listening(server, where);
}

function refuse(res: ServerResponse, status: number, message: string): void {
  res.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close" });
  res.end(`errand's proxy: ${message}\n`);
}

function plain(status: number, message: string): string {
  const body = `errand's proxy: ${message}\n`;
  return `HTTP/1.1 ${status} Refused\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}
