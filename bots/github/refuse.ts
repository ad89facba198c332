/** What a thread sees of the gate at once: a reaction, and words where they cannot be made into spam. */
import type { Octokit } from "@octokit/rest";
import { splitRepository } from "./client.ts";
import { keyIn, keyMark } from "./marker.ts";
import type { Ack, Gate } from "./verdict.ts";

/** Pages of a conversation that are searched for an earlier refusal; a longer one gets the reaction alone. */
const PAGES = 3;

/** Puts a reaction on what asked. GitHub keeps one of a kind. Throws what Octokit throws. */
export async function react(octokit: Octokit, repository: string, ack: Ack, content: "eyes" | "-1"): Promise<void> {
  const where = { ...splitRepository(repository), content };
  switch (ack.type) {
    case "issue_comment":
      await octokit.request("POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", { ...where, comment_id: ack.id });
      return;
    case "review_comment":
      await octokit.request("POST /repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions", { ...where, comment_id: ack.id });
      return;
    case "issue":
      await octokit.request("POST /repos/{owner}/{repo}/issues/{issue_number}/reactions", { ...where, issue_number: ack.id });
      return;
  }
}

const WORDS =
  "I work only for people who may write to this repository. Somebody who may can mention me here, or give you that right; then mention me again.";

/** Threads of this isolate that have their words or are getting them: two outsiders at once get one comment. */
const told = new Map<string, true>();
const TOLD_KEPT = 1_000;

/**
 * Whether a refusal may be put into words: on a public repository everybody could make errand write as often as they like, and two bots
 * could talk to each other for ever. Pure.
 */
export const mayTell = (gate: Gate): boolean => gate.private && gate.user.type === "User";

/** Says the refusal in the thread, once a thread: our own earlier one is looked for. Throws what Octokit throws. */
export async function tellRefusal(octokit: Octokit, gate: Gate, number: number, slug: string): Promise<void> {
  const key = `refused:${gate.repositoryId}:${number}`;
  if (told.has(key)) return;
  told.set(key, true);
  for (const oldest of told.keys()) {
    if (told.size <= TOLD_KEPT) break;
    told.delete(oldest);
  }
  try {
    const where = { ...splitRepository(gate.repository), issue_number: number };
    for (let page = 1; ; page += 1) {
      if (page > PAGES) return;
      const { data } = await octokit.request("GET /repos/{owner}/{repo}/issues/{issue_number}/comments", { ...where, per_page: 100, page });
      if (data.some(({ user, body }) => user?.login === `${slug}[bot]` && keyIn(body ?? "") === key)) return;
      if (data.length < 100) break;
    }
    await octokit.request("POST /repos/{owner}/{repo}/issues/{issue_number}/comments", { ...where, body: `${WORDS}\n\n${keyMark(key)}` });
  } catch (error) {
    told.delete(key);
    throw error;
  }
}
