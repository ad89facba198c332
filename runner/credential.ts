/**
 * git's credential helper in a sandbox: `node credential.mjs <socket of the runner> get`. Hands git's question to the runner
 * and its answer to git; nothing is kept, so `store` and `erase` have nothing to do. Who gets no credential reads why.
 */
import { connect } from "node:net";
import { GRANTED } from "./credential-words.ts";
import { HELPER_SAYS } from "./git-failures.ts";

/** A runner that was restarted is back within this, in ms. */
const CONNECT_MS = 8_000;
const RETRY_MS = 250;
/** The runner answers within 20 s; more means that it is stuck. */
const ANSWER_MS = 30_000;

const [path = "", operation = ""] = process.argv.slice(2);
const began = Date.now();

function refuse(why: string): void {
  process.stderr.write(`${HELPER_SAYS}${why}\n`);
  process.exitCode = 1;
}

function ask(question: string): void {
  const socket = connect(path);
  let answer = "";
  let opened = false;
  socket.setEncoding("utf8");
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error("it did not answer in time")));
  socket.on("connect", () => {
    opened = true;
    socket.end(question);
  });
  socket.on("data", (text: string) => {
    answer += text;
  });
  socket.on("error", (error) => {
    if (!opened && Date.now() - began < CONNECT_MS) return void setTimeout(() => ask(question), RETRY_MS);
    refuse(`The sandbox's runner could not be asked for the right to use this repository: ${error.message}.`);
  });
  socket.on("end", () => {
    const at = answer.indexOf("\n");
    const rest = answer.slice(at + 1);
    if (at > 0 && answer.slice(0, at) === GRANTED) process.stdout.write(rest);
    else refuse(rest.trim() || "The sandbox's runner gave no answer. Try again in a moment.");
  });
}

if (operation === "get") {
  let question = "";
  process.stdin.setEncoding("utf8");
  process.stdin.on("data", (text: string) => {
    question += text;
  });
  process.stdin.on("end", () => ask(question));
}
