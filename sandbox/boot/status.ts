/**
 * What the supervisor tells the backend: lines of JSON on its standard output. Its standard error is the sandbox's log.
 * Processes of the agent could write there too, so the backend takes it as a report, never as an instruction.
 */
import { z } from "zod";

export const Status = z.discriminatedUnion("t", [
  /** The gateway listens. */
  z.object({ t: z.literal("up") }),
  /** The supervisor is ending; the last line. */
  z.object({ t: z.literal("end"), reason: z.string().max(2_000) }),
]);
export type Status = z.infer<typeof Status>;

/** Reads one line, or returns null where it is not a status. */
export function parseStatus(line: string): Status | null {
  try {
    return Status.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
