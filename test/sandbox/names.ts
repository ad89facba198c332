/** Requests to names below `localhost`, which browsers take for this machine by themselves and Node does not. */
import type { LookupFunction } from "node:net";
import { Agent, fetch as fetchBy, type RequestInit, type Response } from "undici";

/** For `http.request`, `ws` and undici: every name is this machine. */
export const lookup: LookupFunction = (_name, { all }, done) =>
  all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);

const dispatcher = new Agent({ connect: { lookup } });

/** `fetch` as a browser on this machine would do it. */
export const fetchNamed = (url: string, init: RequestInit = {}): Promise<Response> => fetchBy(url, { ...init, dispatcher });
