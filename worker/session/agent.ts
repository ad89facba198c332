/**
 * The SessionAgent: the Durable Object that owns a session. It composes the parts, keeps identity, sockets and the one
 * alarm, and has one `reconcile`, called after every input and by the alarm. Nothing depends on memory or on a timer in
 * it: whatever is wanted and whatever is known stands in SQLite, and reconcile brings the second to the first.
 */
import { DurableObject } from "cloudflare:workers";
import { slackSurface } from "../../bots/slack/deliver.ts";
import type { Message, Surface } from "../../bots/surface.ts";
import type { NumberedEvent, RunnerEvent, ServiceName } from "../../protocol/events.ts";
import { Request as Ask } from "../../protocol/request.ts";
import { parseThreadKey } from "../../protocol/thread.ts";
import type { View } from "../../protocol/view.ts";
import { type Settings, settingsOf } from "../settings.ts";
import { Asks, askTables } from "./asks.ts";
import type { Accepted, Opening, SessionRpc } from "./contract.ts";
import { Conversation } from "./conversation.ts";
import type { Row } from "./delivery.ts";
import { Inbox, inboxTables } from "./inbox.ts";
import { Log, logTables } from "./log.ts";
import { linksOf, messageOf } from "./messages.ts";
import { Outbox, outboxTables } from "./outbox.ts";
import { Registry } from "./registry.ts";
import { linkTables, RUNNER, RunnerLink } from "./runner-link.ts";
import { Sandbox, sandboxTables } from "./sandbox.ts";
import { SandboxCare } from "./sandbox-care.ts";
import { hasTables, migrate } from "./schema.ts";
import { Timers } from "./timers.ts";
import { Turns, turnTables } from "./turns.ts";
import { Viewers } from "./viewers.ts";

const TABLES = [inboxTables, turnTables, askTables, logTables, sandboxTables, linkTables, outboxTables];
/** A request that could not be handled is tried this often before the thread is told. */
const REQUEST_TRIES = 5;
/** After an error of ours, look again after this time, in ms. */
const AFTER_ERROR_MS = 10_000;
/** Model calls one turn may make: far above honest work, a stop for runaways. */
const MODEL_CALLS_PER_TURN = 1_000;

export class SessionAgent extends DurableObject<Env> implements SessionRpc {
  readonly #settings: Settings = settingsOf(this.env);
  readonly #now = () => Date.now();
  readonly #timers = new Timers(this.ctx.storage, () => this.#reconcile());
  readonly #inbox = new Inbox(this.ctx.storage.sql);
  readonly #turns = new Turns(this.ctx.storage.sql);
  readonly #asks = new Asks(this.ctx.storage.sql);
  readonly #log = new Log(this.ctx.storage.sql);
  readonly #sandbox = new Sandbox(this.ctx.storage.sql);
  readonly #viewers = new Viewers(this.ctx, this.#log);
  readonly #surfaces = new Map<string, Surface>();
  readonly #registry = new Registry(this.env.DB, (entry) => this.#report(entry));
  readonly #outbox = new Outbox(this.ctx.storage.sql, {
    now: this.#now,
    random: Math.random,
    surfaceOf: (thread) => this.#surfaceOf(thread),
    budgetOf: (workspace) => this.env.BUDGETS.getByName(workspace),
    view: () => this.#log.view(),
    message: (row, view) => this.#message(row, view),
    settled: (row) => this.#settled(row),
    log: (entry) => this.#report(entry),
  });
  readonly #link = new RunnerLink(this.ctx, this.#log, {
    gatewayOrigin: () => this.#sandbox.get().gatewayOrigin,
    take: (generation, first, items) => this.#take(generation, first, items),
    connected: (generation) => this.#care.connected(generation),
    log: (entry) => this.#report(entry),
  });
  readonly #conversation = new Conversation(
    { log: this.#log, turns: this.#turns, asks: this.#asks, outbox: this.#outbox, link: this.#link },
    {
      sessionId: () => this.#id(),
      settings: this.#settings,
      now: this.#now,
      connected: () => this.#link.isConnected(),
      renewSandbox: () => this.#care.renew(),
    },
  );
  readonly #care = new SandboxCare(
    { sandbox: this.#sandbox, link: this.#link, log: this.#log, turns: this.#turns, conversation: this.#conversation },
    {
      sessionId: () => this.#id(),
      settings: this.#settings,
      now: this.#now,
      fetch: (input, init) => fetch(input, init),
      store: (work) => this.#guard("backend's answer", () => this.#transaction(work)),
      again: () => this.#reconcile(),
      report: (entry) => this.#report(entry),
    },
  );
  #exists = hasTables(this.ctx.storage.sql);
  #modelCalls = { turn: 0, count: 0 };
  /** The runner may have sent what is not known here: a frame could not be taken, or this object has just woken. */
  #missed = true;
  /** Not before this time, ms since 1970, is reconcile called by time, since it failed. */
  #restUntil = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    // After a restart runners may be gone without a close event: what the sockets say is the truth.
    if (this.#exists) this.#care.look();
  }

  #id(): string {
    const id = this.ctx.id.name;
    if (!id) throw new Error("a SessionAgent is reached by its session id only");
    return id;
  }

  accept(request: Ask): Promise<Accepted> {
    const parsed = Ask.parse(request);
    const creates = parsed.kind === "prompt" && !parsed.joins;
    if (!this.#exists && !creates) return Promise.resolve({ status: "ignored", why: "there is no session in this thread" });
    const now = this.#now();
    const store = (work: () => void) =>
      this.#transaction(() => {
        if (!this.#exists) migrate(this.ctx.storage.sql, TABLES);
        const fresh = this.#inbox.isNew(parsed, now);
        if (fresh) work();
        return fresh;
      });
    let fresh: boolean;
    try {
      fresh = store(() => this.#conversation.handle(parsed));
    } catch (error) {
      // A fault of ours, and no reason to lose what was said.
      this.#fault("request", error);
      fresh = store(() => this.#inbox.keep(parsed, now));
    }
    this.#exists = true;
    // Everything up to here and the alarm that reconcile sets are on disk before this answer leaves (output gate).
    if (fresh) this.#reconcile();
    return Promise.resolve({ status: fresh ? "accepted" : "duplicate", why: null });
  }

  snapshot(): Promise<{ n: number; view: View } | null> {
    return Promise.resolve(this.#exists ? { n: this.#log.last(), view: this.#log.view() } : null);
  }

  eventsAfter(n: number, limit: number): Promise<NumberedEvent[]> {
    return Promise.resolve(this.#exists ? this.#log.after(n, limit) : []);
  }

  open(service: ServiceName, wake: boolean): Promise<Opening> {
    if (!this.#exists) return Promise.resolve({ state: "unknown" });
    if (wake) {
      this.#care.clicked();
      this.#reconcile();
    }
    const view = this.#log.view();
    const state = view.sandbox.services[service];
    const { gatewayOrigin } = this.#sandbox.get();
    const up = this.#link.isConnected() && gatewayOrigin !== null;
    if (up && state?.state === "available") return Promise.resolve({ state: "ready", gatewayOrigin });
    if (up && state?.state === "unavailable")
      return Promise.resolve({ state: "unavailable", reason: state.reason ?? "it could not be started" });
    return Promise.resolve({ state: "starting", view });
  }

  async allowModelCall(token: string): Promise<Awaited<ReturnType<SessionRpc["allowModelCall"]>>> {
    const { generation } = this.#exists ? this.#sandbox.get() : { generation: 0 };
    if (generation === 0 || !(await this.#care.isToken("model", generation, token)))
      return { ok: false, status: 401, why: "not a token of this session's sandbox" };
    if (!this.#care.isHeard(generation)) return { ok: false, status: 410, why: "this session's sandbox has ended" };
    const turn = this.#turns.running()?.id;
    if (turn === undefined) return { ok: false, status: 429, why: "no turn is running" };
    if (this.#modelCalls.turn !== turn) this.#modelCalls = { turn, count: 0 };
    this.#modelCalls.count += 1;
    if (this.#modelCalls.count > MODEL_CALLS_PER_TURN)
      return { ok: false, status: 429, why: `more than ${MODEL_CALLS_PER_TURN} model calls in one turn` };
    return { ok: true, generation };
  }

  /** WebSocket upgrades: `/runner?generation=` with the runner's token, `/viewer?after=` (the Worker has checked the right). */
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return new Response("expected a WebSocket upgrade", { status: 426 });
    if (!this.#exists) return new Response("no such session", { status: 404 });
    if (url.pathname === "/viewer") {
      const after = url.searchParams.get("after");
      if (after !== null && !/^\d{1,15}$/.test(after)) return new Response("after must be an event number", { status: 400 });
      return this.#viewers.connect(after === null ? undefined : Number(after));
    }
    if (url.pathname !== "/runner") return new Response("not found", { status: 404 });
    const generation = Number(url.searchParams.get("generation"));
    const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    if (!Number.isSafeInteger(generation) || !(await this.#care.isToken("runner", generation, token)))
      return new Response("wrong token", { status: 401 });
    if (!this.#care.isHeard(generation)) return new Response("this generation has ended", { status: 409 });
    return this.#link.connect(generation);
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    if (!this.ctx.getTags(socket).includes(RUNNER)) return;
    const text = typeof message === "string" ? message : "";
    this.#missed = !this.#guard("frame", () => this.#link.receive(socket, text, this.#sandbox.get().generation)) || this.#missed;
    this.#reconcile();
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    this.#closed(socket, code);
  }

  override webSocketError(socket: WebSocket): void {
    this.#closed(socket, 1011);
  }

  #closed(socket: WebSocket, code: number): void {
    const runner = this.ctx.getTags(socket).includes(RUNNER);
    try {
      // 1005 and 1006 must not be sent; the runtime does not answer the close for hibernating sockets by itself.
      socket.close(code === 1005 || code === 1006 ? 1000 : code);
    } catch {
      // Closed both ways already.
    }
    if (!runner) return;
    if (!this.#link.isConnected()) this.#care.away();
    this.#reconcile();
  }

  override alarm(): void {
    this.#timers.fired();
    if (this.#missed) this.#link.askAgain(this.#sandbox.get().generation);
    this.#missed = false;
    this.#reconcile();
  }

  #take(generation: number, first: number, items: readonly RunnerEvent[]): boolean {
    const taken = this.#transaction(() => {
      const batch = this.#log.take(generation, first, items);
      for (const { event } of batch?.stored ?? []) {
        this.#conversation.follow(event as RunnerEvent);
        this.#care.follow(event as RunnerEvent);
      }
      return batch;
    });
    if (!taken) return false;
    this.#show(taken.live);
    return true;
  }

  /** Lets everyone see what changed since the last call. */
  #show(live: readonly RunnerEvent[]): void {
    const fresh = this.#log.fresh();
    if (fresh.length + live.length === 0) return;
    this.#viewers.show(fresh, live);
    this.#outbox.touch();
    if (fresh.length > 0) this.#registry.touch(this.#log.view(), this.#now());
  }

  /** Brings what is to what is wanted. Decides synchronously; what needs the network is started and reports back. */
  #reconcile(): void {
    if (!this.#exists) return;
    const now = this.#now();
    const done = this.#guard("reconcile", () => {
      this.#drain(now);
      this.#transaction(() => {
        this.#conversation.advance(now);
        this.#care.decide(now);
        this.#inbox.purge(now);
      });
      this.#show([]);
    });
    this.#restUntil = done ? 0 : now + AFTER_ERROR_MS;
    // What is due goes out first: the alarm then stands where the next thing is due.
    const pumped = this.#outbox.pump();
    this.#arm();
    this.ctx.waitUntil(pumped.then(() => this.#arm()));
  }

  /** Tries again what could not be handled. In the end that is said, not lost. */
  #drain(now: number): void {
    for (const { id, request, tries } of this.#inbox.kept(now)) {
      try {
        this.#transaction(() => {
          if (tries >= REQUEST_TRIES) this.#conversation.giveUp(request);
          else this.#conversation.handle(request);
          this.#inbox.done(id);
        });
      } catch (error) {
        this.#inbox.failed(id, now);
        this.#fault("request", error);
      }
    }
  }

  #transaction<T>(work: () => T): T {
    let result: T;
    try {
      result = this.ctx.storage.transactionSync(work);
    } catch (error) {
      // Rolled back: what the parts remember beside SQLite may be ahead of it.
      for (const part of [this.#log, this.#turns, this.#asks, this.#sandbox, this.#link, this.#outbox]) part.forget();
      throw error;
    }
    this.#link.flush();
    return result;
  }

  /** Does the work. Returns false when it failed. */
  #guard(what: string, work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.#fault(what, error);
      return false;
    }
  }

  /** A fault of ours: it is logged, and everything is looked at again soon. */
  #fault(what: string, error: unknown): void {
    this.#report({ message: `${what} failed`, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    this.#timers.arm([this.#now() + AFTER_ERROR_MS], this.#now(), false);
  }

  #arm(): void {
    const now = this.#now();
    this.#guard("timers", () => {
      const dues = [this.#inbox, this.#turns, this.#asks, this.#outbox, this.#care].map((part) => part.nextDue(now));
      const rested = dues.map((due) => (due === undefined ? undefined : Math.max(due, this.#restUntil)));
      this.#timers.arm(rested, now, this.#link.isConnected());
    });
  }

  /** A write ended. A message that was given up is said where it can be: in the log, and so on the session's page. */
  #settled(row: Row): void {
    if (row.dead !== null) {
      const text = `A message to the thread could not be delivered: ${row.dead}`;
      this.#guard("note", () => this.#log.append([{ type: "note", at: this.#now(), turn: row.turn, code: "undelivered", text }]));
      this.#show([]);
    }
    this.#arm();
  }

  #surfaceOf(thread: string): Surface | undefined {
    const where = parseThreadKey(thread);
    if (where?.surface !== "slack" || !this.#settings.SLACK_BOT_TOKEN) return undefined;
    let surface = this.#surfaces.get("slack");
    if (!surface) {
      surface = slackSurface({ token: this.#settings.SLACK_BOT_TOKEN, apiUrl: this.#settings.SLACK_API_URL });
      this.#surfaces.set("slack", surface);
    }
    return surface;
  }

  #message(row: Row, view: View): Message | undefined {
    return messageOf(row, view, linksOf(this.#settings.PUBLIC_ORIGIN ?? "", this.#id()), this.#now());
  }

  /** One line of structured log; the session's id ties the lines of all parts together. */
  #report(entry: Record<string, unknown>): void {
    console.log(JSON.stringify({ part: "session", session: this.ctx.id.name, ...entry }));
  }
}
