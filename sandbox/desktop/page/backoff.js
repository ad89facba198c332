const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/**
 * How long to wait before the next try to connect: doubled with each failure up to 15 s, and spread by a quarter, so that many windows
 * that lost one sandbox do not return in step.
 * @param {number} failures tries that failed since the last good connection, at least 1
 * @param {number} random from 0 up to 1
 * @returns {number} milliseconds
 */
export function retryDelay(failures, random) {
  const base = Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
  return Math.round(base * (0.75 + random / 2));
}
