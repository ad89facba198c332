import { expect, test } from "vitest";
import { bounded, LINES_A_MINUTE } from "./log.ts";

test("a flood of one event is cut off and counted, other events and exchanges pass", () => {
  const lines: string[] = [];
  let ms = 0;
  const log = bounded(
    ({ event, count }) => lines.push(count === undefined ? event : `${event} ${count}`),
    () => ms,
  );
  for (let times = 0; times < LINES_A_MINUTE + 5; times++) log({ event: "exchange refused" });
  expect(lines).toHaveLength(LINES_A_MINUTE);
  log({ event: "upstream failed" });
  for (let times = 0; times < 100; times++) log({ event: "exchange" });
  expect(lines).toHaveLength(LINES_A_MINUTE + 101);
  ms = 60_000;
  log({ event: "exchange refused" });
  expect(lines.slice(-2)).toEqual(["left out 5", "exchange refused"]);
});
