/**
 * The runner's buffer of events: what the SessionAgent has not yet called safe. Pure: every function returns a new buffer.
 *
 * Two zones. `queue` holds events that were never sent: they have no number yet, so they may still be merged or thrown
 * away. `numbered` holds events that were sent at least once: their numbers are fixed, because nobody knows which of them
 * arrived, so they may only be emptied, never removed, until they are called safe.
 */

import { z } from "zod";
import { RunnerEvent } from "../protocol/events.ts";
import { MAX_FRAME } from "../protocol/runner.ts";

/** The buffer's bound, in characters of JSON: 8 MB, as the runner protocol's notes propose. */
export const BUFFER_LIMIT = 8_000_000;
/** Room left in a frame for what stands around the items. */
const FRAME_MARGIN = 1_000;
const FRAME_ITEMS = 1_000;
/** The longest text of one event, in characters; the contract's limit. */
const TEXT_LIMIT = 200_000;

/** See the file's head. `first` is the number of `numbered[0]`, or of the next event when that is empty; null before the first welcome. */
export type Replay = {
  readonly first: number | null;
  readonly numbered: readonly RunnerEvent[];
  readonly queue: readonly RunnerEvent[];
  /** Number of the next event to send on this connection. */
  readonly cursor: number;
  /** Characters of JSON in both zones. */
  readonly size: number;
};

/** An empty buffer of a process that does not know its numbering yet. */
export const EMPTY: Replay = { first: null, numbered: [], queue: [], cursor: 0, size: 0 };

/** A frame to send: contiguous events and the number of the first. */
export type Frame = { first: number; items: RunnerEvent[] };

/**
 * Why an event could never be taken, or null. One such event would be refused with its frame, and sent again, on every
 * connection: nothing after it would arrive.
 */
export function misfit(event: RunnerEvent): string | null {
  const parsed = RunnerEvent.safeParse(event);
  if (!parsed.success) return z.prettifyError(parsed.error);
  const size = measure(event);
  return size > MAX_FRAME - FRAME_MARGIN ? `it has ${size} characters, more than a frame takes` : null;
}

/**
 * Adds an event. Text deltas are merged with a delta of the same part that directly precedes them in the queue; a
 * `text.done` or `text.dropped` makes the deltas of its part superfluous. Keeps the buffer under `limit`.
 */
export function push(replay: Replay, event: RunnerEvent, limit: number = BUFFER_LIMIT): Replay {
  if (event.type === "text.delta" && event.text === "") return replay;
  const last = replay.queue.at(-1);
  if (
    event.type === "text.delta" &&
    last?.type === "text.delta" &&
    last.part === event.part &&
    last.text.length + event.text.length <= TEXT_LIMIT
  ) {
    const merged = { ...last, text: last.text + event.text };
    return { ...replay, queue: [...replay.queue.slice(0, -1), merged], size: replay.size + measure(merged) - measure(last) };
  }
  const settled = event.type === "text.done" || event.type === "text.dropped" ? withoutText(replay, event.part) : replay;
  const grown = { ...settled, queue: [...settled.queue, event], size: settled.size + measure(event) };
  return grown.size > limit ? shrink(grown, limit) : grown;
}

/**
 * Takes over what the SessionAgent says it knows, at the start of a connection. The first welcome of a process fixes its
 * numbering: a runner that was restarted goes on where its predecessor ended.
 */
export function welcome(replay: Replay, received: number): Replay {
  if (replay.first === null) return { ...replay, first: received + 1, cursor: received + 1 };
  return seek(replay, received + 1);
}

/**
 * Goes back, or forward, to `from`. When the other side asks for what was already called safe, it has lost it and so have
 * we: numbering then goes on from what it asks for, since a gap would stop the link for good.
 */
export function seek(replay: Replay, from: number): Replay {
  if (replay.first === null) return { ...replay, first: from, cursor: from };
  const next = replay.first + replay.numbered.length;
  if (from < replay.first) return { ...replay, first: from, cursor: from };
  // Beyond what this process numbered: another process of this generation spoke in between. Its numbers are taken.
  if (from > next) return { ...replay, first: from, cursor: from, numbered: [], size: total(replay.queue) };
  return { ...replay, cursor: from };
}

/** Drops events up to `number`, which are safe; returns them too, so that what waits for safety can be told. */
export function safe(replay: Replay, number: number): { replay: Replay; dropped: readonly RunnerEvent[] } {
  if (replay.first === null || number < replay.first) return { replay, dropped: [] };
  const count = Math.min(number - replay.first + 1, replay.numbered.length);
  const dropped = replay.numbered.slice(0, count);
  const first = replay.first + count;
  return {
    replay: {
      ...replay,
      first,
      numbered: replay.numbered.slice(count),
      cursor: Math.max(replay.cursor, first),
      size: replay.size - total(dropped),
    },
    dropped,
  };
}

/** The next frame to send, at most `MAX_FRAME` characters, or null when all is sent or the numbering is not known yet. */
export function take(replay: Replay): { replay: Replay; frame: Frame | null } {
  if (replay.first === null) return { replay, frame: null };
  const again = replay.numbered.slice(replay.cursor - replay.first);
  const fromNumbered = fill(again, MAX_FRAME - FRAME_MARGIN);
  const fromQueue =
    fromNumbered.length < again.length
      ? []
      : fill(replay.queue, MAX_FRAME - FRAME_MARGIN - total(fromNumbered), FRAME_ITEMS - fromNumbered.length);
  const items = [...fromNumbered, ...fromQueue];
  if (items.length === 0) return { replay, frame: null };
  return {
    replay: {
      ...replay,
      numbered: fromQueue.length === 0 ? replay.numbered : [...replay.numbered, ...fromQueue],
      queue: fromQueue.length === 0 ? replay.queue : replay.queue.slice(fromQueue.length),
      cursor: replay.cursor + items.length,
    },
    frame: { first: replay.cursor, items },
  };
}

/** Whether every event was called safe. */
export function isEmpty(replay: Replay): boolean {
  return replay.numbered.length === 0 && replay.queue.length === 0;
}

function measure(event: RunnerEvent): number {
  return JSON.stringify(event).length + 1;
}

function total(events: readonly RunnerEvent[]): number {
  return events.reduce((sum, event) => sum + measure(event), 0);
}

function fill(events: readonly RunnerEvent[], room: number, count: number = FRAME_ITEMS): RunnerEvent[] {
  const items: RunnerEvent[] = [];
  let used = 0;
  for (const event of events) {
    used += measure(event);
    if (used > room || items.length >= count) break;
    items.push(event);
  }
  return items;
}

/** Removes a part's unsent deltas and empties its sent ones: the whole text follows, or none is wanted. */
function withoutText(replay: Replay, part: string): Replay {
  const isText = (event: RunnerEvent) => event.type === "text.delta" && event.part === part;
  if (!replay.queue.some(isText) && !replay.numbered.some(isText)) return replay;
  const queue = replay.queue.filter((event) => !isText(event));
  const numbered = replay.numbered.map(
    (event): RunnerEvent => (event.type === "text.delta" && event.part === part ? { ...event, text: "" } : event),
  );
  return { ...replay, queue, numbered, size: total(queue) + total(numbered) };
}

/**
 * Makes room: first one delta per part in the queue, then without the outputs of tools, then without the oldest
 * repeatable reports. Outcomes, asks, plans and finished texts are never thrown away.
 */
function shrink(replay: Replay, limit: number): Replay {
  let queue: RunnerEvent[] = mergeDeltas(replay.queue);
  const size = () => total(queue) + total(replay.numbered);
  if (size() > limit) queue = queue.map((event): RunnerEvent => (event.type === "tool.finished" ? { ...event, output: "" } : event));
  if (size() > limit) {
    let over = size() - limit;
    queue = queue.filter((event): boolean => {
      const repeatable =
        event.type === "thinking" ||
        event.type === "turn.usage" ||
        event.type === "tool.started" ||
        event.type === "service.state" ||
        event.type === "text.delta";
      if (over <= 0 || !repeatable) return true;
      over -= measure(event);
      return false;
    });
  }
  return { ...replay, queue, size: size() };
}

function mergeDeltas(queue: readonly RunnerEvent[]): RunnerEvent[] {
  const lastOf = new Map<string, number>();
  for (const [index, event] of queue.entries()) if (event.type === "text.delta") lastOf.set(event.part, index);
  const texts = new Map<string, string>();
  return queue.flatMap((event, index): RunnerEvent[] => {
    if (event.type !== "text.delta") return [event];
    const text = (texts.get(event.part) ?? "") + event.text;
    texts.set(event.part, text);
    return lastOf.get(event.part) === index ? [{ ...event, text: text.slice(-TEXT_LIMIT) }] : [];
  });
}
