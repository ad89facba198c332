/**
 * HTTP client of OpenCode's v1 API (1.18.33), the only place that knows its routes. Plain `fetch` instead of the SDK's
 * client: every answer is parsed here anyway, each call has its own time limit, and an unreachable server is a value.
 */
import { z } from "zod";
import { Message, PermissionRequest, QuestionRequest, SessionInfo } from "./opencode-types.ts";

/** Most calls answer in milliseconds; the first one of a directory boots its instance (74 s was seen when it had to install). */
const CALL_MS = 15_000;
const FIRST_CALL_MS = 30_000;
/** A call that arrives while OpenCode's process starts is accepted and never answered, so this one is short and repeated. */
const HEALTH_MS = 1_000;

/** Why a call gave no answer. `gone`: nobody listens or the connection broke. `refused`: an error status, with OpenCode's words. */
export type CallFailure = { ok: false; why: "gone" | "timeout" | "refused" | "malformed"; status: number | null; message: string };
export type Called<T> = { ok: true; value: T } | CallFailure;

/** How to reach OpenCode. `directory` is the workspace, sent with every call, so that the server's own working directory does not matter. */
export type OpenCodeOptions = { url: string; password: string; directory: string; fetch: typeof fetch };

/** What a permission ask can be answered with. */
export type PermissionReply = { reply: "once" | "always" | "reject"; message?: string };

/** The calls the runner makes. */
export type OpenCode = ReturnType<typeof connectOpenCode>;

const anything = z.unknown();
const SessionMap = z.record(z.string(), z.object({ type: z.string() }));

/** A client for one OpenCode server and one directory. */
export function connectOpenCode(options: OpenCodeOptions) {
  const headers = {
    authorization: `Basic ${Buffer.from(`opencode:${options.password}`).toString("base64")}`,
    "x-opencode-directory": options.directory,
  };

  async function call<T>(method: string, path: string, schema: z.ZodType<T>, body?: unknown, ms: number = CALL_MS): Promise<Called<T>> {
    let text: string;
    try {
      const response = await options.fetch(new URL(path, options.url), {
        method,
        headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(ms),
      });
      text = await response.text();
      if (!response.ok) return { ok: false, why: "refused", status: response.status, message: errorText(text) };
    } catch (error) {
      const timeout = error instanceof Error && error.name === "TimeoutError";
      return { ok: false, why: timeout ? "timeout" : "gone", status: null, message: describe(error) };
    }
    const parsed = schema.safeParse(parseJson(text));
    if (parsed.success) return { ok: true, value: parsed.data };
    return { ok: false, why: "malformed", status: 200, message: `${method} ${path}: ${z.prettifyError(parsed.error).slice(0, 500)}` };
  }

  return {
    /** Whether the server answers; does not boot the directory's instance. */
    health: () => call("GET", "/global/health", z.object({ healthy: z.boolean(), version: z.string() }), undefined, HEALTH_MS),
    createSession: (title: string, metadata: Record<string, string>) =>
      call("POST", "/session", SessionInfo, { title, metadata }, FIRST_CALL_MS),
    session: (id: string) => call("GET", `/session/${id}`, SessionInfo, undefined, FIRST_CALL_MS),
    sessions: () => call("GET", "/session", z.array(SessionInfo), undefined, FIRST_CALL_MS),
    children: (id: string) => call("GET", `/session/${id}/children`, z.array(SessionInfo)),
    /** Ids of the sessions that are at work; an idle session is absent. */
    busy: async (): Promise<Called<ReadonlySet<string>>> => {
      const answer = await call("GET", "/session/status", SessionMap);
      if (!answer.ok) return answer;
      return { ok: true, value: new Set(Object.entries(answer.value).flatMap(([id, status]) => (status.type === "idle" ? [] : [id]))) };
    },
    /** Messages, oldest first; `limit` gives the newest ones. */
    messages: (id: string, limit?: number) =>
      call("GET", `/session/${id}/message${limit === undefined ? "" : `?limit=${limit}`}`, z.array(Message), undefined, FIRST_CALL_MS),
    /** Accepted (204) means queued; what goes wrong later is told by events. Model and agent are always given, since OpenCode would reuse a wrong one. */
    prompt: (id: string, prompt: { text: string; system?: string; model: string }) => {
      const slash = prompt.model.indexOf("/");
      const model = { providerID: prompt.model.slice(0, slash), modelID: prompt.model.slice(slash + 1) };
      const system = prompt.system === undefined || prompt.system === "" ? {} : { system: prompt.system };
      return call(
        "POST",
        `/session/${id}/prompt_async`,
        anything,
        { parts: [{ type: "text", text: prompt.text }], model, agent: "build", ...system },
        FIRST_CALL_MS,
      );
    },
    abort: (id: string) => call("POST", `/session/${id}/abort`, anything, undefined, 2_000),
    questions: () => call("GET", "/question", z.array(QuestionRequest)),
    replyQuestion: (request: string, answers: string[][]) => call("POST", `/question/${request}/reply`, anything, { answers }),
    rejectQuestion: (request: string) => call("POST", `/question/${request}/reject`, anything),
    permissions: () => call("GET", "/permission", z.array(PermissionRequest)),
    replyPermission: (request: string, reply: PermissionReply) => call("POST", `/permission/${request}/reply`, anything, reply),
    /** The calls that make a later first prompt fast: 1 s instead of 2 to 3 s to the first model request. */
    warmUp: async (model: string): Promise<void> => {
      const slash = model.indexOf("/");
      const query = new URLSearchParams({ provider: model.slice(0, slash), model: model.slice(slash + 1) });
      for (const path of ["/config/providers", "/agent", `/experimental/tool?${query}`, "/api/agent"]) {
        await call("GET", path, anything, undefined, FIRST_CALL_MS);
      }
    },
    /** Opens `GET /event`; the caller reads the body. */
    openEvents: (signal: AbortSignal) => options.fetch(new URL("/event", options.url), { headers, signal }),
  };
}

function parseJson(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** OpenCode's own words for an error: `{name, data:{message}}` or `{_tag, message}`; cut, since bodies may be long. */
function errorText(text: string): string {
  const shape = z
    .object({ message: z.string().optional(), data: z.object({ message: z.string().optional() }).optional() })
    .safeParse(parseJson(text)).data;
  return (shape?.data?.message ?? shape?.message ?? text).slice(0, 500);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
