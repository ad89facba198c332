import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Bench, SAMPLE, startBench, statusOf } from "./testing.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await startBench({ kept: true });
});
afterAll(() => bench.stop());
beforeEach(async () => {
  bench.github.faults.clear();
  await bench.news();
});

const comment = (body: string) => bench.as("ada").rest.issues.createComment({ ...SAMPLE, issue_number: 1, body });
const listed = async () => (await bench.asApp().rest.apps.listWebhookDeliveries({ per_page: 100 })).data;

describe("deliveries", () => {
  test("that fail stay failed until they are sent again, under the same GUID", async () => {
    bench.app.answer = 500;
    await comment("lost");
    const [first] = await bench.news();
    bench.app.answer = 202;
    expect(bench.github.deliveries.failed().map((one) => one.guid)).toEqual([first?.guid]);
    const [failed] = await listed();
    expect(failed).toMatchObject({ guid: first?.guid, status_code: 500, redelivery: false, event: "issue_comment", action: "created" });
    const { data: whole } = await bench.asApp().rest.apps.getWebhookDelivery({ delivery_id: failed?.id ?? 0 });
    expect(whole).toMatchObject({ request: { payload: { comment: { body: "lost" } } }, response: { payload: "heard" } });
    const again = await bench.asApp().rest.apps.redeliverWebhookDelivery({ delivery_id: failed?.id ?? 0 });
    expect(again.status).toBe(202);
    const [second] = await bench.news();
    expect(second).toMatchObject({ guid: first?.guid, signed: true, payload: { comment: { body: "lost" } } });
    const [newest] = await listed();
    expect(newest).toMatchObject({ guid: first?.guid, status_code: 202, status: "OK", redelivery: true });
    expect(newest?.id).not.toBe(failed?.id);
    expect(bench.github.deliveries.failed()).toEqual([]);
  });

  test("to nobody have the status code 0", async () => {
    const before = bench.github.tables.apps.all()[0]?.webhook_url ?? null;
    bench.github.setWebhookUrl("http://127.0.0.1:1/");
    await comment("to nobody");
    await bench.github.deliveries.settled();
    expect((await listed())[0]).toMatchObject({ status_code: 0, status: "failed to connect to host" });
    bench.github.setWebhookUrl(before);
  });

  test("are listed page by page with a cursor", async () => {
    for (const body of ["1", "2", "3"]) await comment(body);
    await bench.news();
    const app = bench.asApp();
    const first = await app.rest.apps.listWebhookDeliveries({ per_page: 2 });
    const cursor = /[?&]cursor=([^&>]+)/.exec(first.headers.link ?? "")?.[1] ?? "";
    const second = await app.rest.apps.listWebhookDeliveries({ per_page: 2, cursor });
    const all = (await listed()).map((one) => one.id);
    expect([...first.data, ...second.data].map((one) => one.id)).toEqual(all.slice(0, 4));
    expect(await statusOf(bench.as("ada").request("GET /app/hook/deliveries"))).toBe(401);
  });
});

describe("faults", () => {
  const post = () => bench.asApp(bench.github.installationId).rest.issues.createComment({ ...SAMPLE, issue_number: 2, body: "x" });
  const pattern = "POST /repos/*/*/issues/*/comments";

  test("answer without applying, or apply without answering", async () => {
    const count = async () => (await bench.as("ada").rest.issues.listComments({ ...SAMPLE, issue_number: 2 })).data.length;
    bench.github.faults.next(pattern, { kind: "secondary limit", retryAfterSeconds: 7 });
    await expect(post()).rejects.toMatchObject({ status: 403, response: { headers: { "retry-after": "7" } } });
    bench.github.faults.next(pattern, { kind: "429" });
    await expect(post()).rejects.toMatchObject({ status: 429 });
    expect(await count()).toBe(0);
    bench.github.faults.next(pattern, { kind: "lost reply" });
    await expect(post()).rejects.toMatchObject({ status: 500 });
    expect(await count()).toBe(1);
    bench.github.faults.next(pattern, { kind: "status", status: 502 }, { where: (call) => call.who === "ada" });
    expect(await statusOf(post())).toBeUndefined();
    expect(bench.github.faults.callsOf(pattern).map((call) => [call.who, call.fault])).toEqual([
      ["ada", undefined],
      ["ada", undefined],
      ["ada", undefined],
      ["ada", undefined],
      ["ada", undefined],
      ["errand[bot]", "secondary limit"],
      ["errand[bot]", "429"],
      ["errand[bot]", "lost reply"],
      ["errand[bot]", undefined],
    ]);
  });

  test("an answer that is known already is not given again", async () => {
    const first = await bench.as("ada").request("GET /repos/acme/sample/issues/1");
    const etag = first.headers.etag ?? "";
    expect(await statusOf(bench.as("ada").request("GET /repos/acme/sample/issues/1", { headers: { "if-none-match": etag } }))).toBe(304);
  });

  test("a foreign page of a browser is not served", async () => {
    expect((await fetch(`${bench.github.apiUrl}/repos/acme/sample`, { headers: { origin: "https://evil.example" } })).status).toBe(403);
  });
});

test("a registration's code is good for one App", async () => {
  const manifest = {
    name: "errand acme",
    url: "http://127.0.0.1:8787",
    hook_attributes: { url: "http://127.0.0.1:9/github/webhook" },
    default_events: ["issues"],
  };
  const code = bench.github.register(manifest);
  const convert = () => bench.as().rest.apps.createFromManifest({ code });
  const { data } = await convert();
  expect(data).toMatchObject({ slug: "errand-acme", owner: { login: "ada" }, webhook_secret: expect.stringMatching(/^\w{40}$/) });
  expect(data.pem).toContain("BEGIN RSA PRIVATE KEY");
  expect(await statusOf(convert())).toBe(404);
  expect((await bench.as().rest.users.getByUsername({ username: "errand-acme[bot]" })).data.type).toBe("Bot");
});

test("all is there after a restart, and goes on", async () => {
  const { data } = await comment("before");
  await bench.github.push({ branch: "errand/kept", files: { "kept.txt": "x\n" }, message: "Kept" });
  const { data: pull } = await bench.as("ada").rest.pulls.create({ ...SAMPLE, head: "errand/kept", base: "main", title: "Kept" });
  const { token } = await bench
    .asApp()
    .rest.apps.createInstallationAccessToken({ installation_id: bench.github.installationId })
    .then((answer) => answer.data);
  const key = bench.github.privateKey;
  const deliveries = await listed().then((list) => list.length);
  await bench.restart();
  expect(bench.github.privateKey).toBe(key);
  expect((await bench.as("ada").rest.issues.getComment({ ...SAMPLE, comment_id: data.id })).data.body).toBe("before");
  expect((await bench.as("ada").rest.pulls.get({ ...SAMPLE, pull_number: pull.number })).data.head.sha).toBe(pull.head.sha);
  expect((await listed()).length).toBe(deliveries);
  const headers = { authorization: `Bearer ${token}` };
  expect((await fetch(`${bench.github.apiUrl}/repos/acme/ledger`, { headers })).status).toBe(200);
  await bench.news();
  const { data: next } = await comment("after");
  expect(next.id).toBeGreaterThan(data.id);
  expect((await bench.news()).map((one) => one.event)).toEqual(["issue_comment"]);
});
