/** Stands in for modules that Probot imports and a Worker never calls: its server, its logger, and what is switched off. */

const unavailable = (): never => {
  throw new Error("Probot's Node server parts are not available in a Worker");
};
/** pino-http */
export const startTime: unique symbol = Symbol("startTime");
/** pino-http */
export const pinoHttp = unavailable;
/** @probot/pino */
export const getTransformStream = unavailable;
/** @octokit/plugin-throttling */
export const throttling = () => ({});
/** @octokit/plugin-retry */
export const retry = () => ({});
/** @probot/octokit-plugin-config */
export const config = () => ({});
/** octokit-auth-probot: a delivery's Probot is given another way. */
export const createProbotAuth = unavailable;
/** pino, bottleneck */
export default unavailable;
