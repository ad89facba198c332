/**
 * The built Worker with a meter: rows written are added up where SQLite tells them, the clock can be set, and an object
 * can be made to forget its memory. The bundle itself runs unchanged; only the runtime's own prototypes are wrapped.
 */
import worker, { RateBudget, SessionAgent } from "errand-bundle";
import type { Meter } from "../meter.ts";

const meter: Meter = { rows: {}, alarm: null, due: null, frames: 0 };
const count = (what: string, rows: number) => {
  if (rows > 0) meter.rows[what] = (meter.rows[what] ?? 0) + rows;
};

let now: number | null = null;
const realNow = Date.now;
Date.now = () => now ?? realNow();

/** Timers in memory, while the clock is set: they fire on it and not before. */
const timers = new Map<number, { at: number; fire: () => void }>();
const realSetTimeout = globalThis.setTimeout;
const realClearTimeout = globalThis.clearTimeout;
let lastTimer = 1_000_000_000;
Object.assign(globalThis, {
  setTimeout: (fire: () => void, ms = 0) => {
    if (now === null) return realSetTimeout(fire, ms);
    lastTimer += 1;
    timers.set(lastTimer, { at: now + ms, fire });
    return lastTimer;
  },
  clearTimeout: (handle: number) => {
    if (!timers.delete(handle)) realClearTimeout(handle);
  },
});

/** The earliest thing that is to happen on the set clock: a timer, or the alarm. */
function nextDue(): { at: number; fire: (agent: { alarm(): void }) => unknown } | undefined {
  const dues = [...timers].map(([handle, { at, fire }]) => ({
    at,
    fire: () => {
      timers.delete(handle);
      fire();
    },
  }));
  const alarm = {
    at: meter.alarm ?? Number.POSITIVE_INFINITY,
    fire: (agent: { alarm(): void }) => {
      meter.alarm = null;
      return agent.alarm();
    },
  };
  return [...dues, alarm].filter(({ at }) => at < Number.POSITIVE_INFINITY).sort((a, b) => a.at - b.at)[0];
}

/** Work that objects started and did not wait for. */
const open = new Set<Promise<unknown>>();
const wrapped = new WeakSet<object>();

/** Wraps a method once, on the prototype that all objects share. */
function wrap(
  of: object,
  name: string,
  make: (original: (...args: unknown[]) => unknown) => (this: unknown, ...args: unknown[]) => unknown,
): void {
  const prototype: Record<string, unknown> = Object.getPrototypeOf(of);
  const original = prototype[name];
  if (typeof original !== "function") throw new Error(`no ${name} to wrap`);
  prototype[name] = make(original as (...args: unknown[]) => unknown);
}

function meterOf(ctx: DurableObjectState): void {
  const shared = Object.getPrototypeOf(ctx);
  if (wrapped.has(shared)) return;
  wrapped.add(shared);
  wrap(
    ctx.storage.sql,
    "exec",
    (exec) =>
      function (query, ...params) {
        const cursor = exec.call(this, query, ...params) as { rowsWritten: number };
        // A writing statement has written all its rows when exec returns, also one with RETURNING.
        count(
          /^\s*(?:INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE(?: IF NOT EXISTS)?) (\w+)/.exec(String(query))?.[1] ?? "other",
          cursor.rowsWritten,
        );
        return cursor;
      },
  );
  wrap(
    ctx.storage,
    "setAlarm",
    (setAlarm) =>
      function (time) {
        count("alarm", 1);
        if (now === null) return setAlarm.call(this, time);
        meter.alarm = Number(time);
        return Promise.resolve();
      },
  );
  wrap(
    ctx,
    "waitUntil",
    (waitUntil) =>
      function (promise) {
        const work = Promise.resolve(promise).finally(() => open.delete(work));
        open.add(work);
        return waitUntil.call(this, work);
      },
  );
}

class Metered extends SessionAgent {
  constructor(ctx: DurableObjectState, env: unknown) {
    meterOf(ctx);
    super(ctx, env);
  }

  override webSocketMessage(socket: unknown, message: unknown): void {
    super.webSocketMessage(socket, message);
    meter.frames += 1;
  }

  /** Sets the clock (null: leaves it), fires timers and the alarm that are due by then, and waits until everything that started has ended. */
  async tick(time: number | null): Promise<Meter> {
    now = time ?? now;
    await settled();
    for (let next = nextDue(); now !== null && next && next.at <= now; next = nextDue()) {
      await next.fire(this);
      await settled();
    }
    meter.due = nextDue()?.at ?? null;
    return meter;
  }

  /** Ends the object, so that the next call finds it cold. */
  end(): void {
    this.ctx.abort("the benchmark ends it");
  }
}

async function settled(): Promise<void> {
  while (open.size > 0) await Promise.allSettled([...open]);
}

export { Metered as SessionAgent, RateBudget };

type Env = { SESSIONS: { getByName(name: string): { tick(time: number | null): Promise<Meter>; end(): Promise<void> } } };

export default {
  async fetch(request: Request, env: Env, ctx: unknown): Promise<Response> {
    const [, bench, session, what, time] = new URL(request.url).pathname.split("/");
    if (bench !== "bench" || !session) return worker.fetch(request, env, ctx);
    const agent = env.SESSIONS.getByName(session);
    if (what === "tick") return Response.json(await agent.tick(time === undefined ? null : Number(time)));
    await agent.end().catch(() => undefined);
    return new Response(null);
  },
};
