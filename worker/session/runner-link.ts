/**
 * The link to the runner: commands that it has not acknowledged are kept and sent again on every connection; events it
 * sends are taken once, in order. Only a socket of the newest generation is heard.
 */

import type { RunnerEvent } from "../../protocol/events.ts";
import {
  CLOSE_FENCED,
  type Command,
  FromRunner,
  MAX_FRAME,
  PING,
  PONG,
  RUNNER_PROTOCOL,
  type RunnerAnswer,
  type RunnerAsk,
  type ToRunner,
} from "../../protocol/runner.ts";
import type { Sites } from "../../protocol/sites.ts";
import type { Log } from "./log.ts";
import type { Tables } from "./schema.ts";

export const RUNNER = "runner";

export const linkTables: Tables = {
  part: "link",
  steps: [
    "CREATE TABLE commands (seq INTEGER PRIMARY KEY, command TEXT NOT NULL)",
    "CREATE TABLE commands_last (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL)",
  ],
};

type Attachment = { generation: number; greeted: boolean };

export type LinkPorts = {
  /** How browsers reach the sandbox's gateway, once known. */
  sites: () => Sites | null;
  /** The public keys that grants are signed with now; undefined: none are. */
  grantKeys: () => Extract<ToRunner, { t: "welcome" }>["grantKeys"];
  /** Stores and applies a batch, with all that follows from it, in one transaction. False: events are missing before `first`. */
  take: (generation: number, first: number, items: readonly RunnerEvent[]) => boolean;
  connected: (generation: number) => void;
  /** The runner of this generation speaks another version of the protocol: it can't be worked with. */
  foreign: (generation: number, version: number) => void;
  /** People use what runs in the sandbox. */
  used: () => void;
  /** Answers what the runner asks. Its answer is secret. Never rejects. */
  answer: (ask: RunnerAsk) => Promise<RunnerAnswer>;
  /** Adds what is known only when a command is sent. */
  complete: (command: Command) => Command;
  log: (entry: Record<string, unknown>) => void;
};

export class RunnerLink {
  readonly #ctx: DurableObjectState;
  readonly #log: Log;
  readonly #ports: LinkPorts;
  /** Commands of the transaction under way. They go out when it is committed: a number that is rolled back is given out again. */
  #unsent: { seq: number; command: Command }[] = [];

  constructor(ctx: DurableObjectState, log: Log, ports: LinkPorts) {
    this.#ctx = ctx;
    this.#log = log;
    this.#ports = ports;
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
  }

  /** Takes the socket of the newest generation's runner; an older socket of it is closed. */
  connect(generation: number): Response {
    for (const old of this.#ctx.getWebSockets(RUNNER)) this.#close(old, "another connection of this generation took its place", false);
    const { 0: client, 1: server } = new WebSocketPair();
    this.#ctx.acceptWebSocket(server, [RUNNER]);
    server.serializeAttachment({ generation, greeted: false } satisfies Attachment);
    return new Response(null, { status: 101, webSocket: client });
  }

  #socket(): WebSocket | undefined {
    return this.#ctx
      .getWebSockets(RUNNER)
      .find((socket) => socket.readyState === WebSocket.OPEN && (socket.deserializeAttachment() as Attachment).greeted);
  }

  /** When the connected runner last pinged, ms since 1970. */
  lastPing(): number | undefined {
    const socket = this.#socket();
    return socket && this.#ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime();
  }

  isConnected(): boolean {
    return this.#socket() !== undefined;
  }

  /** Whether this socket is the one that is heard. */
  isCurrent(socket: WebSocket): boolean {
    return this.#socket() === socket;
  }

  /** Handles a frame. A frame that is not one of the protocol's is logged and the socket closed. */
  receive(socket: WebSocket, text: string, generation: number): void {
    const attachment = socket.deserializeAttachment() as Attachment;
    if (attachment.generation !== generation) return this.#close(socket, `generation ${attachment.generation} is over`, true);
    const parsed = text.length <= MAX_FRAME ? FromRunner.safeParse(parseJson(text)) : undefined;
    if (!parsed?.success) {
      this.#ports.log({ message: "frame refused", why: parsed?.error.issues[0]?.message ?? "too long", length: text.length });
      return socket.close(1007, "not a frame of this protocol");
    }
    const frame = parsed.data;
    if (frame.t === "hello") {
      if (frame.protocol !== RUNNER_PROTOCOL) return this.#ports.foreign(generation, frame.protocol);
      socket.serializeAttachment({ generation, greeted: true } satisfies Attachment);
      this.#acknowledged(frame.commands);
      const [received, sites, grantKeys] = [this.#log.received(generation), this.#ports.sites(), this.#ports.grantKeys()];
      this.#send(socket, { t: "welcome", received, sites, ...(grantKeys ? { grantKeys } : {}) });
      for (const { seq, command } of this.#pending()) this.#send(socket, { t: "command", seq, command: this.#ports.complete(command) });
      this.#ports.connected(generation);
      return;
    }
    if (!attachment.greeted) return socket.close(1002, "hello comes first");
    if (frame.t === "ack") return this.#acknowledged(frame.commands);
    if (frame.t === "ask") return void this.#answer(socket, generation, frame.id, frame.ask);
    if (frame.t === "used") return this.#ports.used();
    const before = this.#log.stored(generation);
    if (!this.#ports.take(generation, frame.first, frame.items)) return this.askAgain(generation);
    const stored = this.#log.stored(generation);
    // The output gate holds this frame back until the rows are durable. A replay is acknowledged again.
    if (stored > before || frame.first <= before) this.#send(socket, { t: "ack", events: stored });
  }

  /** Only the runner that asked, on the connection on which it asked, gets the answer; one that was fenced meanwhile gets none. */
  async #answer(socket: WebSocket, generation: number, id: string, ask: RunnerAsk): Promise<void> {
    const answer = await this.#ports.answer(ask);
    const { generation: now, greeted } = socket.deserializeAttachment() as Attachment;
    if (greeted && now === generation && this.isCurrent(socket)) this.#send(socket, { t: "answer", id, answer });
  }

  #pending(): { seq: number; command: Command }[] {
    return this.#ctx.storage.sql
      .exec<{ seq: number; command: string }>("SELECT seq, command FROM commands ORDER BY seq")
      .toArray()
      .map((row) => ({ seq: row.seq, command: JSON.parse(row.command) as Command }));
  }

  #acknowledged(seq: number): void {
    this.#ctx.storage.sql.exec("DELETE FROM commands WHERE seq <= ?", seq);
  }

  /** Keeps a command until the runner has acknowledged it. Call inside a transaction, and `flush` after it. */
  command(command: Command): void {
    const sql = this.#ctx.storage.sql;
    const { seq } = sql
      .exec<{ seq: number }>("INSERT INTO commands_last (id, seq) VALUES (1, 1) ON CONFLICT DO UPDATE SET seq = seq + 1 RETURNING seq")
      .one();
    sql.exec("INSERT INTO commands (seq, command) VALUES (?, ?)", seq, JSON.stringify(command));
    this.#unsent.push({ seq, command });
  }

  /** Sends the commands of the transaction that was committed, if the runner is connected. */
  flush(): void {
    const [unsent, socket] = [this.#unsent, this.#socket()];
    this.#unsent = [];
    if (socket) for (const { seq, command } of unsent) this.#send(socket, { t: "command", seq, command: this.#ports.complete(command) });
  }

  /** Forgets what memory holds beyond storage, after a transaction was rolled back. */
  forget(): void {
    this.#unsent = [];
  }

  /** Asks the runner for what follows the last event known here: a frame that could not be taken has arrived, as far as it knows. */
  askAgain(generation: number): void {
    const socket = this.#socket();
    if (socket) this.#send(socket, { t: "resend", from: this.#log.received(generation) + 1 });
  }

  /** Takes back what was not delivered for a turn that is over. */
  drop(turn: number): void {
    this.#ctx.storage.sql.exec("DELETE FROM commands WHERE command ->> 'turn' = ? AND command ->> 'do' <> 'stop'", turn);
    this.#unsent = this.#unsent.filter(({ command }) => command.turn !== turn || command.do === "stop");
  }

  /** Tells the runner how browsers reach the gateway. */
  tellSites(sites: Sites): void {
    const socket = this.#socket();
    if (socket) this.#send(socket, { t: "sites", sites });
  }

  /** Ends all connections; `fenced`: their generation is over and they must not come back. */
  disconnect(reason: string, fenced: boolean): void {
    for (const socket of this.#ctx.getWebSockets(RUNNER)) this.#close(socket, reason, fenced);
  }

  #close(socket: WebSocket, reason: string, fenced: boolean): void {
    if (fenced) this.#send(socket, { t: "bye", reason });
    socket.serializeAttachment({ generation: -1, greeted: false } satisfies Attachment);
    try {
      socket.close(fenced ? CLOSE_FENCED : 1012, reason.slice(0, 120));
    } catch {
      // Already closed.
    }
  }

  #send(socket: WebSocket, frame: ToRunner): void {
    try {
      socket.send(JSON.stringify(frame));
    } catch {
      // A lost connection comes back, and what it lacks is sent again.
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
