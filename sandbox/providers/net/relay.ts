/**
 * Byte relays between TCP ports and UNIX sockets: what joins a sandbox with its own network namespace to the host.
 */
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from "node:net";

/** A relay that listens. `close` stops listening and ends every connection. */
export type Listening = { port: number | null; close(): Promise<void> };

/** The longest path a UNIX socket may have on Linux, in bytes: `sun_path` holds 108 with the closing NUL. */
export const MAX_SOCKET_PATH = 107;

/** Connections that one sandbox may have open on one of its ways out or in: the backend's file descriptors are for all. */
const MAX_CONNECTIONS = 512;

/**
 * Starts listening and closes everything on `close`.
 * @throws what `listen` fails with, as EADDRINUSE
 */
export async function listening(server: Server, where: { path: string } | { host: string; port: number }): Promise<Listening> {
  const open = new Set<Socket>();
  server.maxConnections = MAX_CONNECTIONS;
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
  // After a successful start an error concerns one accept, as when no file descriptor is left: the next may succeed.
  server.on("error", () => undefined);
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : null,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** Passes bytes both ways, half-closes included; when one side breaks, both end. */
export function splice(a: Socket, b: Socket): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.setNoDelay(true);
    from.on("error", () => to.destroy());
    from.on("close", () => {
      if (!from.readableEnded) to.destroy();
    });
    from.pipe(to);
  }
}

/** A relay of raw bytes from `where` to whatever `to` says at the time of each connection. */
export function relay(where: { path: string } | { host: string; port: number }, to: NetConnectOpts): Promise<Listening> {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ allowHalfOpen: true, ...to });
    splice(client, upstream);
  });
  return listening(server, where);
}
