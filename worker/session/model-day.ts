/**
 * What all sessions together used of the model in a day (UTC), for the cap of an installation. Each session keeps its own count and writes it, as a whole, to a
 * row of its own in D1, which answers with the sum: writing again changes nothing, so an answer that was lost costs nothing. It is written after a call and asked
 * for while a turn runs, never between OpenCode and the model; only the first call that an object carries in a day waits for it. So the cap may be passed by the calls
 * that are under way. While D1 does not answer, the last sum that is known counts. Nothing is written where there is no such cap.
 */
import { eq, lt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { modelDays } from "../db/schema.ts";
import type { Tables } from "./schema.ts";

/** While a turn runs, a sum that is older than this is asked for again, in ms. */
const FRESH_MS = 15_000;
/** After D1 did not answer, in ms. */
const RETRY_MS = 10_000;

export const modelDayTables: Tables = {
  part: "model-day",
  // `told`: how much of `tokens` stands in D1.
  steps: ["CREATE TABLE model_day (day TEXT PRIMARY KEY, tokens INTEGER NOT NULL, told INTEGER NOT NULL) WITHOUT ROWID"],
};

export type DayPorts = {
  /** The cap; null: none. */
  limit: number | null;
  sessionId: () => string;
  now: () => number;
  report: (entry: Record<string, unknown>) => void;
};

/** The day of a time, as in `2026-11-23`. */
export const dayOf = (now: number): string => new Date(now).toISOString().slice(0, 10);

export class ModelDay {
  readonly #sql: SqlStorage;
  readonly #db: D1Database;
  readonly #ports: DayPorts;
  /** What others used, as D1 last said. */
  #others: { day: string; tokens: number; at: number } | undefined;
  #asking: Promise<void> | undefined;
  #notBefore = 0;

  constructor(sql: SqlStorage, db: D1Database, ports: DayPorts) {
    this.#sql = sql;
    this.#db = db;
    this.#ports = ports;
  }

  /** Counts tokens of this session. Call inside a transaction. */
  add(tokens: number): void {
    if (this.#ports.limit === null || tokens === 0) return;
    const day = dayOf(this.#ports.now());
    this.#sql.exec("DELETE FROM model_day WHERE day < ? AND told >= tokens", day);
    this.#sql.exec(
      "INSERT INTO model_day (day, tokens, told) VALUES (?, ?, 0) ON CONFLICT DO UPDATE SET tokens = tokens + excluded.tokens",
      day,
      tokens,
    );
  }

  /** What all sessions used today, as far as known. */
  today(): number {
    const day = dayOf(this.#ports.now());
    return this.#own(day).tokens + (this.#others?.day === day ? this.#others.tokens : 0);
  }

  /** Resolves at once, but for the first time of a day: then when D1 has said what others used, or that it can't. */
  async known(): Promise<void> {
    if (this.#ports.limit !== null && this.#others?.day !== dayOf(this.#ports.now())) await this.#ask();
  }

  /** Tells what is not told, and asks again. `working`: a turn runs. */
  decide(now: number, working: boolean): void {
    if (this.#ports.limit === null || this.#asking || now < this.#notBefore) return;
    const stale = this.#others === undefined || now - this.#others.at > FRESH_MS;
    if ((working && stale) || this.#untold() !== undefined) void this.#ask();
  }

  /** When something is to be told, ms since 1970. */
  nextDue(now: number): number | undefined {
    if (this.#ports.limit === null || this.#untold() === undefined) return undefined;
    return this.#asking ? now + RETRY_MS : Math.max(now, this.#notBefore);
  }

  #own(day: string): { day: string; tokens: number } {
    const [row] = this.#sql.exec<{ day: string; tokens: number }>("SELECT day, tokens FROM model_day WHERE day = ?", day).toArray();
    return row ?? { day, tokens: 0 };
  }

  /** The oldest day of which D1 does not know all. */
  #untold(): { day: string; tokens: number } | undefined {
    return this.#sql
      .exec<{ day: string; tokens: number }>("SELECT day, tokens FROM model_day WHERE told < tokens ORDER BY day LIMIT 1")
      .toArray()[0];
  }

  #ask(): Promise<void> {
    this.#asking ??= this.#exchange().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #exchange(): Promise<void> {
    const { now, report, sessionId } = this.#ports;
    const today = dayOf(now());
    const own = this.#untold() ?? this.#own(today);
    const d1 = drizzle(this.#db);
    try {
      if (own.tokens > 0)
        await d1
          .insert(modelDays)
          .values({ day: own.day, session: sessionId(), tokens: own.tokens })
          // Never less: an answer that comes late belongs to an older count.
          .onConflictDoUpdate({
            target: [modelDays.day, modelDays.session],
            set: { tokens: sql`max(${modelDays.tokens}, excluded.tokens)` },
          });
      const [sum] = await d1
        .select({ tokens: sql<number>`coalesce(sum(${modelDays.tokens}), 0)` })
        .from(modelDays)
        .where(eq(modelDays.day, today));
      this.#sql.exec("UPDATE model_day SET told = ? WHERE day = ?", own.tokens, own.day);
      this.#others = { day: today, tokens: (sum?.tokens ?? 0) - (own.day === today ? own.tokens : 0), at: now() };
    } catch (error) {
      this.#notBefore = now() + RETRY_MS;
      report({ message: "the day's tokens are not known", error: error instanceof Error ? error.message : String(error) });
    }
  }
}

/** How long the rows in D1 are kept, in days: for an operator who wants to look. */
const KEPT_DAYS = 40;

/** Deletes rows that are older than that. */
export async function forgetOldDays(db: D1Database, now: number): Promise<void> {
  await drizzle(db)
    .delete(modelDays)
    .where(lt(modelDays.day, dayOf(now - KEPT_DAYS * 24 * 3600_000)));
}
