/**
 * Looks after the session's sandbox: does what `step` decides, with the backend, and fences what is over. Correctness
 * rests on the generation number and its tokens, not on any of these calls succeeding.
 */
import type { BootConfig, EnsureBody, SandboxView } from "../../protocol/backend.ts";
import type { Failure, RunnerEvent } from "../../protocol/events.ts";
import { hmacKey } from "../../protocol/hmac.ts";
import { RUNNER_PROTOCOL } from "../../protocol/runner.ts";
import { parseGrantKey, publicGrantKey } from "../auth/grants.ts";
import type { Settings } from "../settings.ts";
import type { Asking } from "./asking.ts";
import { type Answer, type BackendPorts, deleteSandbox, ensureSandbox, getSandbox } from "./backend-client.ts";
import type { Conversation } from "./conversation.ts";
import type { Log } from "./log.ts";
import type { Pulls } from "./pulls.ts";
import { cloneUrl } from "./repository.ts";
import type { RunnerLink } from "./runner-link.ts";
import {
  lossOf,
  MAX_FAILURES,
  nextStep,
  RECONNECT_MS,
  retryAfterMs,
  type Sandbox,
  type SandboxState,
  step,
  USE_KEEPS_MS,
} from "./sandbox.ts";
import type { Turns } from "./turns.ts";

/** While a sandbox boots or its runner is away, the backend is asked this often, in ms. */
const CHECK_EVERY_MS = 5_000;
/** While a call is under way, the alarm stands this far off, in ms: should this object end meanwhile, it starts again then. */
const DEADMAN_MS = 5_000;

export type CarePorts = {
  sessionId: () => string;
  settings: Settings;
  now: () => number;
  fetch: typeof fetch;
  /** Does work that writes, as a whole or not at all; a fault in it is logged. */
  store: (work: () => void) => void;
  /** Whether what is committed can be pushed to that clone address. */
  publishes: (cloneUrl: string) => boolean;
  /** Called after something came back from outside. */
  again: () => void;
  report: (entry: Record<string, unknown>) => void;
};

type Parts = { sandbox: Sandbox; link: RunnerLink; log: Log; turns: Turns; asking: Asking; pulls: Pulls; conversation: Conversation };

export class SandboxCare {
  readonly #parts: Parts;
  readonly #ports: CarePorts;
  #calling = false;

  constructor(parts: Parts, ports: CarePorts) {
    this.#parts = parts;
    this.#ports = ports;
  }

  #wanted(sandbox: SandboxState, now: number): boolean {
    // A turn that may begin runs by now; for one that is held no sandbox is started.
    return this.#parts.turns.running() !== undefined || sandbox.wantedUntil > now;
  }

  /** Whether what is said by or about this generation still counts: it is the newest, and was not given up. */
  isHeard(generation: number): boolean {
    const state = this.#parts.sandbox.get();
    return state.generation === generation && state.state !== "none";
  }

  nextDue(now: number): number | undefined {
    const sandbox = this.#parts.sandbox.get();
    const due = nextStep(sandbox, this.#wanted(sandbox, now), now);
    // One call at a time: its answer reconciles again.
    return due !== undefined && this.#calling ? Math.max(due, now + DEADMAN_MS) : due;
  }

  /** Somebody clicked a link, or uses what it opened: the sandbox is wanted for a while, and a breaker is closed again. */
  used(): void {
    const now = this.#ports.now();
    const sandbox = this.#parts.sandbox.get();
    // Written at most once a minute: waiting pages ask every second, and gateways tell twice a minute.
    if (sandbox.wantedUntil < now + USE_KEEPS_MS - 60_000) this.#parts.sandbox.set({ wantedUntil: now + USE_KEEPS_MS });
  }

  /** Decides the next step and starts it. Runs inside reconcile's transaction. */
  decide(now: number): void {
    const { sandbox, link } = this.#parts;
    for (let rounds = 0; rounds < 3; rounds += 1) {
      const state = sandbox.get();
      const next = step(state, this.#wanted(state, now), link.lastPing(), now);
      switch (next) {
        case "nothing":
          return;
        case "reserve":
          this.#reserve(state, now);
          continue;
        case "look":
          link.disconnect("no sign of life", false);
          sandbox.set({ state: "away", since: now, nextTry: now });
          return;
        case "replace":
          this.#lost({ code: "sandbox_silent", message: "The sandbox did not answer in time." }, now);
          continue;
        case "ensure":
          if (this.#calling) return;
          this.#call(state.generation, async () => ensureSandbox(this.#backend(), await this.#body(state.generation)));
          return;
        case "check":
          if (this.#calling) return;
          this.#call(state.generation, () => getSandbox(this.#backend(), this.#ports.sessionId(), state.generation));
          return;
      }
    }
  }

  #reserve(state: SandboxState, now: number): void {
    const { sandbox, log, link, turns, conversation } = this.#parts;
    const generation = state.generation + 1;
    link.disconnect("a newer generation took over", true);
    sandbox.set({ generation, state: "starting", since: now, sandboxId: null, sites: null, nextTry: now });
    const running = turns.running();
    log.append([{ type: "sandbox.wanted", at: now, generation, why: running ? `turn ${running.id}` : "opened by a link" }]);
    // The prompt of the running turn may have been acknowledged by the sandbox that is gone.
    if (generation > 1 && running) {
      link.drop(running.id);
      conversation.prompt(running.id);
    }
  }

  #backend(): BackendPorts {
    const { settings, fetch, now } = this.#ports;
    return { url: settings.BACKEND_URL, key: settings.BACKEND_KEY, fetch, now };
  }

  async #body(generation: number): Promise<EnsureBody> {
    const { settings } = this.#ports;
    const grant = parseGrantKey(settings.GRANT_KEY);
    if (grant.key === null) throw new Error(grant.why);
    const view = this.#parts.log.view();
    // A workspace that is there keeps what it started from.
    const { start } = this.#parts.pulls.get();
    const base =
      view.base || (start?.base ?? view.turns.findLast((turn) => turn.options.branch && turn.startedAt !== null)?.options.branch ?? null);
    const repository = view.repository ? cloneUrl(view.repository, settings.REPOSITORY_BASE_URL) : null;
    const config: BootConfig = {
      session: this.#ports.sessionId(),
      generation,
      runnerToken: await this.#token("runner", generation),
      modelToken: await this.#token("model", generation),
      workerOrigin: settings.PUBLIC_ORIGIN ?? "",
      grantKeys: [publicGrantKey(grant.key)],
      repository,
      base,
      branch: view.branch,
      head: start?.head ?? null,
      distrusted: start?.distrusted ?? false,
      publish: repository !== null && !start?.withheld && this.#ports.publishes(repository),
      models: [
        {
          id: "main",
          name: settings.MODEL_NAME ?? "main",
          context: settings.MODEL_CONTEXT,
          output: Math.min(32_000, Math.floor(settings.MODEL_CONTEXT / 4)),
          price: settings.MODEL_PRICE,
        },
      ],
    };
    return { deployment: settings.DEPLOYMENT ?? "default", config };
  }

  /** Tokens follow from the session's key: a repeated start hands over the same ones, and none is stored. */
  async #token(use: "runner" | "model", generation: number): Promise<string> {
    const key = this.#ports.settings.SESSION_KEY;
    if (!key) throw new Error("SESSION_KEY is not set");
    const utf8 = new TextEncoder();
    const mac = await crypto.subtle.sign("HMAC", await hmacKey(key), utf8.encode(`${use}:${this.#ports.sessionId()}:${generation}`));
    return Array.from(new Uint8Array(mac), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** Whether this is the token of that generation, compared in constant time. */
  async isToken(use: "runner" | "model", generation: number, token: string): Promise<boolean> {
    const utf8 = new TextEncoder();
    const [given, right] = [utf8.encode(token), utf8.encode(await this.#token(use, generation))];
    return given.length === right.length && crypto.subtle.timingSafeEqual(given, right);
  }

  #call(generation: number, work: () => Promise<Answer>): void {
    if (this.#calling) return;
    this.#calling = true;
    void work()
      .catch(
        (error: unknown): Answer => ({
          kind: "error",
          code: "internal",
          message: error instanceof Error ? error.message : String(error),
          retryable: false,
        }),
      )
      .then((answer) => {
        this.#calling = false;
        if (this.isHeard(generation)) this.#ports.store(() => this.#answered(answer));
        this.#ports.again();
      });
  }

  #answered(answer: Answer): void {
    const { sandbox, link } = this.#parts;
    const now = this.#ports.now();
    const state = sandbox.get();
    const alive = state.state === "connected" || state.state === "ready";
    if (answer.kind === "view") {
      if (answer.view.state === "finished" && !alive) return this.#lost(lossOf(answer.view), now);
      this.#told(answer.view);
      if (state.state === "starting") sandbox.set({ state: "booting", since: now });
      if (!alive) sandbox.set({ nextTry: now + CHECK_EVERY_MS });
      return;
    }
    if (alive) return;
    if (answer.kind === "none") return this.#lost(lossOf(null), now);
    this.#ports.report({ message: "backend", code: answer.code, why: answer.message });
    if (answer.code === "generation_ended" || answer.code === "stale_generation" || answer.code === "already_finished")
      return this.#lost(lossOf(null), now);
    if (!answer.retryable) return this.#lost({ code: answer.code, message: answer.message }, now, MAX_FAILURES);
    if (state.state !== "starting") return sandbox.set({ nextTry: now + CHECK_EVERY_MS });
    const failures = state.failures + 1;
    if (failures >= MAX_FAILURES) return this.#lost({ code: answer.code, message: answer.message }, now, MAX_FAILURES);
    sandbox.set({ failures, nextTry: now + retryAfterMs(failures) });
    link.disconnect("starting again", false);
  }

  #told(view: SandboxView): void {
    const { sandbox, link } = this.#parts;
    const known = sandbox.get().sites;
    sandbox.set({ sandboxId: view.sandboxId, sites: view.sites ?? known });
    if (view.sites && JSON.stringify(view.sites) !== JSON.stringify(known)) link.tellSites(view.sites);
  }

  /** The generation is over. Its turn goes on in the next one, unless starting failed too often: then it is told. */
  #lost(failure: Failure, now: number, failuresAtLeast = 0): void {
    const { sandbox, log, link, turns, asking, conversation } = this.#parts;
    const state = sandbox.get();
    link.disconnect("this generation is over", true);
    if (state.sandboxId) void deleteSandbox(this.#backend(), state.sandboxId);
    // Failures are counted until a runner is ready: one that was is a fresh start.
    const failures = Math.max(state.failures + 1, failuresAtLeast);
    log.append([{ type: "sandbox.lost", at: now, generation: state.generation, failure }]);
    const broken = failures >= MAX_FAILURES;
    sandbox.set({
      state: "none",
      since: now,
      sandboxId: null,
      sites: null,
      failures: broken ? 0 : failures,
      // After the turn was told, only a person tries again, and that must not wait.
      nextTry: broken ? now : now + retryAfterMs(failures),
      ...(broken ? { wantedUntil: 0 } : {}),
    });
    const running = turns.running();
    if (!running) return;
    if (broken)
      conversation.end(running.id, "failed", {
        code: failure.code,
        message: `The sandbox could not be started. ${failure.message}`,
        action: "Ask again to try once more.",
      });
    else {
      asking.close(running.id, "The sandbox ended.");
      const begun = log.view().turns.find((turn) => turn.id === running.id)?.acceptedAt !== null;
      log.append([
        {
          type: "turn.notice",
          at: now,
          turn: running.id,
          code: "sandbox_replaced",
          message: begun
            ? "The sandbox ended unexpectedly and is being started again; the turn goes on."
            : "The sandbox was gone and is being started again.",
        },
      ]);
    }
  }

  /** What the session's sandbox is started with has changed: this one is over, and the next turn gets a new generation. */
  renew(): void {
    const { sandbox, link } = this.#parts;
    const { state, sandboxId } = sandbox.get();
    if (state === "none") return;
    const now = this.#ports.now();
    link.disconnect("this generation is over", true);
    if (sandboxId) void deleteSandbox(this.#backend(), sandboxId);
    sandbox.set({ state: "none", since: now, sandboxId: null, sites: null, failures: 0, nextTry: now });
  }

  /** Nobody needs the sandbox any more. */
  end(): void {
    this.renew();
    this.#parts.sandbox.set({ wantedUntil: 0 });
  }

  /** The runner of this generation is connected. */
  connected(generation: number): void {
    const { sandbox, log } = this.#parts;
    if (!this.isHeard(generation)) return;
    const state = sandbox.get();
    const now = this.#ports.now();
    if (state.state === "starting" || state.state === "booting") log.append([{ type: "sandbox.connected", at: now, generation }]);
    const ready = log.view().sandbox.state === "ready";
    sandbox.set({ state: ready ? "ready" : "connected", since: now, nextTry: 0, ...(ready ? { failures: 0 } : {}) });
    // Started, but its addresses are not known: the answer to the start was lost.
    if (state.sites === null) this.#call(generation, () => getSandbox(this.#backend(), this.#ports.sessionId(), generation));
  }

  /** The runner of this generation speaks another version of the protocol than this Worker, as one that was started before an update: another sandbox is started. */
  foreign(generation: number, version: number): void {
    if (!this.isHeard(generation)) return;
    const message = `What runs in it speaks version ${version} of errand's protocol and the Worker version ${RUNNER_PROTOCOL}: both have to be of one release.`;
    this.#ports.store(() => this.#lost({ code: "other_version", message }, this.#ports.now()));
  }

  /** What follows from an event of the runner. */
  follow(event: RunnerEvent): void {
    if (event.type === "sandbox.ready") this.#parts.sandbox.set({ state: "ready", failures: 0 });
  }

  /** The runner's connection ended. */
  away(): void {
    const { sandbox } = this.#parts;
    const now = this.#ports.now();
    const { state } = sandbox.get();
    if (state === "connected" || state === "ready") sandbox.set({ state: "away", since: now, nextTry: now + RECONNECT_MS });
  }

  /** After a restart of this object: a runner whose socket is gone is away. */
  look(): void {
    if (!this.#parts.link.isConnected()) this.away();
  }
}
