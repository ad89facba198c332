import examples from "@octokit/webhooks-examples";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { comment, deliver, sign } from "../testing/deliveries.ts";
import { ask, type World, world } from "../testing/world.ts";

let outside: World;
beforeEach(() => {
  outside = world();
  vi.spyOn(console, "log").mockImplementation(() => undefined);
  outside.gitHub = (request) =>
    new URL(request.url).pathname.endsWith("/permission")
      ? Response.json({ permission: "read" })
      : Response.json({ message: "Not Found" }, { status: 404 });
});

describe("what is no delivery", () => {
  test.each(["x-github-event", "x-github-delivery", "x-hub-signature-256"])("without %s: 400", async (name) => {
    const answer = await deliver("issue_comment", JSON.stringify(comment()), { headers: { [name]: "" } });
    expect([answer.status, (await answer.text()).toLowerCase()]).toEqual([400, expect.stringContaining(name)]);
  });

  test.each([
    ["another secret", { secret: "other" }],
    ["no form of a signature", { headers: { "x-hub-signature-256": "sha256=zz" } }],
    ["SHA-1", { headers: { "x-hub-signature-256": `sha1=${"a".repeat(40)}` } }],
    ["another body's", { headers: { "x-hub-signature-256": `sha256=${"a".repeat(64)}` } }],
  ])("signed with %s: 401", async (_name, change) => {
    expect((await deliver("issue_comment", JSON.stringify(comment()), change)).status).toBe(401);
  });

  test("one byte of the body changed: 401", async () => {
    const body = JSON.stringify(comment());
    const signature = await sign(body);
    const answer = await deliver("issue_comment", body.replace("fix it", "fix at"), { headers: { "x-hub-signature-256": signature } });
    expect(answer.status).toBe(401);
  });

  test.each(["{", "", "[1]", "1", "null", "payload=%7B%7D"])("signed, but %s: 400", async (body) => {
    expect((await deliver("issues", body)).status).toBe(400);
  });

  test("signed, but not UTF-8: 400", async () => {
    expect((await deliver("issues", new Uint8Array([0x7b, 0xff, 0x7d]))).status).toBe(400);
  });

  test("more than 25 MB: 413", async () => {
    const answer = await ask("/github/webhook", {
      method: "POST",
      headers: { "content-length": String(25 * 1024 * 1024 + 1), "x-github-event": "issues" },
      body: "x".repeat(25 * 1024 * 1024 + 1),
    });
    expect(answer.status).toBe(413);
  });
});

/** What a payload may lack or have in another form, and be signed all the same. */
const MUTATIONS: [string, (payload: Record<string, unknown>) => Record<string, unknown>][] = [
  ["no installation", ({ installation: _, ...rest }) => rest],
  ["another action", (payload) => ({ ...payload, action: "defenestrated" })],
  ["an action that is no text", (payload) => ({ ...payload, action: { a: 1 } })],
  ["no sender", ({ sender: _, ...rest }) => rest],
  ["no repository", ({ repository: _, ...rest }) => rest],
  ["a repository that is null", (payload) => ({ ...payload, repository: null })],
  ["a bot for a sender", (payload) => ({ ...payload, sender: { ...(payload.sender as object), type: "Bot" } })],
  ["nothing", () => ({})],
];

describe("the examples of every event", () => {
  const all = examples.flatMap(({ name, examples: payloads }) =>
    payloads.map((payload) => ({ name, payload: payload as Record<string, unknown> })),
  );

  test(`${all.length} of them are taken, and what is ignored asks GitHub for nothing`, async () => {
    const asking = new Set<string>();
    const wrong: string[] = [];
    let slowest = 0;
    for (const { name, payload } of all) {
      const body = JSON.stringify({ ...payload, installation: payload.installation ?? { id: 100 } });
      outside.gitHubCalls.length = 0;
      const began = performance.now();
      const answer = await deliver(name, body);
      slowest = Math.max(slowest, performance.now() - began);
      const text = await answer.text();
      if (answer.status !== 202) wrong.push(`${name}.${payload.action}: ${answer.status} ${text}`);
      const calls = outside.gitHubCalls.filter((call) => !call.includes(" /repos/acme/r"));
      if (calls.length > 0) {
        if (text.startsWith("ignored") && !calls.every((call) => call.endsWith("/pulls")))
          wrong.push(`${name}.${payload.action} asked ${calls}`);
        if (payload.action !== "closed" && (name === "issues" || name === "pull_request"))
          wrong.push(`${name}.${payload.action} asked ${calls}`);
        asking.add(name);
      }
    }
    expect(wrong).toEqual([]);
    // Checks without a pull request in them have to be looked for, and who closes what they opened has to be somebody who may write.
    const mayAsk = ["check_run", "check_suite", "issues", "pull_request", "workflow_run"];
    expect([...asking].toSorted()).toEqual(mayAsk.filter((name) => asking.has(name)));
    expect(slowest).toBeLessThan(2_000);
  }, 120_000);

  test.each(MUTATIONS)(
    "with %s they are taken or refused, and nothing breaks",
    async (_name, mutate) => {
      const wrong: string[] = [];
      for (const { name, payload } of all) {
        const answer = await deliver(name, JSON.stringify(mutate({ ...payload, installation: payload.installation ?? { id: 100 } })));
        if (answer.status !== 202 && answer.status !== 400)
          wrong.push(`${name}.${payload.action}: ${answer.status} ${await answer.text()}`);
      }
      expect(wrong).toEqual([]);
    },
    120_000,
  );

  test("64 KiB of backticks, and of everything else that might be slow, are read in no time", async () => {
    for (const piece of ["`", "<!--", "~~~\n", "> ", "@errand-", "@errand/", "<code>", "](", "\\", "*_"]) {
      const body = `${piece.repeat(Math.ceil(65_536 / piece.length))} @errand`;
      const began = performance.now();
      const answer = await deliver("issue_comment", JSON.stringify(comment({ body })));
      expect([piece, answer.status]).toEqual([piece, 202]);
      expect(performance.now() - began).toBeLessThan(1_000);
    }
  });
});
