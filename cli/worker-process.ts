/**
 * The process that runs the Worker, by wrangler's own local mode: `node worker-process.ts <port> <state folder> <env file>`. Not by its
 * command, which always opens a debugger's port: workerd takes any web page's WebSocket there, and whoever debugs the Worker reads
 * every key it holds. Runs until it is told to end.
 */
import { join, resolve } from "node:path";
import { unstable_startWorker } from "wrangler";

const [port, state, envFile] = process.argv.slice(2);
if (!port || !state || !envFile) throw new Error("needs a port, a state folder and an env file");

const worker = await unstable_startWorker({
  config: join(resolve(import.meta.dirname, ".."), "wrangler.jsonc"),
  envFiles: [envFile],
  dev: { server: { hostname: "127.0.0.1", port: Number(port) }, inspector: false, persist: state, watch: false, logLevel: "log" },
});
for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(name, () => void worker.dispose().then(() => process.exit(0)));
await worker.ready;
