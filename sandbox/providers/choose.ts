/**
 * Which provider a backend uses. `auto` takes bubblewrap where it really starts, and says why where it does not: it never
 * falls back silently.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { LIMITS } from "./bwrap-args.ts";
import { messageOf } from "./generations.ts";
import { localProvider, unprivilegedUid, wrapper } from "./local.ts";
import type { Places } from "./places.ts";
import { processProvider } from "./process.ts";
import type { SandboxProvider } from "./provider.ts";

/** What an operator may ask for. */
export const PROVIDER_CHOICES = ["auto", "local", "process"] as const;
export type ProviderChoice = (typeof PROVIDER_CHOICES)[number];

/** A provider, or why there is none and what to do. */
export type Chosen = { ok: true; provider: SandboxProvider } | { ok: false; reason: string };

/** Bubblewrap starts in about 50 ms; a machine that is busy gets this many ms. */
const PROBE_MS = 10_000;

/** Chooses and makes the provider. `process` is there only for who asks for it, or as what `auto` falls back to with a warning. */
export async function chooseProvider(
  choice: ProviderChoice,
  places: Places,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Chosen> {
  const now = Date.now;
  await mkdir(join(places.data, "sandboxes"), { recursive: true, mode: 0o700 });
  if (choice === "process") return { ok: true, provider: processProvider(places, { why: "it was asked for", now }) };
  const uid = process.getuid?.() === 0 ? unprivilegedUid(env) : null;
  const problem = await bwrapProblem(places, uid);
  if (problem === null) return { ok: true, provider: await localProvider(places, { uid, now }) };
  if (choice === "local") return { ok: false, reason: problem };
  return { ok: true, provider: processProvider(places, { why: problem, now }) };
}

/** Why bubblewrap can't be used here, with the remedy where one is known, or null after it really started a command. */
export async function bwrapProblem(places: Pick<Places, "data" | "parts" | "runtime">, uid: number | null): Promise<string | null> {
  if (process.platform !== "linux") return `bubblewrap exists on Linux only, this is ${process.platform}`;
  const probe = await mkdtemp(join(places.data, "probe-"));
  const folders = { home: join(probe, "home"), work: join(probe, "work"), run: join(probe, "run") };
  try {
    for (const path of Object.values(folders)) await mkdir(path);
    const wrap = await wrapper(places, uid);
    return await tryToRun(await wrap(folders, [...LIMITS, "/usr/bin/true"]));
  } catch (error) {
    return messageOf(error);
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
}

function tryToRun({ command: [file, ...args], options }: { command: [string, ...string[]]; options: string }): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: "/",
      env: { PATH: process.env.PATH ?? "/usr/bin:/bin" },
      stdio: ["ignore", "ignore", "pipe", "pipe"],
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), PROBE_MS);
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      said = `${said}${chunk.toString("utf8")}`.slice(0, 2_000);
    });
    child.once("error", (error) => {
      clearTimeout(timer);
      resolve(explain(messageOf(error)));
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      resolve(
        code === 0 ? null : explain(said.trim() || (signal ? `it did not end within ${PROBE_MS / 1000} s` : `it ended with code ${code}`)),
      );
    });
    const pipe = child.stdio[3] as Writable | null;
    pipe?.on("error", () => undefined);
    pipe?.end(options);
  });
}

/** Puts a known remedy to what bubblewrap or its starter said. */
export function explain(said: string): string {
  const remedy = [
    [/ENOENT|bwrap.*not found|execute bwrap|bwrap: No such file/, "install it: apt-get install bubblewrap (and util-linux)"],
    [/uid map|RTM_NEWADDR/, "AppArmor refuses user namespaces: enable the profile bwrap-userns-restrict of the package apparmor-profiles"],
    [
      /Creating new namespace|No permissions to create|unshare failed|Operation not permitted/,
      "this kernel or container refuses namespaces: allow unprivileged user namespaces, or run outside of the container",
    ],
  ].find(([pattern]) => (pattern as RegExp).test(said))?.[1];
  return `bubblewrap does not start: ${said}${remedy ? ` (${remedy})` : ""}`;
}
