/** The part of a check's log that tells why it failed. Pure, linear. */

import { redact } from "../redact.ts";
import { visible } from "../visible.ts";

/** Bytes of UTF-8 that an excerpt has at most, and lines. */
export const EXCERPT_BYTES = 16 * 1024;
const LINES = 200;
/** Lines kept after the first error: what follows it is seldom its cause. */
const AFTER = 60;
/** A longer line is a dump. UTF-16 code units. */
const LINE = 1_000;
/** A log is looked at up to here, counted from its end: errors of tests stand near it. UTF-16 code units. */
const LOOKED_AT = 4_000_000;

/** Actions begin each line with the time. */
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{1,9}Z ?/;
/** Actions' own marks in a log. */
const MARK = /^##\[(error|warning|command|group|endgroup|debug|notice|section)\]/;
const MARKED_ERROR = /^##\[error\]/;
/** Words that compilers and test runners begin their complaints with. `0 errors` and `no error` are none. */
const WORDED = /(?<!\b0 |\bno )\b(?:errors?|failed|failures?|fatal|panic(?:ked)?|exception|traceback|not ok)\b/i;

const bytes = (text: string): number => new TextEncoder().encode(text).length;

/** What a reader sees of one line: marks of Actions in words. */
const plain = (row: string): string => row.replace(MARK, (_all, kind: string) => (kind === "error" ? "Error: " : "")).slice(0, LINE);

/** The rows before the mark with which Actions ends a failed step hold its cause; those of a worded error stand after its first line. */
function windowOf(rows: readonly string[]): { from: number; to: number; error: number } {
  const marked = rows.findIndex((row) => MARKED_ERROR.test(row));
  const error = marked >= 0 ? marked : rows.findIndex((row) => WORDED.test(row));
  if (error < 0) return { from: Math.max(0, rows.length - LINES), to: rows.length, error: rows.length };
  const after = marked >= 0 ? AFTER : LINES - AFTER;
  const to = Math.min(rows.length, error + after);
  return { from: Math.max(0, to - LINES), to, error };
}

/**
 * At most 200 lines around the first error and 16 KiB of a log, without terminal colours, times, control characters and what looks like
 * a secret. Where no line looks like an error, its end.
 */
export function excerptOf(log: string, secrets: readonly string[] = []): string {
  const untimed = visible(log.slice(-LOOKED_AT))
    .split("\n")
    .map((row) => row.replace(TIMESTAMP, "").trimEnd());
  // A secret of several lines is whole only now.
  const rows = redact(untimed.join("\n"), secrets).split("\n");
  while (rows.length > 0 && rows.at(-1) === "") rows.pop();
  let { from, to, error } = windowOf(rows);
  const sizes = rows.slice(from, to).map((row) => bytes(plain(row)) + 1);
  const first = from;
  let size = sizes.reduce((sum, one) => sum + one, 0);
  // What is further away from the error goes first.
  while (size > EXCERPT_BYTES && from < to) {
    const drop = error - from >= to - 1 - error ? from++ : --to;
    size -= sizes[drop - first] ?? 0;
  }
  return rows.slice(from, to).map(plain).join("\n");
}
