/** Where a session works: its repository, its branch and the pull request it goes on with, chosen by what people ask. Synchronous, inside the request's transaction. */
import { type AgentEvent, EVENTS_VERSION } from "../../protocol/events.ts";
import type { Options, Request } from "../../protocol/request.ts";
import type { Settings } from "../settings.ts";
import { branchName, placeOf } from "./beginning.ts";
import type { Log } from "./log.ts";
import { isOpen, type Pulls } from "./pulls.ts";
import { isSameRepository } from "./repository.ts";
import type { Turns } from "./turns.ts";
import { type Voice, whereOf } from "./voice.ts";

export type PromptRequest = Extract<Request, { kind: "prompt" }>;

export type WorkplacePorts = {
  sessionId: () => string;
  settings: Settings;
  /** The next turn is to get a sandbox that is started anew. */
  renewSandbox: () => void;
};

/** Commits of a stranger run with the repository's rights once they are on a branch of it: a forge keeps those of a fork from its secrets. */
const STRANGERS = " Nothing is pushed until somebody who may write here agrees.";

export class Workplace {
  readonly #parts: { log: Log; turns: Turns; pulls: Pulls; voice: Voice };
  readonly #ports: WorkplacePorts;

  constructor(parts: { log: Log; turns: Turns; pulls: Pulls; voice: Voice }, ports: WorkplacePorts) {
    this.#parts = parts;
    this.#ports = ports;
  }

  /**
   * Where the work is to happen, when a request names a place. As long as there is no workspace, since the repository or
   * branch named before does not exist, another one may be named. Returns why the request is not taken, or null.
   */
  choose({ repository, branch }: Options, at: number): string | null {
    const { log, turns, pulls } = this.#parts;
    const view = log.view();
    const differs = repository !== undefined && !isSameRepository(repository, view.repository, this.#ports.settings.REPOSITORY_BASE_URL);
    // What was done on an earlier branch stands in the log, which whoever may write to the other repository could read.
    const movable = view.base === null && pulls.get().before === 0 && turns.open().length === 0;
    if (differs && !movable) {
      const here = view.repository === null ? "an empty repository" : `\`${view.repository}\``;
      return `Not taken: this thread works on ${here}, and a thread has one workspace. To work on \`${repository}\`, mention me in a new thread.`;
    }
    if (differs) log.append([{ type: "session.repository", at, repository, base: null }]);
    if (movable && (differs || branch !== undefined)) this.#ports.renewSandbox();
    return null;
  }

  /** The first request of a session: it begins where that says. */
  begin(request: PromptRequest, at: number): void {
    const { settings } = this.#ports;
    const { log, pulls, voice } = this.#parts;
    const id = this.#ports.sessionId();
    const defaults = { repository: settings.DEFAULT_REPOSITORY, base: settings.REPOSITORY_BASE_URL };
    const { repository, branch, pull } = placeOf(request, id, defaults);
    const created: AgentEvent = {
      type: "session.created",
      version: EVENTS_VERSION,
      at,
      id,
      thread: request.thread,
      who: request.who,
      repository,
      branch,
      model: settings.MODEL_NAME ?? "no model set",
    };
    log.append([created]);
    if (!pull || repository === null) return;
    const head = pull.fork === null ? null : `refs/pull/${pull.number}/head`;
    pulls.set({ start: { head, base: pull.base, distrusted: pull.distrusted, withheld: pull.distrusted }, look: pull.fork === null });
    if (pull.fork !== null) {
      const text = `\`${pull.fork}\` is a fork, where errand can't push. It works on a copy: what it changes goes to the branch \`${branch}\` of \`${repository}\`, with a pull request of its own.${pull.distrusted ? STRANGERS : ""}`;
      return voice.note("fork", text, request.who, { turn: null, cause: request.deliveryId, where: whereOf(request) });
    }
    const { number, url, title, base, commit } = pull;
    const none = { additions: 0, deletions: 0, files: 0, checks: { state: "none" as const, failing: [] } };
    const state = pull.draft ? "draft" : "open";
    log.append([
      {
        type: "pull.changed",
        at,
        pull: { repository, number, thread: request.thread, url, title, state, branch, base, commit, ...none, own: false },
      },
    ]);
  }

  /** Somebody who may write agreed: what was withheld is pushed by the next turn, in a sandbox that may. */
  agree(): void {
    const { pulls } = this.#parts;
    const { start } = pulls.get();
    if (!start?.withheld) return;
    pulls.set({ start: { ...start, withheld: false } });
    this.#ports.renewSandbox();
  }

  /** What the branch was for is merged or closed: the work goes on on a new one, or on its own again where that was not merged. */
  goOn(request: PromptRequest | undefined, at: number): void {
    const { log, pulls, turns } = this.#parts;
    const { pull, branch, base } = log.view();
    if (!pull || isOpen(pull) || turns.running()) return;
    const again = pull.own && pull.state === "closed";
    pulls.restart(!again);
    if (again) return void log.append([{ type: "session.branch", at, branch, base }]);
    const what = { number: request?.about?.number ?? pull.number, title: request?.about?.title ?? pull.title };
    const next = branchName(what, this.#ports.sessionId(), pulls.get().before);
    log.append([{ type: "session.branch", at, branch: next, base: null }]);
    this.#ports.renewSandbox();
  }
}
