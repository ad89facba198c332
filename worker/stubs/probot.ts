/** Stands in for modules that Probot imports and a Worker never calls: its server, its logger, and plugins that are switched off. */

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
/** pino, bottleneck */
export default unavailable;
