/** The pages of linking a Slack account: who would act as whom, the number that proves it, and what came of it. All work without a script. */
import { PROVIDER_NAMES } from "../auth/providers.ts";
import { DIGITS, LINK_MS } from "../auth/slack-links.ts";
import type { IdentityRow, SlackLinkRow } from "../db/schema.ts";
import type { AppContext } from "../routes/app.ts";
import { Bar, page } from "./document.tsx";
import { problemPage } from "./problem.tsx";

/** The user at the page, with their accounts. */
export type Me = { name: string; accounts: readonly IdentityRow[] };

const accountWords = ({ provider, login, email, subject }: IdentityRow): string =>
  `${provider === "slack" ? "Slack" : PROVIDER_NAMES[provider]}: ${login ?? email ?? subject}`;

function Card(props: { title: string; name: string; lines: readonly string[] }) {
  const { title, name, lines } = props;
  return (
    <section class="side">
      <h2>{title}</h2>
      <p class="who">
        <span class="initial" aria-hidden="true">
          {[...name][0]?.toUpperCase() ?? "?"}
        </span>
        <strong>{name}</strong>
      </p>
      {lines.map((text) => (
        <p class="quiet">{text}</p>
      ))}
    </section>
  );
}

function Sides(props: { link: SlackLinkRow; me: Me }) {
  const { link, me } = props;
  const others = me.accounts.filter(({ provider }) => provider !== "slack").map(accountWords);
  return (
    <div class="sides">
      <Card title="In Slack" name={link.name} lines={[`in the workspace ${link.workspace}`, `member ID ${link.subject.split(":")[1]}`]} />
      <Card title="In errand" name={me.name} lines={others} />
    </div>
  );
}

/** An account at GitHub is what says where one may work. */
function WithoutGitHub(props: { me: Me }) {
  if (props.me.accounts.some(({ provider }) => provider === "github")) return null;
  return (
    <p class="notice">
      You have no GitHub account here, which says where you may work. <a href="/account">Add it on your account page</a>, too.
    </p>
  );
}

const minutesLeft = ({ expiresAt }: SlackLinkRow, now: number): string => {
  const minutes = Math.max(1, Math.ceil((expiresAt - now) / 60_000));
  return minutes === 1 ? "minute" : `${minutes} minutes`;
};

/** Asks whether the two belong together. */
export function confirmPage(c: AppContext, link: SlackLinkRow, me: Me, now: number): Response {
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>Is this Slack account yours?</h1>
        <Sides link={link} me={me} />
        <p>
          If you confirm, <strong>{`${link.name} in ${link.workspace}`}</strong> can have work done with the rights of{" "}
          <strong>{me.name}</strong>: errand then takes what is said from that Slack account as said by you.
        </p>
        <p class="notice">
          Go on only if you asked for this yourself, in Slack, a moment ago. If somebody sent you this link, close this page: whoever did
          wants to act as you.
        </p>
        <WithoutGitHub me={me} />
        <form method="post" action="/link/slack" class="setup">
          <input type="hidden" name="link" value={link.hash} />
          <button type="submit">Yes, that is my Slack account</button>
        </form>
        <p class="quiet">{`This link works for another ${minutesLeft(link, now)}.`}</p>
      </main>
    </>
  );
  return page(c, "Link a Slack account · errand", content);
}

/** Shows the number that goes back to Slack. Looks by itself whether it has arrived. */
export function numberPage(c: AppContext, link: SlackLinkRow, me: Me, number: string, now: number): Response {
  const spaced = `${number.slice(0, DIGITS / 2)} ${number.slice(DIGITS / 2)}`;
  const content = (
    <>
      <Bar />
      <main class="narrow" data-poll="/link/slack/state">
        <h1>Now type this number in Slack</h1>
        <p class="number" id="number">
          {spaced}
        </p>
        <p>
          Errand’s message in Slack, which only <strong>{link.name}</strong> sees, has a field for it. As soon as it is there, the two
          accounts are linked and what you asked for goes on by itself.
        </p>
        <p class="notice">
          Whoever types this number can ask errand for work as <strong>{me.name}</strong>. It belongs in that field and nowhere else: tell
          it to nobody, whoever asks.
        </p>
        <p id="state" class="quiet" role="status">
          {`Waiting for the number. It works for another ${minutesLeft(link, now)}.`}
        </p>
      </main>
    </>
  );
  return page(c, "Link a Slack account · errand", content, { script: "link", refreshSeconds: 5 });
}

/** The accounts are linked. */
export function linkedPage(c: AppContext, link: SlackLinkRow, me: Me): Response {
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>Linked</h1>
        <Sides link={link} me={me} />
        <p role="status">Go back to Slack: what you asked for goes on by itself.</p>
        <WithoutGitHub me={me} />
        <p class="quiet">
          You can end this on <a href="/account">your account page</a>, or by saying <code>unlink</code> to errand in Slack.
        </p>
      </main>
    </>
  );
  return page(c, "Linked · errand", content);
}

/** For the owner of the machine, who is nobody that an account can be linked to. `github`: one can sign in with it. */
export function signInFirstPage(c: AppContext, github: boolean): Response {
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>Sign in to link your Slack account</h1>
        <p>
          On this machine you are its owner without signing in. What somebody in Slack may do follows from an account at GitHub, so sign in
          with yours first.
        </p>
        {github ? (
          <p class="providers">
            <a class="button" href="/auth/github?to=/link/slack">
              Go on with GitHub
            </a>
          </p>
        ) : (
          <p class="notice">Sign-in with GitHub is not set up here.</p>
        )}
      </main>
    </>
  );
  return page(c, "Link a Slack account · errand", content);
}

const MORE = "Say “link” to errand in Slack to get a new one.";

/** Why nothing can be linked by this link. */
export const noLink = {
  over: (c: AppContext) =>
    problemPage(
      c,
      404,
      "This link is over",
      `It works for ${LINK_MS / 60_000} minutes, in the browser it was opened in, and ends when a newer one is sent or a wrong number was typed three times.`,
      MORE,
    ),
  claimed: (c: AppContext) =>
    problemPage(
      c,
      409,
      "Somebody else has confirmed this link",
      "Another user of this errand said that the Slack account is theirs.",
      MORE,
    ),
  others: (c: AppContext) =>
    problemPage(
      c,
      409,
      "That Slack account is another user’s",
      "It is linked to another user of this errand. They, or an admin, have to unlink it first; saying “unlink” to errand in Slack does it too.",
    ),
  another: (c: AppContext) =>
    problemPage(
      c,
      409,
      "You have another account of that workspace",
      "You can have one account of each Slack workspace. Unlink the other one first, on your account page.",
    ),
};
