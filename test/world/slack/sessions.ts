/** `agents.sessions.*`: the status a thread shows while an agent works on it. The emulator has none of it. */
import type { Json } from "./records.ts";

/** The words Slack takes for a session's status. */
export const SESSION_STATUS = ["processing", "active", "suspended", "closed"] as const;
/** One of `SESSION_STATUS`. */
export type SessionStatus = (typeof SESSION_STATUS)[number];

/** A session of a thread. `since` is when the status was set, in ms. `processing` shows a status line and a Stop button. */
export interface AgentSession {
  channel: string;
  threadTs: string;
  status: SessionStatus;
  title: string | undefined;
  since: number;
}

/** How long `processing` holds without being renewed, in ms; reported of the real Slack. */
export const PROCESSING_LAPSES_MS = 3_600_000;

const key = (channel: string, threadTs: string) => `${channel}:${threadTs}`;

/** Makes the table of sessions, starting from what was kept. */
export function makeSessions(now: () => number, kept: AgentSession[], changed: (session: AgentSession) => void) {
  const sessions = new Map(kept.map((session) => [key(session.channel, session.threadTs), session]));
  const put = (session: AgentSession) => {
    sessions.set(key(session.channel, session.threadTs), session);
    changed(session);
  };
  return {
    /** All sessions, for keeping. */
    all: (): AgentSession[] => [...sessions.values()],
    /** The session of a thread; one that was left on `processing` for an hour reads `active`. */
    of(channel: string, threadTs: string): AgentSession | undefined {
      const session = sessions.get(key(channel, threadTs));
      const lapsed = session?.status === "processing" && now() - session.since > PROCESSING_LAPSES_MS;
      return session && lapsed ? { ...session, status: "active" } : session;
    },
    /** Answers `agents.sessions.setStatus` and `agents.sessions.rename`; undefined for any other method. */
    call(method: string, args: Json, known: (channel: string) => boolean): Json | undefined {
      if (method !== "agents.sessions.setStatus" && method !== "agents.sessions.rename") return undefined;
      const { channel_id: channel, thread_ts: threadTs, title } = args;
      if (typeof channel !== "string" || !known(channel)) return { ok: false, error: "channel_not_found" };
      if (typeof threadTs !== "string" || !/^\d+\.\d+$/.test(threadTs)) return { ok: false, error: "invalid_thread_ts" };
      if (title !== undefined && (typeof title !== "string" || title.length > 200)) return { ok: false, error: "invalid_arguments" };
      const old = sessions.get(key(channel, threadTs));
      if (method === "agents.sessions.rename") {
        if (!old || title === undefined) return { ok: false, error: old ? "invalid_arguments" : "session_not_found" };
        put({ ...old, title });
        return { ok: true };
      }
      const status = SESSION_STATUS.find((word) => word === args.status);
      if (!status) return { ok: false, error: "invalid_arguments" };
      // A title counts only when the session is made; later there is `rename`.
      put({ channel, threadTs, status, title: old ? old.title : title, since: now() });
      return { ok: true };
    },
  };
}
