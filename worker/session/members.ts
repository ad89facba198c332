/** Who asked for something in a session, by person id. */
import type { View } from "../../protocol/view.ts";
import type { Tables } from "./schema.ts";

export const memberTables: Tables = { part: "members", steps: ["CREATE TABLE members (person TEXT PRIMARY KEY) WITHOUT ROWID"] };

/** Stands among the members of a session of which all were kept from its beginning. No person's id is empty. */
const ALL_KEPT = "";

/** The most that are kept: far above what a thread has. */
const MOST = 1_000;

export class Members {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The session begins: whoever becomes a member of it is kept here. */
  begin(): void {
    this.add(ALL_KEPT);
  }

  /** A request of this person became a turn that may begin. */
  add(person: string): void {
    this.#sql.exec("INSERT INTO members (person) SELECT ? WHERE (SELECT count(*) FROM members) < ? ON CONFLICT DO NOTHING", person, MOST);
  }

  /** Everybody. Of a session that an earlier version began, those whom its view still names are among them; else who was not let in is not. */
  all(view: View): string[] {
    const kept = this.#sql
      .exec<{ person: string }>("SELECT person FROM members")
      .toArray()
      .map((row) => row.person);
    if (kept.includes(ALL_KEPT)) return kept.filter((person) => person !== ALL_KEPT);
    const named = [view.who, ...view.turns.map((turn) => turn.who)].flatMap((who) => (who ? [who.id] : []));
    return [...new Set([...kept, ...named])];
  }
}
