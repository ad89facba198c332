/** In whose names commits are made: author, committer, and the committer as co-author in the message. */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Identity } from "../protocol/runner.ts";
import type { Git } from "./git-run.ts";

/** Who commits are by where nobody was told. */
export const NOBODY: Identity = { name: "errand", email: "errand[bot]@users.noreply.github.com" };

/** The names for a turn's commits. `coauthor` is the trailer's value, null where author and committer are the same. */
export type Signatures = { author: Identity; committer: Identity; coauthor: string | null };

/** The longest subject of a commit that errand writes. */
const SUBJECT = 72;
/** Marks the hook as ours: one of somebody else's is left alone. */
const HOOK_MARK = "# Written by errand.";
const COAUTHOR_KEY = "errand.coauthor";

/** The names for a turn, as git takes them: what its format cannot hold is left out. Pure. */
export function signaturesOf(told: { author?: Identity | undefined; committer?: Identity | undefined }): Signatures {
  const committer = clean(told.committer ?? NOBODY);
  const author = told.author === undefined ? committer : clean(told.author);
  const same = author.email.toLowerCase() === committer.email.toLowerCase();
  return { author, committer, coauthor: same ? null : `${committer.name} <${committer.email}>` };
}

/** git drops these characters in names and refuses a name of nothing else. */
function clean({ name, email }: Identity): Identity {
  const plain = name
    .replace(/[\p{C}<>]+/gu, " ")
    .replace(/\s+/g, " ")
    .replace(/^[\s.,:;"'\\]+|[\s.,:;"'\\]+$/g, "");
  const address = email.replace(/[\p{C}\s<>]+/gu, "");
  return { name: plain === "" ? NOBODY.name : plain, email: address === "" ? NOBODY.email : address };
}

/**
 * The message of a commit of what the agent left: the request's first line, and the co-author. Nobody is mentioned by it:
 * a name after an `@` would be told of the push. Nothing is referred to either: a request, which may be an issue's own words, would close
 * another issue by them on merge. Pure.
 */
export function leftoverMessage(request: string, coauthor: string | null): string {
  const line = request
    .split("\n")
    .map((one) =>
      one
        .replace(/\p{C}+/gu, " ")
        .replace(/(^|[^\w.])@(?=[\w-])/g, "$1")
        .replace(/(?:#|\bGH-)(?=\d)|\bhttps?:\/\//gi, "")
        .replace(/^[\s>#*-]+|\s+$/g, ""),
    )
    .find((one) => /[\p{L}\p{N}]/u.test(one));
  const characters = [...(line ?? "Work on the request")];
  const subject =
    characters.length <= SUBJECT
      ? characters.join("")
      : `${characters
          .slice(0, SUBJECT - 1)
          .join("")
          .trimEnd()}…`;
  return coauthor === null ? `${subject}\n` : `${subject}\n\nCo-authored-by: ${coauthor}\n`;
}

/**
 * Sets the names for all commits in the workspace from now on, also the agent's own (git 2.22 and newer), and a hook that
 * adds the co-author to messages, where the repository has none of its own. Throws where git does not take them.
 */
export async function setSignatures(git: Git, workspace: string, { author, committer, coauthor }: Signatures): Promise<void> {
  const values = [
    ["author.name", author.name],
    ["author.email", author.email],
    ["committer.name", committer.name],
    ["committer.email", committer.email],
    [COAUTHOR_KEY, coauthor ?? ""],
  ];
  for (const [key = "", value = ""] of values) {
    const set = await git(["config", "--local", "--replace-all", key, value]);
    if (!set.ok) throw new Error(set.text);
  }
  await writeHook(join(workspace, ".git", "hooks"));
}

/**
 * A merge of a rebase or a cherry-pick is somebody's commit made anew: it keeps its message. A message that is still to be
 * written in an editor stays empty, so that leaving it empty ends the commit.
 */
const HOOK = `#!/bin/sh
${HOOK_MARK} Names the committer as co-author of the commit.
[ -n "$2" ] || exit 0
who=$(git config --local --get ${COAUTHOR_KEY}) || exit 0
[ -n "$who" ] || exit 0
for state in rebase-merge rebase-apply CHERRY_PICK_HEAD; do
  [ ! -e "$(git rev-parse --git-path "$state")" ] || exit 0
done
git interpret-trailers --in-place --if-exists addIfDifferent --trailer "Co-authored-by: $who" "$1" || exit 0
`;

async function writeHook(folder: string): Promise<void> {
  const path = join(folder, "prepare-commit-msg");
  const there = await readFile(path, "utf8").catch(() => null);
  if (there === HOOK || (there !== null && !there.includes(HOOK_MARK))) return;
  await mkdir(folder, { recursive: true });
  await writeFile(path, HOOK);
  await chmod(path, 0o755);
}
