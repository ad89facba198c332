import { expect, test } from "vitest";
import { fieldsOf, single, tokensOf, valuesOf } from "./fields.ts";
import { requestFields, responseFields, rewriteLocation } from "./headers.ts";

const publicOrigin = new URL("http://127.0.0.1:9000");
const from = { prefix: "/vscode", path: "/a/b?c", port: 8080, publicOrigin };

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
  expect(requestFields(client, publicOrigin, undefined)).toEqual([
    ["host", "127.0.0.1:9000"],
    ["x-forwarded-host", "127.0.0.1:9000"],
    ["x-forwarded-proto", "http"],
    ["cookie", "a=1"],
    ["accept", "*/*"],
    ["range", "bytes=0-"],
  ]);
  expect(requestFields([["authorization", "Basic x"]], publicOrigin, "Basic y")).toContainEqual(["authorization", "Basic y"]);
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
