/** Whether a turn is over when OpenCode is not at work, and how it ended. Pure. */
import type { Failure } from "../protocol/events.ts";
import { AGENT_DIED, EMPTY_ANSWER, failureOf, promptLost } from "./failures.ts";
import type { MessageInfo } from "./opencode-types.ts";
import type { Draft } from "./turn-state.ts";
import { change, closeAll, dropOpenTexts, look, put } from "./turn-state.ts";

/** A turn that was told to stop is over after this, in ms, whatever OpenCode says; people were promised two seconds. */
export const STOP_MS = 1_500;
/** An unfinished answer while OpenCode is idle means that its process lost the work, after this long in ms. */
const LOST_MS = 3_000;
/** A prompt that was accepted shows in the transcript within this, in ms. */
const PROMPT_MS = 5_000;

/** OpenCode is not at work: is the turn over, about to begin, or lost? */
export function decide(draft: Draft, restarted: boolean): void {
  const { turn, now } = draft;
  const answers = [...turn.messages.values()].filter(
    (info) => info.sessionID === turn.root && info.role === "assistant" && info.summary !== true,
  );
  const newest = answers.at(-1);
  const latest = [...turn.messages.values()].findLast((info) => info.sessionID === turn.root && info.role === "assistant");
  if (turn.ending !== null) {
    if (newest?.time.completed !== undefined || now - turn.ending.at > STOP_MS / 2) finish(draft, turn.ending.outcome, turn.ending.failure);
    else look(draft, 150);
    return;
  }
  // The conversation was to be shortened and could not be: the answer before it was not the last one meant.
  if (latest?.summary === true && latest.error !== undefined) return conclude(draft, latest);
  const why = latest?.summary === true && latest.time.completed === undefined ? turn.error : null;
  // That it had become too long is why it is shortened, and no end.
  if (why !== null && why.name !== "ContextOverflowError") return finish(draft, "failed", failureOf(why));
  const idleSince = turn.idleSince ?? now;
  change(draft, { idleSince });
  const asked = [...turn.messages.values()].findLast((info) => info.sessionID === turn.root && info.role === "user");
  // A prompt that joined the turn a moment ago is taken up at once, or not at all.
  const unanswered = newest !== undefined && asked !== undefined && asked.time.created > newest.time.created && turn.error === null;
  // A process that died between two steps leaves a complete answer that asked for tools.
  const cut = restarted && (unanswered || newest?.finish === "tool-calls" || newest?.finish === "unknown");
  if (newest?.time.completed !== undefined && !cut && (!unanswered || now - idleSince > LOST_MS)) return conclude(draft, newest);
  if (newest === undefined && turn.error !== null) return finish(draft, "failed", failureOf(turn.error));
  if (newest === undefined && asked === undefined) {
    if (now - turn.since > PROMPT_MS) return finish(draft, "failed", promptLost("it is not in the agent's transcript."));
    return look(draft, 500);
  }
  if (restarted || now - idleSince > LOST_MS) return goOn(draft, restarted);
  look(draft, 500);
}

/**
 * OpenCode lost the work, mostly because its process died: nothing is finalised and nothing resumes by itself, so it is
 * prompted to go on, once.
 */
function goOn(draft: Draft, restarted: boolean): void {
  const deaths = draft.turn.deaths + 1;
  dropOpenTexts(draft);
  closeAll(draft, "The agent broke off.");
  change(draft, { deaths });
  if (deaths >= 2) return finish(draft, "failed", AGENT_DIED);
  change(draft, { token: draft.turn.token + 1, idleSince: null, error: null });
  if (restarted) notice(draft, "agent_restarted", "The agent process stopped and was restarted; the turn goes on.");
  else notice(draft, "agent_broke_off", "The agent broke off in the middle of its work; the turn goes on.");
  draft.effects.push({ do: "continue", deaths });
  look(draft, PROMPT_MS);
}

/** The newest answer is complete: its error or its reason for ending is the outcome. */
function conclude(draft: Draft, newest: MessageInfo): void {
  const { turn } = draft;
  if (newest.error !== undefined) {
    if (newest.error.name === "MessageAbortedError") return finish(draft, "stopped");
    return finish(draft, "failed", failureOf(newest.error));
  }
  const said = [...turn.texts.values()].some((text) => text.state === "done");
  if (!said && turn.tooled.size === 0) return finish(draft, "failed", EMPTY_ANSWER);
  if (newest.finish === "length") notice(draft, "answer_cut", "The answer was cut off: the model reached its limit of output.");
  else if (newest.finish === "tool-calls")
    notice(draft, "ended_by_rejection", "The turn ended because a question or a permission was rejected.");
  else if (!said) notice(draft, "empty_answer", "The model returned no text.");
  finish(draft, "done");
}

/** Tells a reader something about the turn. */
export function notice(draft: Draft, code: string, message: string): void {
  draft.events.push({ type: "turn.notice", at: draft.now, turn: draft.turn.turn, code, message });
}

/** Ends the turn, once. */
export function finish(draft: Draft, outcome: "done" | "failed" | "stopped", failure?: Failure): void {
  if (draft.turn.over) return;
  // What was said until a stop stays; what a dead process said is begun anew.
  for (const [part, text] of draft.turn.texts) {
    if (text.state !== "open" || text.text.trim() === "") continue;
    draft.events.push({ type: "text.done", at: draft.now, turn: draft.turn.turn, part, text: text.text.slice(0, 200_000) });
    change(draft, { texts: put(draft.turn.texts, part, { ...text, state: "done" }) });
  }
  closeAll(draft, outcome === "stopped" ? "stopped" : "ended with its turn");
  change(draft, { over: true });
  draft.effects.push({ do: "finish", outcome, ...(failure === undefined ? {} : { failure }) });
}
