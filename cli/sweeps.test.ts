import { expect, it } from "vitest";
import { startSweeps } from "./sweeps.ts";

it("runs at once and again, says what fails, and ends when told, in the middle of a run too", async () => {
  const asked: string[] = [];
  const lines: string[] = [];
  const answers = [() => new Response(""), () => new Response("", { status: 500 }), () => Promise.reject(new TypeError("fetch failed"))];
  const send = (url: unknown, init?: RequestInit) => {
    asked.push(String(url));
    const answer = answers.shift();
    if (answer) return Promise.resolve(answer());
    return new Promise<Response>((_, fail) => init?.signal?.addEventListener("abort", () => fail(init.signal?.reason)));
  };
  const sweeps = startSweeps({ origin: "http://127.0.0.1:1", log: (line) => lines.push(line), fetch: send as typeof fetch, everyMs: 5 });
  await expect.poll(() => asked).toHaveLength(4);
  await sweeps.stop();
  expect(asked[0]).toBe("http://127.0.0.1:1/cdn-cgi/handler/scheduled?cron=*/5+*+*+*+*");
  expect(lines).toEqual([
    "looking for missed deliveries failed: the Worker answered 500",
    "looking for missed deliveries failed: TypeError",
  ]);
});
