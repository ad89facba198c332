/**
 * What pages and programs get of a session, over WebSocket and over SSE, and what they may send.
 *
 *   GET /api/sessions/<id>/events?after=<n>   WebSocket upgrade, or `accept: text/event-stream`; `Last-Event-ID` counts as `after`
 *
 * First a `snapshot` (or, with `after`, the events after that number), then changes as they come. To resume, pass the
 * highest `n` seen. `live` carries text in progress: it has no number, and a later `text.done` replaces it.
 */
import * as z from "zod";
import type { SessionEvent } from "./events.ts";
import { MAX_PROMPT, Options } from "./request.ts";
import type { View } from "./view.ts";

/** The most events sent in one frame. */
export const EVENTS_PER_FRAME = 200;

export type ToClient =
  | { t: "snapshot"; n: number; view: View }
  | { t: "events"; events: { n: number; event: SessionEvent }[] }
  | { t: "live"; event: SessionEvent }
  | { t: "error"; message: string };

/** What a client may send over the WebSocket; the same bodies work by POST. */
export const FromClient = z.discriminatedUnion("t", [
  z.object({ t: z.literal("prompt"), id: z.string().min(1).max(100), text: z.string().min(1).max(MAX_PROMPT) }),
  z.object({ t: z.literal("stop"), id: z.string().min(1).max(100), turn: z.number().int().positive().optional() }),
  z.object({
    t: z.literal("answer"),
    id: z.string().min(1).max(100),
    ask: z.string().max(200),
    choice: z.string().max(500).optional(),
    text: z.string().max(MAX_PROMPT).optional(),
  }),
  /** Take what errand offered to do next; the newest offer unless one is named. */
  z.object({ t: z.literal("take"), id: z.string().min(1).max(100), offer: z.string().min(1).max(200).optional() }),
]);
export type FromClient = z.infer<typeof FromClient>;

/** Body of `POST /api/sessions`. `id` makes it safe to send twice: the same id is the same session. An unknown field is a mistake, not left out. */
export const CreateSession = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9]{8,64}$/, "8 to 64 lower-case letters and digits")
    .optional(),
  text: z.string().trim().min(1, "say what is to be done").max(MAX_PROMPT).optional(),
  options: z.strictObject(Options.shape).optional(),
});
export type CreateSession = z.infer<typeof CreateSession>;
