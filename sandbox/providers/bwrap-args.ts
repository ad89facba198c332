/**
 * The options bubblewrap is started with (bubblewrap 0.8, Debian 12). They go through a file descriptor and not on the
 * command line, since bwrap stays in the sandbox as process 1 and its command line and environment can be read there.
 */

/** Fixed places inside every sandbox. */
export const INSIDE = {
  home: "/home/dev",
  work: "/workspace",
  repo: "/workspace/repo",
  run: "/run/errand",
  runtime: "/opt/errand/runtime",
  parts: "/opt/errand/parts",
} as const;

/** Folders and files on the host that a sandbox gets to see. */
export type Sources = {
  home: string;
  work: string;
  run: string;
  runtime: string;
  parts: string;
  /** Holds `passwd`, `group`, `hosts` and `nsswitch.conf` as the sandbox is to see them. */
  etc: string;
};

/** What is shown from the host's /etc: looks, certificates and alternatives, nothing about accounts or the network. */
const ETC = [
  "alternatives",
  "ssl/certs",
  "ca-certificates.conf",
  "ld.so.cache",
  "fonts",
  "localtime",
  "X11",
  "xdg",
  "chromium",
  "chromium.d",
];
const OWN_ETC = ["passwd", "group", "hosts", "nsswitch.conf"];

/** Files for `Sources.etc`: one user, no name service but files. */
export const ETC_FILES: Record<(typeof OWN_ETC)[number], string> = {
  passwd: `root:x:0:0:root:/root:/usr/sbin/nologin\ndev:x:1000:1000:dev:${INSIDE.home}:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
  group: "root:x:0:\ndev:x:1000:\nnogroup:x:65534:\n",
  hosts: "127.0.0.1 localhost sandbox\n",
  "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
};

/**
 * Options for one sandbox: own user, process, IPC, host name, cgroup and network namespaces, the host's /usr read-only,
 * and an environment of exactly `env`. The network has only a loopback; what leads out are UNIX sockets in `run`.
 */
export function bwrapArgs(sources: Sources, env: Readonly<Record<string, string>>): string[] {
  return [
    ...["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--unshare-net"],
    ...["--uid", "1000", "--gid", "1000", "--hostname", "sandbox"],
    ...["--die-with-parent", "--new-session", "--cap-drop", "ALL"],
    ...["--ro-bind", "/usr", "/usr"],
    ...["bin", "sbin", "lib", "lib64"].flatMap((name) => ["--symlink", `usr/${name}`, `/${name}`]),
    ...ETC.flatMap((name) => ["--ro-bind-try", `/etc/${name}`, `/etc/${name}`]),
    ...OWN_ETC.flatMap((name) => ["--ro-bind", `${sources.etc}/${name}`, `/etc/${name}`]),
    ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm"],
    ...["--perms", "1777", "--tmpfs", "/tmp", "--perms", "1777", "--dir", "/tmp/.X11-unix"],
    ...["--tmpfs", "/run", "--tmpfs", "/var", "--perms", "1777", "--dir", "/var/tmp"],
    ...["--bind", sources.home, INSIDE.home, "--bind", sources.work, INSIDE.work, "--bind", sources.run, INSIDE.run],
    ...["--ro-bind", sources.runtime, INSIDE.runtime, "--ro-bind", sources.parts, INSIDE.parts],
    "--clearenv",
    ...Object.entries(env).flatMap(([name, value]) => ["--setenv", name, value]),
    ...["--chdir", INSIDE.work],
  ];
}

/** The form in which `--args` reads options: each ended by a NUL byte. */
export function nulSeparated(args: readonly string[]): string {
  return args.map((arg) => `${arg}\0`).join("");
}

/**
 * The limits set inside, where they count for one sandbox only: set outside, all sandboxes of one user would share them.
 * 1024 processes and threads, no core files. No limit of address space: Node, Bun and Chromium reserve huge ranges.
 */
export const LIMITS = ["prlimit", "--nproc=1024", "--core=0", "--"] as const;

/**
 * The command that starts bwrap. As root it first makes the sources reachable under `stage` in a mount namespace of its own
 * (they may lie in a folder that only root can enter) and becomes the unprivileged `uid`: inside, uid 1000 would else be root.
 * `stage` is an empty folder that anybody may enter; the options given to bwrap must then be made from `staged(stage)`.
 */
export function bwrapCommand(
  inner: readonly string[],
  root: { uid: number; stage: string; sources: Sources } | null,
): [string, ...string[]] {
  const bwrap = ["bwrap", "--args", "3", "--", ...inner];
  if (!root) return bwrap as [string, ...string[]];
  const pairs = Object.entries(root.sources).flat();
  return [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "--",
    "/bin/sh",
    "-c",
    STAGE,
    "sh",
    root.stage,
    String(root.uid),
    ...pairs,
    "--",
    ...bwrap,
  ];
}

/** The sources as bwrap finds them after `bwrapCommand` staged them. */
export function staged(stage: string): Sources {
  const at = (name: keyof Sources) => `${stage}/${name}`;
  return { home: at("home"), work: at("work"), run: at("run"), runtime: at("runtime"), parts: at("parts"), etc: at("etc") };
}

const STAGE = `set -e
stage=$1 uid=$2
shift 2
mount -t tmpfs -o mode=755,size=1m errand "$stage"
while [ "$1" != -- ]; do
  mkdir "$stage/$1"
  mount --bind "$2" "$stage/$1"
  shift 2
done
shift
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs -- "$@"`;
