/** What the metered Worker tells (parts/counted.ts). */
export type Meter = {
  /** Rows written so far, by table; `alarm` is one a call of setAlarm, as it is billed. */
  rows: Record<string, number>;
  /** When the alarm is due on the set clock, ms since 1970; null: none is set. */
  alarm: number | null;
  /** When something is next due on the set clock, a timer in memory or the alarm; null: nothing is. */
  due: number | null;
  /** Frames handled by objects so far. */
  frames: number;
};

/** All rows together. */
export const rowsOf = (meter: Meter): number => Object.values(meter.rows).reduce((sum, rows) => sum + rows, 0);
