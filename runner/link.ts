/**
 * The WebSocket to the SessionAgent: hello and welcome, numbered events with replay, commands, asks, pings, reconnects.
 * What is said on it is described in protocol/runner.ts.
 */
import { WebSocket } from "ws";
import type { RunnerEvent } from "../protocol/events.ts";
import type { Service } from "../protocol/grant.ts";
import type { Command, FromRunner, RunnerAnswer, RunnerAsk } from "../protocol/runner.ts";
import { CLOSE_FENCED, COALESCE_MS, PING, PING_EVERY_MS, PONG, RUNNER_PROTOCOL, ToRunner } from "../protocol/runner.ts";
import type { Sites } from "../protocol/sites.ts";
import { openAsks } from "./link-asks.ts";
import { openUses } from "./link-uses.ts";
import { EMPTY, isEmpty, misfit, push, safe, seek, take, welcome } from "./replay.ts";

/** Reconnecting waits up to this, in ms, doubled with each failure up to `RECONNECT_MAX_MS`; a random share of it is taken. */
const RECONNECT_MIN_MS = 200;
const RECONNECT_MAX_MS = 10_000;
const HANDSHAKE_MS = 10_000;
/** Above this many unsent characters in the socket nothing more is handed to it. */
const SOCKET_FULL = 4_000_000;

/** What the link needs and whom it tells. */
export type LinkOptions = {
  /** The Worker's origin, `http:` or `https:`. */
  workerUrl: string;
  session: string;
  generation: number;
  /** Secret. Sent in a header only. */
  token: string;
  /** Highest command number applied, for `hello`. */
  applied: () => number;
  onCommand: (seq: number, command: Command) => void;
  /** Where browsers reach the gateway, and what grants are signed with: on every connection, and when they change. */
  onSites: (sites: Sites) => void;
  onGrantKeys: (keys: Record<string, unknown>[]) => void;
  /** This generation is over: the link is closed and will not reconnect. */
  onFenced: (reason: string) => void;
  /** These events are stored at the other side. */
  onSafe: (events: readonly RunnerEvent[]) => void;
  log: (message: string) => void;
  now: () => number;
  random: () => number;
};

/** A running link. */
export type Link = {
  /** Takes an event; it is sent within `COALESCE_MS` while connected, else after the next connection. */
  push: (event: RunnerEvent) => void;
  /** Tells that commands up to this number were applied. */
  ack: (commands: number) => void;
  /** Asks the SessionAgent, over the next connection that is welcomed; sent once. The answer is secret. */
  ask: (ask: RunnerAsk) => Promise<RunnerAnswer>;
  /** Tells that somebody used a service, so that the sandbox is not taken for idle; see link-uses.ts. */
  used: (service: Service) => void;
  /** Waits until everything was called safe, at most `ms`, then closes. */
  close: (ms: number) => Promise<void>;
};

/** Opens the link and keeps it open until it is fenced or closed. */
export function openLink(options: LinkOptions): Link {
  const { log, now } = options;
  let replay = EMPTY;
  let socket: WebSocket | null = null;
  let welcomed = false;
  let ended = false;
  let failures = 0;
  let lastFrameAt = Number.NEGATIVE_INFINITY;
  let unanswered = 0;
  let flushTimer: NodeJS.Timeout | null = null;
  let reconnectTimer: NodeJS.Timeout | null = null;
  let pingTimer: NodeJS.Timeout | null = null;
  const waiting: (() => void)[] = [];

  const address = new URL(`/sandbox/${encodeURIComponent(options.session)}/runner`, options.workerUrl);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.searchParams.set("generation", String(options.generation));

  const send = (frame: FromRunner): void => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
  };

  const asks = openAsks(
    (id, ask) => send({ t: "ask", id, ask }),
    () => welcomed && socket?.readyState === WebSocket.OPEN,
  );
  const uses = openUses(
    (services) => send({ t: "used", services }),
    () => welcomed && socket?.readyState === WebSocket.OPEN,
    now,
  );

  const flush = (): void => {
    flushTimer = null;
    if (!welcomed || socket?.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > SOCKET_FULL) {
      lastFrameAt = now();
      return schedule();
    }
    const taken = take(replay);
    if (taken.frame === null) return;
    replay = taken.replay;
    lastFrameAt = now();
    send({ t: "events", ...taken.frame });
    if (take(replay).frame !== null) schedule();
  };

  const schedule = (): void => {
    if (flushTimer !== null || !welcomed) return;
    flushTimer = setTimeout(flush, Math.max(0, lastFrameAt + COALESCE_MS - now()));
  };

  const fence = (reason: string): void => {
    if (ended) return;
    end();
    options.onFenced(reason);
  };

  const end = (): void => {
    ended = true;
    for (const timer of [flushTimer, reconnectTimer]) if (timer !== null) clearTimeout(timer);
    if (pingTimer !== null) clearInterval(pingTimer);
    socket?.close(1000);
    asks.close();
    uses.close();
    for (const done of waiting.splice(0)) done();
  };

  const onFrame = (text: string): void => {
    unanswered = 0;
    if (text === PONG) return;
    const frame = parseFrame(text);
    if (frame === null) return log(`link: a frame that is not in the protocol was ignored (${text.length} characters)`);
    switch (frame.t) {
      case "welcome":
        failures = 0;
        welcomed = true;
        replay = welcome(replay, frame.received);
        if (frame.sites !== null) options.onSites(frame.sites);
        if (frame.grantKeys !== undefined) options.onGrantKeys(frame.grantKeys);
        asks.connected();
        uses.connected();
        return schedule();
      case "ack": {
        const settled = safe(replay, frame.events);
        replay = settled.replay;
        if (settled.dropped.length > 0) options.onSafe(settled.dropped);
        if (isEmpty(replay)) for (const done of waiting.splice(0)) done();
        return;
      }
      case "resend":
        replay = seek(replay, frame.from);
        return schedule();
      case "command":
        return options.onCommand(frame.seq, frame.command);
      case "answer":
        return asks.answered(frame.id, frame.answer);
      case "sites":
        return options.onSites(frame.sites);
      case "bye":
        return fence(frame.reason);
    }
  };

  const ping = (opened: WebSocket): void => {
    if (unanswered >= 2) {
      log("link: two pings went unanswered, connecting again");
      return opened.terminate();
    }
    unanswered += 1;
    if (opened.readyState === WebSocket.OPEN) opened.send(PING);
  };

  const again = (): void => {
    if (ended || reconnectTimer !== null) return;
    const wait = options.random() * Math.min(RECONNECT_MAX_MS, RECONNECT_MIN_MS * 2 ** failures);
    failures += 1;
    reconnectTimer = setTimeout(() => {
      reconnectTimer = null;
      connect();
    }, wait);
  };

  const connect = (): void => {
    if (ended) return;
    const opened = new WebSocket(address, {
      headers: { authorization: `Bearer ${options.token}` },
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_MS,
    });
    socket = opened;
    opened.on("open", () => {
      unanswered = 0;
      send({ t: "hello", protocol: RUNNER_PROTOCOL, generation: options.generation, commands: options.applied() });
      pingTimer = setInterval(() => ping(opened), PING_EVERY_MS);
    });
    opened.on("message", (data) => onFrame(String(data)));
    opened.on("unexpected-response", (_request, response) => {
      log(`link: refused with ${response.statusCode}`);
      response.resume();
      opened.terminate();
      if (response.statusCode === 409) fence("the SessionAgent answered 409: this generation has ended");
    });
    opened.on("error", (error) => log(`link: ${error.message}`));
    opened.on("close", (code, reason) => {
      if (socket !== opened) return;
      socket = null;
      welcomed = false;
      asks.broken();
      if (pingTimer !== null) clearInterval(pingTimer);
      if (flushTimer !== null) clearTimeout(flushTimer);
      flushTimer = null;
      if (code === CLOSE_FENCED) return fence(String(reason) || "the SessionAgent closed with 4409: this generation has ended");
      again();
    });
  };

  connect();
  return {
    push: (event) => {
      const why = misfit(event);
      if (why !== null) return log(`link: an event ${event.type} is not in the protocol and was left out: ${why}`);
      replay = push(replay, event);
      schedule();
    },
    ack: (commands) => send({ t: "ack", commands }),
    ask: asks.ask,
    used: uses.used,
    close: async (ms) => {
      if (!ended && !isEmpty(replay)) {
        flush();
        let timer: NodeJS.Timeout | undefined;
        await new Promise<void>((done) => {
          waiting.push(done);
          timer = setTimeout(done, ms);
        });
        clearTimeout(timer);
      }
      if (!ended) end();
    },
  };
}

function parseFrame(text: string): ToRunner | null {
  try {
    return ToRunner.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
