import { createPrivateKey } from "node:crypto";
import { importPKCS8, SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Bench, SAMPLE, startBench, statusOf } from "./testing.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.stop());
beforeEach(async () => void (await bench.news()));

const installed = () => bench.asApp(bench.github.installationId);
const on = (number: number) => ({ ...SAMPLE, issue_number: number });

describe("comments", () => {
  test("are told to the App, signed, with everything GitHub says", async () => {
    const { data } = await bench.as("ada").rest.issues.createComment({ ...on(1), body: "@errand please" });
    expect(data.html_url).toBe(`http://127.0.0.1:1/github/acme/sample/issues/1#issuecomment-${data.id}`);
    const [told, ...others] = await bench.news();
    expect(others).toEqual([]);
    expect(told).toMatchObject({
      event: "issue_comment",
      signed: true,
      headers: {
        "content-type": "application/json",
        "user-agent": expect.stringMatching(/^GitHub-Hookshot\//),
        "x-github-delivery": expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/),
        "x-github-hook-id": expect.any(String),
        "x-github-hook-installation-target-type": "integration",
        "x-github-hook-installation-target-id": bench.github.appId,
      },
      payload: {
        action: "created",
        comment: {
          id: data.id,
          body: "@errand please",
          created_at: expect.stringMatching(/:\d\dZ$/),
          user: { login: "ada", type: "User" },
          performed_via_github_app: null,
        },
        issue: { number: 1, title: "Add a --characters option" },
        repository: {
          id: bench.github.repositoryId("acme/sample"),
          full_name: "acme/sample",
          private: false,
          owner: { type: "Organization" },
        },
        organization: { login: "acme" },
        sender: { login: "ada", type: "User" },
        installation: { id: bench.github.installationId },
      },
    });
    expect(told?.payload.issue).not.toHaveProperty("pull_request");
  });

  test("of the App come by its bot, and their edits say what was there", async () => {
    const bot = installed();
    const { data } = await bot.rest.issues.createComment({ ...on(1), body: "working" });
    expect(data).toMatchObject({ user: { login: "errand[bot]", type: "Bot" }, performed_via_github_app: { slug: "errand" } });
    await bot.rest.issues.updateComment({ ...SAMPLE, comment_id: data.id, body: "done" });
    const [, edited] = await bench.news();
    expect(edited?.payload).toMatchObject({
      action: "edited",
      changes: { body: { from: "working" } },
      comment: { body: "done" },
      sender: { type: "Bot" },
    });
    const { data: user } = await bot.rest.users.getByUsername({ username: "errand[bot]" });
    expect(user).toMatchObject({ login: "errand[bot]", type: "Bot" });
    expect(String(user.id)).not.toBe(bench.github.appId);
  });

  test("of the last seconds are found, and deleted ones are gone", async () => {
    const { data } = await bench.as("ada").rest.issues.createComment({ ...on(2), body: "one" });
    const since = data.updated_at;
    expect((await installed().rest.issues.listComments({ ...on(2), since })).data.map((one) => one.id)).toEqual([data.id]);
    expect((await installed().rest.issues.listComments({ ...on(2), since: "2999-01-01T00:00:00Z" })).data).toEqual([]);
    await bench.as("ada").rest.issues.deleteComment({ ...SAMPLE, comment_id: data.id });
    expect((await bench.news()).map((one) => one.payload.action)).toEqual(["created", "deleted"]);
    expect(await statusOf(installed().rest.issues.updateComment({ ...SAMPLE, comment_id: data.id, body: "x" }))).toBe(404);
  });

  test("have at most 65,536 characters", async () => {
    const long = (length: number) => installed().rest.issues.createComment({ ...on(3), body: "x".repeat(length) });
    await expect(long(65_537)).rejects.toMatchObject({ status: 422, message: expect.stringContaining("maximum is 65536 characters") });
    expect(await statusOf(long(65_536))).toBeUndefined();
  });

  test("get reactions once, which the others count", async () => {
    const { data } = await bench.as("ada").rest.issues.createComment({ ...on(3), body: "hello" });
    const react = () => installed().rest.reactions.createForIssueComment({ ...SAMPLE, comment_id: data.id, content: "eyes" });
    const first = await react();
    expect([first.status, (await react()).status]).toEqual([201, 200]);
    const counted = async () => (await bench.as("ada").rest.issues.getComment({ ...SAMPLE, comment_id: data.id })).data.reactions?.eyes;
    expect(await counted()).toBe(1);
    await installed().rest.reactions.deleteForIssueComment({ ...SAMPLE, comment_id: data.id, reaction_id: first.data.id });
    expect(await counted()).toBe(0);
    expect((await installed().rest.reactions.createForIssue({ ...on(3), content: "rocket" })).status).toBe(201);
    expect((await bench.news()).map((one) => one.event)).toEqual(["issue_comment"]);
  });

  test("are folded by GraphQL, which is no edit of them", async () => {
    const { data } = await installed().rest.issues.createComment({ ...on(3), body: "old" });
    const query = "mutation($id:ID!){ minimizeComment(input:{subjectId:$id, classifier:OUTDATED}){ minimizedComment { isMinimized } } }";
    expect(await installed().graphql(query, { id: data.node_id })).toMatchObject({
      minimizeComment: { minimizedComment: { isMinimized: true } },
    });
    const { data: after } = await bench.as("ada").rest.issues.getComment({ ...SAMPLE, comment_id: data.id });
    expect(after).toMatchObject({ updated_at: data.updated_at, minimized: { reason: "outdated" } });
    await expect(bench.as("mallory").graphql(query, { id: data.node_id })).rejects.toThrow("not accessible");
  });
});

describe("issues", () => {
  test("that are opened, labelled, edited and closed are told", async () => {
    const ada = bench.as("ada");
    const { data } = await ada.rest.issues.create({ ...SAMPLE, title: "New", body: "a" });
    await ada.rest.issues.addLabels({ ...on(data.number), labels: ["errand"] });
    await ada.rest.issues.update({ ...on(data.number), body: "b" });
    await ada.rest.issues.update({ ...on(data.number), state: "closed" });
    const told = await bench.news();
    expect(told.map((one) => [one.event, one.payload.action])).toEqual([
      ["issues", "opened"],
      ["issues", "labeled"],
      ["issues", "edited"],
      ["issues", "closed"],
    ]);
    expect(told[1]?.payload.label).toMatchObject({ name: "errand", id: expect.any(Number) });
    expect(told[2]?.payload.changes).toEqual({ body: { from: "a" } });
  });
});

describe("who may do what", () => {
  test.each([
    ["ada", "write"],
    ["grace", "write"],
    ["mallory", "read"],
  ])("%s has %s on the public repository", async (username, permission) => {
    expect((await installed().rest.repos.getCollaboratorPermissionLevel({ ...SAMPLE, username })).data.permission).toBe(permission);
  });

  test("a private repository is hidden from others, and a bot is not a user", async () => {
    const ledger = { owner: "acme", repo: "ledger" };
    const level = async (username: string) => (await installed().rest.repos.getCollaboratorPermissionLevel({ ...ledger, username })).data;
    expect([(await level("grace")).permission, (await level("mallory")).permission]).toEqual(["read", "none"]);
    await expect(level("errand[bot]")).rejects.toMatchObject({ status: 404, message: expect.stringContaining("is not a user") });
    expect(await statusOf(bench.as("mallory").rest.repos.get(ledger))).toBe(404);
    expect(await statusOf(bench.as().rest.repos.get(ledger))).toBe(404);
    expect(await statusOf(bench.as("grace").rest.repos.get(ledger))).toBeUndefined();
  });

  test("a stranger may comment, and change only what is their own", async () => {
    const mallory = bench.as("mallory");
    const { data } = await bench.as("ada").rest.issues.createComment({ ...on(2), body: "mine" });
    const { data: own } = await mallory.rest.issues.createComment({ ...on(2), body: "theirs" });
    expect(await statusOf(mallory.rest.issues.updateComment({ ...SAMPLE, comment_id: own.id, body: "x" }))).toBeUndefined();
    expect(await statusOf(mallory.rest.issues.updateComment({ ...SAMPLE, comment_id: data.id, body: "x" }))).toBe(403);
    expect(await statusOf(mallory.rest.issues.addLabels({ ...on(2), labels: ["errand"] }))).toBe(403);
    expect(await statusOf(mallory.rest.issues.update({ ...on(3), body: "my own issue" }))).toBeUndefined();
  });

  test("bad credentials and App tokens of more than ten minutes are refused", async () => {
    const get = (authorization: string) => fetch(`${bench.github.apiUrl}/repos/acme/sample`, { headers: { authorization } });
    expect((await get("Bearer nothing")).status).toBe(401);
    expect((await get("Bearer gho_local_errand[bot]")).status).toBe(401);
    const key = await importPKCS8(createPrivateKey(bench.github.privateKey).export({ type: "pkcs8", format: "pem" }).toString(), "RS256");
    const token = (minutes: number, issuer = bench.github.appId) => {
      const now = Math.floor(Date.now() / 1000);
      return new SignJWT({})
        .setProtectedHeader({ alg: "RS256" })
        .setIssuer(issuer)
        .setIssuedAt(now - 60)
        .setExpirationTime(now + minutes * 60)
        .sign(key);
    };
    const app = async (jwt: string) => (await fetch(`${bench.github.apiUrl}/app`, { headers: { authorization: `Bearer ${jwt}` } })).status;
    expect(bench.github.privateKey).toContain("BEGIN RSA PRIVATE KEY");
    expect([await app(await token(9)), await app(await token(11)), await app(await token(-1)), await app(await token(9, "1"))]).toEqual([
      200, 401, 401, 401,
    ]);
  });

  test("a token does what it was made for, until it is revoked", async () => {
    const mint = (permissions: Record<string, "read" | "write">) =>
      bench
        .asApp()
        .rest.apps.createInstallationAccessToken({ installation_id: bench.github.installationId, repositories: ["sample"], permissions });
    const { data } = await mint({ contents: "write", metadata: "read" });
    const call = (path: string, init: RequestInit = {}) =>
      fetch(`${bench.github.apiUrl}${path}`, { ...init, headers: { authorization: `Bearer ${data.token}` } });
    expect((await call("/repos/acme/sample/contents/README.md")).status).toBe(200);
    expect((await call("/repos/acme/ledger")).status).toBe(404);
    expect((await call("/repos/acme/sample/issues/1/comments", { method: "POST", body: '{"body":"x"}' })).status).toBe(403);
    expect(await statusOf(mint({ administration: "write" }))).toBe(422);
    expect((await call("/installation/token", { method: "DELETE" })).status).toBe(204);
    expect((await call("/repos/acme/sample")).status).toBe(401);
  });

  test("an installation lists its repositories, and hears when that changes", async () => {
    const list = async () =>
      (await installed().rest.apps.listReposAccessibleToInstallation()).data.repositories.map((one) => one.full_name);
    expect(await list()).toEqual(["acme/sample", "acme/ledger"]);
    bench.github.installationRepository("removed", "acme/ledger");
    expect(await list()).toEqual(["acme/sample"]);
    bench.github.installationRepository("added", "acme/ledger");
    bench.github.installation("suspend");
    await expect(installed().rest.issues.get(on(1))).rejects.toThrow("suspended");
    bench.github.installation("unsuspend");
    bench.github.installation("deleted");
    await expect(bench.asApp().rest.apps.getRepoInstallation(SAMPLE)).rejects.toMatchObject({ status: 404 });
    bench.github.installation("created");
    expect((await bench.asApp().rest.apps.getRepoInstallation(SAMPLE)).data.id).toBe(bench.github.installationId);
    const told = await bench.news();
    expect(told.map((one) => `${one.event}.${one.payload.action}`)).toEqual([
      "installation_repositories.removed",
      "installation_repositories.added",
      "installation.suspend",
      "installation.unsuspend",
      "installation.deleted",
      "installation.created",
    ]);
    expect(told[0]?.payload).toMatchObject({
      installation: { account: { login: "acme" } },
      repositories_removed: [{ full_name: "acme/ledger" }],
    });
  });
});
