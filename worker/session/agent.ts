/**
 * The SessionAgent: the Durable Object that owns a session. It hands what comes to the parts that composition.ts makes, keeps
 * identity, sockets and the one alarm, and has one `reconcile`, called after every input and by the alarm. Nothing depends on memory or on a timer in
 * it: whatever is wanted and whatever is known stands in SQLite, and reconcile brings the second to the first.
 */
import { DurableObject } from "cloudflare:workers";
import type { NumberedEvent, RunnerEvent } from "../../protocol/events.ts";
import type { Service } from "../../protocol/grant.ts";
import { Request as Ask } from "../../protocol/request.ts";
import type { View } from "../../protocol/view.ts";
import { compose, TABLES } from "./composition.ts";
import type { Accepted, CallUsage, ModelCall, Opening, SessionRpc, Whose } from "./contract.ts";
import type { Row } from "./delivery.ts";
import type { SessionUse } from "./model-calls.ts";
import { openingOf } from "./opening.ts";
import { RUNNER } from "./runner-link.ts";
import { hasTables, migrate } from "./schema.ts";
import { closeBack, upgrade } from "./sockets.ts";
import { Timers } from "./timers.ts";

/** After an error of ours, look again after this time, in ms. */
const AFTER_ERROR_MS = 10_000;
/** In an object without a session: the id of the session that its thread belongs to. */
const LEADS_TO = "leads-to";

export class SessionAgent extends DurableObject<Env> implements SessionRpc {
  readonly #now = () => Date.now();
  readonly #timers = new Timers(this.ctx.storage, () => this.#reconcile());
  readonly #parts = compose(this.ctx, this.env, {
    sessionId: () => this.#id(),
    now: this.#now,
    agent: (id) => this.#agent(id),
    take: (generation, first, items) => this.#take(generation, first, items),
    exists: () => this.#exists,
    begin: () => this.#begin(),
    transaction: (work) => this.#transaction(work),
    store: (what, work) => this.#guard(what, () => this.#transaction(work)),
    fault: (what, error) => this.#fault(what, error),
    again: () => this.#reconcile(),
    arm: () => this.#arm(),
    whose: () => this.#whose(),
    settled: (row) => this.#settled(row),
    report: (entry) => this.#report(entry),
  });
  #exists = hasTables(this.ctx.storage.sql);
  /** The runner may have sent what is not known here: a frame could not be taken, or this object has just woken. */
  #missed = true;
  /** Not before this time, ms since 1970, is reconcile called by time, since it failed. */
  #restUntil = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    if (!this.#exists) return;
    // A session that an earlier version began gets what parts have added since.
    ctx.storage.transactionSync(() => migrate(ctx.storage.sql, TABLES));
    // After a restart runners may be gone without a close event: what the sockets say is the truth.
    this.#parts.care.look();
  }

  #id(): string {
    const id = this.ctx.id.name;
    if (!id) throw new Error("a SessionAgent is reached by its session id only");
    return id;
  }

  accept(request: Ask): Promise<Accepted> {
    const parsed = Ask.parse(request);
    const creates = parsed.kind === "prompt" && !parsed.joins;
    const elsewhere = this.#exists ? undefined : this.ctx.storage.kv.get<string>(LEADS_TO);
    if (elsewhere !== undefined) return this.#agent(elsewhere).accept(parsed);
    if (!this.#exists && !creates) return Promise.resolve({ status: "ignored", why: "there is no session in this thread" });
    const fresh = this.#parts.intake.take(parsed);
    this.#exists = true;
    // Everything up to here and the alarm that reconcile sets are on disk before this answer leaves (output gate).
    if (fresh) this.#reconcile();
    return Promise.resolve({ status: fresh ? "accepted" : "duplicate", why: null });
  }

  /** Makes the tables of a session that begins. Inside a transaction. */
  #begin(): void {
    if (this.#exists) return;
    migrate(this.ctx.storage.sql, TABLES);
    this.#parts.members.begin();
  }

  #agent(id: string): SessionRpc {
    return this.env.SESSIONS.getByName(id) as unknown as SessionRpc;
  }

  lead(to: string): Promise<boolean> {
    // Whoever spoke here first has a session of their own: it is not taken from them.
    if (this.#exists) return Promise.resolve(false);
    this.ctx.storage.kv.put(LEADS_TO, to);
    return Promise.resolve(true);
  }

  meet(other: string): Promise<void> {
    if (this.#exists) this.#parts.kin.meet([other]);
    return Promise.resolve();
  }

  linked(person: string): Promise<void> {
    if (!this.#exists) return Promise.resolve();
    this.#guard("link", () => this.#transaction(() => this.#parts.admission.changed(person)));
    this.#reconcile();
    return Promise.resolve();
  }

  whose(): Promise<Whose | null> {
    return Promise.resolve(this.#exists ? this.#whose() : null);
  }

  #whose(): Whose {
    const view = this.#parts.log.view();
    const { thread, repository, who, closed } = view;
    return { thread, repository, began: who?.id ?? null, members: this.#parts.members.all(view), closed: closed !== null };
  }

  snapshot(): Promise<{ n: number; view: View } | null> {
    return Promise.resolve(this.#exists ? { n: this.#parts.log.last(), view: this.#parts.log.view() } : null);
  }

  eventsAfter(n: number, limit: number): Promise<NumberedEvent[]> {
    return Promise.resolve(this.#exists ? this.#parts.log.after(n, limit) : []);
  }

  open(service: Service, wake: boolean, port?: number): Promise<Opening> {
    if (!this.#exists) return Promise.resolve({ state: "unknown" });
    if (wake) {
      this.#parts.care.used();
      this.#reconcile();
    }
    const sites = this.#parts.link.isConnected() ? this.#parts.sandbox.get().sites : null;
    return Promise.resolve(openingOf(this.#parts.log.view(), sites, service, port));
  }

  allowModelCall(token: string): ReturnType<SessionRpc["allowModelCall"]> {
    return this.#parts.modelDoor.allow(token);
  }

  beginModelCall(token: string): Promise<ModelCall> {
    return this.#parts.modelDoor.begin(token);
  }

  modelCallOver(call: number): Promise<string> {
    return this.#parts.modelDoor.over(call);
  }

  endModelCall(call: number, usage: CallUsage | null): Promise<void> {
    this.#parts.modelDoor.end(call, usage);
    if (this.#exists) this.#arm();
    return Promise.resolve();
  }

  modelUse(): Promise<SessionUse | null> {
    return Promise.resolve(this.#parts.modelDoor.use());
  }

  /** WebSocket upgrades, see `sockets.ts`. */
  override async fetch(request: Request): Promise<Response> {
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return new Response("expected a WebSocket upgrade", { status: 426 });
    if (!this.#exists) return new Response("no such session", { status: 404 });
    const answer = await upgrade(request, this.#parts);
    this.#arm();
    return answer;
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    if (!this.ctx.getTags(socket).includes(RUNNER)) return;
    const text = typeof message === "string" ? message : "";
    this.#missed =
      !this.#guard("frame", () => this.#parts.link.receive(socket, text, this.#parts.sandbox.get().generation)) || this.#missed;
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
    closeBack(socket, code);
    if (!runner) return;
    if (!this.#parts.link.isConnected()) this.#parts.care.away();
    this.#reconcile();
  }

  override alarm(): void {
    this.#timers.fired();
    if (this.#missed) this.#parts.link.askAgain(this.#parts.sandbox.get().generation);
    this.#missed = false;
    this.#reconcile();
  }

  #take(generation: number, first: number, items: readonly RunnerEvent[]): boolean {
    const taken = this.#transaction(() => {
      const batch = this.#parts.log.take(generation, first, items);
      for (const { event } of batch?.stored ?? []) {
        this.#parts.conversation.follow(event as RunnerEvent);
        this.#parts.care.follow(event as RunnerEvent);
        this.#parts.pullCare.follow(event as RunnerEvent);
      }
      return batch;
    });
    if (!taken) return false;
    this.#show(taken.live);
    return true;
  }

  /** Lets everyone see what changed since the last call. */
  #show(live: readonly RunnerEvent[]): void {
    const fresh = this.#parts.log.fresh();
    if (fresh.length + live.length === 0) return;
    this.#parts.viewers.show(fresh, live);
    this.#parts.outbox.touch();
    if (fresh.length > 0) this.#parts.registry.touch(this.#parts.log.view(), this.#parts.members.all(this.#parts.log.view()), this.#now());
  }

  /** Brings what is to what is wanted. Decides synchronously; what needs the network is started and reports back. */
  #reconcile(): void {
    if (!this.#exists) return;
    const now = this.#now();
    const done = this.#guard("reconcile", () => {
      this.#parts.intake.drain(now);
      this.#transaction(() => {
        this.#parts.admission.decide(now);
        this.#parts.conversation.advance(now);
        this.#parts.care.decide(now);
        this.#parts.pullCare.decide(now);
        this.#parts.inbox.purge(now);
        this.#parts.letters.decide(now);
      });
      this.#show([]);
    });
    this.#restUntil = done ? 0 : now + AFTER_ERROR_MS;
    this.#parts.modelDoor.cut();
    this.#parts.modelDay.decide(now, this.#parts.turns.running() !== undefined);
    this.#parts.kin.tell(now);
    this.#parts.viewers.checkAgain(now);
    // What is due goes out first: the alarm then stands where the next thing is due.
    const pumped = this.#parts.outbox.pump();
    this.#arm();
    this.ctx.waitUntil(pumped.then(() => this.#arm()));
  }

  #transaction<T>(work: () => T): T {
    let result: T;
    try {
      result = this.ctx.storage.transactionSync(work);
    } catch (error) {
      // Rolled back: what the parts remember beside SQLite may be ahead of it.
      for (const part of this.#parts.forgetful) part.forget();
      throw error;
    }
    this.#parts.link.flush();
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
      const dues = this.#parts.timed.map((part) => part.nextDue(now));
      const rested = dues.map((due) => (due === undefined ? undefined : Math.max(due, this.#restUntil)));
      this.#timers.arm(rested, now, this.#parts.link.isConnected());
    });
  }

  /** A write ended. A message that was given up is said where it can be: in the log, and so on the session's page. */
  #settled(row: Row): void {
    if (row.dead !== null) {
      const text = `A message to the thread could not be delivered: ${row.dead}`;
      this.#guard("note", () => this.#parts.log.append([{ type: "note", at: this.#now(), turn: row.turn, code: "undelivered", text }]));
      this.#show([]);
    }
    this.#arm();
  }

  /** One line of structured log; the session's id ties the lines of all parts together. */
  #report(entry: Record<string, unknown>): void {
    console.log(JSON.stringify({ part: "session", session: this.ctx.id.name, ...entry }));
  }
}
