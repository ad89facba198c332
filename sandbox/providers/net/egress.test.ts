import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createNetServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { allowedAddresses, egressProxy, type Network, PUBLIC_NETWORK, parseAuthority } from "./egress.ts";
import type { Listening } from "./relay.ts";

const names: Record<string, string[]> = {
  // The proxy in these tests is allowed the second only; nothing listens on ::1.
  "site.test": ["127.0.0.2", "127.0.0.1"],
  "v6.test": ["::1", "127.0.0.1"],
  "inside.test": ["10.0.0.5"],
  "both.test": ["10.0.0.5", "93.184.215.14"],
  "rebind.test": ["169.254.169.254"],
};
const resolve = async (name: string) => {
  const found = names[name];
  if (!found) throw new Error("ENOTFOUND");
  return found;
};

describe("allowedAddresses, with the real rule", () => {
  const network: Network = { ...PUBLIC_NETWORK, resolve };
  it.each(["127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]", "inside.test", "rebind.test", "site.test"])(
    "refuses %s",
    async (host) => {
      expect(await allowedAddresses(host, network)).toMatchObject({ ok: false, status: 403 });
    },
  );
  it("takes the public one of several addresses", async () => {
    expect(await allowedAddresses("both.test", network)).toEqual({ ok: true, addresses: ["93.184.215.14"] });
  });
  it("says that a name was not found", async () => {
    expect(await allowedAddresses("none.test", network)).toMatchObject({ ok: false, status: 502 });
  });
});

describe("parseAuthority", () => {
  it.each([
    ["example.com:443", { host: "example.com", port: 443 }],
    ["[2606:4700::1111]:443", { host: "[2606:4700::1111]", port: 443 }],
    ["example.com", null],
    ["example.com:0", null],
    ["example.com:70000", null],
    ["user@example.com:443", null],
    ["http://example.com:443", null],
    ["/etc/passwd:1", null],
  ])("%s", (text, parsed) => expect(parseAuthority(text)).toEqual(parsed));
});

describe("egressProxy", () => {
  let site: Server;
  let port: number;
  let proxy: Listening;
  let urls: string[];

  beforeEach(async () => {
    urls = [];
    site = createServer((req, res) => {
      urls.push(`${req.headers.host} ${req.url} ${req.headers.cookie ?? ""}`);
      res.end("site");
    });
    await new Promise<void>((done) => site.listen(0, "127.0.0.1", done));
    port = (site.address() as AddressInfo).port;
    // Only the test's own site counts as public, under its name's address.
    proxy = await egressProxy(
      { host: "127.0.0.1", port: 0 },
      { resolve, isAllowed: (address) => address === "127.0.0.1" || address === "::1" },
    );
  });
  afterEach(async () => {
    await proxy.close();
    site.closeAllConnections();
    await new Promise((done) => site.close(done));
  });

  const raw = (bytes: string) =>
    new Promise<string>((done) => {
      const socket = connect({ host: "127.0.0.1", port: proxy.port ?? 0 });
      let got = "";
      socket.on("data", (chunk) => {
        got += chunk.toString();
        if (got.includes("200 Connection established") && !got.includes("site"))
          socket.write("GET /tunnelled HTTP/1.1\r\nHost: in.tunnel\r\nConnection: close\r\n\r\n");
      });
      socket.on("close", () => done(got));
      socket.on("error", () => done(got));
      socket.write(bytes);
      setTimeout(() => socket.destroy(), 1_000);
    });

  it("tunnels by CONNECT", async () => {
    expect(await raw(`CONNECT site.test:${port} HTTP/1.1\r\nHost: x\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 [\s\S]*site/);
    expect(urls).toEqual(["in.tunnel /tunnelled "]);
  });
  it("goes on to the next address when one does not answer", async () => {
    expect(await raw(`CONNECT v6.test:${port} HTTP/1.1\r\nHost: x\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 [\s\S]*site/);
  });
  it("fetches an http address, with the Host of that address", async () => {
    const answer = await raw(`GET http://site.test:${port}/a?b=c HTTP/1.1\r\nHost: evil\r\nCookie: mine\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*site/);
    expect(urls).toEqual([`site.test:${port} /a?b=c mine`]);
  });
  it.each(["HTTP/1.1 000 none", "HTTP/1.1 099 low", "HTTP/1.1 200 \x01"])("outlives a site that answers %j", async (head) => {
    const odd = createNetServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end(`${head}\r\nContent-Length: 2\r\n\r\nok`));
    });
    await new Promise<void>((done) => odd.listen(0, "127.0.0.1", done));
    const { port: at } = odd.address() as AddressInfo;
    const answer = await raw(`GET http://site.test:${at}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 (?:502|200 OK)/);
    await new Promise((done) => odd.close(done));
  });
  it.each([
    ["CONNECT to a private name", "CONNECT inside.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", 403],
    ["CONNECT to metadata", "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n\r\n", 403],
    ["GET from metadata", "GET http://169.254.169.254/latest/meta-data/ HTTP/1.1\r\nHost: x\r\n\r\n", 403],
    ["GET from an odd spelling of an address", "GET http://0xa9fea9fe/ HTTP/1.1\r\nHost: x\r\n\r\n", 403],
    ["an unknown name", "CONNECT none.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", 502],
    ["no port", "CONNECT site.test HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["origin form", "GET /a HTTP/1.1\r\nHost: site.test\r\n\r\n", 400],
    ["another scheme", "GET ftp://site.test/ HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ])("refuses %s", async (_kind, bytes, status) => {
    expect(await raw(bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status}`));
    expect(urls).toEqual([]);
  });
});
