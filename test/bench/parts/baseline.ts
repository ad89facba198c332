/**
 * What errand is measured against: a Worker of one Hono route that answers at once, a WebSocket echo by it and by an object, and the least
 * that could take a delivery safely: check the signature, call one object, write one row.
 */
import { DurableObject } from "cloudflare:workers";
import { Hono } from "hono";

type Env = {
  FLOOR: { getByName(name: string): { take(id: string, body: string): Promise<boolean>; fetch(request: Request): Promise<Response> } };
  SLACK_SIGNING_SECRET: string;
};

const upgraded = (client: WorkerSocket) => {
  const answer: ResponseInit & { webSocket: WorkerSocket } = { status: 101, webSocket: client };
  return new Response(null, answer);
};

/** An object that stores each delivery once, and says back what it hears. */
export class Floor extends DurableObject {
  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS inbox (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID");
  }

  take(id: string, body: string): boolean {
    return (
      this.ctx.storage.sql.exec("INSERT INTO inbox (id, body) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1", id, body).toArray()
        .length > 0
    );
  }

  fetch(): Response {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return upgraded(client);
  }

  webSocketMessage(socket: WorkerSocket, text: string): void {
    socket.send(text);
  }
}

const utf8 = new TextEncoder();
const app = new Hono<{ Bindings: Env }>();
app.post("/slack/events", (c) => c.body(null, 200));
app.post("/slack/floor", async (c) => {
  const body = await c.req.text();
  const secret = utf8.encode(c.env.SLACK_SIGNING_SECRET);
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const mac = Uint8Array.from(c.req.header("x-slack-signature")?.slice(3).match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  const signed = utf8.encode(`v0:${c.req.header("x-slack-request-timestamp")}:${body}`);
  if (!(await crypto.subtle.verify("HMAC", key, mac, signed))) return c.body(null, 401);
  const { event_id, event } = JSON.parse(body) as { event_id: string; event: { channel: string } };
  await c.env.FLOOR.getByName(event.channel).take(event_id, body);
  return c.body(null, 200);
});
app.get("/echo", () => {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.addEventListener("message", ({ data }) => server.send(data));
  server.addEventListener("close", () => server.close());
  return upgraded(client);
});

app.get("/echo/object", (c) => c.env.FLOOR.getByName("echo").fetch(c.req.raw));

export default app;
