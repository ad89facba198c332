/**
 * Which commands count, decided from the journal alone. Pure.
 *
 * A command counts once by its number. A prompt counts once by its turn as well: the SessionAgent gives it again, under a
 * new number or its old one, whenever it does not know how the turn went on, as after a sandbox was replaced.
 */
import type { Command } from "../protocol/runner.ts";
import type { ActiveTurn, FinishedTurn, Journal, Prompt } from "./journal.ts";

/** What a command changes. `again`: a turn that is over, whose end is to be told once more. `control`: to be carried out at once. */
export type Taken = { journal: Journal; again: FinishedTurn | null; control: boolean };

/** A journal as a new process finds it. `held`: the turn of an earlier sandbox; it goes on when its prompt comes again. */
export type TakenOver = { journal: Journal; held: ActiveTurn | null; again: FinishedTurn[] };

/**
 * Takes a journal over. Within its generation everything goes on, and an end whose arrival is not known is told again. Of an
 * earlier sandbox nothing goes on by itself: the SessionAgent may have ended the turn meanwhile, and tells what it still wants.
 */
export function takeOver(journal: Journal, generation: number): TakenOver {
  if (journal.generation === generation) return { journal, held: null, again: journal.finished.slice(-1).filter((turn) => !turn.told) };
  return { journal: { ...journal, generation, pending: [], active: null }, held: journal.active, again: [] };
}

/** Takes a command: the journal with it, to be written before it is acknowledged. */
export function takeCommand(journal: Journal, held: ActiveTurn | null, seq: number, command: Command): Taken {
  const seen = seq <= journal.applied;
  const applied = Math.max(seq, journal.applied);
  const kept = { ...journal, applied, pending: [...journal.pending, { seq, command, begun: false }] };
  if (command.do !== "prompt") return seen ? { journal, again: null, control: false } : { journal: kept, again: null, control: true };
  if (isKnown(journal, command)) return { journal: { ...journal, applied }, again: null, control: false };
  const finished = journal.finished.find((one) => one.turn === command.turn);
  if (finished !== undefined) return { journal: { ...journal, applied }, again: seen && finished.told ? null : finished, control: false };
  const newest = Math.max(0, ...journal.finished.map((one) => one.turn));
  const wanted = !seen || held?.prompt.turn === command.turn || command.turn > newest;
  return { journal: wanted ? kept : journal, again: null, control: false };
}

/** The next prompt becomes the active turn; it goes on where an earlier sandbox left it. Null when none waits. */
export function nextTurn(journal: Journal, held: ActiveTurn | null): { journal: Journal; active: ActiveTurn } | null {
  const entry = journal.pending.find((one) => one.command.do === "prompt");
  if (entry === undefined || entry.command.do !== "prompt") return null;
  const prompt = entry.command;
  const before = held?.prompt.turn === prompt.turn ? held : null;
  const active: ActiveTurn = {
    prompt,
    session: before?.session ?? null,
    given: before?.given ?? null,
    deaths: before?.deaths ?? 0,
    answers: {},
  };
  return { journal: { ...journal, active, pending: journal.pending.filter((one) => one !== entry) }, active };
}

/**
 * Messages that came while the work of a turn that is done was being pushed: the turn goes on with them, as with a prompt of
 * their text. Null when there are none.
 */
export function takeLate(journal: Journal, turn: number): { journal: Journal; active: ActiveTurn } | null {
  const { active } = journal;
  // One that was being given when the turn ended has reached the agent, or is told to have failed.
  const late = journal.pending.filter((one) => one.command.do === "steer" && one.command.turn === turn && !one.begun);
  const texts = late.flatMap(({ command }) => (command.do === "steer" ? [command.text] : []));
  if (active?.prompt.turn !== turn || texts.length === 0) return null;
  const { context: _, ...prompt } = active.prompt;
  const next: ActiveTurn = { ...active, prompt: { ...prompt, text: texts.join("\n\n") }, given: null, deaths: 0, answers: {} };
  const pending = journal.pending.filter((one) => !late.includes(one));
  return { journal: { ...journal, active: next, pending }, active: next };
}

/** The journal without the prompts of a turn that was stopped before it began. */
export function withoutPrompt(journal: Journal, turn: number): Journal {
  return { ...journal, pending: journal.pending.filter((one) => one.command.do !== "prompt" || one.command.turn !== turn) };
}

function isKnown(journal: Journal, prompt: Prompt): boolean {
  if (journal.active?.prompt.turn === prompt.turn) return true;
  return journal.pending.some((one) => one.command.do === "prompt" && one.command.turn === prompt.turn);
}
