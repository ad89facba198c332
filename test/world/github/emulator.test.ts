import { expect, test } from "vitest";
import { createEmulatedGitHub } from "./emulator.ts";

test("the emulator can be started several times at once, each with its own store and its own callers", async () => {
  const heard: string[][] = [[], []];
  const start = (list: string[]) =>
    createEmulatedGitHub({
      baseUrl: "http://127.0.0.1:1",
      caller: () => ({ user: { login: "admin", id: 2, scopes: [] } }),
      onEvent: (event) => list.push(event),
    });
  const [one, two] = await Promise.all(heard.map(start));
  if (!one || !two) throw new Error("unreachable");
  const body = JSON.stringify({ name: "made" });
  expect((await one.fetch(new Request("http://127.0.0.1:1/user/repos", { method: "POST", body }))).status).toBe(201);
  expect(one.tables.repos.all().map((row) => row.full_name)).toEqual(["admin/made"]);
  expect(two.tables.repos.all()).toEqual([]);
  expect(heard.map((list) => list.length > 0)).toEqual([true, false]);
  expect((await two.fetch(new Request("http://127.0.0.1:1/repos/nobody/nothing"))).status).toBe(404);
});
