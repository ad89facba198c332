/** What becomes of a delivery that was understood: its gate, what it needs, and the hand-over to its session or sessions. */
import type { Octokit } from "@octokit/rest";
import type { GitHubApp } from "../../bots/github/client.ts";
import { complete } from "../../bots/github/context.ts";
import { sortCall } from "../../bots/github/errors.ts";
import { fetchFacts } from "../../bots/github/facts.ts";
import { type AllowedBot, type KnownRights, type Right, rightOf } from "../../bots/github/gate.ts";

import { mayTell, react, tellRefusal } from "../../bots/github/refuse.ts";
import type { Gate, Heard, Verdict } from "../../bots/github/verdict.ts";
import type { Request } from "../../protocol/request.ts";
import { parseThreadKey, sessionIdOf, threadKey } from "../../protocol/thread.ts";
import { noteRepository, repositoriesOf, threadsIn } from "../db/github.ts";
import type { Accepted, SessionRpc } from "../session/contract.ts";

/** The longest that one call to GitHub may take, in ms: a token, the gate and the facts are three in a row, and GitHub waits 10 s. */
export const CALL_MS = 2_400;
/** Sessions told at once, and the most told by one delivery. */
const AT_ONCE = 20;
const MOST_TOLD = 500;
/** Pull requests told of one commit's checks. */
const MOST_PULLS = 10;

/** How a delivery ended, for the answer and its line in the log. `status` 500: GitHub is to list it as failed, so that it comes again. */
export type Ending = { status: 202 | 400 | 500; outcome: string; why: string | null };

export type TakePorts = {
  app: GitHubApp;
  allowedBots: readonly AllowedBot[];
  sessionKey: string;
  agent: (id: string) => Pick<SessionRpc, "accept"> | null;
  db: D1Database | undefined;
  known: KnownRights | undefined;
  now: () => number;
  /** Work that the answer does not wait for; its failure is no failure of the delivery. */
  later: (what: string, work: () => Promise<unknown>) => void;
};

const taken = (outcome: string, why: string | null = null): Ending => ({ status: 202, outcome, why });
const again = (why: string): Ending => ({ status: 500, outcome: "failed", why });

/** Does it. Rejects where a session could not be reached or did not take it. */
export function take(verdict: Verdict, ports: TakePorts): Promise<Ending> {
  switch (verdict.kind) {
    case "ignored":
      return Promise.resolve(taken("ignored", verdict.why));
    case "malformed":
      return Promise.resolve({ status: 400, outcome: "malformed", why: verdict.why });
    case "request":
      return takeRequest(verdict, ports);
    case "checks":
      return takeChecks(verdict, ports);
    case "fan-out":
      return takeEnd(verdict, ports);
  }
}

async function handOver(request: Request, ports: TakePorts): Promise<Accepted> {
  const session = ports.agent(await sessionIdOf(request.thread, ports.sessionKey));
  if (!session) throw new Error("the thread's session id is not one");
  return session.accept(request);
}

async function takeRequest(heard: Heard, ports: TakePorts): Promise<Ending> {
  const { gate } = heard;
  if (gate === null) return endingOf(await handOver(complete(heard, {}, delimiter()), ports));
  const octokit = ports.app.installation(gate.installation);
  const right = await rightIn(gate, octokit, ports);
  if (right.kind === "unsettled") return again(`who may is not known: ${right.why}`);
  if (right.kind === "refused") {
    refuse(heard, gate, octokit, ports);
    return taken("refused", right.why);
  }
  const fetched = await fetchFacts(heard.needs, {
    octokit,
    repository: gate.repository,
    app: ports.app,
    // Our own pull requests are by our bot, whose name nobody else can have.
    mayWrite: async (user) =>
      user.login === `${ports.app.slug}[bot]` || (await rightIn({ ...gate, user }, octokit, ports)).kind === "granted",
    timeoutMs: CALL_MS,
    now: ports.now(),
  });
  if (fetched.kind === "unsettled") return again(`the pull request could not be had: ${fetched.why}`);
  if (fetched.kind === "denied") return taken("ignored", fetched.why);
  const accepted = await handOver(withGap(complete(heard, fetched.facts, delimiter()), fetched.left), ports);
  const { ack } = heard;
  if (accepted.status === "accepted") {
    if (ack) ports.later("reaction", () => react(octokit, gate.repository, ack, "eyes"));
    remember(gate, ports);
  }
  const ending = endingOf(accepted);
  return fetched.left.length === 0 ? ending : { ...ending, why: `without ${fetched.left.join(", ")}` };
}

const endingOf = ({ status, why }: Accepted): Ending => taken(status, why);

/** What marks the ends of other people's text in a prompt: nobody who wrote it could know it. */
const delimiter = (): string => crypto.randomUUID().replaceAll("-", "");

/** Says in a prompt's context what could not be had, so that the agent does not take it for nothing. */
function withGap(request: Request, left: readonly string[]): Request {
  if (request.kind !== "prompt" || left.length === 0) return request;
  const gap = `[errand could not fetch from GitHub in time: ${left.join(", ")}]`;
  return { ...request, context: request.context === undefined ? gap : `${request.context}\n\n${gap}` };
}

function rightIn({ repository, repositoryId, user }: Gate, octokit: Octokit, ports: TakePorts): Promise<Right> {
  return rightOf(user, {
    octokit,
    repository: { id: repositoryId, name: repository },
    allowedBots: ports.allowedBots,
    app: ports.app,
    timeoutMs: CALL_MS,
    now: ports.now(),
    ...(ports.known ? { known: ports.known } : {}),
  });
}

function refuse(heard: Heard, gate: Gate, octokit: Octokit, ports: TakePorts): void {
  const { ack, request } = heard;
  // Only what asked for something is answered: a right that is missing for a tick or an edit shows by nothing happening.
  if (ack) ports.later("reaction", () => react(octokit, gate.repository, ack, "-1"));
  const thread = parseThreadKey(request.thread);
  // A review takes no reactions.
  if ((ack || request.kind === "prompt") && thread?.surface === "github" && mayTell(gate))
    ports.later("refusal", () => tellRefusal(octokit, gate, thread.number, ports.app.slug));
}

/** Repositories of this isolate that D1 has. */
const remembered = new Map<string, number>();

function remember({ repositoryId, installation }: Gate, ports: TakePorts): void {
  const { db } = ports;
  const id = String(repositoryId);
  if (!db || remembered.get(id) === installation) return;
  ports.later("repository", async () => {
    await noteRepository(db, id, installation);
    if (remembered.size > 5_000) remembered.clear();
    remembered.set(id, installation);
  });
}

async function takeChecks(verdict: Extract<Verdict, { kind: "checks" }>, ports: TakePorts): Promise<Ending> {
  const { repository, installation, commit, deliveryId, who, at } = verdict;
  let { numbers } = verdict;
  if (numbers.length === 0) {
    const [owner = "", repo = ""] = repository.fullName.split("/");
    try {
      const { data } = await ports.app
        .installation(installation)
        .request("GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls", { owner, repo, commit_sha: commit, per_page: 30 });
      // A commit stands in every pull request that has it; its checks are news for the one whose head it is.
      numbers = data.filter((pull) => pull.state === "open" && pull.head.sha === commit).map((pull) => pull.number);
    } catch (error) {
      const unsettled = sortCall(error, { app: ports.app, repository: repository.fullName, write: false, now: ports.now() });
      return unsettled.kind === "denied" ? taken("ignored", unsettled.why) : again(unsettled.why);
    }
  }
  if (numbers.length === 0) return taken("ignored", "no open pull request has this commit at its head");
  const native = JSON.stringify({ installation, repository: repository.fullName, private: repository.private });
  const accepted = await Promise.all(
    numbers.slice(0, MOST_PULLS).map((number) => {
      const thread = threadKey({ surface: "github", repository: String(repository.id), number });
      return handOver({ kind: "changed", deliveryId: `${deliveryId}:${number}`, thread, who, at, native }, ports);
    }),
  );
  return taken(strongest(accepted), numbers.length > MOST_PULLS ? `told ${MOST_PULLS} of ${numbers.length} pull requests` : null);
}

const strongest = (accepted: readonly Accepted[]): Accepted["status"] =>
  (["accepted", "duplicate"] as const).find((status) => accepted.some((one) => one.status === status)) ?? "ignored";

/** Tells each session of repositories that cannot be written to any more. */
async function takeEnd(verdict: Extract<Verdict, { kind: "fan-out" }>, ports: TakePorts): Promise<Ending> {
  const { installation, repositories, how, deliveryId, who, at } = verdict;
  const { db } = ports;
  if (!db) return taken("ignored", "there is no registry to find the sessions in");
  const ids = repositories === "all" ? await repositoriesOf(db, installation, MOST_TOLD) : repositories.map(({ id }) => String(id));
  const threads: string[] = [];
  for (let i = 0; i < ids.length && threads.length <= MOST_TOLD; i += AT_ONCE) {
    const found = await Promise.all(ids.slice(i, i + AT_ONCE).map((id) => threadsIn(db, id, MOST_TOLD + 1)));
    threads.push(...found.flat());
  }
  const told = threads.slice(0, MOST_TOLD);
  for (let i = 0; i < told.length; i += AT_ONCE) {
    const batch = told.slice(i, i + AT_ONCE);
    await Promise.all(
      batch.map((thread) => handOver({ kind: "closed", deliveryId: `${deliveryId}:${thread}`, thread, who, at, how }, ports)),
    );
  }
  if (threads.length > told.length) return taken("accepted", `told ${told.length} sessions; there are more`);
  return taken(told.length === 0 ? "ignored" : "accepted", `told ${told.length} sessions`);
}
