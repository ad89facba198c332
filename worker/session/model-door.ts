/** Where a sandbox's calls of the model come in: whose token it is, whether that sandbox is still heard, and what becomes of the call. */
import type { CallUsage, ModelCall, ModelRefusal } from "./contract.ts";
import type { ModelCalls, SessionUse } from "./model-calls.ts";
import type { ModelDay } from "./model-day.ts";
import type { Sandbox } from "./sandbox.ts";
import type { SandboxCare } from "./sandbox-care.ts";
import type { Turns } from "./turns.ts";

/** A token of a sandbox that is not heard any more. */
const ENDED: ModelRefusal = { ok: false, status: 410, code: "generation_ended", why: "this session's sandbox has ended" };

export type ModelDoorPorts = {
  now: () => number;
  /** Whether there is a session; without one there are no tables. */
  exists: () => boolean;
  /** Does work that writes, as a whole or not at all. */
  transaction: <T>(work: () => T) => T;
};

type Parts = { sandbox: Sandbox; care: SandboxCare; turns: Turns; modelCalls: ModelCalls; modelDay: ModelDay };

/** Its methods are those of `SessionRpc`, which says what each promises. */
export class ModelDoor {
  readonly #parts: Parts;
  readonly #ports: ModelDoorPorts;

  constructor(parts: Parts, ports: ModelDoorPorts) {
    this.#parts = parts;
    this.#ports = ports;
  }

  async allow(token: string): Promise<{ ok: true; generation: number } | ModelRefusal> {
    const { sandbox, care } = this.#parts;
    const { generation } = this.#ports.exists() ? sandbox.get() : { generation: 0 };
    if (generation === 0 || !(await care.isToken("model", generation, token)))
      return { ok: false, status: 401, code: "invalid_token", why: "not a token of this session's sandbox" };
    return care.isHeard(generation) ? { ok: true, generation } : ENDED;
  }

  async begin(token: string): Promise<ModelCall> {
    const { care, turns, modelCalls, modelDay } = this.#parts;
    const allowed = await this.allow(token);
    if (!allowed.ok) return allowed;
    await modelDay.known();
    // It may have ended while D1 was asked.
    if (!care.isHeard(allowed.generation)) return ENDED;
    return this.#ports.transaction(() => modelCalls.begin(allowed.generation, turns.running(), this.#ports.now()));
  }

  over(call: number): Promise<string> {
    if (!this.#ports.exists()) return Promise.resolve("there is no such session");
    const over = this.#parts.modelCalls.over(call);
    this.cut();
    return over;
  }

  end(call: number, usage: CallUsage | null): void {
    if (!this.#ports.exists()) return;
    this.#ports.transaction(() => this.#parts.modelCalls.end(call, usage));
    this.#parts.modelDay.decide(this.#ports.now(), false);
  }

  use(): SessionUse | null {
    return this.#ports.exists() ? this.#parts.modelCalls.use() : null;
  }

  /** Whoever carries a call that is for nothing any more hears so. */
  cut(): void {
    const { care, modelCalls, sandbox, turns } = this.#parts;
    const { generation } = sandbox.get();
    modelCalls.cut(care.isHeard(generation) ? generation : null, turns.running()?.id);
  }
}
