/** The outbox on real SQLite, with a thread that errs as it is told: what is posted, how often, and when it is looked at again. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import type { Message, Outcome, Surface } from "../../bots/surface.ts";
import { apply, emptyView, type View } from "../../protocol/view.ts";
import type { Budget } from "./bucket.ts";
import { type Row, SETTLE_MS } from "./delivery.ts";
import { Outbox, outboxTables } from "./outbox.ts";
import { migrate } from "./schema.ts";

const THREAD = "slack:T1:C1:1.1";
const ASK = { id: "q", kind: "question" as const, title: "Which?", choices: [], freeText: true };

/** A thread that takes every write unless the next one is told to go wrong. */
function thread() {
  const posts: { id: string; key: string; text: string }[] = [];
  const next: { post: Outcome[]; find: (Outcome & { kind: "wait" | "unknown" })[] } = { post: [], find: [] };
  let broken = (_message: Message) => false;
  const surface: Surface = {
    name: "slack",
    shows: () => true,
    pace: () => ({ gap: 3_000, trailing: 5_000 }),
    render(message) {
      if (broken(message)) throw new Error("cannot be drawn");
      if (message.kind !== "ask") return { text: message.kind };
      return { text: message.view.turns[0]?.asks[0]?.state ?? "" };
    },
    post(_thread, key, content) {
      const id = String(posts.length + 1);
      const outcome = next.post.shift() ?? { kind: "sent", id };
      // Of an unknown outcome this is the worse half: it was applied.
      if (outcome.kind === "sent" || outcome.kind === "unknown") posts.push({ id, key, text: String(content.text) });
      return Promise.resolve(outcome);
    },
    edit(_thread, id, _key, content) {
      const posted = posts.find((post) => post.id === id);
      if (posted) posted.text = String(content.text);
      return Promise.resolve(posted ? { kind: "sent", id } : { kind: "gone", why: "deleted" });
    },
    find(_thread, key) {
      const posted = posts.find((post) => post.key === key);
      return Promise.resolve(next.find.shift() ?? (posted ? { kind: "found", id: posted.id } : { kind: "absent" }));
    },
    budget: () => ({ workspace: "slack:T1", method: "any", channel: "C1" }),
  };
  return { posts, next, surface, breakFor: (which: (message: Message) => boolean) => (broken = which) };
}

function session(): View {
  const view = emptyView();
  const who = { id: "u" };
  apply(view, { n: 1, event: { type: "turn.queued", at: 0, turn: 1, who, text: "t", options: {}, contentKey: "c" } });
  apply(view, { n: 2, event: { type: "turn.started", at: 0, turn: 1 } });
  apply(view, { n: 3, event: { type: "ask.opened", at: 0, turn: 1, ask: ASK } });
  return view;
}

function message(row: Row, view: View): Message {
  const links = { session: "", vscode: "", desktop: "", terminal: "", preview: "" };
  if (row.kind === "note") return { kind: "note", code: "c", text: row.ref, mention: null };
  if (row.kind === "ask") return { kind: "ask", turn: 1, ask: row.ref, view, links };
  return row.kind === "final" ? { kind: "final", turn: 1, view, links } : { kind: "progress", turn: 1, view, links, now: 0 };
}

let objects = 0;
/** Runs a test with an outbox whose clock stands until it is moved. `again` is the outbox of the object's next life. */
function withOutbox(
  test: (
    the: ReturnType<typeof thread> & { outbox: Outbox; again: () => Outbox; view: View; clock: { now: number }; budget: Budget },
  ) => Promise<void>,
): Promise<void> {
  objects += 1;
  return runInDurableObject(env.SESSIONS.getByName(`outbox-${objects}`), async (_object, state) => {
    state.storage.transactionSync(() => migrate(state.storage.sql, [outboxTables]));
    const slack = thread();
    const view = session();
    const clock = { now: 1_000_000 };
    const budget: Budget = { take: () => Promise.resolve(0), penalise: () => Promise.resolve() };
    const again = () =>
      new Outbox(state.storage.sql, {
        now: () => clock.now,
        random: () => 0.5,
        surfaceOf: () => slack.surface,
        nativeOf: () => null,
        budgetOf: () => budget,
        view: () => view,
        message,
        settled: () => undefined,
        log: () => undefined,
      });
    await test({ ...slack, outbox: again(), again, view, clock, budget });
  });
}

const note = { key: "s:note:1", thread: THREAD, place: null, kind: "note" as const, turn: null, ref: "hello" };
const ask = { key: "s:ask:q", thread: THREAD, place: null, kind: "ask" as const, turn: 1, ref: "q" };
const unknown: Outcome = { kind: "unknown", why: "reset" };
const wait = { kind: "wait" as const, ms: 1_000, method: null, why: "429" };

it("posts once, though the answer to the post is lost and the look for it has to wait", () =>
  withOutbox(async ({ outbox, posts, next, clock }) => {
    next.post.push(unknown);
    next.find.push(wait, wait);
    outbox.want(note);
    for (let tries = 0; tries < 6; tries += 1) {
      await outbox.pump();
      clock.now += 60_000;
    }
    expect(posts).toHaveLength(1);
    expect(outbox.nextDue()).toBeUndefined();
  }));

it("leaves a post of the object's last life the time to arrive before it looks for it", () =>
  withOutbox(async ({ outbox, again, posts, next, clock }) => {
    next.post.push(unknown);
    outbox.want(note);
    await outbox.pump();
    const arrived = posts.splice(0);
    clock.now += 60_000;
    const reborn = again();
    await reborn.pump();
    expect(posts).toHaveLength(0);
    posts.push(...arrived);
    clock.now += SETTLE_MS;
    await reborn.pump();
    expect(posts).toHaveLength(1);
  }));

it("has nothing to do about an ask that is shown until it is settled, and then shows that", () =>
  withOutbox(async ({ outbox, posts, view, clock }) => {
    outbox.want(ask);
    await outbox.pump();
    expect(posts).toMatchObject([{ text: "open" }]);
    expect(outbox.nextDue()).toBeUndefined();
    apply(view, { n: 4, event: { type: "ask.closed", at: 1, turn: 1, id: "q", why: "answered" } });
    outbox.freeze(ask.key);
    clock.now += 10_000;
    await outbox.pump();
    expect(posts).toMatchObject([{ text: "closed" }]);
    expect(outbox.nextDue()).toBeUndefined();
  }));

it("posts once when what memory holds is thrown away while a permit is waited for", () =>
  withOutbox(async ({ outbox, posts, budget, clock }) => {
    outbox.want(note);
    budget.take = () => {
      budget.take = () => Promise.resolve(0);
      // As after a transaction that was rolled back, in which something else was wanted.
      outbox.forget();
      outbox.want(note);
      return Promise.resolve(0);
    };
    await outbox.pump();
    clock.now += 10_000;
    await outbox.pump();
    expect(posts).toHaveLength(1);
  }));

it("sends the others when one message cannot be drawn, and does not spin on that one", () =>
  withOutbox(async ({ outbox, posts, clock, breakFor }) => {
    breakFor(({ kind }) => kind === "ask");
    outbox.want(ask);
    outbox.want(note);
    await outbox.pump();
    expect(posts.map(({ key }) => key)).toEqual([note.key]);
    expect(outbox.nextDue()).toBeGreaterThan(clock.now);
    breakFor(() => false);
    clock.now += 120_000;
    await outbox.pump();
    expect(posts.map(({ key }) => key)).toEqual([note.key, ask.key]);
  }));

it("does not let a message that cannot be drawn keep a turn from ending", () =>
  withOutbox(async ({ outbox, posts, clock, breakFor }) => {
    const final = { key: "s:turn:1:final", thread: THREAD, place: null, kind: "final" as const, turn: 1, ref: "" };
    breakFor(({ kind }) => kind === "final");
    outbox.want(final);
    expect(() => outbox.freeze(final.key)).not.toThrow();
    breakFor(() => false);
    clock.now += 120_000;
    await outbox.pump();
    expect(posts.map(({ key }) => key)).toEqual([final.key]);
    expect(outbox.nextDue()).toBeUndefined();
  }));
