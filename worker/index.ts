/** The Worker: its routes, its clock, and the Durable Objects. */
import { app } from "./mounted.ts";
import { scheduled } from "./scheduled.ts";

export { SessionAgent } from "./session/agent.ts";
export { RateBudget } from "./session/rate-budget.ts";

export default { fetch: app.fetch, scheduled } satisfies ExportedHandler<Env>;
