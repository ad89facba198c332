/** What the files in this folder, which are bundled for workerd and not run in Node, see of the runtime and of the built Worker. */

declare module "errand-bundle" {
  export class SessionAgent {
    readonly ctx: DurableObjectState;
    constructor(ctx: DurableObjectState, env: unknown);
    webSocketMessage(socket: unknown, message: unknown): void;
    alarm(): void;
  }
  export class RateBudget {
    constructor(ctx: DurableObjectState, env: unknown);
  }
  const worker: { fetch(request: Request, env: unknown, ctx: unknown): Promise<Response> };
  export default worker;
}

declare module "cloudflare:workers" {
  export class DurableObject {
    readonly ctx: DurableObjectState;
    constructor(ctx: DurableObjectState, env: unknown);
  }
}

/** The parts of an object's state that are used or wrapped. */
interface DurableObjectState {
  readonly storage: { readonly sql: { exec(query: string, ...params: string[]): { toArray(): unknown[] } } };
  abort(reason: string): void;
  acceptWebSocket(socket: WorkerSocket): void;
}

/** The parts of a Worker's WebSocket that are used. */
interface WorkerSocket {
  accept(): void;
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: "message" | "close", listener: (event: { data: string }) => void): void;
}
declare const WebSocketPair: new () => { 0: WorkerSocket; 1: WorkerSocket };
