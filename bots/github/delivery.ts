/** What every kind of delivery is read with: who is meant by it, where it belongs, and how it is refused. Pure. */
import type * as z from "zod";
import { type Person, Request } from "../../protocol/request.ts";
import { threadKey } from "../../protocol/thread.ts";
import type { Account, Told } from "./events.ts";
import type { Gate, Heard, Needs, Self, Verdict } from "./verdict.ts";

/** One delivery: the event's name, the GUID that GitHub keeps across redeliveries, and the body. */
export type Delivery = { event: string; action: string; id: string; payload: unknown; self: Self };

/** What a handler makes of a delivery. */
export type Handler = (delivery: Delivery) => Verdict;

export const ignored = (why: string): Verdict => ({ kind: "ignored", why });
export const malformed = (error: z.ZodError): Verdict => ({
  kind: "malformed",
  why: error.issues
    .map((issue) => `${issue.path.join(".")}: ${issue.message}`)
    .join("; ")
    .slice(0, 500),
});

/** A handler of what has this form; what has not is malformed. */
export function reads<Schema extends z.ZodType>(schema: Schema, take: (told: z.output<Schema>, delivery: Delivery) => Verdict): Handler {
  return (delivery) => {
    const told = schema.safeParse(delivery.payload);
    return told.success ? take(told.data, delivery) : malformed(told.error);
  };
}

/** A person as the session core has them, with the address that GitHub ties to the account. */
export function personOf({ id, login }: { id: number; login: string }): Person {
  return { id: `github:${id}`, name: login, email: `${id}+${login}@users.noreply.github.com` };
}

/** The form of an account that the gate takes. */
export const accountOf = (user: { id: number; login: string; type?: string | undefined } | null | undefined): Account | null =>
  user ? { id: user.id, login: user.login, type: user.type ?? "" } : null;

export const isUs = (user: { login: string; type?: string | undefined } | null | undefined, self: Self): boolean =>
  user?.type === "Bot" && user.login.toLowerCase() === `${self.slug}[bot]`.toLowerCase();

/** Why what this sender says is no request; null for people, and for bots that may ask. */
export function notHeard(
  sender: Account,
  written: { performed_via_github_app?: { id: number } | null | undefined },
  self: Self,
): string | null {
  if (isUs(sender, self) || String(written.performed_via_github_app?.id) === self.appId) return "our own doing";
  if (sender.type === "User") return null;
  const allowed = self.allowedBots?.some(({ id, login }) => id === sender.id && login.toLowerCase() === sender.login.toLowerCase());
  return allowed ? null : `the sender is no person (${sender.type.slice(0, 20) || "no type"})`;
}

type About = Told["repository"];

/** What all requests of a delivery have in common. */
export function base(about: About, number: number, at: number, delivery: Delivery) {
  const { installation, repository, sender } = about;
  return {
    deliveryId: delivery.id,
    thread: threadKey({ surface: "github", repository: String(repository.id), number }),
    who: personOf(sender),
    at,
    native: JSON.stringify({ installation: installation.id, repository: repository.full_name, private: repository.private }),
  };
}

export function gateOf({ installation, repository, sender }: About): Gate {
  return {
    installation: installation.id,
    repositoryId: repository.id,
    repository: repository.full_name,
    private: repository.private,
    user: sender,
  };
}

type NamedPulls = readonly { number: number; base?: { repo?: { id: number } | null | undefined } | null | undefined }[];

/** The numbers of those pull requests that ask to merge into this repository: others have numbers of their own. */
export const pullsHere = (pulls: NamedPulls | null | undefined, repository: { id: number }): number[] =>
  (pulls ?? []).filter(({ base }) => base?.repo == null || base.repo.id === repository.id).map(({ number }) => number);

const nothing = (at: number): Needs => ({ pull: null, author: null, reviews: null, comments: null, at });

/** Passes a request only in the form the session core takes. What is not said besides is not needed. */
export function heard(candidate: Request, rest: Partial<Omit<Heard, "kind" | "request">> = {}): Verdict {
  const parsed = Request.safeParse(candidate);
  if (!parsed.success) return malformed(parsed.error);
  return { kind: "request", request: parsed.data, gate: null, needs: nothing(candidate.at), ack: null, seen: null, ...rest };
}
