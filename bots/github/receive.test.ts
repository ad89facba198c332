import { describe, expect, it } from "vitest";
import { boxLine, keyMark } from "./marker.ts";
import { receiveGitHub } from "./receive.ts";
import {
  ada,
  bob,
  changed,
  comment,
  errandBot,
  issue,
  line,
  ms,
  onIssue,
  onPull,
  otherBot,
  pull,
  repository,
  review,
  said,
  self,
  time,
} from "./testing/payloads.ts";

const receive = (event: string, payload: unknown, as: Parameters<typeof receiveGitHub>[3] = self) =>
  receiveGitHub(event, "guid", payload, as);
/** The verdict's request, with what is not told by it. */
function requested(event: string, payload: unknown) {
  const verdict = receive(event, payload);
  if (verdict.kind !== "request") throw new Error(`${verdict.kind}: ${"why" in verdict ? verdict.why : ""}`);
  return verdict;
}

const base = {
  deliveryId: "guid",
  thread: "github:10:7",
  who: { id: "github:1", name: "ada", email: "1+ada@users.noreply.github.com" },
  native: '{"installation":100,"repository":"acme/sample","private":false}',
};
const onPr = { ...base, thread: "github:10:8" };
const gate = { installation: 100, repositoryId: 10, repository: "acme/sample", private: false, user: ada };
const ourComment = (body: string) => ({ ...comment(body), user: errandBot, updated_at: time(40) });
const living = (key: string, ...boxes: string[]) => [...boxes, keyMark(key)].join("\n");

describe("a comment on an issue", () => {
  it("becomes a prompt, with what is to be asked and fetched", () =>
    expect(requested("issue_comment", said("@errand fix it model=gpt-5"))).toMatchObject({
      request: {
        kind: "prompt",
        ...base,
        at: ms(20),
        contentKey: "github:10:comment:500",
        text: "fix it",
        options: { model: "gpt-5" },
        joins: false,
      },
      gate,
      needs: { pull: null, author: null, reviews: null, comments: { number: 7, count: 3 }, at: ms(20) },
      ack: { type: "issue_comment", id: 500 },
    }));
  it("on a pull request has it fetched, and its author looked at", () =>
    expect(requested("issue_comment", said("@errand fix it", { issue: issue({ pull_request: {} }) })).needs).toEqual({
      pull: 7,
      author: bob,
      reviews: { pull: 7, review: null },
      comments: { number: 7, count: 3 },
      at: ms(20),
    }));

  it.each([
    ["@errand stop", { kind: "stop" }],
    ["/errand retry", { kind: "retry" }],
    ["/errand fix ci", { kind: "take" }],
  ])("%j is a command", (body, request) => {
    const verdict = requested("issue_comment", said(body));
    expect(verdict.request).toEqual({ ...request, ...base, at: ms(20) });
    expect(verdict).toMatchObject({ gate, ack: { type: "issue_comment", id: 500 }, seen: null });
  });
  it.each(["@errand", "/errand help", "@errand help"])("%j is answered with how errand is used", (body) =>
    expect(requested("issue_comment", said(body)).request).toMatchObject({
      kind: "prompt",
      text: "",
      contentKey: "github:10:comment:500:help",
    }),
  );

  it.each<[string, object]>([
    ["that speaks to nobody", said("hello")],
    ["of ours", said("@errand fix it", { sender: errandBot })],
    ["through our App", said("@errand", { comment: comment("@errand fix it", { performed_via_github_app: { id: 77 } }) })],
    ["of a bot", said("@errand fix it", { sender: otherBot })],
    ["of no person", said("@errand fix it", { sender: { ...ada, type: "Mannequin" } })],
    ["of an account without a type", said("@errand fix it", { sender: { id: 1, login: "ada" } })],
  ])("%s is ignored", (_, payload) => expect(receive("issue_comment", payload).kind).toBe("ignored"));

  it("of a bot that may ask is heard; never of ourselves", () => {
    const as = { ...self, allowedBots: [otherBot, errandBot] };
    expect(receive("issue_comment", said("@errand fix it", { sender: otherBot }), as).kind).toBe("request");
    expect(receive("issue_comment", said("@errand fix it", { sender: { ...otherBot, id: 902 } }), as).kind).toBe("ignored");
    expect(receive("issue_comment", said("@errand fix it", { sender: errandBot }), as).kind).toBe("ignored");
  });
});

describe("a changed comment", () => {
  it.each<[string, string, string, object]>([
    ["now speaks to us", "fix it", "@errand fix it", { kind: "prompt", text: "fix it", at: ms(40) }],
    ["has a task now", "@errand", "@errand fix it", { kind: "prompt", text: "fix it", contentKey: "github:10:comment:500" }],
    ["asks for something else", "@errand fix it", "@errand fix that", { kind: "edit", text: "fix that" }],
    ["chooses something else", "@errand fix it", "@errand fix it model=a", { kind: "edit", options: { model: "a" } }],
    ["does not speak to us any more", "@errand fix it", "fix it", { kind: "edit", text: "", options: {} }],
    ["is a command now", "@errand fix it", "@errand stop", { kind: "stop" }],
    ["was a command", "@errand stop", "@errand fix it", { kind: "prompt", text: "fix it" }],
  ])("%s", (_, from, body, request) => {
    const verdict = requested("issue_comment", changed(from, body));
    expect(verdict.request).toMatchObject({ ...request, ...base });
    expect(verdict.gate).toEqual(gate);
  });

  it.each<[string, object]>([
    ["that never spoke to us", changed("a", "b")],
    ["that asks for the same", changed("@errand  fix it", "@errand fix it <!-- b -->")],
    ["by somebody else than its author", changed("fix it", "@errand fix it", { sender: bob })],
    ["by a bot", changed("fix it", "@errand fix it", { sender: otherBot })],
    ["that quotes us now", changed("a", "> @errand fix it")],
    ["whose text did not change", onIssue("edited", { comment: comment("@errand fix it"), changes: {} })],
    ["with changes in another form", onIssue("edited", { comment: comment("@errand fix it"), changes: 3 })],
    ["that is ours, changed by us", changed("a", "b", { comment: ourComment("b"), sender: errandBot })],
  ])("%s is ignored", (_, payload) => expect(receive("issue_comment", payload).kind).toBe("ignored"));

  it("that was deleted withdraws what it asked, whoever deleted it", () => {
    const verdict = requested("issue_comment", onIssue("deleted", { sender: bob, comment: comment("@errand fix it") }));
    expect(verdict.request).toMatchObject({ kind: "withdraw", contentKey: "github:10:comment:500", who: { id: "github:2" } });
    expect(verdict.gate).toBeNull();
    expect(receive("issue_comment", onIssue("deleted", { comment: comment("hello") })).kind).toBe("ignored");
    expect(receive("issue_comment", onIssue("deleted", { comment: ourComment("@errand") })).kind).toBe("ignored");
  });
});

describe("a comment of ours, changed by a person", () => {
  const stop = boxLine("Stop this run", { kind: "stop" });
  const one = boxLine("Yes", { kind: "choice", id: "y-1 >" });
  const two = boxLine("No", { kind: "choice", id: "n" });
  const take = boxLine("Fix it", { kind: "take" });
  const tick = (box: string) => box.replace("[ ]", "[x]");
  const ours = (from: string, body: string, more: object = {}) => changed(from, body, { comment: ourComment(body), sender: bob, ...more });

  it.each<[string, string, string, object]>([
    ["stops its turn", living("s:turn:3:progress", stop), living("s:turn:3:progress", tick(stop)), { kind: "stop", turn: 3 }],
    ["answers", living("s:ask:per_1", one, two), living("s:ask:per_1", tick(one), two), { kind: "answer", ask: "per_1", choice: "y-1 >" }],
    [
      "answers once more",
      living("s:ask:a:b", tick(one), two),
      living("s:ask:a:b", tick(one), tick(two)),
      { kind: "answer", ask: "a:b", choice: "n" },
    ],
    ["takes an offer", living("s:offer:ci-1", take), living("s:offer:ci-1", tick(take)), { kind: "take", offer: "ci-1" }],
    [
      "is taken back",
      living("s:turn:3:progress", stop),
      `changed\n${living("s:turn:3:progress", stop)}`,
      { kind: "restore", touched: "issue:500" },
    ],
    ["unticked", living("s:turn:3:progress", tick(stop)), living("s:turn:3:progress", stop), { kind: "restore", touched: "issue:500" }],
    ["with a box we did not write", living("s:turn:3:progress"), living("s:turn:3:progress", tick(stop)), { kind: "restore" }],
    ["with a key we did not write", living("s:ask:a", one), living("s:ask:b", tick(one)), { kind: "answer", ask: "a" }],
  ])("%s", (_, from, body, request) => {
    const verdict = requested("issue_comment", ours(from, body));
    expect(verdict.request).toMatchObject({ ...request, thread: "github:10:7", who: { id: "github:2" } });
    expect(verdict).toMatchObject({ gate: { ...gate, user: bob }, ack: null });
  });
  it("in a review thread", () => {
    const body = { from: living("s:turn:3:progress", stop) };
    const payload = (now: string) => onPull("edited", { comment: { ...line(501, now), user: errandBot }, changes: { body }, sender: bob });
    expect(requested("pull_request_review_comment", payload(living("s:turn:3:progress", tick(stop)))).request).toMatchObject({
      kind: "stop",
      turn: 3,
      thread: "github:10:8",
    });
    expect(requested("pull_request_review_comment", payload("gone")).request).toMatchObject({ kind: "restore", touched: "review:501" });
  });
  it("is no business of a bot", () =>
    expect(receive("issue_comment", ours(living("s:turn:3:progress", stop), "x", { sender: otherBot })).kind).toBe("ignored"));
  it("means nothing in somebody else's comment", () =>
    expect(receive("issue_comment", changed(living("s:turn:3:progress", stop), living("s:turn:3:progress", tick(stop)))).kind).toBe(
      "ignored",
    ));
});

describe("an issue", () => {
  const opened = (title: string, body: string | null, more: object = {}) =>
    onIssue("opened", { sender: bob, issue: issue({ title, body, comments: 0 }), ...more });
  it.each<[string, string, string | null, string]>([
    ["body", "Login fails", "@errand fix it", "fix it"],
    ["title", "@errand fix the login", "It answers 500. <!-- x -->", "fix the login\n\nIt answers 500."],
    ["title alone", "@errand fix the login", null, "fix the login"],
  ])("that calls us in its %s", (_, title, body, text) =>
    expect(requested("issues", opened(title, body))).toMatchObject({
      request: { kind: "prompt", text, contentKey: "github:10:issue:7", at: ms(0), who: { id: "github:2" } },
      needs: { comments: null },
      ack: { type: "issue", id: 7 },
    }),
  );
  it("that does not is ignored", () => expect(receive("issues", opened("a", "b")).kind).toBe("ignored"));

  it("gets our label: who adds it asks", () => {
    const verdict = requested("issues", onIssue("labeled", { label: { name: "Errand" } }));
    expect(verdict).toMatchObject({
      request: {
        text: "Login fails\n\nIt answers 500.",
        at: ms(30),
        contentKey: `github:10:issue:7:label:${ms(30)}`,
        who: { id: "github:1" },
      },
      gate,
    });
    expect(receive("issues", onIssue("labeled", { label: { name: "bug" } })).kind).toBe("ignored");
    expect(receive("issues", onIssue("labeled", { label: { name: "errand" }, sender: otherBot })).kind).toBe("ignored");
  });
  it("that was opened with mention and label is one request", () => {
    const told = { issue: issue({ body: "@errand fix it", updated_at: time(1) }), label: { name: "errand" } };
    const keys = [onIssue("opened", told), onIssue("labeled", told)].map((payload) => requested("issues", payload).request);
    expect(keys).toMatchObject([{ contentKey: "github:10:issue:7" }, { contentKey: "github:10:issue:7", text: "Login fails\n\nfix it" }]);
  });
  it("is assigned to us", () => {
    expect(requested("issues", onIssue("assigned", { assignee: { login: "errand[bot]" } })).request.kind).toBe("prompt");
    expect(receive("issues", onIssue("assigned", { assignee: { login: "errand" } })).kind).toBe("ignored");
    expect(receive("issues", onIssue("assigned", { assignee: null })).kind).toBe("ignored");
  });
  it("is edited by its author", () => {
    const payload = (from: string, body: string, sender = bob) =>
      onIssue("edited", { sender, issue: issue({ body }), changes: { body: { from } } });
    expect(requested("issues", payload("a", "@errand a")).request).toMatchObject({ kind: "prompt", text: "a" });
    expect(requested("issues", payload("@errand a", "@errand b")).request).toMatchObject({ kind: "edit", text: "b" });
    expect(requested("issues", payload("@errand a", "b")).request).toMatchObject({ kind: "edit", text: "" });
    expect(receive("issues", payload("a", "@errand a", ada)).kind).toBe("ignored");
    const title = onIssue("edited", { sender: bob, issue: issue({ title: "@errand a" }), changes: { title: { from: "a" } } });
    expect(requested("issues", title).request).toMatchObject({ kind: "prompt", text: "a\n\nIt answers 500." });
  });

  it.each<[string, object]>([
    ["closed", { how: "closed", at: ms(31) }],
    ["deleted", { how: "gone", at: ms(30) }],
    ["transferred", { how: "gone", at: ms(30) }],
  ])("is %s, by whomever", (action, request) => {
    for (const sender of [ada, errandBot]) {
      const payload = onIssue(action, { sender, issue: issue({ user: bob, closed_at: action === "closed" ? time(31) : null }) });
      expect(requested("issues", payload)).toMatchObject({ request: { kind: "closed", ...request }, gate: null });
    }
  });
  it("is closed by its author only if that is somebody who may write: anybody can open one, and close it", () => {
    const verdict = requested("issues", onIssue("closed", { sender: ada, issue: issue({ user: ada, closed_at: time(31) }) }));
    expect(verdict).toMatchObject({ request: { kind: "closed", how: "closed" }, gate, ack: null });
  });
});

describe("a pull request", () => {
  it("that calls us in its description", () => {
    const payload = onPull("opened", { sender: bob, pull_request: pull({ body: "@errand finish it" }) });
    expect(requested("pull_request", payload)).toMatchObject({
      request: { kind: "prompt", thread: "github:10:8", text: "finish it", contentKey: "github:10:issue:8" },
      needs: { pull: null, author: null },
      ack: { type: "issue", id: 8 },
    });
    expect(receive("pull_request", onPull("opened", { sender: errandBot, pull_request: pull({ body: "@errand" }) })).kind).toBe("ignored");
    expect(receive("pull_request", onPull("opened")).kind).toBe("ignored");
  });
  it("is edited", () => {
    const payload = (from: string | null, body: string, sender = bob) =>
      onPull("edited", { sender, pull_request: pull({ body }), changes: from === null ? { title: { from: "a" } } : { body: { from } } });
    expect(requested("pull_request", payload("a", "@errand a")).request).toMatchObject({ kind: "prompt", text: "a" });
    expect(requested("pull_request", payload("@errand a", "@errand b")).request).toMatchObject({ kind: "edit", text: "b" });
    expect(requested("pull_request", payload("a", "@errand a", ada)).request.kind).toBe("changed");
    expect(requested("pull_request", payload("a", "b")).request.kind).toBe("changed");
    expect(requested("pull_request", payload(null, "@errand a")).request.kind).toBe("changed");
    expect(receive("pull_request", payload("a", "b", errandBot)).kind).toBe("ignored");
  });
  it("gets commits", () => {
    const verdict = requested("pull_request", onPull("synchronize", { after: "c".repeat(40) }));
    expect(verdict.request).toEqual({ kind: "changed", ...onPr, at: ms(30), pushed: { commit: "c".repeat(40), by: "ada" } });
    expect(verdict.gate).toBeNull();
    expect(requested("pull_request", onPull("synchronize", { sender: otherBot })).request).toMatchObject({
      pushed: { commit: "a".repeat(40), by: "dependabot[bot]" },
    });
    expect(requested("pull_request", onPull("synchronize", { sender: errandBot })).request).not.toHaveProperty("pushed");
  });
  it.each(["reopened", "ready_for_review", "converted_to_draft"])("is %s", (action) =>
    expect(requested("pull_request", onPull(action, { sender: errandBot })).request.kind).toBe("changed"),
  );
  it("is closed", () => {
    const closed = (more: object, sender = ada) =>
      requested("pull_request", onPull("closed", { sender, pull_request: pull({ user: bob, closed_at: time(31), ...more }) }));
    expect(closed({})).toMatchObject({ request: { kind: "closed", ...onPr, at: ms(31), how: "closed" }, gate: null });
    expect(closed({ merged: true }, errandBot)).toMatchObject({ request: { kind: "closed", how: "merged" }, gate: null });
    expect(closed({ user: ada })).toMatchObject({ request: { how: "closed" }, gate });
    expect(closed({ user: ada, merged: true })).toMatchObject({ request: { how: "merged" }, gate: null });
  });
});

describe("a review", () => {
  const lineSaid = (body: string, more: object = {}) => onPull("created", { comment: line(501, body, more) });
  const submitted = (body: string | null, more: object = {}) => onPull("submitted", { review: review(body, more) });
  it("and its comments are one request, whichever comes first", () => {
    const first = requested("pull_request_review_comment", lineSaid("@errand fix it"));
    expect(first).toMatchObject({
      request: { kind: "prompt", ...onPr, at: ms(20), contentKey: "github:10:review:600", text: "fix it", place: "review:501" },
      needs: { pull: null, author: null, reviews: { pull: 8, review: 600 }, comments: null, at: ms(20) },
      ack: { type: "review_comment", id: 501 },
    });
    expect(requested("pull_request_review", submitted("@errand fix all of it"))).toMatchObject({
      request: { contentKey: "github:10:review:600", text: "fix all of it" },
      needs: { reviews: { pull: 8, review: 600 } },
      ack: null,
    });
  });
  it("answers a reply in its thread", () =>
    expect(requested("pull_request_review_comment", lineSaid("@errand why?", { in_reply_to_id: 400 })).request).toMatchObject({
      place: "review:400",
    }));
  it("has commands, too", () =>
    expect(requested("pull_request_review_comment", lineSaid("/errand stop")).request).toMatchObject({ kind: "stop", ...onPr }));
  it("answers a word where it was said", () =>
    expect(requested("pull_request_review_comment", lineSaid("/errand status", { in_reply_to_id: 400 })).request).toMatchObject({
      kind: "status",
      ...onPr,
      place: "review:400",
    }));
  it("of a fork has its author looked at, unless that is who asks", () => {
    const fork = (user: object) => pull({ user, head: { ...pull().head, repo: { full_name: "bob/sample" } } });
    const author = (user: object) =>
      requested("pull_request_review_comment", { ...lineSaid("@errand fix it"), pull_request: fork(user) }).needs.author;
    expect(author(bob)).toEqual(bob);
    expect(author(ada)).toBeNull();
  });
  it("that calls nobody is ignored", () => {
    for (const body of [null, "", "looks good"]) expect(receive("pull_request_review", submitted(body)).kind).toBe("ignored");
    expect(receive("pull_request_review", { ...submitted("@errand"), sender: otherBot }).kind).toBe("ignored");
    expect(receive("pull_request_review", { ...submitted("@errand"), action: "dismissed" }).kind).toBe("ignored");
  });
  it("changes what was asked", () => {
    const edit = (from: string, body: string) =>
      onPull("edited", { comment: line(501, body, { updated_at: time(40) }), changes: { body: { from } } });
    expect(requested("pull_request_review_comment", edit("@errand a", "@errand b"))).toMatchObject({
      request: { kind: "edit", contentKey: "github:10:review:600", text: "b" },
      needs: { pull: null, reviews: { pull: 8, review: 600 } },
    });
    expect(requested("pull_request_review_comment", edit("a", "@errand b")).request).toMatchObject({ kind: "prompt", place: "review:501" });
    const whole = onPull("edited", { review: review("a"), changes: { body: { from: "@errand a" } } });
    expect(requested("pull_request_review", whole).request).toMatchObject({ kind: "edit", text: "" });
  });
  it("is withdrawn", () => {
    const deleted = (body: string) => onPull("deleted", { comment: line(501, body) });
    expect(requested("pull_request_review_comment", deleted("@errand a")).request).toMatchObject({
      kind: "withdraw",
      contentKey: "github:10:review:600",
    });
    expect(receive("pull_request_review_comment", deleted("a")).kind).toBe("ignored");
  });
});

describe("checks", () => {
  const about = { sender: otherBot, repository, installation: { id: 100 } };
  const ran = (more: object = {}) => ({
    id: 70,
    head_sha: "c".repeat(40),
    pull_requests: [
      { number: 8, base: { repo: { id: 10 } } },
      { number: 3, base: { repo: { id: 11 } } },
    ],
    app: { id: 5 },
    updated_at: time(30),
    started_at: time(25),
    completed_at: time(30),
    ...more,
  });
  it.each(["check_suite", "check_run", "workflow_run"])("that completed (%s)", (event) => {
    expect(receive(event, { action: "completed", ...about, [event]: ran() })).toEqual({
      kind: "checks",
      repository: { id: 10, fullName: "acme/sample", private: false },
      installation: 100,
      commit: "c".repeat(40),
      numbers: [8],
      deliveryId: "guid",
      who: { id: "github:901", name: "dependabot[bot]", email: "901+dependabot[bot]@users.noreply.github.com" },
      at: ms(30),
    });
    expect(receive(event, { action: "completed", ...about, [event]: ran({ pull_requests: [] }) })).toMatchObject({ numbers: [] });
    expect(receive(event, { action: "requested", ...about, [event]: ran() }).kind).toBe("ignored");
  });
  it("of our own are no news", () =>
    expect(receive("check_run", { action: "completed", ...about, check_run: ran({ app: { id: 77 } }) }).kind).toBe("ignored"));

  const pressed = (identifier: string | null, more: object = {}, sender: object = ada) => ({
    ...about,
    sender,
    action: identifier === null ? "rerequested" : "requested_action",
    check_run: ran({ app: { id: 77 }, external_id: "s:turn:2:status", ...more }),
    ...(identifier === null ? {} : { requested_action: { identifier } }),
  });
  it.each<[string | null, object]>([
    ["stop", { kind: "stop", turn: 2 }],
    ["retry", { kind: "retry" }],
    ["fix_ci", { kind: "take" }],
    [null, { kind: "retry" }],
  ])("have a button: %s", (identifier, request) =>
    expect(requested("check_run", pressed(identifier))).toMatchObject({ request: { ...request, ...onPr, at: ms(30) }, gate, ack: null }),
  );
  it("have a button that is about the pull request of this repository, whatever others hold the commit", () => {
    const elsewhere = { number: 3, base: { repo: { id: 11 } } };
    const both = pressed("stop", { pull_requests: [elsewhere, { number: 8, base: { repo: { id: 10 } } }] });
    expect(requested("check_run", both).request.thread).toBe(onPr.thread);
    expect(receive("check_run", pressed("stop", { pull_requests: [elsewhere] })).kind).toBe("ignored");
  });
  it.each<[string, object]>([
    ["another button", pressed("deploy")],
    ["another App's", pressed("stop", { app: { id: 5 } })],
    ["a bot's press", pressed("stop", {}, otherBot)],
    ["no pull request", pressed("stop", { pull_requests: [] })],
  ])("%s is ignored", (_, payload) => expect(receive("check_run", payload).kind).toBe("ignored"));
});

describe("an installation", () => {
  const told = (more: object = {}) => ({ sender: ada, installation: { id: 100, updated_at: time(30) }, ...more });
  const gone = { kind: "fan-out", installation: 100, how: "gone", deliveryId: "guid", at: ms(30) };
  it.each(["deleted", "suspend"])("%s", (action) =>
    expect(receive("installation", told({ action }))).toMatchObject({ ...gone, repositories: "all" }),
  );
  it("covers less", () => {
    const removed = told({ action: "removed", repositories_removed: [{ id: 10, full_name: "acme/sample" }] });
    expect(receive("installation_repositories", removed)).toMatchObject({ ...gone, repositories: [{ id: 10, fullName: "acme/sample" }] });
    expect(receive("installation_repositories", told({ action: "removed", repositories_removed: [] })).kind).toBe("ignored");
  });
  it("has a time in seconds in old payloads", () =>
    expect(receive("installation", told({ action: "deleted", installation: { id: 1, updated_at: 1_525_109_899 } }))).toMatchObject({
      at: 1_525_109_899_000,
    }));
  it("loses a repository", () =>
    expect(receive("repository", { action: "deleted", sender: ada, repository, installation: { id: 100 } })).toMatchObject({
      kind: "fan-out",
      repositories: [{ id: 10, fullName: "acme/sample" }],
    }));
  it.each(["created", "unsuspend", "new_permissions_accepted"])("%s is ignored", (action) =>
    expect(receive("installation", told({ action })).kind).toBe("ignored"),
  );
});

describe("what is not in GitHub's form", () => {
  it.each<[string, unknown, string]>([
    ["no object", null, "expected object"],
    ["text", "x", "expected object"],
    ["no installation", said("@errand fix it", { installation: undefined }), "the App's"],
    ["no sender", said("@errand fix it", { sender: null }), "sender"],
    ["no issue", said("@errand fix it", { issue: undefined }), "issue"],
    ["no comment", said("@errand fix it", { comment: undefined }), "comment"],
    ["a number that is none", said("@errand fix it", { issue: issue({ number: -1 }) }), "issue.number"],
    ["a time that is none", said("@errand fix it", { issue: issue({ updated_at: "yesterday" }) }), "issue.updated_at: not a time"],
    [
      "a repository without an owner",
      said("@errand fix it", { repository: { ...repository, full_name: "sample" } }),
      "repository.full_name",
    ],
  ])("%s is malformed, and says why", (_, payload, why) => {
    const verdict = receive("issue_comment", payload);
    expect(verdict.kind).toBe("malformed");
    expect("why" in verdict && verdict.why).toContain(why);
  });
  it("is malformed without a delivery id", () => expect(receiveGitHub("issue_comment", "", said("@errand"), self).kind).toBe("malformed"));
  it("is ignored where it is not for us", () => {
    for (const [event, payload] of [
      ["push", {}],
      ["ping", { zen: "" }],
      ["issue_comment", { action: "pinned" }],
      ["__proto__", { action: "constructor" }],
    ] as const)
      expect(receive(event, payload).kind).toBe("ignored");
  });
});
