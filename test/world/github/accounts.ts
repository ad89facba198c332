/** What the local GitHub knows of people beside their profile: addresses, organisations and teams. The emulator makes all of it up. */
import type { GitHubTables } from "./emulator.ts";
import type { Row } from "./hub.ts";
import type { Email, Org, User } from "./records.ts";
import { PEOPLE } from "./seed.ts";

/** The team of `acme`, by its slug. */
export const TEAM = "core";

/**
 * Who belongs where: ada owns the organisation and is in its team; grace is a member; mallory was invited and never accepted, and gives
 * an address of the organisation's as her own, which she could not prove.
 */
export function seedAccounts(tables: GitHubTables): void {
  const acme = tables.orgs.findOneBy("login", "acme");
  const idOf = (login: string) => tables.users.findOneBy("login", login)?.id ?? 0;
  if (!acme || tables.memberships.all().length > 0) return;
  const [you, colleague, outsider] = [idOf(PEOPLE.you), idOf(PEOPLE.colleague), idOf(PEOPLE.outsider)];
  tables.memberships.insert({ org_id: acme.id, user_id: you, team: null, role: "admin", state: "active" });
  tables.memberships.insert({ org_id: acme.id, user_id: colleague, team: null, role: "member", state: "active" });
  tables.memberships.insert({ org_id: acme.id, user_id: outsider, team: null, role: "member", state: "pending" });
  tables.memberships.insert({ org_id: acme.id, user_id: you, team: TEAM, role: "maintainer", state: "active" });
  tables.memberships.insert({ org_id: acme.id, user_id: outsider, team: TEAM, role: "member", state: "pending" });
  tables.emails.insert({ user_id: outsider, email: "mallory@elsewhere.example", primary: true, verified: true, visibility: "private" });
  tables.emails.insert({ user_id: outsider, email: "mallory@acme.example", primary: false, verified: false, visibility: null });
  // A profile shows only an address that was proven.
  tables.users.update(outsider, { email: null });
}

/** A person's addresses: those that were written down, or else the one of the profile, proven. */
export function emailsOf(tables: GitHubTables, user: Row<User>): Omit<Email, "user_id" | "created_at" | "updated_at">[] {
  const rows = tables.emails.findBy("user_id", user.id);
  if (rows.length > 0) return rows.map(({ email, primary, verified, visibility }) => ({ email, primary, verified, visibility }));
  return user.email === null ? [] : [{ email: user.email, primary: true, verified: true, visibility: "public" }];
}

/** A membership of an organisation (`team` null) or of a team in it; undefined where there is none. */
export function membershipOf(tables: GitHubTables, org: Row<Org>, user: Row<User>, team: string | null) {
  return tables.memberships.findBy("org_id", org.id).find((one) => one.user_id === user.id && one.team === team);
}
