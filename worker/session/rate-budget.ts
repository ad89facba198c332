/**
 * The RateBudget: one object per workspace or installation, since the platforms' limits hold for all sessions together.
 * It gives out permits by priority: what must not wait may use the whole bucket, progress leaves a reserve.
 * Buckets live in memory and start half full; only a penalty (429) is stored, because only it must survive a restart.
 */
import { DurableObject } from "cloudflare:workers";
import { type Bucket, type Budget, drawAll, LIMITS, type Permit } from "./bucket.ts";

export class RateBudget extends DurableObject implements Budget {
  readonly #buckets = new Map<string, Bucket>();

  take({ method, channel, priority }: Permit): Promise<number> {
    const now = Date.now();
    const until = this.ctx.storage.kv.get<number>(`penalty:${method}`) ?? 0;
    if (until > now) return Promise.resolve(until - now);
    const limits = LIMITS[method];
    if (!limits) return Promise.resolve(0);
    const names = limits.map((limit, index) => (limit.scope === "channel" ? `${method}:${index}:${channel}` : `${method}:${index}`));
    const { buckets, waitMs } = drawAll(
      names.map((name) => this.#buckets.get(name)),
      limits,
      priority,
      now,
    );
    for (const [index, name] of names.entries()) {
      const bucket = buckets[index];
      if (bucket) this.#buckets.set(name, bucket);
    }
    if (this.#buckets.size > 1_000) this.#buckets.clear();
    return Promise.resolve(waitMs);
  }

  penalise({ method, ms }: { method: string; ms: number }): Promise<void> {
    const until = Date.now() + Math.min(ms, 600_000);
    if (until > (this.ctx.storage.kv.get<number>(`penalty:${method}`) ?? 0)) this.ctx.storage.kv.put(`penalty:${method}`, until);
    return Promise.resolve();
  }
}
