/** The people of an installation, for admins: who they are, who is invited. */
import { PROVIDER_NAMES } from "../auth/providers.ts";
import type { PersonRow } from "../db/people.ts";
import type { InvitationRow } from "../db/schema.ts";
import type { AppContext } from "../routes/app.ts";
import { Bar, page } from "./document.tsx";
import { ago, until } from "./time.ts";

function Act(props: { id: string; to: string; children: string }) {
  return (
    <form method="post" action={`/admin/people/${props.id}`}>
      <button type="submit" class="small" name="to" value={props.to}>
        {props.children}
      </button>
    </form>
  );
}

function Person(props: { person: PersonRow; self: boolean; now: number }) {
  const { person, self, now } = props;
  const accounts = person.accounts.map(
    ({ provider, login, email, subject }) => `${provider === "slack" ? "Slack" : PROVIDER_NAMES[provider]}: ${login ?? email ?? subject}`,
  );
  return (
    <li>
      <div>
        <p>
          <strong>{person.name}</strong> {person.role === "admin" ? <span class="pill">admin</span> : null}{" "}
          {person.disabledAt === null ? null : <span class="pill failed">disabled</span>}
        </p>
        <p class="quiet">{[...accounts, `since ${ago(person.createdAt, now)}`].join(" · ")}</p>
        {person.accounts
          .filter(({ provider }) => provider === "slack")
          .map(({ login, subject }) => (
            <form method="post" action={`/admin/people/${person.id}/unlink`}>
              <button type="submit" class="small" name="account" value={subject}>
                {`Unlink ${login ?? subject} of Slack`}
              </button>
            </form>
          ))}
      </div>
      {self ? null : (
        <div class="row">
          <Act id={person.id} to={person.role === "admin" ? "member" : "admin"}>
            {person.role === "admin" ? "Make a member" : "Make an admin"}
          </Act>
          <Act id={person.id} to={person.disabledAt === null ? "disabled" : "enabled"}>
            {person.disabledAt === null ? "Disable" : "Enable"}
          </Act>
        </div>
      )}
    </li>
  );
}

/** What the page shows. `self`: the user who looks at it; null for the owner of the machine. `mistake`: why the last form did nothing. */
export type PeopleShown = {
  people: readonly PersonRow[];
  invitations: readonly InvitationRow[];
  self: string | null;
  mistake: string | null;
  now: number;
};

/** The page at `/admin/people`. */
export function peoplePage(c: AppContext, shown: PeopleShown): Response {
  const { people, invitations, mistake, now } = shown;
  const content = (
    <>
      <Bar>
        <a href="/admin/audit">Audit log</a>
      </Bar>
      <main class="narrow">
        <h1>People</h1>
        {mistake === null ? null : (
          <p class="error" role="alert">
            {mistake}
          </p>
        )}
        {people.length === 0 ? <p class="quiet">Nobody has signed in yet. The first who does is an admin.</p> : null}
        <ul class="places">
          {people.map((person) => (
            <Person person={person} self={person.id === shown.self} now={now} />
          ))}
        </ul>
        <h2>Invitations</h2>
        <ul class="places">
          {invitations.map(({ id, email, login, role, expiresAt }) => (
            <li>
              <div>
                <p>{email ?? `@${login}`}</p>
                <p class="quiet">{`as ${role === "admin" ? "an admin" : "a member"} · open for another ${until(expiresAt, now)}`}</p>
              </div>
              <form method="post" action={`/admin/invitations/${id}/withdraw`}>
                <button type="submit" class="small">
                  Withdraw
                </button>
              </form>
            </li>
          ))}
        </ul>
        <form method="post" action="/admin/invitations" class="setup">
          <label for="who">E-mail address, or login at GitHub</label>
          <input type="text" id="who" name="who" required maxlength={320} autocapitalize="off" spellcheck={false} />
          <p class="buttons">
            <button type="submit" name="role" value="member">
              Invite as a member
            </button>
            <button type="submit" name="role" value="admin">
              Invite as an admin
            </button>
          </p>
          <p class="quiet">
            Nothing is sent: tell them to sign in at {`${c.var.settings.PUBLIC_ORIGIN}/sign-in`}. It lets one person in, once, within two
            weeks.
          </p>
        </form>
      </main>
    </>
  );
  return page(c, "People · errand", content, { status: mistake === null ? 200 : 400 });
}
