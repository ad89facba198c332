/** The Worker's side as sandboxes see it, for their tests: it takes runners, keeps what they tell, and records every other request. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { RunnerEvent } from "../../protocol/events.ts";
import type { Guest, Service } from "../../protocol/grant.ts";
import { CLOSE_FENCED, type Command, FromRunner, PING, PONG, type ToRunner } from "../../protocol/runner.ts";

type Runner = {
  events: RunnerEvent[];
  used: Service[];
  guests: Guest[][];
  received: number;
  connections: number;
  socket: WebSocket | null;
};

/** Starts it. Runners are kept by `<session> <generation>`; each must show the token `runner-<session>-<generation>`. */
export async function startWorker() {
  const runners = new Map<string, Runner>();
  const requests: string[] = [];
  /** People who may no longer have anything open. */
  const shutOut = new Set<string>();
  let commands = 0;
  const server = createServer((req, res) => {
    const session = /^\/sandbox\/([a-z2-7]{26})\/model\/v1\/chat\/completions$/.exec(req.url ?? "")?.[1];
    if (session && req.headers.authorization?.startsWith(`Bearer model-${session}-`)) return answerAsModel(req, res);
    requests.push(`${req.method} ${req.url}`);
    res.end("the worker\n");
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (req, socket, head) => {
    const found = /^\/sandbox\/([a-z2-7]{26})\/runner\?generation=(\d+)$/.exec(req.url ?? "");
    const [, session, generation] = found ?? [];
    if (!found || req.headers.authorization !== `Bearer runner-${session}-${generation}`) {
      requests.push(`UPGRADE ${req.url}`);
      return void socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    const runner = of(session ?? "", Number(generation));
    sockets.handleUpgrade(req, socket, head, (ws) => serve(ws, runner));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));

  function of(session: string, generation: number): Runner {
    const key = `${session} ${generation}`;
    const runner = runners.get(key) ?? { events: [], used: [], guests: [], received: 0, connections: 0, socket: null };
    runners.set(key, runner);
    return runner;
  }

  function serve(ws: WebSocket, runner: Runner): void {
    const send = (frame: ToRunner) => ws.send(JSON.stringify(frame));
    runner.connections += 1;
    runner.socket = ws;
    ws.on("message", (data) => {
      if (String(data) === PING) return ws.send(PONG);
      const frame = FromRunner.parse(JSON.parse(String(data)));
      if (frame.t === "hello") send({ t: "welcome", received: runner.received, sites: null });
      if (frame.t === "used") runner.used.push(...frame.services);
      if (frame.t === "ask" && frame.ask.what === "guests") {
        const { guests } = frame.ask;
        runner.guests.push(guests);
        const gone = guests.flatMap((guest, index) => (shutOut.has(guest.sub) ? [index] : []));
        send({ t: "answer", id: frame.id, answer: { is: "guests", gone } });
      }
      if (frame.t !== "events") return;
      runner.events.push(...frame.items.slice(Math.max(0, runner.received + 1 - frame.first)));
      runner.received = Math.max(runner.received, frame.first + frame.items.length - 1);
      send({ t: "ack", events: runner.received });
    });
  }

  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    port: (server.address() as AddressInfo).port,
    requests,
    shutOut,
    of,
    /** The states a service went through, in order. */
    states: (session: string, generation: number, service: string) =>
      of(session, generation).events.flatMap((event) => (event.type === "service.state" && event.service === service ? [event.state] : [])),
    /** Asks a runner for something; not repeated when it gets lost. */
    command: (session: string, generation: number, command: Command) =>
      of(session, generation).socket?.send(JSON.stringify({ t: "command", seq: ++commands, command } satisfies ToRunner)),
    /** Ends a runner's generation as the SessionAgent does. */
    fence: (session: string, generation: number) => of(session, generation).socket?.close(CLOSE_FENCED, "a newer generation runs"),
    close: () => {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A model that says one sentence to everything. */
function answerAsModel(req: IncomingMessage, res: ServerResponse): void {
  req.resume();
  res.writeHead(200, { "content-type": "text/event-stream" });
  const send = (choices: object[], usage?: object) =>
    res.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 0, model: "test", choices, usage })}\n\n`);
  send([{ index: 0, delta: { role: "assistant", content: "Hello from the model." }, finish_reason: null }]);
  send([{ index: 0, delta: {}, finish_reason: "stop" }]);
  send([], { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 });
  res.end("data: [DONE]\n\n");
}
