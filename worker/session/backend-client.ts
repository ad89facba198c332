/** Calls the backend with signed requests, and sorts its answers. */
import { BackendError, type EnsureBody, SandboxView } from "../../protocol/backend.ts";
import { signRequest } from "../../protocol/signing.ts";

/** Longest wait for an answer, in ms: an ensure answers within 20 s by contract. */
const TIMEOUT_MS = 30_000;

export type Answer =
  | { kind: "view"; view: SandboxView }
  | { kind: "none" }
  | { kind: "error"; code: string; message: string; retryable: boolean };

export type BackendPorts = { url: string | null; key: string | null; fetch: typeof fetch; now: () => number };

async function call(ports: BackendPorts, method: string, target: string, body: string): Promise<Answer> {
  const [keyId, secret] = splitKey(ports.key);
  if (!ports.url || !secret) {
    return {
      kind: "error",
      code: "not_configured",
      message: "No sandbox backend is configured: set BACKEND_URL and BACKEND_KEY.",
      retryable: false,
    };
  }
  try {
    const signed = await signRequest({ method, target, body }, keyId, secret, ports.now(), crypto.randomUUID());
    const response = await ports.fetch(ports.url + target, {
      method,
      headers: { ...signed, ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body } : {}),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.status === 204) return { kind: "none" };
    const json: unknown = await response.json();
    if (response.ok) return { kind: "view", view: SandboxView.parse(json) };
    const error = BackendError.safeParse(json);
    if (response.status === 404) return { kind: "none" };
    if (error.success) return { kind: "error", ...error.data.error };
    return {
      kind: "error",
      code: "internal",
      message: `The sandbox backend answered ${response.status}.`,
      retryable: response.status >= 500,
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      kind: "error",
      code: "unreachable",
      message: `The sandbox backend could not be reached (${why.slice(0, 200)}).`,
      retryable: true,
    };
  }
}

/** `<key id>:<secret>` taken apart. */
export function splitKey(key: string | null): [string, string] {
  const at = key?.indexOf(":") ?? -1;
  return key && at > 0 ? [key.slice(0, at), key.slice(at + 1)] : ["", ""];
}

const generationPath = (session: string, generation: number) => `/v1/sessions/${session}/generations/${generation}`;

/** Starts the generation's sandbox, or finds it started. Safe to repeat. */
export const ensureSandbox = (ports: BackendPorts, body: EnsureBody): Promise<Answer> =>
  call(ports, "PUT", generationPath(body.config.session, body.config.generation), JSON.stringify(body));

/** What the backend knows of the generation's sandbox. */
export const getSandbox = (ports: BackendPorts, session: string, generation: number): Promise<Answer> =>
  call(ports, "GET", generationPath(session, generation), "");

/** Ends a sandbox; safe to repeat. */
export const deleteSandbox = (ports: BackendPorts, sandboxId: string): Promise<Answer> =>
  call(ports, "DELETE", `/v1/sandboxes/${encodeURIComponent(sandboxId)}`, "");
