/** Who may see, prompt, watch and drive a session, and who may administer: the one decision, from facts. Pure. docs/security.md says it for people. */

/**
 * `see`: the session's page and log. `prompt`: say something in it. `watch`: look on at its sandbox's desktop and terminal, without input. `drive`: use its sandbox. `administer`: set
 * up this installation and read its audit log.
 */
export type Right = "see" | "prompt" | "watch" | "drive" | "administer";

/** What somebody may do in a repository on the forge, by the forge's own word. `unknown`: it was not said, so it counts for nothing. */
export type Permission = "none" | "read" | "write" | "admin" | "unknown";

/** The person who asks. */
export type Who = {
  /** The machine's owner, by loopback. */
  owner: boolean;
  role: "admin" | "member";
  /** Every id the person is known by: the user's own, and those of linked accounts (`user:<id>`, `github:<id>`, `slack:<team>:<user>`). */
  people: readonly string[];
  /** Whether an account of the forge is linked, so that it can be asked. */
  onForge: boolean;
  /** The person said that they use an admin's power, for this session and now. */
  asAdmin: boolean;
  /** A program asks with a key of theirs, which goes no further than this; null: they ask themselves. */
  scope: "read" | "prompt" | null;
};

/** The session it is about. */
export type About = {
  /** Where it was begun. */
  surface: "slack" | "github" | "page";
  /** The repository on the forge that it works in; null where it has none, or one elsewhere. */
  repository: { name: string; visibility: "public" | "private" | "unknown"; permission: Permission } | null;
  /** Ids of the person who began it, and of everybody whose requests it took. */
  began: string | null;
  members: readonly string[];
  /** Its conversation has ended; a prompt begins it again. */
  closed: boolean;
};

export type Facts = { who: Who; session: About | null };

/** By what somebody may. */
export type By = "owner" | "admin" | "repository" | "public" | "member" | "began";
export type Refusal = {
  ok: false;
  /** Stable, for programs. */
  code:
    | "no_session"
    | "not_admin"
    | "no_access"
    | "not_member"
    | "read_only"
    | "see_only"
    | "watch_only"
    | "not_linked"
    | "not_known"
    | "key_scope"
    | "closed";
  /** For the person: why, and what would help. */
  why: string;
};
export type Decision = { ok: true; by: By } | Refusal;

const yes = (by: By): Decision => ({ ok: true, by });
const no = (code: Refusal["code"], why: string): Refusal => ({ ok: false, code, why });

const reads = (permission: Permission): boolean => permission === "read" || writes(permission);
const writes = (permission: Permission): boolean => permission === "write" || permission === "admin";

const ORDINARY: Record<Exclude<Right, "administer">, (who: Who, session: About) => Decision> = {
  see: maySee,
  watch: mayWatch,
  prompt: (who, session) => mayAct("prompt", who, session),
  drive: (who, session) => mayAct("drive", who, session),
};

/** Whether a person may. Whatever is not known is a no. */
export function mayThey(right: Right, facts: Facts): Decision {
  const { who, session } = facts;
  if (who.owner) return yes("owner");
  const beyond = beyondKey(right, who.scope);
  if (beyond) return beyond;
  if (right === "administer")
    return who.role === "admin" ? yes("admin") : no("not_admin", "Only admins of this errand may do that. Ask one of them.");
  if (!session) return no("no_session", "There is no session to decide about.");
  const ordinary = ORDINARY[right](who, session);
  const decision = !ordinary.ok && who.asAdmin && who.role === "admin" ? yes("admin") : ordinary;
  const offers = decision.ok || decision.code === "watch_only";
  if (offers && session.closed && (right === "watch" || right === "drive"))
    return no(
      "closed",
      "This session’s conversation has ended, so its sandbox is not started again for a look. Saying something in it begins it again.",
    );
  return decision;
}

/** What no key of that scope opens, whatever its person may. */
function beyondKey(right: Right, scope: Who["scope"]): Refusal | null {
  if (scope === null || right === "see" || (right === "prompt" && scope === "prompt")) return null;
  if (right === "prompt") return no("key_scope", "This key may read and not prompt. Make one that may at /account/keys.");
  if (right === "administer") return no("key_scope", "A key has no admin’s power. Sign in to do that.");
  return no("key_scope", "A key opens no sandbox. Open the link in a browser, signed in.");
}

const isMember = (who: Who, session: About): boolean => session.members.some((member) => who.people.includes(member));

function maySee(who: Who, session: About): Decision {
  const { repository, surface } = session;
  if (!repository) {
    return isMember(who, session) ? yes("member") : no("not_member", "Only those who asked for something in this session may see it.");
  }
  const { permission, visibility, name } = repository;
  if (surface === "slack") {
    // Who may read the repository need not be in the channel; who may write to it could have asked for the same work.
    if (isMember(who, session)) return yes("member");
    if (writes(permission)) return yes("repository");
    if (permission === "unknown") return unknown(who, name);
    return no(
      "not_member",
      `This session belongs to a Slack thread: those who asked in it may see it, and those who may write to ${name}.`,
    );
  }
  // Asking on GitHub or on the page takes write access, so having asked adds nothing to it: who lost the access has lost the session.
  if (reads(permission)) return yes("repository");
  if (visibility === "public") return yes("public");
  if (permission === "unknown") return unknown(who, name);
  return no("no_access", `This session works in ${name}, which your GitHub account may not read.`);
}

/**
 * A screen shows more than a session's page does: what the environment holds, files that were never committed. So it takes a right of one's own to look
 * at one, and that a repository is public gives nobody one.
 */
function mayWatch(who: Who, session: About): Decision {
  const seen = maySee(who, session);
  if (!seen.ok || seen.by !== "public" || !session.repository) return seen;
  const { permission, name } = session.repository;
  if (permission === "unknown") return unknown(who, name);
  return no(
    "see_only",
    `You may see this session, since ${name} is public. Its desktop and terminal show more than its page does, so looking on takes read access of your own there, and using its sandbox write access.`,
  );
}

function mayAct(right: "prompt" | "drive", who: Who, session: About): Decision {
  const { repository } = session;
  if (!repository) {
    if (session.began !== null && who.people.includes(session.began)) return yes("began");
    if (!isMember(who, session)) return no("not_member", "Only those who asked for something in this session may see it.");
    const only = "This session works in no repository on GitHub that could say who may, so only the person who began it may.";
    return right === "prompt"
      ? no("read_only", only)
      : no("watch_only", `${only} You may look on, without input: at its desktop and its terminal.`);
  }
  const { permission, name } = repository;
  if (writes(permission)) return yes("repository");
  if (permission === "unknown") return unknown(who, name);
  const seen = maySee(who, session);
  if (!seen.ok) return seen;
  if (right === "prompt") return no("read_only", `You may see this session, but saying something in it takes write access to ${name}.`);
  const watched = mayWatch(who, session);
  return watched.ok
    ? no(
        "watch_only",
        `Using this session’s sandbox takes write access to ${name}. You may look on, without input: at its desktop and its terminal.`,
      )
    : watched;
}

function unknown(who: Who, repository: string): Refusal {
  if (!who.onForge)
    return no(
      "not_linked",
      `What you may do here follows from your rights in ${repository} on GitHub, and no GitHub account of yours is linked. Link one on your account page (/account) and come back.`,
    );
  return no(
    "not_known",
    `GitHub did not say what you may do in ${repository}, so nothing is opened meanwhile. Try again in a minute; if it stays so, sign in with GitHub again.`,
  );
}
