/** Reports that services are used, for the account of idle time, without a message for every request. */
import type { Service } from "../protocol/grant.ts";

/** Shortest time between two reports about one service, in ms. */
export const USED_EVERY_MS = 30_000;

/** Returns a function to call at every use; it passes on the first one of a service, and then at most one in `USED_EVERY_MS`. */
export function createUsage(now: () => number, report: (service: Service, at: number) => void): (service: Service) => void {
  const last = new Map<Service, number>();
  return (service) => {
    const at = now();
    if (at - (last.get(service) ?? Number.NEGATIVE_INFINITY) < USED_EVERY_MS) return;
    last.set(service, at);
    report(service, at);
  };
}
