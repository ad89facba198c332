/** The one folder in which everything is kept: made where it is missing, and used by one errand at a time. */
import { createHash } from "node:crypto";
import { accessSync, constants, mkdirSync, realpathSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";

/** How long another errand gets to say where it runs, in ms. */
const ANSWER_MS = 1_000;

/** Makes the folder, readable by its owner only. Returns its real path; throws with what to do where it can't be used. */
export function makeDataFolder(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return realpathSync(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`The data folder ${folder} can't be used: ${reasonOf(code) ?? message}. Choose another one: npm start -- --data DIR`);
  }
}

function reasonOf(code: string | undefined): string | undefined {
  switch (code) {
    case "EACCES":
    case "EPERM":
      return "this user may not write there";
    case "EROFS":
      return "its file system is read-only";
    case "EEXIST":
    case "ENOTDIR":
      return "a file is in its place or above it";
    case "ENOENT":
      return "it can't be made there";
    case "ENOSPC":
      return "the disk is full";
    default:
      return undefined;
  }
}

/**
 * Holds the folder for as long as this process lives: the kernel frees the name with the process, however that ends.
 * Throws where another errand holds it, and says where that one runs. Only Linux has such names; elsewhere nothing is held.
 */
export async function holdDataFolder(folder: string, origin: string): Promise<{ release: () => void }> {
  if (process.platform !== "linux") return { release: () => undefined };
  const name = `\0errand-${createHash("sha256").update(folder).digest("hex").slice(0, 32)}`;
  const server = createServer((socket) => socket.on("error", () => undefined).end(`${origin} (process ${process.pid})`));
  if (!(await listens(server, name))) {
    throw new Error(
      `Another errand uses ${folder} already: ${await heard(name)}. Use that one or end it first; for a second one, choose another folder and ports: npm start -- --data DIR --port 9000`,
    );
  }
  server.unref();
  return { release: () => void server.close() };
}

function listens(server: Server, name: string): Promise<boolean> {
  return new Promise((done) => {
    server.once("error", () => done(false));
    server.listen(name, () => done(true));
  });
}

/** What the one that holds it says of itself. */
function heard(name: string): Promise<string> {
  return new Promise((done) => {
    let text = "";
    const socket = connect(name);
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", () => undefined).once("close", () => done(text || "it does not say where it runs"));
  });
}
