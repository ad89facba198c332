/** The page for somebody who is known and may not: why, and what would help. */
import { AS_ADMIN_MS } from "../auth/as-admin.ts";
import type { Refusal } from "../auth/rights.ts";
import type { AppContext } from "../routes/app.ts";
import { Bar, page } from "./document.tsx";
import { LookOn } from "./openings.tsx";

const HEADINGS: Partial<Record<Refusal["code"], string>> = {
  not_known: "Not known right now",
  not_linked: "Link your GitHub account",
  closed: "This session has ended",
};

/** 403. `session`: the one it is about; an admin can say on this page that they open it all the same. */
export function refusedPage(c: AppContext, refusal: Refusal, session: string | null): Response {
  const { identity } = c.var;
  const offered = session !== null && identity.role === "admin" && identity.sessionHash !== null && refusal.code !== "closed";
  const heading = HEADINGS[refusal.code] ?? "You may not open this";
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>{heading}</h1>
        <p>{refusal.why}</p>
        {session !== null && refusal.code === "watch_only" ? <LookOn session={session} /> : null}
        <p class="quiet">
          You are signed in as {identity.person.name}. <a href="/account">Your account</a>
        </p>
        {offered ? (
          <form method="post" action={`/s/${session}/as-admin`} class="setup">
            <h2>You are an admin</h2>
            <p>
              You can open this session all the same, for {AS_ADMIN_MS / 60_000} minutes. That is written into the audit log with your name,
              and every admin can read it there.
            </p>
            <label for="why">Why</label>
            <input type="text" id="why" name="why" required maxlength={200} />
            <button type="submit">Open as an admin</button>
          </form>
        ) : null}
        <p class="quiet">{`403 · ${c.req.path}`}</p>
      </main>
    </>
  );
  return page(c, `${heading} · errand`, content, { status: 403 });
}
