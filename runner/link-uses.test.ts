import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Service } from "../protocol/grant.ts";
import { openUses, USES_EVERY_MS } from "./link-uses.ts";

let connected = true;
let sent: Service[][] = [];
let uses: ReturnType<typeof openUses>;
beforeEach(() => {
  vi.useFakeTimers();
  connected = true;
  sent = [];
  uses = openUses(
    (services) => sent.push(services),
    () => connected,
    Date.now,
  );
});
afterEach(() => {
  uses.close();
  vi.useRealTimers();
});

it("tells the first use at once and the others together, once in 30 s", () => {
  uses.used("terminal");
  for (const service of ["vscode", "terminal", "vscode"] as const) uses.used(service);
  expect(sent).toEqual([["terminal"]]);
  vi.advanceTimersByTime(USES_EVERY_MS - 1);
  expect(sent).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(sent).toEqual([["terminal"], ["vscode", "terminal"]]);
  vi.advanceTimersByTime(10 * USES_EVERY_MS);
  expect(sent).toHaveLength(2);
  uses.used("desktop");
  expect(sent.at(-1)).toEqual(["desktop"]);
});

it("keeps what happened without a connection for the next one", () => {
  connected = false;
  uses.used("desktop");
  expect(sent).toEqual([]);
  connected = true;
  uses.connected();
  expect(sent).toEqual([["desktop"]]);
  uses.used("terminal");
  connected = false;
  vi.advanceTimersByTime(USES_EVERY_MS);
  expect(sent).toHaveLength(1);
  connected = true;
  uses.connected();
  expect(sent.at(-1)).toEqual(["terminal"]);
});
