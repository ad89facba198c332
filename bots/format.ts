/** Times, counts and money as people read them. Pure. */
import type { Tokens } from "../protocol/events.ts";

const two = (value: number) => String(value).padStart(2, "0");

/** A duration in ms as `4s`, `12m 04s`, `2h 05m`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h ${two(Math.floor((seconds % 3600) / 60))}m`;
}

/**
 * Time since something began, rounded down so that a message changes only when its reader would care: by seconds in the first
 * minute, by ten seconds to ten minutes, by minutes after.
 */
export function elapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 600) return duration(Math.floor(seconds / 10) * 10_000);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes}m` : `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
}

/** A short measured time: `340 ms`, `1.2 s`, `1m 04s`. */
export function measured(ms: number): string {
  if (ms < 950) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms);
}

/** `1st`, `2nd`, `3rd`, `11th`. */
export function ordinal(n: number): string {
  const tail = n % 100 >= 11 && n % 100 <= 13 ? 0 : n % 10;
  return `${n}${tail === 1 ? "st" : tail === 2 ? "nd" : tail === 3 ? "rd" : "th"}`;
}

/** `1 step`, `14 steps`. */
export const count = (n: number, one: string, many = `${one}s`): string => `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;

/** US dollars; small amounts keep four digits, so that a cheap turn does not look free. */
export function cost(usd: number | null): string {
  if (usd === null) return "cost unknown";
  return usd >= 1 ? `$${usd.toFixed(2)}` : usd === 0 ? "$0" : usd < 0.0001 ? "under $0.0001" : `$${usd.toFixed(4)}`;
}

const compact = (n: number) =>
  n < 1_000 ? String(Math.round(n)) : n < 999_500 ? `${(n / 1_000).toFixed(n < 99_500 ? 1 : 0)}k` : `${(n / 1_000_000).toFixed(1)}M`;

/** `12.3k tokens in (8.0k cached), 1.2k out`. */
export function tokens(used: Tokens | null): string {
  // A call that broke off reports nothing, which is not the same as having used nothing.
  if (!used || Object.values(used).every((count) => count === 0)) return "tokens unknown";
  const cached = used.cacheRead > 0 ? ` (${compact(used.cacheRead)} cached)` : "";
  return `${compact(used.input + used.cacheRead + used.cacheWrite)} tokens in${cached}, ${compact(used.output + used.reasoning)} out`;
}
