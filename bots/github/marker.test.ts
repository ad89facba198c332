import { expect, it } from "vitest";
import { type Box, boxLine, keyIn, keyMark, tickedIn } from "./marker.ts";

it.each(["abc:turn:1:progress", "abc:ask:per_1", "a:offer:x--> <b>", "a:ask:\n'--!>%3A", "ä:😀:-"])("names a message: %j", (key) => {
  const mark = keyMark(key);
  expect(mark).toMatch(/^<!-- [^<>\s]+ -->$/);
  expect(mark.slice(4, -3)).not.toContain("--");
  expect(keyIn(`Hello\n${mark}`)).toBe(key);
  expect(keyIn(`${keyMark("other")}\nHello\n\n${mark}\n`)).toBe(key);
});

it("keeps a usual key readable", () => expect(keyMark("abc:turn:1:progress")).toBe("<!-- errand:key=abc:turn:1:progress -->"));

it.each(["", "hello", "<!-- errand:key= -->", "<!-- errand:key=%E0%A4%A -->", "<!-- errand:stop -->"])("names none: %j", (body) =>
  expect(keyIn(body)).toBeNull(),
);

it("tells which boxes are ticked", () => {
  const boxes: Box[] = [{ kind: "stop" }, { kind: "take" }, { kind: "choice", id: "c--1 > ä" }];
  const body = boxes.map((box) => boxLine("a label", box)).join("\n");
  expect(tickedIn(body)).toEqual([]);
  expect(tickedIn(body.replaceAll("[ ]", "[x]"))).toEqual(boxes);
  expect(tickedIn(body.replace("[ ]", "[X]").replaceAll("\n", "\r\n"))).toEqual([{ kind: "stop" }]);
  expect(tickedIn("- [x] a step of the plan\n> - [x] quoted <!-- errand:stop -->")).toEqual([]);
});

it("takes no longer than its text", () => {
  const start = performance.now();
  for (const part of ["- [x] ", "<!-- errand:", "<!-- errand:key=a", "- [x] <!-- errand:choice:a"]) {
    tickedIn(part.repeat(20_000));
    keyIn(part.repeat(20_000));
  }
  expect(performance.now() - start).toBeLessThan(1_000);
});
