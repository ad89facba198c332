/**
 * What goes wrong around a turn, on the real parts: a repository that does not exist, models that fail in every way, two
 * mentions in the same instant, a full disk. Each time the thread says what happened and what to do, once, and the
 * session works again when the cause is gone.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fastImport } from "../world/git-host.ts";
import { type ChatRequest, type ModelFault, type ModelServer, type Step, scriptedModel, startModel } from "../world/model.ts";
import { Errand, MENTION } from "./errand.ts";

const KEY = "the-key-of-a-test-model";
/** Longest wait for a session's first outcome, in ms: several sandboxes start at once, on a machine that may be busy. */
const BOOT_MS = 180_000;
/** More faults than OpenCode has patience for. */
const always = (fault: ModelFault): ModelFault[] => Array.from({ length: 30 }, () => fault);

/** Fails as told for the prompt with the marker; a prompt that says so finds it well again. */
function fails(...faults: ModelFault[]): (request: ChatRequest) => Step {
  return (request) => {
    const last = request.messages.findLast((message) => message.role === "user")?.content ?? "";
    const well = JSON.stringify(last).includes("once more");
    return well ? { text: "I am well again." } : { text: "This is the whole answer, in several pieces.", faults };
  };
}

const scripts = {
  FAILS_ALWAYS: fails(...always({ kind: "status", status: 500, message: "upstream exploded" })),
  SLOWED_ONCE: fails({ kind: "status", status: 429, message: "Slow down", retryAfterSeconds: 6 }),
  SLOWED_FOR_AN_HOUR: fails(...always({ kind: "status", status: 429, message: "Come back later", retryAfterSeconds: 3_600 })),
  CUT_ONCE: fails({ kind: "cut", afterPieces: 4 }),
  HANGS: fails(...always({ kind: "hang" })),
  STALLS: fails(...always({ kind: "stall", afterPieces: 4 })),
  NEVER_FINISHES: fails(...always({ kind: "no finish" })),
  SAYS_NOTHING: fails(...always({ kind: "empty" })),
  REFUSES_THE_KEY: fails(...always({ kind: "status", status: 401, message: `Incorrect API key: ${KEY}` })),
  FILLS_THE_DISK: [
    { calls: [{ name: "bash", args: { command: "yes > big.bin", description: "Fill the disk" } }] },
    { text: "I wrote a big file." },
  ],
  WORKS: [{ calls: [{ name: "bash", args: { command: "sleep 1; ls", description: "Look around" } }] }, { text: "I looked around." }],
};

let model: ModelServer;
const start = (errand: Errand, by: readonly string[] = []) =>
  errand.start(
    { ERRAND_MODEL_URL: model.url, ERRAND_MODEL_KEY: KEY, ERRAND_MODEL: "scripted", ERRAND_MODEL_PRICE: '{"input":1,"output":2}' },
    by,
  );
beforeAll(async () => {
  model = await startModel({ key: KEY, respond: scriptedModel({ scripts, otherwise: { text: "I am well." } }) });
});
afterAll(() => model?.stop());

/** Makes sure that each outcome and each living message stands in the thread once, and that no living message still runs. */
async function expectOnce(errand: Errand, thread: string, turns: number): Promise<void> {
  for (let turn = 1; turn <= turns; turn += 1)
    await errand.message(thread, `turn:${turn}:progress`, /Worked for|Failed after|Stopped after/, 20_000);
  const keys = (await errand.replies(thread)).map((reply) => reply.key).filter((key) => key.startsWith("turn:"));
  const wanted = Array.from({ length: turns }, (_, at) => [`turn:${at + 1}:progress`, `turn:${at + 1}:final`]).flat();
  expect(keys.sort()).toEqual(wanted.sort());
}

/** What a person does next in the thread, and that it works. */
async function worksAgain(errand: Errand, thread: string, turn: number): Promise<void> {
  await errand.say("please try once more", thread);
  await errand.message(thread, `turn:${turn}:final`, /Done\.[\s\S]*I am well/);
  await expectOnce(errand, thread, turn);
}

describe("around a turn", () => {
  const errand = new Errand();
  beforeAll(() => start(errand));
  afterAll(() => errand.remove());
  const ask = (marker: keyof typeof scripts) => errand.say(`${MENTION} do what ${marker}`);

  // OpenCode tries a 5xx again for 69 s, and a silent model is told at the message's next heartbeat: these begin first, the others run beside.
  describe.concurrent("the thread is honest, and the session goes on", () => {
    it("500 at every try: each wait is shown, then the failure", async () => {
      const thread = await ask("FAILS_ALWAYS");
      await errand.message(thread, "turn:1:progress", /The model failed: upstream exploded · (next try in \d+s|trying again)/, BOOT_MS);
      const outcome = await errand.message(thread, "turn:1:final", /Failed/, 120_000);
      expect(outcome.all).toMatch(/answered 500, also after several tries: upstream exploded/);
      expect(outcome.all).toMatch(/What to do:\* Try again later, or choose another model/);
      await worksAgain(errand, thread, 2);
    });

    it.each(["HANGS", "STALLS"] as const)("%s: says that nothing comes, and can be stopped", async (marker) => {
      const thread = await ask(marker);
      const living = await errand.message(thread, "turn:1:progress", /Waiting for the model, nothing new for/, BOOT_MS + 70_000);
      await errand.press(living.ts, "errand_stop");
      await errand.message(thread, "turn:1:final", /Stopped\. Reply to continue/, 10_000);
      await worksAgain(errand, thread, 2);
    });

    it("one fault after another in one session: each is said, and the next request works", async () => {
      const thread = await errand.say(`${MENTION} say hello`);
      await errand.message(thread, "turn:1:final", /Done/, BOOT_MS);
      let turn = 1;
      const ask = async (marker: keyof typeof scripts, content: RegExp, kind: "progress" | "final" = "final") => {
        turn += 1;
        await errand.say(`do what ${marker}`, thread);
        return errand.message(thread, `turn:${turn}:${kind}`, content);
      };
      const well = async () => {
        turn += 1;
        await worksAgain(errand, thread, turn);
      };

      // Cut in the middle: tried again, and the answer stands there whole and once.
      const { all } = await ask("CUT_ONCE", /Done/);
      expect(all.split("\n[{")[0]?.match(/This is the whole answer, in several pieces\./g)).toHaveLength(1);
      await well();

      await ask("SLOWED_ONCE", /The model failed: Slow down · next try in [3-6]s/, "progress");
      await errand.message(thread, `turn:${turn}:final`, /Done\.[\s\S]*in several pieces/);
      await well();

      const living = await ask("SLOWED_FOR_AN_HOUR", /The model failed: Come back later · next try in (59|1h)/, "progress");
      await errand.press(living.ts, "errand_stop");
      await errand.message(thread, `turn:${turn}:final`, /Stopped\. Reply to continue/, 10_000);
      await well();

      // Answers that never say that they are over: OpenCode alone would ask for more without end.
      const before = model.calls.length;
      await ask("NEVER_FINISHES", /Failed: The model's answers end without a reason.*after three/);
      const calls = model.calls.slice(before).filter((call) => call.fault === "no finish").length;
      expect(calls).toBeGreaterThanOrEqual(3);
      expect(calls).toBeLessThanOrEqual(5);
      await well();

      await ask("SAYS_NOTHING", /Failed: The model returned nothing[\s\S]*What to do:\* Ask again in other words/);
      await well();

      await ask("REFUSES_THE_KEY", /Failed: The model answered 401: Incorrect API key[\s\S]*Check the model's key/);
      expect(JSON.stringify(await errand.replies(thread))).not.toContain(KEY);
      await well();
    });

    it("a repository that does not exist: another one can be named in the same thread", async () => {
      const thread = await errand.say(`${MENTION} repo=acme/nowhere say hello`);
      const outcome = await errand.message(thread, "turn:1:final", /Failed/, BOOT_MS);
      expect(outcome.all).toMatch(/The repository acme\/nowhere on 127\.0\.0\.1:\d+ does not exist, or errand may not read it/);
      expect(outcome.all).toMatch(/ask again, with `repo=owner\/name`/);
      await errand.say("repo=acme/sample branch=nowhere say hello", thread);
      const branch = await errand.message(thread, "turn:2:final", /Failed/, BOOT_MS);
      expect(branch.all).toMatch(/no branch, tag or commit named nowhere/);
      await errand.say("branch=main say hello", thread);
      const done = await errand.message(thread, "turn:3:final", /Done/, BOOT_MS);
      expect(done.all).toContain("`acme/sample`");
      expect(done.session).toBe(outcome.session);
      await expectOnce(errand, thread, 3);
      await errand.say("repo=acme/other say hello", thread);
      await errand.message(thread, /^note:/, /Not taken: this thread works on .acme\/sample.*new thread/, 20_000);
    });

    it("two mentions in the same instant: two threads, two sessions; in one thread, one session and a queue", async () => {
      const [one, two] = await Promise.all([errand.say(`${MENTION} do what WORKS`), errand.say(`${MENTION} do what WORKS`)]);
      const thread = await errand.say("Something to talk about");
      await Promise.all([errand.say(`${MENTION} do what WORKS`, thread), errand.say(`${MENTION} do what WORKS`, thread)]);
      await errand.message(thread, "turn:2:progress", /Queued, next in line/, 20_000);
      const outcomes = [
        await errand.message(one, "turn:1:final", /I looked around/, BOOT_MS),
        await errand.message(two, "turn:1:final", /I looked around/, BOOT_MS),
        await errand.message(thread, "turn:1:final", /I looked around/, BOOT_MS),
        await errand.message(thread, "turn:2:final", /I looked around/, BOOT_MS),
      ];
      expect(new Set(outcomes.map((outcome) => outcome.session)).size).toBe(3);
      await expectOnce(errand, one, 1);
      await expectOnce(errand, two, 1);
      await expectOnce(errand, thread, 2);
    });
  });
});

/** Puts a repository with these files into the git host's folder. */
function addRepository(errand: Errand, name: string, files: Record<string, string>): void {
  const folder = join(errand.data, "world/git", `${name}.git`);
  const git = (args: string[], input?: Buffer) => {
    const done = spawnSync("git", args, { input });
    if (done.status !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr}`);
  };
  git(["init", "--quiet", "--bare", "--initial-branch=main", folder]);
  git(["-C", folder, "fast-import", "--quiet", "--done"], fastImport(files, "Start", 1_700_000_000));
}

/** What a small disk needs where the test is not root. */
const NEEDS = `A small disk for the sandboxes needs a mount namespace. Run the test as root, or let users make namespaces:
  sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0`;

/** A command that runs another one where `folder` is a small disk of its own, which ends with it: nothing is left to unmount. */
function withSmallDisk(folder: string): string[] {
  const uid = process.getuid?.() ?? 0;
  const mount = ["--mount", "--propagation", "private", "sh", "-c", 'mount -t tmpfs -o size=128m small "$0" && exec "$@"', folder];
  if (uid === 0) return ["unshare", ...mount];
  // Root in a namespace only for the mount, then the user again.
  return ["unshare", "--user", "--map-root-user", ...mount, "unshare", "--user", `--map-user=${uid}`, `--map-group=${process.getgid?.()}`];
}

describe("with a full disk", () => {
  const errand = new Errand();
  const disk = join(errand.data, "sandboxes");
  /** A path of the small disk, as seen from here. */
  const seen = (...path: string[]) => join(`/proc/${errand.pid}/root`, disk, ...path);
  const free = () => {
    const { bavail, bsize } = statfsSync(seen());
    return bavail * bsize;
  };
  const FULL = /Failed: The sandbox's disk is full/;

  beforeAll(async () => {
    mkdirSync(disk);
    const [command = "", ...args] = withSmallDisk(disk);
    const probe = spawnSync(command, [...args, "true"]);
    if (probe.status !== 0) throw new Error(`${NEEDS}\n${probe.error?.message ?? probe.stderr}`);
    await start(errand, withSmallDisk(disk));
    // What is seen from here is the small disk, not the folder below it.
    expect(free()).toBeLessThan(2 ** 27 + 1);
  });
  afterAll(() => errand.remove());

  it("a clone that does not fit: said, and cloned when there is room", async () => {
    addRepository(errand, "acme/big", { "big.txt": randomBytes(9_000_000).toString("base64") });
    writeFileSync(seen("filler"), Buffer.alloc(free() - 4_000_000));
    const thread = await errand.say(`${MENTION} repo=acme/big say hello`);
    const outcome = await errand.message(thread, "turn:1:final", FULL, 30_000);
    expect(outcome.all).toMatch(/What to do:\* .*delete what is not needed/);
    rmSync(seen("filler"));
    await worksAgain(errand, thread, 2);
  });

  it("an agent that fills it: said, also to the next request, and the session works when there is room", async () => {
    const thread = await errand.say(`${MENTION} do what FILLS_THE_DISK`);
    const { session } = await errand.message(thread, "turn:1:final", FULL);
    expect(free()).toBeLessThan(1_000_000);
    await errand.say("do what WORKS", thread);
    await errand.message(thread, "turn:2:final", FULL);
    rmSync(seen("sandboxes", session, "work/repo/big.bin"));
    await worksAgain(errand, thread, 3);
  });
});
