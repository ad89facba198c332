import { describe, expect, it } from "vitest";
import { explain } from "./choose.ts";
import { unprivilegedUid } from "./local.ts";

describe("explain", () => {
  it.each([
    ["spawn bwrap ENOENT", /apt-get install bubblewrap/],
    ["setpriv: failed to execute bwrap: No such file or directory", /apt-get install bubblewrap/],
    ["bwrap: setting up uid map: Permission denied", /bwrap-userns-restrict/],
    ["bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", /bwrap-userns-restrict/],
    ["bwrap: No permissions to create new namespace", /unprivileged user namespaces/],
    ["unshare: unshare failed: Operation not permitted", /unprivileged user namespaces/],
    ["something else", /^bubblewrap does not start: something else$/],
  ])("%s", (said, remedy) => expect(explain(said)).toMatch(remedy));
});

describe("unprivilegedUid", () => {
  it.each([
    [{ SUDO_UID: "1001" }, 1001],
    [{ SUDO_UID: "0" }, 52_000],
    [{ SUDO_UID: "x" }, 52_000],
    [{}, 52_000],
  ])("%j gives %i", (env, uid) => expect(unprivilegedUid(env)).toBe(uid));
});
