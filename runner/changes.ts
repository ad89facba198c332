/** What git says has changed, as the contract's list of files. Pure. */
import type { FileChange } from "../protocol/events.ts";

/** The contract's limits for one event. */
const FILES_LIMIT = 500;
const PATH_LIMIT = 2_000;

/** Reads `git diff --raw --numstat -z -M <base>`: first the raw records with the status, then the counts, both ended by NUL. */
export function parseDiff(output: string): FileChange[] {
  const fields = output.split("\0");
  const statuses = new Map<string, FileChange["status"]>();
  const changes: FileChange[] = [];
  for (let index = 0; index < fields.length; index += 1) {
    const field = fields[index] ?? "";
    if (field.startsWith(":")) {
      // `:100644 100644 <old> <new> M` NUL path, or `… R086` NUL old NUL new.
      const letter = field.split(" ")[4]?.[0] ?? "M";
      const moved = letter === "R" || letter === "C";
      index += moved ? 2 : 1;
      statuses.set(fields[index] ?? "", statusOf(letter));
      continue;
    }
    const counts = /^(\d+|-)\t(\d+|-)\t([\s\S]*)$/.exec(field);
    if (counts === null) continue;
    let path = counts[3] ?? "";
    if (path === "") {
      // A rename: the old and the new path follow.
      index += 2;
      path = fields[index] ?? "";
    }
    changes.push({
      path: path.slice(0, PATH_LIMIT),
      status: statuses.get(path) ?? "modified",
      additions: count(counts[1]),
      deletions: count(counts[2]),
    });
  }
  return changes;
}

/** The list for an event: sorted, at most 500 entries, and how many there are in all. */
export function compact(changes: readonly FileChange[]): { files: FileChange[]; total: number } {
  const sorted = [...changes].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files: sorted.slice(0, FILES_LIMIT), total: sorted.length };
}

/** Lines of a new file as git would count them; 0 for binary content, which git shows as `-`. */
export function countLines(content: Uint8Array): number {
  if (content.subarray(0, 8_000).includes(0)) return 0;
  let lines = 0;
  for (const byte of content) if (byte === 10) lines += 1;
  return content.length > 0 && content.at(-1) !== 10 ? lines + 1 : lines;
}

function statusOf(letter: string): FileChange["status"] {
  if (letter === "A" || letter === "C") return "added";
  if (letter === "D") return "deleted";
  return letter === "R" ? "renamed" : "modified";
}

/** Git writes `-` for binary files. */
function count(text: string | undefined): number {
  return text === undefined || text === "-" ? 0 : Number(text);
}
