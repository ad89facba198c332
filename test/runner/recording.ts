/**
 * Plays a recording of OpenCode to the turn reducer: events at their times, and what a look would have shown at a time, put
 * together from the events until then. No process, no waiting.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunnerEvent } from "../../protocol/events.ts";
import { RunnerEvent as RunnerEventSchema } from "../../protocol/events.ts";
import { Message, type MessageInfo, type Part, PermissionRequest, QuestionRequest, readEvent } from "../../runner/opencode-types.ts";
import type { Input } from "../../runner/turn.ts";
import { step } from "../../runner/turn.ts";
import type { Effect, Turn } from "../../runner/turn-state.ts";
import { newTurn } from "../../runner/turn-state.ts";

type Line = {
  at: number;
  kind: string;
  data?: { type: string; properties: Record<string, unknown> };
  method?: string;
  path?: string;
  response?: unknown;
};

/** Recordings start at this time by OpenCode's clock. */
export const START = Date.UTC(2026, 0, 1);

/** The lines of a recording. */
export function recording(name: string): Line[] {
  const text = readFileSync(join(import.meta.dirname, "..", "fixtures", "opencode", `${name}.jsonl`), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

/** What came of a recording. `effects` are those the caller would have carried out, without looks. */
export type Played = { turn: Turn; events: RunnerEvent[]; effects: Effect[] };

/** How to play: `inputs` by time in ms since the start, `until` ends early, `turn` goes on with an earlier one. */
export type Playing = { inputs?: [number, Input][]; until?: number; turn?: Turn; priced?: boolean; from?: number };

/** Plays a recording for its first session. */
export function play(name: string, playing: Playing = {}): Played {
  const lines = recording(name).filter((line) => line.kind === "sse" && line.data !== undefined && line.at >= (playing.from ?? 0));
  const root = rootOf(name);
  const state = {
    busy: new Set<string>(),
    messages: new Map<string, MessageInfo>(),
    parts: new Map<string, Part>(),
    asks: new Map<string, object>(),
  };
  const due: { at: number; input?: Input; look?: { token: number } }[] = (playing.inputs ?? []).map(([at, input]) => ({ at, input }));
  const events: RunnerEvent[] = [];
  const effects: Effect[] = [];
  let turn =
    playing.turn ??
    newTurn(
      {
        turn: 1,
        root,
        old: new Set(),
        since: START,
        workspace: "/workspace/repo",
        priced: playing.priced ?? true,
        deaths: 0,
        downAt: null,
      },
      START,
    );

  const feed = (at: number, input: Input) => {
    const stepped = step(turn, input, START + at);
    turn = stepped.turn;
    for (const event of stepped.events) events.push(RunnerEventSchema.parse(event));
    for (const effect of stepped.effects) {
      if (effect.do === "look") due.push({ at: at + effect.in, look: { token: effect.token } });
      else effects.push(effect);
    }
  };
  const run = (until: number) => {
    for (;;) {
      due.sort((a, b) => a.at - b.at);
      const next = due[0];
      if (next === undefined || next.at > until || turn.over) return;
      due.shift();
      if (next.input !== undefined) feed(next.at, next.input);
      if (next.look !== undefined)
        feed(next.at, { type: "snapshot", snapshot: { ...shown(), token: next.look.token, startedAt: START + next.at } });
    }
  };
  const shown = () => {
    const messages = (session: boolean) =>
      [...state.messages.values()]
        .filter((info) => (info.sessionID === root) === session)
        .map((info) => ({ info, parts: [...state.parts.values()].filter((part) => part.messageID === info.id) }));
    const asks = [...state.asks.values()];
    return {
      busy: state.busy.has(root),
      messages: messages(true),
      children: messages(false),
      questions: asks.flatMap((ask) => QuestionRequest.safeParse(ask).data ?? []),
      permissions: asks.flatMap((ask) => PermissionRequest.safeParse(ask).data ?? []),
      answers: new Map(),
    };
  };

  for (const line of lines) {
    if (line.at > (playing.until ?? Number.POSITIVE_INFINITY)) break;
    run(line.at);
    const read = readEvent(line.data);
    if (read.kind === "malformed") throw new Error(`${name}: ${read.type}: ${read.why}`);
    if (read.kind !== "event") continue;
    const { event } = read;
    if (event.type === "session.status") state.busy[event.properties.status.type === "idle" ? "delete" : "add"](event.properties.sessionID);
    if (event.type === "message.updated") state.messages.set(event.properties.info.id, event.properties.info);
    if (event.type === "message.part.updated") state.parts.set(event.properties.part.id, event.properties.part);
    if (event.type === "permission.asked" || event.type === "question.asked") state.asks.set(event.properties.id, event.properties);
    if (event.type === "permission.replied" || event.type === "question.replied" || event.type === "question.rejected")
      state.asks.delete(event.properties.requestID);
    feed(line.at, { type: "event", event });
  }
  run(playing.until ?? Number.POSITIVE_INFINITY);
  return { turn, events, effects };
}

/** The transcript a recording read by `GET /session/:id/message`, the newest one. */
export function transcript(name: string): Message[] {
  const line = recording(name).findLast((one) => one.kind === "http" && one.method === "GET" && one.path?.endsWith("/message") === true);
  return Message.array().parse(line?.response);
}

function rootOf(name: string): string {
  for (const line of recording(name)) {
    const match = line.kind === "http" ? /^\/session\/(ses_[^/?]+)/.exec(line.path ?? "") : null;
    if (match?.[1] !== undefined) return match[1];
  }
  throw new Error(`${name} has no session`);
}
