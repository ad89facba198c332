/** Waits until something answers. Every single try has a time limit: OpenCode accepts connections long before it answers any. */
import { connect, type NetConnectOpts } from "node:net";
import type { Ready } from "./unit.ts";

/** Time limit of one try and pause between tries, in ms. */
const TRY_MS = 400;
const PAUSE_MS = 75;

/** Resolves to true when the probe succeeded, to false when `signal` aborted before. */
export async function waitReady(ready: Exclude<Ready, { by: "message" | "started" }>, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if (await answers(ready)) return true;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return false;
}

async function answers(ready: Exclude<Ready, { by: "message" | "started" }>): Promise<boolean> {
  switch (ready.by) {
    case "http":
      try {
        const headers: Record<string, string> = ready.authorization ? { authorization: ready.authorization } : {};
        const response = await fetch(ready.url, { headers, signal: AbortSignal.timeout(TRY_MS), redirect: "manual" });
        await response.body?.cancel();
        return response.ok;
      } catch {
        return false;
      }
    case "tcp":
      return canConnect({ host: "127.0.0.1", port: ready.port });
    case "socket":
      return canConnect({ path: ready.path });
  }
}

function canConnect(where: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(where);
    const done = (isOpen: boolean) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.setTimeout(TRY_MS, () => done(false));
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}
