/** Who may sign in, besides the first user ever and who was invited. Pure. */
import type { SignInRules } from "../settings.ts";

/** What is known of somebody. `email`: verified, in lower case. Organisations and teams (`organisation/team`): those that the person is an active member of. */
export type Known = { email: string | null; organisations: readonly string[]; teams: readonly string[] };

/** By what somebody may sign in; null where nothing lets them. An e-mail that nobody vouches for is not among what is known. */
export function admittedBy(rules: SignInRules, known: Known): string | null {
  if (rules.open) return "open";
  const organisation = rules.githubOrganisations.find((name) => known.organisations.includes(name));
  if (organisation !== undefined) return `organisation ${organisation}`;
  const team = rules.githubTeams.find((name) => known.teams.includes(name));
  if (team !== undefined) return `team ${team}`;
  // The whole of what is after the last @: a domain that only ends alike is another one.
  const domain = known.email?.slice(known.email.lastIndexOf("@") + 1);
  if (domain !== undefined && rules.emailDomains.includes(domain)) return `e-mail domain ${domain}`;
  return null;
}

/** What has to be asked of GitHub before the rules can be answered; null where it makes no difference. */
export function toAsk(rules: SignInRules, email: string | null): { organisations: string[]; teams: string[] } | null {
  if (admittedBy(rules, { email, organisations: [], teams: [] }) !== null) return null;
  const { githubOrganisations: organisations, githubTeams: teams } = rules;
  return organisations.length + teams.length === 0 ? null : { organisations, teams };
}
