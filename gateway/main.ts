/**
 * The gateway's process: started by the supervisor with an IPC channel, over which everything comes that it must know. Ends
 * when the channel ends, since without it no revocation would arrive.
 */
import { randomBytes } from "node:crypto";
import { type FromGateway, ToGateway } from "./ipc.ts";
import type { Log } from "./log.ts";
import { createGateway, type RunningGateway } from "./server.ts";

const report = (message: FromGateway) => void process.send?.(message);
const log: Log = (entry) => void process.stdout.write(`${JSON.stringify({ at: Date.now(), ...entry })}\n`);

let gateway: RunningGateway | undefined;

function take(message: ToGateway): void {
  if (message.t === "config") {
    if (gateway) throw new Error("configured already: config is the first message and comes once");
    gateway = createGateway(message, { now: Date.now, random: randomBytes, log, report });
    gateway.listen().then(
      ({ port }) => report({ t: "listening", port }),
      (error: Error) => fail(`can't listen: ${error.message}`),
    );
    return;
  }
  if (!gateway) throw new Error(`${message.t} before config: config must be the first message`);
  gateway.update(message);
}

/** A gateway that does not know what it should must not run on: the supervisor starts the next one. */
function fail(reason: string): void {
  process.exitCode = 1;
  log({ event: "failed", reason });
  if (process.send) process.send({ t: "failed", reason } satisfies FromGateway, () => process.exit(1));
  else process.exit(1);
}

process.on("message", (raw) => {
  const message = ToGateway.safeParse(raw);
  // Only paths and messages: an issue's input could be a password.
  if (!message.success) return fail(message.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; "));
  try {
    take(message.data);
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
});
process.on("disconnect", () => process.exit(1));
if (!process.send) fail("no IPC channel: the gateway is started by the supervisor");
