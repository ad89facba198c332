import { expect, test } from "vitest";
import { readSites, sitesProblem } from "./sites.ts";

const HTTPS = { ide: "https://gate.example", opencode: "https://opencode-gate.example", preview: "https://{port}-gate.example" };
const LOCAL = {
  ide: "http://abc.localhost:9000",
  opencode: "http://opencode-abc.localhost:9000",
  preview: "http://{port}-abc.localhost:9000",
};
const placeOf = (sites: typeof HTTPS | { ide: string; opencode: string | null; preview: string | null }, host: string) => {
  const place = readSites(sites, true).placeOf(host);
  return place && { ...place, origin: place.origin.origin };
};

test.each([
  [HTTPS, "gate.example", { site: "ide", origin: "https://gate.example" }],
  [HTTPS, "opencode-gate.example", { site: "opencode", origin: "https://opencode-gate.example" }],
  [HTTPS, "3000-gate.example", { site: "preview", origin: "https://3000-gate.example", port: 3000 }],
  [LOCAL, "abc.localhost:9000", { site: "ide", origin: "http://abc.localhost:9000" }],
  [LOCAL, "1-abc.localhost:9000", { site: "preview", origin: "http://1-abc.localhost:9000", port: 1 }],
  [LOCAL, "65535-abc.localhost:9000", { site: "preview", origin: "http://65535-abc.localhost:9000", port: 65_535 }],
  [{ ...HTTPS, preview: "https://shared.example" }, "shared.example", { site: "preview", origin: "https://shared.example", port: null }],
  [{ ...HTTPS, preview: "https://{port}" }, "3000", undefined],
])("of %j the host %j is %j", (sites, host, place) => {
  expect(placeOf(sites, host)).toEqual(place);
});

test.each([
  ...["03000-gate.example", "65536-gate.example", "99999-gate.example", "100000-gate.example", "0-gate.example", "-1-gate.example"],
  ...[
    "-gate.example",
    "3e3-gate.example",
    "0x50-gate.example",
    "+80-gate.example",
    " 80-gate.example",
    "80 -gate.example",
    "8.0-gate.example",
  ],
  ...["\u0663\u0660-gate.example", "\uff13\uff10-gate.example", "\u00b2-gate.example", "{port}-gate.example", "3000-GATE.example"],
  ...["3000-gate.example:443", "3000-gate.example.", "x@3000-gate.example", "3000-gate.example.evil.example", "3000-3000-gate.example"],
  ...["3000gate.example", "3000-gate.example, gate.example", "3000", "", "gate.example:443", "GATE.example"],
])("%j is no host of ours", (host) => {
  expect(placeOf(HTTPS, host)).toBeUndefined();
});

test("a grant is for the origin that serves its service and port", () => {
  const origins = readSites(HTTPS, false);
  const at = (host: string) => origins.placeOf(host) ?? { site: "ide" as const, origin: new URL("https://none.example") };
  const served = (host: string) =>
    (["vscode", "desktop", "terminal", "opencode", "preview"] as const).filter((service) =>
      origins.serves(at(host), service, service === "preview" ? 3000 : undefined),
    );
  expect(served("gate.example")).toEqual(["vscode", "desktop", "terminal"]);
  expect(served("opencode-gate.example")).toEqual(["opencode"]);
  expect(served("3000-gate.example")).toEqual(["preview"]);
  expect(served("3001-gate.example")).toEqual([]);
  const none = readSites({ ...HTTPS, opencode: null, preview: null }, false);
  expect([none.serves(at("gate.example"), "opencode", undefined), none.serves(at("gate.example"), "preview", 3000)]).toEqual([
    false,
    false,
  ]);
  const shared = readSites({ ...HTTPS, preview: "https://shared.example" }, false);
  const place = shared.placeOf("shared.example");
  expect(place && [shared.serves(place, "preview", 3000), shared.serves(place, "preview", 5173)]).toEqual([true, true]);
});

test.each([
  [HTTPS, false, undefined],
  [HTTPS, true, undefined],
  [LOCAL, true, undefined],
  [{ ide: "http://127.0.0.1:9000", opencode: null, preview: null }, true, undefined],
  [LOCAL, false, /not https:/],
  [{ ...HTTPS, ide: "http://gate.example" }, true, /not https:/],
  [{ ...HTTPS, opencode: "http://localhost.evil.example" }, true, /not https:/],
  [{ ...HTTPS, preview: "http://{port}-gate.example" }, true, /not https:/],
  [{ ...HTTPS, opencode: HTTPS.ide }, false, /same host/],
  [{ ...LOCAL, opencode: "https://abc.localhost:9000" }, true, /same host/],
  [{ ...HTTPS, preview: HTTPS.ide }, false, /hosts of their own/],
  [{ ...HTTPS, ide: "https://3000-gate.example" }, false, /hosts of their own/],
  [{ ...HTTPS, opencode: "https://65535-gate.example" }, false, /hosts of their own/],
  [{ ...HTTPS, preview: "https://gate.example:{port}" }, false, /not as its port/],
])("%j with local %j: %j", (sites, local, says) => {
  const problem = sitesProblem(sites, local);
  if (says === undefined) expect(problem).toBeUndefined();
  else expect(problem).toMatch(says);
});
