/** Milliseconds to wait before the next try to connect, after `failures` (at least 1) in a row; `random` is from 0 up to 1. */
export function retryDelay(failures: number, random: number): number;
