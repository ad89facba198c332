/**
 * From a started sandbox to one that takes prompts: the workspace cloned, OpenCode answering, its event stream open, its
 * session found or made, its first calls done.
 */

import type { Failure, RunnerEvent } from "../protocol/events.ts";
import type { RunnerConfig } from "../sandbox/boot/ipc.ts";
import { agentUnavailable } from "./failures.ts";
import type { WorkspaceState } from "./git.ts";
import { hasCheckout, prepareWorkspace } from "./git.ts";
import type { OpenCode } from "./opencode.ts";
import { delay, followEvents } from "./opencode-stream.ts";
import type { OpenCodeEvent } from "./opencode-types.ts";

/** A prompt waits this long, in ms, for OpenCode to answer; its start was measured at 1.4 to 3.8 s. */
const AGENT_MS = 120_000;
const POLL_MS = 150;
/** A prompt that is here already waits this long for the warm-up, ms: what it warms would be done by the prompt anyway. */
const WARM_MS = 10_000;

/** What it takes to get ready, and whom to tell. */
export type ReadinessOptions = {
  config: RunnerConfig;
  openCode: OpenCode;
  /** Configuration value of git's credential helper. */
  helper: string;
  emit: (event: RunnerEvent) => void;
  /** The OpenCode session this session had so far, and where to keep the one that is used. */
  knownSession: () => string | null;
  keepSession: (id: string) => void;
  /** Boot time of this generation when an earlier runner process told it already, ms. */
  knownReadyMs: () => number | null;
  keepReady: (ms: number) => void;
  onEvent: (event: OpenCodeEvent) => void;
  onConnected: () => void;
  now: () => number;
  log: (message: string) => void;
  /** The agent can take prompts, or the workspace cannot be had: nothing here is waited for any more. */
  onSettled: () => void;
  signal: AbortSignal;
};

/** Ready with the OpenCode session to use, or why not. */
export type Ready = { ok: true; session: string } | { ok: false; failure: Failure };

/** Gets ready in the background; `wait` says how it went, or goes. */
export type Readiness = { wait: () => Promise<Ready>; workspaceReady: () => boolean };

/** Starts to get ready at once. */
export function getReady(options: ReadinessOptions): Readiness {
  const { config, openCode, emit, now, log, signal } = options;
  let workspaceReady = false;
  let failureTold = false;
  let streaming = false;
  let connected = false;
  let session: string | null = null;
  /** The search under way, so that two waiters do not make two sessions. */
  let finding: Promise<string | null> | null = null;
  let markWarmed: () => void = () => {};
  const warmed = new Promise<void>((done) => {
    markWarmed = done;
  });
  let workspace = prepare();
  void boot();

  async function prepare(): Promise<WorkspaceState> {
    const fresh = !(await hasCheckout(config.workspace));
    const startedAt = now();
    if (fresh) emit({ type: "boot.phase", at: startedAt, phase: "clone" });
    const state = await prepareWorkspace({ ...config, helper: options.helper, signal });
    const ms = now() - startedAt;
    if (state.ok) {
      workspaceReady = true;
      if (fresh) emit({ type: "boot.phase", at: now(), phase: "clone", ms, ok: true });
      emit({ type: "git.ready", at: now(), branch: state.branch, base: state.base, commit: state.commit });
    } else {
      emit({ type: "boot.phase", at: now(), phase: "clone", ms, ok: false, error: state.failure.message });
    }
    return state;
  }

  async function boot(): Promise<void> {
    if (!(await workspace).ok) return options.onSettled();
    const agent = await waitForAgent(Number.POSITIVE_INFINITY);
    if (!agent.ok || signal.aborted) return;
    const known = options.knownReadyMs();
    if (known === null) {
      const startedAt = now();
      emit({ type: "boot.phase", at: startedAt, phase: "warm-up" });
      await openCode.warmUp(config.modelDefault);
      emit({ type: "boot.phase", at: now(), phase: "warm-up", ms: now() - startedAt, ok: true });
    }
    const ms = known ?? Math.max(0, now() - config.bootedAt);
    options.keepReady(ms);
    emit({ type: "sandbox.ready", at: now(), ms });
    markWarmed();
    options.onSettled();
  }

  async function waitForAgent(patience: number): Promise<Ready> {
    const startedAt = now();
    while (!signal.aborted) {
      // The directory's instance boots with the first call that needs it, and must find the clone there.
      if (!streaming && (await openCode.health()).ok && !streaming) {
        streaming = true;
        void followEvents(
          {
            isUp: async () => (await openCode.health()).ok,
            open: openCode.openEvents,
            onEvent: options.onEvent,
            onConnected: () => {
              connected = true;
              options.onConnected();
            },
            onBroken: () => {
              connected = false;
            },
            log,
          },
          signal,
        );
      }
      if (connected) {
        finding ??= findSession();
        session ??= await finding;
        finding = null;
        if (session !== null) return { ok: true, session };
      }
      if (now() - startedAt > patience) break;
      await delay(POLL_MS, signal);
    }
    return { ok: false, failure: agentUnavailable(Math.round((now() - startedAt) / 1_000)) };
  }

  /** The session is known by the journal, else by what it was created with; else a new one is made. */
  async function findSession(): Promise<string | null> {
    const known = options.knownSession();
    if (known !== null) {
      const found = await openCode.session(known);
      if (found.ok) return known;
      if (found.why !== "refused") return null;
    }
    const all = await openCode.sessions();
    if (!all.ok) return null;
    const title = `errand ${config.session}`;
    const mine = all.value.find((one) => one.parentID === undefined && (one.metadata?.errand === config.session || one.title === title));
    if (mine !== undefined) return keep(mine.id);
    // A title given here saves the model call that would invent one.
    const created = await openCode.createSession(title, { errand: config.session });
    if (!created.ok) log(`opencode: creating a session failed: ${created.message}`);
    return created.ok ? keep(created.value.id) : null;
  }

  function keep(id: string): string {
    options.keepSession(id);
    return id;
  }

  return {
    workspaceReady: () => workspaceReady,
    wait: async () => {
      let state = await workspace;
      if (!state.ok && failureTold) {
        // The person was told, and tries again: perhaps the repository is there now.
        failureTold = false;
        workspace = prepare();
        void boot();
        state = await workspace;
      }
      if (!state.ok) {
        failureTold = true;
        return { ok: false, failure: state.failure };
      }
      const agent = await waitForAgent(AGENT_MS);
      if (agent.ok) await Promise.race([warmed, delay(WARM_MS, signal)]);
      return agent;
    },
  };
}
