/**
 * Messages between the supervisor and the runner, over the Node IPC channel (`process.send`) of the runner's process.
 *
 * The supervisor sends `config` first and once per runner process; everything else may come in any order and any number
 * of times. What happened before a runner process started (boot phases, service states, the state of OpenCode) is sent
 * to it again after `config` when it is a new process of the same generation: reports are facts, and repeating one does
 * no harm. The channel is a pipe between two processes, so the secrets in `config` reach neither disk nor environment.
 */
import { z } from "zod";
import { ServiceName } from "../../protocol/events.ts";
import { Guest, Port, Service } from "../../protocol/grant.ts";
import { Sites } from "../../protocol/sites.ts";

/** The part of the sandbox's configuration that the runner needs. */
export const RunnerConfig = z.object({
  session: z.string().min(1),
  generation: z.number().int().positive(),
  /** Secret: proves to the SessionAgent that this is the runner of that generation. */
  runnerToken: z.string().min(1),
  /** Origin of the Worker as reached from inside, `http:` or `https:`. */
  workerUrl: z.string().min(1),
  /** Absolute path of the repository's checkout. It need not exist yet: the runner clones into it. */
  workspace: z.string().min(1),
  /** HOME of the agent, kept over sleeping and waking: the runner's journal lies in `<home>/.errand/`. */
  home: z.string().min(1),
  /** Folder for things of this generation only. */
  run: z.string().min(1),
  /** Clone URL, or null for an empty workspace. */
  repository: z.string().nullable(),
  /** Branch, tag or commit to start from; null = the repository's default branch. */
  base: z.string().nullable(),
  /** The branch to work on. */
  branch: z.string().min(1),
  /** A ref on the server to start `branch` from, such as `refs/pull/7/head`; null: from `base`. */
  head: z.string().nullable(),
  /** Files that run on checkout are taken from `base`. */
  distrusted: z.boolean(),
  /** What is committed is pushed. */
  publish: z.boolean(),
  /** Where OpenCode listens, as `http://127.0.0.1:4096`, and the password of its Basic auth (user `opencode`). */
  opencode: z.object({ url: z.string().min(1), password: z.string() }),
  /** `provider/model`, used for a prompt that names none and for the warm-up. */
  modelDefault: z.string().min(1),
  /** The models, as `provider/model`, whose price is known: for the others no cost is told. */
  pricedModels: z.array(z.string()),
  /** When the sandbox's boot began, epoch ms: `sandbox.ready` reports the time since then. */
  bootedAt: z.number().int().nonnegative(),
  /** Ports on loopback that are errand's: nothing on them is what the agent serves. */
  reservedPorts: z.array(Port),
  /** Without a network of its own, a sandbox shares its ports with the machine: only processes with this mark (marked.ts) are its. Null: all are. */
  mark: z.string().nullable(),
});
export type RunnerConfig = z.infer<typeof RunnerConfig>;

/** What the supervisor says. */
export const ToRunnerProcess = z.discriminatedUnion("t", [
  z.object({ t: z.literal("config"), config: RunnerConfig }),
  /** A boot phase began (no `ms`) or ended; becomes a `boot.phase` event. `at` is epoch ms. */
  z.object({
    t: z.literal("phase"),
    at: z.number().int().nonnegative(),
    phase: z.string().max(80),
    ms: z.number().nonnegative().optional(),
    ok: z.boolean().optional(),
    error: z.string().max(2_000).optional(),
  }),
  /** A service changed state; becomes a `service.state` event. */
  z.object({
    t: z.literal("service"),
    service: ServiceName,
    state: z.enum(["starting", "available", "restarting", "unavailable"]),
    reason: z.string().max(2_000).optional(),
  }),
  /** OpenCode's process answers, or it ended. `down` then `up` in the middle of a turn makes the runner continue it. */
  z.object({ t: z.literal("opencode"), state: z.enum(["up", "down"]) }),
  /** Who has something open: the SessionAgent is to say who may no longer. Without its answer nothing is sent back. */
  z.object({ t: z.literal("guests"), id: z.number().int(), guests: z.array(Guest).min(1).max(500) }),
  /** Somebody with a right used a service. */
  z.object({ t: z.literal("used"), service: Service }),
  /** The sandbox ends: send what is buffered and exit with code 0 within two seconds. */
  z.object({ t: z.literal("end") }),
]);
export type ToRunnerProcess = z.infer<typeof ToRunnerProcess>;

/** Places in a list that was asked about. */
const places = z.array(z.number().int().nonnegative());

/** What the runner says. */
export const FromRunnerProcess = z.discriminatedUnion("t", [
  /** Where browsers reach the gateway; the supervisor hands it to the gateway. Repeated on every connection. */
  z.object({ t: z.literal("sites"), sites: Sites }),
  /** What grants are signed with now (public JWK with `kid`), likewise. */
  z.object({ t: z.literal("keys"), grantKeys: z.array(z.record(z.string(), z.unknown())).min(1) }),
  /** The answer to the `guests` of that id: who may no longer, by place in it. */
  z.object({ t: z.literal("guests"), id: z.number().int(), gone: places, unsure: places.optional() }),
  /** The agent can take prompts, or never will here: what has waited for it (the other services) may start. */
  z.object({ t: z.literal("settled") }),
  /** This generation is over (fenced, or told to end): the supervisor ends the whole sandbox and does not restart the runner. */
  z.object({ t: z.literal("exit"), reason: z.string() }),
]);
export type FromRunnerProcess = z.infer<typeof FromRunnerProcess>;
