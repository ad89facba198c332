/** What the gateway's benchmark measures, what is wanted of it, and how a run is judged. Pure. */
import { median, rounded } from "../report.ts";

/** What is loaded: the service itself, what the gateway is compared with, the gateway, and the same without a look at the session. */
export const CONTENDERS = ["direct", "nginx", "nginx + auth_request", "gateway", "gateway without check"] as const;
export type Contender = (typeof CONTENDERS)[number];

/**
 * Each with its unit and with what of the rounds counts: on a machine that others use too, the best round is the one that was least
 * disturbed; CPU time hardly depends on the others, so it is the middle one. `nginx` and `checked` are the goals as ratios to
 * nginx alone and to nginx with auth_request, `stretch` what is tried for over nginx.
 */
export const METRICS = {
  "requests/s, 32 connections": { unit: "/s", counts: "highest", nginx: 0.45, checked: 0.7, stretch: 0.6 },
  "p50, 1 connection": { unit: "ms", counts: "lowest", nginx: 2.5, checked: 1.25, stretch: null },
  "CPU per request": { unit: "µs", counts: "median", nginx: 3.3, checked: 1.5, stretch: null },
  "large body": { unit: "MB/s", counts: "highest", nginx: 0.6, checked: 0.6, stretch: 0.8 },
  "WebSocket messages/s": { unit: "/s", counts: "highest", nginx: 0.8, checked: 0.9, stretch: null },
  "WebSocket p50": { unit: "ms", counts: "lowest", nginx: 1.3, checked: 1.4, stretch: null },
  "WebSocket p99": { unit: "ms", counts: "lowest", nginx: 1.6, checked: 2, stretch: null },
  "WebSocket bulk": { unit: "MB/s", counts: "highest", nginx: 1, checked: 1, stretch: null },
  "WebSocket handshakes/s": { unit: "/s", counts: "highest", nginx: 0.7, checked: 0.8, stretch: null },
  "CPU per WebSocket message": { unit: "µs", counts: "median", nginx: 1.4, checked: 1.4, stretch: null },
} as const;
export type Metric = keyof typeof METRICS;

/** What the check of the session may cost: CPU per request, over the same gateway without it. */
const CHECK_COSTS = 1.1;
/** RSS of the gateway, in MiB. */
const RSS = { idle: 100, after: 256 };

/** Every round's value, in the order of the rounds. */
export type Samples = Partial<Record<Contender, Partial<Record<Metric, number[]>>>>;

export type Verdict = {
  name: string;
  /** What it is a ratio to; null for one that is absolute. */
  over: Contender | null;
  unit: "×" | "MiB";
  value: number;
  /** The lowest and the highest that one round alone would have given. */
  rounds: readonly [number, number] | null;
  goal: number;
  /** Whether the goal is the least or the most that the value may be. */
  at: "least" | "most";
  stretch: boolean;
  met: boolean;
};

/** The value of a metric that counts, or undefined where it was not measured. */
export function counted(samples: Samples, contender: Contender, metric: Metric): number | undefined {
  const values = samples[contender]?.[metric];
  if (values === undefined || values.length === 0) return undefined;
  const { counts } = METRICS[metric];
  return counts === "median" ? median(values) : counts === "highest" ? Math.max(...values) : Math.min(...values);
}

/** Every goal that something was measured for. */
export function judge(samples: Samples, rss: { idle: number; after: number }): Verdict[] {
  const verdicts: Verdict[] = [];
  const ratio = (metric: Metric, over: Contender, goal: number, stretch = false) => {
    const [own, other] = [counted(samples, "gateway", metric), counted(samples, over, metric)];
    if (own === undefined || other === undefined) return;
    const at = METRICS[metric].counts === "highest" ? "least" : "most";
    const value = own / other;
    const met = at === "least" ? value >= goal : value <= goal;
    verdicts.push({ name: metric, over, unit: "×", value: rounded(value), rounds: spread(samples, metric, over), goal, at, stretch, met });
  };
  for (const metric of Object.keys(METRICS) as Metric[]) {
    const { nginx, checked, stretch } = METRICS[metric];
    ratio(metric, "nginx", nginx);
    ratio(metric, "nginx + auth_request", checked);
    if (stretch !== null) ratio(metric, "nginx", stretch, true);
  }
  ratio("CPU per request", "gateway without check", CHECK_COSTS);
  for (const when of ["idle", "after"] as const) {
    const [value, goal] = [rounded(rss[when]), RSS[when]];
    const name = when === "idle" ? "memory, idle" : "memory, after all of this";
    verdicts.push({ name, over: null, unit: "MiB", value, rounds: null, goal, at: "most", stretch: false, met: value <= goal });
  }
  return verdicts;
}

function spread(samples: Samples, metric: Metric, over: Contender): readonly [number, number] {
  const others = samples[over]?.[metric] ?? [];
  const ratios = (samples.gateway?.[metric] ?? []).flatMap((value, round) => (others[round] ? [value / others[round]] : []));
  return [rounded(Math.min(...ratios)), rounded(Math.max(...ratios))];
}

/** The verdicts as lines of text: a table. */
export function verdictTable(verdicts: readonly Verdict[]): string[] {
  const rows = verdicts.map(({ name, over, unit, value, rounds, goal, at, stretch, met }) => [
    name,
    over === null ? "" : `over ${over}`,
    `${value} ${unit}`,
    rounds === null ? "" : `${rounds[0]} – ${rounds[1]}`,
    `${at === "least" ? "≥" : "≤"} ${goal}`,
    stretch ? (met ? "reached" : "not reached (stretch)") : met ? "met" : "NOT MET",
  ]);
  return columns([["gateway", "", "value", "of one round", "goal", ""], ...rows], [2, 3, 4]);
}

/** What was measured, as lines of text: a table of every contender. */
export function sampleTable(samples: Samples): string[] {
  const present = CONTENDERS.filter((contender) => samples[contender]);
  const rows = (Object.keys(METRICS) as Metric[]).map((metric) => [
    `${metric}, ${METRICS[metric].unit}`,
    ...present.map((contender) => shown(counted(samples, contender, metric))),
  ]);
  return columns(
    [["", ...present], ...rows],
    present.map((_, index) => index + 1),
  );
}

const shown = (value: number | undefined) => (value === undefined ? "" : String(value >= 1_000 ? Math.round(value) : rounded(value)));

/** Lines of cells in columns, those named by number to the right. */
function columns(rows: readonly string[][], right: readonly number[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
