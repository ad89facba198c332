/** A WebSocket through to an upstream: the handshake is relayed, and only after a 101 are the two sockets joined. */
import { request } from "node:http";
import { connect, type NetConnectOpts, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Fields, fieldsOf, flat, valuesOf } from "./fields.ts";
import { replyRaw } from "./replies.ts";

/** Longest time an upstream may take to answer a handshake, in ms. */
const HANDSHAKE_MS = 10_000;
/** After one side has ended, the other has this long to end too, in ms. */
const FAREWELL_MS = 2_000;

/** Of the upstream's answer only these reach the browser. */
const HANDSHAKE_FIELDS = ["sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions"];

export interface Tunnel {
  /** How to connect to the upstream. */
  to: { host: string; port: number } | { socketPath: string };
  /** Path and query for the upstream. */
  path: string;
  /** The rebuilt list for the upstream, without `Connection` and `Upgrade`. */
  fields: Fields;
  /** Called when the upstream has agreed, and when bytes came from the browser. */
  used(): void;
  /** Called once, when both sockets are gone or the handshake failed. `code` says why it failed, for the log. */
  done(code?: string): void;
}

/**
 * Relays the handshake and joins the sockets. `head` holds bytes that came after the client's head: they wait until the upstream
 * has agreed, so nothing can be slipped into one that refused. Returns a function that cuts everything at once.
 */
export function openTunnel(client: Duplex, head: Buffer, tunnel: Tunnel): () => void {
  let upstream: Duplex | undefined;
  let over = false;
  const finish = (code?: string) => {
    if (over) return;
    over = true;
    clearTimeout(deadline);
    tunnel.done(code);
  };
  const cut = () => {
    handshake.destroy();
    upstream?.destroy();
    client.destroy();
    finish();
  };
  const refuse = (status: number, code: string) => {
    if (over) return;
    replyRaw(client, status);
    handshake.destroy();
    finish(code);
  };

  const handshake = request({
    ...tunnel.to,
    method: "GET",
    path: tunnel.path,
    headers: flat([...tunnel.fields, ["connection", "Upgrade"], ["upgrade", "websocket"]]),
    setHost: false,
    // Its own connection: with `agent: false` Node would make a whole agent for each.
    createConnection: (options) => connect(options as NetConnectOpts),
    maxHeaderSize: 32_768,
  });
  const deadline = setTimeout(() => refuse(504, "handshake timeout"), HANDSHAKE_MS);
  handshake.once("response", (response) => {
    response.destroy();
    const status = response.statusCode ?? 502;
    refuse(status >= 400 ? status : 502, `status ${status}`);
  });
  handshake.once("error", (error: NodeJS.ErrnoException) => refuse(502, error.code ?? error.name));
  client.on("error", () => client.destroy());
  client.once("close", cut);
  handshake.once("upgrade", (response, socket, early) => {
    clearTimeout(deadline);
    upstream = socket;
    socket.on("error", () => socket.destroy());
    if (over || client.destroyed) return cut();
    client.off("close", cut);
    const answer = fieldsOf(response.rawHeaders);
    const lines = HANDSHAKE_FIELDS.flatMap((name) => valuesOf(answer, name).map((value) => `${name}: ${value}`));
    client.write(
      ["HTTP/1.1 101 Switching Protocols", "connection: Upgrade", "upgrade: websocket", ...lines, "", ""].join("\r\n"),
      "latin1",
    );
    if (early.length > 0) client.write(early);
    if (head.length > 0) socket.write(head);
    tunnel.used();
    client.on("data", tunnel.used);
    join(client, socket, finish);
  });
  handshake.end();
  return cut;
}

/** Pipes both ways until both sockets are closed. `pipe` holds each side back while the other does not keep up. */
function join(client: Duplex, upstream: Duplex, closed: () => void): void {
  // The upstream is on this machine: nothing between could take it away without a word.
  if (client instanceof Socket) client.setKeepAlive(true, 30_000);
  // Ended with the sockets: what they hold would stay in memory for as long as they wait.
  const farewells: NodeJS.Timeout[] = [];
  const leaveTo = (other: Duplex) => farewells.push(setTimeout(() => other.destroy(), FAREWELL_MS).unref());
  for (const [side, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    if (side instanceof Socket) side.setNoDelay(true).setTimeout(0);
    side.once("end", () => leaveTo(other));
    side.once("close", () => {
      if (other.destroyed) {
        for (const farewell of farewells) clearTimeout(farewell);
        return closed();
      }
      // Ended rather than destroyed: what this side sent last may still be on its way to the other.
      other.end();
      leaveTo(other);
    });
    side.pipe(other);
  }
}
