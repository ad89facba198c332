import { expect, test } from "vitest";
import { originOf, Sites } from "../../protocol/sites.ts";
import { localSites } from "./local-sites.ts";

const SESSION = "abcdefghijklmnopqrstuvwxyz";

test("every part of a sandbox has an origin of its own, and so has every sandbox", () => {
  const sites = Sites.parse(localSites(SESSION, 40_123, "localhost"));
  expect(originOf(sites, "vscode")).toBe("http://abcdefghijkl.localhost:40123");
  expect(originOf(sites, "opencode")).toBe("http://opencode-abcdefghijkl.localhost:40123");
  expect(originOf(sites, "preview", 3_000)).toBe("http://3000-abcdefghijkl.localhost:40123");
  const other = localSites("zyxwvutsrqponmlkjihgfedcba", 40_124, "localhost");
  expect(new Set([...Object.values(sites), ...Object.values(other)]).size).toBe(6);
});

test("at an address without names there is but one", () =>
  expect(Sites.parse(localSites(SESSION, 40_123, "127.0.0.1"))).toEqual({
    ide: "http://127.0.0.1:40123",
    opencode: null,
    preview: null,
  }));
