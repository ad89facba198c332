/** Runs in a sandbox as `node -e`: a stranger's view. First argument: what to do; second: the targets as JSON. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";

const [what = "", json = "{}"] = process.argv.slice(1);
const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
const read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};
if (what === "environment") {
  console.log(pids.map((pid) => `${read(`/proc/${pid}/environ`)} ${read(`/proc/${pid}/cmdline`)}`).join("\n"));
  process.exit(0);
}
const to = JSON.parse(json);
const dial = (host, port) =>
  new Promise((done) => {
    const socket = connect({ host, port });
    socket.setTimeout(1_000, () => done("time-out"));
    socket.once("connect", () => done("connected"));
    socket.once("error", (error) => done(error.code === "ECONNREFUSED" ? "refused" : "unreachable"));
  });
const ask = (socketPath, path) =>
  new Promise((done) => {
    const sent = request({ socketPath, path, agent: false }, (res) => {
      res.resume();
      done(res.statusCode ?? 0);
    });
    sent.on("error", () => done(0));
    sent.end();
  });
const workerSocket = "/run/errand/worker.sock";
const proxySocket = "/run/errand/egress.sock";
let usrWritable = true;
try {
  accessSync("/usr/bin", constants.W_OK);
} catch {
  usrWritable = false;
}
console.log(
  JSON.stringify({
    uid: process.getuid?.(),
    processes: pids.length,
    foreignFiles: ["/root", "/home", to.data, "/etc/shadow", "/work", "/var/lib", "/sys"].filter((path) => {
      const own = path === "/home" ? ["dev"] : [];
      return existsSync(path) && readdirSync(path).some((name) => !own.includes(name));
    }),
    hostLoopback: await dial("127.0.0.1", to.hostPort),
    workerDirectly: await dial("127.0.0.1", to.workerPort),
    otherGateway: await dial("127.0.0.1", to.gatewayPort),
    metadata: await dial("169.254.169.254", 80),
    metadataByProxy: await ask(proxySocket, "http://169.254.169.254/latest/meta-data/"),
    hostByProxy: await ask(proxySocket, `http://localhost:${to.hostPort}/`),
    ownRoute: await ask(workerSocket, `/sandbox/${to.session}/anything`),
    otherSession: await ask(workerSocket, `/sandbox/${to.other}/anything`),
    api: await ask(workerSocket, "/api/sessions"),
    dots: await ask(workerSocket, `/sandbox/${to.session}/../../api/sessions`),
    encodedDots: await ask(workerSocket, `/sandbox/${to.session}/%2e%2e/%2e%2e/api/sessions`),
    absolute: await ask(workerSocket, "http://127.0.0.1:8787/api/sessions"),
    usrWritable,
    capabilities: /CapEff:\s*(\S+)/.exec(read("/proc/self/status"))?.[1],
    interfaces: Object.keys(networkInterfaces()),
  }),
);
