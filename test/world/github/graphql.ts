/** The three mutations of GitHub's GraphQL API that have no REST call. The answer holds more than was asked for. */
import { mayAs, mayPush } from "./access.ts";
import type { Api, C, Hub, Row } from "./hub.ts";
import { setDraft } from "./pulls.ts";
import type { Comment, Json, Pull, User } from "./records.ts";

const MUTATIONS = ["markPullRequestReadyForReview", "convertPullRequestToDraft", "minimizeComment"] as const;

/** Every text within a value. Pure. */
function texts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(texts) : [];
}

/** The mutation of a query and the texts it is given, as variables or in the query itself. Pure. */
export function readMutation(body: Json): { mutation: (typeof MUTATIONS)[number] | null; given: string[] } {
  const query = typeof body.query === "string" ? body.query : "";
  const words = [...query.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((one) => one[1] ?? "");
  const classifier = /classifier\s*:\s*([A-Z_]+)/.exec(query)?.[1];
  const mutation = MUTATIONS.find((one) => new RegExp(`\\b${one}\\s*\\(`).test(query)) ?? null;
  return { mutation, given: [...texts(body.variables), ...words, ...(classifier ? [classifier] : [])] };
}

const failure = (c: C, type: string, message: string) => c.json({ data: null, errors: [{ type, message }] });

/** Adds the route. */
export function graphqlRoute(api: Api, hub: Hub): void {
  const { tables } = hub;
  const rights = (c: C, repoId: number, permissions: string[]): Row<User> | null => {
    const actor = c.get("actor");
    const repo = tables.repos.get(repoId);
    if (!repo) return null;
    if (actor.kind === "installation") return mayAs(actor, repo, permissions, "write") ? actor.user : null;
    return actor.kind === "user" && mayPush(tables, actor, repo) ? actor.user : null;
  };
  const pullView = (pull: Row<Pull>) => ({ id: pull.node_id, number: pull.number, isDraft: pull.draft, state: pull.state.toUpperCase() });

  api.post("/graphql", async (c) => {
    if (c.get("actor").kind === "anonymous") return c.json({ message: "This endpoint requires you to be authenticated." }, 401);
    const { mutation, given } = readMutation(c.get("body"));
    if (!mutation) return failure(c, "undefinedField", `The local GitHub has these mutations only: ${MUTATIONS.join(", ")}.`);
    if (mutation === "minimizeComment") {
      const comment: Row<Comment> | undefined = tables.comments.all().find((one) => given.includes(one.node_id));
      if (!comment) return failure(c, "NOT_FOUND", "Could not resolve to a node with the global id.");
      if (!rights(c, comment.repo_id, ["issues", "pull_requests"]))
        return failure(c, "FORBIDDEN", "Resource not accessible by integration");
      const reason = given.find((one) => /^(OUTDATED|RESOLVED|DUPLICATE|OFF_TOPIC|SPAM|ABUSE)$/.test(one)) ?? "OUTDATED";
      const before = tables.minimized.findOneBy("node_id", comment.node_id);
      if (before) tables.minimized.delete(before.id);
      tables.minimized.insert({ node_id: comment.node_id, reason: reason.toLowerCase() });
      return c.json({ data: { minimizeComment: { minimizedComment: { isMinimized: true, minimizedReason: reason.toLowerCase() } } } });
    }
    const pull = tables.pullRequests.all().find((one) => given.includes(one.node_id));
    if (!pull) return failure(c, "NOT_FOUND", "Could not resolve to a node with the global id.");
    const by = rights(c, pull.repo_id, ["pull_requests"]);
    if (!by) return failure(c, "FORBIDDEN", "Resource not accessible by integration");
    await setDraft(hub, pull, mutation === "convertPullRequestToDraft", by);
    return c.json({ data: { [mutation]: { pullRequest: pullView(tables.pullRequests.get(pull.id) ?? pull) } } });
  });
}
