/** Whether what somebody says in Slack may begin work in the session's repository: by the user their account is linked to, and GitHub's word about that user now. */
import type { Answer } from "../session/admission.ts";
import type { Whose } from "../session/contract.ts";
import type { Settings } from "../settings.ts";
import { Asker, type FactPorts, onForge } from "./facts.ts";
import { signInOf, slackPromptsOf } from "./providers.ts";
import { mayThey } from "./rights.ts";
import { noteWaiting } from "./slack-letter.ts";
import { slackAccountOf, userOfSlack } from "./slack-links.ts";

/** An older answer of GitHub, in ms, does not count: who was just given a right, or lost it, is not to wait for that. */
const FRESH_MS = 5_000;

/** The repository that a person of Slack has to be asked about before they may have work done in it; null: they need not. Pure. */
export function gatedRepository(person: string, repository: string | null, settings: Settings): string | null {
  if (slackAccountOf(person) === null || slackPromptsOf(settings) === "channel") return null;
  return onForge(repository, settings);
}

/** Whether a person of Slack may prompt in the session. Where an account has to be linked first, `session` is told of it. Rejects where D1 cannot be read. */
export async function mayPromptFromSlack(ports: FactPorts, person: string, whose: Whose, session: string): Promise<Answer> {
  const answer = await decided(ports, person, whose);
  if (answer.kind === "unlinked" || answer.kind === "no-github") await noteWaiting(ports.db, person, session, (ports.now ?? Date.now)());
  return answer;
}

async function decided(ports: FactPorts, person: string, whose: Whose): Promise<Answer> {
  const account = slackAccountOf(person);
  const signIn = signInOf(ports.settings);
  if (!signIn.ok || !signIn.github)
    return refused(
      "not_set_up",
      "Work from Slack takes a linked account here, and nobody can sign in with GitHub to link one.",
      "Whoever runs this errand has to set up sign-in with GitHub.",
    );
  const user = account && (await userOfSlack(ports.db, account));
  if (!user) return { kind: "unlinked" };
  if (user.disabledAt !== null)
    return refused("disabled", "Your account was disabled in this errand.", "Whoever runs this errand can tell you why.");
  const asker = await Asker.of({ ...ports, maxAge: FRESH_MS }, { userId: user.id, role: user.role, scope: null });
  const decision = mayThey("prompt", await asker.facts(whose));
  if (decision.ok) return { kind: "allowed", email: asker.commitEmail.email ?? null };
  if (decision.code === "not_linked") return { kind: "no-github" };
  if (decision.code === "not_known") return { kind: "unknown" };
  const name = onForge(whose.repository, ports.settings) ?? "this repository";
  // Which account that is stays unsaid: the thread is everybody's.
  return refused(
    "not_allowed",
    `Your GitHub account may not write to \`${name}\`, and work there takes that.`,
    "Ask for access on GitHub and say it again, or ask somebody who has it to say it.",
  );
}

const refused = (code: string, message: string, action: string): Answer => ({ kind: "refused", failure: { code, message, action } });
