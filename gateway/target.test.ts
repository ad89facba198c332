import { expect, test } from "vitest";
import { checkPreviewTarget, checkTarget, routeOf, TARGET_BYTES } from "./target.ts";

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
  "/@fs/work/a.ts",
  "/@id/%2e%2e/x",
  "/%2Fencoded%2fslash",
  "/a/../b",
  "/./..",
  "/..;/x",
  "/100%25",
  "/%",
  "/%zz",
  "/a%5cb",
  "/a//b",
  "/x?y=%00",
])("%s passes to a preview as it is", (raw) => {
  const [path, query] = raw.split("?");
  expect(checkPreviewTarget(raw)).toEqual({ ok: true, path, query: query === undefined ? "" : `?${query}` });
});

test.each([
  ["", 400],
  ["*", 400],
  ["x/", 400],
  ["//evil.example/", 400],
  ["http://3000-gate.example/", 400],
  ["/a b", 400],
  ["/a\tb", 400],
  ["/a\u007f", 400],
  ["/\u00e9", 400],
  ["/\\evil.example", 400],
  ["/a#b", 400],
  ["/%00", 400],
  ["/a%0d%0aX:y", 400],
  [`/${"a".repeat(TARGET_BYTES)}`, 414],
])("%j is refused for a preview too", (raw, status) => {
  expect(checkPreviewTarget(raw)).toEqual({ ok: false, status });
});

test.each([
  ["/_errand/health", { to: "health" }],
  ["/_errand/auth", { to: "exchange" }],
  ["/vscode", { to: "slash", service: "vscode" }],
  ["/vscode/", { to: "service", service: "vscode", path: "/" }],
  ["/desktop/websockify", { to: "service", service: "desktop", path: "/websockify" }],
  ["/terminal/vscode/", { to: "service", service: "terminal", path: "/vscode/" }],
  ["/opencode/", { to: "nowhere" }],
  ["/opencode/session", { to: "nowhere" }],
  ["/vscode//x", { to: "nowhere" }],
  ["/vscodex/", { to: "nowhere" }],
  ["/Vscode/", { to: "nowhere" }],
  ["/", { to: "nowhere" }],
  ["/_errand/auth/", { to: "nowhere" }],
])("at the first origin %s leads to %j", (path, route) => {
  expect(routeOf("ide", path)).toEqual(route);
});

test.each(["preview", "opencode"] as const)("%s has its whole origin but what is ours", (site) => {
  for (const path of ["/", "/vscode/", "/vscode", "/desktop/", "/assets/x.js", "/session/ses_1", "/_errandx", "/x/_errand/auth"])
    expect(routeOf(site, path)).toEqual({ to: "service", service: site, path });
  for (const path of ["/_errand", "/_errand/", "/_errand/auth/", "/_errand/x"]) expect(routeOf(site, path)).toEqual({ to: "nowhere" });
  expect(routeOf(site, "/_errand/auth")).toEqual({ to: "exchange" });
  expect(routeOf(site, "/_errand/health")).toEqual({ to: "health" });
});

test.each([
  "/auth",
  "/auth/openai",
  "/AUTH/openai",
  "/%61uth/openai",
  "/%41%55th/openai",
  "/auth;x/openai",
  "/provider/openai/oauth/authorize",
  "/provider/openai//oauth/callback",
  "/api/credential/x",
  "/API/Credential/x",
  "/api/integration/openai/connect/key",
  "/api/integration/attempt/x/complete",
  "/auth/%ff",
  "/%c3%28/x",
])("OpenCode's %s is nowhere", (path) => {
  expect(routeOf("opencode", path)).toEqual({ to: "nowhere" });
});

test.each(["/authors", "/provider", "/provider/auth", "/api/integration", "/config/providers", "/session/auth", "/mcp/x/auth"])(
  "OpenCode's %s is reached",
  (path) => {
    expect(routeOf("opencode", path)).toEqual({ to: "service", service: "opencode", path });
  },
);
