/** The audit log as a page. */
import { AUDIT_DAYS } from "../auth/audit.ts";
import type { AuditRow } from "../db/schema.ts";
import type { AppContext } from "../routes/app.ts";
import { Bar, page } from "./document.tsx";

/** What an entry was done to: a session by a link to it. */
function Target(props: { target: string | null }) {
  const { target } = props;
  const session = /^session:([a-z2-7]{26})$/.exec(target ?? "")?.[1];
  if (session) return <a href={`/s/${session}`}>session {session.slice(0, 6)}</a>;
  return <>{target ?? ""}</>;
}

/** Entries, newest first. `next`: the number before which there are more; null where these are the last. */
export function auditPage(c: AppContext, rows: readonly AuditRow[], next: number | null): Response {
  const content = (
    <>
      <Bar>
        <a href="/admin/people">People</a>
        <a href="/admin/audit.csv">Export as CSV</a>
      </Bar>
      <main class="narrow">
        <h1>Audit log</h1>
        <p class="quiet">
          Who signed in, opened what, was refused, and used an admin’s power. Newest first; entries are kept for {AUDIT_DAYS} days.
        </p>
        {rows.length === 0 ? <p class="quiet">Nothing here.</p> : null}
        <ul class="places audit">
          {rows.map((row) => (
            <li>
              <div>
                <p>
                  <strong>{row.name}</strong> {row.action} <Target target={row.target} />
                </p>
                <p class="quiet">
                  <time datetime={new Date(row.at).toISOString()}>{new Date(row.at).toISOString().slice(0, 19).replace("T", " ")} UTC</time>
                  {row.ip === null ? "" : ` · ${row.ip}`}
                  {row.detail === "{}" ? "" : ` · ${row.detail}`}
                </p>
              </div>
            </li>
          ))}
        </ul>
        {next === null ? null : (
          <p>
            <a href={`/admin/audit?before=${next}`}>Older entries</a>
          </p>
        )}
      </main>
    </>
  );
  return page(c, "Audit log · errand", content);
}
