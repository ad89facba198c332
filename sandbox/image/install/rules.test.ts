import { describe, expect, test } from "vitest";
import { opencodePackages } from "./npm.mjs";
import { planSystem, type SystemState } from "./plan.mjs";
import { whyItFailed } from "./run.mjs";
import { isAtLeast } from "./ttyd.mjs";

test.each([
  {
    machine: { platform: "linux", arch: "x64", avx2: true, musl: false },
    names: ["opencode-linux-x64", "opencode-linux-x64-baseline", "opencode-linux-x64-musl", "opencode-linux-x64-baseline-musl"],
  },
  {
    machine: { platform: "linux", arch: "x64", avx2: false, musl: false },
    names: ["opencode-linux-x64-baseline", "opencode-linux-x64", "opencode-linux-x64-baseline-musl", "opencode-linux-x64-musl"],
  },
  {
    machine: { platform: "linux", arch: "x64", avx2: true, musl: true },
    names: ["opencode-linux-x64-musl", "opencode-linux-x64-baseline-musl", "opencode-linux-x64", "opencode-linux-x64-baseline"],
  },
  {
    machine: { platform: "linux", arch: "arm64", avx2: false, musl: false },
    names: ["opencode-linux-arm64", "opencode-linux-arm64-musl"],
  },
  { machine: { platform: "darwin", arch: "arm64", avx2: false, musl: false }, names: ["opencode-darwin-arm64"] },
  {
    machine: { platform: "darwin", arch: "x64", avx2: false, musl: false },
    names: ["opencode-darwin-x64-baseline", "opencode-darwin-x64"],
  },
])("OpenCode's packages for $machine", ({ machine, names }) => {
  expect(opencodePackages(machine)).toEqual(names);
});

test.each([
  ["1.7.7", "1.7.0", true],
  ["1.7", "1.7.0", true],
  ["1.10.0", "1.7.0", true],
  ["2", "1.7.0", true],
  ["1.6.3", "1.7.0", false],
  ["", "1.7.0", false],
] as const)("version %s is at least %s: %s", (have, least, is) => {
  expect(isAtLeast(have, least)).toBe(is);
});

test.each([
  ["npm error code E404\nnpm error 404 No match found\nnpm error A complete log of this run", "No match found"],
  ["Reading lists\nE: Unable to locate package ttyd\nE: more", "Unable to locate package ttyd"],
  ["one\ntwo", "two"],
] as const)("why it failed: %j", (said, why) => {
  expect(whyItFailed(said)).toBe(why);
});

describe("planSystem", () => {
  const rg = { name: "rg", apt: ["ripgrep"] };
  const ttyd = { build: ["cmake"], run: ["libuv1"] };
  const nothing: SystemState = { missing: [], ttyd: null, access: "yes", has: new Set(), installed: new Set() };
  const debian12 = new Set(["ripgrep", "cmake", "libuv1"]);
  const newer = new Set([...debian12, "ttyd"]);

  test.each([
    { name: "nothing missing", state: nothing, plan: { packages: [], buildPackages: [], buildsTtyd: false } },
    { name: "a package", state: { ...nothing, missing: [rg], has: debian12 }, plan: { packages: ["ripgrep"], buildsTtyd: false } },
    {
      name: "ttyd as a package",
      state: { ...nothing, ttyd, has: newer },
      plan: { packages: ["ttyd"], buildPackages: [], buildsTtyd: false },
    },
    {
      name: "ttyd to be built",
      state: { ...nothing, ttyd, has: debian12 },
      plan: { packages: [], buildPackages: ["cmake", "libuv1"], buildsTtyd: true },
    },
    {
      name: "ttyd to be built by a user without rights, where all is there",
      state: { ...nothing, ttyd, access: "no-right", has: debian12, installed: new Set(["cmake", "libuv1"]) },
      plan: { packages: [], buildPackages: [], buildsTtyd: true },
    },
  ] satisfies { name: string; state: SystemState; plan: object }[])("$name", ({ state, plan }) => {
    expect(planSystem(state)).toMatchObject({ ...plan, reasons: new Map() });
  });

  test.each([
    {
      name: "no right: the command, and what ttyd is built with",
      state: { ...nothing, missing: [rg], ttyd, access: "no-right", has: debian12 },
      reasons: { rg: "install -y --no-install-recommends ripgrep cmake libuv1", ttyd: "ripgrep cmake libuv1" },
    },
    {
      name: "no apt: the names",
      state: { ...nothing, missing: [rg], ttyd, access: "no-apt" },
      reasons: { rg: "what Debian calls ripgrep ttyd", ttyd: "no apt-get" },
    },
    { name: "an unknown package", state: { ...nothing, missing: [rg] }, reasons: { rg: "no package ripgrep" } },
    { name: "no way to ttyd", state: { ...nothing, ttyd, has: new Set(["cmake"]) }, reasons: { ttyd: "(libuv1)" } },
  ] satisfies { name: string; state: SystemState; reasons: Record<string, string> }[])("$name", ({ state, reasons }) => {
    const plan = planSystem(state);
    expect([...plan.reasons.keys()].sort()).toEqual(Object.keys(reasons).sort());
    for (const [name, text] of Object.entries(reasons)) expect(plan.reasons.get(name)).toContain(text);
    expect(plan.buildsTtyd).toBe(false);
  });
});
