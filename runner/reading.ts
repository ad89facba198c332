/** What OpenCode's state says about a turn, and calls that are tried until it answers. */
import type { ActiveTurn } from "./journal.ts";
import type { Called, OpenCode } from "./opencode.ts";
import { delay } from "./opencode-stream.ts";
import type { Message } from "./opencode-types.ts";
import type { Snapshot } from "./turn.ts";
import type { Turn } from "./turn-state.ts";

/** Calls are tried again for this long while OpenCode cannot be reached, ms. */
export const RETRY_MS = 30_000;
/** The newest messages are enough to see whether a turn is over. */
const LOOK_MESSAGES = 50;

/** Rejects what the sessions of a tree still ask: OpenCode keeps asks listed after an abort. */
export async function rejectAsks(openCode: OpenCode, tree: ReadonlySet<string>): Promise<void> {
  const [questions, permissions] = await Promise.all([openCode.questions(), openCode.permissions()]);
  const stale = [
    ...(questions.ok ? questions.value.filter((one) => tree.has(one.sessionID)).map((one) => openCode.rejectQuestion(one.id)) : []),
    ...(permissions.ok
      ? permissions.value.filter((one) => tree.has(one.sessionID)).map((one) => openCode.replyPermission(one.id, { reply: "reject" }))
      : []),
  ];
  await Promise.all(stale);
}

/** Calls again while OpenCode cannot be reached, for 30 s; after a failure only once it answers that it is healthy. */
export async function retry<T>(
  openCode: OpenCode,
  call: () => Promise<Called<T>>,
  now: () => number,
  signal: AbortSignal,
): Promise<Called<T>> {
  const deadline = now() + RETRY_MS;
  let called = await call();
  while (!called.ok && (called.why === "gone" || called.why === "timeout") && now() < deadline && !signal.aborted) {
    await untilHealthy(openCode, deadline, now, signal);
    called = await call();
  }
  return called;
}

/** Waits half a second, then until OpenCode says that it is healthy, at most to the deadline (epoch ms). */
export async function untilHealthy(openCode: OpenCode, deadline: number, now: () => number, signal: AbortSignal): Promise<void> {
  do await delay(500, signal);
  while (!signal.aborted && now() < deadline && !(await openCode.health()).ok);
}

/** The messages up to `after`, by id, and those that came later. */
export function split(messages: readonly Message[], after: string | null): { old: ReadonlySet<string>; ours: readonly Message[] } {
  const index = after === null ? -1 : messages.findIndex((message) => message.info.id === after);
  return { old: new Set(messages.slice(0, index + 1).map((message) => message.info.id)), ours: messages.slice(index + 1) };
}

/** Reads a snapshot for a turn; `full` reads all of its messages and those of its subagents. */
export async function readSnapshot(
  openCode: OpenCode,
  turn: Turn,
  active: ActiveTurn,
  full: boolean,
): Promise<Called<Omit<Snapshot, "token" | "startedAt">>> {
  // The status first: work that begins after it was read shows as an event and makes this look void.
  const busy = await openCode.busy();
  if (!busy.ok) return busy;
  const [messages, questions, permissions] = await Promise.all([
    openCode.messages(turn.root, full ? undefined : LOOK_MESSAGES),
    openCode.questions(),
    openCode.permissions(),
  ]);
  if (!messages.ok) return messages;
  if (!questions.ok) return questions;
  if (!permissions.ok) return permissions;
  const children = full ? await readChildren(openCode, turn, messages.value) : [];
  return {
    ok: true,
    value: {
      busy: busy.value.has(turn.root),
      messages: messages.value,
      children,
      questions: questions.value,
      permissions: permissions.value,
      answers: new Map(Object.entries(active.answers)),
    },
  };
}

/** Messages of the subagents that this turn called, and of those that they called. */
async function readChildren(openCode: OpenCode, turn: Turn, messages: readonly Message[]): Promise<Message[]> {
  const found: Message[] = [];
  const seen = new Set([turn.root]);
  let level = messages.filter((message) => !turn.old.has(message.info.id));
  while (level.length > 0) {
    const sessions = level
      .flatMap((message) => message.parts.map((part) => part.state?.metadata?.sessionId))
      .filter((id) => typeof id === "string" && !seen.has(id));
    level = [];
    for (const id of new Set(sessions as string[])) {
      seen.add(id);
      const read = await openCode.messages(id);
      if (read.ok) level.push(...read.value);
    }
    found.push(...level);
  }
  return found;
}
