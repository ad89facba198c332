/** The SessionAgent's side of protocol/runner.ts, as the runner's tests need it: it keeps, acknowledges and checks numbers. */
import type { AddressInfo } from "node:net";
import type { WebSocket } from "ws";
import { WebSocketServer } from "ws";
import type { RunnerEvent } from "../../protocol/events.ts";
import { isStored } from "../../protocol/events.ts";
import type { Service } from "../../protocol/grant.ts";
import type { Command, RunnerAnswer, RunnerAsk, ToRunner } from "../../protocol/runner.ts";
import { FromRunner, PING, PONG } from "../../protocol/runner.ts";
import type { Sites } from "../../protocol/sites.ts";

/** Where the peer says that browsers reach the gateway. */
export const SITES: Sites = { ide: "http://gateway.example", opencode: null, preview: null };

export type EventOf<T extends RunnerEvent["type"]> = Extract<RunnerEvent, { type: T }>;

/** Starts the peer for one session and generation. `answer`: what an ask of the runner is told; null leaves it without an answer. */
export async function startPeer(
  token: string,
  answer: (ask: RunnerAsk) => RunnerAnswer | null = () => ({ is: "no", why: "There is no credential in this test." }),
) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise((done) => server.once("listening", done));
  let socket: WebSocket | null = null;
  let received = 0;
  let commands: { seq: number; command: Command }[] = [];
  let lastSeq = 0;
  let hellos = 0;
  const events: RunnerEvent[] = [];
  const asks: RunnerAsk[] = [];
  const used: Service[][] = [];
  const faults: string[] = [];
  const frames: { at: number; size: number; items: number }[] = [];
  const waiters = new Set<() => void>();

  const send = (frame: ToRunner) => socket?.send(JSON.stringify(frame));
  server.on("connection", (opened, request) => {
    if (request.headers.authorization !== `Bearer ${token}`) return opened.close(4401, "wrong token");
    socket = opened;
    opened.on("message", (data) => {
      const text = String(data);
      if (text === PING) return opened.send(PONG);
      const frame = FromRunner.parse(JSON.parse(text));
      if (frame.t === "hello") {
        hellos += 1;
        commands = commands.filter((one) => one.seq > frame.commands);
        send({ t: "welcome", received, sites: SITES, grantKeys: [{ kid: "now" }] });
        for (const one of commands) send({ t: "command", ...one });
      } else if (frame.t === "ack") {
        commands = commands.filter((one) => one.seq > frame.commands);
      } else if (frame.t === "ask") {
        asks.push(frame.ask);
        const answered = answer(frame.ask);
        if (answered !== null) opened.send(JSON.stringify({ t: "answer", id: frame.id, answer: answered } satisfies ToRunner));
      } else if (frame.t === "used") {
        used.push(frame.services);
      } else {
        frames.push({ at: Date.now(), size: text.length, items: frame.items.length });
        if (frame.first > received + 1) {
          faults.push(`gap: got ${frame.first}, had ${received}`);
          return send({ t: "resend", from: received + 1 });
        }
        const fresh = frame.items.slice(received + 1 - frame.first);
        events.push(...fresh);
        received = Math.max(received, frame.first + frame.items.length - 1);
        // Deltas are safe only when their text is stored: an acknowledgement ends at the newest stored event.
        const safe = received - [...events].reverse().findIndex(isStored);
        if (events.some(isStored)) send({ t: "ack", events: Math.min(received, safe) });
      }
      for (const waiter of waiters) waiter();
    });
  });

  async function waitFor<T>(what: string, look: () => T | undefined | false, ms = 60_000): Promise<T> {
    const found = look();
    if (found !== undefined && found !== false) return found;
    return await new Promise<T>((done, fail) => {
      const timer = setTimeout(() => {
        waiters.delete(waiter);
        fail(new Error(`waited ${ms} ms for ${what}; last events: ${JSON.stringify(events.slice(-12), null, 1)}`));
      }, ms);
      const waiter = () => {
        const value = look();
        if (value === undefined || value === false) return;
        clearTimeout(timer);
        waiters.delete(waiter);
        done(value);
      };
      waiters.add(waiter);
    });
  }

  const of = <T extends RunnerEvent["type"]>(type: T, turn?: number) =>
    events.filter((event): event is EventOf<T> => event.type === type && (turn === undefined || ("turn" in event && event.turn === turn)));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    events,
    asks,
    used,
    faults,
    frames,
    of,
    waitFor,
    hellos: () => hellos,
    unacknowledged: () => commands.length,
    command: (command: Command) => {
      lastSeq += 1;
      commands.push({ seq: lastSeq, command });
      send({ t: "command", seq: lastSeq, command });
    },
    finished: (turn: number, ms?: number) => waitFor(`the end of turn ${turn}`, () => of("turn.finished", turn)[0], ms),
    /** Drops the socket as a network does; the runner comes again. */
    drop: () => socket?.terminate(),
    fence: () => socket?.close(4409, "generation over"),
    /** A new generation counts from 1. */
    newGeneration: () => {
      received = 0;
    },
    close: () => {
      for (const client of server.clients) client.terminate();
      server.close();
    },
  };
}
