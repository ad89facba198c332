import { expect, test } from "vitest";
import { GRANT_PATH } from "../protocol/grant.ts";
import { checkTarget, routeOf, TARGET_BYTES } from "./target.ts";

test.each([
  ["/", "/", ""],
  ["/vscode/?folder=/work", "/vscode/", "?folder=/work"],
  ["/vscode/a%20b?x=%2e%2e/../", "/vscode/a%20b", "?x=%2e%2e/../"],
  ["/vscode/...", "/vscode/...", ""],
  ["/vscode/.git/..x/x..", "/vscode/.git/..x/x..", ""],
  ["/vscode/a;b=c", "/vscode/a;b=c", ""],
  ["/vscode//x", "/vscode//x", ""],
  ["/x??", "/x", "??"],
  ["/vscode/%40xterm/%C3%A9", "/vscode/%40xterm/%C3%A9", ""],
])("%s passes as it is", (raw, path, query) => {
  expect(checkTarget(raw)).toEqual({ ok: true, path, query });
});

test.each([
  ["", 400],
  ["*", 400],
  ["vscode/", 400],
  ["//vscode/", 400],
  ["http://gate.example/", 400],
  ["/a b", 400],
  ["/a\tb", 400],
  ["/a\u007f", 400],
  ["/é", 400],
  ["/a\\b", 400],
  ["/a?b\\c", 400],
  ["/a#b", 400],
  ["/a?b#c", 400],
  ["/.", 400],
  ["/..", 400],
  ["/a/./b", 400],
  ["/a/../b", 400],
  ["/a/..;x/b", 400],
  ["/a/.;/b", 400],
  ["/%2e", 400],
  ["/%2E%2e/", 400],
  ["/a%2fb", 400],
  ["/a%5Cb", 400],
  ["/a%00", 400],
  ["/a%0A", 400],
  ["/a%0d", 400],
  ["/a%25", 400],
  ["/a%", 400],
  ["/a%1", 400],
  ["/a%gg", 400],
  [`/${"a".repeat(TARGET_BYTES)}`, 414],
])("%j is refused", (raw, status) => {
  expect(checkTarget(raw)).toEqual({ ok: false, status });
});

test.each([
  ["/_errand/health", { to: "health" }],
  ["/_errand/auth", { to: "exchange" }],
  ["/vscode", { to: "slash", service: "vscode" }],
  ["/vscode/", { to: "service", service: "vscode", path: "/" }],
  ["/desktop/websockify", { to: "service", service: "desktop", path: "/websockify" }],
  ["/terminal/vscode/", { to: "service", service: "terminal", path: "/vscode/" }],
  ["/opencode/session", { to: "service", service: "opencode", path: "/session" }],
  ["/opencode/session/ses_1/message", { to: "service", service: "opencode", path: "/session/ses_1/message" }],
  ["/opencode/global/health", { to: "service", service: "opencode", path: "/global/health" }],
  ["/opencode/", { to: "nowhere" }],
  ["/opencode/index.html", { to: "nowhere" }],
  ["/opencode/sessions", { to: "nowhere" }],
  ["/opencode/auth/openai", { to: "nowhere" }],
  ["/opencode/constructor", { to: "nowhere" }],
  ["/vscode//x", { to: "nowhere" }],
  ["/vscodex/", { to: "nowhere" }],
  ["/Vscode/", { to: "nowhere" }],
  ["/", { to: "nowhere" }],
  ["/_errand/auth/", { to: "nowhere" }],
])("%s leads to %j", (path, route) => {
  expect(routeOf(path, GRANT_PATH)).toEqual(route);
});
