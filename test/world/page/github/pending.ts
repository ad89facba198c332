/**
 * Comments of reviews that are not yet submitted, each person's own for each pull request. GitHub keeps them on its side; here the page
 * does, since the REST API can begin a review but cannot add to one.
 */
import type { Side } from "./diff.ts";

/** A comment that is written but not yet submitted. */
export interface PendingComment {
  id: string;
  path: string;
  line: number;
  side: Side;
  body: string;
}

/** The most comments of one review. */
const MOST = 100;

/** Keeps pending comments in memory. `key` is made of person, repository and number. */
export function makePending(newId: () => string) {
  const kept = new Map<string, PendingComment[]>();
  return {
    of: (key: string): readonly PendingComment[] => kept.get(key) ?? [],
    /** Adds one; false where there are too many. */
    add(key: string, comment: Omit<PendingComment, "id">): boolean {
      const list = kept.get(key) ?? [];
      if (list.length >= MOST) return false;
      kept.set(key, [...list, { ...comment, id: newId() }]);
      return true;
    },
    remove(key: string, id: string) {
      kept.set(
        key,
        (kept.get(key) ?? []).filter((comment) => comment.id !== id),
      );
    },
    clear: (key: string) => void kept.delete(key),
  };
}

/** See `makePending`. */
export type Pending = ReturnType<typeof makePending>;
