/**
 * The desktop's process in a sandbox. From the environment: `ERRAND_DESKTOP_PORT`, where to listen on 127.0.0.1, or `ERRAND_DESKTOP_SOCKET`, the UNIX socket to listen on; `ERRAND_RFB_SOCKET`, the
 * UNIX socket of the X server's VNC side, which may appear later. Ends on SIGTERM.
 */
import { join } from "node:path";
import { z } from "zod";
import { serveDesktop } from "./server.ts";

const Environment = z
  .object({ ERRAND_RFB_SOCKET: z.string().min(1) })
  .and(
    z.union(
      [
        z.object({ ERRAND_DESKTOP_PORT: z.coerce.number().int().min(0).max(65_535) }),
        z.object({ ERRAND_DESKTOP_SOCKET: z.string().min(1) }),
      ],
      { error: "Give ERRAND_DESKTOP_PORT, a port of 127.0.0.1 to listen on, or ERRAND_DESKTOP_SOCKET, the path of a UNIX socket." },
    ),
  );

const environment = Environment.safeParse(process.env);
if (environment.success) {
  const { data } = environment;
  const where = "ERRAND_DESKTOP_PORT" in data ? { port: data.ERRAND_DESKTOP_PORT } : { socket: data.ERRAND_DESKTOP_SOCKET };
  // The bundle lies beside the folder with its page, see ../image/runtime.mjs.
  const server = await serveDesktop({ ...where, rfbSocket: data.ERRAND_RFB_SOCKET, page: join(import.meta.dirname, "desktop") });
  process.stdout.write(`desktop listening on ${"socket" in where ? where.socket : `http://127.0.0.1:${server.port}`}\n`);
  process.once("SIGTERM", () => {
    server.close().then(() => process.exit(0));
  });
} else {
  process.stderr.write(`The desktop's server cannot start: ${z.prettifyError(environment.error)}\n`);
  process.exitCode = 2;
}
