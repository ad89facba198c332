/**
 * The view: what a person should see of a session now, reduced from its events. Pure; the same in the SessionAgent, in
 * tests and wherever else events are read. Bounded: only recent turns are kept, long texts are cut at their start.
 */
import type { Ask, Failure, FileChange, NumberedEvent, PlanItem, Pull, ServiceName, SessionEvent, Tokens } from "./events.ts";
import type { Options, Person } from "./request.ts";

export const VIEW_VERSION = 3;
/** Finished turns kept in the view; older ones are in the log. */
export const TURNS_KEPT = 10;
/** Characters kept of one text part. */
const TEXT_KEPT = 40_000;
/** Ids kept of finished tool calls, to count one that is told twice once. */
const STEP_IDS_KEPT = 200;
/** Text parts kept of one turn: what the agent said between its steps, the last being the answer. */
const PARTS_KEPT = 12;
/** Tools that run at once and boot phases, far above what honest work has: the view's size must not depend on who runs in the sandbox. */
const TOOLS_KEPT = 50;
const PHASES_KEPT = 50;
const PORTS_KEPT = 20;
/** Offers kept in the view, the newest. */
const OFFERS_KEPT = 5;
/** Questions and permission asks that one turn may have; further ones are not shown to anyone. */
export const ASKS_A_TURN = 100;

export type Phase = { name: string; startedAt: number; ms: number | null; error: string | null };
export type ServiceView = { state: "starting" | "available" | "restarting" | "unavailable"; reason: string | null };
export type AskView = Ask & {
  state: "open" | "settled" | "closed";
  openedAt: number;
  settledAt: number | null;
  by: Person | null;
  answer: string | null;
  expired: boolean;
};
/** Something errand could do next. */
export type OfferView = {
  id: string;
  title: string;
  detail: string | null;
  auto: boolean;
  /** What taking it is called, where that is not to mend something. */
  label: string | null;
  madeAt: number;
  state: "open" | "taken" | "gone";
  by: Person | null;
};
export type ToolView = { id: string; title: string; tool: string; startedAt: number };
export type TurnState = "queued" | "starting" | "working" | "waiting" | "stopping" | "done" | "failed" | "stopped" | "withdrawn";

export type TurnView = {
  id: number;
  state: TurnState;
  who: Person;
  prompt: string;
  options: Options;
  contentKey: string;
  /** Where its messages go: the thread, and the place in it in the surface's own words. */
  thread: string;
  place: string | null;
  /** The offer it was begun by. */
  offer: string | null;
  /** Why it does not begin though nothing is before it, and until when it waits for that; ms since 1970. */
  held: { why: "link"; until: number } | null;
  queuedAt: number;
  startedAt: number | null;
  /** When the agent took the prompt. */
  acceptedAt: number | null;
  /** When the agent last said or did something. */
  activeAt: number | null;
  endedAt: number | null;
  plan: PlanItem[];
  parts: { id: string; text: string; done: boolean }[];
  thinking: boolean;
  tools: ToolView[];
  /** Tool calls finished. */
  steps: number;
  /** The newest of them, by id. */
  stepIds: string[];
  lastStep: string | null;
  files: FileChange[];
  filesTotal: number;
  tokens: Tokens | null;
  cost: number | null;
  retry: { message: string; nextAt: number } | null;
  notices: string[];
  asks: AskView[];
  /** What it pushed last, and why a push failed after that. */
  pushed: { branch: string; commit: string; commits: number } | null;
  pushFailure: Failure | null;
  failure: Failure | null;
};

export type SandboxView = {
  generation: number;
  /** Number of the event that began this generation: its own events come after it. */
  n: number;
  state: "none" | "starting" | "connected" | "ready" | "lost";
  startedAt: number | null;
  readyMs: number | null;
  phases: Phase[];
  services: Partial<Record<ServiceName, ServiceView>>;
  /** What answers HTTP in it, beside errand's own, by port. */
  ports: { port: number; title: string | null }[];
  failure: Failure | null;
};

export type View = {
  version: number;
  /** Number of the last stored event in it. */
  n: number;
  id: string;
  thread: string;
  createdAt: number;
  who: Person | null;
  repository: string | null;
  base: string | null;
  branch: string;
  model: string;
  sandbox: SandboxView;
  /** The pull request it works on or that came of it. */
  pull: Pull | null;
  /** The newest ones. */
  offers: OfferView[];
  /** How and when the conversation ended; null while it goes on. */
  closed: { how: "closed" | "merged" | "gone"; at: number; who: Person | null } | null;
  turns: TurnView[];
};

/** The view before any event. */
export function emptyView(): View {
  return {
    version: VIEW_VERSION,
    n: 0,
    id: "",
    thread: "",
    createdAt: 0,
    who: null,
    repository: null,
    base: null,
    branch: "",
    model: "",
    sandbox: { generation: 0, n: 0, state: "none", startedAt: null, readyMs: null, phases: [], services: {}, ports: [], failure: null },
    pull: null,
    offers: [],
    closed: null,
    turns: [],
  };
}

/** Whether a turn has come to its end. */
export const isOver = (state: TurnState): boolean => state === "done" || state === "failed" || state === "stopped" || state === "withdrawn";

/** The turn that runs, if any. */
export const runningTurn = (view: View): TurnView | undefined => view.turns.find((turn) => !isOver(turn.state) && turn.state !== "queued");

/** The queued turns in their order. */
export const queuedTurns = (view: View): TurnView[] => view.turns.filter((turn) => turn.state === "queued");

/** Whether a turn failed before it began, since its author was not let in or there is nothing left to do: it says nothing about the work that is there. */
export const wasRefused = (turn: TurnView): boolean => turn.state === "failed" && turn.startedAt === null;

/** What the agent said last: its answer, once the turn is over. */
export function answerOf(turn: TurnView): string {
  return turn.parts.findLast((part) => part.text.trim() !== "")?.text ?? "";
}

/** The view after one event. Changes `view` in place and returns it: the SessionAgent keeps one and applies many. */
export function apply(view: View, { n, event }: NumberedEvent): View {
  view.n = Math.max(view.n, n);
  applyEvent(view, event);
  if (event.type === "sandbox.wanted") view.sandbox.n = n;
  return view;
}

/** Applies an event that has no number yet or never gets one (text in progress). */
export function applyEvent(view: View, event: SessionEvent): void {
  if ("turn" in event && event.turn !== null && event.type !== "turn.queued") {
    const turn = view.turns.find((candidate) => candidate.id === event.turn);
    if (turn) applyToTurn(turn, event);
    return;
  }
  switch (event.type) {
    case "session.created":
      Object.assign(view, {
        id: event.id,
        thread: event.thread,
        createdAt: event.at,
        who: event.who,
        repository: event.repository,
        branch: event.branch,
        model: event.model,
      });
      return;
    case "session.repository":
      view.repository = event.repository;
      view.base = event.base;
      return;
    case "session.branch":
      view.branch = event.branch;
      view.base = event.base;
      view.pull = null;
      return;
    case "session.closed":
      view.closed = { how: event.how, at: event.at, who: event.who };
      return;
    case "pull.changed":
      view.pull = event.pull;
      return;
    case "offer.made":
      view.offers.push({
        id: event.id,
        title: event.title,
        detail: event.detail ?? null,
        auto: event.auto,
        label: event.label ?? null,
        madeAt: event.at,
        state: "open",
        by: null,
      });
      if (view.offers.length > OFFERS_KEPT) view.offers.shift();
      return;
    case "offer.settled": {
      const offer = view.offers.find((candidate) => candidate.id === event.id);
      if (offer?.state === "open") Object.assign(offer, { state: event.by === null ? "gone" : "taken", by: event.by });
      return;
    }
    case "turn.queued":
      view.turns.push(newTurn(event, view.thread));
      view.closed = null;
      prune(view);
      return;
    case "sandbox.wanted":
      view.sandbox = { ...emptyView().sandbox, generation: event.generation, state: "starting", startedAt: event.at };
      return;
    case "sandbox.connected":
      if (view.sandbox.state === "starting") view.sandbox.state = "connected";
      return;
    case "sandbox.ready":
      view.sandbox.state = "ready";
      view.sandbox.readyMs = event.ms;
      return;
    case "sandbox.lost":
      view.sandbox.state = "lost";
      view.sandbox.ports = [];
      view.sandbox.failure = event.failure;
      for (const service of Object.values(view.sandbox.services))
        Object.assign(service, { state: "unavailable", reason: event.failure.message });
      return;
    case "boot.phase":
      applyPhase(view.sandbox.phases, event);
      return;
    case "service.state":
      view.sandbox.services[event.service] = { state: event.state, reason: event.reason ?? null };
      return;
    case "port.opened":
      view.sandbox.ports = [
        ...view.sandbox.ports.filter(({ port }) => port !== event.port),
        { port: event.port, title: event.title ?? null },
      ]
        .toSorted((a, b) => a.port - b.port)
        .slice(0, PORTS_KEPT);
      return;
    case "port.closed":
      view.sandbox.ports = view.sandbox.ports.filter(({ port }) => port !== event.port);
      return;
    case "git.ready":
      view.branch = event.branch;
      view.base = event.base;
      return;
    default:
      return;
  }
}

function applyPhase(phases: Phase[], event: Extract<SessionEvent, { type: "boot.phase" }>): void {
  let phase = phases.find((candidate) => candidate.name === event.phase);
  if (!phase) {
    if (phases.length >= PHASES_KEPT) return;
    phase = { name: event.phase, startedAt: event.at, ms: null, error: null };
    phases.push(phase);
  }
  if (event.ms !== undefined) phase.ms = event.ms;
  phase.error = event.ok === false ? (event.error ?? "failed") : null;
}

function newTurn(event: Extract<SessionEvent, { type: "turn.queued" }>, thread: string): TurnView {
  return {
    id: event.turn,
    state: "queued",
    who: event.who,
    prompt: event.text,
    options: event.options,
    contentKey: event.contentKey,
    thread: event.thread ?? thread,
    place: event.place ?? null,
    offer: event.offer ?? null,
    held: null,
    queuedAt: event.at,
    startedAt: null,
    acceptedAt: null,
    activeAt: null,
    endedAt: null,
    plan: [],
    parts: [],
    thinking: false,
    tools: [],
    steps: 0,
    stepIds: [],
    lastStep: null,
    files: [],
    filesTotal: 0,
    tokens: null,
    cost: null,
    retry: null,
    notices: [],
    asks: [],
    pushed: null,
    pushFailure: null,
    failure: null,
  };
}

function prune(view: View): void {
  const over = view.turns.filter((turn) => isOver(turn.state));
  const drop = new Set(over.slice(0, Math.max(0, over.length - TURNS_KEPT)));
  if (drop.size > 0) view.turns = view.turns.filter((turn) => !drop.has(turn));
}

function part(turn: TurnView, id: string): { id: string; text: string; done: boolean } {
  let found = turn.parts.find((candidate) => candidate.id === id);
  if (!found) {
    found = { id, text: "", done: false };
    turn.parts.push(found);
    if (turn.parts.length > PARTS_KEPT) turn.parts.shift();
  }
  return found;
}

function end(turn: TurnView, state: TurnState, at: number, failure: Failure | undefined): void {
  if (isOver(turn.state)) return;
  // Of a finished turn only the answer is kept: what else was said is in the log.
  const answer = turn.parts.findLast((part) => part.text.trim() !== "");
  const parts = answer ? [{ ...answer, done: true }] : [];
  Object.assign(turn, { state, endedAt: at, failure: failure ?? null, thinking: false, tools: [], stepIds: [], retry: null, parts });
  for (const ask of turn.asks)
    if (ask.state === "open") Object.assign(ask, { state: "closed", settledAt: at, answer: "ended with its turn" });
}

/** Back to work, or waiting while an ask is open. A stop that was asked for stays visible until the turn ends. */
function resume(turn: TurnView): void {
  if (isOver(turn.state) || turn.state === "stopping") return;
  turn.state = turn.asks.some((ask) => ask.state === "open") ? "waiting" : "working";
}

function applyToTurn(turn: TurnView, event: SessionEvent): void {
  if (event.type !== "turn.notice" && event.type !== "note") turn.activeAt = event.at;
  switch (event.type) {
    case "turn.replaced":
      turn.prompt = event.text;
      turn.options = event.options;
      return;
    case "turn.held":
      turn.held = { why: event.why, until: event.until };
      return;
    case "turn.released":
      turn.held = null;
      return;
    case "turn.withdrawn":
      end(turn, "withdrawn", event.at, undefined);
      return;
    case "turn.started":
      turn.state = "starting";
      turn.startedAt = event.at;
      return;
    case "turn.accepted":
      turn.acceptedAt ??= event.at;
      resume(turn);
      return;
    case "turn.stopping":
      if (!isOver(turn.state)) turn.state = "stopping";
      return;
    case "text.delta": {
      if (isOver(turn.state)) return;
      const target = part(turn, event.part);
      if (!target.done) target.text = (target.text + event.text).slice(-TEXT_KEPT);
      turn.thinking = false;
      turn.retry = null;
      return;
    }
    case "text.done":
      Object.assign(part(turn, event.part), { text: event.text.slice(-TEXT_KEPT), done: true });
      return;
    case "text.dropped":
      turn.parts = turn.parts.filter((candidate) => candidate.id !== event.part);
      return;
    case "thinking":
      turn.thinking = event.on;
      return;
    case "tool.started":
      turn.tools = [
        ...turn.tools.filter((tool) => tool.id !== event.id).slice(1 - TOOLS_KEPT),
        { id: event.id, title: event.title, tool: event.tool, startedAt: event.at },
      ];
      turn.thinking = false;
      turn.retry = null;
      return;
    case "tool.finished":
      turn.tools = turn.tools.filter((tool) => tool.id !== event.id);
      turn.lastStep = event.title;
      // A runner that was started again tells what it knows once more.
      if (turn.stepIds.includes(event.id)) return;
      turn.stepIds = [...turn.stepIds.slice(1 - STEP_IDS_KEPT), event.id];
      turn.steps += 1;
      return;
    case "plan.updated":
      turn.plan = event.items;
      return;
    case "ask.opened":
      if (turn.asks.length >= ASKS_A_TURN || turn.asks.some((ask) => ask.id === event.ask.id)) return;
      turn.asks.push({ ...event.ask, state: "open", openedAt: event.at, settledAt: null, by: null, answer: null, expired: false });
      resume(turn);
      return;
    case "ask.settled": {
      const ask = turn.asks.find((candidate) => candidate.id === event.id);
      if (ask?.state === "open")
        Object.assign(ask, { state: "settled", settledAt: event.at, by: event.by, answer: event.label, expired: event.expired });
      resume(turn);
      return;
    }
    case "ask.closed": {
      const ask = turn.asks.find((candidate) => candidate.id === event.id);
      if (ask?.state === "open") Object.assign(ask, { state: "closed", settledAt: event.at, answer: event.why });
      resume(turn);
      return;
    }
    case "turn.usage":
      turn.tokens = event.tokens;
      turn.cost = event.cost;
      return;
    case "turn.retrying":
      turn.retry = { message: event.message, nextAt: event.nextAt };
      return;
    case "turn.notice":
      turn.notices = [...turn.notices.slice(-4), event.message];
      return;
    case "files.changed":
      turn.files = event.files;
      turn.filesTotal = event.total;
      return;
    case "branch.pushed":
      turn.pushed = { branch: event.branch, commit: event.commit, commits: event.commits };
      turn.pushFailure = null;
      return;
    case "push.failed":
      turn.pushFailure = event.failure;
      return;
    case "turn.finished":
    case "turn.ended":
      end(turn, event.outcome, event.at, event.failure);
      return;
    default:
      return;
  }
}
