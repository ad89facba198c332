import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Bench, SAMPLE, startBench, statusOf } from "./testing.ts";

let bench: Bench;
let token = "";
beforeAll(async () => {
  bench = await startBench();
  token = await bench.pushToken();
});
afterAll(() => bench.stop());
beforeEach(async () => void (await bench.news()));

const installed = () => bench.asApp(bench.github.installationId);

describe("git", () => {
  test("asks for a token to push, and takes every branch with it but the default one", async () => {
    const at = await bench.work("pushing");
    const url = bench.address("acme/sample", token);
    expect((await bench.run(at, "push", "origin", "HEAD:errand/nobody")).text).toContain("terminal prompts disabled");
    expect((await bench.run(at, "push", bench.address("acme/sample", "ghs_wrong"), "HEAD:errand/wrong")).text).toContain(
      "Authentication failed",
    );
    expect((await bench.run(at, "push", bench.address("acme/sample", bench.github.tokenOf("mallory")), "HEAD:errand/no")).text).toContain(
      "403",
    );
    expect((await bench.run(at, "push", url, "HEAD:fix/anything")).ok).toBe(true);
    expect((await bench.run(at, "push", url, "HEAD:main")).text).toContain("Protected branch update failed for refs/heads/main");
    expect((await bench.run(at, "push", url, "HEAD:refs/pull/9/head")).text).toContain("deny updating a hidden ref");
    expect((await bench.run(at, "push", bench.address("acme/sample", bench.github.tokenOf("grace")), "HEAD:grace")).ok).toBe(true);
  });

  test("refuses workflows of an App without that right", async () => {
    await bench.run(".", "clone", "--quiet", bench.git.cloneUrl("acme/sample"), "flows");
    await bench.run("flows", "checkout", "--quiet", "-b", "flows");
    await mkdir(join(bench.folder, "flows/.github/workflows"), { recursive: true });
    await writeFile(join(bench.folder, "flows/.github/workflows/ci.yml"), "on: push\n");
    await bench.run("flows", "add", "-A");
    await bench.run("flows", "commit", "--quiet", "-m", "CI");
    const refused = await bench.run("flows", "push", bench.address("acme/sample", token), "HEAD:flows");
    expect(refused.text).toContain("refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml`");
    expect((await bench.run("flows", "push", bench.address("acme/sample", bench.github.tokenOf("ada")), "HEAD:flows")).ok).toBe(true);
  });

  test("shows a private repository to those who may see it", async () => {
    const clone = (name: string, holder?: string) =>
      bench.run(".", "clone", "--quiet", holder ? bench.address("acme/ledger", holder) : bench.git.cloneUrl("acme/ledger"), name);
    expect((await clone("nobody")).ok).toBe(false);
    expect((await clone("other", token)).text).toContain("not found");
    expect((await clone("mallory", bench.github.tokenOf("mallory"))).text).toContain("not found");
    expect((await clone("grace", bench.github.tokenOf("grace"))).ok).toBe(true);
  });

  test("sends browsers on to the pages", async () => {
    const answer = await fetch(`${bench.git.url}/acme/sample/issues/1?a=b`, { redirect: "manual" });
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "http://127.0.0.1:1/github/acme/sample/issues/1?a=b"]);
  });
});

test("files of the default branch are read from the real repository", async () => {
  await bench.github.push({ branch: "main", files: { ".github/errand.yml": "checks: off\n" }, message: "Configure" });
  const { data } = await installed().rest.repos.getContent({ ...SAMPLE, path: ".github/errand.yml" });
  expect(data).toMatchObject({ type: "file", encoding: "base64", content: Buffer.from("checks: off\n").toString("base64") });
  expect(await statusOf(installed().rest.repos.getContent({ ...SAMPLE, path: ".github/nothing.yml" }))).toBe(404);
  const raw = await installed().rest.repos.getContent({ ...SAMPLE, path: ".github/errand.yml", mediaType: { format: "raw" } });
  expect(raw.data).toBe("checks: off\n");
  const folder = await installed().rest.repos.getContent({ ...SAMPLE, path: ".github" });
  expect(folder.data).toMatchObject([{ name: "errand.yml", type: "file" }]);
  const id = bench.github.repositoryId("acme/sample");
  expect((await installed().request("GET /repositories/{id}", { id })).data).toMatchObject({
    full_name: "acme/sample",
    clone_url: bench.git.cloneUrl("acme/sample"),
  });
});
