import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compact, countLines, parseDiff } from "./changes.ts";
import { changedFiles, prepareWorkspace } from "./git.ts";

describe("what git prints", () => {
  it.each([
    ["nothing", "", []],
    [
      "a change",
      ":100644 100644 1 0 M\0a b.txt\0" + "3\t1\ta b.txt\0",
      [{ path: "a b.txt", status: "modified", additions: 3, deletions: 1 }],
    ],
    [
      "a rename",
      ":100644 100644 1 2 R090\0old\0new\0" + "1\t0\t\0old\0new\0",
      [{ path: "new", status: "renamed", additions: 1, deletions: 0 }],
    ],
    ["a binary file", ":000000 100644 0 1 A\0x.png\0" + "-\t-\tx.png\0", [{ path: "x.png", status: "added", additions: 0, deletions: 0 }]],
    ["a deletion", ":100644 000000 1 0 D\0x\0" + "0\t9\tx\0", [{ path: "x", status: "deleted", additions: 0, deletions: 9 }]],
  ])("%s", (_, output, changes) => {
    expect(parseDiff(output)).toEqual(changes);
  });

  it.each([
    ["", 0],
    ["a", 1],
    ["a\n", 1],
    ["a\nb", 2],
    ["a\0b\n", 0],
  ])("counts the lines of %j", (text, lines) => {
    expect(countLines(new TextEncoder().encode(text))).toBe(lines);
  });

  it("shows at most 500 files and says how many there are", () => {
    const changes = Array.from({ length: 600 }, (_, index) => ({
      path: `f${index}`,
      status: "added" as const,
      additions: 1,
      deletions: 0,
    }));
    expect(compact(changes)).toMatchObject({ files: { length: 500 }, total: 600 });
  });
});

describe("a workspace", () => {
  let root = "";
  const git = (folder: string, ...args: string[]) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], { cwd: folder, encoding: "utf8" }).trim();
  const wish = (name: string, fields: object = {}) => ({
    workspace: join(root, name),
    home: join(root, `${name}-home`),
    repository: join(root, "origin"),
    base: null,
    branch: "errand/x",
    signal: new AbortController().signal,
    ...fields,
  });

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "errand-git-"));
    const origin = join(root, "origin");
    mkdirSync(origin);
    git(origin, "init", "-q", "-b", "main");
    writeFileSync(join(origin, "a.txt"), "one\n");
    git(origin, "add", ".");
    git(origin, "commit", "-q", "-m", "first");
    git(origin, "tag", "v1");
    git(origin, "commit", "-q", "--allow-empty", "-m", "second");
    mkdirSync(join(root, "blank"));
    git(join(root, "blank"), "init", "-q", "-b", "main");
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it("is cloned once, on its branch, and stays as it is", async () => {
    expect(await prepareWorkspace(wish("one"))).toMatchObject({ ok: true, cloned: true, branch: "errand/x", base: "main" });
    writeFileSync(join(root, "one", "a.txt"), "one\ntwo\n");
    mkdirSync(join(root, "one", "über"));
    writeFileSync(join(root, "one", "über", "new.txt"), "x");
    expect(await changedFiles(join(root, "one"))).toEqual({
      total: 2,
      files: [
        { path: "a.txt", status: "modified", additions: 1, deletions: 0 },
        { path: "über/new.txt", status: "added", additions: 1, deletions: 0 },
      ],
    });
    expect(await prepareWorkspace(wish("one"))).toMatchObject({ ok: true, cloned: false });
    expect(readFileSync(join(root, "one", "a.txt"), "utf8")).toBe("one\ntwo\n");
  });

  it("counts what was committed since the base as well", async () => {
    git(join(root, "one"), "commit", "-q", "-am", "by the agent");
    expect(await changedFiles(join(root, "one"))).toMatchObject({ total: 2 });
  });

  it("fills a folder that is there, over what a cut-off start left", async () => {
    const { workspace, home } = wish("two");
    mkdirSync(workspace);
    writeFileSync(join(workspace, "a.txt"), "half");
    mkdirSync(join(home, ".errand", "cloning"), { recursive: true });
    expect(await prepareWorkspace(wish("two"))).toMatchObject({ ok: true, cloned: true });
    expect(readFileSync(join(workspace, "a.txt"), "utf8")).toBe("one\n");
    expect(readdirSync(join(home, ".errand"))).toEqual([]);
  });

  it.each([
    ["a tag", { base: "v1" }, { ok: true, base: "v1" }],
    ["a branch of another name", { base: "nope" }, { ok: false, failure: { code: "base_not_found" } }],
    ["an option for a name", { base: "--output=x" }, { ok: false, failure: { code: "base_not_found" } }],
    ["no repository", { repository: null }, { ok: true, base: "", commit: expect.stringMatching(/^[0-9a-f]{40}$/) }],
    ["a missing repository", { repository: "/nowhere/at/all" }, { ok: false, failure: { code: "repository_not_found" } }],
  ])("starts from %s", async (name, fields, expected) => {
    expect(await prepareWorkspace(wish(name.replaceAll(" ", "-"), fields))).toMatchObject(expected);
  });

  it("begins an empty repository with a commit", async () => {
    expect(await prepareWorkspace(wish("three", { repository: join(root, "blank") }))).toMatchObject({ ok: true, branch: "errand/x" });
  });

  it("goes on with its branch when it was pushed before", async () => {
    git(join(root, "one"), "push", "-q", "origin", "errand/x");
    const state = await prepareWorkspace(wish("four"));
    expect(state).toMatchObject({ ok: true, commit: git(join(root, "one"), "rev-parse", "HEAD") });
    expect(await changedFiles(join(root, "four"))).toMatchObject({ total: 1, files: [{ path: "a.txt" }] });
  });
});
