/**
 * What is kept in D1: the registry of sessions, what is known of GitHub beyond one session, and the people who sign in. The truth about a
 * session is in its object, so a row about it that is late or missing costs a line in a list, or an end that is not told, and nothing more.
 * Of people, D1 is the truth: where it cannot be read, nobody is recognised. Every time is in ms since 1970.
 */
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

export const sessions = sqliteTable(
  "sessions",
  {
    id: text().primaryKey(),
    /** The thread key it was started in. */
    thread: text().notNull(),
    surface: text({ enum: ["slack", "github", "page"] }).notNull(),
    repository: text(),
    /** The branch it works on, once there is a workspace. */
    branch: text(),
    title: text().notNull(),
    /** Milliseconds since 1970. */
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** State of its newest turn, as in the view. */
    state: text().notNull(),
    /** Its conversation has ended. */
    closed: integer({ mode: "boolean" }).notNull().default(false),
  },
  (table) => [
    index("sessions_by_update").on(table.updatedAt),
    index("sessions_by_thread").on(table.thread),
    index("sessions_by_branch").on(table.repository, table.branch),
  ],
);

export type SessionRow = typeof sessions.$inferSelect;

/** Who asked for something in a session, for the list that somebody sees. The truth is in the session's object. */
export const sessionMembers = sqliteTable(
  "session_members",
  {
    /** Id of a person as in a request: `slack:<team>:<user>`, `github:<id>`, `user:<id>`. */
    person: text().notNull(),
    session: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.person, table.session] })],
);

/** Registrations of a GitHub App that were begun and not ended: each belongs to one browser, works once, and not for long. */
export const registrations = sqliteTable("registrations", {
  /** Hashes of the state that GitHub hands back, and of the cookie of the browser that began. */
  state: text().primaryKey(),
  browser: text().notNull(),
  /** Where the App's webhooks go. */
  webhook: text().notNull(),
  /** Milliseconds since 1970. */
  expiresAt: integer("expires_at").notNull(),
});

export type Registration = typeof registrations.$inferSelect;

/** Which installation of the GitHub App covers a repository in which something was asked: an installation that ends names no repositories. */
export const githubRepositories = sqliteTable(
  "github_repositories",
  {
    /** GitHub's id of the repository, as in a thread key. */
    id: text().primaryKey(),
    installation: integer().notNull(),
  },
  (table) => [index("github_repositories_by_installation").on(table.installation)],
);

/** How far GitHub's log of deliveries has been read: one row. */
export const githubSweep = sqliteTable("github_sweep", {
  id: integer().primaryKey(),
  /** When it was last begun, ms since 1970. */
  begunAt: integer("begun_at").notNull(),
  /** The newest delivery that was seen, ms since 1970. */
  watermark: integer().notNull(),
  /** Where reading stopped before it was back at the watermark, and the time it has still to go back to. */
  cursor: text(),
  until: integer(),
});

/** Deliveries that GitHub could not make and that are asked for again. */
export const githubMissed = sqliteTable("github_missed", {
  guid: text().primaryKey(),
  /** The newest attempt's number, as text: it may be beyond what a double holds. */
  delivery: text().notNull(),
  event: text().notNull(),
  /** When GitHub first tried, ms since 1970. */
  firstAt: integer("first_at").notNull(),
  /** How often it was asked for again, and when it is to be next. */
  tries: integer().notNull(),
  nextAt: integer("next_at").notNull(),
});

/** People who signed in at least once. */
export const users = sqliteTable("users", {
  /** 128 random bits in base32. */
  id: text().primaryKey(),
  name: text().notNull(),
  /** Verified by a provider, or absent. */
  email: text(),
  role: text({ enum: ["admin", "member"] }).notNull(),
  createdAt: integer("created_at").notNull(),
  /** Who is disabled is recognised nowhere, and cannot sign in. */
  disabledAt: integer("disabled_at"),
});

export type UserRow = typeof users.$inferSelect;

/** Accounts elsewhere that are one of our users: each is one user's, and a user may have several. */
export const identities = sqliteTable(
  "identities",
  {
    provider: text({ enum: ["github", "google", "slack"] }).notNull(),
    /** The account's id at the provider, which never changes hands: GitHub's number, Google's `sub`, Slack's `<team>:<user>`. */
    subject: text().notNull(),
    userId: text("user_id").notNull(),
    /** Its name there, for showing: it may change, and another account may have it later. */
    login: text(),
    email: text(),
    createdAt: integer("created_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.provider, table.subject] }), index("identities_by_user").on(table.userId)],
);

export type IdentityRow = typeof identities.$inferSelect;

/** What providers let us do in a user's name, encrypted. */
export const oauthTokens = sqliteTable(
  "oauth_tokens",
  {
    userId: text("user_id").notNull(),
    provider: text({ enum: ["github", "google"] }).notNull(),
    /** Which of `TOKEN_KEYS` it was encrypted with. */
    keyId: text("key_id").notNull(),
    /** AES-256-GCM of access token, refresh token and their expiry, bound to this user and provider. */
    sealed: text().notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** Somebody is refreshing it until then: a refresh token works once, so only one may use it. */
    leasedUntil: integer("leased_until"),
  },
  (table) => [primaryKey({ columns: [table.userId, table.provider] })],
);

/** Where a user is signed in. */
export const authSessions = sqliteTable(
  "auth_sessions",
  {
    /** SHA-256 of its token, in hex. The token itself is kept nowhere. */
    hash: text().primaryKey(),
    userId: text("user_id").notNull(),
    createdAt: integer("created_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    seenAt: integer("seen_at").notNull(),
    /** The browser, as it names itself. */
    agent: text().notNull(),
    revokedAt: integer("revoked_at"),
  },
  (table) => [index("auth_sessions_by_user").on(table.userId), index("auth_sessions_by_expiry").on(table.expiresAt)],
);

export type AuthSessionRow = typeof authSessions.$inferSelect;

/** Keys for programs of a user: they open what the user may, as far as their scope goes, and never an admin's power. */
export const apiKeys = sqliteTable(
  "api_keys",
  {
    /** SHA-256 of the key, in hex. The key itself is kept nowhere. */
    hash: text().primaryKey(),
    userId: text("user_id").notNull(),
    /** What the user calls it. */
    name: text().notNull(),
    scope: text({ enum: ["read", "prompt"] }).notNull(),
    createdAt: integer("created_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    /** When it was last used, to ten minutes; absent: never. */
    usedAt: integer("used_at"),
    revokedAt: integer("revoked_at"),
  },
  (table) => [index("api_keys_by_user").on(table.userId)],
);

export type ApiKeyRow = typeof apiKeys.$inferSelect;

/** Sign-ins that were begun at a provider: each belongs to one browser, works once, and not for long. */
export const authFlows = sqliteTable("auth_flows", {
  /** Hashes of the state that the provider hands back, and of the cookie of the browser that began. */
  state: text().primaryKey(),
  browser: text().notNull(),
  provider: text({ enum: ["github", "google"] }).notNull(),
  keyId: text("key_id").notNull(),
  /** The PKCE verifier and the nonce, encrypted. */
  sealed: text().notNull(),
  /** The page of ours that the person was going to. */
  goTo: text("go_to").notNull(),
  /** The user that the account is to be added to; absent: a sign-in. */
  linkTo: text("link_to"),
  expiresAt: integer("expires_at").notNull(),
});

/** Codes with which the page after a sign-in fetches the session's token: once each, and at once. */
export const authCodes = sqliteTable("auth_codes", {
  hash: text().primaryKey(),
  sessionHash: text("session_hash").notNull(),
  keyId: text("key_id").notNull(),
  /** The session's token, encrypted. */
  sealed: text().notNull(),
  goTo: text("go_to").notNull(),
  expiresAt: integer("expires_at").notNull(),
});

/**
 * Links of Slack accounts that are under way, one for each account: begun in Slack, claimed on the page by a user, ended by a number that goes from
 * the page back to Slack.
 */
export const slackLinks = sqliteTable(
  "slack_links",
  {
    /** `<team>:<user>`: a later link takes the place of an earlier one. */
    subject: text().primaryKey(),
    /** SHA-256 of the code in the link's address. The code itself is kept nowhere. */
    hash: text().notNull(),
    /** What Slack calls the person and the workspace, for showing. */
    name: text().notNull(),
    workspace: text().notNull(),
    madeAt: integer("made_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    /** Who said on the page that this Slack account is theirs. */
    userId: text("user_id"),
    /** Numbers typed so far, and wrong while it is not linked. */
    tries: integer().notNull().default(0),
    linkedAt: integer("linked_at"),
  },
  (table) => [uniqueIndex("slack_links_by_hash").on(table.hash)],
);

export type SlackLinkRow = typeof slackLinks.$inferSelect;

/** Which sessions hold something of a person of Slack until an account is linked: they are told of a link. Late or missing rows cost a minute. */
export const slackWaiting = sqliteTable(
  "slack_waiting",
  {
    /** `slack:<team>:<user>`. */
    person: text().notNull(),
    session: text().notNull(),
    /** After this time nothing waits any more. */
    until: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.person, table.session] })],
);

/** People who may sign in though no rule lets them: named by a verified e-mail address or by a GitHub login. */
export const invitations = sqliteTable(
  "invitations",
  {
    id: text().primaryKey(),
    /** In lower case. One of the two is set. */
    email: text(),
    login: text(),
    role: text({ enum: ["admin", "member"] }).notNull(),
    invitedBy: text("invited_by").notNull(),
    createdAt: integer("created_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    /** The user who came by it: it works once. */
    usedBy: text("used_by"),
  },
  (table) => [index("invitations_by_email").on(table.email), index("invitations_by_login").on(table.login)],
);

export type InvitationRow = typeof invitations.$inferSelect;

/** Who did what: only ever added to. */
export const audit = sqliteTable(
  "audit",
  {
    id: integer().primaryKey({ autoIncrement: true }),
    at: integer().notNull(),
    /** Absent: nobody who is known, or the owner of the machine. */
    userId: text("user_id"),
    /** The person's name then. */
    name: text().notNull(),
    /** `area.what`, such as `sign-in.done`. */
    action: text().notNull(),
    /** What it was done to, such as `session:<id>`. */
    target: text(),
    /** JSON. Never a secret. */
    detail: text().notNull(),
    ip: text(),
    agent: text(),
  },
  (table) => [
    index("audit_by_time").on(table.at),
    index("audit_by_user").on(table.userId, table.at),
    index("audit_by_target").on(table.target, table.at),
  ],
);

export type AuditRow = typeof audit.$inferSelect;

/** What each session used of the model in a day (UTC), for the cap of an installation. Kept only where there is one. */
export const modelDays = sqliteTable(
  "model_days",
  {
    /** As in `2026-11-23`. */
    day: text().notNull(),
    session: text().notNull(),
    /** Of prompts and answers together. */
    tokens: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.day, table.session] })],
);
