/** The runner when something dies: OpenCode, itself, the whole sandbox; and when there is nothing to clone. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Step } from "../world/model.ts";
import { setStage } from "./stage.ts";

const LONG = Array.from({ length: 150 }, (_, index) => `word${index} `).join("");
/** Says a little and then nothing more, so that whatever dies does so in the middle of it. */
const HANGING: Step = { text: LONG, faults: [{ kind: "stall", afterPieces: 20 }] };

describe("crashes with the real OpenCode", { timeout: 120_000 }, () => {
  let stage: Awaited<ReturnType<typeof setStage>>;
  afterEach(async () => {
    await stage?.close();
  });

  /** As the supervisor does it. */
  async function restartOpenCode(): Promise<void> {
    await stage.killOpenCode();
    stage.tell({ t: "opencode", state: "down" });
    stage.startOpenCode();
  }

  it("continues a turn after OpenCode died, and gives up after the second time", async () => {
    stage = await setStage({
      "#once": (call) => (call === 0 ? HANGING : { text: "Finished after all." }),
      "#twice": () => HANGING,
    });
    const { peer } = stage;
    stage.startOpenCode();
    stage.startRunner();
    stage.prompt(1, "Do it #once");
    await peer.waitFor("text", () => peer.of("text.delta", 1).length > 1);
    await restartOpenCode();
    expect(await peer.finished(1)).toMatchObject({ outcome: "done" });
    expect(peer.of("turn.notice", 1)).toMatchObject([
      { code: "agent_restarted", message: "The agent process stopped and was restarted; the turn goes on." },
    ]);
    expect(peer.of("text.dropped", 1)).toHaveLength(1);
    expect(peer.of("text.done", 1).map((event) => event.text)).toEqual(["Finished after all."]);
    expect(stage.script.prompts.filter((text) => text.includes("#once"))).toHaveLength(1);

    stage.prompt(2, "Do it #twice");
    await peer.waitFor("text", () => peer.of("text.delta", 2).length > 1);
    await restartOpenCode();
    await peer.waitFor("text again", () => {
      const at = peer.events.findIndex((event) => event.type === "turn.notice" && event.turn === 2);
      return at >= 0 && peer.events.slice(at).some((event) => event.type === "text.delta");
    });
    await restartOpenCode();
    expect(await peer.finished(2)).toMatchObject({ outcome: "failed", failure: { code: "agent_died" } });
    expect(peer.faults).toEqual([]);
  });

  it("takes a turn over when the runner died in the middle of it", async () => {
    stage = await setStage({ "#long": [{ text: LONG }], "#next": [{ text: "Next." }] });
    const { peer } = stage;
    stage.startOpenCode();
    stage.startRunner();
    stage.prompt(1, "Write #long");
    await peer.waitFor("text", () => peer.of("text.delta", 1).length > 2);
    await stage.killRunner();
    stage.startRunner();
    expect(await peer.finished(1)).toMatchObject({ outcome: "done" });
    expect(peer.of("text.done", 1).map((event) => event.text)).toEqual([LONG]);
    expect(peer.of("turn.notice", 1)).toEqual([]);
    expect(stage.script.calls("#long")).toBe(1);

    // A command that was taken but not begun is neither lost nor repeated.
    stage.prompt(2, "Write #next");
    await peer.waitFor("the acknowledgement", () => peer.unacknowledged() === 0);
    await stage.killRunner();
    stage.startRunner();
    expect(await peer.finished(2)).toMatchObject({ outcome: "done" });
    expect(stage.script.prompts.filter((text) => text.includes("#next"))).toHaveLength(1);
    expect(peer.of("turn.finished")).toHaveLength(2);
    expect(peer.faults).toEqual([]);
  });

  it("goes on in the next sandbox when the turn's prompt comes again, and ends when it is fenced", async () => {
    stage = await setStage({ "#move": (call) => (call === 0 ? HANGING : { text: "Moved." }) });
    const { peer } = stage;
    stage.startOpenCode();
    stage.startRunner();
    stage.prompt(1, "Work #move");
    await peer.waitFor("text", () => peer.of("text.delta", 1).length > 1);
    await Promise.all([stage.killRunner(), stage.killOpenCode()]);
    peer.newGeneration();
    stage.startOpenCode();
    stage.startRunner({ generation: 2 });
    stage.prompt(1, "Work #move");
    expect(await peer.finished(1)).toMatchObject({ outcome: "done" });
    expect(peer.of("turn.notice", 1)).toMatchObject([{ code: "agent_restarted" }]);
    expect(peer.of("text.done", 1).map((event) => event.text)).toEqual(["Moved."]);
    // The outcome was lost on the way: the prompt comes again, and only the end is told again.
    const before = peer.of("turn.finished", 1).length;
    stage.prompt(1, "Work #move");
    await peer.waitFor("the end told again", () => peer.of("turn.finished", 1).length > before);
    expect(stage.script.calls("#move")).toBe(2);
    peer.fence();
    await expect.poll(() => stage.said, { timeout: 5_000 }).toContainEqual({ t: "exit", reason: "generation over" });
  });

  it("fails the first prompt when the repository does not exist, and tries again with the next", async () => {
    const missing = join(process.env.TMPDIR ?? "/tmp", `errand-missing-${process.pid}`);
    stage = await setStage({ "#hello": [{ text: "Hello." }] }, missing);
    const { peer, workspace, home } = stage;
    stage.startOpenCode();
    stage.startRunner();
    await peer.waitFor("the failed phase", () => peer.of("boot.phase").find((event) => event.ok === false));
    stage.prompt(1, "Say #hello");
    expect(await peer.finished(1)).toMatchObject({
      outcome: "failed",
      failure: { code: "repository_not_found", action: expect.any(String) },
    });
    execFileSync("git", ["init", "-q", "-b", "main", missing]);
    // What a start that was cut off left behind is no checkout.
    mkdirSync(join(home, ".errand", "cloning", ".git"), { recursive: true });
    writeFileSync(join(workspace, "left-over"), "x");
    stage.prompt(2, "Say #hello");
    expect(await peer.finished(2)).toMatchObject({ outcome: "done" });
    expect(existsSync(join(home, ".errand", "cloning"))).toBe(false);
    expect(readFileSync(join(workspace, ".git", "HEAD"), "utf8")).toBe("ref: refs/heads/errand/session1\n");
    execFileSync("rm", ["-rf", missing]);
  });
});
