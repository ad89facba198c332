/** What the page needs of a GitHub, so that it can show it and use it as a person would. */

/** Someone the page can act as. */
export interface Person {
  login: string;
  /** What this person may do, in a few words, such as "you" or "outsider". */
  about: string;
}

/** The outcome of something the world does beside the REST API. */
export type Done = { ok: true } | { ok: false; error: string };

/**
 * A GitHub, reached by its REST API with people's tokens. What has no REST API, because on GitHub it is done by a CI service or by a
 * button of GitHub's own page, is offered as functions; where one is missing, the page leaves out what needs it.
 */
export interface GitHubOffer {
  /** Where the REST API is, without a slash at its end. */
  apiUrl: string;
  /** The token of a person. */
  tokenOf(login: string): string;
  /** Whom one can be; the first is who one is at the start. */
  users: readonly Person[];
  /** The repositories that are shown, as `owner/name`. */
  repositories: readonly string[];
  /** Calls back after each change; gives what ends that. Where it is missing, pages look once a second. */
  onChange?(listener: () => void): () => void;
  /** Lets a CI service report a check on a commit. */
  check?(report: {
    repository: string;
    sha: string;
    name: string;
    conclusion: "failure" | "success";
    /** What the job wrote; kept by the world as the job's log. */
    log: string;
  }): Promise<Done>;
  /** The buttons of a check run, which GitHub's REST API does not give out. */
  actionsOf?(repository: string, checkRun: number): readonly { identifier: string; label: string; description: string }[];
  /** Presses one of them. */
  pressAction?(press: { repository: string; checkRun: number; identifier: string; login: string }): Promise<Done>;
}
