/**
 * What nginx asks about each request: a small server that looks a cookie up by its hash, as the gateway does. Is told the good
 * cookies by IPC, and tells its port.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const known = new Map<string, number>();
const hash = (value: string) => createHash("sha256").update(value).digest("base64");

const server = createServer((req, res) => {
  const good = (req.headers.cookie ?? "").split(";").some((piece) => {
    const expires = known.get(hash(piece.slice(piece.indexOf("=") + 1)));
    return expires !== undefined && expires > Date.now();
  });
  res.writeHead(good ? 204 : 401).end();
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ port: address !== null && typeof address === "object" ? address.port : 0 });
});
process.on("message", (cookies: string[]) => {
  for (const cookie of cookies) known.set(hash(cookie.slice(cookie.indexOf("=") + 1)), Date.now() + 8 * 3_600_000);
});
process.on("disconnect", () => process.exit());
