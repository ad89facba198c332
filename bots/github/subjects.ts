/** Issues and the descriptions of pull requests, as far as they speak to errand or are handed to it. Pure. */
import { takeOptions, withinLimit } from "../options.ts";
import { type Delivery, ignored, isUs, notHeard } from "./delivery.ts";
import type { Told } from "./events.ts";
import { type Said, saidTo } from "./heard.ts";
import { sanitise, visible } from "./sanitise.ts";
import type { Verdict } from "./verdict.ts";
import { asked, created, edited, keyOf, needsNothing, pullWords, subjectOf, type Words } from "./words.ts";

/** Adds this label, and errand works on the issue. */
export const LABEL = "errand";
/** A label added this soon after an issue was opened, in ms, came with it. */
const OPENING = 10_000;

/** What an issue says to us: its body, or its title and body when the title calls us. */
function issueSaid(title: string, body: string, slug: string): Said {
  const inBody = saidTo(body, slug);
  if (inBody.kind !== "nothing") return inBody;
  const inTitle = saidTo(title, slug);
  return inTitle.kind === "prompt" ? whole(inTitle.text, body) : inTitle;
}

/** Title and body as one task. */
function whole(title: string, body: string): Extract<Said, { kind: "prompt" }> {
  const { text, options } = takeOptions(`${visible(title)}\n\n${sanitise(body)}`, ["branch", "model"]);
  return { kind: "prompt", text: withinLimit(text), options };
}

function issueWords(told: Told["issue"] | Told["labeled"] | Told["assigned"], at: number, slug: string): Words {
  const { issue, repository } = told;
  return {
    about: told,
    number: issue.number,
    at,
    contentKey: keyOf(told, `issue:${issue.number}`),
    ack: { type: "issue", id: issue.number },
    needs: { ...needsNothing(at), comments: issue.comments === 0 ? null : { number: issue.number, count: issue.comments ?? null } },
    seen: { slug, repository: repository.full_name, subject: subjectOf("issue", issue), pull: null, from: { kind: "subject" } },
    partly: false,
  };
}

/** `issues.opened` */
export function issueOpened(told: Told["issue"], delivery: Delivery): Verdict {
  const { issue } = told;
  const why = notHeard(told.sender, {}, delivery.self);
  if (why) return ignored(why);
  const said = issueSaid(issue.title, issue.body ?? "", delivery.self.slug);
  if (said.kind === "nothing") return ignored("does not speak to errand");
  const words = issueWords(told, issue.created_at, delivery.self.slug);
  return asked(said, { ...words, needs: needsNothing(issue.created_at) }, delivery);
}

/** `issues.edited` */
export function issueEdited(told: Told["issue"], delivery: Delivery): Verdict {
  const { issue, changes } = told;
  const why = notHeard(told.sender, {}, delivery.self);
  if (why) return ignored(why);
  if (issue.user?.id !== told.sender.id) return ignored("edited by somebody else than its author");
  const { slug } = delivery.self;
  const before = issueSaid(changes?.title?.from ?? issue.title, changes?.body?.from ?? issue.body ?? "", slug);
  return edited(before, issueSaid(issue.title, issue.body ?? "", slug), issueWords(told, issue.updated_at, slug), delivery);
}

/** `issues.labeled`: who adds the label asks for the work, whoever wrote the issue. */
export function issueLabeled(told: Told["labeled"], delivery: Delivery): Verdict {
  if (told.label?.name.toLowerCase() !== LABEL) return ignored("not errand's label");
  return handedOver(told, "label", delivery);
}

/** `issues.assigned` */
export function issueAssigned(told: Told["assigned"], delivery: Delivery): Verdict {
  if (!isUs(told.assignee ? { ...told.assignee, type: "Bot" } : null, delivery.self)) return ignored("assigned to somebody else");
  return handedOver(told, "assigned", delivery);
}

function handedOver(told: Told["labeled"] | Told["assigned"], how: "label" | "assigned", delivery: Delivery): Verdict {
  const { issue } = told;
  const why = notHeard(told.sender, {}, delivery.self);
  if (why) return ignored(why);
  const { slug } = delivery.self;
  const inBody = saidTo(issue.body ?? "", slug);
  const body = inBody.kind === "prompt" ? inBody.text : (issue.body ?? "");
  const said = whole(issue.title, body);
  const words = issueWords(told, issue.updated_at, slug);
  // An issue that is opened with a mention and the label comes as two deliveries, and is one request.
  const opening = issue.updated_at - issue.created_at < OPENING;
  const options = inBody.kind === "prompt" ? { ...inBody.options, ...said.options } : said.options;
  const contentKey = opening ? words.contentKey : `${words.contentKey}:${how}:${issue.updated_at}`;
  return asked({ ...said, options }, { ...words, contentKey }, delivery);
}

function descriptionWords(told: Told["pull"], at: number, slug: string): Words {
  const { pull_request: pull } = told;
  return {
    ...pullWords(told, pull, at, slug),
    contentKey: keyOf(told, `issue:${pull.number}`),
    ack: { type: "issue", id: pull.number },
    partly: false,
  };
}

/** `pull_request.opened` */
export function pullOpened(told: Told["pull"], delivery: Delivery): Verdict {
  const { pull_request: pull } = told;
  const why = notHeard(told.sender, {}, delivery.self);
  return why ? ignored(why) : created(pull.body, descriptionWords(told, pull.created_at ?? pull.updated_at, delivery.self.slug), delivery);
}

/** The description of a pull request was changed by its author, as far as that speaks to errand; null where it does not. */
export function descriptionEdited(told: Told["pull"], delivery: Delivery): Verdict | null {
  const { pull_request: pull, changes } = told;
  if (changes?.body?.from == null || pull.user?.id !== told.sender.id) return null;
  if (notHeard(told.sender, {}, delivery.self)) return null;
  const { slug } = delivery.self;
  const words = descriptionWords(told, pull.updated_at, slug);
  const verdict = edited(saidTo(changes.body.from, slug), saidTo(pull.body ?? "", slug), words, delivery);
  return verdict.kind === "ignored" ? null : verdict;
}
