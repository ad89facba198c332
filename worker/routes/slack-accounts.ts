/** What is said in Slack about accounts: the words that link and unlink one, the number that ends a linking, and people and workspaces that are gone. */
import type { SlackContent } from "../../bots/slack/blocks.ts";
import { linkWords } from "../../bots/slack/linking.ts";
import type { AccountAct } from "../../bots/slack/receive.ts";
import type { Ear } from "../../bots/slack/whisper.ts";
import { signInOf } from "../auth/providers.ts";
import { type LetterPorts, sendLink, tellWaiting, whisperOf } from "../auth/slack-letter.ts";
import { enterNumber, linkFor, type SlackAccount, slackAccountOf, unlinkSlack, unlinkWorkspace, userOfSlack } from "../auth/slack-links.ts";
import type { SessionRpc } from "../session/contract.ts";
import type { Ending } from "./slack-receiver.ts";

/** Slack sends again what was answered late: a link made this short a time ago, in ms, is the one that was asked for. */
const SAME_MS = 10_000;

/** What acting on it takes. `later`: what need not be done before Slack has its answer. */
export type AccountPorts = LetterPorts & {
  now: () => number;
  agent: (session: string) => Pick<SessionRpc, "linked"> | null;
  later: (work: Promise<unknown>) => void;
};

const SLACK = { ip: null, agent: "Slack" } as const;
const done = (outcome: string): Ending => ({ status: 200, outcome, why: null });

/** Does what is asked, and tells the person alone what came of it. Rejects where D1 can't be read or written: Slack then sends it again. */
export async function actOnAccount(ports: AccountPorts, act: AccountAct): Promise<Ending> {
  const { db, now } = ports;
  if (act.do === "workspace-gone") {
    const by = { userId: null, name: "Slack", why: "errand was removed from the workspace", ...SLACK };
    const ended = await unlinkWorkspace({ db, now: now() }, act.team, by);
    return done(`${ended.length} unlinked`);
  }
  const account = slackAccountOf(act.person);
  if (!account) return { status: 400, outcome: "malformed", why: "not a person of Slack" };
  if (act.do === "person-gone") {
    const by = { userId: null, name: "Slack", why: "deactivated in Slack", ...SLACK };
    return done((await unlinkSlack({ db, now: now() }, account, by)) ? "unlinked" : "not linked");
  }
  switch (act.do) {
    case "number":
      return number(ports, account, act);
    case "unlink": {
      const user = await userOfSlack(db, account);
      const by = { userId: user?.id ?? null, name: user?.name ?? "somebody", why: "said in Slack", ...SLACK };
      const ended = await unlinkSlack({ db, now: now() }, account, by);
      tell(ports, act.ear, ended ? linkWords.unlinked : linkWords.notLinked);
      return done(ended ? "unlinked" : "not linked");
    }
    case "link":
      return begin(ports, account, act);
  }
}

/** What a person hears of it is not waited for: it may be slower than Slack is patient, and nothing depends on it. */
function tell(ports: AccountPorts, ear: Ear, content: SlackContent): void {
  const whisper = whisperOf(ports);
  if (whisper) ports.later(whisper.say(ear, content));
}

async function begin(ports: AccountPorts, account: SlackAccount, act: Extract<AccountAct, { do: "link" | "unlink" }>): Promise<Ending> {
  const { settings, db, now } = ports;
  const signIn = signInOf(settings);
  if (!signIn.ok || !signIn.github) {
    tell(ports, act.ear, linkWords.notSetUp);
    return done("not set up");
  }
  const user = await userOfSlack(db, account);
  if (user) {
    tell(ports, act.ear, linkWords.already(user.name));
    return done("linked already");
  }
  const before = await linkFor({ db, now: now() }, account);
  if (before && now() - before.madeAt < SAME_MS) return done("link sent already");
  const sent = await sendLink(ports, account, { ear: act.ear, known: act.name, repository: null });
  return { status: 200, outcome: `link ${sent.kind}`, why: sent.kind === "sent" ? null : sent.why };
}

async function number(ports: AccountPorts, account: SlackAccount, act: Extract<AccountAct, { do: "number" }>): Promise<Ending> {
  const { settings, db, now } = ports;
  if (settings.SESSION_KEY === null) throw new Error("SESSION_KEY is not set");
  const entered = await enterNumber({ db, now: now(), key: settings.SESSION_KEY, whence: SLACK }, account, act.number);
  const content =
    entered.kind === "linked"
      ? linkWords.linked(entered.user.name)
      : entered.kind === "wrong"
        ? linkWords.wrong(entered.left)
        : entered.kind === "not-claimed"
          ? linkWords.notClaimed
          : linkWords[entered.kind];
  if (entered.kind === "linked") ports.later(tellWaiting(ports, [act.person]));
  // As long as another number can be tried, the field stays.
  const over = entered.kind !== "not-claimed" && !(entered.kind === "wrong" && entered.left > 0);
  ports.later(answer(ports, act.ear, over ? act.responseUrl : null, content));
  return done(`number: ${entered.kind}`);
}

/** In place of the message that was clicked in, or beside it. */
async function answer(ports: AccountPorts, ear: Ear, responseUrl: string | null, content: SlackContent): Promise<void> {
  const whisper = whisperOf(ports);
  if (!whisper || (responseUrl !== null && (await whisper.replace(responseUrl, content)))) return;
  await whisper.say(ear, content);
}
