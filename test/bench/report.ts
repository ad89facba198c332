/** What a benchmark tells, and how all of them are shown: a table for people, JSON for programs. Pure. */

/** A goal of the project: the value must not exceed `most`. */
export type Goal = { most: number; unit: "×" | "rows" | "ms" | "KiB" };

export type Measurement = {
  /** Short and stable, for comparing runs. */
  name: string;
  /** What exactly was measured, over what, and what is included. */
  what: string;
  value: number;
  goal: Goal;
  met: boolean;
  /** Why a goal was missed, from measured parts; null when it was met. */
  reason: string | null;
  /** Further numbers taken in the same run, by name. */
  parts: Record<string, number>;
};

/** A measurement with its verdict. `reason` is asked for only when the goal is missed. */
export function measurement(
  taken: { name: string; what: string; value: number; goal: Goal; parts?: Record<string, number> },
  reason: () => string,
): Measurement {
  const met = taken.value <= taken.goal.most;
  const parts = Object.fromEntries(Object.entries(taken.parts ?? {}).map(([name, value]) => [name, rounded(value)]));
  return { ...taken, value: rounded(taken.value), met, reason: met ? null : reason(), parts };
}

/** The middle value; of an even count the mean of the two in the middle. Throws for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const high = sorted[Math.floor(middle)];
  const low = sorted[Math.ceil(middle) - 1];
  if (high === undefined || low === undefined) throw new Error("the median of nothing");
  return (high + low) / 2;
}

/** Three significant digits: more would be noise. Whole numbers stay whole. */
export function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(3));
}

const shown = (value: number, unit: Goal["unit"]) => (unit === "×" ? `${value} ×` : `${value} ${unit}`);

/** The measurements as lines of text: a table, and under it what was missed and why. */
export function table(measurements: readonly Measurement[]): string[] {
  const rows = measurements.map((each) => [
    each.name,
    shown(each.value, each.goal.unit),
    `≤ ${shown(each.goal.most, each.goal.unit)}`,
    each.met ? "met" : "NOT MET",
  ]);
  const all = [["name", "value", "goal", ""], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  return [...lines, ...measurements.flatMap((each) => (each.reason === null ? [] : [`${each.name}: ${each.reason}`]))];
}
