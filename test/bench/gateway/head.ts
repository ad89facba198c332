/** What a browser would send: the request heads of the gateway's benchmark. Pure. */

/** Where a load goes, and what is said there. */
export type Aim = {
  port: number;
  /** The name that the request is for. */
  host: string;
  path: string;
  cookie: string;
};

/** Chromium's fields for a script's fetch and for a WebSocket, as it sends them to a page of its own. */
const BROWSER = [
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en;q=0.9",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36",
];
const FETCH = [
  "Connection: keep-alive",
  'sec-ch-ua: "Chromium";v="145", "Not:A-Brand";v="99"',
  "sec-ch-ua-mobile: ?0",
  'sec-ch-ua-platform: "Linux"',
  "Accept: */*",
  "Sec-Fetch-Site: same-origin",
  "Sec-Fetch-Mode: cors",
  "Sec-Fetch-Dest: empty",
];
const UPGRADE = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Pragma: no-cache",
  "Cache-Control: no-cache",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
];

const headOf = (aim: Aim, fields: readonly string[]) =>
  Buffer.from(
    [`GET ${aim.path} HTTP/1.1`, `Host: ${aim.host}`, ...fields, ...BROWSER, `Cookie: ${aim.cookie}`, "", ""].join("\r\n"),
    "latin1",
  );

/** A script's fetch. */
export const fetchHead = (aim: Aim): Buffer => headOf(aim, [...FETCH, `Referer: http://${aim.host}/`]);

/** A WebSocket's opening handshake, without compression: what is relayed are then the bytes that were sent. */
export const upgradeHead = (aim: Aim): Buffer => headOf(aim, [...UPGRADE, `Origin: http://${aim.host}`]);
