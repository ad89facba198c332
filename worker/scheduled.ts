/** What the Worker does by the clock, every five minutes. */
import { gitHubApp } from "../bots/github/client.ts";
import { forgetOld } from "./auth/audit.ts";
import { sweepDeliveries } from "./github-sweep.ts";
import { forgetOldDays } from "./session/model-day.ts";
import { githubOf, settingsOf } from "./settings.ts";

/** Does all of it. Logs a line for what it did or could not do; never rejects, since the next time is soon. */
export async function scheduled(_controller: unknown, env: Env): Promise<void> {
  await forgetOld(env.DB, Date.now()).catch(() => console.warn(JSON.stringify({ at: "audit", outcome: "old entries not deleted" })));
  await forgetOldDays(env.DB, Date.now()).catch(() => console.warn(JSON.stringify({ at: "model-days", outcome: "old rows not deleted" })));
  await sweepGitHub(env);
}

/** Looks for missed deliveries of GitHub's, where GitHub is set up. */
async function sweepGitHub(env: Env): Promise<void> {
  const log = (line: Record<string, unknown>) => console.log(JSON.stringify({ at: "github-sweep", ...line }));
  try {
    const github = githubOf(settingsOf(env));
    if (!github.ok) {
      if (github.half) log({ outcome: "not set up", why: `set ${github.missing.join(", ")}` });
      return;
    }
    const swept = await sweepDeliveries(gitHubApp(github), env.DB, Date.now());
    if (swept) log({ outcome: swept.why === null ? "done" : "cut short", ...swept });
  } catch (error) {
    // A failed query's own message repeats its parameters.
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    log({ outcome: "failed", why: cause instanceof Error ? cause.message : "unknown" });
  }
}
