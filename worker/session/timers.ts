/** Timers: each part tells when it is next due; the one alarm stands at the earliest. */

/** No alarm is set further away than this, in ms: a clock that jumped cannot park work for years. */
const FURTHEST_MS = 24 * 3600_000;

export class Timers {
  readonly #storage: DurableObjectStorage;
  /** The time the alarm stands at, as far as known; undefined after waking, when it may stand anywhere. */
  #armed: number | undefined;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** The alarm fired: none is set now. */
  fired(): void {
    this.#armed = undefined;
  }

  /**
   * Makes sure that the alarm fires no later than the earliest due time. An alarm that stands earlier is left: firing
   * for nothing costs less than a row written for each change.
   */
  arm(dues: readonly (number | undefined)[], now: number): void {
    const due = Math.min(...dues.filter((time) => time !== undefined), now + FURTHEST_MS);
    if (due === now + FURTHEST_MS) return;
    const at = Math.max(due, now);
    if (this.#armed !== undefined && this.#armed <= at && this.#armed > now - 5_000) return;
    this.#armed = at;
    void this.#storage.setAlarm(at);
  }
}
