/** What the runner knows of the turn that runs, and the small changes to it. Pure. */
import type { Failure, RunnerEvent, Tokens } from "../protocol/events.ts";
import type { OpenAsk } from "./asks.ts";
import { askId, showAsk } from "./asks.ts";
import type { PermissionReply } from "./opencode.ts";
import type { MessageInfo, OpenCodeError, TokenCounts } from "./opencode-types.ts";

/** A turn, from its prompt to its end. Times in epoch ms of the sandbox's clock, which OpenCode shares. */
export type Turn = {
  readonly turn: number;
  /** The OpenCode session, and with it those of its subagents that this turn started. */
  readonly root: string;
  readonly tree: ReadonlySet<string>;
  /** Messages that were there before. */
  readonly old: ReadonlySet<string>;
  readonly since: number;
  readonly workspace: string;
  /** Whether the model has a price; without one no cost is told. */
  readonly priced: boolean;
  readonly messages: ReadonlyMap<string, MessageInfo>;
  /** Messages with a tool part. */
  readonly tooled: ReadonlySet<string>;
  readonly texts: ReadonlyMap<string, { session: string; state: "open" | "done" | "dropped"; text: string }>;
  readonly reasoning: ReadonlySet<string>;
  readonly tools: ReadonlyMap<string, { over: boolean; tool: string; title: string; start: number }>;
  readonly steps: ReadonlyMap<string, { tokens: TokenCounts; cost: number }>;
  readonly asks: ReadonlyMap<string, OpenAsk>;
  /** Answers in a row that ended without a reason, by session. */
  readonly unknownEnds: ReadonlyMap<string, number>;
  /** Rises whenever OpenCode shows that it works: a look that was planned before decides nothing. */
  readonly token: number;
  readonly lastEventAt: number;
  /** When a look was last planned. */
  readonly lastLookAt: number;
  readonly stuckToldAt: number | null;
  /** Since when OpenCode neither works nor has finished. */
  readonly idleSince: number | null;
  /** Why the turn is being aborted, and since when. */
  readonly ending: { at: number; outcome: "stopped" | "failed"; failure?: Failure } | null;
  readonly error: OpenCodeError | null;
  /** How often OpenCode's process died in this turn. */
  readonly deaths: number;
  /** Since when its process is known to have ended; null while nothing says so. */
  readonly downAt: number | null;
  readonly over: boolean;
};

/** What the caller has to do. */
export type Effect =
  /** Read status, messages and asks after `in` ms, and feed them as a snapshot with this token. `full` also reads the subagents' sessions. */
  | { do: "look"; in: number; token: number; full: boolean }
  | { do: "abort" }
  | { do: "replyQuestion"; request: string; answers: string[][] }
  | { do: "rejectQuestion"; request: string }
  | { do: "replyPermission"; request: string; reply: PermissionReply }
  /** Keep the answers given so far to a request with several questions. */
  | { do: "remember"; request: string; answers: readonly (readonly string[])[] }
  /** OpenCode has lost the thread: prompt it to go on. `deaths` counts how often that was needed. */
  | { do: "continue"; deaths: number }
  /** The turn is over: clear what is stale, tell the changed files, then this outcome. */
  | { do: "finish"; outcome: "done" | "failed" | "stopped"; failure?: Failure };

/** A step under construction. */
export type Draft = { turn: Turn; readonly now: number; readonly events: RunnerEvent[]; readonly effects: Effect[] };

/** How a turn begins. */
export type TurnStart = Pick<Turn, "turn" | "root" | "old" | "since" | "workspace" | "priced" | "deaths" | "downAt">;

/** A turn whose prompt is about to be given, or was given before this process began. */
export function newTurn(start: TurnStart, now: number): Turn {
  return {
    turn: start.turn,
    root: start.root,
    tree: new Set([start.root]),
    old: start.old,
    since: start.since,
    workspace: start.workspace,
    priced: start.priced,
    messages: new Map(),
    tooled: new Set(),
    texts: new Map(),
    reasoning: new Set(),
    tools: new Map(),
    steps: new Map(),
    asks: new Map(),
    unknownEnds: new Map(),
    token: 0,
    lastEventAt: now,
    lastLookAt: now,
    stuckToldAt: null,
    idleSince: null,
    ending: null,
    error: null,
    deaths: start.deaths,
    downAt: start.downAt,
    over: false,
  };
}

/** A map with one entry changed. */
export function put<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value);
}

/** A map without one entry. */
export function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}

/** A set with one more member. */
export function including<T>(set: ReadonlySet<T>, value: T): ReadonlySet<T> {
  return set.has(value) ? set : new Set(set).add(value);
}

/** Changes the draft's turn. */
export function change(draft: Draft, fields: Partial<Turn>): void {
  draft.turn = { ...draft.turn, ...fields };
}

/** Plans a look at OpenCode's state. */
export function look(draft: Draft, ms: number, full = false): void {
  change(draft, { lastLookAt: draft.now });
  draft.effects.push({ do: "look", in: ms, token: draft.turn.token, full });
}

/** Throws away the text of parts that never ended, of one session or of all: the model begins again with new parts. */
export function dropOpenTexts(draft: Draft, session?: string): void {
  for (const [part, text] of draft.turn.texts) {
    if (text.state !== "open" || (session !== undefined && text.session !== session)) continue;
    change(draft, { texts: put(draft.turn.texts, part, { ...text, state: "dropped", text: "" }) });
    if (text.text !== "") draft.events.push({ type: "text.dropped", at: draft.now, turn: draft.turn.turn, part });
  }
}

/** Ends everything that was under way: tools, thinking, asks. `why` is told with each. */
export function closeAll(draft: Draft, why: string): void {
  const { turn, now } = draft;
  if (turn.reasoning.size > 0) draft.events.push({ type: "thinking", at: now, turn: turn.turn, on: false });
  for (const [id, tool] of turn.tools) {
    if (tool.over) continue;
    change(draft, { tools: put(draft.turn.tools, id, { ...tool, over: true }) });
    draft.events.push({
      type: "tool.finished",
      at: now,
      turn: turn.turn,
      id,
      tool: tool.tool,
      title: tool.title,
      ok: false,
      ms: Math.max(0, now - tool.start),
      output: why,
    });
  }
  for (const ask of turn.asks.values()) draft.events.push({ type: "ask.closed", at: now, turn: turn.turn, id: askId(ask), why });
  change(draft, { reasoning: new Set(), asks: new Map() });
}

/** Opens an ask, if it is new. */
export function openAsk(draft: Draft, ask: OpenAsk): void {
  if (draft.turn.asks.has(ask.request)) return;
  if (ask.kind === "question" && ask.shown.questions.length <= ask.answers.length) return;
  change(draft, { asks: put(draft.turn.asks, ask.request, ask) });
  draft.events.push({ type: "ask.opened", at: draft.now, turn: draft.turn.turn, ask: showAsk(ask, ask.session !== draft.turn.root) });
}

/** Closes the ask of a request, if it is open. */
export function closeAsk(draft: Draft, request: string, why: string): void {
  const ask = draft.turn.asks.get(request);
  if (ask === undefined) return;
  change(draft, { asks: without(draft.turn.asks, request) });
  draft.events.push({ type: "ask.closed", at: draft.now, turn: draft.turn.turn, id: askId(ask), why });
}

/** The tokens and cost of all steps so far, those of subagents included. Some providers' counts, taken apart, go below zero: that counts as none. */
export function usageOf(turn: Turn): { tokens: Tokens; cost: number | null } {
  const tokens = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
  let cost = 0;
  for (const step of turn.steps.values()) {
    tokens.input += Math.max(0, step.tokens.input);
    tokens.output += Math.max(0, step.tokens.output);
    tokens.reasoning += Math.max(0, step.tokens.reasoning);
    tokens.cacheRead += Math.max(0, step.tokens.cache.read);
    tokens.cacheWrite += Math.max(0, step.tokens.cache.write);
    cost += step.cost;
  }
  return { tokens, cost: turn.priced ? cost : null };
}
