import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { createEmulator } from "emulate";
import { describe, expect, test } from "vitest";
import { EMULATE_VERSION } from "../emulate.ts";
import { createEmulatedSlack, loadInternals } from "./emulator.ts";

// npm's `latest` of `emulate` is an unrelated package, and what we use of this one is not all exported.
describe("the package emulate", () => {
  test("is the pinned one", () => {
    const manifest = JSON.parse(readFileSync(findPackageJSON("emulate", import.meta.url) ?? "", "utf8"));
    expect(manifest.version).toBe(EMULATE_VERSION);
    expect(manifest.repository.url).toContain("vercel-labs/emulate");
    expect(createEmulator).toBeTypeOf("function");
  });

  test("has a Slack inside with a plugin and a store", async () => {
    const { slackPlugin, getSlackStore } = await loadInternals();
    expect(slackPlugin.register).toBeTypeOf("function");
    expect(getSlackStore).toBeTypeOf("function");
  });

  test("can be started several times at once, each with its own store", async () => {
    const events: unknown[][] = [[], []];
    const [one, two] = await Promise.all(
      events.map((list) => createEmulatedSlack({ baseUrl: "http://127.0.0.1:1", onEvent: (event) => list.push(event) })),
    );
    if (!one || !two) throw new Error("unreachable");
    const channel = one.tables.channels.all()[0]?.channel_id;
    const token = { token: "t", token_type: "user", team_id: "T000000001", user_id: "U000000001", scopes: [] };
    one.tables.tokens.insert(token);
    const answer = await one.app.request("/api/chat.postMessage", {
      method: "POST",
      headers: { authorization: "Bearer t", "content-type": "application/json" },
      body: JSON.stringify({ channel, text: "hello" }),
    });
    expect(await answer.json()).toMatchObject({ ok: true });
    expect(one.tables.messages.all().map((row) => row.text)).toEqual(["hello"]);
    expect(two.tables.messages.all()).toEqual([]);
    expect(events.map((list) => list.length)).toEqual([1, 0]);
  });
});
