/**
 * What the runner reads of OpenCode's v1 answers and events (1.18.33), parsed at the border. Only the fields that are used
 * are named; everything else is dropped. An event type that is not listed is none of the runner's business.
 */
import { z } from "zod";

const record = z.record(z.string(), z.unknown());

export const TokenCounts = z.object({
  input: z.number().catch(0),
  output: z.number().catch(0),
  reasoning: z.number().catch(0),
  cache: z.object({ read: z.number().catch(0), write: z.number().catch(0) }).catch({ read: 0, write: 0 }),
});
export type TokenCounts = z.infer<typeof TokenCounts>;

/** `{name, data}`; `data` depends on the name. */
export const OpenCodeError = z.object({
  name: z.string(),
  data: z
    .object({
      message: z.string().optional(),
      statusCode: z.number().optional(),
      isRetryable: z.boolean().optional(),
      responseBody: z.string().optional(),
    })
    .catch({}),
});
export type OpenCodeError = z.infer<typeof OpenCodeError>;

export const MessageInfo = z.object({
  id: z.string(),
  sessionID: z.string(),
  role: z.enum(["user", "assistant"]),
  parentID: z.string().optional(),
  time: z.object({ created: z.number(), completed: z.number().optional() }),
  finish: z.string().optional(),
  error: OpenCodeError.optional(),
  /** `true` on the assistant's message of a compaction; an object on a user's message. */
  summary: z.unknown().optional(),
});
export type MessageInfo = z.infer<typeof MessageInfo>;

export const ToolState = z.object({
  status: z.enum(["pending", "running", "completed", "error"]),
  input: record.catch({}),
  output: z.string().optional(),
  error: z.string().optional(),
  title: z.string().optional(),
  metadata: record.optional(),
  time: z.object({ start: z.number(), end: z.number().optional() }).optional(),
});
export type ToolState = z.infer<typeof ToolState>;

/** All kinds of parts in one shape; `type` says which fields are there. */
export const Part = z.object({
  id: z.string(),
  sessionID: z.string(),
  messageID: z.string(),
  type: z.string(),
  text: z.string().optional(),
  synthetic: z.boolean().optional(),
  time: z.object({ start: z.number().optional(), end: z.number().optional() }).optional(),
  tool: z.string().optional(),
  state: ToolState.optional(),
  tokens: TokenCounts.optional(),
  cost: z.number().optional(),
});
export type Part = z.infer<typeof Part>;

export const Message = z.object({ info: MessageInfo, parts: z.array(Part) });
export type Message = z.infer<typeof Message>;

export const SessionInfo = z.object({
  id: z.string(),
  title: z.string().optional(),
  directory: z.string().optional(),
  parentID: z.string().optional(),
  metadata: record.optional(),
});
export type SessionInfo = z.infer<typeof SessionInfo>;

export const SessionStatus = z.discriminatedUnion("type", [
  z.object({ type: z.literal("busy") }),
  z.object({ type: z.literal("idle") }),
  z.object({ type: z.literal("retry"), attempt: z.number(), message: z.string(), next: z.number() }),
]);

export const Question = z.object({
  question: z.string(),
  header: z.string().optional(),
  options: z.array(z.object({ label: z.string(), description: z.string().optional() })).catch([]),
  multiple: z.boolean().optional(),
  custom: z.boolean().optional(),
});
export type Question = z.infer<typeof Question>;

export const QuestionRequest = z.object({ id: z.string(), sessionID: z.string(), questions: z.array(Question) });
export type QuestionRequest = z.infer<typeof QuestionRequest>;

export const PermissionRequest = z.object({
  id: z.string(),
  sessionID: z.string(),
  permission: z.string(),
  patterns: z.array(z.string()).catch([]),
  always: z.array(z.string()).catch([]),
  metadata: record.optional(),
});
export type PermissionRequest = z.infer<typeof PermissionRequest>;

export const Todo = z.object({
  content: z.string(),
  status: z.enum(["pending", "in_progress", "completed", "cancelled"]).catch("pending"),
});
export type Todo = z.infer<typeof Todo>;

const inSession = { sessionID: z.string() };

/** The events that mean something to a turn. */
export const OpenCodeEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("session.created"), properties: z.object({ info: SessionInfo }) }),
  z.object({ type: z.literal("session.status"), properties: z.object({ ...inSession, status: SessionStatus }) }),
  z.object({ type: z.literal("session.idle"), properties: z.object(inSession) }),
  z.object({
    type: z.literal("session.error"),
    properties: z.object({ sessionID: z.string().optional(), error: OpenCodeError.optional() }),
  }),
  z.object({ type: z.literal("message.updated"), properties: z.object({ info: MessageInfo }) }),
  z.object({ type: z.literal("message.part.updated"), properties: z.object({ part: Part }) }),
  z.object({
    type: z.literal("message.part.delta"),
    properties: z.object({ ...inSession, messageID: z.string(), partID: z.string(), field: z.string(), delta: z.string() }),
  }),
  z.object({ type: z.literal("permission.asked"), properties: PermissionRequest }),
  z.object({ type: z.literal("permission.replied"), properties: z.object({ ...inSession, requestID: z.string(), reply: z.string() }) }),
  z.object({ type: z.literal("question.asked"), properties: QuestionRequest }),
  z.object({ type: z.literal("question.replied"), properties: z.object({ ...inSession, requestID: z.string() }) }),
  z.object({ type: z.literal("question.rejected"), properties: z.object({ ...inSession, requestID: z.string() }) }),
  z.object({ type: z.literal("todo.updated"), properties: z.object({ ...inSession, todos: z.array(Todo) }) }),
]);
export type OpenCodeEvent = z.infer<typeof OpenCodeEvent>;

const CONSUMED: ReadonlySet<string> = new Set(OpenCodeEvent.options.map((option) => option.shape.type.value));

/** A parsed event; `other` for one that is not consumed; `malformed` with the reason when a consumed one has another shape. */
export function readEvent(
  data: unknown,
): { kind: "event"; event: OpenCodeEvent } | { kind: "other"; type: string } | { kind: "malformed"; type: string; why: string } {
  const type = z.object({ type: z.string() }).safeParse(data).data?.type ?? "";
  if (!CONSUMED.has(type)) return { kind: "other", type };
  const parsed = OpenCodeEvent.safeParse(data);
  if (parsed.success) return { kind: "event", event: parsed.data };
  return { kind: "malformed", type, why: z.prettifyError(parsed.error) };
}
