import { describe, expect, test } from "vitest";
import { FromClient } from "../../protocol/client.ts";
import { Request } from "../../protocol/request.ts";
import { emptiness, opening, said } from "./said.ts";

const owner = { id: "owner", name: "ada" };
const thread = "slack:T1:C1:1.5";

test("the first prompt of a session is the same delivery whenever it is sent", () => {
  const [one, two] = [opening("abcdefgh", "x", { branch: "b" }, owner, 1), opening("abcdefgh", "x", { branch: "b" }, owner, 2)];
  expect(Request.parse(one)).toEqual({ ...two, at: 1 });
  expect(one).toMatchObject({ kind: "prompt", thread: "page:abcdefgh", options: { branch: "b" }, joins: false });
});

describe("messages become requests of the session's own thread", () => {
  test.each([
    [
      { t: "prompt", id: "1", text: "x" },
      { kind: "prompt", contentKey: "page:owner:1", text: "x", options: {}, joins: false },
    ],
    [{ t: "stop", id: "1" }, { kind: "stop" }],
    [
      { t: "stop", id: "1", turn: 3 },
      { kind: "stop", turn: 3 },
    ],
    [
      { t: "answer", id: "1", ask: "q", choice: "a" },
      { kind: "answer", ask: "q", choice: "a" },
    ],
    [
      { t: "answer", id: "1", ask: "q", text: "b" },
      { kind: "answer", ask: "q", text: "b" },
    ],
    [{ t: "take", id: "1" }, { kind: "take" }],
    [
      { t: "take", id: "1", offer: "o" },
      { kind: "take", offer: "o" },
    ],
  ])("%j", (message, expected) => {
    const request = said(FromClient.parse(message), thread, owner, 7);
    expect(request).toEqual({ deliveryId: "page:owner:1", thread, who: owner, at: 7, ...expected });
    expect(Request.parse(request)).toEqual(request);
  });
});

test.each([
  [{ t: "prompt", id: "1", text: " \n" }, true],
  [{ t: "answer", id: "1", ask: "q" }, true],
  [{ t: "answer", id: "1", ask: "q", text: " " }, true],
  [{ t: "answer", id: "1", ask: "q", choice: "a" }, false],
  [{ t: "stop", id: "1" }, false],
])("%j says nothing: %s", (message, empty) => expect(emptiness(FromClient.parse(message)) !== null).toBe(empty));
