/** The gateway: its listeners, its state, and what is done with each verdict. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Dispatcher } from "undici";
import type { GrantClaims } from "../protocol/grant.ts";
import { addressOf, connectionsTo, connectionsToPreviews, LOCALHOST, ORIGIN } from "./connections.ts";
import { exchange } from "./exchange.ts";
import { fieldsOf } from "./fields.ts";
import { type Gateway as GateView, type Head, hasBody, isNavigation, judge, type Verdict } from "./gate.ts";
import { createLedger, importKeys } from "./grant.ts";
import { createGuests } from "./guests.ts";
import { requestFields, type Upstream } from "./headers.ts";
import type { FromGateway, GatewayConfig, GatewayUpdate } from "./ipc.ts";
import { type Listener, listenOn } from "./listener.ts";
import { bounded, type Log } from "./log.ts";
import { proxy } from "./proxy.ts";
import { reply, replyRaw, waitingPage } from "./replies.ts";
import { createSessions, type Session } from "./sessions.ts";
import { type Place, readSites } from "./sites.ts";
import { openTunnel } from "./upgrade.ts";
import { createUsage } from "./usage.ts";

/** How often sessions are looked through for those whose time is over, and it is looked whether it is time to ask about them, in ms. */
const TICK_MS = 1_000;

/** What the gateway is given: epoch ms, random bytes, where log lines and reports go. No log line holds a token, cookie or query. */
export interface Surroundings {
  now(): number;
  random(size: number): Uint8Array;
  log: Log;
  report?(message: FromGateway): void;
}

export interface RunningGateway {
  /** Starts listening. Rejects with Node's error where a port or socket can't be had. */
  listen(): Promise<{ port: number }>;
  /** Takes a message of the supervisor. Throws, naming what is wrong, where an origin can't be served. */
  update(message: GatewayUpdate): void;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

/** How to connect to an upstream by oneself. */
type Address = ReturnType<typeof addressOf> | (typeof LOCALHOST & { port: number });

type Admitted = Extract<Verdict, { do: "forward" }>;

/** Builds a gateway. Throws where the configuration can't work, naming what is wrong. */
export function createGateway(config: GatewayConfig, surroundings: Surroundings): RunningGateway {
  const { now } = surroundings;
  const log = bounded(surroundings.log, now);
  const report = surroundings.report ?? (() => {});
  const sessions = createSessions(surroundings);
  const ledger = createLedger();
  const usage = createUsage(now, (service, at) => report({ t: "used", service, at }));
  const guests = createGuests({ now, sessions, ask: (id, asked) => report({ t: "guests", id, guests: asked }) });
  const { upstreams } = config;
  const pools = {
    vscode: connectionsTo(upstreams.vscode),
    desktop: connectionsTo(upstreams.desktop),
    terminal: connectionsTo(upstreams.terminal),
    opencode: connectionsTo(upstreams.opencode),
    terminalWatch: upstreams.terminalWatch && connectionsTo(upstreams.terminalWatch),
    preview: connectionsToPreviews(),
  };
  // Whatever the supervisor forgot to name: nothing of errand's own is a preview.
  const reserved = new Set([
    ...config.reserved,
    ...Object.values(upstreams).flatMap((upstream) => (upstream && "port" in upstream ? upstream.port : [])),
  ]);
  const gate: GateView = {
    session: config.session,
    workerOrigin: config.workerOrigin,
    origins: config.sites && readSites(config.sites, config.local),
    probeHost: "",
    find: sessions.find,
    mayPreview: (port) => !reserved.has(port),
  };
  let keys = importKeys(config.grantKeys);

  const headOf = (req: IncomingMessage, upgrade: boolean): Head => ({
    method: req.method ?? "",
    target: req.url ?? "",
    fields: fieldsOf(req.rawHeaders),
    upgrade,
  });

  /** Why a grant opens nothing at the place where it is handed in. */
  function grantProblem(place: Place, { svc, port, mode }: GrantClaims): string | undefined {
    if (!gate.origins?.serves(place, svc, port)) return "handed in at another service's origin";
    if (port !== undefined && !gate.mayPreview(port)) return "no preview of that port";
    if (svc === "terminal" && mode === "watch" && !upstreams.terminalWatch) return "no terminal to watch";
    return undefined;
  }

  /** Where what a session opens is found. A watcher's terminal is another server than a driver's, which could take input. */
  function upstreamOf({ opens, guest }: Session): Pick<Upstream, "port" | "authorization"> & { connections: Dispatcher; address: Address } {
    const { service, port } = opens;
    if (service === "preview") {
      const address = { ...LOCALHOST, port: port ?? 0 };
      return { port: address.port, authorization: undefined, connections: pools.preview, address };
    }
    const name = service === "terminal" && guest.mode === "watch" ? "terminalWatch" : service;
    const [upstream, connections] = [upstreams[name], pools[name]];
    if (!upstream || !connections) throw new Error(`a session for ${name} without an upstream: its grant should have been refused`);
    const own = "port" in upstream ? upstream.port : null;
    return { port: own, authorization: upstream.authorization, connections, address: addressOf(upstream) };
  }

  /** What an upstream gets, from an admitted request. */
  function outgoing(head: Head, { session, place, path, query }: Admitted) {
    const { connections, address, ...upstream } = upstreamOf(session);
    const from: Upstream = { ...upstream, service: session.opens.service, origin: place.origin, path, mode: session.guest.mode };
    return { connections, address, from, path: path + query, fields: requestFields(head.fields, from) };
  }

  function onRequest(req: IncomingMessage, res: ServerResponse): void {
    res.on("error", () => res.destroy());
    const head = headOf(req, false);
    const verdict = judge(head, gate);
    const close = hasBody(head.fields);
    switch (verdict.do) {
      case "refuse":
        reply(res, {
          status: verdict.status,
          headers: "allow" in verdict ? { allow: verdict.allow } : {},
          close: close || [400, 414, 431].includes(verdict.status),
        });
        break;
      case "health":
        reply(res, { status: 200, text: "ok" });
        break;
      case "redirect":
        reply(res, { status: verdict.status, headers: { location: verdict.location }, close });
        break;
      case "exchange":
        sendContinue(req, res);
        exchange(req, res, {
          session: config.session,
          workerOrigin: config.workerOrigin,
          landing: config.landing,
          ...{ keys, ledger, sessions, now, log },
          problem: (claims) => grantProblem(verdict.place, claims),
          opened: (service) => report({ t: "open", service }),
        });
        break;
      case "forward":
        forward(req, res, head, verdict);
    }
  }

  function forward(req: IncomingMessage, res: ServerResponse, head: Head, verdict: Admitted): void {
    const { opens, hold } = verdict.session;
    const { connections, from, path, fields } = outgoing(head, verdict);
    const release = hold(() => req.socket.destroy());
    res.once("close", release);
    sendContinue(req, res);
    proxy(req, res, {
      ...{ connections, from, path, fields },
      origin: opens.service === "preview" ? `http://${LOCALHOST.host}:${from.port}` : ORIGIN,
      hasBody: hasBody(head.fields),
      // Not before: the page of somebody who waits for what is not there any more asks for ever.
      answered: () => usage(opens.service),
      failed(why, code) {
        log({ event: "upstream failed", service: opens.service, code });
        const starting = why === "down" && isNavigation(head);
        reply(res, starting ? { status: 503, html: waitingPage(opens) } : { status: 502, close: hasBody(head.fields) });
      },
    });
  }

  function onUpgrade(req: IncomingMessage, client: Duplex, early: Buffer): void {
    client.on("error", () => client.destroy());
    const head = headOf(req, true);
    const verdict = judge(head, gate);
    if (verdict.do !== "forward") {
      replyRaw(client, verdict.do === "refuse" ? verdict.status : 400);
      return;
    }
    const { service } = verdict.session.opens;
    let cut = () => {
      client.destroy();
    };
    const release = verdict.session.holdTunnel(() => cut());
    if (!release) {
      replyRaw(client, 429);
      return;
    }
    const { address, path, fields } = outgoing(head, verdict);
    cut = openTunnel(client, early, {
      ...{ path, fields },
      to: address,
      used: () => usage(service),
      done(code) {
        release();
        if (code) log({ event: "tunnel refused", service, code });
      },
    });
  }

  function update(message: GatewayUpdate): void {
    switch (message.t) {
      case "sites":
        gate.origins = readSites(message.sites, config.local);
        return;
      case "keys":
        keys = importKeys(message.grantKeys);
        return;
      case "revoke":
        ledger.revoke(message.sub, message.at ?? Math.floor(now() / 1000));
        ended(
          "revoked",
          sessions.end(({ sub }) => message.sub === undefined || message.sub === sub),
        );
        return;
      case "guests":
        ended("no right any more", guests.answer(message.id, message.gone, message.unsure));
    }
  }

  function ended(why: string, count: number): void {
    if (count > 0) log({ event: "sessions ended", why, count });
  }

  function tick(): void {
    ended("no word of the Worker", sessions.sweep());
    guests.tick();
  }

  const handlers = { onRequest, onUpgrade };
  const listeners: Listener[] = [];
  const ticker = setInterval(tick, TICK_MS);
  ticker.unref();

  async function listen(): Promise<{ port: number }> {
    const { port, host, socket } = config.listen;
    const tcp = await listenOn({ port, host }, handlers);
    listeners.push(tcp);
    gate.probeHost = `${host}:${tcp.port}`;
    reserved.add(tcp.port);
    if (socket !== null) listeners.push(await listenOn({ path: socket }, handlers));
    return { port: tcp.port };
  }

  async function close(): Promise<void> {
    clearInterval(ticker);
    sessions.end(() => true);
    await Promise.all([...listeners.map((listener) => listener.close()), ...Object.values(pools).map((pool) => pool?.destroy())]);
  }

  return { listen, update, close };
}

/** Asks a client that waits for it to send the body, once it is clear that somebody wants it. */
function sendContinue(req: IncomingMessage, res: ServerResponse): void {
  if (req.headers.expect?.toLowerCase() === "100-continue") res.writeContinue();
}
