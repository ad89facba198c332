/** What errand is measured against: a Worker of one Hono route that answers at once, and a WebSocket echo. */
import { Hono } from "hono";

/** The parts of a Worker's WebSocket that are used here; this file is bundled for workerd, not run in Node. */
type Socket = {
  accept(): void;
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: "message" | "close", listener: (event: { data: string }) => void): void;
};
declare const WebSocketPair: new () => { 0: Socket; 1: Socket };

const app = new Hono();
app.post("/slack/events", (c) => c.body(null, 200));
app.get("/echo", () => {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.addEventListener("message", ({ data }) => server.send(data));
  server.addEventListener("close", () => server.close());
  const upgraded: ResponseInit & { webSocket: Socket } = { status: 101, webSocket: client };
  return new Response(null, upgraded);
});

export default app;
