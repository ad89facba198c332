/** The list of sessions, and a form that starts one. */
import type { Visible } from "../auth/visible.ts";
import type { AppContext } from "../routes/app.ts";
import { Bar, page } from "./document.tsx";
import { ago } from "./time.ts";

/** The page at `/`. `listed`: the rows, or why there are none to show. `pageId` names the session that the form starts, so that a double click starts one. */
export function listPage(c: AppContext, listed: Visible, pageId: string, now: number): Response {
  const { identity, settings } = c.var;
  const content = (
    <>
      <Bar>
        <span class="quiet">
          {identity.role === "admin" ? (
            <>
              <a href="/setup/github">GitHub</a> · <a href="/admin/audit">Audit log</a> ·{" "}
            </>
          ) : null}
          <a href="/account">{identity.person.name}</a>
        </span>
      </Bar>
      <main class="narrow">
        <h1>What should errand do?</h1>
        <form method="post" action="/" class="start">
          <input type="hidden" name="id" value={pageId} />
          <textarea
            name="text"
            rows={4}
            required
            maxlength={40_000}
            placeholder="Add a test for the parser and make it pass"
            aria-label="Prompt"
          ></textarea>
          <div class="row">
            <input
              type="text"
              name="repository"
              placeholder={settings.DEFAULT_REPOSITORY ?? "repository: owner/name"}
              aria-label="Repository"
            />
            <input type="text" name="branch" placeholder="branch (its default)" aria-label="Branch to start from" />
            <button type="submit">Start</button>
          </div>
        </form>
        <h2>Sessions</h2>
        {listed.rows === null ? (
          <p class="error">{listed.why}</p>
        ) : listed.rows.length === 0 ? (
          <p class="quiet">None yet.</p>
        ) : (
          <ul class="sessions">
            {listed.rows.map((row) => (
              <li>
                <a href={`/s/${row.id}`}>{row.title || "Nothing asked yet"}</a>
                <span class="quiet">
                  <span class={`pill ${row.state}`}>{row.state}</span> {row.surface} · {row.repository ?? "no repository"} ·{" "}
                  {ago(row.updatedAt, now)}
                </span>
              </li>
            ))}
          </ul>
        )}
        {listed.rows !== null && listed.gap !== null ? <p class="quiet">{listed.gap}</p> : null}
      </main>
    </>
  );
  return page(c, "errand", content);
}
