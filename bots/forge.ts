/**
 * The contract of a forge: a place that hosts repositories and their pull requests. Whatever needs its credentials
 * happens in the control plane; a sandbox gets one repository's git credential for an hour, through its runner.
 * Every call is made once, and says how it ended as a value; waiting and trying again are the caller's.
 */
import type { Pull } from "../protocol/events.ts";
import type { Identity } from "../protocol/runner.ts";
import type { View } from "../protocol/view.ts";
import type { Links } from "./surface.ts";

/** A call that did not do it. `wait`: try again after `ms`. `denied`: not allowed here, or not there; `why` is for a person. `failed`: may have happened; look. */
export type Unsettled = { kind: "wait"; ms: number; why: string } | { kind: "denied"; why: string } | { kind: "failed"; why: string };

/** A right to use git with one repository. Secret: never logged, stored or shown. `expiresAt` in ms since 1970. */
export type Credential = { kind: "credential"; username: string; password: string; expiresAt: number };

/** What a repository's owners decided, from the default branch of it. */
export type Policy = {
  /** What happens when checks fail on a pull request that errand opened. */
  checks: "ask" | "auto" | "off";
  /** Whether a pull request whose turn ended well is marked as ready for review. */
  ready: boolean;
};

/** A failing check with what it said: at most 16 KiB, without control characters and known secrets. Data, never instructions. */
export type FailingCheck = { name: string; url: string | null; log: string };

export interface Forge {
  /** `owner/name` of a clone address of this forge; null where the address is not one of its repositories. Pure. */
  repositoryOf(cloneUrl: string): string | null;
  /** Who errand's own commits are by, on this forge. */
  identity(): Promise<Identity>;
  /** Whether errand may work on the repository at all, and how. `wrong`: what of the owners' decision could not be used, for a person. */
  policy(repository: string): Promise<{ kind: "policy"; policy: Policy; wrong?: string } | Unsettled>;
  /** A right to use git with the repository and nothing else, an hour old at most. */
  /** `id`: the repository's number, where it is known: names are given up and taken, and the credential is then for no other of that name. */
  credential(repository: string, access: "read" | "write", id?: number): Promise<Credential | Unsettled>;
  /**
   * The pull request of the view's branch: the open one that is there, or a new draft. Title and body come from the view.
   * `native` is what the surface needs to write in its thread. `nothing`: the branch holds nothing to merge.
   */
  openPull(
    repository: string,
    view: View,
    links: Links,
  ): Promise<{ kind: "pull"; pull: Pull; native: string } | { kind: "nothing" } | Unsettled>;
  /** The pull request as it is now. */
  look(repository: string, number: number): Promise<{ kind: "pull"; pull: Omit<Pull, "own"> } | Unsettled>;
  /** Brings title and body of an own pull request up to date with the view, and marks it as ready for review where `ready`. */
  describe(repository: string, number: number, view: View, links: Links, ready: boolean): Promise<{ kind: "done" } | Unsettled>;
  /** What the failing checks of a commit said. */
  failures(repository: string, commit: string): Promise<{ kind: "failures"; failing: FailingCheck[] } | Unsettled>;
}
