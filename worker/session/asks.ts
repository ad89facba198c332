/** Asks: the agent's questions and permission asks, each settled once, by an answer or by time. */
import { Ask } from "../../protocol/events.ts";
import type { Tables } from "./schema.ts";

/** An ask without an answer is rejected after this time, in ms. */
export const ASK_LIMIT_MS = 30 * 60_000;

export const askTables: Tables = {
  part: "asks",
  steps: ["CREATE TABLE asks (id TEXT PRIMARY KEY, turn INTEGER NOT NULL, body TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID"],
};

export type OpenAsk = { turn: number; ask: Ask; expiresAt: number };

/** What an answer means. `wrong`: it is none of the choices and free text is not taken. */
export type Reading = { kind: "answer"; label: string; choice?: string; text?: string; reject: boolean } | { kind: "wrong"; why: string };

/** Reads an answer: a choice by its id, or free text. Free text to a permission ask is a no with a reason. */
export function readAnswer(ask: Ask, answer: { choice?: string | undefined; text?: string | undefined }): Reading {
  if (answer.choice !== undefined) {
    const choice = ask.choices.find((candidate) => candidate.id === answer.choice);
    if (!choice)
      return { kind: "wrong", why: `“${answer.choice.slice(0, 80)}” is not one of: ${ask.choices.map((one) => one.label).join(", ")}.` };
    return { kind: "answer", label: choice.label, choice: choice.id, reject: ask.kind === "permission" && choice.id === "reject" };
  }
  const text = answer.text?.trim() ?? "";
  if (text === "") return { kind: "wrong", why: "The answer is empty." };
  const named = ask.choices.find(
    (candidate) => candidate.label.toLowerCase() === text.toLowerCase() || candidate.id.toLowerCase() === text.toLowerCase(),
  );
  if (named) return readAnswer(ask, { choice: named.id });
  if (ask.kind === "permission") return { kind: "answer", label: `No: ${text}`.slice(0, 300), text, reject: true };
  if (!ask.freeText) return { kind: "wrong", why: `Please choose one of: ${ask.choices.map((one) => one.label).join(", ")}.` };
  return { kind: "answer", label: text.slice(0, 300), text, reject: false };
}

type Row = { turn: number; body: string; expires_at: number };
const opened = (row: Row): OpenAsk => ({ turn: row.turn, ask: Ask.parse(JSON.parse(row.body)), expiresAt: row.expires_at });

export class Asks {
  readonly #sql: SqlStorage;
  #open: OpenAsk[] | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Asks that wait for an answer. */
  open(): readonly OpenAsk[] {
    this.#open ??= this.#sql.exec<Row>("SELECT turn, body, expires_at FROM asks ORDER BY expires_at").toArray().map(opened);
    return this.#open;
  }

  get(id: string): OpenAsk | undefined {
    return this.open().find((open) => open.ask.id === id);
  }

  add(turn: number, ask: Ask, now: number): void {
    this.#sql.exec(
      "INSERT INTO asks (id, turn, body, expires_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
      ask.id,
      turn,
      JSON.stringify(ask),
      now + ASK_LIMIT_MS,
    );
    this.#open = undefined;
  }

  /** Takes the ask away. Returns false when it was settled before. */
  settle(id: string): boolean {
    if (!this.get(id)) return false;
    this.#sql.exec("DELETE FROM asks WHERE id = ?", id);
    this.#open = undefined;
    return true;
  }

  expired(now: number): OpenAsk[] {
    return this.open().filter((open) => open.expiresAt <= now);
  }

  /** Forgets what memory holds beyond storage, after a transaction was rolled back. */
  forget(): void {
    this.#open = undefined;
  }

  nextDue(): number | undefined {
    return this.open()[0]?.expiresAt;
  }
}
