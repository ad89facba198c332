/** What the session has to do with other objects: those of threads that joined it, and sessions on the same branch. */
import type { SessionRpc } from "./contract.ts";
import type { Threads } from "./threads.ts";
import type { Voice } from "./voice.ts";

export type KinPorts = {
  sessionId: () => string;
  /** The id of the object that a thread has by itself. */
  ownIdOf: (thread: string) => Promise<string>;
  agent: (id: string) => SessionRpc;
  /** Where a session is read. */
  pageOf: (id: string) => string;
  branch: () => string;
  now: () => number;
  store: (work: () => void) => void;
  again: () => void;
  report: (entry: Record<string, unknown>) => void;
};

export class Kin {
  readonly #kv: SyncKvStorage;
  readonly #parts: { threads: Threads; voice: Voice };
  readonly #ports: KinPorts;
  #telling = false;

  constructor(kv: SyncKvStorage, parts: { threads: Threads; voice: Voice }, ports: KinPorts) {
    this.#kv = kv;
    this.#parts = parts;
    this.#ports = ports;
  }

  /** Tells the object of a thread that joined that it leads here: from then on what is said there comes here. */
  tell(now: number): void {
    const { threads } = this.#parts;
    const thread = threads.untold(now);
    if (thread === undefined || this.#telling) return;
    this.#telling = true;
    const told = async () => this.#ports.agent(await this.#ports.ownIdOf(thread)).lead(this.#ports.sessionId());
    void told().then(
      (led) => {
        this.#telling = false;
        this.#ports.store(() => threads.told(thread));
        if (!led) this.#ports.report({ message: "a thread has a session of its own", thread });
        this.#ports.again();
      },
      (error: unknown) => {
        this.#telling = false;
        threads.notTold(this.#ports.now());
        this.#ports.report({ message: "thread not told", thread, why: error instanceof Error ? error.message : String(error) });
        this.#ports.again();
      },
    );
  }

  /** Other sessions work on the same branch: each of both says so, once. */
  meet(ids: readonly string[]): void {
    for (const id of ids) {
      const known = `met:${id}`;
      if (this.#kv.get(known) !== undefined) continue;
      this.#ports.store(() => {
        this.#kv.put(known, true);
        const { voice } = this.#parts;
        const text = `Another session works on the branch \`${this.#ports.branch()}\` too: ${this.#ports.pageOf(id)}. What one pushes, the other has to rebase on.`;
        voice.note("same_branch", text, null, { turn: null, cause: known, where: voice.home() });
      });
      this.#ports
        .agent(id)
        .meet(this.#ports.sessionId())
        .catch((error: unknown) => this.#ports.report({ message: "neighbour not told", why: String(error) }));
      this.#ports.again();
    }
  }
}
