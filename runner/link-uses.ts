/** Tells the SessionAgent that people use the sandbox, in few frames: it only has to know that they still do. */
import type { Service } from "../protocol/grant.ts";

/** Shortest time between two such frames, in ms. The SessionAgent keeps a sandbox for far longer after each. */
export const USES_EVERY_MS = 30_000;

/** The uses of one link. */
export type Uses = {
  /** A service was used. Told at once, or together with the others when the time has come. */
  used: (service: Service) => void;
  /** A connection was welcomed: what could not be told is. */
  connected: () => void;
  /** The link has ended. */
  close: () => void;
};

/** `send` gives a frame to the connection, `isConnected` says whether there is one that was welcomed. */
export function openUses(send: (services: Service[]) => void, isConnected: () => boolean, now: () => number): Uses {
  const untold = new Set<Service>();
  let toldAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | null = null;

  const tell = (): void => {
    if (timer !== null || untold.size === 0 || !isConnected()) return;
    const wait = toldAt + USES_EVERY_MS - now();
    if (wait > 0) {
      timer = setTimeout(() => {
        timer = null;
        tell();
      }, wait).unref();
      return;
    }
    toldAt = now();
    send([...untold]);
    untold.clear();
  };

  return {
    used: (service) => {
      untold.add(service);
      tell();
    },
    connected: tell,
    close: () => {
      if (timer !== null) clearTimeout(timer);
      untold.clear();
    },
  };
}
