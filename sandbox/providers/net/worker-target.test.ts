import { describe, expect, it } from "vitest";
import { framing, passedHeaders, refusal } from "./worker-target.ts";

const S = "abcdefghijklmnopqrstuvwxyz";

describe("refusal", () => {
  it.each([
    ["GET", `/sandbox/${S}/runner?generation=3`],
    ["POST", `/sandbox/${S}/model/v1/chat/completions`],
    ["GET", `/sandbox/${S}/model/v1/models?a=b/../c`],
    ["HEAD", `/sandbox/${S}/a-b_c.d~e`],
  ])("passes %s %s", (method, target) => expect(refusal(S, method, target)).toBeNull());

  it.each([
    ["another session", "GET", "/sandbox/zbcdefghijklmnopqrstuvwxyz/runner"],
    ["a longer session", "GET", `/sandbox/${S}2/runner`],
    ["the prefix alone", "GET", `/sandbox/${S}/`],
    ["without its slash", "GET", `/sandbox/${S}`],
    ["the API", "GET", "/api/sessions"],
    ["the root", "GET", "/"],
    ["dot segments", "GET", `/sandbox/${S}/../../api/sessions`],
    ["one dot", "GET", `/sandbox/${S}/./runner`],
    ["three dots", "GET", `/sandbox/${S}/.../runner`],
    ["encoded dots", "GET", `/sandbox/${S}/%2e%2e/%2e%2e/api`],
    ["encoded slash", "GET", `/sandbox/${S}/..%2f..%2fapi`],
    ["twice encoded", "GET", `/sandbox/${S}/%252e%252e/api`],
    ["backslash", "GET", `/sandbox/${S}/..\\..\\api`],
    ["empty segment", "GET", `/sandbox/${S}//api`],
    ["leading slashes", "GET", `//sandbox/${S}/runner`],
    ["parameter", "GET", `/sandbox/${S}/..;/api`],
    ["absolute form", "GET", `http://127.0.0.1:8787/sandbox/${S}/runner`],
    ["absolute form of elsewhere", "GET", "http://127.0.0.1:8787/api/sessions"],
    ["absolute form hidden behind a slash", "GET", `/http://x/sandbox/${S}/runner`],
    ["asterisk", "OPTIONS", "*"],
    ["authority", "CONNECT", "127.0.0.1:8787"],
    ["fragment", "GET", `/sandbox/${S}/runner#/api`],
    ["fragment in the query", "GET", `/sandbox/${S}/runner?a#/api`],
    ["space", "GET", `/sandbox/${S}/run ner`],
    ["tab in the path, which URL parsers drop", "GET", `/sandbox/${S}/.\t./api`],
    ["other method", "TRACE", `/sandbox/${S}/runner`],
    ["other case", "GET", `/Sandbox/${S}/runner`],
    ["nothing", "GET", undefined],
  ])("refuses %s", (_kind, method, target) => expect(refusal(S, method, target)).not.toBeNull());

  it("leaves nothing for a URL parser to move out of the prefix", () => {
    for (const target of [`/sandbox/${S}/a/b.c?x=/../..`, `/sandbox/${S}/a..b/c`]) {
      expect(refusal(S, "GET", target)).toBeNull();
      expect(new URL(target, "http://worker").pathname).toBe(target.split("?")[0]);
    }
  });
});

describe("passedHeaders", () => {
  it("keeps what belongs to the request", () => {
    const raw = ["Authorization", "Bearer x", "Content-Type", "application/json", "X-Session-Id", "1", "Sec-WebSocket-Key", "k"];
    expect(passedHeaders(raw).flat()).toEqual(raw);
  });

  it.each([
    ["X-Forwarded-For", "1.2.3.4"],
    ["x_forwarded_host", "evil"],
    ["CF-Connecting-IP", "1.2.3.4"],
    ["Cf-Worker", "x"],
    ["Forwarded", "for=1.2.3.4"],
    ["X-Real-IP", "1.2.3.4"],
    ["X-Original-URL", "/api"],
    ["X-Rewrite-Url", "/api"],
    ["X-HTTP-Method-Override", "DELETE"],
    ["Cookie", "a=b"],
    ["Host", "evil"],
    ["Transfer-Encoding", "chunked"],
    ["Upgrade", "h2c"],
    ["Connection", "close"],
    ["Proxy-Authorization", "x"],
  ])("drops %s", (name, value) => expect(passedHeaders([name, value])).toEqual([]));

  it("drops what Connection names", () => {
    expect(passedHeaders(["Connection", "close, X-Mine", "X-Mine", "1", "X-Other", "2"])).toEqual([["X-Other", "2"]]);
  });
});

describe("framing", () => {
  it.each([
    [{}, {}],
    [{ "content-length": "3" }, { "content-length": "3" }],
    [{ "transfer-encoding": "chunked" }, { "transfer-encoding": "chunked" }],
    [{ "transfer-encoding": "gzip, chunked" }, null],
    [{ "transfer-encoding": "chunked", "content-length": "3" }, null],
  ])("%j becomes %j", (headers, framed) => expect(framing(headers)).toEqual(framed));
});
