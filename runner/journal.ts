/**
 * What a restarted runner must know: which commands were taken, what of them is not carried out yet, which turn runs and
 * how recent turns ended. One small JSON file in `<home>/.errand/`, replaced as a whole, kept with the agent's home over
 * sandboxes. It holds no secret: prompts are in OpenCode's own transcript beside it.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { Failure } from "../protocol/events.ts";
import { Command } from "../protocol/runner.ts";

/** How many finished turns are remembered, for a prompt that comes again because its outcome was lost. */
const FINISHED_KEPT = 20;

const Prompt = Command.options[0];
export type Prompt = z.infer<typeof Prompt>;

export const ActiveTurn = z.object({
  prompt: Prompt,
  session: z.string().nullable(),
  /** Id of the last message before the prompt, and when it was given (epoch ms); null before it was given. */
  given: z.object({ after: z.string().nullable(), at: z.number() }).nullable(),
  /** How often OpenCode had to be prompted to go on. */
  deaths: z.number().int().nonnegative(),
  /** Answers given so far to a request with several questions. */
  answers: z.record(z.string(), z.array(z.array(z.string()))),
});
export type ActiveTurn = z.infer<typeof ActiveTurn>;

export const FinishedTurn = z.object({
  turn: z.number().int().positive(),
  session: z.string().nullable(),
  given: z.object({ after: z.string().nullable(), at: z.number() }).nullable(),
  outcome: z.enum(["done", "failed", "stopped"]),
  failure: Failure.optional(),
  /** Whether the SessionAgent is known to have the outcome. */
  told: z.boolean(),
});
export type FinishedTurn = z.infer<typeof FinishedTurn>;

export const Journal = z.object({
  version: z.literal(1),
  session: z.string(),
  /** Generation that wrote it last: a newer one waits to be told before it goes on with the turn. */
  generation: z.number().int(),
  /** Highest command number taken. */
  applied: z.number().int().nonnegative(),
  openCodeSession: z.string().nullable(),
  /** How long the boot of a generation took, ms. */
  ready: z.object({ generation: z.number().int(), ms: z.number() }).nullable(),
  /** Prompts that wait, and other commands that were taken but perhaps not carried out. `begun`: it may have been. */
  pending: z.array(z.object({ seq: z.number().int(), command: Command, begun: z.boolean() })),
  active: ActiveTurn.nullable(),
  finished: z.array(FinishedTurn),
  /** The last commit of which the SessionAgent is known to have heard that it was pushed. */
  pushed: z.string().nullable().default(null),
});
export type Journal = z.infer<typeof Journal>;

/** The journal of a session that never ran here. */
export function emptyJournal(session: string): Journal {
  return {
    ...({ version: 1, session, generation: 0, applied: 0 } as const),
    ...{ openCodeSession: null, ready: null, pending: [], active: null, finished: [], pushed: null },
  };
}

/** Reads a journal's text; one of another session, or one that is damaged, counts as none. */
export function parseJournal(text: string, session: string): Journal {
  try {
    const journal = Journal.parse(JSON.parse(text));
    return journal.session === session ? journal : emptyJournal(session);
  } catch {
    return emptyJournal(session);
  }
}

/** A turn's end: no longer active, remembered among the newest. */
export function withFinished(journal: Journal, finished: FinishedTurn): Journal {
  const others = journal.finished.filter((turn) => turn.turn !== finished.turn);
  return {
    ...journal,
    active: journal.active?.prompt.turn === finished.turn ? null : journal.active,
    finished: [...others, finished].slice(-FINISHED_KEPT),
  };
}

/** Where the journal lies. */
export type JournalFile = {
  read: () => Journal;
  /** Writes it durably. False when the disk does not take it; the runner then works from memory. */
  write: (journal: Journal) => boolean;
};

/** The journal's file for a session. */
export function journalFile(home: string, session: string, log: (message: string) => void): JournalFile {
  const folder = join(home, ".errand");
  const path = join(folder, "runner.json");
  return {
    read: () => {
      try {
        return parseJournal(readFileSync(path, "utf8"), session);
      } catch {
        return emptyJournal(session);
      }
    },
    write: (journal) => {
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const temporary = `${path}.new`;
        const file = openSync(temporary, "w", 0o600);
        try {
          writeSync(file, JSON.stringify(journal));
          fsyncSync(file);
        } finally {
          closeSync(file);
        }
        renameSync(temporary, path);
        return true;
      } catch (error) {
        log(`journal: ${error instanceof Error ? error.message : String(error)}`);
        return false;
      }
    },
  };
}

/** Whether the turn that ended last was stopped after the agent had got its prompt. */
export function wasStopped(journal: Journal): boolean {
  const last = journal.finished.at(-1);
  return last !== undefined && last.outcome === "stopped" && last.given !== null;
}
