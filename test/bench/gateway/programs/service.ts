/**
 * What lies behind the proxies, as a process of its own: a WebSocket server that echoes, and, for where there is no nginx to do it
 * better, a server of two files. Tells its port by IPC.
 */
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const [, , small = "1024", large = "1024"] = process.argv;
const files: Record<string, Buffer> = { "/small": Buffer.alloc(Number(small), "s"), "/large": Buffer.alloc(Number(large)) };

const server = createServer((req, res) => {
  const file = files[req.url ?? ""];
  if (!file) return void res.writeHead(404).end();
  res.writeHead(200, { "content-type": "application/octet-stream", "content-length": file.length }).end(file);
});
server.keepAliveTimeout = 60_000;
const sockets = new WebSocketServer({ server, perMessageDeflate: false, maxPayload: 64 * 1024 * 1024 });
sockets.on("connection", (socket) => {
  socket.on("error", () => socket.terminate());
  socket.on("message", (data) => socket.send(data as Buffer, { binary: true }));
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ port: address !== null && typeof address === "object" ? address.port : 0 });
});
process.on("disconnect", () => process.exit());
