/**
 * One call of the model on its way through the Worker. It ends, at the provider too, when the client goes, when the session's object says that it is for nothing
 * any more, and after the longest time that a call may take. However it ends, the object is told what it used.
 */
import type { CallUsage } from "../session/contract.ts";
import { CALL_LIMIT_MS } from "../session/model-calls.ts";
import type { Agent } from "./app.ts";
import type { Passing } from "./model-usage.ts";

/** After the object did not answer, it is asked again after this time, in ms. */
const AGAIN_MS = 1_000;
/** How often the object is told what a call used, if it does not answer. */
const TELLING = 5;

const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

export class CallUnderWay {
  readonly #call: number;
  readonly #agent: () => Agent;
  readonly #stop = new AbortController();
  /** Aborts when the call must not go on. */
  readonly signal: AbortSignal;
  /** Settles when the object knows what the call used. For `waitUntil`. Never rejects. */
  readonly told: Promise<void>;
  #ended: (usage: CallUsage | null) => void = () => undefined;

  /** `agent`: a fresh way to the session's object, since one that broke stays broken. `client`: aborts when the client goes. */
  constructor(call: number, agent: () => Agent, client: AbortSignal) {
    this.#call = call;
    this.#agent = agent;
    this.signal = AbortSignal.any([this.#stop.signal, client, AbortSignal.timeout(CALL_LIMIT_MS)]);
    const ended = new Promise<CallUsage | null>((resolve) => {
      this.#ended = resolve;
    });
    this.told = ended.then((usage) => this.#tell(usage));
    void this.#listen(ended);
  }

  /** The call is over, and used so much; null: nothing. Only the first time counts. */
  end(usage: CallUsage | null): void {
    this.#ended(usage);
  }

  /** The provider's answer for the client. It is read as fast as the client takes it. `cut` stands at the end of one that was ended here. */
  pass(answer: ReadableStream<Uint8Array>, passing: Passing, promptCharacters: number, cut: Uint8Array): ReadableStream<Uint8Array> {
    const reader = answer.getReader();
    const over = () => this.end(passing.used(promptCharacters));
    // Nobody may be reading now, or the read waits for a provider that is silent.
    this.signal.addEventListener("abort", () => {
      over();
      void reader.cancel(this.signal.reason).catch(() => undefined);
    });
    return new ReadableStream<Uint8Array>(
      {
        pull: async (to) => {
          try {
            for (;;) {
              const { done, value } = await reader.read().catch((error: unknown) => {
                if (this.signal.aborted) return { done: true, value: undefined } as const;
                throw error;
              });
              const on = this.signal.aborted ? cut : done ? passing.end() : passing.take(value);
              if (on.length > 0) to.enqueue(on);
              if (done || this.signal.aborted) {
                to.close();
                return over();
              }
              if (on.length > 0) return;
            }
          } catch (error) {
            over();
            to.error(error);
          }
        },
        cancel: async (reason) => {
          over();
          await reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Hears from the object that the call is over. An object that was started again knows the call, and is asked again. */
  async #listen(ended: Promise<unknown>): Promise<void> {
    let over = false;
    void ended.then(() => {
      over = true;
    });
    while (!over) {
      try {
        const why = await this.#agent().modelCallOver(this.#call);
        if (!over) this.#stop.abort(new DOMException(why, "AbortError"));
        return;
      } catch {
        await Promise.race([ended, sleep(AGAIN_MS)]);
      }
    }
  }

  async #tell(usage: CallUsage | null): Promise<void> {
    for (let tries = 1; tries <= TELLING; tries += 1) {
      try {
        return await this.#agent().endModelCall(this.#call, usage);
      } catch (error) {
        console.warn("model: a call's end was not heard", error instanceof Error ? error.message : "unknown");
        await sleep(AGAIN_MS);
      }
    }
  }
}
