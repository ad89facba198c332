/** Which of the demonstration's changes of the sample repository are made. */
import { expect, test } from "vitest";
import { changesFor } from "./tally.ts";

test.each([
  ["what the prompt speaks of", ["add --version"], "--characters", "--version"],
  ["the issue, where the first prompt says nothing", ["do this"], "Add a --characters option", "--characters"],
  ["not the issue again for what follows", ["do this", "rename it"], "Add a --characters option", "rename it"],
])("the changes of the sample are chosen by %s", (_name, prompts, context, expected) =>
  expect(JSON.stringify(changesFor(prompts, context).steps)).toContain(expected),
);
