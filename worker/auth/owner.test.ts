import { describe, expect, test } from "vitest";
import { type Asked, identify } from "./owner.ts";

const settings = { PUBLIC_ORIGIN: "http://127.0.0.1:8787", LOCAL_OWNER: "ada" };
const host = "127.0.0.1:8787";

type Case = { name: string; headers: Record<string, string>; method?: string; asked?: Asked; settings?: Partial<typeof settings> | object };
const who = (entry: Case) => {
  const identity = identify(
    { method: entry.method ?? "GET", headers: new Headers(entry.headers) },
    { ...settings, ...entry.settings },
    entry.asked ?? "data",
  );
  return identity.person ? identity.person.name : identity.refusal.code;
};

describe("the owner is recognised", () => {
  const cases: Case[] = [
    { name: "a program", headers: { host } },
    { name: "a program that posts", headers: { host }, method: "POST" },
    { name: "what wrangler dev sends", headers: { host, "cf-connecting-ip": "127.0.0.1" } },
    { name: "IPv6 loopback", headers: { host: "[::1]:8787", "cf-connecting-ip": "::1" } },
    { name: "mapped IPv4", headers: { host, "cf-connecting-ip": "::ffff:127.0.0.1" } },
    { name: "localhost", headers: { host: "localhost:8787" } },
    { name: "an address typed by the user", headers: { host, "sec-fetch-site": "none", "sec-fetch-mode": "navigate" } },
    { name: "a form of ours", headers: { host, origin: settings.PUBLIC_ORIGIN, "sec-fetch-site": "same-origin" }, method: "POST" },
    { name: "a socket of our page", headers: { host, origin: settings.PUBLIC_ORIGIN, upgrade: "websocket" } },
    {
      name: "a link on another site",
      headers: { host, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
      asked: "page",
    },
    {
      name: "a link on another port of this machine",
      headers: { host, "sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
      asked: "page",
    },
    { name: "port 80 left out", headers: { host: "localhost" }, settings: { PUBLIC_ORIGIN: "http://localhost" } },
  ];
  test.each(cases)("$name", (entry) => expect(who(entry)).toBe("ada"));
});

describe("nobody is recognised", () => {
  const cross = { host, "sec-fetch-site": "cross-site" };
  const cases: (Case & { code: string })[] = [
    { name: "no owner set", headers: { host }, settings: { LOCAL_OWNER: null }, code: "no_sign_in" },
    { name: "no origin set", headers: { host }, settings: { PUBLIC_ORIGIN: null }, code: "no_sign_in" },
    { name: "a deployment", headers: { host }, settings: { PUBLIC_ORIGIN: "https://errand.example" }, code: "no_sign_in" },
    { name: "no host", headers: {}, code: "not_loopback" },
    { name: "another name for this machine (DNS rebinding)", headers: { host: "evil.example:8787" }, code: "not_loopback" },
    { name: "a name that only starts like ours", headers: { host: "127.0.0.1.evil.example:8787" }, code: "not_loopback" },
    { name: "user information in the host", headers: { host: "127.0.0.1@evil.example:8787" }, code: "not_loopback" },
    { name: "a path in the host", headers: { host: "127.0.0.1:8787/x" }, code: "not_loopback" },
    { name: "another port", headers: { host: "127.0.0.1:9000" }, code: "not_loopback" },
    { name: "no port", headers: { host: "127.0.0.1" }, code: "not_loopback" },
    { name: "the network's address of this machine", headers: { host: "192.168.1.7:8787" }, code: "not_loopback" },
    { name: "a peer elsewhere", headers: { host, "cf-connecting-ip": "192.168.1.9" }, code: "not_loopback" },
    { name: "a peer whose address only starts like ours", headers: { host, "cf-connecting-ip": "127.0.0.1.9" }, code: "not_loopback" },
    { name: "Forwarded", headers: { host, forwarded: "for=1.2.3.4" }, code: "proxied" },
    { name: "X-Forwarded-For", headers: { host, "x-forwarded-for": "127.0.0.1" }, code: "proxied" },
    { name: "X-Forwarded-Proto", headers: { host, "x-forwarded-proto": "https" }, code: "proxied" },
    { name: "X-Real-IP", headers: { host, "x-real-ip": "127.0.0.1" }, code: "proxied" },
    { name: "Via", headers: { host, via: "1.1 proxy" }, code: "proxied" },
    { name: "CF-Ray", headers: { host, "cf-ray": "8a" }, code: "proxied" },
    { name: "CF-Visitor", headers: { host, "cf-visitor": "{}" }, code: "proxied" },
    { name: "CDN-Loop", headers: { host, "cdn-loop": "cloudflare" }, code: "proxied" },
    { name: "a foreign page reads data", headers: { ...cross, "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" }, code: "other_site" },
    {
      name: "a foreign page opens data in its window",
      headers: { ...cross, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
      code: "other_site",
    },
    { name: "a neighbour on another port reads data", headers: { host, "sec-fetch-site": "same-site" }, code: "other_site" },
    {
      name: "a foreign page frames a page",
      headers: { ...cross, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
      asked: "page",
      code: "other_site",
    },
    {
      name: "a foreign page loads a page as an image",
      headers: { ...cross, "sec-fetch-mode": "no-cors" },
      asked: "page",
      code: "other_site",
    },
    { name: "a foreign form", headers: { host, origin: "https://evil.example" }, method: "POST", asked: "page", code: "other_site" },
    {
      name: "a foreign form that navigates",
      headers: { ...cross, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
      method: "POST",
      asked: "page",
      code: "other_site",
    },
    { name: "a sandboxed frame's form", headers: { host, origin: "null" }, method: "POST", code: "other_site" },
    { name: "a foreign socket", headers: { host, origin: "http://evil.example", upgrade: "websocket" }, code: "other_site" },
    { name: "a socket of another port", headers: { host, origin: "http://127.0.0.1:9000", upgrade: "websocket" }, code: "other_site" },
    {
      name: "our other name as origin",
      headers: { host: "localhost:8787", origin: "http://localhost:8787" },
      method: "POST",
      code: "other_site",
    },
  ];
  test.each(cases)("$name", (entry) => expect(who(entry)).toBe(entry.code));
});
