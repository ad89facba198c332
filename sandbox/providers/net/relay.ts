/**
 * Byte relays between TCP ports and UNIX sockets: what joins a sandbox with its own network namespace to the host.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";

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

/** A relay of raw bytes from `where` to what `dial` connects to; what it throws ends that one connection. */
export function relay(where: { path: string } | { host: string; port: number }, dial: () => Socket): Promise<Listening> {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    try {
      splice(client, dial());
    } catch {
      client.destroy();
    }
  });
  return listening(server, where);
}

/** Linux's O_PATH, which Node does not name: a handle on the file itself, whatever it is. */
const O_PATH = 0o10000000;

/**
 * Connects to a UNIX socket in a folder that a sandbox can write, and to nothing else: were it a symbolic link, the host would
 * follow it to sockets of its own. Linux only, by a handle on the checked file. Throws when it is not there or not a socket.
 */
export function dialSandboxSocket(path: string): Socket {
  const handle = openSync(path, O_PATH | constants.O_NOFOLLOW);
  const release = () => closeSync(handle);
  if (!fstatSync(handle).isSocket()) {
    release();
    throw new Error(`${path} is not a socket`);
  }
  const socket = connect({ path: `/proc/self/fd/${handle}`, allowHalfOpen: true });
  let isHeld = true;
  const once = () => {
    if (isHeld) release();
    isHeld = false;
  };
  return socket.once("connect", once).once("close", once);
}
