/**
 * The terminal: one tmux session for all, the ttyd of those who use it, and another for those who look on. What watchers send is
 * dropped twice, by a ttyd that takes no input and by a tmux client that is read-only; and their windows do not count for the size.
 */
import { join } from "node:path";
import type { InsideConfig } from "./config.ts";
import { isListening, type Listening, listeningOf } from "./listening.ts";
import { UNIT_MARK } from "./marked.ts";
import type { Unit } from "./unit.ts";

/** The tmux session's name. */
const NAME = "errand";

/**
 * Keeps the session there, as its silent companion in control mode (tmux(1), CONTROL MODE): begins it when the sandbox starts, and
 * again when somebody ended its shell. Being attached it also keeps tmux from going by watchers' windows when nobody else is there:
 * `ignore-size` alone holds only beside a client that counts, which a control client without a size does without having one. Its
 * input is a pipe that it holds open itself, since it ends with its input.
 */
const HOLD = 'hold=$1; shift; [ -p "$hold" ] || mkfifo -m 600 "$hold"; while :; do "$@" <>"$hold" >/dev/null; sleep 0.5; done';

/** Shows the session to one watcher, and waits where there is none: to begin it is not theirs (`-N`). */
const WATCH = `while :; do "$@" has-session -t =${NAME} 2>/dev/null && "$@" attach-session -r -f read-only,ignore-size -t =${NAME}; echo "Waiting for the terminal."; sleep 1; done`;

/** The units; `ttyd` and `tmux` are the programs' paths (ttyd 1.7, tmux 3.2 or newer). */
export function terminalUnits(options: {
  config: Pick<InsideConfig, "ports" | "paths">;
  common: Readonly<Record<string, string>>;
  ttyd: string;
  tmux: string;
}): Unit[] {
  const { paths } = options.config;
  const [driven, watched] = [listeningOf(options.config, "terminal"), listeningOf(options.config, "terminalWatch")];
  const base = { cwd: paths.workspace, env: options.common, ipc: false, readyMs: 20_000 } as const;
  const socket = join(paths.run, "tmux.sock");
  const client = [options.tmux, "-S", socket, "-f", join(paths.run, "tmux.conf")];
  // tmux's server outlives what started it, so it must not carry the mark by which a unit's left-overs are ended.
  const shell = ["env", "-u", UNIT_MARK, ...client];
  const page = (where: Listening, title: string) => [
    ...("port" in where ? ["-i", "127.0.0.1", "-p", String(where.port)] : ["-i", where.socket]),
    ...["-O", "-P", "30"],
    ...["-t", "disableLeaveAlert=true", "-t", `titleFixed=${title}`, "-t", "fontSize=14"],
  ];
  const begin = ["new-session", "-A", "-s", NAME, "-c", paths.workspace];
  return [
    {
      ...base,
      name: "tmux",
      service: "terminal",
      command: ["/bin/sh", "-c", HOLD, "sh", join(paths.run, "tmux.hold"), ...shell, "-C", ...begin, "-f", "no-output"],
      ready: { by: "socket", path: socket },
      after: ["agent"],
    },
    {
      ...base,
      name: "terminal",
      service: "terminal",
      command: [options.ttyd, ...page(driven, "errand terminal"), "-W", "-m", "8", ...shell, ...begin],
      ready: isListening(driven),
      after: ["tmux"],
    },
    {
      ...base,
      name: "terminal-watch",
      service: null,
      command: [
        ...([options.ttyd, ...page(watched, "errand terminal, view only"), "-m", "16"] as const),
        ...["/bin/sh", "-c", WATCH, "sh", ...client, "-N"],
      ],
      ready: isListening(watched),
      after: ["tmux"],
    },
  ];
}
