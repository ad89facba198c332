import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Guest } from "../../protocol/grant.ts";
import { ANSWER_BY_MS, type GuestPorts, Guests } from "./guests.ts";

const guest = (sub: string): Guest => ({ sub, sid: "s", mode: "drive", admin: false });
const ports = (mayStay: GuestPorts["mayStay"], wait: GuestPorts["wait"] = (_ms, signal) => setTimeout(60_000, undefined, { signal })) => ({
  mayStay,
  wait,
  report: () => undefined,
});
const after = <T>(ms: number, value: T) => setTimeout(ms, value);

test("those who may no longer, by place; of whom nothing is known they stay", async () => {
  const answers: Record<string, boolean | null> = { a: true, b: false, c: null, d: false };
  const guests = new Guests(ports(({ sub }) => after(sub === "b" ? 20 : 1, answers[sub] ?? null)));
  expect(await guests.answer(["a", "b", "c", "d"].map(guest))).toEqual({ is: "guests", gone: [1, 3], unsure: [2] });
});

test("of many a few at once, and what one person has open one after the other", async () => {
  const now = new Map<string, number>();
  let most = 0;
  let mostOfOne = 0;
  const guests = new Guests(
    ports(async ({ sub }) => {
      now.set(sub, (now.get(sub) ?? 0) + 1);
      most = Math.max(
        most,
        [...now.values()].reduce((sum, n) => sum + n, 0),
      );
      mostOfOne = Math.max(mostOfOne, now.get(sub) ?? 0);
      await after(1, undefined);
      now.set(sub, (now.get(sub) ?? 0) - 1);
      return false;
    }),
  );
  const many = Array.from({ length: 400 }, (_, n) => guest(`user:${n % 100}`));
  expect(await guests.answer(many)).toEqual({ is: "guests", gone: many.map((_, n) => n) });
  expect([most, mostOfOne]).toEqual([10, 1]);
});

test("a forge that takes its time keeps nobody in who is known to be gone, and asks for nobody more", async () => {
  let asked = 0;
  const guests = new Guests(
    ports(
      ({ sub }) => {
        asked += 1;
        return sub === "gone" ? after(0, false) : after(40, null);
      },
      (ms, signal) => (ms === ANSWER_BY_MS ? setTimeout(20, undefined, { signal }) : Promise.reject(new Error("another time"))),
    ),
  );
  const many = ["gone", ...Array.from({ length: 50 }, (_, n) => `user:${n}`)].map(guest);
  expect(await guests.answer(many)).toEqual({ is: "guests", gone: [0], unsure: many.map((_, n) => n).slice(1) });
  await setTimeout(60);
  expect(asked).toBe(11);
});

test("of whom nothing can be found out that is said, and who is known to be gone goes", async () => {
  const broken = ({ sub }: Guest) => (sub === "gone" ? after(0, false) : Promise.reject(new Error("no database")));
  const guests = new Guests(ports(broken));
  expect(await guests.answer([guest("a")])).toEqual({ is: "guests", gone: [], unsure: [0] });
  expect(await guests.answer([guest("a"), guest("gone")])).toEqual({ is: "guests", gone: [1], unsure: [0] });
});

test("one question at a time", async () => {
  const guests = new Guests(ports(() => after(20, true)));
  const first = guests.answer([guest("a")]);
  expect(await guests.answer([guest("a")])).toMatchObject({ is: "no" });
  expect(await first).toEqual({ is: "guests", gone: [] });
  expect(await guests.answer([guest("a")])).toEqual({ is: "guests", gone: [] });
});

test("no more people than a gateway has, however often whatever runs in a sandbox asks", async () => {
  let [now, asked] = [0, 0];
  const mayStay = async () => {
    asked += 1;
    return true;
  };
  const guests = new Guests({ ...ports(mayStay), now: () => now });
  const many = Array.from({ length: 500 }, (_, n) => guest(`user:${n}`));
  for (let question = 0; question < 20; question += 1) await guests.answer(many);
  expect(asked).toBe(1_000);
  expect(await guests.answer(many)).toMatchObject({ is: "no" });
  // An honest gateway has every question answered.
  for (let question = 0; question < 5; question += 1) {
    now += 30_000;
    expect(await guests.answer(many)).toEqual({ is: "guests", gone: [] });
  }
});
