/**
 * Timers: each part tells when it is next due; the one alarm stands at the earliest. While a runner is connected this
 * object stays in memory anyway, so a timer there does the work and the alarm stands behind it: setting an alarm
 * writes a row, and a busy turn would set hundreds. Should this object end, the alarm, or the runner coming back, takes it up.
 */

/** No alarm is set further away than this, in ms: a clock that jumped cannot park work for years. */
const FURTHEST_MS = 24 * 3600_000;
/** Due times nearer than this, in ms, may be left to a timer in memory; a longer one would keep an idle object from being put aside. */
const NEAR_MS = 15_000;
/** How far behind such a timer the alarm stands, in ms. */
const BEHIND_MS = 20_000;

export class Timers {
  readonly #storage: DurableObjectStorage;
  readonly #fire: () => void;
  /** The time the alarm stands at, as far as known; undefined after waking, when it may stand anywhere. */
  #armed: number | undefined;
  #timer: { at: number; handle: ReturnType<typeof setTimeout> } | undefined;

  constructor(storage: DurableObjectStorage, fire: () => void) {
    this.#storage = storage;
    this.#fire = fire;
  }

  /** The alarm fired: none is set now. */
  fired(): void {
    this.#armed = undefined;
  }

  /**
   * Makes sure that this object is called no later than the earliest due time. `busy`: a runner is connected.
   * An alarm that stands earlier is left: firing for nothing costs less than a row for each change.
   */
  arm(dues: readonly (number | undefined)[], now: number, busy: boolean): void {
    const due = Math.max(now, Math.min(...dues.filter((time) => time !== undefined), now + FURTHEST_MS));
    if (due === now + FURTHEST_MS) return this.#wait(undefined, now);
    const near = busy && due - now < NEAR_MS;
    this.#wait(near ? due : undefined, now);
    const at = near ? due + BEHIND_MS : due;
    if (this.#armed !== undefined && this.#armed <= at && this.#armed > now - 5_000) return;
    this.#armed = at;
    void this.#storage.setAlarm(at);
  }

  #wait(at: number | undefined, now: number): void {
    if (this.#timer && this.#timer.at === at) return;
    if (this.#timer) clearTimeout(this.#timer.handle);
    this.#timer = undefined;
    if (at === undefined) return;
    const handle = setTimeout(() => {
      this.#timer = undefined;
      this.#fire();
    }, at - now);
    this.#timer = { at, handle };
  }
}
