/**
 * What a session is made of: its parts, and what each is handed of the others and of the world outside. Nothing happens
 * here. A new part that stores something is also named in `TABLES`, in `forgetful` and, where time moves it, in `timed`.
 */
import type { RunnerEvent } from "../../protocol/events.ts";
import type { Command } from "../../protocol/runner.ts";
import { sessionIdOf } from "../../protocol/thread.ts";
import { mayStay, stillMaySee } from "../auth/facts.ts";
import { parseGrantKey, publicGrantKey } from "../auth/grants.ts";
import { deliverLetter } from "../auth/slack-letter.ts";
import { gatedRepository, mayPromptFromSlack } from "../auth/slack-prompts.ts";
import { settingsOf } from "../settings.ts";
import { Admissions, admissionTables } from "./admission.ts";
import { AdmissionCare } from "./admission-care.ts";
import { Asking } from "./asking.ts";
import { Asks, askTables } from "./asks.ts";
import type { SessionRpc, Whose } from "./contract.ts";
import { Conversation } from "./conversation.ts";
import { credentialFor } from "./credentials.ts";
import type { Row } from "./delivery.ts";
import { Guests } from "./guests.ts";
import { Inbox, inboxTables } from "./inbox.ts";
import { Intake } from "./intake.ts";
import { Kin } from "./kin.ts";
import { Letters, letterTables } from "./letters.ts";
import { Log, logTables } from "./log.ts";
import { Members, memberTables } from "./members.ts";
import { linksOf, messageOf } from "./messages.ts";
import { ModelCalls, modelTables } from "./model-calls.ts";
import { ModelDay, modelDayTables } from "./model-day.ts";
import { ModelDoor } from "./model-door.ts";
import { Offers } from "./offers.ts";
import { Outbox, outboxTables } from "./outbox.ts";
import { Outside } from "./outside.ts";
import { PullCare } from "./pull-care.ts";
import { Pulls, pullTables } from "./pulls.ts";
import { Registry } from "./registry.ts";
import { cloneUrl } from "./repository.ts";
import { linkTables, RunnerLink } from "./runner-link.ts";
import { Sandbox, sandboxTables } from "./sandbox.ts";
import { SandboxCare } from "./sandbox-care.ts";
import { Threads, threadTables } from "./threads.ts";
import { Turns, turnTables } from "./turns.ts";
import { Viewers } from "./viewers.ts";
import { Voice } from "./voice.ts";
import { Workplace } from "./workplace.ts";

/** The tables of all parts, in the order in which they are made. */
export const TABLES = [
  inboxTables,
  turnTables,
  askTables,
  logTables,
  sandboxTables,
  linkTables,
  outboxTables,
  threadTables,
  pullTables,
  memberTables,
  admissionTables,
  letterTables,
  modelTables,
  modelDayTables,
];

/** What the object that owns the session does for its parts. */
export type Core = {
  sessionId: () => string;
  now: () => number;
  /** Another session's object. */
  agent: (id: string) => SessionRpc;
  /** Takes the runner's events, with all that follows from them, as a whole or not at all. False: events are missing before `first`. */
  take: (generation: number, first: number, items: readonly RunnerEvent[]) => boolean;
  /** Whether there is a session; without one there are no tables. */
  exists: () => boolean;
  /** Makes the tables of a session that begins, where there are none. Inside a transaction. */
  begin: () => void;
  /** Does work that writes, as a whole or not at all. Throws what the work throws. */
  transaction: <T>(work: () => T) => T;
  /** The same, but a fault in it is logged as one of `what`. */
  store: (what: string, work: () => void) => void;
  /** A fault of ours: it is logged, and everything is looked at again soon. */
  fault: (what: string, error: unknown) => void;
  /** Something came back from outside: everything is looked at again. */
  again: () => void;
  /** Something is due at another time. */
  arm: () => void;
  /** Whose session it is. */
  whose: () => Whose;
  /** A write to a surface ended and was stored. */
  settled: (row: Row) => void;
  report: (entry: Record<string, unknown>) => void;
};

/** Makes the parts. Reads and writes nothing yet: the tables may not be there. */
export function compose(ctx: DurableObjectState, env: Env, core: Core) {
  const { sql, kv } = ctx.storage;
  const { sessionId, now, report, again } = core;
  const settings = settingsOf(env);
  const outside = new Outside(settings);
  const links = (id = sessionId()) => linksOf(settings.PUBLIC_ORIGIN ?? "", id);

  const inbox = new Inbox(sql);
  const turns = new Turns(sql);
  const asks = new Asks(sql);
  const log = new Log(sql);
  const sandbox = new Sandbox(sql);
  const threads = new Threads(sql);
  const pulls = new Pulls(sql);
  const members = new Members(sql);
  const modelDay = new ModelDay(sql, env.DB, { limit: settings.MODEL_TOKENS_PER_DAY, sessionId, now, report });
  const modelCalls = new ModelCalls(sql, modelDay, { caps: settings, report });
  const viewers = new Viewers(ctx, log, { now, maySee: stillMaySee(env, settings, core.whose), again: core.arm, report });
  const guests = new Guests({
    mayStay: mayStay(env, settings, core.whose),
    wait: (ms, signal) => scheduler.wait(ms, { signal }),
    report,
  });
  const registry = new Registry(env.DB, { report, neighbours: (ids) => kin.meet(ids) });

  /** The session's repository as the forge names it. */
  const onForge = (): string | null => {
    const { repository } = log.view();
    return repository === null ? null : (outside.forge()?.repositoryOf(cloneUrl(repository, settings.REPOSITORY_BASE_URL)) ?? null);
  };
  /** Whom commits name beside their author is asked of the forge, which may answer after the prompt was made. */
  const complete = (command: Command): Command => {
    const { identity } = pulls.get();
    return command.do === "prompt" && identity !== null && !command.committer ? { ...command, committer: identity } : command;
  };

  const outbox = new Outbox(sql, {
    now,
    random: Math.random,
    surfaceOf: (thread) => outside.surfaceOf(thread),
    nativeOf: (thread) => threads.native(thread),
    budgetOf: (workspace) => env.BUDGETS.getByName(workspace),
    view: () => log.view(),
    message: (row, view) => messageOf(row, view, links(), now()),
    settled: core.settled,
    log: report,
  });
  const link = new RunnerLink(ctx, log, {
    sites: () => sandbox.get().sites,
    grantKeys: () => {
      const { key } = parseGrantKey(settings.GRANT_KEY);
      return key === null ? undefined : [publicGrantKey(key)];
    },
    take: core.take,
    connected: (generation) => care.connected(generation),
    foreign: (generation, version) => care.foreign(generation, version),
    used: () => care.used(),
    answer: (ask) => {
      if (ask.what === "guests") return guests.answer(ask.guests);
      return credentialFor(
        ask,
        outside.forge(),
        {
          name: onForge(),
          id: outside.repositoryIdOf([log.view().thread, log.view().pull?.thread ?? ""]),
          access: pulls.get().start?.withheld ? "read" : "write",
        },
        report,
      );
    },
    complete,
    log: report,
  });
  /** Whether what a person says here has to be admitted before it begins. */
  const concerns = (person: string): boolean => gatedRepository(person, log.view().repository, settings) !== null;
  const voice = new Voice({ log, outbox }, { sessionId, now });
  const asking = new Asking({ log, turns, asks, link, voice }, now);
  const offers = new Offers({ pulls, log, voice }, now);
  const workplace = new Workplace({ log, turns, pulls, voice }, { sessionId, settings, renewSandbox: () => care.renew() });
  const conversation: Conversation = new Conversation(
    { inbox, log, turns, asks, asking, link, threads, pulls, offers, voice, workplace },
    {
      now,
      connected: () => link.isConnected(),
      endSandbox: () => care.end(),
      next: (time) => admission.next(time),
      concerns,
      isHeld: (turn) => admission.isHeld(turn),
      emailOf: (turn) => admission.emailOf(turn),
    },
  );
  const admissions = new Admissions(sql);
  const letters = new Letters(sql, voice, {
    now,
    random: Math.random,
    deliver: (letter) => deliverLetter({ settings, db: env.DB }, letter, log.view().repository),
    store: (work) => core.store("letter", work),
    again,
    report,
  });
  const admission: AdmissionCare = new AdmissionCare(
    { admissions, letters, turns, log, members },
    {
      now,
      random: Math.random,
      concerns,
      ask: (person) => mayPromptFromSlack({ settings, db: env.DB }, person, core.whose(), sessionId()),
      end: (turn, failure) => conversation.end(turn, "failed", failure),
      admitted: (turn) => conversation.admitted(turn),
      store: (work) => core.store("admission", work),
      again,
      report,
    },
  );
  const care: SandboxCare = new SandboxCare(
    { sandbox, link, log, turns, asking, pulls, conversation },
    {
      sessionId,
      settings,
      now,
      fetch: (input, init) => fetch(input, init),
      store: (work) => core.store("backend's answer", work),
      publishes: (url) => outside.forge()?.repositoryOf(url) != null,
      again,
      report,
    },
  );
  const pullCare = new PullCare(
    { pulls, log, threads, offers, voice, conversation },
    {
      forge: () => outside.forge(),
      repository: onForge,
      links: () => links(),
      now,
      random: Math.random,
      word: () => crypto.randomUUID().replaceAll("-", ""),
      store: (work) => core.store("forge's answer", work),
      again,
      report,
    },
  );
  const kin: Kin = new Kin(
    kv,
    { threads, voice },
    {
      sessionId,
      ownIdOf: (thread) => sessionIdOf(thread, settings.SESSION_KEY ?? ""),
      agent: core.agent,
      pageOf: (id) => links(id).session,
      branch: () => log.view().branch,
      now,
      store: (work) => core.store("kin", work),
      again,
      report,
    },
  );

  const intake = new Intake({ inbox, log, members, conversation, pullCare }, { ...core, concerns });
  const modelDoor = new ModelDoor({ sandbox, care, turns, modelCalls, modelDay }, core);

  return {
    ...{ inbox, turns, log, sandbox, members, viewers, registry, outbox, link, conversation, care, pullCare, kin, modelDay },
    ...{ admission, letters, intake, modelDoor },
    /** What remembers something beside SQLite, which may be ahead of it after a transaction was rolled back. */
    forgetful: [log, turns, asks, sandbox, link, outbox, threads, pulls, admissions, letters],
    /** What time alone moves. */
    timed: [inbox, turns, asks, outbox, care, pullCare, threads, viewers, modelDay, admission, letters],
  };
}
