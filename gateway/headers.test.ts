import { expect, test } from "vitest";
import { fieldsOf, single, tokensOf, valuesOf } from "./fields.ts";
import { requestFields, responseFields, rewriteLocation, type Upstream } from "./headers.ts";

const origin = new URL("http://127.0.0.1:9000");
const from: Upstream = { service: "vscode", mode: "drive", path: "/a/b?c", port: 8080, origin, authorization: undefined };
const preview: Upstream = { ...from, service: "preview", port: 3000, origin: new URL("https://3000-gate.example") };

test("fields keep order and repetitions", () => {
  const fields = fieldsOf(["A", "1", "b", "2", "a", "3", Buffer.from("C"), Buffer.from([0xe9])]);
  expect(fields).toEqual([
    ["a", "1"],
    ["b", "2"],
    ["a", "3"],
    ["c", "\u00e9"],
  ]);
  expect([single(fields, "a"), single(fields, "b"), single(fields, "d")]).toEqual([null, "2", undefined]);
  expect(valuesOf(fields, "a")).toEqual(["1", "3"]);
  expect(
    tokensOf(
      [
        ["connection", "Keep-Alive, Upgrade"],
        ["connection", "X"],
      ],
      "connection",
    ),
  ).toEqual(["keep-alive", "upgrade", "x"]);
});

test("what an upstream gets", () => {
  const client = fieldsOf([
    "Host",
    "evil",
    "Accept",
    "*/*",
    "X-Forwarded-Host",
    "evil",
    "Cookie",
    "a=1; errand=2",
    "Connection",
    "x-hop",
    "X-Hop",
    "1",
    "User_Agent",
    "x",
    "Range",
    "bytes=0-",
  ]);
  expect(requestFields(client, from)).toEqual([
    ["host", "127.0.0.1:9000"],
    ["x-forwarded-host", "127.0.0.1:9000"],
    ["x-forwarded-proto", "http"],
    ["cookie", "a=1"],
    ["accept", "*/*"],
    ["range", "bytes=0-"],
  ]);
  expect(requestFields([["authorization", "Basic x"]], { ...from, authorization: "Basic y" })).toContainEqual(["authorization", "Basic y"]);
  expect(requestFields([["x-errand-mode", "drive"]], { ...from, service: "desktop", mode: "watch" }).slice(3)).toEqual([
    ["x-errand-mode", "watch"],
  ]);
  expect(requestFields([["x-errand-mode", "watch"]], { ...from, service: "desktop" }).slice(3)).toEqual([["x-errand-mode", "drive"]]);
});

test("what a preview's server gets", () => {
  const client = fieldsOf([
    "Host",
    "x",
    "Authorization",
    "Bearer theirs",
    "X-Forwarded-Host",
    "evil",
    "Cookie",
    "errand=1",
    "Accept",
    "*/*",
  ]);
  expect(requestFields(client, preview)).toEqual([
    ["host", "localhost:3000"],
    ["x-forwarded-host", "3000-gate.example"],
    ["x-forwarded-proto", "https"],
    ["authorization", "Bearer theirs"],
    ["accept", "*/*"],
  ]);
  expect(requestFields([["origin", "https://3000-gate.example"]], preview)).toEqual([
    ["host", "localhost:3000"],
    ["origin", "http://localhost:3000"],
  ]);
  expect(requestFields([["origin", "https://3000-gate.example.evil.example"]], preview)[1]).toEqual([
    "origin",
    "https://3000-gate.example.evil.example",
  ]);
  expect(
    requestFields([["origin", "https://80-gate.example"]], { ...preview, port: 80, origin: new URL("https://80-gate.example") }),
  ).toEqual([
    ["host", "localhost"],
    ["origin", "http://localhost"],
  ]);
});

test("what a browser gets", () => {
  const answer = responseFields(
    fieldsOf([
      "Content-Type",
      "text/html",
      "Set-Cookie",
      "a=1",
      "Set-Cookie",
      "b=2",
      "Cache-Control",
      "Public, max-age=1",
      "Content-Encoding",
      "br",
      "Transfer-Encoding",
      "chunked",
    ]),
    from,
  );
  expect(answer.slice(0, 5)).toEqual([
    ["content-type", "text/html"],
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
    ["cache-control", "private, max-age=1"],
    ["content-encoding", "br"],
  ]);
  expect(valuesOf(responseFields(fieldsOf(["Location", "/a", "Location", "/b"]), from), "location")).toEqual([]);
});

test.each([
  ["/x", "/vscode/x"],
  ["x", "/vscode/a/x"],
  ["?y=1", "/vscode/a/b?y=1"],
  ["", "/vscode/a/b?c"],
  ["http://127.0.0.1:8080/x#y", "/vscode/x#y"],
  ["http://[::1]:8080/x", "/vscode/x"],
  ["http://0.0.0.0:8080/x", "/vscode/x"],
  ["https://127.0.0.1:9000/x", "/vscode/x"],
  ["//127.0.0.1:9000/x", "/vscode/x"],
  ["http:x", "/vscode/a/x"],
  ["http://127.0.0.1:7681/x", undefined],
  ["//evil.example/x", undefined],
  ["/\\evil.example", undefined],
  ["/\t/evil.example", undefined],
  ["https:evil.example", undefined],
  ["ftp://127.0.0.1:8080/", undefined],
  ["javascript:alert(1)", undefined],
  ["http://a@127.0.0.1:8080/", undefined],
  ["http://[", undefined],
])("Location %j becomes %j", (value, becomes) => {
  expect(rewriteLocation(value, from)).toBe(becomes);
});

test.each([
  ["/x", "https://3000-gate.example/x"],
  ["//3000-gate.example/x?y#z", "https://3000-gate.example/x?y#z"],
  ["http://localhost:3000/x", "https://3000-gate.example/x"],
  ["http://[::1]:3000/x", "https://3000-gate.example/x"],
  ["/.//evil.example", "https://3000-gate.example//evil.example"],
  ["http://localhost:3001/x", "http://localhost:3001/x"],
  ["https://sign-in.example/?back=1", "https://sign-in.example/?back=1"],
  ["//sign-in.example", "https://sign-in.example/"],
  ["javascript:alert(1)", undefined],
  ["data:text/html,x", undefined],
  ["https://user@sign-in.example/", undefined],
])("Location %j of a preview becomes %j", (value, becomes) => {
  expect(rewriteLocation(value, preview)).toBe(becomes);
});

test("OpenCode's own redirects name its origin, others are dropped", () => {
  const opencode: Upstream = { ...from, service: "opencode", port: 4096, origin: new URL("https://opencode-gate.example") };
  expect(rewriteLocation("/.//evil.example", opencode)).toBe("https://opencode-gate.example//evil.example");
  expect(rewriteLocation("https://evil.example", opencode)).toBeUndefined();
});

test("a preview may ask for a password of its own, nobody else", () => {
  const asks = fieldsOf(["WWW-Authenticate", "Basic", "Service-Worker-Allowed", "/everything", "Clear-Site-Data", '"cookies"']);
  expect(responseFields(asks, preview).slice(0, 2)).toEqual([
    ["www-authenticate", "Basic"],
    ["service-worker-allowed", "/"],
  ]);
  expect(valuesOf(responseFields(asks, from), "www-authenticate")).toEqual([]);
});
