/**
 * The events of a session's log: facts, numbered in one order, from which the view is reduced.
 * Those in `RunnerEvent` come from the sandbox; the others are written by the SessionAgent itself.
 * Versioned by `EVENTS_VERSION`: a reader ignores event types it does not know.
 */
import * as z from "zod";
import { Port } from "./grant.ts";
import { Options, Person } from "./request.ts";

export const EVENTS_VERSION = 2;

const turn = z.number().int().positive();
/** Milliseconds since 1970, no later than a JavaScript `Date` can tell. */
const at = z.number().int().nonnegative().max(8_640_000_000_000_000);
const short = z.string().max(2_000);
const long = z.string().max(200_000);

export const Tokens = z.object({
  input: z.number().nonnegative(),
  output: z.number().nonnegative(),
  reasoning: z.number().nonnegative(),
  cacheRead: z.number().nonnegative(),
  cacheWrite: z.number().nonnegative(),
});
export type Tokens = z.infer<typeof Tokens>;

export const PlanItem = z.object({ text: short, status: z.enum(["pending", "in_progress", "completed", "cancelled"]) });
export type PlanItem = z.infer<typeof PlanItem>;

export const FileChange = z.object({
  path: short,
  status: z.enum(["added", "modified", "deleted", "renamed"]),
  additions: z.number().int().nonnegative(),
  deletions: z.number().int().nonnegative(),
});
export type FileChange = z.infer<typeof FileChange>;

export const ServiceName = z.enum(["opencode", "vscode", "desktop", "terminal"]);
export type ServiceName = z.infer<typeof ServiceName>;

/** Why something failed, in words for a person: what happened and what to do. `code` is stable, for programs. */
export const Failure = z.object({ code: z.string().max(80), message: short, action: short.optional() });
export type Failure = z.infer<typeof Failure>;

/** A question (choices, free text) or a permission ask (allow once, for this session, reject) of the agent. */
export const Ask = z.object({
  id: z.string().min(1).max(200),
  kind: z.enum(["question", "permission"]),
  title: short,
  detail: short.optional(),
  choices: z.array(z.object({ id: z.string().max(200), label: z.string().max(300), description: short.optional() })).max(20),
  freeText: z.boolean(),
});
export type Ask = z.infer<typeof Ask>;

/** Whether the checks of a commit have passed. `none`: there are none, or none was seen yet. */
export const Checks = z.object({
  state: z.enum(["none", "pending", "passing", "failing"]),
  failing: z.array(z.object({ name: short, url: short.nullable() })).max(20),
});
export type Checks = z.infer<typeof Checks>;

/** A pull request that the session works on or that came of it, as it was last seen. */
export const Pull = z.object({
  /** `owner/name` it asks to merge into. */
  repository: short,
  number: z.number().int().positive(),
  /** The thread that is its conversation. */
  thread: short,
  url: short,
  title: short,
  state: z.enum(["open", "draft", "merged", "closed"]),
  branch: short,
  base: short,
  /** The commit at its head. */
  commit: z.string().max(64),
  additions: z.number().int().nonnegative(),
  deletions: z.number().int().nonnegative(),
  files: z.number().int().nonnegative(),
  checks: Checks,
  /** Opened by this session. */
  own: z.boolean(),
});
export type Pull = z.infer<typeof Pull>;

/** What the runner tells. `turn` is the turn it belongs to. */
export const RunnerEvent = z.discriminatedUnion("type", [
  /** A boot phase began (no `ms`) or ended (`ms` = how long it took). `ok: false` carries `error`. */
  z.object({
    type: z.literal("boot.phase"),
    at,
    phase: z.string().max(80),
    ms: z.number().nonnegative().optional(),
    ok: z.boolean().optional(),
    error: short.optional(),
  }),
  /** The sandbox can take prompts. */
  z.object({ type: z.literal("sandbox.ready"), at, ms: z.number().nonnegative() }),
  z.object({
    type: z.literal("service.state"),
    at,
    service: ServiceName,
    state: z.enum(["starting", "available", "restarting", "unavailable"]),
    reason: short.optional(),
  }),
  /** Something in the sandbox answers HTTP on a port that is none of errand's own. `title`: of its page, where it has one. */
  z.object({ type: z.literal("port.opened"), at, port: Port, title: z.string().max(200).optional() }),
  z.object({ type: z.literal("port.closed"), at, port: Port }),
  z.object({ type: z.literal("git.ready"), at, branch: short, base: short, commit: short }),
  z.object({ type: z.literal("turn.accepted"), at, turn }),
  /** Text in progress: appended to `part`; replaced as a whole by `text.done`. Never stored. */
  z.object({ type: z.literal("text.delta"), at, turn, part: z.string().max(200), text: long }),
  z.object({ type: z.literal("text.done"), at, turn, part: z.string().max(200), text: long }),
  /** Text of a part was thrown away, as when the model call was retried. */
  z.object({ type: z.literal("text.dropped"), at, turn, part: z.string().max(200) }),
  z.object({ type: z.literal("thinking"), at, turn, on: z.boolean() }),
  z.object({ type: z.literal("tool.started"), at, turn, id: z.string().max(200), tool: z.string().max(200), title: short }),
  z.object({
    type: z.literal("tool.finished"),
    at,
    turn,
    id: z.string().max(200),
    tool: z.string().max(200),
    title: short,
    ok: z.boolean(),
    ms: z.number().nonnegative(),
    exit: z.number().int().nullable().optional(),
    output: z.string().max(8_000).optional(),
  }),
  z.object({ type: z.literal("plan.updated"), at, turn, items: z.array(PlanItem).max(100) }),
  z.object({ type: z.literal("ask.opened"), at, turn, ask: Ask }),
  /** The agent no longer waits for it: answered, or ended with its turn. */
  z.object({ type: z.literal("ask.closed"), at, turn, id: z.string().max(200), why: short }),
  z.object({ type: z.literal("turn.usage"), at, turn, tokens: Tokens, cost: z.number().nonnegative().nullable() }),
  z.object({ type: z.literal("turn.retrying"), at, turn, attempt: z.number().int(), message: short, nextAt: at }),
  /** Something a reader should know, as that the agent was restarted. */
  z.object({ type: z.literal("turn.notice"), at, turn, code: z.string().max(80), message: short }),
  z.object({ type: z.literal("files.changed"), at, turn, files: z.array(FileChange).max(500), total: z.number().int().nonnegative() }),
  /** `branch` on the server stands at `commit` now; `commits`: how many it has beyond what the work started from. */
  z.object({
    type: z.literal("branch.pushed"),
    at,
    turn,
    branch: short,
    commit: z.string().max(64),
    commits: z.number().int().nonnegative(),
  }),
  /** What was committed could not be pushed; it is still in the workspace. */
  z.object({ type: z.literal("push.failed"), at, turn, failure: Failure }),
  z.object({ type: z.literal("turn.finished"), at, turn, outcome: z.enum(["done", "failed", "stopped"]), failure: Failure.optional() }),
]);
export type RunnerEvent = z.infer<typeof RunnerEvent>;

/** What the SessionAgent itself writes. */
export const AgentEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("session.created"),
    /** `EVENTS_VERSION` of the SessionAgent that began the log. */
    version: z.number().int(),
    at,
    id: z.string(),
    thread: z.string(),
    who: Person,
    repository: z.string().nullable(),
    branch: z.string(),
    model: z.string(),
  }),
  z.object({ type: z.literal("session.repository"), at, repository: z.string(), base: z.string().nullable() }),
  /** `thread`, `place`: where its messages go; those of the session itself where not told. `offer`: it was begun by taking one. */
  z.object({
    type: z.literal("turn.queued"),
    at,
    turn,
    who: Person,
    text: z.string(),
    options: Options,
    contentKey: z.string(),
    thread: z.string().optional(),
    place: z.string().nullable().optional(),
    offer: z.string().optional(),
  }),
  z.object({ type: z.literal("turn.replaced"), at, turn, text: z.string(), options: Options }),
  z.object({ type: z.literal("turn.withdrawn"), at, turn }),
  /** A queued turn does not begin before its author has linked an account; not after `until`. */
  z.object({ type: z.literal("turn.held"), at, turn, why: z.enum(["link"]), until: at }),
  /** It may begin now. */
  z.object({ type: z.literal("turn.released"), at, turn }),
  z.object({ type: z.literal("turn.started"), at, turn }),
  z.object({ type: z.literal("turn.stopping"), at, turn, who: Person }),
  /** The turn ended by the SessionAgent's own decision, without the runner (lost sandbox, bad request, time-out). */
  z.object({ type: z.literal("turn.ended"), at, turn, outcome: z.enum(["failed", "stopped"]), failure: Failure.optional() }),
  z.object({ type: z.literal("sandbox.wanted"), at, generation: z.number().int().positive(), why: short }),
  z.object({ type: z.literal("sandbox.connected"), at, generation: z.number().int().positive() }),
  z.object({ type: z.literal("sandbox.lost"), at, generation: z.number().int().positive(), failure: Failure }),
  z.object({ type: z.literal("ask.settled"), at, turn, id: z.string(), by: Person.nullable(), label: short, expired: z.boolean() }),
  /** Another thread belongs to the session from now on. */
  z.object({ type: z.literal("thread.joined"), at, thread: z.string() }),
  /** The branch to work on was chosen anew, as after the one before was merged. */
  z.object({ type: z.literal("session.branch"), at, branch: z.string(), base: z.string().nullable() }),
  z.object({ type: z.literal("session.closed"), at, how: z.enum(["closed", "merged", "gone"]), who: Person.nullable() }),
  /** What is known of the session's pull request, whole. */
  z.object({ type: z.literal("pull.changed"), at, pull: Pull }),
  /** Something errand could do next, if somebody who may says so. `auto`: it is taken without being asked for. */
  z.object({
    type: z.literal("offer.made"),
    at,
    id: z.string(),
    title: short,
    detail: short.optional(),
    auto: z.boolean(),
    /** What taking it is called, where that is not to mend something. */
    label: short.optional(),
  }),
  /** `by` null: nobody took it, it has lost its meaning. */
  z.object({ type: z.literal("offer.settled"), at, id: z.string(), by: Person.nullable() }),
  z.object({ type: z.literal("note"), at, turn: turn.nullable(), code: z.string().max(80), text: short }),
]);
export type AgentEvent = z.infer<typeof AgentEvent>;

export type SessionEvent = RunnerEvent | AgentEvent;
/** Any event of the log. */
export const SessionEvent = z.union([RunnerEvent, AgentEvent]);

/** An event with its number in the session's log: 1, 2, 3, … in the order of storing. */
export type NumberedEvent = { n: number; event: SessionEvent };

/** Whether an event is kept in the log; the others reach viewers and are forgotten when what they add up to is stored. */
export function isStored(event: SessionEvent): boolean {
  return event.type !== "text.delta";
}
