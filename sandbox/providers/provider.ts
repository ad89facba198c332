/**
 * What the backend needs from whatever it starts sandboxes on. `generations.ts` makes one from a way to launch.
 */
import type { BackendErrorCode, EnsureBody, SandboxView } from "../../protocol/backend.ts";
import type { Sites } from "../../protocol/sites.ts";

/** How an `ensure` ended. `made` is false when that generation was there already. */
export type EnsureResult =
  | { ok: true; made: boolean; view: SandboxView }
  | { ok: false; code: BackendErrorCode; message: string; retryable: boolean };

/** A way to have sandboxes: at most one live sandbox a session, each start with a higher generation than the last. */
export interface SandboxProvider {
  /** `local` or `process`, as shown in views and in /health. */
  readonly name: string;
  /** What an operator must know about this provider's isolation, or null. */
  readonly warning: string | null;
  /** Starts that generation unless it was started before; ends an older one first. Waits until it is up, at most 20 s. */
  ensure(body: EnsureBody): Promise<EnsureResult>;
  /** That generation's state, or null when this is not the session's last generation. */
  get(session: string, generation: number): Promise<SandboxView | null>;
  /** The sandboxes of a deployment that have not finished. */
  list(deployment: string): Promise<SandboxView[]>;
  /** Ends a sandbox and waits for its end. Does nothing when it is gone or unknown. */
  terminate(sandboxId: string): Promise<void>;
  /** Ends every sandbox, within 3 s. */
  close(): Promise<void>;
}

/** How a sandbox ended. `reason` is in words for a person, where known. */
export type Exit = { code: number | null; reason: string | null };

/** A started sandbox. */
export type Launched = {
  /** Where browsers reach the gateway. */
  sites: Sites;
  /** Settles when the gateway listens; never if it does not. */
  up: Promise<void>;
  exited: Promise<Exit>;
  /** Asks it to end, kills it after 2.5 s, and resolves when nothing of it runs any more. */
  stop(): Promise<void>;
};

/** Where a sandbox's things lie on the host. `home` and `work` are kept over generations, `run` belongs to one. */
export type Folders = { home: string; work: string; run: string; log: string };
