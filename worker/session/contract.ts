/** What the Worker's routes may ask of a SessionAgent (RPC), so that routes need not know how it is made. */
import type { Service } from "../../protocol/grant.ts";
import type { Request as Ask } from "../../protocol/request.ts";
import type { View } from "../../protocol/view.ts";
import type { SessionUse } from "./model-calls.ts";

/** `accepted`: on disk, will be handled. `duplicate`: was here already. `ignored`: nothing to do, and why (such as a reply in a thread without a session). */
export type Accepted = { status: "accepted" | "duplicate" | "ignored"; why: string | null };

/**
 * Whether a service can be opened now, and at which origin of the sandbox's gateway. `starting`: the sandbox was woken; ask again. `silent`: it runs,
 * and nothing answers on that port yet.
 */
export type Opening =
  | { state: "ready"; origin: string }
  | { state: "starting"; view: View }
  | { state: "silent"; view: View }
  | { state: "unavailable"; reason: string }
  | { state: "unknown" };

/** Whose session it is: what decides who may see and use it. Ids of people as in `Person`. `repository` as in the view. */
export type Whose = { thread: string; repository: string | null; began: string | null; members: string[]; closed: boolean };

/** Why the model is not called. `action` and `cap` where a cap of the installation is reached. */
export type ModelRefusal = {
  ok: false;
  status: 401 | 402 | 403 | 410 | 429;
  code: "invalid_token" | "budget_reached" | "no_turn" | "turn_stopped" | "generation_ended" | "too_many_at_once";
  why: string;
  action?: string;
  cap?: string;
};
/** A call of the model that may be made, by its number in the session. */
export type ModelCall = { ok: true; call: number } | ModelRefusal;
/** What one call used, in tokens, by the provider's word; `estimated`: the provider said nothing. `cached` is part of `prompt`. */
export type CallUsage = { prompt: number; cached: number; completion: number; estimated: boolean };

export interface SessionRpc {
  /** Returns only after the request is durable. Throws if it could not be stored: then the sender must try again. */
  accept(request: Ask): Promise<Accepted>;
  /** From now on what is said in this object's thread goes to the session `to`. False where it has a session of its own. */
  lead(to: string): Promise<boolean>;
  /** Another session works on the same branch; both say so in their threads, once. */
  meet(other: string): Promise<void>;
  /** The user whom this person of Slack is linked to, or what that user has linked, has changed: what waits for that is asked again. */
  linked(person: string): Promise<void>;
  /** Null where no session has been started under this id. */
  snapshot(): Promise<{ n: number; view: View } | null>;
  /** Null where no session has been started under this id. */
  whose(): Promise<Whose | null>;
  /** Wakes the sandbox if `wake`, and tells whether the service can be opened. `port`: of a preview, which needs one. */
  open(service: Service, wake: boolean, port?: number): Promise<Opening>;
  /** Whether the token is one of a sandbox that may call the model for this session. Counts nothing. */
  allowModelCall(token: string): Promise<{ ok: true; generation: number } | ModelRefusal>;
  /** Begins a call of the model and counts it, or says why there can be none. */
  beginModelCall(token: string): Promise<ModelCall>;
  /** Resolves with the reason once a call must not go on. Rejects where the object ends meanwhile: then it is asked again. */
  modelCallOver(call: number): Promise<string>;
  /** A call has ended, and used so much; null: nothing. Counted once, however often it is told. */
  endModelCall(call: number, usage: CallUsage | null): Promise<void>;
  /** What the session used of the model; null where there is no session. */
  modelUse(): Promise<SessionUse | null>;
  /** Events after a number, at most `limit`, oldest first. */
  eventsAfter(n: number, limit: number): Promise<{ n: number; event: unknown }[]>;
}
