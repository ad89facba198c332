/** Whole numbers from 0 and below what is asked for, the same ones for the same seed (mulberry32): a failure can be repeated by its number. */
export function random(seed: number): (below: number) => number {
  let state = seed;
  return (below: number) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
