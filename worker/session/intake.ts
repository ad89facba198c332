/** Takes in what comes from outside: each request is handled once, tried again where a fault of ours kept it from being handled, and never lost. */
import type { Request } from "../../protocol/request.ts";
import type { Conversation } from "./conversation.ts";
import type { Inbox } from "./inbox.ts";
import type { Log } from "./log.ts";
import type { Members } from "./members.ts";
import type { PullCare } from "./pull-care.ts";

/** A request that could not be handled is tried this often before the thread is told. */
const REQUEST_TRIES = 5;
/** More events than one request makes. */
const MOST_OF_A_REQUEST = 50;

export type IntakePorts = {
  now: () => number;
  /** Whether what this person says has to be admitted before it begins. */
  concerns: (person: string) => boolean;
  /** Makes the session's tables where there are none. Inside a transaction. */
  begin: () => void;
  /** Does work that writes, as a whole or not at all. Throws what the work throws. */
  transaction: <T>(work: () => T) => T;
  fault: (what: string, error: unknown) => void;
};

type Parts = { inbox: Inbox; log: Log; members: Members; conversation: Conversation; pullCare: PullCare };

export class Intake {
  readonly #parts: Parts;
  readonly #ports: IntakePorts;

  constructor(parts: Parts, ports: IntakePorts) {
    this.#parts = parts;
    this.#ports = ports;
  }

  /** Handles a request, or keeps it for later. Whether it is a new one. Throws where not even that could be stored. */
  take(request: Request): boolean {
    const now = this.#ports.now();
    const store = (work: () => void) =>
      this.#ports.transaction(() => {
        this.#ports.begin();
        const fresh = this.#parts.inbox.isNew(request, now);
        if (fresh) work();
        return fresh;
      });
    try {
      return store(() => this.#handle(request));
    } catch (error) {
      // A fault of ours, and no reason to lose what was said.
      this.#ports.fault("request", error);
      return store(() => this.#parts.inbox.keep(request, now));
    }
  }

  /** Tries again what could not be handled. In the end that is said, not lost. */
  drain(now: number): void {
    const { inbox, conversation } = this.#parts;
    for (const { id, request, tries } of inbox.kept(now)) {
      try {
        this.#ports.transaction(() => {
          if (tries >= REQUEST_TRIES) conversation.giveUp(request);
          else this.#handle(request);
          inbox.done(id);
        });
      } catch (error) {
        inbox.failed(id, now);
        this.#ports.fault("request", error);
      }
    }
  }

  #handle(request: Request): void {
    const { log, members, conversation, pullCare } = this.#parts;
    const before = log.last();
    conversation.handle(request);
    // Who has to be admitted first is a member from then on.
    for (const { event } of log.after(before, MOST_OF_A_REQUEST))
      if (event.type === "turn.queued" && !this.#ports.concerns(event.who.id)) members.add(event.who.id);
    // Whatever was said may come with a change of the pull request: what it is now is asked, not believed.
    if (request.kind === "changed" || request.kind === "closed") pullCare.changed();
  }
}
