// Stands in for Bolt's Node-only receivers in a Worker, where they are imported but never constructed.
class Unavailable {
  constructor() {
    throw new Error("not available in a Worker");
  }
}
module.exports = new Proxy(() => {}, { get: (_target, name) => (name === "__esModule" ? false : Unavailable) });
