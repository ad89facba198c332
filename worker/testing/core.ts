/** The owner of a session's parts, for tests that use them without their object. */
import type { Core } from "../session/composition.ts";

/** One by which nothing happens by itself, with tables that are there, and without other sessions. */
export function coreOf(sessionId: string, more: Partial<Core> = {}): Core {
  return {
    sessionId: () => sessionId,
    now: Date.now,
    agent: () => {
      throw new Error("no other session is part of this");
    },
    take: () => true,
    exists: () => true,
    begin: () => undefined,
    transaction: (work) => work(),
    store: (_what, work) => work(),
    fault: (_what, error) => {
      throw error;
    },
    again: () => undefined,
    arm: () => undefined,
    whose: () => ({ thread: "", repository: null, began: null, members: [], closed: false }),
    settled: () => undefined,
    report: () => undefined,
    ...more,
  };
}
