/** Somebody with a browser of their own at a running errand: not the owner of its machine, signed in with the local GitHub, with windows into a sandbox. */
import type { Browser, BrowserContext, Page, WebSocket } from "playwright-core";
import type { Service } from "../../protocol/grant.ts";
import type { Errand } from "./errand.ts";
import { signInAs } from "./sign-in-stand.ts";
import type { Trail } from "./trail.ts";

/** How long one step in a browser may take, in ms, on a busy machine. */
const STEP_MS = 30_000;

/** A window of a service, with the WebSockets that the page in it has begun. */
export type Window = { page: Page; sockets: WebSocket[] };

/** Follows a page's WebSockets from now on. */
export function windowOf(page: Page): Window {
  const sockets: WebSocket[] = [];
  page.on("websocket", (socket) => sockets.push(socket));
  // Of a page that was left, nothing is said any more.
  page.on("framenavigated", (frame) => {
    if (frame === page.mainFrame()) sockets.length = 0;
  });
  return { page, sockets };
}

/** Whether any of a window's WebSockets is open. */
export const isOpen = ({ sockets }: Window): boolean => sockets.some((socket) => !socket.isClosed());

export class Person {
  readonly login: string;
  readonly context: BrowserContext;
  readonly #origin: string;

  private constructor(login: string, context: BrowserContext, origin: string) {
    this.login = login;
    this.context = context;
    this.#origin = origin;
  }

  /** A browser of somebody's own. `address`: where it comes from, as Cloudflare names it; never this machine, whose owner needs no sign-in. */
  static async arrive(browser: Browser, errand: Errand, trail: Trail, login: string, address: string): Promise<Person> {
    const context = await browser.newContext({
      baseURL: errand.origin,
      extraHTTPHeaders: { "cf-connecting-ip": address },
      viewport: { width: 1280, height: 800 },
    });
    context.setDefaultTimeout(STEP_MS);
    trail.follow(context, errand.origin);
    return new Person(login, context, errand.origin);
  }

  /** Signs in with the local GitHub, on the way to `to`. */
  async signIn(to = "/account"): Promise<Page> {
    const page = await this.context.newPage();
    await signInAs(page, "github", this.login, to);
    return page;
  }

  /** Follows a link of a session in a new window, as far as errand lets them: the service, or a page of errand's. */
  async follow(session: string, service: Service, query = ""): Promise<Window> {
    const page = await this.context.newPage();
    const window = windowOf(page);
    await page.goto(`/s/${session}/open/${service}${query}`);
    return window;
  }

  /** Follows a link, and waits for the service's own page. */
  async open(session: string, service: Service, query = ""): Promise<Window> {
    const window = await this.follow(session, service, query);
    await window.page.waitForURL((url) => url.origin !== this.#origin, { timeout: 90_000 });
    return window;
  }
}

/** What a terminal shows: ttyd paints on a canvas, and its page keeps the terminal in `term`. */
export const screenOf = (page: Page): Promise<string> =>
  page.evaluate<string>(
    "(() => { const { active } = window.term.buffer; return Array.from({ length: window.term.rows }, (_, at) => active.getLine(active.viewportY + at)?.translateToString(true) ?? '').join('\\n'); })()",
  );

/** Waits until a terminal can be typed in. */
export async function terminalReady(page: Page): Promise<void> {
  await page.locator(".xterm-helper-textarea").waitFor({ state: "attached" });
  await page.waitForFunction(
    "window.term && /[$#] *$/m.test(Array.from({ length: window.term.rows }, (_, at) => window.term.buffer.active.getLine(at)?.translateToString(true) ?? '').join('\\n'))",
  );
  await page.locator(".xterm-helper-textarea").focus();
}

/** A desktop's picture, as one number that changes when anything on it does, and its size. */
export const pictureOf = (page: Page): Promise<{ width: number; height: number; colours: number; sum: number }> =>
  page.evaluate(`(() => {
    const canvas = document.querySelector("canvas");
    const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    let sum = 0;
    for (const pixel of pixels) sum = (Math.imul(sum, 31) + pixel) | 0;
    return { width: canvas.width, height: canvas.height, colours: new Set(pixels).size, sum };
  })()`);
