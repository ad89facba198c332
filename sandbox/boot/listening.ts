/** Where the services of a sandbox listen. */
import { join } from "node:path";
import type { InsideConfig } from "./config.ts";

/** Linux refuses longer paths of UNIX sockets, in bytes. */
const MAX_SOCKET_PATH = 107;

/** A port on 127.0.0.1, or the path of a UNIX socket. */
export type Listening = { port: number } | { socket: string };

/** The services that can listen on either. OpenCode has no socket, and asks for a password. */
export type Listener = "vscode" | "desktop" | "terminal" | "terminalWatch";

/** Where a service listens: on its port, or without one on a socket among the things of this generation. */
export function listeningOf(config: Pick<InsideConfig, "ports" | "paths">, name: Listener): Listening {
  const port = config.ports[name];
  return port === null ? { socket: join(config.paths.run, `${name}.sock`) } : { port };
}

/** Why nothing can listen there, or null. */
export function listeningProblem(...all: Listening[]): string | null {
  const tooLong = all.find((one) => "socket" in one && Buffer.byteLength(one.socket) > MAX_SOCKET_PATH);
  return tooLong && "socket" in tooLong ? `the path ${tooLong.socket} is too long for a UNIX socket` : null;
}

/** How one sees that somebody listens there. */
export const isListening = (where: Listening): { by: "tcp"; port: number } | { by: "socket"; path: string } =>
  "port" in where ? { by: "tcp", port: where.port } : { by: "socket", path: where.socket };
