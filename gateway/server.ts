/** The gateway: its listeners, its state, and what is done with each verdict. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Pool } from "undici";
import { ROUTES, type Service } from "../protocol/grant.ts";
import { exchange } from "./exchange.ts";
import { fieldsOf } from "./fields.ts";
import { type Gateway as GateView, type Head, hasBody, isNavigation, judge, type Verdict } from "./gate.ts";
import { createLedger, importKeys } from "./grant.ts";
import { requestFields } from "./headers.ts";
import { type FromGateway, type GatewayConfig, type GatewayUpdate, originProblem } from "./ipc.ts";
import { type Listener, listenOn } from "./listener.ts";
import { bounded, type Log } from "./log.ts";
import { connectionsTo, proxy } from "./proxy.ts";
import { reply, replyRaw, waitingPage } from "./replies.ts";
import { createSessions } from "./sessions.ts";
import { openTunnel } from "./upgrade.ts";
import { createUsage } from "./usage.ts";

/** Without word from the Worker for this long, every session ends, in ms: a revocation could have been missed. */
export const CONTROL_LOST_MS = 15 * 60_000;
/** How often sessions are looked through for those whose time is over, in ms. */
const SWEEP_MS = 1_000;

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
  /** Takes a message of the supervisor. Throws, naming what is wrong, where a public origin can't be served. */
  update(message: GatewayUpdate): void;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

type Admitted = Extract<Verdict, { do: "forward" }>;

/** Builds a gateway. Throws where the configuration can't work, naming what is wrong. */
export function createGateway(config: GatewayConfig, surroundings: Surroundings): RunningGateway {
  const { now } = surroundings;
  const log = bounded(surroundings.log, now);
  const report = surroundings.report ?? (() => {});
  const sessions = createSessions(surroundings);
  const ledger = createLedger();
  const usage = createUsage(now, (service, at) => report({ t: "used", service, at }));
  const pools: Record<Service, Pool> = {
    vscode: connectionsTo(config.upstreams.vscode.port),
    desktop: connectionsTo(config.upstreams.desktop.port),
    terminal: connectionsTo(config.upstreams.terminal.port),
    opencode: connectionsTo(config.upstreams.opencode.port),
  };
  const gate: GateView = {
    session: config.session,
    workerOrigin: config.workerOrigin,
    publicOrigin: config.publicOrigin === null ? null : servable(config.publicOrigin),
    probeHost: "",
    find: sessions.find,
  };
  let keys = importKeys(config.grantKeys);
  let controlLostAt: number | undefined;

  function servable(publicOrigin: string): URL {
    const problem = originProblem(publicOrigin, config.local);
    if (problem) throw new Error(problem);
    return new URL(publicOrigin);
  }

  const headOf = (req: IncomingMessage, upgrade: boolean): Head => ({
    method: req.method ?? "",
    target: req.url ?? "",
    fields: fieldsOf(req.rawHeaders),
    upgrade,
  });

  /** What an upstream gets, from an admitted request. */
  function outgoing(head: Head, verdict: Admitted) {
    const { port, authorization } = config.upstreams[verdict.service];
    const from = { prefix: ROUTES[verdict.service], path: verdict.path, port, publicOrigin: verdict.publicOrigin };
    return { port, from, path: verdict.path + verdict.query, fields: requestFields(head.fields, verdict.publicOrigin, authorization) };
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
          opened: (service) => report({ t: "open", service }),
        });
        break;
      case "forward":
        forward(req, res, head, verdict);
    }
  }

  function forward(req: IncomingMessage, res: ServerResponse, head: Head, verdict: Admitted): void {
    const { service, session } = verdict;
    const release = session.hold(() => req.socket.destroy());
    res.once("close", release);
    usage(service);
    sendContinue(req, res);
    proxy(req, res, {
      pool: pools[service],
      hasBody: hasBody(head.fields),
      ...outgoing(head, verdict),
      failed(why, code) {
        log({ event: "upstream failed", service, code });
        const starting = why === "down" && isNavigation(head);
        reply(res, starting ? { status: 503, html: waitingPage(service) } : { status: 502, close: hasBody(head.fields) });
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
    const { service, session } = verdict;
    let cut = () => {
      client.destroy();
    };
    const release = session.holdTunnel(() => cut());
    if (!release) {
      replyRaw(client, 429);
      return;
    }
    usage(service);
    cut = openTunnel(client, early, {
      ...outgoing(head, verdict),
      used: () => usage(service),
      done(code) {
        release();
        if (code) log({ event: "tunnel refused", service, code });
      },
    });
  }

  function endSessions(why: string, sub?: string): void {
    log({ event: "sessions ended", why, count: sessions.end(sub), ...(sub !== undefined && { sub }) });
  }

  function update(message: GatewayUpdate): void {
    switch (message.t) {
      case "origin":
        gate.publicOrigin = servable(message.publicOrigin);
        return;
      case "keys":
        keys = importKeys(message.grantKeys);
        return;
      case "revoke":
        ledger.revoke(message.sub, message.at ?? Math.floor(now() / 1000));
        endSessions("revoked", message.sub);
        return;
      case "control":
        controlLostAt = message.connected ? undefined : (controlLostAt ?? now());
    }
  }

  function sweep(): void {
    sessions.sweep();
    if (controlLostAt === undefined || now() - controlLostAt < CONTROL_LOST_MS) return;
    if (sessions.count() > 0) endSessions("control channel lost");
  }

  const handlers = { onRequest, onUpgrade };
  const listeners: Listener[] = [];
  const sweeper = setInterval(sweep, SWEEP_MS);
  sweeper.unref();

  async function listen(): Promise<{ port: number }> {
    const { port, host, socket } = config.listen;
    const tcp = await listenOn({ port, host }, handlers);
    listeners.push(tcp);
    gate.probeHost = `${host}:${tcp.port}`;
    if (socket !== null) listeners.push(await listenOn({ path: socket }, handlers));
    return { port: tcp.port };
  }

  async function close(): Promise<void> {
    clearInterval(sweeper);
    sessions.end();
    await Promise.all([...listeners.map((listener) => listener.close()), ...Object.values(pools).map((pool) => pool.destroy())]);
  }

  return { listen, update, close };
}

/** Asks a client that waits for it to send the body, once it is clear that somebody wants it. */
function sendContinue(req: IncomingMessage, res: ServerResponse): void {
  if (req.headers.expect?.toLowerCase() === "100-continue") res.writeContinue();
}
