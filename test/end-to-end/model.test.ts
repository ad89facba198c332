/**
 * The model as a sandbox has it, on the real parts: its key is nowhere in the sandbox, and a cap that is reached ends the turn at once, in words that say which
 * cap, the number and what to do.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ModelServer, scriptedModel, startModel } from "../world/model.ts";
import { Errand, MENTION } from "./errand.ts";

const KEY = "sk-the-key-that-no-sandbox-may-have-0123456789";

/**
 * Looks for a text in the environments and command lines of all processes, in what OpenCode tells of its configuration, and on the disk. The text is put together in
 * the shell's memory, so that it finds no trace of the search itself. The same search for the session's own token, which is there, shows that it finds.
 */
const SEARCH = String.raw`
port=$(tr '\0' '\n' < /proc/$OPENCODE/cmdline | grep -A1 -x -- --port | tail -1)
ask() { curl -s -m 20 -u "opencode:$OPENCODE_SERVER_PASSWORD" "http://127.0.0.1:$port$1"; }
told=$(ask /config; ask /config/providers)
search() {
  echo "$1-processes:$(cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -cF -f <(printf '%s\n' "$2"))"
  echo "$1-config:$(grep -cF -f <(printf '%s\n' "$2") <<< "$told")"
  echo "$1-disk:$(printf '%s\n' "$2" | timeout 100 grep -rlsF -f - "$HOME" "$PWD" /etc /opt /run /tmp /var 2>/dev/null | wc -l)"
}
search key "sk-the-key-that-no-sandbox""-may-have-0123456789"
search token "$ERRAND_MODEL_TOKEN"
echo "config-length:$(( \${#told} > 500 ))"
`.replaceAll("\\${", "${");

/** OpenCode asks before a command that names folders outside the workspace: this one does not show them. */
const HIDDEN = `echo ${Buffer.from(SEARCH).toString("base64")} | base64 -d | OPENCODE=$PPID bash`;

const bash = (command: string) => ({ calls: [{ name: "bash", args: { command, description: "Look", timeout: 110_000 } }] });
const scripts = {
  LOOKS_FOR_THE_KEY: [bash(HIDDEN), { text: "I looked everywhere." }],
  GOES_ON_AND_ON: () => bash("true"),
  STALLS: () => ({ text: "This begins, and is never ended by the model.", faults: [{ kind: "stall" as const, afterPieces: 3 }] }),
  IS_DEAR: [{ ...bash("true"), usage: { prompt_tokens: 600_000, completion_tokens: 5 } }, { text: "Never said." }],
};

let model: ModelServer;
const errand = new Errand();
beforeAll(async () => {
  model = await startModel({ key: KEY, respond: scriptedModel({ scripts, otherwise: { text: "I am well." } }) });
  await errand.start({
    ERRAND_MODEL_URL: model.url,
    ERRAND_MODEL_KEY: KEY,
    ERRAND_MODEL: "scripted",
    ERRAND_MODEL_PRICE: '{"input":1,"output":2}',
    ERRAND_MODEL_CALLS_PER_TURN: "3",
    ERRAND_MODEL_TOKENS_PER_SESSION: "500000",
  });
});
afterAll(async () => {
  await errand.remove();
  await model?.stop();
});

const callsWith = (marker: string) => model.calls.filter(({ request }) => JSON.stringify(request.messages).includes(marker));
const useOf = async (session: string) => {
  const answer = await fetch(`${errand.origin}/api/sessions/${session}`);
  return ((await answer.json()) as { model: { session: { calls: number; prompt: number; completion: number; estimated: number } } }).model
    .session;
};

it("has its key nowhere in the sandbox: not in an environment, a process, OpenCode's configuration or on the disk", async () => {
  const thread = await errand.say(`${MENTION} LOOKS_FOR_THE_KEY`);
  await errand.message(thread, "turn:1:final", /I looked everywhere/, 180_000);
  const result = callsWith("LOOKS_FOR_THE_KEY")
    .at(-1)
    ?.request.messages.findLast(({ role }) => role === "tool")?.content;
  const found = Object.fromEntries(
    [...JSON.stringify(result).matchAll(/(key|token|config)-(\w+):(\d+)/g)].map(([, of, where, n]) => [`${of}-${where}`, Number(n)]),
  );
  expect(found).toMatchObject({ "key-processes": 0, "key-config": 0, "key-disk": 0, "config-length": 1 });
  expect(found["token-processes"]).toBeGreaterThan(0);
  // Every call bore the key, and what came of the calls is known to the Worker.
  expect(new Set(model.calls.map(({ headers }) => headers.authorization))).toEqual(new Set([`Bearer ${KEY}`]));
});

it("is not called more often than a turn may: the turn ends at once and says so, and the next goes on", async () => {
  const thread = await errand.say(`${MENTION} GOES_ON_AND_ON`);
  const { session, all } = await errand.message(thread, "turn:1:final", /./, 60_000);
  expect(all).toMatch(/this turn has called the model 3 times, and one turn may do so 3 times/);
  expect(all).toMatch(/Ask again to go on from here, perhaps in smaller steps, or have MODEL_CALLS_PER_TURN raised/);
  const calls = callsWith("GOES_ON_AND_ON");
  expect(calls).toHaveLength(3);
  expect(Date.now() - (calls.at(-1)?.ended ?? 0)).toBeLessThan(15_000);
  expect(await useOf(session)).toMatchObject({ calls: 3, estimated: 0 });
  expect((await useOf(session)).completion).toBeGreaterThan(0);
  await errand.say("and how are you?", thread);
  await errand.message(thread, "turn:2:final", /I am well/, 60_000);
});

it("is not called where the session has used what it may, though no conversation is too long", async () => {
  const thread = await errand.say(`${MENTION} IS_DEAR`);
  const { session, all } = await errand.message(thread, "turn:1:final", /./, 90_000);
  expect(all).toMatch(/this session has used 600,005 tokens of the model, and one session may use 500,000/);
  expect(all).toMatch(/Begin a new session to go on/);
  expect(callsWith("IS_DEAR")).toHaveLength(1);
  expect(await useOf(session)).toMatchObject({ calls: 1, prompt: 600_000, completion: 5, estimated: 0 });
});

it("hears at once that a turn was stopped, also while it says nothing", async () => {
  const thread = await errand.say(`${MENTION} STALLS`);
  const { session } = await errand.message(thread, "turn:1:progress", /This begins/, 90_000);
  const body = JSON.stringify({ t: "stop", id: crypto.randomUUID() });
  await fetch(`${errand.origin}/api/sessions/${session}/messages`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  await errand.message(thread, "turn:1:final", /Stopped/, 10_000);
  await expect.poll(() => callsWith("STALLS").map(({ aborted }) => aborted), { timeout: 5_000 }).toEqual([true]);
  await expect.poll(() => useOf(session), { timeout: 5_000 }).toMatchObject({ calls: 1, estimated: 1 });
});
