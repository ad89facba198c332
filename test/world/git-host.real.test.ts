import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GitHost, parseCgiHead, parseGitPath, startGitHost } from "./git-host.ts";

const run = promisify(execFile);
let folder = "";
let host: GitHost;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "errand-git-"));
  host = await startGitHost({ dataDir: join(folder, "host") });
});
afterAll(async () => {
  await host.stop();
  rmSync(folder, { recursive: true });
});

const git = (at: string, ...args: string[]) =>
  run("git", ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "http.postBuffer=70000", ...args], { cwd: at }).then(
    ({ stdout, stderr }) => ({ ok: true, text: stdout + stderr }),
    (error: unknown) => ({ ok: false, text: error instanceof Error && "stderr" in error ? String(error.stderr) : "" }),
  );

test.each([
  ["/", { kind: "list" }],
  ["/acme/sample", { kind: "page", repository: "acme/sample" }],
  ["/acme/sample.git", { kind: "page", repository: "acme/sample" }],
  ["/acme/sample.git/info/refs", { kind: "git", repository: "acme/sample", service: "info/refs" }],
  ["/acme/sample/git-upload-pack", { kind: "git", repository: "acme/sample", service: "git-upload-pack" }],
  ["/acme/a.b.git/git-receive-pack", { kind: "git", repository: "acme/a.b", service: "git-receive-pack" }],
  ["/acme/sample.git/objects/info/packs", undefined],
  ["/acme/sample.git/HEAD", undefined],
  ["/../etc/info/refs", undefined],
  ["/acme/../info/refs", undefined],
  ["/acme/..%2f..%2fetc/info/refs", undefined],
  ["/.making-1-a/b/info/refs", undefined],
  ["/acme/a..b.git/info/refs", undefined],
  ["/-x/--upload-pack=id/info/refs", undefined],
  ["/acme", undefined],
])("the path %s", (path, expected) => expect(parseGitPath(path)).toEqual(expected));

test.each([
  ["Status: 404 Not Found\r\nA: b: c\r\n\r\nbody", { status: 404, headers: [["A", "b: c"]], body: 34 }],
  ["A: b\n\nbody", { status: 200, headers: [["A", "b"]], body: 6 }],
  ["A: b\r\n", undefined],
])("the CGI head %j", (text, expected) => expect(parseCgiHead(Buffer.from(text))).toEqual(expected));

describe("the git host", () => {
  test("lists the sample, and gives it to git", async () => {
    expect(await (await fetch(host.url)).text()).toBe(`${host.cloneUrl("acme/sample")}\n`);
    expect((await git(folder, "clone", "--quiet", host.cloneUrl("acme/sample"), "sample")).ok).toBe(true);
    expect(JSON.parse(await readFile(join(folder, "sample", "package.json"), "utf8")).name).toBe("tally");
    expect((await git(join(folder, "sample"), "log", "--format=%s on %D", "-1")).text).toContain("Start on HEAD -> main, origin/main");
  });

  test("the sample's own tests pass", async () => {
    await git(folder, "clone", "--quiet", host.cloneUrl("acme/sample"), "tested");
    // Run as by hand: inside a test runner, node --test would report to that one.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { stdout } = await run(process.execPath, ["--test"], { cwd: join(folder, "tested"), env });
    expect(stdout).toMatch(/pass 10\b/);
    expect(stdout).toMatch(/fail 0\b/);
  });

  test("takes a push, large ones too", async () => {
    await host.createRepository("acme/empty", { "a.txt": "ünï\n" });
    const at = join(folder, "pushed");
    await git(folder, "clone", "--quiet", host.cloneUrl("acme/empty"), at);
    expect(await readFile(join(at, "a.txt"), "utf8")).toBe("ünï\n");
    await writeFile(join(at, "big.bin"), Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 251)));
    await git(at, "add", "-A");
    await git(at, "commit", "--quiet", "-m", "Big");
    expect(await git(at, "push", "--quiet", "origin", "HEAD:errand/other")).toEqual({ ok: true, text: "" });
    expect((await git(at, "push", "--quiet", "origin", "HEAD:main")).text).toContain("Only branches that begin with errand/");
    expect((await git(folder, "ls-remote", host.cloneUrl("acme/empty"))).text).toContain("refs/heads/errand/other");
  });

  test("an unknown repository is one that git says is not found", async () => {
    const result = await git(folder, "clone", host.cloneUrl("acme/nope"), "nope");
    expect(result.ok).toBe(false);
    expect(result.text).toContain("not found");
  });

  test("a repository can be made once, by a name that is one", async () => {
    await expect(host.createRepository("acme/sample", {})).rejects.toThrow("already");
    await expect(host.createRepository("../x", {})).rejects.toThrow("owner/name");
    await expect(host.createRepository("sample", {})).rejects.toThrow("owner/name");
  });

  test("what lies beside the repositories is not served", async () => {
    await mkdir(join(folder, "host", "secret"), { recursive: true });
    await writeFile(join(folder, "host", "secret", "x"), "secret");
    expect((await fetch(`${host.url}/secret/x/info/refs?service=git-upload-pack`)).status).toBe(404);
  });

  test("refuses a foreign Host", async () => {
    const status = await new Promise((resolve, reject) => {
      httpRequest(host.url, { headers: { host: "evil.example" } }, (answer) => resolve(answer.statusCode))
        .once("error", reject)
        .end();
    });
    expect(status).toBe(403);
  });

  test("keeps what it has over a restart", async () => {
    await host.stop();
    host = await startGitHost({ dataDir: join(folder, "host") });
    expect(await host.repositories()).toEqual(expect.arrayContaining(["acme/empty", "acme/sample"]));
  });
});
