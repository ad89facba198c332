/** The people of an installation, for admins: invitations, roles, and who may not come in any more. Every change is in the audit log. */
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { base32 } from "../../protocol/thread.ts";
import { administerPage, tellOf } from "../auth/doors.ts";
import { random } from "../auth/token.ts";
import { type Change, changePerson, invite, inviteeOf, listPeople, openInvitations, withdraw } from "../db/people.ts";
import { peoplePage } from "../pages/people.tsx";
import { problemPage } from "../pages/problem.tsx";
import { type AppContext, routes } from "./app.ts";

/** The longest form taken, in bytes. */
const MAX_FORM = 4 * 1024;
const limited = bodyLimit({
  maxSize: MAX_FORM,
  onError: (c) => problemPage(c as AppContext, 413, "Too long", `This form may have at most ${MAX_FORM} bytes.`),
});

const Invitation = z.object({ who: z.string(), role: z.enum(["admin", "member"]) });
const To = z.object({ to: z.enum(["admin", "member", "disabled", "enabled"]) });

async function shown(c: AppContext, mistake: string | null): Promise<Response> {
  const now = Date.now();
  const [people, invitations] = await Promise.all([listPeople(c.env.DB), openInvitations(c.env.DB, now)]);
  return peoplePage(c, { people, invitations, self: c.var.identity.userId, mistake, now });
}

export const peopleRoutes = routes();

peopleRoutes.get("/admin/people", administerPage, (c) => shown(c, null));

peopleRoutes.post("/admin/invitations", limited, administerPage, async (c) => {
  const form = Invitation.safeParse(await c.req.parseBody());
  const invitee = form.success ? inviteeOf(form.data.who) : null;
  if (!form.success || !invitee) return shown(c, "That is neither an e-mail address, such as ada@example.com, nor a login at GitHub.");
  const { role } = form.data;
  // Told first: nobody is let in whom the log does not know of.
  await tellOf(c, { action: "invitation.made", target: invitee.email ?? `github:${invitee.login}`, detail: { role } });
  await invite(c.env.DB, { id: base32(random(16)), ...invitee, role, invitedBy: c.var.identity.person.id, createdAt: Date.now() });
  return c.redirect("/admin/people", 303);
});

peopleRoutes.post("/admin/invitations/:id/withdraw", limited, administerPage, async (c) => {
  const row = await withdraw(c.env.DB, c.req.param("id"));
  if (!row) return shown(c, "That invitation is not open any more.");
  await tellOf(c, { action: "invitation.withdrawn", target: row.email ?? `github:${row.login}`, detail: {} });
  return c.redirect("/admin/people", 303);
});

peopleRoutes.post("/admin/people/:id", limited, administerPage, async (c) => {
  const form = To.safeParse(await c.req.parseBody());
  const id = c.req.param("id");
  if (!form.success) return shown(c, "A person can be made an admin or a member, disabled or enabled.");
  if (id === c.var.identity.userId) return shown(c, "Another admin has to change what you are.");
  const { to } = form.data;
  const change: Change = to === "admin" || to === "member" ? { role: to } : { disabledAt: to === "disabled" ? Date.now() : null };
  const changed = await changePerson(c.env.DB, id, change);
  if (!changed) return shown(c, "Nothing was changed: there has to be one admin who is not disabled, and the person may be so already.");
  await tellOf(c, { action: `person.${to}`, target: `user:${id}`, detail: { name: changed.name } });
  return c.redirect("/admin/people", 303);
});
