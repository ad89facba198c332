/** Letters to people of Slack about linking their account: made with a link of their own, seen by them alone. And who is told once an account is linked. */
import { and, eq, gt, lt, or } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { githubMissing, linkContent } from "../../bots/slack/linking.ts";
import { type Ear, slackWhisper, type Whisper } from "../../bots/slack/whisper.ts";
import type { Outcome } from "../../bots/surface.ts";
import { repositoryName } from "../../bots/words.ts";
import { parseThreadKey } from "../../protocol/thread.ts";
import { identities, slackWaiting } from "../db/schema.ts";
import { HOLD_MS } from "../session/admission.ts";
import type { SessionRpc } from "../session/contract.ts";
import type { Letter } from "../session/letters.ts";
import type { Settings } from "../settings.ts";
import { LINK_MS, newLink, type SlackAccount, slackAccountOf } from "./slack-links.ts";
import { random } from "./token.ts";

/** How long one call to Slack may take, in ms. */
const CALL_MS = 5_000;

/** What telling a person takes. `fetch` and the clock are the real ones unless given. */
export type LetterPorts = { settings: Settings; db: D1Database; fetch?: typeof fetch; now?: () => number; timeoutMs?: number };

/** Errand's voice in Slack for one person; null where Slack is not set up. */
export function whisperOf({ settings, fetch: outer, timeoutMs = CALL_MS }: LetterPorts): Whisper | null {
  const { SLACK_BOT_TOKEN: token, SLACK_API_URL: apiUrl } = settings;
  return token === null ? null : slackWhisper({ token, apiUrl, timeoutMs, ...(outer ? { fetch: outer } : {}) });
}

/** Makes a link for an account and tells it to that person alone. `known`: what they are called, where Slack does not say. */
export async function sendLink(
  ports: LetterPorts,
  account: SlackAccount,
  to: { ear: Ear; known: string | null; repository: string | null },
): Promise<Outcome> {
  const { settings, db, now = Date.now } = ports;
  const whisper = whisperOf(ports);
  if (!whisper || settings.PUBLIC_ORIGIN === null)
    return { kind: "refused", code: "not_set_up", why: "Slack or PUBLIC_ORIGIN is not set up" };
  const [person, workspace] = await Promise.all([whisper.person(account.user), whisper.workspace()]);
  if (person?.deleted) return { kind: "refused", code: "account_inactive", why: "that person is deactivated in Slack" };
  const names = { name: person?.name ?? to.known ?? account.user, workspace: workspace ?? account.team };
  const code = await newLink({ db, now: now(), random }, account, names);
  const url = `${settings.PUBLIC_ORIGIN}/link/slack?code=${code}`;
  return whisper.say(to.ear, linkContent({ url, repository: to.repository, minutes: LINK_MS / 60_000 }));
}

/** Delivers what a session has to say to one person about what their turn lacks. */
export async function deliverLetter(ports: LetterPorts, letter: Letter, repository: string | null): Promise<Outcome> {
  const account = slackAccountOf(letter.who.id);
  const place = parseThreadKey(letter.thread);
  if (!account || place?.surface !== "slack") return { kind: "refused", code: "no_place", why: "not somebody in a thread of Slack" };
  const ear = { channel: place.channel, thread: place.ts, user: account.user };
  const name = repository === null ? null : repositoryName(repository);
  if (letter.lacks === "slack") return sendLink(ports, account, { ear, known: letter.who.name ?? null, repository: name });
  const whisper = whisperOf(ports);
  if (!whisper) return { kind: "refused", code: "not_set_up", why: "Slack is not set up" };
  return whisper.say(ear, githubMissing(`${ports.settings.PUBLIC_ORIGIN}/account`));
}

/** A session holds something of a person: it is told when an account is linked. */
export async function noteWaiting(db: D1Database, person: string, session: string, now: number): Promise<void> {
  const until = now + HOLD_MS;
  const d1 = drizzle(db);
  await d1.batch([
    d1.delete(slackWaiting).where(lt(slackWaiting.until, now)),
    d1
      .insert(slackWaiting)
      .values({ person, session, until })
      .onConflictDoUpdate({ target: [slackWaiting.person, slackWaiting.session], set: { until } }),
  ]);
}

/** The most sessions told of one link; others look by themselves within a minute. */
const MOST_TOLD = 50;

/** Tells every session that holds something of these people. Never rejects: what is not told is found out within a minute. */
export async function tellWaiting(
  { db, now = Date.now, agent }: Pick<LetterPorts, "db" | "now"> & { agent: (session: string) => Pick<SessionRpc, "linked"> | null },
  people: readonly string[],
): Promise<void> {
  if (people.length === 0) return;
  try {
    const theirs = or(...people.map((person) => eq(slackWaiting.person, person)));
    const rows = await drizzle(db)
      .select()
      .from(slackWaiting)
      .where(and(theirs, gt(slackWaiting.until, now())))
      .limit(MOST_TOLD);
    const told = await Promise.allSettled(rows.map(async ({ person, session }) => agent(session)?.linked(person)));
    const failed = told.filter(({ status }) => status === "rejected").length;
    if (failed > 0) console.warn("slack links: sessions not told", failed);
  } catch {
    console.warn("slack links: sessions not told");
  }
}

/** Every person of Slack that a user is, as requests have them. */
export async function slackPeopleOf(db: D1Database, userId: string): Promise<string[]> {
  const rows = await drizzle(db)
    .select({ subject: identities.subject })
    .from(identities)
    .where(and(eq(identities.provider, "slack"), eq(identities.userId, userId)));
  return rows.map(({ subject }) => `slack:${subject}`);
}
