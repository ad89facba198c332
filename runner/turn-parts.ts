/** Messages and their parts as events of the turn. Pure; the same for what the stream tells and what the transcript shows. */
import { RUNAWAY } from "./failures.ts";
import type { MessageInfo, Part } from "./opencode-types.ts";
import { exitOf, outputOf, SILENT_TOOLS, titleOf } from "./tool-title.ts";
import type { Draft } from "./turn-state.ts";
import { change, including, look, put, usageOf } from "./turn-state.ts";

/** After so many answers in a row without a reason for their end, OpenCode would go on calling the model for ever. */
const UNKNOWN_ENDS = 3;
/** The contract's limit for the text of one event. */
const TEXT_LIMIT = 200_000;

/** Takes a message over, if it belongs to this turn. */
export function takeMessage(draft: Draft, info: MessageInfo): void {
  const { turn } = draft;
  if (!turn.tree.has(info.sessionID) || turn.old.has(info.id)) return;
  // A subagent that is called again brings its old messages along.
  if (info.sessionID !== turn.root && info.time.created < turn.since) return;
  const before = turn.messages.get(info.id);
  change(draft, { messages: put(turn.messages, info.id, info) });
  if (info.role === "assistant" && info.time.completed !== undefined && before?.time.completed === undefined) countEnd(draft, info);
}

function countEnd(draft: Draft, info: MessageInfo): void {
  const { turn } = draft;
  const endless = info.finish === "unknown" && !turn.tooled.has(info.id);
  const count = endless ? (turn.unknownEnds.get(info.sessionID) ?? 0) + 1 : 0;
  change(draft, { unknownEnds: put(turn.unknownEnds, info.sessionID, count) });
  if (count < UNKNOWN_ENDS || turn.ending !== null) return;
  change(draft, { ending: { at: draft.now, outcome: "failed", failure: RUNAWAY } });
  draft.effects.push({ do: "abort" });
  look(draft, 300);
}

/** Takes a part over, if its message belongs to this turn and is the agent's. */
export function takePart(draft: Draft, part: Part): void {
  const { turn } = draft;
  const message = turn.messages.get(part.messageID);
  if (message === undefined || message.role !== "assistant") return;
  if (part.type === "step-finish") return takeStep(draft, part);
  if (part.type === "tool") return takeTool(draft, part, message);
  if (message.sessionID !== turn.root || message.summary === true) return;
  if (part.type === "text" && part.synthetic !== true) takeText(draft, part);
  if (part.type === "reasoning") takeReasoning(draft, part);
}

/** Appends to a part in progress. A part nobody announced is taken for text. */
export function takeDelta(draft: Draft, delta: { messageID: string; partID: string; field: string; delta: string }): void {
  const { turn } = draft;
  const message = turn.messages.get(delta.messageID);
  if (message === undefined || message.role !== "assistant" || message.summary === true || message.sessionID !== turn.root) return;
  if (delta.field !== "text" || turn.reasoning.has(delta.partID)) return;
  const known = turn.texts.get(delta.partID);
  if (known !== undefined && known.state !== "open") return;
  const text = (known?.text ?? "") + delta.delta;
  change(draft, { texts: put(turn.texts, delta.partID, { session: message.sessionID, state: "open", text }) });
  draft.events.push({ type: "text.delta", at: draft.now, turn: turn.turn, part: delta.partID, text: delta.delta.slice(0, TEXT_LIMIT) });
}

function takeText(draft: Draft, part: Part): void {
  const { turn, now } = draft;
  const known = turn.texts.get(part.id);
  if (known !== undefined && known.state !== "open") return;
  if (part.time?.end === undefined) {
    if (known === undefined) change(draft, { texts: put(turn.texts, part.id, { session: part.sessionID, state: "open", text: "" }) });
    return;
  }
  const text = (part.text ?? "").slice(0, TEXT_LIMIT);
  const empty = text.trim() === "";
  change(draft, { texts: put(turn.texts, part.id, { session: part.sessionID, state: empty ? "dropped" : "done", text: "" }) });
  if (!empty) draft.events.push({ type: "text.done", at: now, turn: turn.turn, part: part.id, text });
  else if (known !== undefined && known.text !== "") draft.events.push({ type: "text.dropped", at: now, turn: turn.turn, part: part.id });
}

function takeReasoning(draft: Draft, part: Part): void {
  const { turn, now } = draft;
  const thought = turn.reasoning.size > 0;
  const reasoning = new Set(turn.reasoning);
  if (part.time?.end === undefined) reasoning.add(part.id);
  else reasoning.delete(part.id);
  change(draft, { reasoning });
  if (turn.texts.get(part.id)?.state === "open") {
    // Its deltas came before it was announced and were taken for text.
    change(draft, { texts: put(turn.texts, part.id, { session: part.sessionID, state: "dropped", text: "" }) });
    draft.events.push({ type: "text.dropped", at: now, turn: turn.turn, part: part.id });
  }
  if (thought !== reasoning.size > 0) draft.events.push({ type: "thinking", at: now, turn: turn.turn, on: reasoning.size > 0 });
}

function takeTool(draft: Draft, part: Part, message: MessageInfo): void {
  const { state } = part;
  const tool = part.tool ?? "tool";
  change(draft, { tooled: including(draft.turn.tooled, message.id) });
  const child = state?.metadata?.sessionId;
  if (tool === "task" && typeof child === "string") change(draft, { tree: including(draft.turn.tree, child) });
  if (state === undefined || state.status === "pending" || message.sessionID !== draft.turn.root || SILENT_TOOLS.has(tool)) return;
  const { turn, now } = draft;
  const known = turn.tools.get(part.id);
  if (known?.over === true) return;
  const start = known?.start ?? state.time?.start ?? now;
  const title = titleOf(tool, state, turn.workspace);
  if (state.status === "running") {
    if (known !== undefined) return;
    change(draft, { tools: put(turn.tools, part.id, { over: false, tool, title, start }) });
    draft.events.push({ type: "tool.started", at: now, turn: turn.turn, id: part.id, tool, title });
    return;
  }
  change(draft, { tools: put(turn.tools, part.id, { over: true, tool, title, start }) });
  const exit = exitOf(state);
  const output = outputOf(state);
  draft.events.push({
    type: "tool.finished",
    at: now,
    turn: turn.turn,
    id: part.id,
    tool,
    title,
    ok: state.status === "completed" && (exit === undefined || exit === 0),
    ms: Math.max(0, (state.time?.end ?? now) - start),
    ...(exit === undefined ? {} : { exit }),
    ...(output === undefined ? {} : { output }),
  });
}

function takeStep(draft: Draft, part: Part): void {
  if (part.tokens === undefined || draft.turn.steps.has(part.id)) return;
  change(draft, { steps: put(draft.turn.steps, part.id, { tokens: part.tokens, cost: Math.max(0, part.cost ?? 0) }) });
  draft.events.push({ type: "turn.usage", at: draft.now, turn: draft.turn.turn, ...usageOf(draft.turn) });
}
