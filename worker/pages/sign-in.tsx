/** The pages of signing in: where it begins, where the provider brings people back to, and where one is signed in. All work without a script. */
import { authSessionId } from "../auth/auth-sessions.ts";
import type { Refused } from "../auth/flow.ts";
import type { Identity } from "../auth/identity.ts";
import { PROVIDER_NAMES, PROVIDERS, type Provider } from "../auth/providers.ts";
import type { AuthSessionRow, IdentityRow } from "../db/schema.ts";
import type { AppContext } from "../routes/app.ts";
import { Bar, page } from "./document.tsx";
import { ago, until } from "./time.ts";

/** Why the page is shown: a refusal, or what came before it. */
export const REASONS: Record<
  Refused | "signed-out" | "signed-out-everywhere" | "session-ended" | "too-many",
  { tone: "error" | "notice"; text: string }
> = {
  "not-set-up": { tone: "error", text: "Sign-in is not set up here." },
  stale: {
    tone: "error",
    text: "That sign-in can’t be ended: it was begun in another browser, more than ten minutes ago, or was used already. Begin again.",
  },
  cancelled: { tone: "notice", text: "You did not allow errand to know who you are. Nothing was kept." },
  "provider-refused": { tone: "error", text: "The provider refused the sign-in. Begin again; if it goes on, its log at errand says why." },
  "provider-away": { tone: "error", text: "The provider did not answer as it should. Nobody is let in meanwhile; try again in a minute." },
  "not-admitted": {
    tone: "error",
    text: "This account may not sign in here. Whoever runs this errand can invite you, or add your organisation, team or e-mail domain. An e-mail address that is not verified counts for nothing.",
  },
  disabled: { tone: "error", text: "Your account was disabled here. Whoever runs this errand can tell you why." },
  "account-taken": { tone: "error", text: "That account belongs to another user of this errand." },
  "account-another": { tone: "error", text: "You have another account of this provider here already." },
  "signed-out": { tone: "notice", text: "You are signed out." },
  "signed-out-everywhere": { tone: "notice", text: "You are signed out in every browser and program." },
  "session-ended": { tone: "notice", text: "You were signed in; that has ended." },
  "too-many": { tone: "error", text: "Too many sign-ins from your address. Wait a minute." },
};
export type Reason = keyof typeof REASONS;

function ReasonLine(props: { why: Reason | null }) {
  if (props.why === null) return null;
  const { tone, text } = REASONS[props.why];
  return (
    <p class={tone} role={tone === "error" ? "alert" : "status"}>
      {text}
    </p>
  );
}

/** What the sign-in page shows. `to`: a page of ours. `missing`: settings without which nobody can sign in. */
export type SignInShown = {
  providers: readonly Provider[];
  missing: readonly string[];
  to: string;
  why: Reason | null;
  who: Identity | null;
};

/** Where people sign in. */
export function signInPage(c: AppContext, shown: SignInShown, status: 200 | 429 | 503 = 200): Response {
  const { providers, missing, to, why, who } = shown;
  const query = to === "/" ? "" : `?to=${encodeURIComponent(to)}`;
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>Sign in</h1>
        <ReasonLine why={why} />
        {who ? (
          <p>
            {who.via === "owner"
              ? `On this machine you are ${who.person.name}, its owner, without signing in.`
              : `You are signed in as ${who.person.name}.`}{" "}
            <a href={to}>Go on</a>
          </p>
        ) : null}
        {providers.length === 0 ? (
          <p class="notice">
            {missing.length === 0
              ? "No provider is set up here, so nobody can sign in."
              : `Nobody can sign in here yet. These settings are missing: ${missing.join(", ")}.`}
          </p>
        ) : (
          <p class="providers">
            {providers.map((provider) => (
              <a class="button" href={`/auth/${provider}${query}`}>
                {`Go on with ${PROVIDER_NAMES[provider]}`}
              </a>
            ))}
          </p>
        )}
        <p class="quiet">
          errand keeps your name, your verified e-mail address, and what the provider lets it do in your name, encrypted. You stay signed in
          for seven days.
        </p>
      </main>
    </>
  );
  return page(c, "Sign in · errand", content, { status });
}

/** The page the provider's answer ends at. Its script fetches the token; without one it goes on by itself, by the cookie. */
export function callbackPage(c: AppContext, who: Identity, to: string): Response {
  const content = (
    <>
      <Bar />
      <main class="narrow" data-to={to}>
        <h1>{`Signed in as ${who.person.name}`}</h1>
        <p id="state" role="status">
          Going on …
        </p>
        <p class="links">
          <a class="button" href={to}>
            Go on
          </a>
        </p>
      </main>
    </>
  );
  return page(c, "Signed in · errand", content, { script: "callback", refreshSeconds: 0, refreshTo: to });
}

/** What the account page shows of somebody. */
export type AccountShown = {
  who: Identity;
  accounts: readonly IdentityRow[];
  sessions: readonly AuthSessionRow[];
  /** Providers that are set up. */
  providers: readonly Provider[];
  /** Slack is set up, too. */
  slack: boolean;
  /** Origins that a form goes on to, where an account is added. */
  formsTo: readonly string[];
  why: Reason | null;
  now: number;
};

/** Kinds of browsers by what stands in their names; each of the first also says that it is one of those after it. */
const BROWSERS: readonly (readonly [string, RegExp])[] = [
  ["Edge", /Edg\/(\d+)/],
  ["Opera", /OPR\/(\d+)/],
  ["Firefox", /Firefox\/(\d+)/],
  ["Chrome", /Chrome\/(\d+)/],
  ["Safari", /Version\/(\d+).* Safari\//],
  ["curl", /^curl\/(\d+)/],
];
const SYSTEMS: readonly (readonly [string, RegExp])[] = [
  ["Android", /Android/],
  ["iPhone", /iPhone/],
  ["iPad", /iPad/],
  ["Windows", /Windows/],
  ["Mac", /Mac OS X/],
  ["Linux", /Linux/],
];

/** A browser's name of itself, short: people know which is which by its kind and system. */
export function agentWords(agent: string): string {
  const browser = BROWSERS.find(([, pattern]) => pattern.test(agent));
  const system = SYSTEMS.find(([, pattern]) => pattern.test(agent));
  const words = [browser && `${browser[0]} ${browser[1].exec(agent)?.[1]}`, system?.[0]].filter((part) => part !== undefined);
  return words.length > 0 ? words.join(" on ") : agent.slice(0, 60) || "unnamed";
}

/** Who one is here, by which accounts, and where one is signed in. */
export function accountPage(c: AppContext, shown: AccountShown): Response {
  const { who, accounts, sessions, now } = shown;
  const more = PROVIDERS.filter(
    (provider) => shown.providers.includes(provider) && !accounts.some((account) => account.provider === provider),
  );
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>{who.person.name}</h1>
        <ReasonLine why={shown.why} />
        <p class="quiet">{who.role === "admin" ? "Admin" : "Member"}</p>
        {who.via === "owner" ? (
          <p>You are the owner of the machine that runs errand, recognised by coming from it. There is nothing to sign out of.</p>
        ) : (
          <>
            <h2>Accounts</h2>
            <ul class="places">
              {accounts.map((account) => (
                <li>
                  <div>
                    <p>{account.provider === "slack" ? "Slack" : PROVIDER_NAMES[account.provider]}</p>
                    <p class="quiet">{account.login ?? account.email ?? account.subject}</p>
                  </div>
                  {account.provider === "slack" ? (
                    <form method="post" action="/account/slack/unlink">
                      <button type="submit" class="small" name="account" value={account.subject}>
                        Unlink
                      </button>
                    </form>
                  ) : null}
                </li>
              ))}
            </ul>
            {shown.slack && !accounts.some(({ provider }) => provider === "slack") ? (
              <p class="quiet">
                No Slack account is linked. To link yours, say <code>link</code> to errand in Slack: as a direct message, or with a mention.
              </p>
            ) : null}
            {more.map((provider) => (
              <form method="post" action={`/auth/${provider}/link`} class="buttons">
                <button type="submit">{`Add ${PROVIDER_NAMES[provider]}`}</button>
              </form>
            ))}
            <h2>Where you are signed in</h2>
            <ul class="places">
              {sessions.map((session) => (
                <li>
                  <div>
                    <p>
                      {agentWords(session.agent)} {session.hash === who.sessionHash ? <span class="pill done">here</span> : null}
                    </p>
                    <p class="quiet">
                      {`signed in ${ago(session.createdAt, now)} · last seen ${ago(session.seenAt, now)} · ends in ${until(session.expiresAt, now)}`}
                    </p>
                  </div>
                  {session.hash === who.sessionHash ? null : (
                    <form method="post" action={`/account/sessions/${authSessionId(session.hash)}/end`}>
                      <button type="submit" class="small">
                        Sign out there
                      </button>
                    </form>
                  )}
                </li>
              ))}
            </ul>
            <p>
              <a href="/account/keys">Keys for programs</a>
            </p>
            <div class="buttons">
              <form method="post" action="/account/sign-out">
                <button type="submit">Sign out</button>
              </form>
              <form method="post" action="/account/sign-out-everywhere">
                <button type="submit">Sign out everywhere</button>
              </form>
            </div>
          </>
        )}
      </main>
    </>
  );
  return page(c, `${who.person.name} · errand`, content, more.length === 0 ? {} : { formsTo: ["'self'", ...shown.formsTo].join(" ") });
}
