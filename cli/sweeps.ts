/** Calls what the Worker does by the clock: on Cloudflare a cron trigger does, on this machine nothing would. */
import { setTimeout } from "node:timers/promises";

/** As the cron trigger of wrangler.jsonc has it, in ms. */
const EVERY_MS = 5 * 60_000;
/** Time for one run, in ms: it reads pages of GitHub's log one after the other. */
const RUN_MS = 60_000;

export type SweepOptions = {
  /** The Worker's. */
  origin: string;
  log: (line: string) => void;
  fetch?: typeof fetch;
  everyMs?: number;
};

/** Runs it now and every five minutes until `stop`. What fails is said and tried at the next time. */
export function startSweeps({ origin, log, fetch: send = fetch, everyMs = EVERY_MS }: SweepOptions): { stop: () => Promise<void> } {
  const stopped = new AbortController();
  async function run(): Promise<void> {
    while (!stopped.signal.aborted) {
      try {
        // Where workerd's local mode takes what Cloudflare's clock would send.
        const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(RUN_MS)]);
        const answer = await send(`${origin}/cdn-cgi/handler/scheduled?cron=*/5+*+*+*+*`, { signal });
        await answer.body?.cancel();
        if (!answer.ok) log(`looking for missed deliveries failed: the Worker answered ${answer.status}`);
      } catch (error) {
        if (!stopped.signal.aborted) log(`looking for missed deliveries failed: ${error instanceof Error ? error.name : "error"}`);
      }
      await setTimeout(everyMs, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  }
  const running = run();
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
