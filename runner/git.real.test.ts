import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { changedFiles, prepareWorkspace } from "./git.ts";

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
    head: null,
    distrusted: false,
    helper: null,
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
