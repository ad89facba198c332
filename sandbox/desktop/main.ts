/**
 * The desktop's process in a sandbox. From the environment: `ERRAND_DESKTOP_PORT`, where to listen on 127.0.0.1; `ERRAND_RFB_SOCKET`, the
 * UNIX socket of the X server's VNC side, which may appear later. Ends on SIGTERM.
 */
import { join } from "node:path";
import { z } from "zod";
import { serveDesktop } from "./server.ts";

const Environment = z.object({
  ERRAND_DESKTOP_PORT: z.coerce.number().int().min(0).max(65_535),
  ERRAND_RFB_SOCKET: z.string().min(1),
});

const environment = Environment.safeParse(process.env);
if (environment.success) {
  const { ERRAND_DESKTOP_PORT: port, ERRAND_RFB_SOCKET: rfbSocket } = environment.data;
  // The bundle lies beside the folder with its page, see ../image/runtime.mjs.
  const server = await serveDesktop({ port, rfbSocket, page: join(import.meta.dirname, "desktop") });
  process.stdout.write(`desktop listening on http://127.0.0.1:${server.port}\n`);
  process.once("SIGTERM", () => {
    server.close().then(() => process.exit(0));
  });
} else {
  process.stderr.write(`The desktop's server cannot start: ${z.prettifyError(environment.error)}\n`);
  process.exitCode = 2;
}
