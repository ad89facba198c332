/** The gateway's sessions for a gateway that lets everybody in, as whoever came last: what the check costs is the difference. */
import { type Session, type Sessions, createSessions as withCheck } from "../../../../gateway/sessions.ts";

export * from "../../../../gateway/sessions.ts";

export function createSessions(deps: Parameters<typeof withCheck>[0]): Sessions {
  const sessions = withCheck(deps);
  const newest = new Map<string, Session | undefined>();
  return {
    ...sessions,
    open(guest, opens, until) {
      const value = sessions.open(guest, opens, until);
      newest.set(opens.service, sessions.find(opens, value));
      return value;
    },
    find: ({ service }) => newest.get(service),
  };
}
