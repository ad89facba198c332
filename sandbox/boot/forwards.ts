/** TCP ports inside that lead to the host's sockets: raw bytes, so that WebSocket and event streams pass. */
import { connect, createServer } from "node:net";
import { pipeline } from "node:stream";
import type { Forward } from "./config.ts";

/** Opens the ports on 127.0.0.1. Rejects when one is taken. */
export async function openForwards(forwards: readonly Forward[]): Promise<void> {
  for (const { port, socket } of forwards) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const upstream = connect({ path: socket, allowHalfOpen: true });
      // A pipeline destroys both of its ends when one fails.
      pipeline(client, upstream, () => undefined);
      pipeline(upstream, client, () => undefined);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: "127.0.0.1", port }, resolve);
    });
    server.on("error", () => undefined);
  }
}
