/** The tasks of a living message: how the workspace was prepared, then the agent's own plan, or what is known without one. Pure. */
import type { PlanItem } from "../protocol/events.ts";
import { isOver, type TurnView, type View } from "../protocol/view.ts";
import { count, measured } from "./format.ts";

export type TaskStatus = "pending" | "in_progress" | "complete" | "error";
/** One task. `title` is text as it came: whoever shows it escapes it. */
export type Task = { id: string; title: string; status: TaskStatus };

/** Most steps shown that run at once. */
const MOST_RUNNING = 4;

const task = (id: string, title: string, status: TaskStatus): Task => ({ id, title, status });

/** All tasks of a turn's living message, about `most` of them: older done ones fold into one, later ones into another. Nothing of a turn that is over spins. */
export function tasksOf(view: View, turn: TurnView, most: number): Task[] {
  // Neither has begun: how the workspace was prepared is another turn's.
  if (turn.state === "queued" || turn.state === "withdrawn") return [];
  const tasks = [...preparation(view, turn)];
  if (turn.plan.length > 0) tasks.push(...planTasks(turn, most - tasks.length));
  else tasks.push(...stepTasks(view, turn));
  const ask = turn.asks.find((candidate) => candidate.state === "open");
  if (ask) tasks.push(task("ask", `Waiting for you: ${ask.title}`, "pending"));
  if (turn.state === "failed" && tasks.every((one) => one.status !== "error"))
    tasks.push(task("failure", turn.failure?.message ?? "Failed", "error"));
  return tasks.map((one) => (isOver(turn.state) && one.status === "in_progress" ? { ...one, status: "pending" } : one));
}

/** Whether this turn had to wait for its sandbox. */
function waitedForSandbox({ sandbox }: View, turn: TurnView): boolean {
  if (sandbox.startedAt === null) return false;
  if (turn.endedAt !== null && sandbox.startedAt > turn.endedAt) return false;
  return sandbox.startedAt >= turn.queuedAt || (turn.acceptedAt === null && sandbox.state !== "ready");
}

function preparation(view: View, turn: TurnView): Task[] {
  const { sandbox } = view;
  if (!waitedForSandbox(view, turn)) return [];
  const failed = sandbox.phases.find((phase) => phase.error !== null);
  if (sandbox.readyMs === null && (failed || (sandbox.state === "lost" && turn.acceptedAt === null))) {
    const why = failed ? `${failed.name}: ${failed.error}` : (sandbox.failure?.message ?? "the sandbox was lost");
    return [task("prep", `Preparing the workspace failed · ${why}`, "error")];
  }
  const ready = sandbox.readyMs !== null;
  const phases = sandbox.phases.map((phase) => `${phase.name}${phase.ms === null ? " …" : ` ${measured(phase.ms)}`}`);
  const title = sandbox.readyMs === null ? "Preparing the workspace" : `Prepared the workspace in ${measured(sandbox.readyMs)}`;
  return [task("prep", [title, ...phases].join(" · "), ready ? "complete" : "in_progress")];
}

const STATUS: Record<PlanItem["status"], TaskStatus> = {
  pending: "pending",
  in_progress: "in_progress",
  completed: "complete",
  cancelled: "complete",
};

function planTasks(turn: TurnView, room: number): Task[] {
  const one = (item: PlanItem, index: number) =>
    task(`plan-${index}`, item.status === "cancelled" ? `Left out: ${item.text}` : item.text, planStatus(item, turn));
  const all = turn.plan.map(one);
  if (all.length <= room) return all;
  const firstOpen = turn.plan.findIndex((item) => item.status === "pending" || item.status === "in_progress");
  const done = firstOpen < 0 ? all.length : firstOpen;
  const earlier = Math.min(done, all.length - room + 1);
  const folded = earlier > 1 ? [task("plan-earlier", `Earlier: ${count(earlier, "step")}`, "complete")] : [];
  const rest = earlier > 1 ? all.slice(earlier) : all;
  const left = room - folded.length;
  if (rest.length <= left) return [...folded, ...rest];
  return [...folded, ...rest.slice(0, left - 1), task("plan-later", `Later: ${count(rest.length - left + 1, "more step")}`, "pending")];
}

/** What the agent was at when its turn failed is what failed. */
function planStatus(item: PlanItem, turn: TurnView): TaskStatus {
  return item.status === "in_progress" && turn.state === "failed" ? "error" : STATUS[item.status];
}

function stepTasks(view: View, turn: TurnView): Task[] {
  const tasks: Task[] = [];
  if (turn.steps > 0)
    tasks.push(task("steps", `${count(turn.steps, "step")} done${turn.lastStep ? ` · ${turn.lastStep}` : ""}`, "complete"));
  if (isOver(turn.state)) return tasks;
  const running = turn.tools.slice(0, MOST_RUNNING);
  for (const tool of running) tasks.push(task(`tool-${tool.id}`, tool.title || tool.tool, "in_progress"));
  if (turn.tools.length > running.length)
    tasks.push(task("tools-more", `and ${count(turn.tools.length - running.length, "more step")} at once`, "in_progress"));
  if (running.length > 0 || turn.state === "waiting" || turn.state === "stopping") return tasks;
  if (turn.acceptedAt === null) {
    if (view.sandbox.state === "ready" || view.sandbox.startedAt === null || !waitedForSandbox(view, turn))
      tasks.push(task("start", "Starting the agent", "in_progress"));
    return tasks;
  }
  const writing = turn.parts.some((part) => !part.done);
  tasks.push(
    task("now", turn.retry ? "Waiting for the model" : turn.thinking ? "Thinking" : writing ? "Writing" : "Working", "in_progress"),
  );
  return tasks;
}
