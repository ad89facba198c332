/** Which calls of the model are allowed: those of the newest sandbox, while a turn runs, up to a number that only a runaway reaches. */
import type { SessionRpc } from "./contract.ts";

/** Model calls one turn may make: far above honest work, a stop for runaways. */
const MODEL_CALLS_PER_TURN = 1_000;

type Allowed = Awaited<ReturnType<SessionRpc["allowModelCall"]>>;

export class ModelCalls {
  #counted = { turn: 0, count: 0 };

  /** Counts one call of the running turn, or says why there can be none. */
  allow(generation: number, turn: number | undefined): Allowed {
    if (turn === undefined) return { ok: false, status: 429, why: "no turn is running" };
    if (this.#counted.turn !== turn) this.#counted = { turn, count: 0 };
    this.#counted.count += 1;
    if (this.#counted.count > MODEL_CALLS_PER_TURN)
      return { ok: false, status: 429, why: `more than ${MODEL_CALLS_PER_TURN} model calls in one turn` };
    return { ok: true, generation };
  }
}
