import { expect, it } from "vitest";
import type { Ask } from "../../protocol/events.ts";
import { readAnswer } from "./asks.ts";

const question: Ask = {
  id: "q",
  kind: "question",
  title: "Which?",
  choices: [
    { id: "a", label: "Postgres" },
    { id: "b", label: "SQLite" },
  ],
  freeText: true,
};
const permission: Ask = {
  id: "p",
  kind: "permission",
  title: "git push",
  choices: [
    { id: "once", label: "Allow once" },
    { id: "reject", label: "Reject" },
  ],
  freeText: true,
};

it.each([
  ["a button", question, { choice: "a" }, { kind: "answer", label: "Postgres", choice: "a", reject: false }],
  ["a choice by its words", question, { text: " sqlite " }, { kind: "answer", label: "SQLite", choice: "b", reject: false }],
  ["free text", question, { text: "both" }, { kind: "answer", label: "both", text: "both", reject: false }],
  ["allow", permission, { choice: "once" }, { kind: "answer", label: "Allow once", choice: "once", reject: false }],
  ["reject", permission, { choice: "reject" }, { kind: "answer", label: "Reject", choice: "reject", reject: true }],
  [
    "free text to a permission ask is a no with a reason",
    permission,
    { text: "use a fork" },
    { kind: "answer", label: "No: use a fork", text: "use a fork", reject: true },
  ],
] as const)("%s", (_name, ask, answer, expected) => expect(readAnswer(ask, answer)).toEqual(expected));

it("says what is allowed when an answer is none", () => {
  expect(readAnswer(question, { choice: "zzz" })).toMatchObject({ kind: "wrong", why: expect.stringContaining("Postgres, SQLite") });
  expect(readAnswer({ ...question, freeText: false }, { text: "both" })).toMatchObject({ kind: "wrong" });
  expect(readAnswer(question, { text: "   " })).toMatchObject({ kind: "wrong" });
});
