/** Linking a Slack account, and ending that: the page that a link in Slack leads to, and the forms of the account page and of admins. */
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { whence } from "../auth/audit.ts";
import { cookieOf, keepCookie, linkCookie } from "../auth/cookies.ts";
import { administerPage } from "../auth/doors.ts";
import { signedIn, signedInPage } from "../auth/guard.ts";
import { signInOf } from "../auth/providers.ts";
import { claimLink, isSpent, LINK_MS, linkOf, numberOf, slackAccountOf, unlinkSlack, userOfSlack } from "../auth/slack-links.ts";
import { isToken, sha256 } from "../auth/token.ts";
import { accountsOf } from "../auth/users.ts";
import type { IdentityRow, SlackLinkRow } from "../db/schema.ts";
import { problemPage } from "../pages/problem.tsx";
import { confirmPage, linkedPage, noLink, numberPage, signInFirstPage } from "../pages/slack-link.tsx";
import { type AppContext, routes } from "./app.ts";
import { isOnlyLooking } from "./links.ts";

/** The longest form taken, in bytes. */
const MAX_FORM = 4 * 1024;
const limited = bodyLimit({
  maxSize: MAX_FORM,
  onError: (c) => problemPage(c as AppContext, 413, "Too long", `This form may have at most ${MAX_FORM} bytes.`),
});

const Confirmed = z.object({ link: z.string() });
const Unlinked = z.object({ account: z.string() });

/** How far the linking is that this browser was sent to. `number`: it waits for the number; `confirm`: for the person at the page. */
type Standing =
  | { state: "over" | "claimed" | "others" | "another" }
  | { state: "confirm" | "number" | "linked"; link: SlackLinkRow; accounts: IdentityRow[] };

/** The code is in a cookie and not in the address, which others may see: in a history, a log, or over a shoulder. */
async function standingOf(c: AppContext, userId: string): Promise<Standing> {
  const code = cookieOf(c.req.raw.headers, linkCookie(c.var.settings)) ?? undefined;
  const db = c.env.DB;
  const link = isToken(code) ? await linkOf({ db, now: Date.now() }, await sha256(code)) : null;
  const account = link && slackAccountOf(`slack:${link.subject}`);
  if (!link || !account || isSpent(link)) return { state: "over" };
  const [accounts, owner] = await Promise.all([accountsOf(db, userId), userOfSlack(db, account)]);
  if (owner) return owner.id === userId ? { state: "linked", link, accounts } : { state: "others" };
  if (link.linkedAt !== null) return { state: "over" };
  if (link.userId !== null && link.userId !== userId) return { state: "claimed" };
  if (accounts.some(({ provider, subject }) => provider === "slack" && subject.startsWith(`${account.team}:`))) return { state: "another" };
  return { state: link.userId === userId ? "number" : "confirm", link, accounts };
}

export const slackLinkRoutes = routes();

slackLinkRoutes.get(
  "/link/slack",
  async (c, next) => isOnlyLooking(c) ?? (await next()),
  async (c, next) => {
    const code = c.req.query("code");
    if (code === undefined) return next();
    const { settings } = c.var;
    const { origin, pathname, search } = new URL(c.req.url);
    // The cookie has to be where the person signs in.
    if (settings.PUBLIC_ORIGIN !== null && origin !== settings.PUBLIC_ORIGIN)
      return c.redirect(settings.PUBLIC_ORIGIN + pathname + search, 302);
    if (!isToken(code)) return noLink.over(c);
    keepCookie(c, linkCookie(settings), code, LINK_MS / 1000);
    return c.redirect("/link/slack", 302);
  },
  signedInPage,
  async (c) => {
    const { userId, person } = c.var.identity;
    if (userId === null) {
      const signIn = signInOf(c.var.settings);
      return signInFirstPage(c, signIn.ok && signIn.github !== null);
    }
    const standing = await standingOf(c, userId);
    if (!("link" in standing)) return noLink[standing.state](c);
    const me = { name: person.name, accounts: standing.accounts };
    const { link } = standing;
    if (standing.state === "linked") return linkedPage(c, link, me);
    if (standing.state === "confirm") return confirmPage(c, link, me, Date.now());
    const { SESSION_KEY: key } = c.var.settings;
    if (key === null) return problemPage(c, 503, "Linking is not set up", "SESSION_KEY is missing.");
    return numberPage(c, link, me, await numberOf(key, link.hash, userId), Date.now());
  },
);

/** The person says that the account is theirs. The form names the link that the page showed: another tab may have been sent to another one since. */
slackLinkRoutes.post("/link/slack", limited, signedInPage, async (c) => {
  const { userId } = c.var.identity;
  const form = Confirmed.safeParse(await c.req.parseBody());
  if (userId === null) return c.redirect("/link/slack", 303);
  const standing = await standingOf(c, userId);
  if (!("link" in standing)) return noLink[standing.state](c);
  const { link } = standing;
  if (!form.success || form.data.link !== link.hash) return c.redirect("/link/slack", 303);
  if (standing.state === "confirm" && !(await claimLink({ db: c.env.DB, now: Date.now() }, link.hash, userId))) return noLink.claimed(c);
  return c.redirect("/link/slack", 303);
});

/** What the page with the number asks. */
slackLinkRoutes.get("/link/slack/state", signedIn, async (c) => {
  const { userId } = c.var.identity;
  return c.json({ state: userId === null ? "over" : (await standingOf(c, userId)).state });
});

/** Ends a link; `of`: only where the account is that user's. */
async function unlink(c: AppContext, why: string, of: string | undefined): Promise<boolean> {
  const form = Unlinked.safeParse(await c.req.parseBody());
  const account = form.success ? slackAccountOf(`slack:${form.data.account}`) : null;
  const { userId, person } = c.var.identity;
  const by = { userId, name: person.name, why, ...whence(c.req.raw.headers) };
  return account !== null && (await unlinkSlack({ db: c.env.DB, now: Date.now() }, account, by, of)) !== null;
}

slackLinkRoutes.post("/account/slack/unlink", limited, signedInPage, async (c) => {
  const { userId } = c.var.identity;
  if (userId !== null) await unlink(c, "on the account page", userId);
  return c.redirect("/account", 303);
});

slackLinkRoutes.post("/admin/people/:id/unlink", limited, administerPage, async (c) => {
  await unlink(c, "by an admin", c.req.param("id"));
  return c.redirect("/admin/people", 303);
});
