/** Addresses of the GitHub pages. What is open on a page (editors, boxes for comments on lines) stands in its address. Pure. */

/** A page. */
export type Place =
  | { page: "home" }
  | { page: "list"; repository: string; of: "issues" | "pulls"; state: "open" | "closed" }
  | { page: "new"; repository: string }
  | { page: "commit"; repository: string; sha: string }
  | { page: "job"; repository: string; id: number }
  /** A branch, as what it adds to another one; `base` is null for the default branch. */
  | { page: "branch"; repository: string; base: string | null; head: string }
  | ThreadPlace;

/** A page of an issue or pull request. */
export interface ThreadPlace {
  page: "thread";
  repository: string;
  number: number;
  /** GitHub has other addresses for pull requests. */
  pull: boolean;
  files: boolean;
  /** Anchors of texts that are being changed. */
  edit: readonly string[];
  /** Lines on which a comment is being written, as `spotName` names them. */
  at: readonly string[];
}

/** The path and query of a page. */
export function addressOf(place: Place): string {
  if (place.page === "home") return "/github";
  const base = `/github/${place.repository}`;
  if (place.page === "new") return `${base}/issues/new`;
  if (place.page === "commit") return `${base}/commit/${place.sha}`;
  if (place.page === "branch") return `${base}/${place.base === null ? "tree/" : `compare/${place.base}...`}${place.head}`;
  if (place.page === "job") return `${base}/runs/${place.id}`;
  if (place.page === "list") return `${base}/${place.of}${place.state === "closed" ? "?state=closed" : ""}`;
  const query = new URLSearchParams([
    ...place.edit.map((name): [string, string] => ["edit", name]),
    ...place.at.map((name): [string, string] => ["at", name]),
  ]).toString();
  return `${base}/${place.pull ? "pull" : "issues"}/${place.number}${place.files ? "/files" : ""}${query ? `?${query}` : ""}`;
}

const NAME = "[A-Za-z0-9_.-]{1,100}";
const THREAD = new RegExp(`^/github/(${NAME}/${NAME})/(issues|pull)/(\\d{1,9})(/files)?/?$`);
const LIST = new RegExp(`^/github/(${NAME}/${NAME})(?:/(issues|pulls))?/?$`);
const NEW = new RegExp(`^/github/(${NAME}/${NAME})/issues/new/?$`);
const COMMIT = new RegExp(`^/github/(${NAME}/${NAME})/commit/([0-9a-f]{4,40})/?$`);
const REF = "[\\w./@+#%:-]{1,250}";
const BRANCH = new RegExp(`^/github/(${NAME}/${NAME})/(?:tree/|compare/(${REF}?)\\.\\.\\.)(${REF})$`);
/** Check runs and jobs of workflows have the same numbers on GitHub. */
const JOB = new RegExp(`^/github/(${NAME}/${NAME})/(?:actions/runs/\\d{1,15}/job|runs)/(\\d{1,15})/?$`);

/** The page at an address on this server; undefined where there is none. */
export function placeAt(path: string, query: URLSearchParams): Place | undefined {
  if (/^\/github\/?$/.test(path)) return { page: "home" };
  const fresh = NEW.exec(path)?.[1];
  if (fresh) return { page: "new", repository: fresh };
  const commit = COMMIT.exec(path);
  if (commit?.[1] && commit[2]) return { page: "commit", repository: commit[1], sha: commit[2] };
  const job = JOB.exec(path);
  if (job?.[1]) return { page: "job", repository: job[1], id: Number(job[2]) };
  const branch = BRANCH.exec(path);
  if (branch?.[1] && branch[3]) return { page: "branch", repository: branch[1], base: branch[2] ?? null, head: branch[3] };
  const thread = THREAD.exec(path);
  if (thread?.[1]) {
    return {
      page: "thread",
      repository: thread[1],
      number: Number(thread[3]),
      pull: thread[2] === "pull",
      files: thread[4] !== undefined,
      edit: query.getAll("edit"),
      at: query.getAll("at"),
    };
  }
  const list = LIST.exec(path);
  if (!list?.[1]) return undefined;
  const state = query.get("state") === "closed" ? "closed" : "open";
  return { page: "list", repository: list[1], of: list[2] === "pulls" ? "pulls" : "issues", state };
}

/** The name of a line of a diff. */
export function spotName(spot: { path: string; side: "LEFT" | "RIGHT"; line: number }): string {
  return `${spot.side.charAt(0)}${spot.line}:${spot.path}`;
}
