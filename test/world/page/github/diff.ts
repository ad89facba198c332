/** The patch of one file, as GitHub gives it, line by line. Pure. */

/** Which side of a diff: the old text or the new one. */
export type Side = "LEFT" | "RIGHT";

/** One line of a patch; `old` and `new` are its numbers in the old and new text. */
export interface DiffLine {
  kind: "hunk" | "context" | "add" | "delete" | "note";
  old: number | null;
  new: number | null;
  text: string;
}

const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/;

/** The lines of a patch. What stands before the first hunk is left out. */
export function parsePatch(patch: string): DiffLine[] {
  const lines: DiffLine[] = [];
  let old = 0;
  let now = 0;
  for (const raw of patch.replace(/\n$/, "").split("\n")) {
    const hunk = HUNK.exec(raw);
    if (hunk) {
      old = Number(hunk[1]);
      now = Number(hunk[2]);
      lines.push({ kind: "hunk", old: null, new: null, text: raw });
      continue;
    }
    if (lines.length === 0) continue;
    const text = raw.slice(1);
    if (raw.startsWith("+")) lines.push({ kind: "add", old: null, new: now++, text });
    else if (raw.startsWith("-")) lines.push({ kind: "delete", old: old++, new: null, text });
    else if (raw.startsWith("\\")) lines.push({ kind: "note", old: null, new: null, text: text.trim() });
    else lines.push({ kind: "context", old: old++, new: now++, text });
  }
  return lines;
}

/** Where a comment on a line goes: deleted lines are on the left, all others on the right. Undefined where there can be none. */
export function spotOf(line: DiffLine): { side: Side; line: number } | undefined {
  if (line.kind === "delete" && line.old !== null) return { side: "LEFT", line: line.old };
  return line.new === null ? undefined : { side: "RIGHT", line: line.new };
}
