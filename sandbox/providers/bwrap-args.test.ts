import { describe, expect, it } from "vitest";
import { bwrapArgs, bwrapCommand, nulSeparated, type Sources, staged } from "./bwrap-args.ts";

const sources: Sources = { home: "/d/home", work: "/d/work", run: "/d/run", runtime: "/r", parts: "/p", etc: "/d/etc" };
const args = bwrapArgs(sources, { PATH: "/usr/bin", HOME: "/home/dev" });
/** The values of an option that takes `count` of them. */
const values = (option: string, count: number) =>
  args.flatMap((arg, i) => (arg === option ? [args.slice(i + 1, i + 1 + count).join(" ")] : []));

describe("bwrapArgs", () => {
  it.each(["user", "pid", "ipc", "uts", "cgroup-try", "net"])("unshares %s", (what) => expect(args).toContain(`--unshare-${what}`));
  it("dies with the backend, has no capability, and an environment of its own", () => {
    expect(args).toEqual(expect.arrayContaining(["--die-with-parent", "--new-session", "--clearenv"]));
    expect(values("--cap-drop", 1)).toEqual(["ALL"]);
    expect(values("--setenv", 2)).toEqual(["PATH /usr/bin", "HOME /home/dev"]);
    expect(args.indexOf("--clearenv")).toBeLessThan(args.indexOf("--setenv"));
    expect(args).not.toContain("--as-pid-1");
  });
  it("lets nothing be written but home, work and run", () => {
    expect(values("--bind", 2)).toEqual(["/d/home /home/dev", "/d/work /workspace", "/d/run /run/errand"]);
  });
  it("mounts /run before what lies in it", () => {
    expect(args.indexOf("/run")).toBeLessThan(args.indexOf("/run/errand"));
  });
  it("shows nothing of the host's /etc that tells of its accounts or names", () => {
    const shown = [...values("--ro-bind", 2), ...values("--ro-bind-try", 2)].map((pair) => pair.split(" ")[0] ?? "");
    expect(shown.filter((path) => /^\/etc\/(passwd|shadow|group|hosts|resolv|ssh|sudo)/.test(path))).toEqual([]);
    expect(shown.filter((path) => /^\/(home|root|var|proc|sys)/.test(path))).toEqual([]);
  });
});

describe("bwrapCommand", () => {
  it("says nothing on the command line but what is run", () => {
    expect(bwrapCommand(["node", "x"], null)).toEqual(["bwrap", "--args", "3", "--", "node", "x"]);
  });
  it("drops root before it starts bwrap", () => {
    const command = bwrapCommand(["node"], { uid: 52_000, stage: "/tmp/s", sources });
    expect(command.slice(0, 4)).toEqual(["unshare", "--mount", "--propagation", "private"]);
    expect(command.join(" ")).toMatch(/exec setpriv --reuid "\$uid" --regid "\$uid" --clear-groups --no-new-privs -- "\$@"/);
    expect(command.slice(-6)).toEqual(["--", "bwrap", "--args", "3", "--", "node"]);
    expect(Object.values(staged("/tmp/s")).every((path) => path.startsWith("/tmp/s/"))).toBe(true);
  });
});

describe("nulSeparated", () => {
  it("ends every option by a NUL byte", () => expect(nulSeparated(["--bind", "a b", ""])).toBe("--bind\0a b\0\0"));
});
