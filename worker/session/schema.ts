/**
 * Tables of a SessionAgent. Each part hands in its own steps; a step that ran is never changed, only followed by another.
 * Made on the first accepted request, so that a message in a thread without a session leaves nothing behind.
 */

/** A part's name and its steps in order; each step is one or more SQL statements. */
export type Tables = { part: string; steps: readonly string[] };

/** Whether this object's storage holds a session. */
export function hasTables(sql: SqlStorage): boolean {
  return sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_steps'").toArray().length > 0;
}

/** Runs the steps that have not run yet. Call inside a transaction. */
export function migrate(sql: SqlStorage, tables: readonly Tables[]): void {
  sql.exec("CREATE TABLE IF NOT EXISTS schema_steps (part TEXT PRIMARY KEY, done INTEGER NOT NULL) WITHOUT ROWID");
  const done = new Map(
    sql
      .exec<{ part: string; done: number }>("SELECT part, done FROM schema_steps")
      .toArray()
      .map((row) => [row.part, row.done]),
  );
  for (const { part, steps } of tables) {
    const from = done.get(part) ?? 0;
    if (from >= steps.length) continue;
    for (const step of steps.slice(from)) sql.exec(step);
    sql.exec("INSERT INTO schema_steps (part, done) VALUES (?, ?) ON CONFLICT DO UPDATE SET done = excluded.done", part, steps.length);
  }
}
