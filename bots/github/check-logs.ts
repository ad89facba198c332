/** Reads a commit's checks, and what those that failed said: their output and annotations, and of a workflow's job its log. */
import type { Octokit } from "@octokit/rest";
import type { FailingCheck } from "../forge.ts";
import { AnnotationAnswer, CheckRunAnswer, itemsOf, StatusAnswer } from "./answers.ts";
import { type CheckRun, failedRuns, failedStatuses, type Status, webAddress } from "./checks.ts";
import { saidBy, statusOf } from "./errors.ts";
import { EXCERPT_BYTES, excerptOf } from "./excerpt.ts";

/** How a repository's checks are read. */
export type CheckPorts = {
  octokit: Octokit;
  owner: string;
  repo: string;
  appId: string;
  /** For the address that a log is fetched from, without any token. */
  fetch: typeof fetch;
  /** Whether only `https:` addresses are fetched from; a local GitHub has none. */
  secureOnly: boolean;
};

/** The most that GitHub gives on one page, and pages read: a commit with more checks than that is told of by those. */
const PAGE = 100;
const PAGES = 3;
/** Failing checks whose words are read. */
const READ = 6;
const ANNOTATIONS = 30;
/** A log is read up to here; what counts stands at its end, of which this much is kept. UTF-16 code units. */
const LOG_READ = 64_000_000;
const LOG_KEPT = 4_000_000;
const LOG_TIMEOUT_MS = 20_000;

/** The check runs and statuses of a commit. Throws what Octokit throws. */
export async function readChecks(ports: CheckPorts, commit: string): Promise<{ runs: CheckRun[]; statuses: Status[] }> {
  const { octokit, owner, repo } = ports;
  const pages = async <T>(read: (page: number) => Promise<{ items: T[]; full: boolean }>): Promise<T[]> => {
    const all: T[] = [];
    for (let page = 1; page <= PAGES; page++) {
      const { items, full } = await read(page);
      all.push(...items);
      if (!full) break;
    }
    return all;
  };
  const where = { owner, repo, ref: commit, per_page: PAGE };
  const runs = optional(
    pages(async (page) => {
      const { data } = await octokit.rest.checks.listForRef({ ...where, filter: "latest", page });
      return { items: itemsOf(CheckRunAnswer, data.check_runs), full: data.check_runs.length === PAGE };
    }),
  );
  const statuses = optional(
    pages(async (page) => {
      const { data } = await octokit.rest.repos.getCombinedStatusForRef({ ...where, page });
      return { items: itemsOf(StatusAnswer, data.statuses), full: data.statuses.length === PAGE };
    }),
  );
  const [readRuns, readStatuses] = await Promise.all([runs, statuses]);
  return { runs: readRuns, statuses: readStatuses };
}

/** An App may have the right to read one of the two only; the other is then as if there were none. */
async function optional<T>(reading: Promise<T[]>): Promise<T[]> {
  try {
    return await reading;
  } catch (error) {
    const status = statusOf(error);
    if (status === 404 || (status === 403 && /not accessible/i.test(saidBy(error)))) return [];
    throw error;
  }
}

/** What the failing checks of a commit said. What of it cannot be read is said in place of it. Throws what Octokit throws for the list. */
export async function readFailures(ports: CheckPorts, commit: string): Promise<FailingCheck[]> {
  const { runs, statuses } = await readChecks(ports, commit);
  const failing: FailingCheck[] = [];
  for (const run of failedRuns(runs, ports.appId).slice(0, READ)) {
    failing.push({ name: run.name.slice(0, 300), url: webAddress(run.html_url ?? run.details_url), log: await wordsOf(ports, run) });
  }
  for (const status of failedStatuses(statuses).slice(0, READ - failing.length)) {
    const log = excerptOf(status.description ?? "The check gave no reason.");
    failing.push({ name: status.context.slice(0, 300), url: webAddress(status.target_url), log });
  }
  return failing;
}

/** The number of a workflow's job, from the address of its check run: `…/actions/runs/1/job/2`. */
const jobOf = (run: CheckRun): number | null => {
  const number = /\/actions\/runs\/\d+\/jobs?\/(\d{1,18})(?:[/?#]|$)/.exec(run.details_url ?? run.html_url ?? "")?.[1];
  return number === undefined ? null : Number(number);
};

async function wordsOf(ports: CheckPorts, run: CheckRun): Promise<string> {
  const { title, summary, text } = run.output;
  const parts = [title, summary, text].filter((part): part is string => part !== null && part.trim() !== "");
  const annotations = run.output.annotations_count > 0 ? await attempt("its annotations", () => annotationsOf(ports, run)) : "";
  const job = jobOf(run);
  const log = job === null ? "" : await attempt("its log", () => logOf(ports, job));
  const said = [...parts, annotations].filter((part) => part !== "").join("\n\n");
  if (said === "" && log === "") return "The check gave no reason.";
  // A job's log tells more than what Actions makes of it; both have to fit.
  const head = shorten(excerptOf(said), log === "" ? EXCERPT_BYTES : EXCERPT_BYTES / 4);
  const tail = shorten(excerptOf(log), EXCERPT_BYTES - new TextEncoder().encode(head).length - 2);
  return [head, tail].filter((part) => part !== "").join("\n\n");
}

/** The end of a text within that many bytes of UTF-8, from the beginning of a line where there is one. */
function shorten(text: string, max: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= max) return text;
  const end = new TextDecoder().decode(bytes.slice(bytes.length - max)).replace(/^\uFFFD+/, "");
  return end.slice(end.indexOf("\n") + 1);
}

/** What could not be read is said where it would stand: the other words of the check are of use without it. */
async function attempt(what: string, read: () => Promise<string>): Promise<string> {
  try {
    return await read();
  } catch (error) {
    const status = error instanceof Error && "status" in error ? ` (${String(error.status)})` : "";
    return `[errand could not read ${what}${status}]`;
  }
}

async function annotationsOf({ octokit, owner, repo }: CheckPorts, run: CheckRun): Promise<string> {
  const { data } = await octokit.rest.checks.listAnnotations({ owner, repo, check_run_id: run.id, per_page: ANNOTATIONS });
  return itemsOf(AnnotationAnswer, data)
    .filter((one) => one.annotation_level !== "notice")
    .map((one) => [`${one.path}${one.start_line ? `:${one.start_line}` : ""}`, one.title, one.message].filter(Boolean).join(": "))
    .join("\n");
}

/** The log of a job. GitHub answers with the address of it, which works for a minute and for anyone: no token goes there. */
async function logOf(ports: CheckPorts, job: number): Promise<string> {
  const { octokit, owner, repo } = ports;
  const answer: { status: number; headers: { location?: string | undefined }; data: unknown; url: string } = await octokit.request(
    "GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs",
    { owner, repo, job_id: job, request: { redirect: "manual" } },
  );
  if (answer.status === 200) return typeof answer.data === "string" ? answer.data : "";
  const location = answer.headers.location;
  if (location === undefined || !URL.canParse(location, answer.url)) throw new Error("no address of the log");
  const address = new URL(location, answer.url);
  if (address.protocol !== "https:" && (ports.secureOnly || address.protocol !== "http:"))
    throw new Error("the log's address is not the web's");
  const file = await ports.fetch(address, { signal: AbortSignal.timeout(LOG_TIMEOUT_MS), headers: { "user-agent": "errand" } });
  if (!file.ok || !file.body) throw Object.assign(new Error("the log is not there"), { status: file.status });
  return endOf(file.body);
}

/** The end of a text that is read piece by piece. */
async function endOf(body: ReadableStream<Uint8Array>): Promise<string> {
  let kept = "";
  let read = 0;
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    read += value.length;
    kept += decoder.decode(value, { stream: true });
    if (kept.length > 2 * LOG_KEPT) kept = kept.slice(-LOG_KEPT);
    if (read > LOG_READ) {
      await reader.cancel();
      break;
    }
  }
  return kept.slice(-LOG_KEPT);
}
