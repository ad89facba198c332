import { describe, expect, it, test } from "vitest";
import { type About, type Facts, mayThey, type Permission, type Right, type Who } from "./rights.ts";

const RIGHTS: Right[] = ["see", "watch", "prompt", "drive", "administer"];
const ME = "github:1";
const repository = (permission: Permission, visibility: "public" | "private" | "unknown" = "private") => ({
  name: "acme/sample",
  visibility,
  permission,
});

const who = (change: Partial<Who> = {}): Who => ({
  owner: false,
  role: "member",
  people: ["user:me", ME],
  onForge: true,
  asAdmin: false,
  scope: null,
  ...change,
});
const session = (change: Partial<About> = {}): About => ({
  surface: "github",
  repository: repository("none"),
  began: "github:2",
  members: ["github:2"],
  closed: false,
  ...change,
});
const facts = (about: Partial<About> = {}, person: Partial<Who> = {}): Facts => ({ who: who(person), session: session(about) });

/** By what they may, or the code of the refusal, for see, watch, prompt, drive, administer. */
const outcome = (given: Facts): string[] =>
  RIGHTS.map((right) => {
    const decision = mayThey(right, given);
    return decision.ok ? decision.by : decision.code;
  });

/** The last column of everybody who is no admin. */
const NO = "not_admin";
const KEY = "key_scope";
const same = (text: string) => [text, text, text, text, NO];
const asked = { members: ["github:2", ME] };
const began = { members: [ME], began: ME };

const TABLE: [string, Facts, string[]][] = [
  // A private repository, a thread on GitHub.
  ["private, none", facts(), same("no_access")],
  ["private, read", facts({ repository: repository("read") }), ["repository", "repository", "read_only", "watch_only", NO]],
  ["private, write", facts({ repository: repository("write") }), same("repository")],
  ["private, admin of the repository", facts({ repository: repository("admin") }), same("repository")],
  ["private, unknown", facts({ repository: repository("unknown") }), same("not_known")],
  ["private, unknown, no account linked", facts({ repository: repository("unknown") }, { onForge: false }), same("not_linked")],
  ["private, visibility unknown", facts({ repository: repository("unknown", "unknown") }), same("not_known")],
  // Having asked takes write access there: who lost it has lost the session.
  ["private, none, asked before", facts(asked), same("no_access")],
  ["private, none, began it", facts(began), same("no_access")],
  ["private, unknown, asked before", facts({ ...asked, repository: repository("unknown") }), same("not_known")],
  // A public repository.
  ["public, none", facts({ repository: repository("none", "public") }), ["public", "see_only", "read_only", "see_only", NO]],
  [
    "public, none, asked before",
    facts({ ...asked, repository: repository("none", "public") }),
    ["public", "see_only", "read_only", "see_only", NO],
  ],
  ["public, read", facts({ repository: repository("read", "public") }), ["repository", "repository", "read_only", "watch_only", NO]],
  ["public, write", facts({ repository: repository("write", "public") }), same("repository")],
  ["public, unknown", facts({ repository: repository("unknown", "public") }), ["public", "not_known", "not_known", "not_known", NO]],
  [
    "public, no account linked",
    facts({ repository: repository("unknown", "public") }, { onForge: false }),
    ["public", "not_linked", "not_linked", "not_linked", NO],
  ],
  // The page begins sessions with write access too.
  [
    "page, private, read",
    facts({ surface: "page", repository: repository("read") }),
    ["repository", "repository", "read_only", "watch_only", NO],
  ],
  ["page, private, none, began it", facts({ ...began, surface: "page" }), same("no_access")],
  // A Slack thread: the channel's people, by having asked, and those who may write.
  ["slack, private, none", facts({ surface: "slack" }), same("not_member")],
  ["slack, private, read", facts({ surface: "slack", repository: repository("read") }), same("not_member")],
  ["slack, private, write", facts({ surface: "slack", repository: repository("write") }), same("repository")],
  ["slack, public, read", facts({ surface: "slack", repository: repository("read", "public") }), same("not_member")],
  ["slack, public, unknown", facts({ surface: "slack", repository: repository("unknown", "public") }), same("not_known")],
  ["slack, none, asked", facts({ ...asked, surface: "slack" }), ["member", "member", "read_only", "watch_only", NO]],
  [
    "slack, write, asked",
    facts({ ...asked, surface: "slack", repository: repository("write") }),
    ["member", "member", "repository", "repository", NO],
  ],
  [
    "slack, no account linked, asked",
    facts({ ...asked, surface: "slack", repository: repository("unknown") }, { onForge: false }),
    ["member", "member", "not_linked", "not_linked", NO],
  ],
  [
    "slack, unknown, asked",
    facts({ ...asked, surface: "slack", repository: repository("unknown") }),
    ["member", "member", "not_known", "not_known", NO],
  ],
  // No repository on the forge: nobody but the session's own people.
  ["no repository, a stranger", facts({ repository: null }), same("not_member")],
  ["no repository, asked", facts({ ...asked, repository: null }), ["member", "member", "read_only", "watch_only", NO]],
  ["no repository, began it", facts({ ...began, repository: null }), ["member", "member", "began", "began", NO]],
  [
    "no repository, in Slack, asked",
    facts({ ...asked, surface: "slack", repository: null }),
    ["member", "member", "read_only", "watch_only", NO],
  ],
  ["no repository, begun by nobody", facts({ repository: null, began: null, members: [] }), same("not_member")],
  // Whoever is known by another account of theirs is the same person.
  [
    "known by the second id",
    facts({ repository: null, began: "user:me", members: ["user:me"] }),
    ["member", "member", "began", "began", NO],
  ],
  ["an id that only begins alike", facts({ repository: null, began: "github:11", members: ["github:11"] }), same("not_member")],
  // Ended: nobody's click starts its sandbox again.
  ["ended, write", facts({ repository: repository("write"), closed: true }), ["repository", "closed", "repository", "closed", NO]],
  ["ended, none", facts({ closed: true }), same("no_access")],
  // Admins: no silent power.
  ["admin, private, none", facts({}, { role: "admin" }), ["no_access", "no_access", "no_access", "no_access", "admin"]],
  ["admin, unknown", facts({ repository: repository("unknown") }, { role: "admin" }), [...same("not_known").slice(0, 4), "admin"]],
  ["admin who says so", facts({}, { role: "admin", asAdmin: true }), ["admin", "admin", "admin", "admin", "admin"]],
  [
    "admin who says so and may anyway",
    facts({ repository: repository("write") }, { role: "admin", asAdmin: true }),
    [...same("repository").slice(0, 4), "admin"],
  ],
  ["admin who says so, ended", facts({ closed: true }, { role: "admin", asAdmin: true }), ["admin", "closed", "admin", "closed", "admin"]],
  ["member who says so", facts({}, { asAdmin: true }), same("no_access")],
  [
    "no session, admin who says so",
    { who: who({ role: "admin", asAdmin: true }), session: null },
    [...same("no_session").slice(0, 4), "admin"],
  ],
  ["no session", { who: who(), session: null }, same("no_session")],
  // Keys: what their person may, as far as their scope goes, and nothing in a sandbox.
  ["a key to prompt, write", facts({ repository: repository("write") }, { scope: "prompt" }), ["repository", KEY, "repository", KEY, KEY]],
  ["a key to prompt, read", facts({ repository: repository("read") }, { scope: "prompt" }), ["repository", KEY, "read_only", KEY, KEY]],
  ["a key to prompt, none", facts({}, { scope: "prompt" }), ["no_access", KEY, "no_access", KEY, KEY]],
  ["a key to read, write", facts({ repository: repository("write") }, { scope: "read" }), ["repository", KEY, KEY, KEY, KEY]],
  ["a key to read, admin of errand", facts({}, { scope: "read", role: "admin" }), ["no_access", KEY, KEY, KEY, KEY]],
  // The machine's owner.
  ["owner", facts({}, { owner: true }), ["owner", "owner", "owner", "owner", "owner"]],
  ["owner, ended", facts({ closed: true }, { owner: true }), ["owner", "owner", "owner", "owner", "owner"]],
];

describe("see, watch, prompt, drive, administer", () => {
  it.each(TABLE)("%s", (_name, given, expected) => {
    expect(outcome(given)).toEqual(expected);
  });
});

/** Every combination of facts that there is. */
function* all(): Generator<Facts> {
  const permissions: Permission[] = ["none", "read", "write", "admin", "unknown"];
  const repositories = [
    null,
    ...permissions.flatMap((one) => (["public", "private", "unknown"] as const).map((seen) => repository(one, seen))),
  ];
  for (const surface of ["slack", "github", "page"] as const)
    for (const where of repositories)
      for (const people of [{ members: [], began: null }, asked, began])
        for (const closed of [false, true])
          for (const role of ["admin", "member"] as const)
            for (const asAdmin of [false, true])
              for (const onForge of [false, true])
                yield facts({ surface, repository: where, closed, ...people }, { role, asAdmin, onForge });
}

test("of every combination: who may act may see, who may drive may watch, nothing unknown opens, and a refusal says something", () => {
  let count = 0;
  for (const given of all()) {
    count += 1;
    const [see, watch, prompt, drive] = RIGHTS.map((right) => mayThey(right, given));
    if (prompt?.ok) expect(see?.ok, JSON.stringify(given)).toBe(true);
    if (drive?.ok) expect(watch?.ok, JSON.stringify(given)).toBe(true);
    if (drive?.ok) expect(prompt?.ok, JSON.stringify(given)).toBe(true);
    for (const decision of [see, watch, prompt, drive]) {
      if (decision?.ok && decision.by === "admin") expect(given.who).toMatchObject({ role: "admin", asAdmin: true });
      if (decision?.ok && decision.by === "repository") expect(given.session?.repository?.permission).toMatch(/read|write|admin/);
      if (!decision?.ok) expect(decision?.why).toMatch(/^[A-Z].+\.$/);
    }
    if (watch?.ok) expect(see?.ok, JSON.stringify(given)).toBe(true);
    if (watch?.ok) expect(watch.by).not.toBe("public");
    // Who is told that they may look on may.
    if (drive?.ok === false && drive.code === "watch_only") expect(watch?.ok, JSON.stringify(given)).toBe(true);
    if (drive?.ok === false && watch?.ok) expect(["watch_only", "not_known", "not_linked"]).toContain(drive.code);
    const repositoryOf = given.session?.repository;
    if (repositoryOf?.permission === "unknown" && !given.who.asAdmin) expect([prompt?.ok, drive?.ok]).toEqual([false, false]);
  }
  expect(count).toBe(3 * 16 * 3 * 2 * 2 * 2 * 2);
});

test("without a linked account it is said how to link one", () => {
  const decision = mayThey("see", facts({ repository: repository("unknown") }, { onForge: false }));
  expect(decision).toMatchObject({ ok: false, why: expect.stringContaining("/account") });
});

test.each([
  ["no write access", facts({ repository: repository("read") }), "You may look on, without input: at its desktop and its terminal."],
  ["another's session", facts({ ...asked, repository: null }), "You may look on, without input: at its desktop and its terminal."],
  ["a public repository", facts({ repository: repository("none", "public") }), "looking on takes read access of your own"],
])("a refusal to use the sandbox says what is possible: %s", (_name, given, said) => {
  expect(mayThey("drive", given)).toMatchObject({ ok: false, why: expect.stringContaining(said) });
});
