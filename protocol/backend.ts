/**
 * The backend's HTTP contract, version 1: how a SessionAgent asks for sandboxes.
 *
 *   PUT    /v1/sessions/{session}/generations/{generation}   ensure   201 made, 200 was there, 202 still starting
 *   GET    /v1/sessions/{session}/generations/{generation}   200 view, 404
 *   GET    /v1/sandboxes?deployment=                         200 { sandboxes: view[] }
 *   DELETE /v1/sandboxes/{sandboxId}                         204, also when gone or unknown
 *   GET    /health                                           unsigned
 *
 * Every other request is signed, see signing.ts. Bodies hold secrets and are never logged.
 */
import * as z from "zod";
import { Sites } from "./sites.ts";

export const Model = z.object({
  /** The model's id in the sandbox's OpenCode configuration; `errand/<id>` names it in prompts. */
  id: z.string(),
  name: z.string(),
  context: z.number().int().positive(),
  output: z.number().int().positive(),
  /** USD per million tokens, or null when the price is not known: then no cost is shown. */
  price: z.object({ input: z.number(), output: z.number(), cacheRead: z.number(), cacheWrite: z.number() }).nullable(),
});
export type Model = z.infer<typeof Model>;

/** What a sandbox is told at its start. Holds secrets: handed over by a pipe, never by environment or disk. */
export const BootConfig = z.object({
  session: z.string(),
  generation: z.number().int().positive(),
  /** Proves to the SessionAgent that this is the runner of that generation. */
  runnerToken: z.string(),
  /** The right to call the Worker's model route for this generation; OpenCode holds it, so the agent may read it. */
  modelToken: z.string(),
  /** The Worker's origin as browsers see it: issuer of grants. */
  workerOrigin: z.string(),
  /** Public ES256 keys (JWK with `kid`) that grants are signed with. */
  grantKeys: z.array(z.record(z.string(), z.unknown())).min(1),
  /** Clone URL (https or http), or null for an empty workspace. */
  repository: z.string().nullable(),
  /** Branch, tag or commit to start from; null = the repository's default branch. */
  base: z.string().nullable(),
  /** The branch to work on. */
  branch: z.string(),
  /** A ref on the server that is not a branch to start `branch` from, such as `refs/pull/7/head`; null: from `base`. */
  head: z.string().nullable().default(null),
  /** What is checked out was written by somebody not trusted: files that run on checkout are taken from `base`. */
  distrusted: z.boolean().default(false),
  /** What is committed is pushed to `branch`; false: the server is only read. */
  publish: z.boolean().default(false),
  models: z.array(Model).min(1),
});
export type BootConfig = z.infer<typeof BootConfig>;

export const EnsureBody = z.object({ deployment: z.string().min(1), config: BootConfig });
export type EnsureBody = z.infer<typeof EnsureBody>;

export const SandboxView = z.object({
  sandboxId: z.string(),
  provider: z.string(),
  session: z.string(),
  generation: z.number().int().positive(),
  state: z.enum(["starting", "running", "finished", "unknown"]),
  exitCode: z.number().int().nullable(),
  /** Why it finished, in words for a person, where known. */
  reason: z.string().nullable(),
  /** Where browsers reach the gateway, once known. */
  sites: Sites.nullable(),
  createdAt: z.number().int(),
});
export type SandboxView = z.infer<typeof SandboxView>;

export const BackendErrorCode = z.enum([
  "unauthenticated",
  "invalid",
  "not_found",
  "already_finished",
  "stale_generation",
  "generation_ended",
  "capacity",
  "unsupported",
  "unavailable",
  "timeout",
  "internal",
]);
export type BackendErrorCode = z.infer<typeof BackendErrorCode>;
export const BackendError = z.object({ error: z.object({ code: BackendErrorCode, message: z.string(), retryable: z.boolean() }) });
export type BackendError = z.infer<typeof BackendError>;

/** The HTTP status of each error code. */
export const STATUS_OF: Record<BackendErrorCode, 400 | 401 | 404 | 409 | 410 | 429 | 500 | 501 | 503 | 504> = {
  unauthenticated: 401,
  invalid: 400,
  not_found: 404,
  already_finished: 409,
  stale_generation: 409,
  generation_ended: 410,
  capacity: 429,
  unsupported: 501,
  unavailable: 503,
  timeout: 504,
  internal: 500,
};
