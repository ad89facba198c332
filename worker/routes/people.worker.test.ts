import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { inviteeOf } from "../db/people.ts";
import { askAs, type Someone, someone } from "../testing/people.ts";
import { ask, ORIGIN } from "../testing/world.ts";

const rows = async (sql: string, ...values: unknown[]) =>
  (
    await env.DB.prepare(sql)
      .bind(...values)
      .all()
  ).results;
const form = (fields: Record<string, string>, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
  body: new URLSearchParams(fields).toString(),
});
const stateOf = (person: Someone) => rows("select role, disabled_at is not null as disabled from users where id = ?", person.userId);

let admin: Someone;
let member: Someone;
beforeEach(async () => {
  await env.DB.batch(
    ["users", "identities", "auth_sessions", "invitations", "audit"].map((table) => env.DB.prepare(`delete from ${table}`)),
  );
  admin = await someone({ role: "admin", name: "Ada" });
  member = await someone({ name: "<Bob>" });
});

test("the page shows who is there, escaped, and who is invited", async () => {
  await askAs(admin, "/admin/invitations", form({ who: "Eve@Corp.example", role: "member" }));
  const html = await (await askAs(admin, "/admin/people")).text();
  expect(html).toContain("&lt;Bob&gt;");
  expect(html).toContain(`GitHub: ${member.github?.login}`);
  expect(html).toContain("eve@corp.example");
  // Nobody changes themselves.
  expect(html).not.toContain(`/admin/people/${admin.userId}`);
});

describe("invitations", () => {
  test("made and withdrawn, and told of", async () => {
    expect((await askAs(admin, "/admin/invitations", form({ who: " @Octo-Cat ", role: "admin" }))).status).toBe(303);
    const [row] = await rows("select id, email, login, role, expires_at - created_at as ms from invitations");
    expect(row).toMatchObject({ email: null, login: "octo-cat", role: "admin", ms: 14 * 24 * 3600_000 });
    expect((await askAs(admin, `/admin/invitations/${row?.id}/withdraw`, form({}))).status).toBe(303);
    expect((await askAs(admin, `/admin/invitations/${row?.id}/withdraw`, form({}))).status).toBe(400);
    expect(await rows("select action, target, name from audit order by id")).toEqual([
      { action: "invitation.made", target: "github:octo-cat", name: "Ada" },
      { action: "invitation.withdrawn", target: "github:octo-cat", name: "Ada" },
    ]);
  });

  test.each([
    ["ada@example.com", { email: "ada@example.com", login: null }],
    ["Ada", { email: null, login: "ada" }],
    ["ada_acme", { email: null, login: "ada_acme" }],
    ["", null],
    ["a b", null],
    ["-ada", null],
    ["a--b", null],
    ["ada@example", null],
    ['"a@b"@example.com', null],
    ["a".repeat(41), null],
  ])("for %j", (text, invitee) => expect(inviteeOf(text)).toEqual(invitee));

  test("nonsense is refused with the page", async () => {
    const answer = await askAs(admin, "/admin/invitations", form({ who: "a b", role: "member" }));
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain("neither an e-mail address");
    expect((await askAs(admin, "/admin/invitations", form({ who: "ada", role: "owner" }))).status).toBe(400);
    expect(await rows("select 1 from invitations")).toEqual([]);
  });
});

describe("what people are", () => {
  const change = (to: string, whom: Someone, by = admin) => askAs(by, `/admin/people/${whom.userId}`, form({ to }));

  test("roles, and who may not come in any more", async () => {
    expect((await change("admin", member)).status).toBe(303);
    expect(await stateOf(member)).toEqual([{ role: "admin", disabled: 0 }]);
    expect((await change("disabled", member)).status).toBe(303);
    expect((await askAs(member, "/api/auth/me")).status).toBe(401);
    expect((await change("enabled", member)).status).toBe(303);
    expect((await askAs(member, "/api/auth/me")).status).toBe(200);
    expect((await change("member", member)).status).toBe(303);
    expect(await rows("select action, target from audit where action like 'person.%' order by id")).toEqual(
      ["admin", "disabled", "enabled", "member"].map((to) => ({ action: `person.${to}`, target: `user:${member.userId}` })),
    );
  });

  test("nobody changes themselves, and the last admin stays one, also of two who undo each other at once", async () => {
    expect((await change("member", admin)).status).toBe(400);
    await change("admin", member);
    const both = await Promise.all([change("member", admin, member), change("member", member, admin)]);
    expect(both.filter((answer) => answer.status === 303)).toHaveLength(1);
    expect(await rows("select count(*) as n from users where role = 'admin'")).toEqual([{ n: 1 }]);
  });

  test("the owner of the machine may not take the last admin away either", async () => {
    const answer = await ask(`/admin/people/${admin.userId}`, form({ to: "disabled" }, { origin: ORIGIN }));
    expect(answer.status).toBe(400);
    expect(await stateOf(admin)).toEqual([{ role: "admin", disabled: 0 }]);
  });

  test.each(["/admin/people", "/admin/invitations", "/admin/people/x", "/admin/invitations/x/withdraw"])(
    "members are refused at %s",
    async (path) => {
      const answer = await askAs(member, path, path === "/admin/people" ? {} : form({ to: "admin", who: "eve", role: "admin" }));
      expect(answer.status).toBe(403);
    },
  );

  test("nonsense changes nothing", async () => {
    expect((await change("owner", member)).status).toBe(400);
    expect((await askAs(admin, "/admin/people/nobody", form({ to: "admin" }))).status).toBe(400);
    expect(await stateOf(member)).toEqual([{ role: "member", disabled: 0 }]);
  });
});
