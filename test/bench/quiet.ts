/** Waits for work that was started earlier to end, so that it is not counted into what is measured next. */
import type { Workerd } from "../workerd/workerd.ts";

/** Waits until the process uses less than 10 ms of CPU in a quarter of a second, but at most 4 s. */
export async function quiet(workerd: Workerd): Promise<void> {
  const late = Date.now() + 4_000;
  for (let before = workerd.cpuMs(); Date.now() < late; ) {
    await new Promise((done) => setTimeout(done, 250));
    const now = workerd.cpuMs();
    if (now - before < 10) return;
    before = now;
  }
}
