/** Which sockets are the sandbox's own where it shares the network with the whole machine. Linux only; elsewhere none is. */
import { readdirSync, readlinkSync } from "node:fs";
import { markedProcesses, SANDBOX_MARK } from "../sandbox/boot/marked.ts";

/** A socket that nobody of the sandbox had open in this many looks is somebody else's, and not looked for again. */
const LOOKS = 3;

/**
 * Returns what tells the sandbox's own sockets, given by inode, from others: all are without a mark. With one, those that a process
 * with that mark has open. Looking means reading all processes of the machine, so it is done only where there is a new socket.
 */
export function ownersOf(mark: string | null): (inodes: ReadonlySet<string>) => ReadonlySet<string> {
  if (mark === null) return (inodes) => inodes;
  const own = new Set<string>();
  const foreign = new Map<string, number>();
  return (inodes) => {
    for (const known of [own, foreign]) for (const inode of known.keys()) if (!inodes.has(inode)) known.delete(inode);
    const unknown = [...inodes].filter((inode) => !own.has(inode) && (foreign.get(inode) ?? 0) < LOOKS);
    if (unknown.length === 0) return own;
    const open = openSockets(mark);
    for (const inode of unknown) {
      if (open.has(inode)) own.add(inode);
      else foreign.set(inode, (foreign.get(inode) ?? 0) + 1);
    }
    return own;
  };
}

/** Inodes of the sockets that processes with the mark have open. */
function openSockets(mark: string): Set<string> {
  const found = new Set<string>();
  for (const pid of markedProcesses(SANDBOX_MARK, mark)) {
    try {
      for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
        const inode = /^socket:\[(\d+)\]$/.exec(target(`/proc/${pid}/fd/${descriptor}`))?.[1];
        if (inode) found.add(inode);
      }
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}
