/** The credential that git in a sandbox asks for: for the session's own repository only. */
import type { Forge } from "../../bots/forge.ts";
import type { RunnerAnswer, RunnerAsk } from "../../protocol/runner.ts";
import { isSameRepository } from "./repository.ts";

/** The answer to a runner's ask for a credential. `own`: the session's repository as the forge names and numbers it, and what may be done with it. Secret where it is yes. Never rejects. */
export async function credentialFor(
  ask: Extract<RunnerAsk, { what: "credential" }>,
  forge: Forge | undefined,
  own: { name: string | null; id: number | undefined; access: "read" | "write" },
  report: (entry: Record<string, unknown>) => void,
): Promise<RunnerAnswer> {
  const wanted = forge?.repositoryOf(ask.url) ?? null;
  if (!forge || wanted === null || !isSameRepository(wanted, own.name, null))
    return { is: "no", why: "errand gives a credential for this session's own repository only" };
  try {
    const credential = await forge.credential(wanted, own.access, own.id);
    report({ message: "credential", repository: wanted, how: credential.kind });
    if (credential.kind !== "credential") return { is: "no", why: credential.why };
    const { username, password, expiresAt } = credential;
    return { is: "credential", username, password, expiresAt };
  } catch (error) {
    report({ message: "credential failed", error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    return { is: "no", why: "errand could not get a credential; its log says why" };
  }
}
