/** The built Worker, as the meter sees it. */
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

/** The parts of an object's state that are wrapped. */
interface DurableObjectState {
  readonly storage: { readonly sql: object };
  abort(reason: string): void;
}
