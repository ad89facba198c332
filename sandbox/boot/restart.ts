/**
 * What to do when something supervised died: start it again, a little later each time, and after too many deaths in a minute
 * say that it is not available and try once a minute.
 */

/** A unit with this many crashes within `WINDOW_MS` is given up. */
export const MAX_CRASHES = 5;
/** In ms; also how often a given-up unit is tried, and how long it must then run to count as healthy again. */
export const WINDOW_MS = 60_000;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

/** What is remembered of one unit. `at` holds epoch ms of crashes within the last minute. */
export type Crashes = { at: readonly number[]; givenUp: boolean };
export const NO_CRASHES: Crashes = { at: [], givenUp: false };

/**
 * Decides after a crash at `now`. `readySince` is when the unit became ready in the life that ended, or null if it never did.
 * The delay doubles with each crash of the last minute: 100 ms, 200 ms, 400 ms, 800 ms.
 */
export function afterCrash(
  before: Crashes,
  now: number,
  readySince: number | null,
): { crashes: Crashes; state: "restarting" | "unavailable"; delayMs: number } {
  const wasHealthy = readySince !== null && now - readySince >= WINDOW_MS;
  const at = [...before.at.filter((time) => now - time < WINDOW_MS), now];
  if ((before.givenUp && !wasHealthy) || at.length >= MAX_CRASHES) {
    return { crashes: { at, givenUp: true }, state: "unavailable", delayMs: WINDOW_MS };
  }
  return { crashes: { at, givenUp: false }, state: "restarting", delayMs: Math.min(FIRST_DELAY_MS * 2 ** (at.length - 1), MAX_DELAY_MS) };
}
