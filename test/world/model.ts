/** Stand-in models: a scripted demonstration for `npm start` without an account, and scripts with faults for tests. */
export type { ChatRequest, Reply } from "./model/chat.ts";
export { demonstrationModel } from "./model/demonstration.ts";
export { type Scripts, type Step, scriptedModel } from "./model/scripted.ts";
export { type ModelCall, type ModelFault, type ModelServer, type Respond, startModel } from "./model/serve.ts";
