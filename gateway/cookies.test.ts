import { expect, test } from "vitest";
import { cookieHeader, cookieName, foreignCookies, maySetCookie, onlyCookie, previewPorts } from "./cookies.ts";
import type { Fields } from "./fields.ts";

const fields = (...values: string[]): Fields => values.map((value) => ["cookie", value]);
const name = cookieName({ service: "vscode", port: undefined }, "abcdefghijkl");

test("name and header", () => {
  expect(name).toBe("__Host-errand-vscode-abcdefgh");
  expect(cookieName({ service: "preview", port: 3000 }, "abcdefghijkl")).toBe("__Host-errand-preview-3000-abcdefgh");
  expect(cookieHeader(name, "v")).toBe("__Host-errand-vscode-abcdefgh=v; Path=/; Secure; HttpOnly; SameSite=Lax");
});

test.each([
  [[`${name}=v`], "v"],
  [[`a=1;${name}=v;b=2`], "v"],
  [["a=1", `${name}=v=w`], "v=w"],
  [[`${name}=`], ""],
  [[`${name}=v; ${name}=v`], undefined],
  [[`${name}=v`, `${name}=w`], undefined],
  [[`${name}x=v`], undefined],
  [[`${name.toUpperCase()}=v`], undefined],
  [["a=1"], undefined],
  [[], undefined],
])("%j holds %j", (values, found) => {
  expect(onlyCookie(fields(...values), name)).toBe(found);
});

test.each([
  [["a=1; b=2"], "a=1; b=2"],
  [[`a=1; ${name}=v`, "b"], "a=1; b"],
  [[`${name}=v; __HOST-ERRAND-X=1; errand_session=2; __Secure-errand=3; __Http-errand=4; __Host-Http-errand=5`], undefined],
  [["theirs=errand; xerrand=1"], "theirs=errand; xerrand=1"],
  [[" ; ;"], undefined],
])("of %j an upstream sees %j", (values, seen) => {
  expect(foreignCookies(fields(...values))).toBe(seen);
});

test.each([
  ["a=1", true],
  ["a=; Max-Age=0", true],
  ["vscode-tkn=1; Path=/; HttpOnly; SameSite=Strict", true],
  ["a=1; Domain=example", false],
  ["a=1;dOmAiN=", false],
  ["a=1; domain", false],
  [`${name}=1`, false],
  ["__host-Errand=1", false],
  ["errand=1", false],
  [" errand =1", false],
  ["=a", false],
  ["=__Host-errand=1", false],
  ["a", false],
  ["", false],
  ["a b=1", false],
  ["\u00e9=1", false],
])("an upstream setting %j: %j", (header, may) => {
  expect(maySetCookie(header)).toBe(may);
});

test.each([
  [
    ["__Host-errand-preview-3000-abcdefgh=v; a=1", "__Host-errand-preview-80-abcdefgh=w"],
    [3000, 80],
  ],
  [["__Host-errand-preview-3000-abcdefgh=v; __Host-errand-preview-3000-abcdefgh=w"], [3000]],
  [["__Host-errand-preview-3000-zzzzzzzz=v; __Host-errand-preview-03000-abcdefgh=v; __Host-errand-preview--abcdefgh=v"], []],
  [["__host-errand-preview-3000-abcdefgh=v; errand-preview-3000-abcdefgh=v; __Host-errand-preview-3000-abcdefghi=v"], []],
  [["__Host-errand-preview-300000-abcdefgh=v; __Host-errand-preview-3e3-abcdefgh=v; __Host-errand-preview-\u0663-abcdefgh=v"], []],
  [[], []],
])("cookies %j are of previews of ports %j", (values, ports) => {
  expect(previewPorts(fields(...values), "abcdefghijkl")).toEqual(ports);
});
