/**
 * The turn algorithm, as a pure reducer: what OpenCode tells, what its state shows when one looks, what people want and how
 * time passes become events for the SessionAgent and effects for the caller.
 *
 * OpenCode has no single event that ends a turn: `session.idle` comes early, twice, or for the turn before; `session.error`
 * may be followed by more work. So quiet only plans a look, and the turn ends when a look shows that the session is not at
 * work and its newest answer is complete. What was observed is in the OpenCode fixtures under test/fixtures/.
 */
import type { Failure, RunnerEvent } from "../protocol/events.ts";
import type { PersonAnswer } from "./asks.ts";
import { answerAsk, askId, requestOf } from "./asks.ts";
import { stuck } from "./failures.ts";
import type { Message, OpenCodeEvent, PermissionRequest, QuestionRequest } from "./opencode-types.ts";
import { decide, finish, notice, STOP_MS } from "./turn-end.ts";
import { takeDelta, takeMessage, takePart } from "./turn-parts.ts";
import type { Draft, Effect, Turn } from "./turn-state.ts";
import { change, closeAll, closeAsk, dropOpenTexts, including, look, openAsk } from "./turn-state.ts";

/** Quiet for this long, in ms, before a look decides: OpenCode says idle between two pieces of work. */
const QUIET_MS = 300;
/** After this much silence, in ms, a look makes sure that no event was missed. */
const SILENT_LOOK_MS = 15_000;
/** Silence that is told to people, and silence after which the turn is given up unless a tool runs; ms. */
const STUCK_MS = 600_000;
const GIVE_UP_MS = 1_800_000;

/** What OpenCode's state showed. `startedAt`: when reading began. */
export type Snapshot = {
  token: number;
  startedAt: number;
  busy: boolean;
  messages: readonly Message[];
  /** Messages of subagents; only in a full look. */
  children: readonly Message[];
  questions: readonly QuestionRequest[];
  permissions: readonly PermissionRequest[];
  /** Answers that an earlier runner process had collected for a request with several questions. */
  answers: ReadonlyMap<string, readonly (readonly string[])[]>;
};

/** What can happen to a turn. */
export type Input =
  | { type: "event"; event: OpenCodeEvent }
  | { type: "snapshot"; snapshot: Snapshot }
  | { type: "stop" }
  | { type: "answer"; answer: PersonAnswer }
  /** OpenCode's process ended. */
  | { type: "down" }
  /** OpenCode could not be reached for so long that the turn is given up. */
  | { type: "lost"; failure: Failure }
  | { type: "tick" };

/** What came of an input. */
export type Step = { turn: Turn; events: readonly RunnerEvent[]; effects: readonly Effect[] };

/** One step of the turn at `now` (epoch ms). A turn that is over changes no more. */
export function step(turn: Turn, input: Input, now: number): Step {
  const draft: Draft = { turn, now, events: [], effects: [] };
  if (!turn.over) apply(draft, input);
  return { turn: draft.turn, events: draft.events, effects: draft.effects };
}

function apply(draft: Draft, input: Input): void {
  switch (input.type) {
    case "event":
      return takeEvent(draft, input.event);
    case "snapshot":
      return takeSnapshot(draft, input.snapshot);
    case "stop":
      return stop(draft);
    case "answer":
      return answer(draft, input.answer);
    case "down":
      if (draft.turn.downAt !== null) return;
      change(draft, { downAt: draft.now, token: draft.turn.token + 1, idleSince: null });
      dropOpenTexts(draft);
      closeAll(draft, "The agent process stopped.");
      if (draft.turn.ending !== null) finish(draft, draft.turn.ending.outcome, draft.turn.ending.failure);
      return;
    case "lost":
      return finish(draft, "failed", input.failure);
    case "tick":
      return tick(draft);
  }
}

function takeEvent(draft: Draft, event: OpenCodeEvent): void {
  const { turn, now } = draft;
  const session = sessionOf(event);
  if (session !== undefined && turn.tree.has(session)) change(draft, { lastEventAt: awaited(event, now), stuckToldAt: null });
  switch (event.type) {
    case "session.created": {
      const { id, parentID } = event.properties.info;
      if (parentID !== undefined && turn.tree.has(parentID)) change(draft, { tree: including(turn.tree, id) });
      return;
    }
    case "session.status":
      return takeStatus(draft, event.properties.sessionID, event.properties.status);
    case "session.idle":
      if (event.properties.sessionID === turn.root) look(draft, QUIET_MS);
      return;
    case "session.error":
      if (session !== turn.root || event.properties.error === undefined) return;
      // The first one is the cause; a second one repeats it with a stack trace. With an unknown agent nothing else follows.
      if (turn.error === null) change(draft, { error: event.properties.error });
      return look(draft, 1_000);
    case "message.updated":
      return takeMessage(draft, event.properties.info);
    case "message.part.updated":
      return takePart(draft, event.properties.part);
    case "message.part.delta":
      return takeDelta(draft, event.properties);
    case "permission.asked":
      if (turn.tree.has(event.properties.sessionID)) openPermission(draft, event.properties);
      return;
    case "question.asked":
      if (turn.tree.has(event.properties.sessionID)) openQuestion(draft, event.properties, []);
      return;
    case "permission.replied":
      return closeAsk(draft, event.properties.requestID, event.properties.reply === "reject" ? "rejected" : "allowed");
    case "question.replied":
      return closeAsk(draft, event.properties.requestID, "answered");
    case "question.rejected":
      return closeAsk(draft, event.properties.requestID, "rejected");
    case "todo.updated":
      if (session !== turn.root) return;
      draft.events.push({
        type: "plan.updated",
        at: now,
        turn: turn.turn,
        items: event.properties.todos.slice(0, 100).map((todo) => ({ text: todo.content.slice(0, 2_000), status: todo.status })),
      });
  }
}

function sessionOf(event: OpenCodeEvent): string | undefined {
  if (event.type === "session.created") return event.properties.info.id;
  if (event.type === "message.updated") return event.properties.info.sessionID;
  if (event.type === "message.part.updated") return event.properties.part.sessionID;
  return event.properties.sessionID;
}

function takeStatus(
  draft: Draft,
  session: string,
  status: Extract<OpenCodeEvent, { type: "session.status" }>["properties"]["status"],
): void {
  const { turn, now } = draft;
  if (!turn.tree.has(session)) return;
  if (status.type === "idle") return session === turn.root ? look(draft, QUIET_MS) : undefined;
  if (session === turn.root) change(draft, { token: turn.token + 1, idleSince: null });
  if (status.type === "busy") return;
  // The retry starts new parts in the same message; the old ones stay empty in OpenCode's storage.
  dropOpenTexts(draft, session);
  draft.events.push({
    type: "turn.retrying",
    at: now,
    turn: turn.turn,
    attempt: Math.trunc(status.attempt),
    message: status.message.slice(0, 300),
    nextAt: Math.max(0, Math.round(status.next)),
  });
}

function openPermission(draft: Draft, shown: PermissionRequest): void {
  openAsk(draft, { kind: "permission", request: shown.id, session: shown.sessionID, openedAt: draft.now, shown });
}

function openQuestion(draft: Draft, shown: QuestionRequest, answers: readonly (readonly string[])[]): void {
  openAsk(draft, { kind: "question", request: shown.id, session: shown.sessionID, openedAt: draft.now, shown, answers });
}

function takeSnapshot(draft: Draft, snapshot: Snapshot): void {
  const { downAt } = draft.turn;
  if (downAt !== null && snapshot.startedAt < downAt) return;
  // It answers again: this is another process than the one that took the prompt.
  const restarted = downAt !== null;
  change(draft, { downAt: null });
  for (const message of [...snapshot.messages, ...snapshot.children]) {
    // As in the stream: a message, its parts, then its completion, which is judged by the parts.
    const { id, time } = message.info;
    if (!draft.turn.messages.has(id)) takeMessage(draft, { ...message.info, time: { created: time.created } });
    for (const part of message.parts) takePart(draft, part);
    takeMessage(draft, message.info);
  }
  reconcileAsks(draft, snapshot);
  if (draft.turn.over || snapshot.busy || (snapshot.token !== draft.turn.token && !restarted)) {
    if (draft.turn.ending !== null && snapshot.busy) look(draft, 150);
    return;
  }
  decide(draft, restarted);
}

function reconcileAsks(draft: Draft, snapshot: Snapshot): void {
  const pending = new Set([...snapshot.permissions, ...snapshot.questions].map((request) => request.id));
  for (const ask of draft.turn.asks.values()) {
    // One that was opened while the state was being read may be missing in it.
    if (!pending.has(ask.request) && ask.openedAt < snapshot.startedAt) closeAsk(draft, ask.request, "no longer open");
  }
  // After an abort they stay listed until they are rejected; nobody waits for them.
  if (draft.turn.ending !== null || !snapshot.busy) return;
  for (const request of snapshot.permissions) if (draft.turn.tree.has(request.sessionID)) openPermission(draft, request);
  for (const request of snapshot.questions) {
    if (draft.turn.tree.has(request.sessionID)) openQuestion(draft, request, snapshot.answers.get(request.id) ?? []);
  }
}

function stop(draft: Draft): void {
  if (draft.turn.ending !== null) return;
  change(draft, { ending: { at: draft.now, outcome: "stopped" } });
  if (draft.turn.downAt !== null) return finish(draft, "stopped");
  draft.effects.push({ do: "abort" });
  look(draft, QUIET_MS);
}

function answer(draft: Draft, said: PersonAnswer): void {
  const request = requestOf(said.ask);
  const ask = request === null ? undefined : draft.turn.asks.get(request);
  if (ask === undefined || askId(ask) !== said.ask) {
    draft.events.push({ type: "ask.closed", at: draft.now, turn: draft.turn.turn, id: said.ask, why: "no longer open" });
    return;
  }
  const answered = answerAsk(ask, said);
  switch (answered.does) {
    case "next":
      closeAsk(draft, ask.request, "answered");
      openAsk(draft, answered.ask);
      if (answered.ask.kind === "question") draft.effects.push({ do: "remember", request: ask.request, answers: answered.ask.answers });
      return;
    case "question":
      draft.effects.push({ do: "replyQuestion", request: answered.request, answers: answered.answers });
      return;
    case "rejectQuestion":
      draft.effects.push({ do: "rejectQuestion", request: answered.request });
      return;
    case "permission":
      draft.effects.push({ do: "replyPermission", request: answered.request, reply: answered.reply });
  }
}

/** From when on silence counts: a model that said when to come back is not silent until then. */
function awaited(event: OpenCodeEvent, now: number): number {
  const retry = event.type === "session.status" && event.properties.status.type === "retry" ? event.properties.status : null;
  return Math.max(now, retry?.next ?? now);
}

function tick(draft: Draft): void {
  const { turn, now } = draft;
  if (turn.ending !== null && now - turn.ending.at >= STOP_MS) return finish(draft, turn.ending.outcome, turn.ending.failure);
  if (turn.downAt !== null) return;
  const quiet = now - Math.max(turn.lastEventAt, turn.lastLookAt);
  if (quiet >= SILENT_LOOK_MS) look(draft, 0);
  if (turn.asks.size > 0) return;
  const silent = now - turn.lastEventAt;
  const waits = [...turn.tools.values()].some((tool) => !tool.over);
  if (silent >= GIVE_UP_MS && !waits) {
    change(draft, { ending: { at: now, outcome: "failed", failure: stuck(GIVE_UP_MS / 60_000) } });
    draft.effects.push({ do: "abort" });
  } else if (now - (turn.stuckToldAt ?? turn.lastEventAt) >= STUCK_MS) {
    change(draft, { stuckToldAt: now });
    notice(draft, "stuck", `The agent has given no sign of life for ${Math.floor(silent / 60_000)} minutes. It can be stopped.`);
  }
}
