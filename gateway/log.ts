/** Log lines, bounded: who has no right can cause refusals without end, and must not fill a disk with them. */

/** One line. No token, cookie, password or query belongs in it. */
export type Log = (entry: { event: string } & Record<string, string | number>) => void;

/** Lines of one event that pass in a minute. */
export const LINES_A_MINUTE = 60;
const MINUTE_MS = 60_000;

/** Passes on so many lines of each event a minute, and then says how many it left out. Exchanges all pass: each needs a grant of the Worker. */
export function bounded(log: Log, now: () => number): Log {
  const windows = new Map<string, { since: number; lines: number }>();
  return (entry) => {
    if (entry.event === "exchange") return log(entry);
    let window = windows.get(entry.event);
    if (!window || now() - window.since >= MINUTE_MS) {
      if (window && window.lines > LINES_A_MINUTE) log({ event: "left out", of: entry.event, count: window.lines - LINES_A_MINUTE });
      window = { since: now(), lines: 0 };
      windows.set(entry.event, window);
    }
    window.lines++;
    if (window.lines <= LINES_A_MINUTE) log(entry);
  };
}
