/** Asks of the runner on their way to the SessionAgent: each is sent once, over one connection, and ends in an answer. */
import { randomUUID } from "node:crypto";
import type { RunnerAnswer, RunnerAsk } from "../protocol/runner.ts";
import { RUNNER_ASK_MS } from "../protocol/runner.ts";
import { NO_CONNECTION } from "./git-failures.ts";

/** The asks of one link. Answers are secret: they are handed over and kept nowhere. */
export type Asks = {
  /** Asks as soon as there is a connection; refused when that and the answer take longer than `RUNNER_ASK_MS`. */
  ask: (ask: RunnerAsk) => Promise<RunnerAnswer>;
  /** A connection was welcomed: what waits is sent. */
  connected: () => void;
  /** The connection is gone: who asked over it gets no answer any more. */
  broken: () => void;
  answered: (id: string, answer: RunnerAnswer) => void;
  /** The link has ended. */
  close: () => void;
};

/** `send` gives a frame to the connection, `isConnected` says whether there is one that was welcomed. */
export function openAsks(send: (id: string, ask: RunnerAsk) => void, isConnected: () => boolean): Asks {
  const waiting = new Map<string, { ask: RunnerAsk; sent: boolean; settle: (answer: RunnerAnswer) => void }>();
  let closed = false;

  const deliver = (id: string): void => {
    const one = waiting.get(id);
    if (one === undefined || one.sent || !isConnected()) return;
    one.sent = true;
    send(id, one.ask);
  };
  const refuse = (id: string, why: string): void => waiting.get(id)?.settle({ is: "no", why });

  return {
    ask: (ask) =>
      new Promise((done) => {
        if (closed) return done({ is: "no", why: `${NO_CONNECTION}: this sandbox has ended.` });
        const id = randomUUID();
        const timer = setTimeout(() => refuse(id, `${NO_CONNECTION} within ${RUNNER_ASK_MS / 1_000} s.`), RUNNER_ASK_MS);
        waiting.set(id, {
          ask,
          sent: false,
          settle: (answer) => {
            clearTimeout(timer);
            waiting.delete(id);
            done(answer);
          },
        });
        deliver(id);
      }),
    connected: () => {
      for (const id of waiting.keys()) deliver(id);
    },
    broken: () => {
      for (const [id, one] of waiting) if (one.sent) refuse(id, `${NO_CONNECTION}: the connection broke.`);
    },
    answered: (id, answer) => waiting.get(id)?.settle(answer),
    close: () => {
      closed = true;
      for (const id of waiting.keys()) refuse(id, `${NO_CONNECTION}: this sandbox has ended.`);
    },
  };
}
