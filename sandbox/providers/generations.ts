/**
 * A provider made from a way to launch: one live sandbox a session, and no generation started twice. What was started last
 * is on disk before it starts, so that a restarted backend refuses what is old. Sandboxes die with the backend, hence
 * whatever a new backend finds on disk has finished.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { BootConfig, EnsureBody, SandboxView } from "../../protocol/backend.ts";
import type { EnsureResult, Exit, Folders, Launched, SandboxProvider } from "./provider.ts";

/** How long `ensure` waits for a sandbox to be up before it says that it is starting. */
const UP_MS = 20_000;

const Meta = z.object({
  deployment: z.string(),
  generation: z.number().int().positive(),
  createdAt: z.number().int(),
  finished: z.object({ code: z.number().int().nullable(), reason: z.string().nullable() }).nullable(),
});
type Meta = z.infer<typeof Meta>;

/** Starts what `config` describes. Rejects only when nothing was started. */
export type Launch = (config: BootConfig, folders: Folders, startedAt: number) => Promise<Launched>;

type Live = {
  meta: Meta;
  state: "starting" | "running" | "finished";
  launched: Launched;
  /** Settles after its end was written down: nothing newer may be written before. */
  recorded: Promise<void>;
};

const idOf = (session: string, generation: number) => `s-${session}-g${generation}`;

/** Makes the provider. `data` is the folder that sessions' folders lie in; it belongs to this backend alone. */
export function generations(options: {
  name: string;
  warning: string | null;
  data: string;
  launch: Launch;
  now: () => number;
}): SandboxProvider {
  const live = new Map<string, Live>();
  const queues = new Map<string, Promise<unknown>>();
  let closed = false;

  const folder = (session: string) => join(options.data, "sandboxes", session);
  const metaFile = (session: string) => join(folder(session), "meta.json");

  /** Runs after everything else for that session that was asked for before. */
  function inTurn<T>(session: string, work: () => Promise<T>): Promise<T> {
    const next = (queues.get(session) ?? Promise.resolve()).then(work);
    const settled = next
      .catch(() => undefined)
      .then(() => {
        if (queues.get(session) === settled) queues.delete(session);
      });
    queues.set(session, settled);
    return next;
  }

  async function readMeta(session: string): Promise<Meta | null> {
    try {
      return Meta.parse(JSON.parse(await readFile(metaFile(session), "utf8")));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw new Error(`${metaFile(session)} can't be read; move the folder away to start that session afresh`, { cause: error });
    }
  }

  async function writeMeta(session: string, meta: Meta): Promise<void> {
    const temporary = `${metaFile(session)}.new`;
    await writeFile(temporary, JSON.stringify(meta));
    await rename(temporary, metaFile(session));
  }

  function view(session: string, meta: Meta, running: Live | undefined): SandboxView {
    const lost: Exit = { code: null, reason: "the backend that ran it was restarted" };
    const exit = meta.finished ?? (running ? null : lost);
    return {
      sandboxId: idOf(session, meta.generation),
      provider: options.name,
      session,
      generation: meta.generation,
      state: exit ? "finished" : (running?.state ?? "finished"),
      exitCode: exit?.code ?? null,
      reason: exit?.reason ?? null,
      sites: exit ? null : (running?.launched.sites ?? null),
      createdAt: meta.createdAt,
    };
  }

  async function start(session: string, body: EnsureBody): Promise<Live> {
    const generation = body.config.generation;
    const own = folder(session);
    const folders = { home: join(own, "home"), work: join(own, "work"), run: join(own, `run-${generation}`), log: join(own, "log") };
    await Promise.all([folders.home, folders.work].map((path) => mkdir(path, { recursive: true })));
    // A sandbox sees its own generation's folder only. One of an earlier generation that can't be removed (a sandbox can make trees that
    // are too deep for it) costs its space, not the session.
    for (const name of await readdir(own))
      if (name.startsWith("run-")) await rm(join(own, name), { recursive: true, force: true }).catch(() => undefined);
    await mkdir(folders.run, { mode: 0o700 });
    const meta: Meta = { deployment: body.deployment, generation, createdAt: options.now(), finished: null };
    await writeMeta(session, meta);

    const launched = await options.launch(body.config, folders, meta.createdAt).catch(async (error: unknown) => {
      await writeMeta(session, { ...meta, finished: { code: null, reason: `it could not be started: ${messageOf(error)}` } });
      throw error;
    });
    const recorded = launched.exited.then(async (exit) => {
      entry.state = "finished";
      meta.finished = exit;
      // A full disk costs only the reason: what is not marked as finished counts as lost after a restart.
      await rm(folders.run, { recursive: true, force: true }).catch(() => undefined);
      await writeMeta(session, meta).catch(() => undefined);
    });
    const entry: Live = { meta, state: "starting", launched, recorded };
    live.set(session, entry);
    void launched.up.then(() => {
      if (entry.state === "starting") entry.state = "running";
    });
    return entry;
  }

  async function stopped(entry: Live): Promise<void> {
    await entry.launched.stop();
    await entry.recorded;
  }

  async function ensure(body: EnsureBody): Promise<EnsureResult> {
    const { session, generation } = body.config;
    const found = await inTurn(session, async (): Promise<EnsureResult | Live> => {
      if (closed) return { ok: false, code: "unavailable", message: "the backend is shutting down", retryable: true };
      const current = live.get(session);
      const meta = current?.meta ?? (await readMeta(session));
      if (meta && generation < meta.generation) {
        return {
          ok: false,
          code: "stale_generation",
          message: `generation ${meta.generation} of this session was started already`,
          retryable: false,
        };
      }
      if (meta && generation === meta.generation) {
        if (current && current.state !== "finished") return { ok: true, made: false, view: view(session, meta, current) };
        const why = view(session, meta, current).reason;
        return { ok: false, code: "generation_ended", message: `this generation has ended${why ? `: ${why}` : ""}`, retryable: false };
      }
      if (current) await stopped(current);
      return start(session, body);
    });
    if ("ok" in found) return found;
    await Promise.race([found.launched.up, found.launched.exited, after(UP_MS)]);
    return { ok: true, made: true, view: view(session, found.meta, found) };
  }

  return {
    name: options.name,
    warning: options.warning,
    ensure,
    async get(session, generation) {
      const current = live.get(session);
      const meta = current?.meta ?? (await readMeta(session));
      return meta?.generation === generation ? view(session, meta, current) : null;
    },
    async list(deployment) {
      return [...live].flatMap(([session, entry]) =>
        entry.state !== "finished" && entry.meta.deployment === deployment ? [view(session, entry.meta, entry)] : [],
      );
    },
    async terminate(sandboxId) {
      const found = /^s-([a-z2-7]{26})-g(\d{1,15})$/.exec(sandboxId);
      const session = found?.[1];
      if (!session) return;
      await inTurn(session, async () => {
        const entry = live.get(session);
        if (entry?.meta.generation === Number(found[2])) await stopped(entry);
      });
    },
    async close() {
      closed = true;
      // What is just being launched is in `live` once its queue is through.
      await Promise.all(queues.values());
      await Promise.all([...live.values()].map(stopped));
    },
  };
}

const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

/** An error's message; whatever else was thrown as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
