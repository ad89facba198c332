/**
 * The SessionAgent: the Durable Object that owns a session. It composes the parts, keeps identity, sockets and the one
 * alarm, and has one `reconcile`, called after every input and by the alarm. Nothing depends on memory or on a timer in
 * it: whatever is wanted and whatever is known stands in SQLite, and reconcile brings the second to the first.
 */
import { DurableObject } from "cloudflare:workers";
import type { Message } from "../../bots/surface.ts";
import type { NumberedEvent, RunnerEvent, ServiceName } from "../../protocol/events.ts";
import { Request as Ask } from "../../protocol/request.ts";
import type { Command } from "../../protocol/runner.ts";
import { sessionIdOf } from "../../protocol/thread.ts";
import type { View } from "../../protocol/view.ts";
import { stillMaySee } from "../auth/facts.ts";
import { type Settings, settingsOf } from "../settings.ts";
import { Asking } from "./asking.ts";
import { Asks, askTables } from "./asks.ts";
import type { Accepted, Opening, SessionRpc, Whose } from "./contract.ts";
import { Conversation } from "./conversation.ts";
import { answerRunner } from "./credentials.ts";
import type { Row } from "./delivery.ts";
import { Inbox, inboxTables } from "./inbox.ts";
import { Kin } from "./kin.ts";
import { Log, logTables } from "./log.ts";
import { Members, memberTables } from "./members.ts";
import { linksOf, messageOf } from "./messages.ts";
import { ModelCalls } from "./model-calls.ts";
import { Outbox, outboxTables } from "./outbox.ts";
import { Outside } from "./outside.ts";
import { PullCare } from "./pull-care.ts";
import { Pulls, pullTables } from "./pulls.ts";
import { Registry } from "./registry.ts";
import { cloneUrl } from "./repository.ts";
import { linkTables, RUNNER, RunnerLink } from "./runner-link.ts";
import { Sandbox, sandboxTables } from "./sandbox.ts";
import { SandboxCare } from "./sandbox-care.ts";
import { hasTables, migrate } from "./schema.ts";
import { Threads, threadTables } from "./threads.ts";
import { Timers } from "./timers.ts";
import { Turns, turnTables } from "./turns.ts";
import { readViewer, Viewers } from "./viewers.ts";
import { Voice } from "./voice.ts";

const TABLES = [
  inboxTables,
  turnTables,
  askTables,
  logTables,
  sandboxTables,
  linkTables,
  outboxTables,
  threadTables,
  pullTables,
  memberTables,
];
/** A request that could not be handled is tried this often before the thread is told. */
const REQUEST_TRIES = 5;
/** More events than one request makes. */
const MOST_OF_A_REQUEST = 50;
/** After an error of ours, look again after this time, in ms. */
const AFTER_ERROR_MS = 10_000;
/** In an object without a session: the id of the session that its thread belongs to. */
const LEADS_TO = "leads-to";

export class SessionAgent extends DurableObject<Env> implements SessionRpc {
  readonly #settings: Settings = settingsOf(this.env);
  readonly #now = () => Date.now();
  readonly #timers = new Timers(this.ctx.storage, () => this.#reconcile());
  readonly #inbox = new Inbox(this.ctx.storage.sql);
  readonly #turns = new Turns(this.ctx.storage.sql);
  readonly #asks = new Asks(this.ctx.storage.sql);
  readonly #log = new Log(this.ctx.storage.sql);
  readonly #sandbox = new Sandbox(this.ctx.storage.sql);
  readonly #members = new Members(this.ctx.storage.sql);
  readonly #viewers = new Viewers(this.ctx, this.#log, {
    now: this.#now,
    maySee: stillMaySee(this.env, this.#settings, () => this.#whose()),
    again: () => this.#arm(),
    report: (entry) => this.#report(entry),
  });
  readonly #threads = new Threads(this.ctx.storage.sql);
  readonly #pulls = new Pulls(this.ctx.storage.sql);
  readonly #outside = new Outside(this.#settings);
  readonly #registry = new Registry(this.env.DB, {
    report: (entry) => this.#report(entry),
    neighbours: (ids) => this.#kin.meet(ids),
  });
  readonly #outbox = new Outbox(this.ctx.storage.sql, {
    now: this.#now,
    random: Math.random,
    surfaceOf: (thread) => this.#outside.surfaceOf(thread),
    nativeOf: (thread) => this.#threads.native(thread),
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
    answer: (ask) => answerRunner(ask, this.#outside.forge(), this.#onForge(), (entry) => this.#report(entry)),
    complete: (command) => this.#complete(command),
    log: (entry) => this.#report(entry),
  });
  readonly #voice = new Voice({ log: this.#log, outbox: this.#outbox }, { sessionId: () => this.#id(), now: this.#now });
  readonly #asking = new Asking({ log: this.#log, turns: this.#turns, asks: this.#asks, link: this.#link, voice: this.#voice }, this.#now);
  readonly #conversation = new Conversation(
    {
      inbox: this.#inbox,
      log: this.#log,
      turns: this.#turns,
      asks: this.#asks,
      asking: this.#asking,
      link: this.#link,
      threads: this.#threads,
      pulls: this.#pulls,
      voice: this.#voice,
    },
    {
      sessionId: () => this.#id(),
      settings: this.#settings,
      now: this.#now,
      connected: () => this.#link.isConnected(),
      renewSandbox: () => this.#care.renew(),
      endSandbox: () => this.#care.end(),
    },
  );
  readonly #care = new SandboxCare(
    {
      sandbox: this.#sandbox,
      link: this.#link,
      log: this.#log,
      turns: this.#turns,
      asking: this.#asking,
      pulls: this.#pulls,
      conversation: this.#conversation,
    },
    {
      sessionId: () => this.#id(),
      settings: this.#settings,
      now: this.#now,
      fetch: (input, init) => fetch(input, init),
      store: (work) => this.#guard("backend's answer", () => this.#transaction(work)),
      publishes: (url) => this.#outside.forge()?.repositoryOf(url) != null,
      again: () => this.#reconcile(),
      report: (entry) => this.#report(entry),
    },
  );
  readonly #pullCare = new PullCare(
    { pulls: this.#pulls, log: this.#log, threads: this.#threads, voice: this.#voice, conversation: this.#conversation },
    {
      forge: () => this.#outside.forge(),
      repository: () => this.#onForge(),
      links: () => this.#links(),
      now: this.#now,
      random: Math.random,
      store: (work) => this.#guard("forge's answer", () => this.#transaction(work)),
      again: () => this.#reconcile(),
      report: (entry) => this.#report(entry),
    },
  );
  readonly #kin = new Kin(
    this.ctx.storage.kv,
    { threads: this.#threads, voice: this.#voice },
    {
      sessionId: () => this.#id(),
      ownIdOf: (thread) => sessionIdOf(thread, this.#settings.SESSION_KEY ?? ""),
      agent: (id) => this.#agent(id),
      pageOf: (id) => linksOf(this.#settings.PUBLIC_ORIGIN ?? "", id).session,
      branch: () => this.#log.view().branch,
      now: this.#now,
      store: (work) => this.#guard("kin", () => this.#transaction(work)),
      again: () => this.#reconcile(),
      report: (entry) => this.#report(entry),
    },
  );
  #exists = hasTables(this.ctx.storage.sql);
  readonly #modelCalls = new ModelCalls();
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
    this.#care.look();
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
      fresh = store(() => this.#handle(parsed));
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
    if (this.#exists) this.#kin.meet([other]);
    return Promise.resolve();
  }

  whose(): Promise<Whose | null> {
    return Promise.resolve(this.#exists ? this.#whose() : null);
  }

  #whose(): Whose {
    const view = this.#log.view();
    const { thread, repository, who, closed } = view;
    return { thread, repository, began: who?.id ?? null, members: this.#members.all(view), closed: closed !== null };
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
    return this.#modelCalls.allow(generation, this.#turns.running()?.id);
  }

  /** WebSocket upgrades: `/runner?generation=` with the runner's token, `/viewer?after=` (the Worker has checked the right, and says whose to check again). */
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return new Response("expected a WebSocket upgrade", { status: 426 });
    if (!this.#exists) return new Response("no such session", { status: 404 });
    if (url.pathname === "/viewer") {
      const after = url.searchParams.get("after");
      if (after !== null && !/^\d{1,15}$/.test(after)) return new Response("after must be an event number", { status: 400 });
      const answer = this.#viewers.connect(after === null ? undefined : Number(after), readViewer(url.searchParams));
      this.#arm();
      return answer;
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
        this.#pullCare.follow(event as RunnerEvent);
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
    if (fresh.length > 0) this.#registry.touch(this.#log.view(), this.#members.all(this.#log.view()), this.#now());
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
        this.#pullCare.decide(now);
        this.#inbox.purge(now);
      });
      this.#show([]);
    });
    this.#restUntil = done ? 0 : now + AFTER_ERROR_MS;
    this.#kin.tell(now);
    this.#viewers.checkAgain(now);
    // What is due goes out first: the alarm then stands where the next thing is due.
    const pumped = this.#outbox.pump();
    this.#arm();
    this.ctx.waitUntil(pumped.then(() => this.#arm()));
  }

  #handle(request: Ask): void {
    const before = this.#log.last();
    this.#conversation.handle(request);
    for (const { event } of this.#log.after(before, MOST_OF_A_REQUEST)) if (event.type === "turn.queued") this.#members.add(event.who.id);
    // Whatever was said may come with a change of the pull request: what it is now is asked, not believed.
    if (request.kind === "changed" || request.kind === "closed") this.#pullCare.changed();
  }

  /** Tries again what could not be handled. In the end that is said, not lost. */
  #drain(now: number): void {
    for (const { id, request, tries } of this.#inbox.kept(now)) {
      try {
        this.#transaction(() => {
          if (tries >= REQUEST_TRIES) this.#conversation.giveUp(request);
          else this.#handle(request);
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
      for (const part of [this.#log, this.#turns, this.#asks, this.#sandbox, this.#link, this.#outbox, this.#threads, this.#pulls])
        part.forget();
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
      const dues = [this.#inbox, this.#turns, this.#asks, this.#outbox, this.#care, this.#pullCare, this.#threads, this.#viewers].map(
        (part) => part.nextDue(now),
      );
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

  #links(): ReturnType<typeof linksOf> {
    return linksOf(this.#settings.PUBLIC_ORIGIN ?? "", this.#id());
  }

  #message(row: Row, view: View): Message | undefined {
    return messageOf(row, view, this.#links(), this.#now());
  }

  /** The session's repository as the forge names it. */
  #onForge(): string | null {
    const { repository } = this.#log.view();
    return repository === null
      ? null
      : (this.#outside.forge()?.repositoryOf(cloneUrl(repository, this.#settings.REPOSITORY_BASE_URL)) ?? null);
  }

  /** Whom commits name beside their author is asked of the forge, which may answer after the prompt was made. */
  #complete(command: Command): Command {
    const { identity } = this.#pulls.get();
    return command.do === "prompt" && identity !== null && !command.committer ? { ...command, committer: identity } : command;
  }

  /** One line of structured log; the session's id ties the lines of all parts together. */
  #report(entry: Record<string, unknown>): void {
    console.log(JSON.stringify({ part: "session", session: this.ctx.id.name, ...entry }));
  }
}
