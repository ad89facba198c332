/** Unified diffs: what changed in each file, and the part around a line, as GitHub tells them. Pure. */

/** What a diff says of one file. `patch` holds the hunks as GitHub's `patch` field does; null for binary files. */
export interface FileChange {
  filename: string;
  previous: string | null;
  status: "added" | "removed" | "modified" | "renamed";
  additions: number;
  deletions: number;
  patch: string | null;
}

/** A name as git writes it in a patch's head: quoted, in C's manner, where it has unusual characters. */
function nameOf(text: string): string | null {
  if (text === "/dev/null") return null;
  const quoted = /^"(.*)"$/.exec(text)?.[1];
  if (quoted === undefined) return text.replace(/^[ab]\//, "").replace(/\t$/, "");
  const bytes: number[] = [];
  for (const [part] of quoted.matchAll(/\\[0-7]{3}|\\.|[^\\]+/g)) {
    if (/^\\[0-7]{3}$/.test(part)) bytes.push(Number.parseInt(part.slice(1), 8));
    else bytes.push(...Buffer.from(part.startsWith("\\") ? ({ t: "\t", n: "\n" }[part.slice(1)] ?? part.slice(1)) : part));
  }
  return Buffer.from(bytes)
    .toString("utf8")
    .replace(/^[ab]\//, "");
}

/** Reads what `git diff` prints. */
export function parsePatch(text: string): FileChange[] {
  const files: FileChange[] = [];
  for (const part of text.split(/^(?=diff --git )/m)) {
    if (!part.startsWith("diff --git ")) continue;
    const lines = part.replace(/\n$/, "").split("\n");
    const start = lines.findIndex((line) => line.startsWith("@@ "));
    const head = start < 0 ? lines : lines.slice(0, start);
    const find = (prefix: string) => head.find((line) => line.startsWith(prefix))?.slice(prefix.length);
    const from = find("rename from ") ?? find("--- ");
    const to = find("rename to ") ?? find("+++ ");
    const sides = /^diff --git a\/(.*) b\/(.*)$/.exec(lines[0] ?? "");
    const before = from === undefined ? (sides?.[1] ?? null) : nameOf(from);
    const after = to === undefined ? (sides?.[2] ?? null) : nameOf(to);
    const hunks = start < 0 ? [] : lines.slice(start);
    const renamed = find("rename from ") !== undefined;
    const status = find("new file mode") ? "added" : find("deleted file mode") ? "removed" : renamed ? "renamed" : "modified";
    files.push({
      filename: after ?? before ?? "",
      previous: renamed ? before : null,
      status,
      additions: hunks.filter((line) => line.startsWith("+")).length,
      deletions: hunks.filter((line) => line.startsWith("-")).length,
      patch: start < 0 ? null : hunks.join("\n"),
    });
  }
  return files;
}

/**
 * The `diff_hunk` of a comment on a line: the hunk from its head to that line. Null where the line is not in the diff, and
 * GitHub refuses the comment. `line` is of the new file on the right side, of the old one on the left.
 */
export function hunkAt(patch: string, line: number, side: "LEFT" | "RIGHT"): string | null {
  for (const hunk of patch.split(/^(?=@@ )/m)) {
    const head = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(hunk);
    if (!head) continue;
    let [old, now] = [Number(head[1]), Number(head[2])];
    const lines = hunk.replace(/\n$/, "").split("\n");
    for (const [index, text] of lines.entries()) {
      if (index === 0 || text.startsWith("\\")) continue;
      const on = text.startsWith("-") ? "LEFT" : text.startsWith("+") ? "RIGHT" : "both";
      const here = side === "LEFT" ? on !== "RIGHT" && old === line : on !== "LEFT" && now === line;
      if (here) return lines.slice(0, index + 1).join("\n");
      if (on !== "RIGHT") old += 1;
      if (on !== "LEFT") now += 1;
    }
  }
  return null;
}
